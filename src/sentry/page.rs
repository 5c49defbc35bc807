//! One answer: its body, the rows in it, the cursor of the next page.
//!
//! The body stays one buffer; rows are ranges of it, so a page is never copied and never becomes a tree.

use std::ops::Range;

use chrono::{DateTime, Utc};
use serde_json::value::RawValue;

use crate::sentry::endpoint::Rows;

/// A page of rows, or one object as the only row.
#[derive(Debug)]
pub struct Page {
    body: String,
    rows: Vec<Range<usize>>,
    /// The cursor of the next page, if there is one.
    pub next: Option<String>,
    /// The server's clock when it answered (the `Date` header, whole seconds).
    pub served_at: Option<DateTime<Utc>>,
}

/// A body that is JSON, but not of the shape that the endpoint promises.
#[derive(Debug, PartialEq, Eq)]
pub enum BadBody {
    /// Not JSON, or cut short.
    NotJson,
    /// JSON of another shape.
    OtherShape,
}

impl Page {
    /// Checks the whole body once and notes where its rows are.
    pub fn parse(body: String, shape: Rows) -> Result<Self, BadBody> {
        let rows = match shape {
            Rows::Array => array_rows(&body)?,
            Rows::Object => vec![object_row(&body)?],
        };
        Ok(Self { body, rows, next: None, served_at: None })
    }

    /// The raw text of each row.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &str> {
        self.rows.iter().map(|range| &self.body[range.clone()])
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether the page has no rows; more pages may follow all the same.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

fn array_rows(body: &str) -> Result<Vec<Range<usize>>, BadBody> {
    let rows: Vec<&RawValue> = match serde_json::from_str(body) {
        Ok(rows) => rows,
        Err(error) if error.is_data() => return Err(BadBody::OtherShape),
        Err(_) => return Err(BadBody::NotJson),
    };
    let base = body.as_ptr() as usize;
    let range = |row: &RawValue| {
        let start = row.get().as_ptr() as usize - base;
        start..start + row.get().len()
    };
    Ok(rows.into_iter().map(range).collect())
}

fn object_row(body: &str) -> Result<Range<usize>, BadBody> {
    let row: &RawValue = serde_json::from_str(body).map_err(|_| BadBody::NotJson)?;
    if !row.get().starts_with('{') {
        return Err(BadBody::OtherShape);
    }
    let start = row.get().as_ptr() as usize - body.as_ptr() as usize;
    Ok(start..start + row.get().len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_slices_of_the_body() {
        let page = Page::parse(" [ {\"a\":1} ,\n2, null] ".to_owned(), Rows::Array).expect("a page");
        assert_eq!(page.rows().collect::<Vec<_>>(), ["{\"a\":1}", "2", "null"]);
        let page = Page::parse("\n{\"a\":[]}".to_owned(), Rows::Object).expect("a page");
        assert_eq!(page.rows().collect::<Vec<_>>(), ["{\"a\":[]}"]);
    }

    #[test]
    fn other_shapes_and_cut_bodies_are_told_apart() {
        let parse = |body: &str, shape| Page::parse(body.to_owned(), shape).err();
        assert_eq!(parse("{}", Rows::Array), Some(BadBody::OtherShape));
        assert_eq!(parse("[]", Rows::Object), Some(BadBody::OtherShape));
        assert_eq!(parse("[{\"a\":1},", Rows::Array), Some(BadBody::NotJson));
        assert_eq!(parse("", Rows::Array), Some(BadBody::NotJson));
        assert_eq!(parse("{\"a\":", Rows::Object), Some(BadBody::NotJson));
    }

    #[test]
    fn deep_nesting_is_no_danger() {
        let deep = format!("[{}{}]", "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(Page::parse(deep, Rows::Array).expect("a page").len(), 1);
    }
}
