//! Writes a JSON object as text, key by key, since hundreds of thousands of rows are rendered.

use std::fmt::{Display, Write};

use serde_json::Value;

/// An object under construction. Keys must need no escaping.
pub(crate) struct Object(String);

impl Object {
    /// An empty object.
    pub(crate) fn new() -> Self {
        Self(String::from("{"))
    }

    fn key(&mut self, key: &str) {
        if self.0.len() > 1 {
            self.0.push(',');
        }
        self.0.push('"');
        self.0.push_str(key);
        self.0.push_str("\":");
    }

    /// A string value.
    pub(crate) fn text(&mut self, key: &str, value: &str) -> &mut Self {
        self.key(key);
        push_text(&mut self.0, value);
        self
    }

    /// A string or null.
    pub(crate) fn maybe(&mut self, key: &str, value: Option<&str>) -> &mut Self {
        match value {
            Some(value) => self.text(key, value),
            None => self.raw(key, "null"),
        }
    }

    /// A value that already is JSON text.
    pub(crate) fn raw(&mut self, key: &str, value: impl Display) -> &mut Self {
        self.key(key);
        write!(self.0, "{value}").expect("a string takes every write");
        self
    }

    /// A value that was built as a tree.
    pub(crate) fn value(&mut self, key: &str, value: &Value) -> &mut Self {
        self.raw(key, value)
    }

    /// The finished text.
    pub(crate) fn finish(mut self) -> String {
        self.0.push('}');
        self.0
    }
}

/// Appends a quoted, escaped string.
fn push_text(out: &mut String, value: &str) {
    out.push('"');
    for character in value.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            control if control < ' ' => {
                write!(out, "\\u{:04x}", u32::from(control)).expect("a string takes every write");
            }
            other => out.push(other),
        }
    }
    out.push('"');
}

/// Joins finished rows into an array.
pub(crate) fn array(rows: &[String]) -> String {
    let mut out = String::with_capacity(rows.iter().map(|row| row.len() + 1).sum::<usize>() + 2);
    out.push('[');
    for (position, row) in rows.iter().enumerate() {
        if position > 0 {
            out.push(',');
        }
        out.push_str(row);
    }
    out.push(']');
    out
}
