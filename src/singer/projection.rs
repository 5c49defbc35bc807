//! From one raw row to one raw record: selected fields are copied, the rest is left out, and values that do
//! not have the declared type are brought to it.
//!
//! Servers of different ages give the same field different types (numbers for ids, objects for strings), and
//! strict targets die on that. What is changed or left out is counted in [`Notes`], never silent.

use std::collections::{BTreeMap, HashMap, HashSet};

use chrono::{DateTime, SecondsFormat};
use serde_json::Value;

use crate::singer::record::{self, Row};
use crate::singer::selection::Kept;
use crate::singer::text;
use crate::time::parse_time;

/// What happened to the rows of a stream beside being copied.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Notes {
    /// Fields that the schema does not declare, left out: name and number of rows.
    pub dropped: BTreeMap<String, u64>,
    /// Fields whose value was brought to the declared type: name and number of rows.
    pub converted: BTreeMap<String, u64>,
    /// Fields whose value could not be brought to the declared type and was written as null.
    pub unreadable: BTreeMap<String, u64>,
    /// Characters that no target accepts, replaced by U+FFFD.
    pub replaced_characters: u64,
}

impl Notes {
    /// Adds the counts of `other`.
    pub fn add(&mut self, other: &Notes) {
        for (into, from) in [
            (&mut self.dropped, &other.dropped),
            (&mut self.converted, &other.converted),
            (&mut self.unreadable, &other.unreadable),
        ] {
            for (name, count) in from {
                *into.entry(name.clone()).or_default() += count;
            }
        }
        self.replaced_characters += other.replaced_characters;
    }
}

/// A row without the field that its stream is keyed by; it cannot be written.
#[derive(Debug, PartialEq, Eq)]
pub struct MissingKey(pub String);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    String,
    DateTime,
    Integer,
    Number,
    Boolean,
    Object,
    Array,
    /// No type or several: whatever arrives is right.
    Any,
}

#[derive(Debug)]
struct Field {
    /// `"name":`, ready to be copied.
    label: Vec<u8>,
    kind: Kind,
    kept: Kept,
}

/// The compiled form of one stream's schema and selection.
#[derive(Debug)]
pub struct Projection {
    fields: HashMap<String, Field>,
    deselected: HashSet<String>,
    required: Vec<String>,
    keep_unknown: bool,
}

impl Projection {
    /// Compiles. `schema` is what the SCHEMA message says, `declared` every property that the stream has,
    /// `required` the properties without which a row cannot be written.
    pub fn new(
        schema: &Value,
        declared: impl IntoIterator<Item = String>,
        mut kept: BTreeMap<String, Kept>,
        required: &[&str],
        keep_unknown: bool,
    ) -> Self {
        let properties = schema.get("properties").and_then(Value::as_object);
        let fields: HashMap<String, Field> = properties
            .into_iter()
            .flatten()
            .map(|(name, node)| {
                let label = format!("{}:", text::quote(name)).into_bytes();
                let kept = kept.remove(name).unwrap_or(Kept::Whole);
                (name.clone(), Field { label, kind: kind_of(node), kept })
            })
            .collect();
        let deselected = declared.into_iter().filter(|name| !fields.contains_key(name)).collect();
        let required = required.iter().map(|name| (*name).to_owned()).collect();
        Self { fields, deselected, required, keep_unknown }
    }

    /// Whether records carry this field.
    pub fn selects(&self, name: &str) -> bool {
        self.fields.contains_key(name)
    }

    /// Appends the record for `row`. `overrides` are raw JSON values that replace or join the row's own.
    pub fn write(
        &self,
        out: &mut Vec<u8>,
        row: &Row<'_>,
        overrides: &[(&str, &str)],
        notes: &mut Notes,
    ) -> Result<(), MissingKey> {
        self.check_required(row, overrides)?;
        let start = out.len();
        out.push(b'{');
        let overridden = |name: &str| overrides.iter().any(|(other, _)| *other == name);
        for (name, value) in row.fields().filter(|(name, _)| !overridden(name)) {
            self.put_field(out, start, name, value, notes);
        }
        for (name, value) in overrides {
            self.put_field(out, start, name, value, notes);
        }
        out.push(b'}');
        Ok(())
    }

    fn check_required(&self, row: &Row<'_>, overrides: &[(&str, &str)]) -> Result<(), MissingKey> {
        let missing = |name: &&String| {
            let value = overrides.iter().find(|(other, _)| *other == name.as_str());
            let value = value.map(|(_, value)| *value).or_else(|| row.get(name));
            value.is_none_or(|value| value == "null")
        };
        match self.required.iter().find(missing) {
            Some(name) => Err(MissingKey(name.clone())),
            None => Ok(()),
        }
    }

    fn put_field(&self, out: &mut Vec<u8>, start: usize, name: &str, value: &str, notes: &mut Notes) {
        let comma = if out.len() > start + 1 { &b","[..] } else { b"" };
        match self.fields.get(name) {
            Some(field) => {
                out.extend_from_slice(comma);
                out.extend_from_slice(&field.label);
                field.put_value(out, name, value, notes);
            }
            None if self.deselected.contains(name) => {}
            None if self.keep_unknown => {
                out.extend_from_slice(comma);
                text::push_string(out, name);
                out.push(b':');
                put_raw(out, value, notes);
            }
            None => *notes.dropped.entry(name.to_owned()).or_default() += 1,
        }
    }
}

