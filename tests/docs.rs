//! The documents agree with the program.

use std::path::PathBuf;

use serde_json::Value;
use tap_sentry::about::CAPABILITIES;
use tap_sentry::config::Config;
use tap_sentry::config::options::{Kind, OPTIONS};
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

/// The settings of the plugin, as the table of options has them.
fn meltano_settings() -> String {
    let mut block = String::from("    settings:\n");
    for option in OPTIONS {
        block += &format!("    - name: {}\n", option.name);
        // No kind for numbers with fractions: Meltano does not know float, and cannot pass on a decimal that comes from
        // the environment. The tap reads numbers that are written as strings.
        block += match option.kind {
            Kind::Text => "      kind: string\n",
            Kind::Secret => "      kind: string\n      sensitive: true\n",
            Kind::Time => "      kind: date_iso8601\n",
            Kind::Integer => "      kind: integer\n",
            Kind::Boolean => "      kind: boolean\n",
            Kind::Number | Kind::NumberOrWord => "",
        };
        block += &format!("      label: {}\n", option.title());
        block += &format!("      description: '{}'\n", option.description.replace('\'', "''"));
        if let Some(default) = option.default_value() {
            let quoted = default.as_str().map(|text| format!("'{text}'"));
            block += &format!("      value: {}\n", quoted.unwrap_or_else(|| default.to_string()));
        }
    }
    block
}

#[test]
fn meltano_has_the_settings_that_the_tap_has() {
    let text = file("meltano.yml");
    let settings = meltano_settings();
    assert!(text.contains(&settings), "meltano.yml must contain\n{settings}");
    for stream in STREAMS {
        assert!(text.contains(&format!("{}.*", stream.tap_stream_id)), "{} is missing", stream.tap_stream_id);
    }
    for capability in CAPABILITIES {
        assert!(text.contains(&format!("    - {capability}\n")), "{capability} is missing");
    }
}

#[test]
fn the_readme_describes_the_options_as_the_tap_does() {
    let readme = file("README.md");
    for option in OPTIONS {
        let start = format!("| `{}` |", option.name);
        let row = readme
            .lines()
            .find(|line| line.starts_with(&start))
            .unwrap_or_else(|| panic!("{} is missing", option.name));
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        assert_eq!(cells[2], if option.required { "yes" } else { "no" }, "{row}");
        if let Some(default) = option.default_value() {
            let plain = default.as_str().map_or_else(|| default.to_string(), str::to_owned);
            assert_eq!(cells[3].trim_matches('`'), plain, "{row}");
        }
        let plain = |text: &str| text.replace(['`', '"'], "");
        assert!(plain(cells[4]).starts_with(&plain(option.description)), "{row}\n{}", option.description);
    }
}
