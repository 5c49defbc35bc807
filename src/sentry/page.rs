//! One answer: its body, the rows in it, the cursor of the next page.
//!
//! The body stays one buffer, read once; rows and fields are ranges of it, so a page is never copied and never becomes
//! a tree.

use chrono::{DateTime, Utc};

use crate::json::index::{Index, Malformed};
use crate::json::row::Row;
use crate::sentry::endpoint::Rows;
use crate::sentry::request::PAGE_ROWS;
use crate::sentry::series::{Series, unroll};

/// A page of rows, or one object as the only row.
#[derive(Debug)]
pub struct Page {
    body: String,
    index: Index,
    /// The cursor of the next page, if there is one.
    pub next: Option<String>,
    /// Whether the answer said anything of other pages.
    pub has_link: bool,
    /// Rows of the whole list, as far as the server says; an estimate, up to 1000 (API §1.3).
    pub hits: Option<u64>,
    /// The server's clock when it answered (the `Date` header, whole seconds).
    pub served_at: Option<DateTime<Utc>>,
    /// Where the rows are values of series.
    pub series: Option<Series>,
}

impl Page {
    /// Checks the whole body once and notes where its rows and their fields are.
    pub fn parse(body: String, shape: Rows) -> Result<Self, Malformed> {
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
                let (rows, said) = unroll(&body, most)?;
                series = Some(said);
                (Index::of_array(&rows)?, rows)
            }
        };
        Ok(Self { body, index, next: None, has_link: false, hits: None, served_at: None, series })
    }

    /// The rows; `None` for one that is no object.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = Option<Row<'_>>> {
        (0..self.len()).map(|nth| Row::of(&self.body, &self.index, nth))
    }

    /// Whether the list may go on although nothing says where: a full page without a `Link` header.
    pub fn is_cut(&self) -> bool {
        self.len() == PAGE_ROWS && !self.has_link && self.series.is_none()
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether the page has no rows; more pages may follow all the same.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of the body.
    pub fn size(&self) -> usize {
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
