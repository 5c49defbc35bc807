//! Finds the rows of a text and the top-level fields of each row, in the same pass that checks the text. Does not read
//! values.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::json::scan::{Malformed, Scanner};
use crate::json::text::unescape;

/// One top-level field, as offsets into the scanned text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Field {
    pub(super) name: (u32, u32),
    pub(super) value: (u32, u32),
    /// The name holds an escape: unescape it before comparing.
    pub(super) escaped_name: bool,
    /// The value holds a `\u` escape, and may hold a character that targets refuse.
    pub(super) unicode: bool,
}

impl Field {
    /// The name as the text has it. As bytes, because names are compared for every row, and a slice of a `str` would
    /// check character boundaries each time.
    pub(super) fn raw_name<'a>(&self, text: &'a str) -> &'a [u8] {
        &text.as_bytes()[self.name.0 as usize..self.name.1 as usize]
    }
}

/// One row: its place in the text, and its fields in the index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RowSpan {
    pub(super) raw: Range<usize>,
    /// Absent if the row is no object.
    pub(super) fields: Option<Range<usize>>,
    pub(super) shape: Shape,
}

/// Stands for the names of a row's fields and their order: rows of one shape have the same names at the same places.
/// Most rows of a list do, so what is found out for one row holds for the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shape(u64);

impl Shape {
    /// A shape that no row had before.
    fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// All rows of a text, and their fields.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Index {
    pub(super) rows: Vec<RowSpan>,
    pub(super) fields: Vec<Field>,
}

impl Index {
    /// Indexes a text that is an array of rows.
    pub(crate) fn of_array(text: &str) -> Result<Self, Malformed> {
        let mut scanner = Scanner::begin(text)?;
        let mut index = Self::default();
        if scanner.peek() != Some(b'[') {
            return Err(scanner.other_shape());
        }
        scanner.at += 1;
        if !scanner.closes(b']') {
            loop {
                index.row(&mut scanner)?;
                if scanner.ends_after_value(b']')? {
                    break;
                }
            }
        }
        scanner.end()?;
        Ok(index)
    }

    /// Indexes a text that is one object.
    pub(crate) fn of_object(text: &str) -> Result<Self, Malformed> {
        let mut scanner = Scanner::begin(text)?;
        let mut index = Self::default();
        if scanner.peek() != Some(b'{') {
            return Err(scanner.other_shape());
        }
        index.row(&mut scanner)?;
        scanner.end()?;
        Ok(index)
    }

    /// Number of rows.
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    fn row(&mut self, scanner: &mut Scanner<'_>) -> Result<(), Malformed> {
        scanner.space();
        let start = scanner.at;
        let first = self.fields.len();
        let (fields, shape) = if scanner.peek() == Some(b'{') {
            self.object(scanner)?;
            let shape = self.shape_before(scanner.text, first).unwrap_or_else(|| {
                self.dedupe_names(scanner.text, first);
                Shape::new()
            });
            (Some(first..self.fields.len()), shape)
        } else {
            scanner.value()?;
            (None, Shape::new())
        };
        self.rows.push(RowSpan { raw: start..scanner.at, fields, shape });
        Ok(())
    }

    /// The shape of the row before, if the new row has it too. The new row's fields begin at `first`.
    fn shape_before(&self, text: &str, first: usize) -> Option<Shape> {
        let before = self.rows.last()?;
        let fields = &self.fields[before.fields.clone()?];
        let new = &self.fields[first..];
        let same =
            fields.len() == new.len() && fields.iter().zip(new).all(|(a, b)| a.raw_name(text) == b.raw_name(text));
        same.then_some(before.shape)
    }

    fn object(&mut self, scanner: &mut Scanner<'_>) -> Result<(), Malformed> {
        scanner.at += 1;
        if scanner.closes(b'}') {
            return Ok(());
        }
        loop {
            scanner.space();
            let name = scanner.at;
            let escaped_name = scanner.string()?;
            let name = (offset(name + 1), offset(scanner.at - 1));
            scanner.colon()?;
            let value = scanner.at;
            scanner.unicode = false;
            scanner.value()?;
            let value = (offset(value), offset(scanner.at));
            self.fields.push(Field { name, value, escaped_name, unicode: scanner.unicode });
            if scanner.ends_after_value(b'}')? {
                return Ok(());
            }
        }
    }

    /// If a name occurs twice in a row, its last value counts, as in JSON parsers.
    fn dedupe_names(&mut self, text: &str, first: usize) {
        let name = |field: &Field| &text[field.name.0 as usize..field.name.1 as usize];
        let same = |a: &Field, b: &Field| {
            let escaped = a.escaped_name || b.escaped_name;
            name(a) == name(b) || (escaped && unescape(name(a)) == unescape(name(b)))
        };
        let mut at = first + 1;
        while at < self.fields.len() {
            let field = self.fields[at];
            match (first..at).find(|earlier| same(&self.fields[*earlier], &field)) {
                Some(earlier) => {
                    let known = self.fields[earlier];
                    self.fields[earlier] = Field { name: known.name, escaped_name: known.escaped_name, ..field };
                    self.fields.remove(at);
                }
                None => at += 1,
            }
        }
    }
}

/// An offset in 32 bits. The scanner refuses longer texts.
#[expect(clippy::cast_possible_truncation, reason = "checked by Scanner::begin")]
const fn offset(at: usize) -> u32 {
    at as u32
}

#[cfg(test)]
#[path = "index_tests.rs"]
mod tests;
