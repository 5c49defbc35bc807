//! The documents agree with the program.

use std::path::PathBuf;

use serde_json::Value;
use tap_sentry::config::Config;
use tap_sentry::config::options::OPTIONS;
use tap_sentry::streams::STREAMS;

use crate::support::{Run, tap};

fn file(name: &str) -> String {
    std::fs::read_to_string(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(name)).expect(name)
}

#[test]
fn the_readme_shows_the_real_help() {
    let mut command = tap();
    command.arg("--help").env("COLUMNS", "80");
    let help = Run::of(command).stdout;
    assert!(file("README.md").contains(help.trim()), "the README's usage differs from:\n{help}");
}

#[test]
fn the_readme_names_every_option_and_every_stream() {
    let readme = file("README.md");
    for option in OPTIONS {
        assert!(readme.contains(&format!("| `{}`", option.name)), "{} is missing", option.name);
    }
    for stream in STREAMS {
        assert!(readme.contains(&format!("| `{}`", stream.tap_stream_id)), "{} is missing", stream.tap_stream_id);
    }
}

#[test]
fn the_example_config_loads() {
    let text = file("config.example.json");
    Config::parse(&text).expect("the example config");
    let value: Value = serde_json::from_str(&text).expect("plain JSON");
    for name in value.as_object().expect("an object").keys() {
        assert!(OPTIONS.iter().any(|option| option.name == name), "{name}");
    }
}

#[test]
fn meltano_knows_every_option() {
    let text = file("meltano.yml");
    for option in OPTIONS {
        assert!(text.contains(&format!("name: {}", option.name)), "{} is missing", option.name);
    }
    assert!(!text.contains("kind: float") && !text.contains("kind: decimal"), "Meltano refuses these");
    for stream in STREAMS {
        assert!(text.contains(&format!("{}.*", stream.tap_stream_id)), "{} is missing", stream.tap_stream_id);
    }
}
