//! Turns one raw row into one raw record. Copies selected fields, leaves the others out, and converts values that lack
//! the declared type.
//!
//! Servers of different ages give a field different types (a number for an id, an object for a string), and strict
//! targets fail on that. [`Notes`] count everything that is changed or left out. Knows no stream by name.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;

use crate::json::index::Shape;
use crate::json::row::{self, Row};
use crate::json::text;
use crate::singer::selection::Kept;
use crate::singer::types::{Kind, convert, fits, kind_of};

/// Counts what was changed or left out in the rows of a stream.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Notes {
    /// Fields that were left out because the schema does not declare them: name and number of rows.
    pub(crate) dropped: BTreeMap<String, u64>,
    /// Fields whose value was converted to the declared type: name and number of rows.
    pub(crate) converted: BTreeMap<String, u64>,
    /// Fields whose value could not be converted, and was written as null: name and number of rows.
    pub(crate) unreadable: BTreeMap<String, u64>,
    /// Number of characters that targets refuse and that were replaced by U+FFFD.
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

/// The row lacks this key property and cannot be written.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct MissingKey(pub String);

#[derive(Debug)]
struct Field {
    name: String,
    /// `,"name":`, ready to copy.
    label: Vec<u8>,
    kind: Kind,
    kept: Kept,
    /// Whether some value had the type, or was converted to it.
    fitted: AtomicBool,
}

/// One stream's schema and selection, compiled.
#[derive(Debug)]
pub(crate) struct Projection {
    fields: HashMap<String, Field>,
    deselected: HashSet<String>,
    required: Vec<String>,
    keep_unknown: bool,
}

impl Projection {
    /// Compiles. `schema` is that of the SCHEMA message. `declared` names all properties of the stream. Without the
    /// properties in `required` a row cannot be written.
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
                let fitted = AtomicBool::new(false);
                (name.clone(), Field { name: name.clone(), label, kind: kind_of(node), kept, fitted })
            })
            .collect();
        let deselected = declared.into_iter().filter(|name| !fields.contains_key(name)).collect();
        let required = required.iter().map(|name| (*name).to_owned()).collect();
        Self { fields, deselected, required, keep_unknown }
    }

    /// Whether records have this field.
    pub(crate) fn selects(&self, name: &str) -> bool {
        self.fields.contains_key(name)
    }

    /// Whether some value of this field had the declared type, or was converted to it. Null is no value.
    pub(crate) fn has_fitted(&self, name: &str) -> bool {
        self.fields.get(name).is_some_and(|field| field.fitted.load(Ordering::Relaxed))
    }

    /// Starts to write records.
    pub(crate) fn writer(&self) -> RecordWriter<'_> {
        RecordWriter { projection: self, plan: Plan::default(), notes: Notes::default() }
    }

    /// Plans the fields of all rows that have the same shape as this one and the same names of overrides.
    fn plan(&self, row: &Row<'_>, overrides: &[(&str, &str)]) -> Plan<'_> {
        let action = |name: &str| match self.fields.get(name) {
            Some(field) => FieldAction::Write(field),
            None if self.deselected.contains(name) => FieldAction::LeaveOut,
            None => FieldAction::Unknown,
        };
        let own = row.fields().map(|field| {
            let overridden = overrides.iter().any(|(name, _)| field.is_named(name));
            if overridden { FieldAction::LeaveOut } else { action(&field.name()) }
        });
        let names = overrides.iter().map(|(name, _)| (*name).to_owned()).collect();
        let added = overrides.iter().map(|(name, _)| action(name));
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

/// What is done with a field.
#[derive(Debug, Clone, Copy)]
enum FieldAction<'a> {
    Write(&'a Field),
    /// Deselected, or replaced by an override.
    LeaveOut,
    /// The schema does not declare it.
    Unknown,
}

/// What is done with each field, for all rows of one shape that have overrides of the same names.
#[derive(Debug, Default)]
struct Plan<'a> {
    shape: Option<Shape>,
    names: Vec<String>,
    own: Vec<FieldAction<'a>>,
    added: Vec<FieldAction<'a>>,
}

impl Plan<'_> {
    fn fits(&self, row: &Row<'_>, overrides: &[(&str, &str)]) -> bool {
        let same_names = || self.names.iter().map(String::as_str).eq(overrides.iter().map(|(name, _)| *name));
        self.shape == Some(row.shape) && same_names()
    }
}

/// Writes records of one stream. Keeps the plan of the last row: the next row often has the same shape.
#[derive(Debug)]
pub(crate) struct RecordWriter<'a> {
    projection: &'a Projection,
    plan: Plan<'a>,
    /// Counts of what was left out, converted or repaired so far.
    pub(crate) notes: Notes,
}

impl RecordWriter<'_> {
    /// Appends the record of `row`. `overrides` are raw JSON values that replace fields of the row or are added to it.
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
        for (field, action) in row.fields().zip(&self.plan.own) {
            match action {
                FieldAction::Write(known) => known.put(out, field.value(), field.has_unicode_escapes(), notes),
                FieldAction::LeaveOut => {}
                FieldAction::Unknown if keep_unknown => put_unknown(out, &field.name(), field.value(), notes),
                FieldAction::Unknown => count(&mut notes.dropped, &field.name()),
            }
        }
        for ((name, value), action) in overrides.iter().zip(&self.plan.added) {
            match action {
                FieldAction::Write(known) => known.put(out, value, value.contains("\\u"), notes),
                FieldAction::Unknown if keep_unknown => put_unknown(out, name, value, notes),
                FieldAction::LeaveOut => {}
                FieldAction::Unknown => count(&mut notes.dropped, name),
            }
        }
        // Every field begins with a comma. The brace takes the place of the first comma.
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
        None => {
            counts.insert(name.to_owned(), 1);
        }
    }
}

impl Field {
    /// `unicode` says that the value holds `\u` escapes, and may hold characters that targets refuse.
    fn put(&self, out: &mut Vec<u8>, value: &str, unicode: bool, notes: &mut Notes) {
        out.extend_from_slice(&self.label);
        let first = value.as_bytes().first().copied().unwrap_or(b'n');
        if fits(self.kind, first, value) {
            self.note_fit(first != b'n');
            return put_kept(out, value, &self.kept, unicode, notes);
        }
        let (counter, converted) = match convert(self.kind, first, value) {
            Some(converted) => {
                self.note_fit(true);
                (&mut notes.converted, converted)
            }
            None => (&mut notes.unreadable, "null".to_owned()),
        };
        count(counter, &self.name);
        put_kept(out, &converted, &self.kept, unicode, notes);
    }

    /// Written once: the flag is shared, and looking at it is cheap.
    fn note_fit(&self, fits: bool) {
        if fits && !self.fitted.load(Ordering::Relaxed) {
            self.fitted.store(true, Ordering::Relaxed);
        }
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
        // All of it is kept, or it is null or of another shape and has nothing to cut.
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
