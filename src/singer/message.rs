//! SCHEMA, RECORD, STATE and `ACTIVATE_VERSION` as lines of JSON.
//!
//! Knows the form of messages only, not who writes them or when.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;
use serde_json::{Value, json};

use crate::json::text;

/// A SCHEMA line, newline included.
pub(crate) fn schema_line(
    stream: &str,
    schema: &Value,
    key_properties: &[&str],
    replication_key: Option<&str>,
) -> Vec<u8> {
    let mut message = json!({
        "type": "SCHEMA", "stream": stream, "schema": schema, "key_properties": key_properties,
    });
    if let Some(key) = replication_key {
        message["bookmark_properties"] = json!([key]);
    }
    line(&message)
}

/// A STATE line, newline included.
pub(crate) fn state_line(state: &impl Serialize) -> Vec<u8> {
    let mut out = b"{\"type\":\"STATE\",\"value\":".to_vec();
    // Writing to memory cannot fail, and all keys of a state are texts.
    let _ = serde_json::to_writer(&mut out, state);
    out.extend_from_slice(b"}\n");
    out
}

/// An `ACTIVATE_VERSION` line, newline included. Tells the target that rows of other versions are gone.
pub(crate) fn activate_version_line(stream: &str, version: i64) -> Vec<u8> {
    line(&json!({"type": "ACTIVATE_VERSION", "stream": stream, "version": version}))
}

/// The part of a RECORD line before the record. It is the same for all rows of a stream that were read at `extracted`.
pub(crate) fn record_start(stream: &str, extracted: DateTime<Utc>, version: Option<i64>) -> Vec<u8> {
    let mut out = b"{\"type\":\"RECORD\",\"stream\":".to_vec();
    text::push_string(&mut out, stream);
    out.extend_from_slice(b",\"time_extracted\":\"");
    out.extend_from_slice(extracted.to_rfc3339_opts(SecondsFormat::Millis, true).as_bytes());
    out.push(b'"');
    if let Some(version) = version {
        out.extend_from_slice(format!(",\"version\":{version}").as_bytes());
    }
    out.extend_from_slice(b",\"record\":");
    out
}

/// The part of a RECORD line after the record.
pub(crate) const RECORD_END: &[u8] = b"}\n";

fn line(message: &Value) -> Vec<u8> {
    let mut out = message.to_string().into_bytes();
    out.push(b'\n');
    out
}
