//! One JSON object as text: finds its top-level fields without building a tree. Does not know what the fields mean.

use std::borrow::Cow;
use std::ops::Range;

use crate::json::index::{self, Index, Shape};
use crate::json::scan;
use crate::json::text;

/// The top-level fields of one JSON object, in the order of the text. Names and values are slices of the text.
#[derive(Debug)]
pub(crate) struct Row<'a> {
    text: &'a str,
    raw: Range<usize>,
    fields: Cow<'a, [index::Field]>,
    /// The names and the order of its fields.
    pub(crate) shape: Shape,
}

/// One field of a row.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Field<'a> {
    text: &'a str,
    at: index::Field,
}

impl<'a> Field<'a> {
    /// The name without quotes, as the text has it.
    pub(crate) fn raw_name(&self) -> &'a str {
        &self.text[self.at.name.0 as usize..self.at.name.1 as usize]
    }

    /// The name, unescaped.
    pub(crate) fn name(&self) -> Cow<'a, str> {
        if self.at.escaped_name { text::unescape(self.raw_name()) } else { Cow::Borrowed(self.raw_name()) }
    }

    /// Whether this is its name.
    pub(crate) fn is_named(&self, name: &str) -> bool {
        if self.at.escaped_name { self.name() == name } else { self.at.raw_name(self.text) == name.as_bytes() }
    }

    /// The raw value.
    pub(crate) fn value(&self) -> &'a str {
        &self.text[self.at.value.0 as usize..self.at.value.1 as usize]
    }

    /// Whether the value holds `\u` escapes.
    pub(crate) fn has_unicode_escapes(&self) -> bool {
        self.at.unicode
    }
}

impl<'a> Row<'a> {
    /// The `nth` row of an indexed text; `None` if it is no object.
    pub(crate) fn of(text: &'a str, index: &'a Index, nth: usize) -> Option<Self> {
        let row = index.rows.get(nth)?;
        let fields = Cow::Borrowed(&index.fields[row.fields.clone()?]);
        Some(Self { text, raw: row.raw.clone(), fields, shape: row.shape })
    }

    /// Splits a text into fields; `None` if the text is no object. If a name occurs twice, its last value counts, as in
    /// JSON parsers.
    pub(crate) fn scan(text: &'a str) -> Option<Self> {
        let index = Index::of_object(text).ok()?;
        let (raw, shape) = index.rows.first().map(|row| (row.raw.clone(), row.shape))?;
        Some(Self { text, raw, fields: Cow::Owned(index.fields), shape })
    }

    /// The whole object as it arrived.
    pub(crate) fn raw(&self) -> &'a str {
        &self.text[self.raw.clone()]
    }

    /// The fields.
    pub(crate) fn fields(&self) -> impl Iterator<Item = Field<'a>> {
        self.fields.iter().map(|at| Field { text: self.text, at: *at })
    }

    /// The raw value of a field, `null` included.
    pub(crate) fn get(&self, name: &str) -> Option<&'a str> {
        self.fields().find(|field| field.is_named(name)).map(|field| field.value())
    }

    /// A string field's text, or the digits of a number; `None` for anything else.
    pub(crate) fn text(&self, name: &str) -> Option<Cow<'a, str>> {
        let value = self.get(name)?;
        match value.as_bytes().first()? {
            b'"' => Some(text::unescape(&value[1..value.len() - 1])),
            b'0'..=b'9' | b'-' => Some(Cow::Borrowed(value)),
            _ => None,
        }
    }

    /// The object in a field; `None` if it holds none.
    pub(crate) fn object(&self, name: &str) -> Option<Row<'a>> {
        Row::scan(self.get(name)?)
    }

    /// A whole number, written as a number or as a string of digits.
    pub(crate) fn integer(&self, name: &str) -> Option<u64> {
        self.text(name)?.parse().ok()
    }
}

/// Calls `each` with the raw name (without quotes) and the raw value of every entry of an object; `None` if `raw` is no
/// object. The text must be JSON: this does not check it again.
pub(crate) fn entries<'a>(raw: &'a str, mut each: impl FnMut(&'a str, &'a str)) -> Option<()> {
    let bytes = raw.as_bytes();
    let mut at = skip_space(bytes, 0);
    if bytes.get(at) != Some(&b'{') {
        return None;
    }
    at = skip_space(bytes, at + 1);
    while bytes.get(at) == Some(&b'"') {
        let name_end = skip_string(bytes, at);
        let name = raw.get(at + 1..name_end - 1)?;
        let colon = skip_space(bytes, name_end);
        let start = skip_space(bytes, colon + 1);
        let end = skip_value(bytes, start);
        each(name, raw.get(start..end)?);
        at = skip_space(bytes, end);
        if bytes.get(at) == Some(&b',') {
            at = skip_space(bytes, at + 1);
        }
    }
    Some(())
}

