//! A list that is put into the record of a row: read whole, and weighed against the number that the row announces.
//!
//! Does not know the row, nor what follows from a list that stays short.

use std::cell::RefCell;
use std::collections::BTreeMap;

use crate::sentry::client::Client;
use crate::sentry::error::ApiError;
use crate::sentry::pages::Pages;
use crate::sentry::request::Request;

/// After so many lists of a field that stayed short, its announced numbers are no reason to read a list again. Some
/// servers count more than they list: all deploys, where the list has the last of each environment.
const TOO_OFTEN: u32 = 3;

/// A list as it was read.
pub(crate) struct EmbeddedList {
    /// The rows as one raw JSON array.
    pub(crate) json: String,
    /// Number of rows.
    pub(crate) rows: u64,
    /// Why the end of the list is not proved, if it is not.
    pub(crate) cut: Option<ApiError>,
}

impl EmbeddedList {
    /// Reads it page by page.
    pub(crate) async fn read(client: &Client, request: Request) -> Result<Self, ApiError> {
        let (path, scope) = (request.describe(), request.endpoint.scope);
        let malformed = || ApiError::malformed(path.clone(), scope, "a row that is no object".to_owned());
        let mut list = Self { json: String::from("["), rows: 0, cut: None };
        let mut pages = Pages::new(client, request);
        loop {
            let page = match pages.next().await {
                Ok(Some(page)) => page,
                Ok(None) => break,
                Err(error) if error.is_cut() => {
                    list.cut = Some(error);
                    break;
                }
                Err(error) => return Err(error),
            };
            for row in page.rows() {
                let row = row.ok_or_else(malformed)?;
                if list.rows > 0 {
                    list.json.push(',');
                }
                list.json.push_str(row.raw());
                list.rows += 1;
            }
        }
        list.json.push(']');
        Ok(list)
    }

    /// Whether it has fewer rows than were announced.
    pub(crate) fn is_short_of(&self, announced: Option<u64>) -> bool {
        announced.is_some_and(|announced| self.rows < announced)
    }

    /// The better one of two readings: whole before cut, and long before short.
    pub(crate) fn or_better(self, other: Self) -> Self {
        let worth = |list: &Self| (list.cut.is_none(), list.rows);
        if worth(&other) > worth(&self) { other } else { self }
    }
}

/// How often the lists of each field were shorter than announced, although their end was proved.
#[derive(Debug, Default)]
pub(crate) struct ShortLists(RefCell<BTreeMap<&'static str, u32>>);

impl ShortLists {
    /// Whether the announced numbers of a field are worth a second reading.
    pub(crate) fn are_rare(&self, field: &'static str) -> bool {
        self.0.borrow().get(field).is_none_or(|times| *times < TOO_OFTEN)
    }

    /// Counts one. Returns whether it is the first of its field.
    pub(crate) fn note(&self, field: &'static str) -> bool {
        let mut fields = self.0.borrow_mut();
        let times = fields.entry(field).or_default();
        *times += 1;
        *times == 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(rows: u64, is_cut: bool) -> EmbeddedList {
        let cut = is_cut.then(|| ApiError::malformed(String::new(), "", String::new()));
        EmbeddedList { json: format!("[{rows}]"), rows, cut }
    }

    #[test]
    fn a_whole_list_is_better_than_a_cut_one_and_a_long_one_better_than_a_short_one() {
        for (one, other, expected) in [
            (list(100, true), list(80, false), 80),
            (list(80, false), list(100, true), 80),
            (list(100, true), list(100, true), 100),
            (list(3, false), list(4, false), 4),
            (list(4, false), list(3, false), 4),
        ] {
            assert_eq!(one.or_better(other).rows, expected);
        }
        assert!(list(3, false).is_short_of(Some(4)) && !list(4, false).is_short_of(Some(4)));
        assert!(!list(0, false).is_short_of(None), "nothing is announced");
    }

    #[test]
    fn numbers_that_are_often_too_high_are_not_followed_for_ever() {
        let short = ShortLists::default();
        assert!(short.are_rare("deploys"));
        assert_eq!([short.note("deploys"), short.note("deploys"), short.note("deploys")], [true, false, false]);
        assert!(!short.are_rare("deploys") && short.are_rare("commits"));
    }
}