impl Field {
    fn put_value(&self, out: &mut Vec<u8>, name: &str, value: &str, notes: &mut Notes) {
        let first = value.as_bytes().first().copied().unwrap_or(b'n');
        if fits(self.kind, first, value) {
            return put_kept(out, value, &self.kept, notes);
        }
        let (counter, converted) = match convert(self.kind, first, value) {
            Some(converted) => (&mut notes.converted, converted),
            None => (&mut notes.unreadable, "null".to_owned()),
        };
        *counter.entry(name.to_owned()).or_default() += 1;
        put_kept(out, &converted, &self.kept, notes);
    }
}

fn kind_of(node: &Value) -> Kind {
    let names: Vec<&str> = match node.get("type") {
        Some(Value::String(name)) => vec![name],
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let mut names = names.into_iter().filter(|name| *name != "null");
    match (names.next(), names.next()) {
        (Some("string"), None) if node.get("format").and_then(Value::as_str) == Some("date-time") => Kind::DateTime,
        (Some("string"), None) => Kind::String,
        (Some("integer"), None) => Kind::Integer,
        (Some("number"), None) => Kind::Number,
        (Some("boolean"), None) => Kind::Boolean,
        (Some("object"), None) => Kind::Object,
        (Some("array"), None) => Kind::Array,
        _ => Kind::Any,
    }
}

fn fits(kind: Kind, first: u8, value: &str) -> bool {
    match kind {
        _ if first == b'n' => true, // null
        Kind::Any => true,
        Kind::String => first == b'"',
        Kind::DateTime => first == b'"' && is_utc_time(value.trim_matches('"')),
        Kind::Integer => is_number(first) && !value.contains(['.', 'e', 'E']),
        Kind::Number => is_number(first),
        Kind::Boolean => matches!(first, b't' | b'f'),
        Kind::Object => first == b'{',
        Kind::Array => first == b'[',
    }
}

fn is_number(first: u8) -> bool {
    first == b'-' || first.is_ascii_digit()
}

/// The value in the declared type, or `None` where that cannot be done without inventing something.
fn convert(kind: Kind, first: u8, value: &str) -> Option<String> {
    let inner = || text::unescape(value.trim_matches('"')).into_owned();
    match kind {
        Kind::String => Some(text::quote(value)),
        Kind::DateTime if first == b'"' => {
            parse_time(&inner()).map(|time| text::quote(&time.to_rfc3339_opts(SecondsFormat::AutoSi, true)))
        }
        Kind::Integer if first == b'"' => inner().parse::<i64>().ok().map(|n| n.to_string()),
        Kind::Integer => whole_number(value),
        Kind::Number if first == b'"' => inner().parse::<f64>().ok().filter(|n| n.is_finite()).map(|n| n.to_string()),
        Kind::Boolean if first == b'"' => inner().parse::<bool>().ok().map(|b| b.to_string()),
        Kind::Array => Some(format!("[{value}]")),
        _ => None,
    }
}

/// `12.0` as `12`; nothing where digits would be lost.
fn whole_number(value: &str) -> Option<String> {
    let (whole, fraction) = value.split_once('.')?;
    let whole: i64 = whole.parse().ok()?;
    fraction.bytes().all(|digit| digit == b'0').then(|| whole.to_string())
}

/// `YYYY-MM-DDTHH:MM:SS[.f]Z`, checked by shape and then by calendar.
fn is_utc_time(value: &str) -> bool {
    let bytes = value.as_bytes();
    bytes.len() >= 20
        && bytes[10] == b'T'
        && bytes[bytes.len() - 1] == b'Z'
        && DateTime::parse_from_rfc3339(value).is_ok()
}

fn put_raw(out: &mut Vec<u8>, value: &str, notes: &mut Notes) {
    if value.contains("\\u") {
        notes.replaced_characters += text::push_repaired(out, value);
    } else {
        out.extend_from_slice(value.as_bytes());
    }
}

fn put_kept(out: &mut Vec<u8>, value: &str, kept: &Kept, notes: &mut Notes) {
    match kept {
        Kept::Properties(properties) if value.starts_with('{') => {
            let mut separator = b'{';
            let _ = record::entries(value, |name, inner| {
                let Some(kept) = properties.get(text::unescape(name).as_ref()) else {
                    return;
                };
                out.push(std::mem::replace(&mut separator, b','));
                out.push(b'"');
                put_raw(out, name, notes);
                out.extend_from_slice(b"\":");
                put_kept(out, inner, kept, notes);
            });
            close(out, separator, b'{', b'}');
        }
        Kept::Items(kept) if value.starts_with('[') => {
            let mut separator = b'[';
            let _ = record::items(value, |inner| {
                out.push(std::mem::replace(&mut separator, b','));
                put_kept(out, inner, kept, notes);
            });
            close(out, separator, b'[', b']');
        }
        // Whole, or a null or another shape that has nothing to cut away.
        Kept::Whole | Kept::Properties(_) | Kept::Items(_) => put_raw(out, value, notes),
    }
}

fn close(out: &mut Vec<u8>, separator: u8, open: u8, close: u8) {
    if separator == open {
        out.push(open);
    }
    out.push(close);
}

#[cfg(test)]
#[path = "projection_tests.rs"]
mod tests;
