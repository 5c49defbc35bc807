//! One page: a body, its rows, and the cursor of the next page. Sends nothing.
//!
//! The body stays one buffer, and is scanned once. Rows and fields are ranges of it, so they are not copied and no tree
//! is built.

use crate::json::index::Index;
use crate::json::row::Row;
use crate::json::scan::Malformed;
use crate::sentry::endpoint::Rows;
use crate::sentry::link::End;
use crate::sentry::series::{Series, unroll};

/// A page of rows, or one object as the only row.
#[derive(Debug)]
pub(crate) struct Page {
    body: String,
    index: Index,
    /// The cursor of the next page, if there is one.
    pub(crate) next: Option<String>,
    /// What the server says of the end of the list, if no page follows.
    pub(crate) end: End,
    /// Number of rows in the whole list, if the server tells it. An estimate, up to 1000 (API §1.3).
    pub(crate) hits: Option<u64>,
    /// Present if the rows are values of series.
    pub(crate) series: Option<Series>,
}

impl Page {
    /// Checks the whole body once, and finds its rows and their fields. An error tells broken JSON from another shape.
    pub(crate) fn parse(body: String, shape: Rows) -> Result<Self, Malformed> {
        let mut series = None;
        let (index, body) = match shape {
            Rows::Array => (Index::of_array(&body)?, body),
            Rows::Object => (Index::of_object(&body)?, body),
            Rows::Under(name) => {
                let whole = Index::of_object(&body)?;
                let rows = Row::of(&body, &whole, 0).and_then(|row| row.get(name)).ok_or(Malformed::OtherShape)?;
                (Index::of_array(rows)?, rows.to_owned())
            }
            Rows::Series { most } => {
                let (rows, unrolled) = unroll(&body, most)?;
                series = Some(unrolled);
                (Index::of_array(&rows)?, rows)
            }
        };
        Ok(Self { body, index, next: None, end: End::Silent, hits: None, series })
    }

    /// The rows; `None` for a row that is no object.
    pub(crate) fn rows(&self) -> impl ExactSizeIterator<Item = Option<Row<'_>>> {
        (0..self.len()).map(|nth| Row::of(&self.body, &self.index, nth))
    }

    /// Number of rows.
    pub(crate) fn len(&self) -> usize {
        self.index.len()
    }

    /// Length of the body, in bytes.
    pub(crate) fn size(&self) -> usize {
        self.body.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_slices_of_the_body() {
        let raw = |body: &str, shape| {
            let page = Page::parse(body.to_owned(), shape).expect("a page");
            page.rows().map(|row| row.map(|row| row.raw().to_owned())).collect::<Vec<_>>()
        };
        assert_eq!(raw(" [ {\"a\":1} ,\n2, null] ", Rows::Array), [Some("{\"a\":1}".to_owned()), None, None]);
        assert_eq!(raw("\n{\"a\":[]} ", Rows::Object), [Some("{\"a\":[]}".to_owned())]);
        assert_eq!(raw("{\"n\":1, \"rows\" : [{\"a\":1}]}", Rows::Under("rows")), [Some("{\"a\":1}".to_owned())]);
    }

    #[test]
    fn other_shapes_and_cut_bodies_are_told_apart() {
        let parse = |body: &str, shape| Page::parse(body.to_owned(), shape).err();
        assert_eq!(parse("{}", Rows::Array), Some(Malformed::OtherShape));
        assert_eq!(parse("[]", Rows::Object), Some(Malformed::OtherShape));
        assert_eq!(parse("{\"others\":[]}", Rows::Under("rows")), Some(Malformed::OtherShape));
        assert_eq!(parse("{\"rows\":{}}", Rows::Under("rows")), Some(Malformed::OtherShape));
        assert_eq!(parse("[{\"a\":1},", Rows::Array), Some(Malformed::NotJson));
        assert_eq!(parse("", Rows::Array), Some(Malformed::NotJson));
        assert_eq!(parse("{\"a\":", Rows::Object), Some(Malformed::NotJson));
    }
}
