//! JSON strings as text: reads escapes, writes strings, and repairs characters that targets refuse.
//!
//! `\u0000` and lone halves of surrogate pairs are legal in JSON, but Postgres, CSV and `DuckDB` targets fail on them.
//! Records have U+FFFD in their place. Knows nothing of records or schemas.

use std::borrow::Cow;

/// The text of a raw JSON string; `body` has no quotes.
pub(crate) fn unescape(body: &str) -> Cow<'_, str> {
    if !body.contains('\\') {
        return Cow::Borrowed(body);
    }
    let mut fixed = Vec::with_capacity(body.len());
    push_repaired(&mut fixed, body);
    let quoted = format!("\"{}\"", String::from_utf8_lossy(&fixed));
    Cow::Owned(serde_json::from_str(&quoted).unwrap_or_else(|_| body.to_owned()))
}

/// Appends `text` as a JSON string, quotes included.
pub(crate) fn push_string(out: &mut Vec<u8>, text: &str) {
    // Writing to a Vec cannot fail, and every string has a JSON form.
    let _ = serde_json::to_writer(out, text);
}

/// A JSON string, quotes included.
pub(crate) fn quote(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len() + 2);
    push_string(&mut out, text);
    String::from_utf8(out).unwrap_or_default()
}

/// Appends raw JSON, with `\ufffd` in place of `\u0000` and lone surrogates. Returns how many it replaced.
pub(crate) fn push_repaired(out: &mut Vec<u8>, raw: &str) -> u64 {
    let bytes = raw.as_bytes();
    let mut replaced = 0;
    let mut copied = 0;
    let mut at = 0;
    while let Some(found) = find_backslash(bytes, at) {
        let Some(unit) = unit_at(bytes, found) else {
            at = found + 2; // another escape: its second byte may be a backslash, but begins no escape
            continue;
        };
        let low = unit_at(bytes, found + 6);
        at = match (unit, low) {
            (0xD800..=0xDBFF, Some(0xDC00..=0xDFFF)) => found + 12,
            (0 | 0xD800..=0xDFFF, _) => {
                out.extend_from_slice(&bytes[copied..found]);
                out.extend_from_slice(b"\\ufffd");
                replaced += 1;
                copied = found + 6;
                copied
            }
            _ => found + 6,
        };
    }
    out.extend_from_slice(&bytes[copied..]);
    replaced
}

fn find_backslash(bytes: &[u8], from: usize) -> Option<usize> {
    let rest = bytes.get(from..)?;
    rest.iter().position(|b| *b == b'\\').map(|i| from + i)
}

/// The code unit of the `\uXXXX` escape at `at`; `None` if there is none.
fn unit_at(bytes: &[u8], at: usize) -> Option<u32> {
    let escape = bytes.get(at..at + 6)?;
    if escape[0] != b'\\' || escape[1] != b'u' {
        return None;
    }
    let digits = std::str::from_utf8(&escape[2..]).ok()?;
    u32::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repaired(raw: &str) -> (String, u64) {
        let mut out = Vec::new();
        let count = push_repaired(&mut out, raw);
        (String::from_utf8(out).expect("utf-8"), count)
    }

    #[test]
    fn nul_and_lone_surrogates_become_the_replacement_character() {
        assert_eq!(repaired(r#""a\u0000b""#), (r#""a\ufffdb""#.into(), 1));
        assert_eq!(repaired(r#""\ud83d""#), (r#""\ufffd""#.into(), 1));
        assert_eq!(repaired(r#""\udc00\ud800""#), (r#""\ufffd\ufffd""#.into(), 2));
    }

    #[test]
    fn pairs_and_escaped_backslashes_stay_as_they_are() {
        for raw in [r#""\ud83d\ude00""#, r#""\\u0000""#, r#""\n\t\"\\""#, r#""\u00e9""#, r#""""#] {
            assert_eq!(repaired(raw), (raw.to_owned(), 0), "{raw}");
        }
    }

    #[test]
    fn unescape_reads_what_json_means() {
        assert_eq!(unescape(r"a\u00e9\n"), "aé\n");
        assert_eq!(unescape("plain"), "plain");
        assert_eq!(unescape(r"\ud800x"), "\u{fffd}x");
    }
}
