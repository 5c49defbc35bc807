//! Cursors of Sentry's lists, and how to ask for a page so that no row is hidden at its beginning. Pure.
//!
//! A cursor is `value:offset:is_prev`. What it means depends on the kind of list (API §1.3). Cursors of other servers have
//! other forms. They are sent as they came.

use crate::sentry::request::PAGE_ROWS;

/// A cursor that leads forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cursor<'a> {
    value: &'a str,
    offset: usize,
}

/// Another cursor for the same page, that begins earlier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Earlier {
    /// One row earlier: the page begins with the last row of the page before, unless rows have moved.
    OneRow(String),
    /// At the first row of its key. Rows of one key may come in another order on each page.
    AllOfKey(String),
}

impl<'a> Cursor<'a> {
    /// Reads a cursor; `None` for one that leads back, or has another form.
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.split(':');
        let (value, offset, is_prev) = (parts.next()?, parts.next()?.parse().ok()?, parts.next()?);
        value.parse::<f64>().ok().filter(|value| value.is_finite())?;
        (parts.next().is_none() && is_prev == "0").then_some(Self { value, offset })
    }

    /// How to ask for the page after one of so many rows, so that it shows whether a row was hidden; `None` if the cursor
    /// cannot be changed, or need not be.
    pub(crate) fn earlier(self, rows: usize) -> Option<Earlier> {
        let value = self.value.strip_suffix(".0").unwrap_or(self.value);
        let counts_pages = value.parse() == Ok(PAGE_ROWS);
        match self.offset {
            // A page must bring more than the rows that it repeats, or the list would not go on.
            0 => None,
            _ if counts_pages || rows < 2 => None,
            offset if value == "0" => Some(Earlier::OneRow(format!("{}:{}:0", self.value, offset - 1))),
            offset if offset < rows => Some(Earlier::AllOfKey(format!("{}:0:0", self.value))),
            _ => None,
        }
    }
}

/// How to ask a list that counts pages for a page that begins earlier: its pages are made a little smaller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SmallerPages {
    pub(crate) cursor: String,
    /// Rows of the page.
    pub(crate) rows: usize,
    /// So many of its first rows were on the pages before.
    pub(crate) repeated: usize,
}

impl Cursor<'_> {
    /// Rows of a page, in a list that counts pages; `None` for other lists. Keys are times in milliseconds.
    pub(crate) fn page_size(self) -> Option<usize> {
        let value = self.value.strip_suffix(".0").unwrap_or(self.value);
        value.parse().ok().filter(|size| (1..=PAGE_ROWS).contains(size))
    }

    /// The same page of a list that counts rows, so many rows earlier; `None` for other lists.
    pub(crate) fn rows_earlier(self, rows: usize) -> Option<String> {
        let value = self.value.strip_suffix(".0").unwrap_or(self.value);
        let offset = self.offset.checked_sub(rows).filter(|_| value == "0")?;
        Some(format!("{}:{offset}:0", self.value))
    }

    /// The same for a list that counts pages, of `largest` rows at most, `overlap` rows earlier or some more. A page begins
    /// at the product of size and number, so a size is looked for of which a multiple lies right there.
    pub(crate) fn smaller_pages(self, largest: usize, overlap: usize) -> Option<SmallerPages> {
        let read = self.page_size()?.checked_mul(self.offset)?;
        let last = read.checked_sub(overlap)?;
        let (start, rows) = ((largest * 4 / 5).max(1)..=largest).map(|rows| (last / rows * rows, rows)).max()?;
        let (cursor, repeated) = (format!("{rows}:{}:0", start / rows), read - start);
        (repeated < rows).then_some(SmallerPages { cursor, rows, repeated })
    }

    /// Rows of its key that were on the pages before.
    pub(crate) fn rows_of_key(self) -> usize {
        self.offset
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_that_counts_pages_is_asked_for_smaller_ones() {
        let smaller = |cursor: &str| Cursor::parse(cursor).and_then(|cursor| cursor.smaller_pages(100, 3));
        assert_eq!(smaller("100:1:0"), Some(SmallerPages { cursor: "97:1:0".into(), rows: 97, repeated: 3 }));
        assert_eq!(smaller("97:2:0"), Some(SmallerPages { cursor: "95:2:0".into(), rows: 95, repeated: 4 }));
        for pages in 1..2000 {
            let page = smaller(&format!("100:{pages}:0")).expect("a page");
            let number: usize = page.cursor.split(':').nth(1).expect("a number").parse().expect("a number");
            assert_eq!(number * page.rows + page.repeated, pages * 100);
            assert!((3..50).contains(&page.repeated), "{page:?}");
        }
        for cursor in ["0:100:0", "1541430000000:40:0", "100:0:0"] {
            assert_eq!(smaller(cursor), None, "{cursor}");
        }
        // Pages of two rows cannot be made smaller and still go on.
        assert_eq!(Cursor::parse("2:1:0").and_then(|cursor| cursor.smaller_pages(2, 1)), None);
        let earlier = |cursor: &str| Cursor::parse(cursor).and_then(|cursor| cursor.rows_earlier(3));
        assert_eq!(earlier("0:100:0"), Some("0:97:0".into()));
        assert_eq!((earlier("0:2:0"), earlier("100:5:0")), (None, None));
    }

    fn earlier(cursor: &str) -> Option<Earlier> {
        Cursor::parse(cursor)?.earlier(100)
    }

    #[test]
    fn after_a_row_offset_the_page_begins_one_row_earlier() {
        assert_eq!(earlier("0:100:0"), Some(Earlier::OneRow("0:99:0".into())));
        assert_eq!(earlier("0.0:199:0"), Some(Earlier::OneRow("0.0:198:0".into())));
        assert_eq!(earlier("0:0:0"), None);
        assert_eq!(Cursor::parse("0:1:0").and_then(|cursor| cursor.earlier(1)), None, "it would not go on");
    }

    #[test]
    fn a_key_is_asked_for_whole_where_it_fits_into_a_page() {
        assert_eq!(earlier("1541430000000:40:0"), Some(Earlier::AllOfKey("1541430000000:0:0".into())));
        assert_eq!(earlier("1541430000000.0:99:0"), Some(Earlier::AllOfKey("1541430000000.0:0:0".into())));
        assert_eq!(earlier("1541430000000:100:0"), None);
        assert_eq!(earlier("1541430000000:0:0"), None);
    }

    #[test]
    fn page_numbers_and_foreign_cursors_stay_as_they_are() {
        for cursor in
            ["100:1:0", "100:7:0", "0:0:1", "1541430000000:3:1", "cD0yMDI2LTEx", "1:2", "1:2:0:0", "", "x:1:0"]
        {
            assert_eq!(earlier(cursor), None, "{cursor}");
        }
    }
}
