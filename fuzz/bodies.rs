//! The fuzz targets. Each calls the tap with its input as a run would, and checks what must hold for any input.
//!
//! They are plain functions over bytes, so that the replay test runs the same checks without a fuzzer. They panic if a
//! check fails. They make no request.

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::time::Duration;

use crate::catalog::discover::discover;
use crate::catalog::select::Options;
use crate::config::Config;
use crate::json::row::Row;
use crate::output::Output;
use crate::sentry::endpoint::Rows;
use crate::sentry::error::read_detail;
use crate::sentry::limits::RateLimits;
use crate::sentry::link::{End, next_page};
use crate::sentry::page::Page;
use crate::singer::catalog::{Catalog, CatalogEntry};
use crate::singer::projection::Projection;
use crate::singer::selection::{Kept, select_properties, stream_is_selected};
use crate::singer::states::{Owner, States};
use crate::singer::writer::Writer;
use crate::streams::{self, Stream};
use crate::sync::session::starts::start_after;
use crate::time::format_time;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

/// A fuzz target: its name and its body. Its corpus folder has the same name.
pub type Target = (&'static str, fn(&[u8]));

/// Every target.
pub const TARGETS: [Target; 6] =
    [("config", config), ("catalog", catalog), ("state", state), ("link", link), ("record", record), ("error", error)];

/// The configuration file: accepted values are within bounds and usable, and no message shows the token.
pub fn config(data: &[u8]) {
    let Some(text) = text(data) else { return };
    // The option names a file to read. A fuzzer must not choose it.
    if text.contains("ca_bundle") {
        return;
    }
    match Config::parse(text) {
        Ok(config) => {
            assert!(config.sampling.fraction.is_none_or(|fraction| (0.0..=1.0).contains(&fraction)));
            assert!(config.sampling.min_per_issue <= config.sampling.max_per_issue);
            assert!(config.client.request_timeout > Duration::ZERO, "no request could be answered in no time");
            assert!(matches!(config.client.base_url.scheme(), "https" | "http"));
            assert!(config.client.base_url.path().ends_with("/api/0/"), "{}", config.client.base_url);
            assert!(config.client.base_url.username().is_empty() && config.client.base_url.password().is_none());
            assert!(!config.organization.trim().is_empty() && !config.organization.contains('/'));
            assert!(config.lookback < Duration::from_hours(24 * 366 * 100), "more than can be reckoned with");
            drop(RateLimits::new(config.client.rate_limit));
            let start = format_time(start_after(None, config.start_date, config.lookback));
            let state = parse_state(&state_of(&start)).expect("a state");
            assert_eq!(serde_json::json!(state)["bookmarks"]["x"]["start"], start);
            assert!(config.client.token.header().is_some(), "a token that no request can carry");
            hides_token(text, &format!("{config:?}"));
        }
        Err(error) => hides_token(text, &format!("{error:?}")),
    }
}

fn parse_state(text: &str) -> anyhow::Result<States> {
    Ok(States::parse(text, Owner::Only("acme"))?.switch_organization("acme"))
}

fn state_of(start: &str) -> String {
    json!({"bookmarks": {"x": {"start": start}}}).to_string()
}

/// Fails if `shown` has the token. Checks only tokens that are easy to recognize and occur once in the file.
fn hides_token(config: &str, shown: &str) {
    let object: Map<String, Value> = serde_json::from_str(config).unwrap_or_default();
    let token = object.get("api_token").and_then(Value::as_str).unwrap_or_default().trim();
    if token.starts_with("sntry") && token.len() > 10 && config.matches(token).count() == 1 {
        assert!(!shown.contains(token), "the token shows in {shown}");
    }
}

/// The catalog: whatever it selects, keys are written, and SCHEMA and records keep the same properties.
pub fn catalog(data: &[u8]) {
    let Some(text) = text(data) else { return };
    let Ok(catalog) = Catalog::parse(text) else { return };
    for entry in &catalog.streams {
        let _ = stream_is_selected(entry, true);
        let _ = entry.replication_method();
        check_selection(&entry.schema, entry, &["id"]);
        for (stream, ours) in discovered().iter().filter(|(_, ours)| entry.id().starts_with(&ours.tap_stream_id[..1])) {
            check_selection(&ours.schema, entry, &stream.automatic());
        }
    }
    if streams::all().any(|stream| catalog.entry(stream.tap_stream_id).is_some()) {
        let output =
            Output::new(sink(), States::default(), Some(&catalog), &Options::default()).expect("our schemas are right");
        for stream in output.streams() {
            let keys: Map<String, Value> =
                stream.stream.automatic().iter().map(|key| ((*key).to_owned(), json!("1"))).collect();
            let raw = Value::Object(keys).to_string();
            let mut batch = stream.batch(0);
            batch.push(&Row::scan(&raw).expect("an object"), &[]);
            assert!(!batch.take_lines().is_empty(), "{}: a row with its keys was refused", stream.stream.tap_stream_id);
        }
    }
}

fn check_selection(schema: &Value, entry: &CatalogEntry, automatic: &[&str]) {
    let (pruned, kept) = select_properties(schema, entry, automatic);
    let before = schema.get("properties").and_then(Value::as_object);
    let after = pruned.get("properties").and_then(Value::as_object);
    for name in before.into_iter().flat_map(Map::keys) {
        let stays = after.is_some_and(|after| after.contains_key(name));
        assert_eq!(stays, kept.contains_key(name), "{name}: schema and records differ");
        assert!(stays || !automatic.contains(&name.as_str()), "the key {name} was deselected");
    }
    assert!(kept.keys().all(|name| before.is_some_and(|before| before.contains_key(name))), "an invented property");
}

/// The state file: whatever was read, the state that is written reads back as the same.
pub fn state(data: &[u8]) {
    let Some(text) = text(data) else { return };
    let Ok(state) = parse_state(text) else { return };
    let value = serde_json::json!(state);
    // The first write may cut off fractions of seconds. Later writes change nothing.
    let again = parse_state(&value.to_string()).expect("our own state");
    assert_eq!(serde_json::json!(again), value);
    assert_eq!(again.current.bookmarks.len(), state.current.bookmarks.len());
    assert_eq!(parse_state(&serde_json::json!(again).to_string()).expect("our own state"), again);
    let wrapped = json!({"type": "STATE", "value": value}).to_string();
    assert_eq!(parse_state(&wrapped).expect("our own state, wrapped"), again);
}

/// The `Link` header: a cursor is a part of it, and the cursor of a well-formed header is found whole.
pub fn link(data: &[u8]) {
    let header = String::from_utf8_lossy(data);
    if let Ok(cursor) = next_page([header.as_ref()]) {
        assert!(!cursor.is_empty() && header.contains(&cursor), "an invented cursor {cursor:?}");
    }
    let plain = |c: &char| c.is_ascii_alphanumeric() || ":/+-_=%".contains(*c);
    let cursor: String = header.chars().filter(plain).collect();
    let url: String = header.chars().filter(|c| *c != '>').collect();
    let goes_on = if cursor.is_empty() { Err(End::WithoutCursor) } else { Ok(cursor.clone()) };
    for (results, expected) in [("true", goes_on), ("false", Err(End::Said))] {
        let made = format!(
            r#"<{url}>; rel="previous"; results="true"; cursor="0:0:1", <{url}>; rel="next"; results="{results}"; cursor="{cursor}""#
        );
        assert_eq!(next_page([made.as_str()]), expected, "{made}");
        assert_eq!(next_page([format!("{{'{made}'}}").as_str()]), expected, "{made}");
    }
}

/// One row. If every field is kept, the record equals the row as a JSON parser reads it. With the schema of a stream,
/// every value has its declared type.
pub fn record(data: &[u8]) {
    static EVERYTHING: OnceLock<Projection> = OnceLock::new();
    let Some(text) = text(data) else { return };
    let parsed = serde_json::from_str::<&RawValue>(text).ok();
    let begins_with = |bracket| parsed.is_some_and(|raw| raw.get().starts_with(bracket));
    let page = Page::parse(text.to_owned(), Rows::Object);
    assert_eq!(page.is_ok(), begins_with('{'), "scanner and parser differ about an object");
    let list = Page::parse(text.to_owned(), Rows::Array);
    assert_eq!(list.is_ok(), begins_with('['), "scanner and parser differ about an array");
    let Some(raw) = parsed else { return };
    let row = Row::scan(raw.get());
    assert_eq!(row.is_some(), page.is_ok(), "scanner and page differ about objects");
    let Some(row) = row else { return };
    let page = page.expect("a page");
    assert_eq!(page.rows().map(|row| row.expect("an object").raw()).collect::<Vec<_>>(), [row.raw()]);

    let everything =
        EVERYTHING.get_or_init(|| Projection::new(&json!({"properties": {}}), [], BTreeMap::new(), &[], true));
    let written = write(everything, &row).expect("no key is required");
    let (repaired, replaced) = repair(text);
    assert!(!repair(&written).1, "a character that targets refuse is left in {written}");
    match serde_json::from_str::<Value>(&repaired) {
        Ok(expected) => {
            let record: Value = serde_json::from_str(&written).expect("a record is JSON");
            assert_eq!(record, expected);
            if !replaced {
                let fields: Map<String, Value> = row
                    .fields()
                    .map(|field| (field.name().into_owned(), serde_json::from_str(field.value()).expect("a value")))
                    .collect();
                assert_eq!(Value::Object(fields), expected);
            }
        }
        // The parser's tree cannot hold such depth or such a number. The tap passes it on unchanged.
        Err(_) => {
            serde_json::from_str::<&RawValue>(&written).expect("a record is JSON");
        }
    }
    for name in ["id", "project", "count"] {
        let _ = (row.text(name), row.integer(name), row.object(name));
    }
    for (entry, projection) in projections() {
        if let Some(written) = write(projection, &row) {
            check_record(&entry.schema, &written);
        }
    }
}

fn write(projection: &Projection, row: &Row<'_>) -> Option<String> {
    let mut out = Vec::new();
    projection.writer().write(&mut out, row, &[]).ok()?;
    Some(String::from_utf8(out).expect("a record is UTF-8"))
}

/// Fails if a value of the record does not have a type that the schema declares.
fn check_record(schema: &Value, written: &str) {
    let Ok(record) = serde_json::from_str::<Map<String, Value>>(written) else {
        serde_json::from_str::<&RawValue>(written).expect("a record is JSON");
        return;
    };
    for (name, value) in &record {
        let types = &schema["properties"][name]["type"];
        let types = types.as_array().map_or_else(|| vec![types.clone()], Clone::clone);
        let fits = |kind: &Value| match kind.as_str() {
            Some("string") => value.is_string(),
            Some("integer") => value.as_f64().is_some_and(|number| number.fract() == 0.0),
            Some("number") => value.is_number(),
            Some("boolean") => value.is_boolean(),
            Some("object") => value.is_object(),
            Some("array") => value.is_array(),
            Some("null") => value.is_null(),
            _ => true,
        };
        assert!(value.is_null() || types.iter().any(fits), "{name}: {value} is none of {types:?}");
        if schema["properties"][name]["format"] == "date-time" {
            let year = value.as_str().map(|time| time.as_bytes().iter().take_while(|b| b.is_ascii_digit()).count());
            assert!(year.is_none_or(|digits| digits == 4), "{name}: {value} is no time of RFC 3339");
        }
    }
}

/// Replaces NUL and lone halves of surrogate pairs by U+FFFD, in a slow and simple way. Returns whether there were any.
fn repair(text: &str) -> (String, bool) {
    let mut out = String::with_capacity(text.len());
    let mut replaced = false;
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let length = match (unit(rest), rest.get(6..).and_then(unit)) {
            (Some(0xD800..=0xDBFF), Some(0xDC00..=0xDFFF)) => 12,
            (Some(0 | 0xD800..=0xDFFF), _) => {
                out.push_str("\\ufffd");
                rest = &rest[6..];
                replaced = true;
                continue;
            }
            (Some(_), _) => 6,
            (None, _) => 2,
        };
        out.push_str(&rest[..length]);
        rest = &rest[length..];
    }
    out.push_str(rest);
    (out, replaced)
}

