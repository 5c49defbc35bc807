//! Cursors, the three kinds of pages that Sentry has, and the `Link` header (API §1.3). This file knows no endpoint.

use std::ops::Range;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::faults::LinkForm;
use crate::http::call::Call;

/// The characters that Python's `quote` does not encode.
const QUOTED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'_').remove(b'.').remove(b'-').remove(b'~');

/// A place in a list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cursor {
    /// A page size, nothing, or a key, by the kind of page.
    pub(crate) value: i64,
    /// The number of a page, of a row, or of rows after the key.
    pub(crate) offset: i64,
    /// Whether it leads backwards.
    pub(crate) prev: bool,
}

impl Cursor {
    /// Reads `value:offset:is_prev`; the value may have a fraction.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(':');
        let value = parts.next()?;
        let value = value.strip_suffix(".0").unwrap_or(value).parse().ok()?;
        let offset = parts.next()?.parse().ok()?;
        let prev = parts.next()?.parse::<i64>().ok()? != 0;
        parts.next().is_none().then_some(Self { value, offset, prev })
    }

    /// Writes it.
    pub(crate) fn text(self) -> String {
        format!("{}:{}:{}", self.value, self.offset, u8::from(self.prev))
    }
}

/// The neighbours of a page: their cursors, and whether they have rows.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    /// The page before.
    pub(crate) previous: (String, bool),
    /// The page after.
    pub(crate) next: (String, bool),
    /// How the header is written.
    pub(crate) form: LinkForm,
}

/// Relations that Sentry does not send, but what stands in front of it may.
const FOREIGN: [&str; 2] = [
    r#"<https://cdn.example.com/a,b;c.css>; rel="preload"; as="style""#,
    r#"<https://example.com/terms>; rel="license"; title="rel=\"next\"; results=\"true\", <x>; cursor=\"9:9:0\"""#,
];

impl Link {
    fn new(previous: Cursor, before: bool, next: Cursor, after: bool) -> Self {
        Self { previous: (previous.text(), before), next: (next.text(), after), form: LinkForm::Usual }
    }

