//! Laws that every row of the table and every source file must keep.

use std::path::{Path, PathBuf};

use serde_json::Value;
use tap_sentry::streams::{self, Added, Source, Step};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn sources(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).expect("a source");
            files.push((path, text));
        }
    }
    files
}

#[test]
fn every_schema_file_has_one_row_and_every_row_one_file() {
    let mut files: Vec<String> = std::fs::read_dir(root().join("schemas"))
        .expect("schemas")
        .flatten()
        .map(|file| file.file_name().to_string_lossy().trim_end_matches(".json").to_owned())
        .collect();
    let mut rows: Vec<String> = streams::all().map(|stream| stream.tap_stream_id.to_owned()).collect();
    files.sort();
    rows.sort();
    assert_eq!(files, rows);
    for stream in streams::all() {
        let path = root().join("schemas").join(format!("{}.json", stream.tap_stream_id));
        assert_eq!(std::fs::read_to_string(path).expect("a schema"), stream.schema, "{}", stream.tap_stream_id);
    }
}

#[test]
fn keys_and_named_fields_are_in_the_schema_and_keys_are_never_null() {
    for stream in streams::all() {
        let schema: Value = serde_json::from_str(stream.schema).expect("JSON");
        let property = |name: &str| {
            schema["properties"].get(name).unwrap_or_else(|| panic!("{}.{name}", stream.tap_stream_id)).clone()
        };
        for key in stream.automatic() {
            assert!(property(key)["type"].is_string(), "{}.{key} is nullable", stream.tap_stream_id);
        }
        for name in stream.not_by_default {
            property(name);
        }
        for (name, added) in stream.added {
            property(name);
            if let Added::FirstOf(list, _) = added {
                property(list);
            }
            if let Added::Within(object, _) = added {
                property(object);
            }
        }
        if let Source::ParentRow(embeds) = &stream.source {
            for embed in *embeds {
                property(embed.field);
            }
        }
    }
}

#[test]
fn every_placeholder_is_offered_by_an_ancestor() {
    for stream in streams::all() {
        let above = std::iter::successors(Some(stream), |stream| {
            stream.parent.map(|name| tap_sentry::streams::find(name).expect("the parent is a row"))
        });
        let offers: Vec<&str> = above.skip(1).flat_map(|parent| parent.offers).map(|(name, _)| *name).collect();
        let offered = |name: &str| name == "organization" || offers.contains(&name);
        for (field, added) in stream.added {
            if let Added::Above(name) = added {
                assert!(offered(name), "{}.{field}: {name}", stream.tap_stream_id);
            }
        }
        let endpoints = match &stream.source {
            Source::Endpoint(endpoint) => vec![endpoint],
            Source::ParentRow(embeds) => embeds.iter().map(|embed| &embed.endpoint).collect(),
            Source::Issues | Source::Events | Source::EventPart(_) => vec![],
        };
        for path in endpoints.iter().flat_map(|endpoint| endpoint.paths) {
            assert!(path.ends_with('/') && !path.starts_with('/'), "{path}");
            for name in path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')) {
                assert!(offered(name), "{}: {name}", stream.tap_stream_id);
            }
        }
    }
}

#[test]
fn what_lies_inside_events_has_its_places_in_its_key() {
    for stream in streams::all() {
        let Source::EventPart(steps) = stream.source else { continue };
        let name = stream.tap_stream_id;
        assert_eq!(stream.parent, Some("events"), "{name}");
        assert!(matches!(steps, [Step::Field(_) | Step::Entry(_), .., Step::Each(_)]), "{name}");
        for step in steps {
            if let Step::Each(Some(place)) = step {
                assert!(stream.key_properties.contains(place), "{name}.{place}");
            }
        }
    }
}

#[test]
fn imports_go_one_way() {
    let allowed: &[(&str, &[&str])] = &[
        ("json/", &["json"]),
        ("singer/", &["singer", "json", "time"]),
        ("sentry/", &["sentry", "json", "time"]),
        ("sampling.rs", &[]),
        ("time.rs", &[]),
        ("cli.rs", &[]),
        ("about.rs", &["cli", "config", "streams"]),
        ("manual.rs", &["cli"]),
        ("screen.rs", &[]),
        ("logging.rs", &["screen"]),
        ("progress.rs", &["screen", "sentry", "sync"]),
        ("streams/", &["streams", "sentry"]),
        ("discover.rs", &["streams", "singer", "json"]),
        ("config/", &["config", "sentry", "streams", "time"]),
    ];
    let source = root().join("src");
    for (path, text) in sources(&source) {
        let name = path.strip_prefix(&source).expect("below src").to_string_lossy().into_owned();
        let Some((_, allowed)) = allowed.iter().find(|(part, _)| name.starts_with(part)) else { continue };
        for import in text.split("crate::").skip(1) {
            let module: String = import.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
            assert!(allowed.contains(&module.as_str()), "{name} must not know {module}");
        }
    }
}

#[test]
fn only_main_names_stdout_and_modules_begin_with_their_duty() {
    let source = root().join("src");
    for (path, text) in sources(&source) {
        let name = path.strip_prefix(&source).expect("below src").to_string_lossy().into_owned();
        assert!(text.starts_with("//! "), "{name} does not say what it is for");
        assert!(name == "main.rs" || !text.contains("io::stdout"), "{name} names stdout");
        assert!(text.lines().count() <= 350, "{name} has grown too long");
    }
}
