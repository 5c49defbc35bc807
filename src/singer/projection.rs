//! From one raw row to one raw record: selected fields are copied, the rest is left out, and values that do
//! not have the declared type are brought to it.
//!
//! Servers of different ages give the same field different types (numbers for ids, objects for strings), and
//! strict targets die on that. What is changed or left out is counted in [`Notes`], never silent.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::Value;

use crate::json::index::Shape;
use crate::json::row::{self, Row};
use crate::json::text;
use crate::singer::selection::Kept;
use crate::singer::types::{Kind, convert, fits, kind_of};

/// What happened to the rows of a stream beside being copied.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Notes {
    /// Fields that the schema does not declare, left out: name and number of rows.
    pub(crate) dropped: BTreeMap<String, u64>,
    /// Fields whose value was brought to the declared type: name and number of rows.
    pub(crate) converted: BTreeMap<String, u64>,
    /// Fields whose value could not be brought to the declared type and was written as null.
    pub(crate) unreadable: BTreeMap<String, u64>,
    /// Characters that no target accepts, replaced by U+FFFD.
    pub(crate) replaced_characters: u64,
}

impl Notes {
    /// Adds the counts of `other`.
    pub(crate) fn add(&mut self, other: &Notes) {
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
pub(crate) struct MissingKey(pub String);

#[derive(Debug)]
struct Field {
    name: String,
    /// `,"name":`, ready to be copied.
    label: Vec<u8>,
    kind: Kind,
    kept: Kept,
}

/// The compiled form of one stream's schema and selection.
#[derive(Debug)]
pub(crate) struct Projection {
    fields: HashMap<String, Field>,
    deselected: HashSet<String>,
    required: Vec<String>,
    keep_unknown: bool,
}

impl Projection {
    /// Compiles. `schema` is what the SCHEMA message says, `declared` every property that the stream has,
    /// `required` the properties without which a row cannot be written.
    pub(crate) fn new(
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
                let label = format!(",{}:", text::quote(name)).into_bytes();
                let kept = kept.remove(name).unwrap_or(Kept::Whole);
                (name.clone(), Field { name: name.clone(), label, kind: kind_of(node), kept })
            })
            .collect();
        let deselected = declared.into_iter().filter(|name| !fields.contains_key(name)).collect();
        let required = required.iter().map(|name| (*name).to_owned()).collect();
        Self { fields, deselected, required, keep_unknown }
    }

    /// Whether records carry this field.
    pub(crate) fn selects(&self, name: &str) -> bool {
        self.fields.contains_key(name)
    }

    /// Begins writing records.
    pub(crate) fn writer(&self) -> RecordWriter<'_> {
        RecordWriter { projection: self, plan: Plan::default(), notes: Notes::default() }
    }

    /// What becomes of the fields of rows like this one.
    fn plan(&self, row: &Row<'_>, overrides: &[(&str, &str)]) -> Plan<'_> {
        let fate = |name: &str| match self.fields.get(name) {
            Some(field) => Fate::Field(field),
            None if self.deselected.contains(name) => Fate::LeftOut,
            None => Fate::Unknown,
        };
        let own = row.fields().map(|field| {
            let overridden = overrides.iter().any(|(name, _)| field.is_named(name));
            if overridden { Fate::LeftOut } else { fate(&field.name()) }
        });
        let names = overrides.iter().map(|(name, _)| (*name).to_owned()).collect();
        let added = overrides.iter().map(|(name, _)| fate(name));
        Plan { shape: Some(row.shape), names, own: own.collect(), added: added.collect() }
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
    /// Deselected, or replaced by a value of ours.
    LeftOut,
    Unknown,
}

/// What becomes of the fields of all rows of one shape, with the same names of ours.
#[derive(Debug, Default)]
struct Plan<'a> {
    shape: Option<Shape>,
    names: Vec<String>,
    own: Vec<Fate<'a>>,
    added: Vec<Fate<'a>>,
}

impl Plan<'_> {
    fn fits(&self, row: &Row<'_>, overrides: &[(&str, &str)]) -> bool {
        let same_names = || self.names.iter().map(String::as_str).eq(overrides.iter().map(|(name, _)| *name));
        self.shape == Some(row.shape) && same_names()
    }
}

/// Writes records of one stream; remembers from row to row what becomes of each field.
#[derive(Debug)]
pub(crate) struct RecordWriter<'a> {
    projection: &'a Projection,
    plan: Plan<'a>,
    /// What was left out, converted or repaired so far.
    pub(crate) notes: Notes,
}

impl RecordWriter<'_> {
    /// Appends the record for `row`. `overrides` are raw JSON values that replace or join the row's own.
    pub(crate) fn write(
        &mut self,
        out: &mut Vec<u8>,
        row: &Row<'_>,
        overrides: &[(&str, &str)],
    ) -> Result<(), MissingKey> {
        self.projection.check_required(row, overrides)?;
        if !self.plan.fits(row, overrides) {
            self.plan = self.projection.plan(row, overrides);
        }
        let start = out.len();
        let (notes, keep_unknown) = (&mut self.notes, self.projection.keep_unknown);
        for (field, fate) in row.fields().zip(&self.plan.own) {
            match fate {
                Fate::Field(known) => known.put(out, field.value(), field.has_unicode_escapes(), notes),
                Fate::LeftOut => {}
                Fate::Unknown if keep_unknown => put_unknown(out, &field.name(), field.value(), notes),
                Fate::Unknown => count(&mut notes.dropped, &field.name()),
            }
        }
        for ((name, value), fate) in overrides.iter().zip(&self.plan.added) {
            match fate {
                Fate::Field(known) => known.put(out, value, value.contains("\\u"), notes),
                Fate::Unknown if keep_unknown => put_unknown(out, name, value, notes),
                Fate::LeftOut => {}
                Fate::Unknown => count(&mut notes.dropped, name),
            }
        }
        // Every field begins with a comma; the first one's makes place for the brace.
        match out.get_mut(start) {
            Some(comma) => *comma = b'{',
            None => out.push(b'{'),
        }
        out.push(b'}');
        Ok(())
    }
}

fn put_unknown(out: &mut Vec<u8>, name: &str, value: &str, notes: &mut Notes) {
    out.push(b',');
    text::push_string(out, name);
    out.push(b':');
    put_raw(out, value, value.contains("\\u"), notes);
}

fn count(counts: &mut BTreeMap<String, u64>, name: &str) {
    match counts.get_mut(name) {
        Some(count) => *count += 1,
        None => drop(counts.insert(name.to_owned(), 1)),
    }
}

impl Field {
    /// `unicode` says that the value holds `\u` escapes, and has to be looked through for what targets refuse.
    fn put(&self, out: &mut Vec<u8>, value: &str, unicode: bool, notes: &mut Notes) {
        out.extend_from_slice(&self.label);
        let first = value.as_bytes().first().copied().unwrap_or(b'n');
        if fits(self.kind, first, value) {
            return put_kept(out, value, &self.kept, unicode, notes);
        }
        let (counter, converted) = match convert(self.kind, first, value) {
            Some(converted) => (&mut notes.converted, converted),
            None => (&mut notes.unreadable, "null".to_owned()),
        };
        count(counter, &self.name);
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
