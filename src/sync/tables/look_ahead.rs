//! Pages of a list, of which the next is fetched before this one is used: what follows says whether a row was hidden
//! between the two, and whether the order of a page holds over its end. Does not know what the rows mean.
//!
//! Rows that go while a list is read pull later ones over the boundary of a page, where nobody sees them. So the next page
//! is asked for some rows earlier, and must begin with the last rows of the page before. One row is not enough: where rows
//! of one time come in another order, it can be at its place by chance.

use tracing::debug;

use crate::json::row::Row;
use crate::sentry::client::Client;
use crate::sentry::cursor::{Cursor, Earlier, SmallerPages};
use crate::sentry::error::ApiError;
use crate::sentry::page::Page;
use crate::sentry::pages::Pages;
use crate::sentry::request::Request;
use crate::streams::Stream;
use crate::streams::context::key_of;

/// So many rows of a page are on the next page too, or some more.
const OVERLAP: usize = 3;

/// How a list is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Follow {
    /// Each page begins before the end of the one before.
    Joined,
    /// As the server's cursors lead. Every row of the list is on one page if none moves.
    Plain,
}

/// A page of a list.
#[derive(Debug)]
pub(crate) struct ListPage {
    pub(crate) page: Page,
    /// So many of its first rows were on the pages before.
    pub(crate) repeated: usize,
    /// Whether it begins with the last rows of the page before, if it was asked to.
    pub(crate) joins: bool,
}

/// The pages of one list, in order.
#[derive(Debug)]
pub(crate) struct LookAhead<'a> {
    pages: Pages<'a>,
    stream: &'static Stream,
    follow: Follow,
    /// Rows of the first page: the server gives no more of them.
    largest: Option<usize>,
    /// How many rows the next page repeats, and their keys if they have to be there.
    repeated: usize,
    expected: Option<Vec<String>>,
    /// What came of the next page, if it was fetched. An error waits until the page before it is used.
    ahead: Option<Result<Option<ListPage>, ApiError>>,
}

impl<'a> LookAhead<'a> {
    /// Sends nothing.
    pub(crate) fn new(client: &'a Client, request: Request, stream: &'static Stream, follow: Follow) -> Self {
        Self {
            pages: Pages::new(client, request),
            stream,
            follow,
            largest: None,
            repeated: 0,
            expected: None,
            ahead: None,
        }
    }

    /// The next page; `None` after the last.
    pub(crate) async fn next(&mut self) -> Result<Option<ListPage>, ApiError> {
        match self.ahead.take() {
            Some(page) => page,
            None => self.get().await,
        }
    }

    /// Fetches the page that `next` will give.
    pub(crate) async fn fetch(&mut self) {
        self.ahead = Some(self.get().await);
    }

    /// Whether the end of the list is known to be reached.
    pub(crate) fn has_ended(&self) -> bool {
        matches!(self.ahead, Some(Ok(None)))
    }

    fn following(&self) -> Option<&ListPage> {
        self.ahead.as_ref()?.as_ref().ok()?.as_ref()
    }

    /// The first new row of the page that was fetched.
    pub(crate) fn following_row(&self) -> Option<Row<'_>> {
        let next = self.following()?;
        next.page.rows().skip(next.repeated).flatten().next()
    }

    /// Whether the page that was fetched shows that rows have moved.
    pub(crate) fn has_moved(&self) -> bool {
        self.following().is_some_and(|next| !next.joins)
    }

    async fn get(&mut self) -> Result<Option<ListPage>, ApiError> {
        let Some(page) = self.pages.next().await? else { return Ok(None) };
        let (repeated, expected) = (std::mem::take(&mut self.repeated), self.expected.take());
        let joins = expected.is_none_or(|expected| self.keys(page.rows().take(repeated)) == expected);
        if !joins {
            debug!("{}: rows have moved between two pages of the list", self.stream.tap_stream_id);
        }
        if self.follow == Follow::Joined {
            self.prepare(&page);
        }
        Ok(Some(ListPage { page, repeated, joins }))
    }

    /// Decides how the page after this one is asked for.
    fn prepare(&mut self, page: &Page) {
        let largest = *self.largest.get_or_insert(page.len());
        let Some(cursor) = page.next.as_deref().and_then(Cursor::parse) else { return };
        let last = |rows: usize| self.keys(page.rows().skip(page.len().saturating_sub(rows)));
        if let Some(size) = cursor.page_size() {
            // A page with fewer rows was filtered after it was cut: its rows are not what the cursor counts.
            let fits = |smaller: &SmallerPages| page.len() == size && smaller.repeated <= size;
            // Small pages have no room for so many.
            let smaller = (1..=OVERLAP).rev().find_map(|rows| cursor.smaller_pages(largest, rows).filter(fits));
            if let Some(smaller) = smaller {
                (self.expected, self.repeated) = (Some(last(smaller.repeated)), smaller.repeated);
                self.pages.ask_for(smaller.cursor, smaller.rows);
            }
            return;
        }
        if let Some(earlier) = cursor.rows_earlier(OVERLAP).filter(|_| page.len() > OVERLAP) {
            (self.expected, self.repeated) = (Some(last(OVERLAP)), OVERLAP);
            self.pages.ask_from(earlier);
            return;
        }
        match cursor.earlier(page.len()) {
            Some(Earlier::OneRow(earlier)) => {
                (self.expected, self.repeated) = (Some(last(1)), 1);
                self.pages.ask_from(earlier);
            }
            Some(Earlier::AllOfKey(earlier)) => {
                self.repeated = cursor.rows_of_key();
                self.pages.ask_from(earlier);
            }
            None => {}
        }
    }

    fn keys<'r>(&self, rows: impl Iterator<Item = Option<Row<'r>>>) -> Vec<String> {
        rows.map(|row| row.map(|row| key_of(self.stream, &row)).unwrap_or_default()).collect()
    }
}
