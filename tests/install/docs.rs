//! The documents agree with the program.

use std::fmt::Write;
use std::path::PathBuf;

use serde_json::Value;
use tap_sentry::internals::{CAPABILITIES, Kind, OPTIONS, Source, config_problem, streams};

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
    for stream in streams::all() {
        assert!(readme.contains(&format!("| `{}`", stream.tap_stream_id)), "{} is missing", stream.tap_stream_id);
    }
}

/// The table that the README must have of the streams that are not selected by default, made from the table of streams.
fn more_streams() -> String {
    let mut block = String::from(
        "| Stream | Key | Replication | Read from | Requests in a run | Scope |\n| --- | --- | --- | --- | --- | --- |\n",
    );
    for stream in streams::all().filter(|stream| !stream.selected_by_default) {
        let (path, scope) = match &stream.source {
            Source::Endpoint(endpoint) => {
                (format!("`{}`", endpoint.paths[0].replace("{organization}", "{org}")), endpoint.scope)
            }
            Source::EventPart(_) => ("inside events".to_owned(), "event:read"),
            _ => continue,
        };
        let (name, cost) = (stream.tap_stream_id, stream.cost);
        let keys = stream.key_properties.join("`, `");
        let replication = stream.replication_key().map_or("full table".into(), |key| format!("incremental by `{key}`"));
        let _ = writeln!(block, "| `{name}` | `{keys}` | {replication} | {path} | {cost} | `{scope}` |");
    }
    block
}

#[test]
fn the_readme_shows_what_more_streams_there_are() {
    let table = more_streams();
    assert!(file("README.md").contains(&table), "README.md must contain\n{table}");
}

#[test]
fn the_example_config_loads() {
    let text = file("config.example.json");
    assert_eq!(config_problem(&text), None);
    let value: Value = serde_json::from_str(&text).expect("plain JSON");
    for name in value.as_object().expect("an object").keys() {
        assert!(OPTIONS.iter().any(|option| option.name == name), "{name}");
    }
}

/// The settings that `meltano.yml` must have, made from the table of options.
fn meltano_settings() -> String {
    let mut block = String::from("    settings:\n");
    for option in OPTIONS {
        let _ = writeln!(block, "    - name: {}", option.name);
        // Numbers with fractions have no kind. Meltano does not know float, and it cannot pass on a decimal that comes
        // from the environment. The tap also reads numbers that are written as strings.
        block += match option.kind {
            Kind::Text => "      kind: string\n",
            Kind::Secret => "      kind: string\n      sensitive: true\n",
            Kind::Time => "      kind: date_iso8601\n",
            Kind::Integer => "      kind: integer\n",
            Kind::Boolean => "      kind: boolean\n",
            Kind::List | Kind::Objects => "      kind: array\n",
            Kind::Number | Kind::NumberOrWord => "",
        };
        let _ = writeln!(block, "      label: {}", option.title());
        let _ = writeln!(block, "      description: '{}'", option.description.replace('\'', "''"));
        if let Some(default) = option.default_value() {
            let quoted = default.as_str().map(|text| format!("'{text}'"));
            let _ = writeln!(block, "      value: {}", quoted.unwrap_or_else(|| default.to_string()));
        }
    }
    block
}

#[test]
fn meltano_has_the_settings_that_the_tap_has() {
    let text = file("meltano.yml");
    let settings = meltano_settings();
    assert!(text.contains(&settings), "meltano.yml must contain\n{settings}");
    for stream in streams::all().filter(|stream| stream.selected_by_default) {
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

fn documents() -> Vec<(PathBuf, String)> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let docs = std::fs::read_dir(root.join("docs")).expect("docs").map(|entry| entry.expect("an entry").path());
    let names = ["README.md", "ARCHITECTURE.md", "CHANGELOG.md"].map(|name| root.join(name));
    let is_text = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "md");
    docs.filter(is_text)
        .chain(names)
        .map(|path| (path.clone(), std::fs::read_to_string(path).expect("a text")))
        .collect()
}

/// The name of a heading in a link.
fn anchor(heading: &str) -> String {
    let kept = heading.trim_start_matches('#').trim().to_lowercase();
    kept.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c)).collect::<String>().replace(' ', "-")
}

#[test]
fn links_lead_somewhere() {
    for (path, text) in documents() {
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if link.contains("://") {
                continue;
            }
            let (file, fragment) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { path.clone() } else { path.with_file_name(file) };
            let there = std::fs::read_to_string(&target).unwrap_or_else(|_| panic!("{}: {link}", path.display()));
            let found = there.lines().any(|line| line.starts_with('#') && anchor(line) == fragment);
            assert!(fragment.is_empty() || found, "{}: {link}", path.display());
        }
    }
}

/// Messages of the program change. The guide may quote only messages that exist.
#[test]
fn troubleshooting_quotes_the_program() {
    let mut folders = vec![PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src")];
    let mut program = String::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                program += &std::fs::read_to_string(path).expect("a text").replace("\\\"", "\"");
            }
        }
    }
    let joined: String = program.replace("\\\n", " ").split_whitespace().collect::<Vec<_>>().join(" ");
    let text = file("docs/troubleshooting.md");
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let mut count = 0;
    for message in rows {
        count += 1;
        for part in message.split(" ... ").map(|part| part.trim_start_matches("Hint: ")) {
            let part = part.trim_start_matches("answered 401").trim_start_matches("answered 403").trim();
            assert!(joined.contains(part), "{part:?} is said nowhere");
        }
    }
    assert!(count > 10, "{count} messages");
}