    /// The values of the header for a call that came to this origin. Usually there is one.
    pub(crate) fn headers(&self, origin: &str, call: &Call) -> Vec<String> {
        let base = address(origin, call);
        let part = |relation: &str, (cursor, results): &(String, bool)| {
            format!(r#"<{base}&cursor={cursor}>; rel="{relation}"; results="{results}"; cursor="{cursor}""#)
        };
        let (previous, next) = (part("previous", &self.previous), part("next", &self.next));
        match self.form {
            LinkForm::Usual => vec![format!("{previous}, {next}")],
            LinkForm::Split => vec![previous, next],
            LinkForm::OtherCase => vec![other_case(&format!("{previous}, {next}"))],
            LinkForm::Among => vec![format!("{}, {previous}, {next}, {}", FOREIGN[0], FOREIGN[1])],
            LinkForm::OnlyPrevious => vec![previous],
            LinkForm::NoCursor => {
                let without = next.split("; cursor=").next().unwrap_or_default();
                vec![format!("{previous}, {without}")]
            }
        }
    }
}

/// The same relations in other letter case.
fn other_case(text: &str) -> String {
    let pairs = [
        ("rel=\"next\"", "Rel=\"Next\""),
        ("rel=\"previous\"", "REL=\"PREVIOUS\""),
        ("results=\"true\"", "Results=\"True\""),
        ("results=\"false\"", "RESULTS=\"FALSE\""),
        ("; cursor=", "; Cursor="),
    ];
    pairs.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}

/// The call's own address without its cursor, quoted as the server would.
fn address(origin: &str, call: &Call) -> String {
    let decoded = percent_encoding::percent_decode_str(&call.path).decode_utf8_lossy();
    let others = call.query.iter().filter(|(key, _)| key != "cursor");
    let query: Vec<_> = others.map(|(key, value)| format!("{}={}", quote(key), quote(value))).collect();
    format!("{origin}{}?{}", quote(&decoded), query.join("&"))
}

fn quote(text: &str) -> String {
    utf8_percent_encode(text, QUOTED).to_string()
}

/// A cursor that points before the first row.
#[derive(Debug)]
pub(crate) struct BadCursor;

/// Pages by number: `perpage:page:0`. The page size in the cursor counts, not `limit`.
pub(crate) fn by_number(cursor: Option<Cursor>, limit: usize, total: usize) -> Result<(Range<usize>, Link), BadCursor> {
    let cursor = cursor.unwrap_or_default();
    let size = crate::count(limit);
    let start = cursor.offset.checked_mul(cursor.value).ok_or(BadCursor)?;
    let start = usize::try_from(start).map_err(|_| BadCursor)?.min(total);
    let asked = if cursor.value == 0 { limit } else { usize::try_from(cursor.value).map_err(|_| BadCursor)? };
    let stop = total.min(start.saturating_add(asked).saturating_add(1));
    let start = if asked == limit { start } else { start.max(stop.saturating_sub(limit + 1)) };
    let more = stop - start > limit;
    let previous = Cursor { value: size, offset: cursor.offset - 1, prev: true };
    let next = Cursor { value: size, offset: cursor.offset + 1, prev: false };
    let range = start..stop.min(start + limit);
    Ok((range, Link::new(previous, cursor.offset > 0, next, more)))
}

/// Pages by row: `0:row:0`.
pub(crate) fn by_row(cursor: Option<Cursor>, limit: usize, total: usize) -> (Range<usize>, Link) {
    let offset = cursor.map_or(0, |cursor| cursor.offset.max(0));
    let size = crate::count(limit);
    let start = usize::try_from(offset).unwrap_or(usize::MAX).min(total);
    let end = total.min(start + limit);
    let previous = Cursor { value: 0, offset: (offset - size).max(0), prev: true };
    let next = Cursor { value: 0, offset: offset + size, prev: false };
    (start..end, Link::new(previous, offset > 0, next, end < total))
}

/// The keys of a list, and whether they fall or rise from row to row.
pub(crate) struct Keys<K> {
    /// The key of the row at a position.
    pub(crate) key: K,
    /// How many rows there are.
    pub(crate) total: usize,
    /// Whether keys fall from row to row.
    pub(crate) falling: bool,
}

impl<K: Fn(usize) -> i64> Keys<K> {
    /// The first row whose key is `value` or lies after it.
    fn position(&self, value: i64) -> usize {
        let (mut low, mut high) = (0, self.total);
        while low < high {
            let middle = low.midpoint(high);
            let key = (self.key)(middle);
            let before = if self.falling { key > value } else { key < value };
            if before {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    /// The cursor of a position. Past the end it has the last key, and the number of rows with that key.
    fn cursor(&self, position: usize, prev: bool) -> Cursor {
        let Some(last) = self.total.checked_sub(1) else {
            return Cursor { prev, ..Cursor::default() };
        };
        let value = (self.key)(position.min(last));
        Cursor { value, offset: crate::count(position - self.position(value)), prev }
    }
}

/// Pages by key: `key:rows after it:0`. The next page begins at the key, whatever rows were added before it.
pub(crate) fn by_key<K: Fn(usize) -> i64>(
    cursor: Option<Cursor>,
    limit: usize,
    keys: &Keys<K>,
) -> (Range<usize>, Link) {
    let given = cursor.filter(|cursor| cursor.value != 0 || cursor.offset != 0);
    let place = given.map_or(0, |cursor| {
        let position = if cursor.value == 0 { 0 } else { keys.position(cursor.value) };
        position.saturating_add(usize::try_from(cursor.offset).unwrap_or(0)).min(keys.total)
    });
    let backwards = given.is_some_and(|cursor| cursor.prev);
    let start = if backwards { place.saturating_sub(limit) } else { place };
    let end = if backwards { place } else { keys.total.min(place.saturating_add(limit)) };
    let previous = match given {
        Some(cursor) if !backwards => Cursor { prev: true, ..cursor },
        _ => keys.cursor(start, true),
    };
    let before = if backwards { start > 0 } else { given.is_some() };
    let next = keys.cursor(end, false);
    (start..end, Link::new(previous, before, next, backwards || end < keys.total))
}