/// The raw value of a field of an object. The text must be JSON. If the name occurs twice, its last value counts.
pub(crate) fn field<'a>(raw: &'a str, wanted: &str) -> Option<&'a str> {
    let mut found = None;
    entries(raw, |name, value| {
        if name == wanted || (name.contains('\\') && text::unescape(name) == wanted) {
            found = Some(value);
        }
    })?;
    found
}

/// Calls `each` with the raw text of every item of an array; `None` if `raw` is no array. The text must be JSON.
pub(crate) fn items<'a>(raw: &'a str, mut each: impl FnMut(&'a str)) -> Option<()> {
    let bytes = raw.as_bytes();
    let mut at = skip_space(bytes, 0);
    if bytes.get(at) != Some(&b'[') {
        return None;
    }
    at = skip_space(bytes, at + 1);
    while at < bytes.len() && bytes[at] != b']' {
        let end = skip_value(bytes, at);
        each(raw.get(at..end)?);
        at = skip_space(bytes, end);
        if bytes.get(at) == Some(&b',') {
            at = skip_space(bytes, at + 1);
        }
    }
    Some(())
}

fn skip_space(bytes: &[u8], mut at: usize) -> usize {
    while matches!(bytes.get(at), Some(b' ' | b'\n' | b'\r' | b'\t')) {
        at += 1;
    }
    at
}

/// From an opening quote to just past the closing one.
fn skip_string(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    loop {
        at = scan::plain_until(bytes, at);
        match bytes.get(at) {
            Some(b'"') => return at + 1,
            Some(b'\\') => at += 2,
            Some(_) => at += 1,
            None => return bytes.len(),
        }
    }
}

/// From the first byte of a value to just past its last. Counts the depth and does not recurse, so hostile nesting
/// cannot overflow the stack.
fn skip_value(bytes: &[u8], start: usize) -> usize {
    let mut depth = 0_usize;
    let mut at = start;
    while at < bytes.len() {
        match bytes[at] {
            b'"' => {
                at = skip_string(bytes, at);
                if depth == 0 {
                    return at;
                }
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' | b',' | b' ' | b'\n' | b'\r' | b'\t' if depth == 0 => return at,
            b'}' | b']' => {
                depth -= 1;
                if depth == 0 {
                    return at + 1;
                }
            }
            _ => {}
        }
        at += 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_come_out_raw_and_in_wire_order() {
        let row = Row::scan(r#" {"id": "1", "n" : 12 ,"o":{"a":[1,"]}"]},"event.type":"x\"y"} "#).expect("an object");
        let fields: Vec<_> = row.fields().map(|field| (field.raw_name(), field.value())).collect();
        assert_eq!(fields, [("id", "\"1\""), ("n", "12"), ("o", r#"{"a":[1,"]}"]}"#), ("event.type", r#""x\"y""#)]);
        assert_eq!(row.text("event.type").as_deref(), Some("x\"y"));
        assert_eq!(row.integer("n"), Some(12));
    }

    #[test]
    fn an_escaped_name_is_found_under_its_real_name() {
        let row = Row::scan(r#"{"\u0069d":7}"#).expect("an object");
        assert_eq!(row.get("id"), Some("7"));
    }

    #[test]
    fn a_field_is_found_without_an_index() {
        let raw = r#" { "a" : {"b":[1,"}"]}, "c":1, "\u0063" : 2 } "#;
        assert_eq!((field(raw, "a"), field(raw, "c"), field(raw, "b")), (Some(r#"{"b":[1,"}"]}"#), Some("2"), None));
        assert_eq!(field("[]", "a"), None);
    }

    #[test]
    fn of_a_name_given_twice_the_last_one_counts() {
        let row = Row::scan(r#"{"a":1,"b":2,"a":3}"#).expect("an object");
        let fields: Vec<_> = row.fields().map(|field| (field.name(), field.value())).collect();
        assert_eq!(fields, [("a".into(), "3"), ("b".into(), "2")]);
        let row = Row::scan(r#"{"a":1,"\u0061":2,"b":{"c":3}}"#).expect("an object");
        assert_eq!((row.get("a"), row.fields().count()), (Some("2"), 2));
    }

    #[test]
    fn what_is_no_object_is_no_row() {
        for raw in ["[]", "1", "\"x\"", "null", "", "{", "{\"a\":}"] {
            assert!(Row::scan(raw).is_none(), "{raw}");
        }
    }
}
