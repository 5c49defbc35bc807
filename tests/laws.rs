//! Laws that every row of the table (here) and every source file (`house`) must keep.

mod house;
mod sources;

use std::path::PathBuf;

use serde_json::Value;
use tap_sentry::internals::{Added, Source, Step, streams};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
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
fn every_placeholder_is_in_the_context_that_ancestors_give() {
    for stream in streams::all() {
        let above = std::iter::successors(Some(stream), |stream| {
            stream.parent.map(|name| streams::find(name).expect("the parent is a row"))
        });
        let context: Vec<&str> = above.skip(1).flat_map(|parent| parent.child_context).map(|(name, _)| *name).collect();
        let is_given = |name: &str| name == "organization" || context.contains(&name);
        for (field, added) in stream.added {
            if let Added::Context(name) = added {
                assert!(is_given(name), "{}.{field}: {name}", stream.tap_stream_id);
            }
        }
        let endpoints = match &stream.source {
            Source::Endpoint(endpoint) => vec![endpoint],
            Source::ParentRow(embeds) => embeds.iter().map(|embed| &embed.endpoint).collect(),
            Source::Issues | Source::Events | Source::EventPart(_) => vec![],
        };
        for path in endpoints.into_iter().chain(&stream.by_name).flat_map(|endpoint| endpoint.paths) {
            assert!(path.ends_with('/') && !path.starts_with('/'), "{path}");
            for name in path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')) {
                assert!(is_given(name), "{}: {name}", stream.tap_stream_id);
            }
        }
    }
}

/// Rows below a late one are only asked for where the list above them is read so far back.
#[test]
fn what_hangs_on_late_rows_is_as_late() {
    for stream in streams::all() {
        let Some(parent) = stream.parent.and_then(streams::find) else { continue };
        let name = stream.tap_stream_id;
        assert!(stream.late_by >= parent.late_by, "{name} and {}", parent.tap_stream_id);
    }
}

#[test]
fn what_is_embedded_in_events_has_its_places_in_its_key() {
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
