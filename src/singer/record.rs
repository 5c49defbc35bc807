//! One JSON object as text: its top-level fields, found without building a tree.
//!
//! Works only on text that a JSON parser has accepted already (pages are checked when they arrive), so
//! it skips over values instead of validating them again. Knows neither schemas nor selection.

use std::borrow::Cow;

use crate::singer::text;

/// The top-level fields of one JSON object, in wire order; names and values are slices of the body.
#[derive(Debug)]
pub struct Row<'a> {
    raw: &'a str,
    fields: Vec<(Cow<'a, str>, &'a str)>,
}

impl<'a> Row<'a> {
    /// Splits `raw` into its fields; `None` when it is not an object. Of a name that occurs twice the last one counts, as parsers do.
    pub fn scan(raw: &'a str) -> Option<Self> {
        let mut fields: Vec<(Cow<'a, str>, &'a str)> = Vec::with_capacity(48);
        entries(raw, |name, value| {
            let name = text::unescape(name);
            // A repeated name sits near its twin's length and first letter: compare only then.
            match fields.iter_mut().find(|(known, _)| *known == name) {
                Some(slot) => slot.1 = value,
                None => fields.push((name, value)),
            }
        })?;
        Some(Self { raw, fields })
    }

    /// The whole object as it arrived.
    pub fn raw(&self) -> &'a str {
        self.raw
    }

    /// Name and raw value of each field.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &'a str)> {
        self.fields.iter().map(|(name, value)| (name.as_ref(), *value))
    }

    /// The raw value of a field, `null` included.
    pub fn get(&self, name: &str) -> Option<&'a str> {
        self.fields.iter().find(|(known, _)| known == name).map(|(_, value)| *value)
    }

    /// A string field's text, or the digits of a number; `None` for anything else.
    pub fn text(&self, name: &str) -> Option<Cow<'a, str>> {
        let value = self.get(name)?;
        match value.as_bytes().first()? {
            b'"' => Some(text::unescape(&value[1..value.len() - 1])),
            b'0'..=b'9' | b'-' => Some(Cow::Borrowed(value)),
            _ => None,
        }
    }

    /// A field that is an object itself.
    pub fn object(&self, name: &str) -> Option<Row<'a>> {
        Row::scan(self.get(name)?)
    }

    /// A whole number, written as a number or as a string of digits.
    pub fn integer(&self, name: &str) -> Option<u64> {
        self.text(name)?.parse().ok()
    }
}

/// Calls `each` with the raw name (without quotes) and raw value of every entry of an object.
pub fn entries<'a>(raw: &'a str, mut each: impl FnMut(&'a str, &'a str)) -> Option<()> {
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

/// Calls `each` with the raw text of every item of an array.
pub fn items<'a>(raw: &'a str, mut each: impl FnMut(&'a str)) -> Option<()> {
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
    while at < bytes.len() {
        match bytes[at] {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// From the first byte of a value to just past its last. Depth is counted, not recursed into: hostile nesting costs nothing.
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
        let fields: Vec<_> = row.fields().collect();
        assert_eq!(fields[0], ("id", "\"1\""));
        assert_eq!(fields[1], ("n", "12"));
        assert_eq!(fields[2], ("o", r#"{"a":[1,"]}"]}"#));
        assert_eq!(row.text("event.type").as_deref(), Some("x\"y"));
        assert_eq!(row.integer("n"), Some(12));
    }

    #[test]
    fn an_escaped_name_is_found_under_its_real_name() {
        let row = Row::scan(r#"{"\u0069d":7}"#).expect("an object");
        assert_eq!(row.get("id"), Some("7"));
    }

    #[test]
    fn of_a_name_given_twice_the_last_one_counts() {
        let row = Row::scan(r#"{"a":1,"b":2,"a":3}"#).expect("an object");
        assert_eq!(row.fields().collect::<Vec<_>>(), [("a", "3"), ("b", "2")]);
    }

    #[test]
    fn what_is_no_object_is_no_row() {
        for raw in ["[]", "1", "\"x\"", "null", ""] {
            assert!(Row::scan(raw).is_none(), "{raw}");
        }
    }
}
