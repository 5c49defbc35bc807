//! From one raw row to one raw record: selected fields are copied, the rest is left out, and values that do
//! not have the declared type are brought to it.
//!
//! Servers of different ages give the same field different types (numbers for ids, objects for strings), and
//! strict targets die on that. What is changed or left out is counted in [`Notes`], never silent.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::Value;

use crate::json::row::{self, Row};
use crate::json::text;
use crate::singer::selection::Kept;
use crate::singer::types::{Kind, convert, fits, kind_of};

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

    /// Begins writing records.
    pub fn writer(&self) -> RecordWriter<'_> {
        RecordWriter { projection: self, order: Vec::new(), notes: Notes::default() }
    }

    fn fate(&self, name: &str) -> Fate<'_> {
        match self.fields.get(name) {
            Some(field) => Fate::Field(field),
            None if self.deselected.contains(name) => Fate::Deselected,
            None => Fate::Unknown,
        }
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
}

/// What becomes of a row's field.
#[derive(Debug, Clone, Copy)]
enum Fate<'a> {
    Field(&'a Field),
    Deselected,
    Unknown,
}

/// Writes records of one stream. Rows of a list mostly have their fields in the same order, so what becomes of the
/// field at each place is remembered from the row before.
#[derive(Debug)]
pub struct RecordWriter<'a> {
    projection: &'a Projection,
    order: Vec<(String, Fate<'a>)>,
    /// What was left out, converted or repaired so far.
    pub notes: Notes,
}

impl<'a> RecordWriter<'a> {
    /// Appends the record for `row`. `overrides` are raw JSON values that replace or join the row's own.
    pub fn write(&mut self, out: &mut Vec<u8>, row: &Row<'_>, overrides: &[(&str, &str)]) -> Result<(), MissingKey> {
        self.projection.check_required(row, overrides)?;
        let start = out.len();
        out.push(b'{');
        let own = row.fields().map(|field| (field.name(), field));
        let own = own.filter(|(name, _)| !overrides.iter().any(|(other, _)| other == name));
        for (place, (name, field)) in own.enumerate() {
            let fate = self.fate_at(place, &name);
            self.put(out, start, &name, fate, field.value(), field.has_unicode_escapes());
        }
        for (name, value) in overrides {
            self.put(out, start, name, self.projection.fate(name), value, value.contains("\\u"));
        }
        out.push(b'}');
        Ok(())
    }

    fn fate_at(&mut self, place: usize, name: &str) -> Fate<'a> {
        match self.order.get(place) {
            Some((known, fate)) if known == name => *fate,
            _ => {
                let fate = self.projection.fate(name);
                self.order.truncate(place);
                self.order.push((name.to_owned(), fate));
                fate
            }
        }
    }

    /// `unicode` says that the value holds `\u` escapes, and has to be looked through for what targets refuse.
    fn put(&mut self, out: &mut Vec<u8>, start: usize, name: &str, fate: Fate<'_>, value: &str, unicode: bool) {
        let comma = if out.len() > start + 1 { &b","[..] } else { b"" };
        match fate {
            Fate::Field(field) => {
                out.extend_from_slice(comma);
                out.extend_from_slice(&field.label);
                field.put_value(out, name, value, unicode, &mut self.notes);
            }
            Fate::Deselected => {}
            Fate::Unknown if self.projection.keep_unknown => {
                out.extend_from_slice(comma);
                text::push_string(out, name);
                out.push(b':');
                put_raw(out, value, unicode, &mut self.notes);
            }
            Fate::Unknown => count(&mut self.notes.dropped, name),
        }
    }
}

fn count(counts: &mut BTreeMap<String, u64>, name: &str) {
    match counts.get_mut(name) {
        Some(count) => *count += 1,
        None => drop(counts.insert(name.to_owned(), 1)),
    }
}

impl Field {
    fn put_value(&self, out: &mut Vec<u8>, name: &str, value: &str, unicode: bool, notes: &mut Notes) {
        let first = value.as_bytes().first().copied().unwrap_or(b'n');
        if fits(self.kind, first, value) {
            return put_kept(out, value, &self.kept, unicode, notes);
        }
        let (counter, converted) = match convert(self.kind, first, value) {
            Some(converted) => (&mut notes.converted, converted),
            None => (&mut notes.unreadable, "null".to_owned()),
        };
        count(counter, name);
        put_kept(out, &converted, &self.kept, unicode, notes);
    }
}

fn put_raw(out: &mut Vec<u8>, value: &str, unicode: bool, notes: &mut Notes) {
    if unicode {
        notes.replaced_characters += text::push_repaired(out, value);
    } else {
        out.extend_from_slice(value.as_bytes());
    }
}

fn put_kept(out: &mut Vec<u8>, value: &str, kept: &Kept, unicode: bool, notes: &mut Notes) {
    match kept {
        Kept::Properties(properties) if value.starts_with('{') => {
            let mut separator = b'{';
            let _ = row::entries(value, |name, inner| {
                let Some(kept) = properties.get(text::unescape(name).as_ref()) else {
                    return;
                };
                out.push(std::mem::replace(&mut separator, b','));
                out.push(b'"');
                put_raw(out, name, unicode, notes);
                out.extend_from_slice(b"\":");
                put_kept(out, inner, kept, unicode, notes);
            });
            close(out, separator, b'{', b'}');
        }
        Kept::Items(kept) if value.starts_with('[') => {
            let mut separator = b'[';
            let _ = row::items(value, |inner| {
                out.push(std::mem::replace(&mut separator, b','));
                put_kept(out, inner, kept, unicode, notes);
            });
            close(out, separator, b'[', b']');
        }
        // Whole, or a null or another shape that has nothing to cut away.
        Kept::Whole | Kept::Properties(_) | Kept::Items(_) => put_raw(out, value, unicode, notes),
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
