//! Declared types of properties: whether a raw value has its type, and how to convert it. Knows no field by name.

use chrono::{DateTime, SecondsFormat};
use serde_json::Value;

use crate::json::text;
use crate::time::parse_time;

/// The declared type of a property.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Text.
    String,
    /// Text: a time of RFC 3339 in UTC.
    DateTime,
    /// A whole number.
    Integer,
    /// Any number.
    Number,
    /// `true` or `false`.
    Boolean,
    /// An object.
    Object,
    /// An array.
    Array,
    /// No type or several: every value fits.
    Any,
}

/// The type that a schema node declares.
pub(crate) fn kind_of(node: &Value) -> Kind {
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

/// Whether a raw value has the type without conversion. `first` is its first byte.
pub(crate) fn fits(kind: Kind, first: u8, value: &str) -> bool {
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

/// Converts a raw value to the declared type. `None` if that would need to invent something.
pub(crate) fn convert(kind: Kind, first: u8, value: &str) -> Option<String> {
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

/// `12.0` as `12`. `None` if digits would be lost.
fn whole_number(value: &str) -> Option<String> {
    let (whole, fraction) = value.split_once('.')?;
    let whole: i64 = whole.parse().ok()?;
    fraction.bytes().all(|digit| digit == b'0').then(|| whole.to_string())
}

/// Whether this is `YYYY-MM-DDTHH:MM:SS[.f]Z`. A look at the digits is enough, except for the last days of a month and
/// leap seconds: those need the calendar.
pub(super) fn is_utc_time(value: &str) -> bool {
    let bytes = value.as_bytes();
    let number = |at: usize| match (bytes[at].wrapping_sub(b'0'), bytes[at + 1].wrapping_sub(b'0')) {
        (tens @ 0..=9, ones @ 0..=9) => tens * 10 + ones,
        _ => u8::MAX,
    };
    if bytes.len() < 20 || bytes[10] != b'T' || bytes[bytes.len() - 1] != b'Z' {
        return false;
    }
    let marks = bytes[4] == b'-' && bytes[7] == b'-' && bytes[13] == b':' && bytes[16] == b':';
    let date = number(0) < 100 && number(2) < 100 && (1..=12).contains(&number(5)) && (1..=28).contains(&number(8));
    let time = number(11) < 24 && number(14) < 60 && number(17) < 60;
    let fraction = &bytes[19..bytes.len() - 1];
    let rest = fraction.is_empty()
        || (fraction[0] == b'.' && fraction.len() > 1 && fraction[1..].iter().all(u8::is_ascii_digit));
    (marks && date && time && rest) || DateTime::parse_from_rfc3339(value).is_ok()
}