fn unit(escape: &str) -> Option<u32> {
    u32::from_str_radix(escape.strip_prefix("\\u")?.get(..4)?, 16).ok()
}

/// The body of an error answer: the detail that is quoted is short, and the body holds it.
pub fn error(data: &[u8]) {
    let body = String::from_utf8_lossy(data);
    let detail = read_detail(&body);
    assert!(detail.chars().count() <= 301, "{} characters of detail", detail.chars().count());
    if let Ok(Value::String(text)) = serde_json::from_str::<Value>(&body) {
        assert!(text.starts_with(detail.trim_end_matches('…')), "{detail:?} is not what the body says");
    }
}

fn text(data: &[u8]) -> Option<&str> {
    std::str::from_utf8(data).ok()
}

fn discovered() -> &'static [(&'static Stream, CatalogEntry)] {
    static ENTRIES: OnceLock<Vec<(&'static Stream, CatalogEntry)>> = OnceLock::new();
    ENTRIES.get_or_init(|| streams::all().zip(discover(&[]).expect("our schemas are right").streams).collect())
}

/// The projection of each stream, with half of its nested properties deselected.
fn projections() -> &'static [(CatalogEntry, Projection)] {
    static PROJECTIONS: OnceLock<Vec<(CatalogEntry, Projection)>> = OnceLock::new();
    PROJECTIONS.get_or_init(|| {
        let halved = discovered().iter().map(|(stream, ours)| {
            let mut entry = ours.clone();
            for item in entry.metadata.iter_mut().filter(|item| item.breadcrumb.len() > 2).step_by(2) {
                item.metadata.insert("selected".to_owned(), json!(false));
            }
            let (schema, kept): (Value, BTreeMap<String, Kept>) =
                select_properties(&entry.schema, &entry, &stream.automatic());
            let declared = entry.schema["properties"].as_object().expect("properties").keys().cloned();
            let projection = Projection::new(&schema, declared, kept, stream.key_properties, false);
            (entry, projection)
        });
        halved.collect()
    })
}

/// A writer instead of stdout, one for all inputs.
fn sink() -> Writer {
    static SINK: OnceLock<Writer> = OnceLock::new();
    SINK.get_or_init(|| Writer::spawn(std::io::sink()).0).clone()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::TARGETS;

    /// Replays the corpus without a fuzzer, so that a mistake found once does not come back.
    #[test]
    fn every_input_of_the_corpus_keeps_its_promises() {
        let corpus = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
        for (name, body) in TARGETS {
            let files: Vec<PathBuf> =
                std::fs::read_dir(corpus.join(name)).expect("a corpus").flatten().map(|file| file.path()).collect();
            assert!(files.len() >= 3, "{name} has {} inputs", files.len());
            for file in files {
                let input = std::fs::read(&file).expect("an input");
                let result = std::panic::catch_unwind(|| body(&input));
                assert!(result.is_ok(), "{} breaks {name}", file.display());
            }
        }
    }
}
