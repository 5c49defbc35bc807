//! Follows the pages of a list, by cursor only, to an end that is proved. Does not know what the rows mean.
//!
//! A list has ended where the server says so, where a page without `Link` has fewer rows than were asked for, or where the
//! endpoint answers in one piece. Any other end is an error after the last rows, so that nobody takes it for the end.

use std::collections::HashSet;

use tracing::warn;

use crate::json::fingerprint::fingerprint;
use crate::sentry::client::Client;
use crate::sentry::error::ApiError;
use crate::sentry::link::End;
use crate::sentry::novelty::Novelty;
use crate::sentry::page::Page;
use crate::sentry::request::Request;

/// After so many pages in a row that bring nothing new, it is said. Sentry filters some lists after it has cut the pages,
/// so some empty pages are nothing unusual (API §1.3).
const BARREN_WARNING: usize = 20;
/// After so many of them the list is given up. They stand for 10 000 rows that were filtered out.
const BARREN_MOST: usize = 100;
/// Rows of a page of whole events, on sentry.io (API §1.4).
const WHOLE_EVENTS: usize = 10;

/// The pages of one list, in order.
#[derive(Debug)]
pub(crate) struct Pages<'a> {
    client: &'a Client,
    request: Request,
    progress: Progress,
    /// Cursors that the server gave, as fingerprints. They detect a loop, which would not end.
    cursors: HashSet<u64>,
    novelty: Novelty,
    rows: usize,
}

/// How far a list is.
#[derive(Debug)]
enum Progress {
    /// There is another page.
    GoesOn,
    /// The end is proved.
    Ended,
    /// The list may go on, and cannot be followed.
    Cut(ApiError),
}

impl<'a> Pages<'a> {
    /// Begins at the request's cursor, or at the first page if it has none. Sends nothing.
    pub(crate) fn new(client: &'a Client, request: Request) -> Self {
        let (cursors, novelty) = (HashSet::new(), Novelty::default());
        Self { client, request, progress: Progress::GoesOn, cursors, novelty, rows: 0 }
    }

    /// The next page; `None` after the last. An empty page does not end the list (API §1.3).
    ///
    /// Where the end is not proved, the rows come first, and then, in place of `None`, an error that is a gap.
    pub(crate) async fn next(&mut self) -> Result<Option<Page>, ApiError> {
        match &self.progress {
            Progress::GoesOn => {}
            Progress::Ended => return Ok(None),
            Progress::Cut(error) => return Err(error.clone()),
        }
        let page = self.client.get(&self.request).await?;
        self.rows += page.len();
        self.progress = match self.follow(&page) {
            Ok(progress) => progress,
            Err(why) => Progress::Cut(self.cut(&why)),
        };
        Ok(Some(page))
    }

    /// Asks for the next page by another cursor than the server's.
    pub(crate) fn ask_from(&mut self, cursor: String) {
        // A server that gives it back leads in a circle too.
        self.cursors.insert(fingerprint([cursor.as_str()]));
        self.request.cursor = Some(cursor);
    }

    /// The same, for a page of so many rows.
    pub(crate) fn ask_for(&mut self, cursor: String, rows: usize) {
        self.ask_from(cursor);
        self.request.page_rows = rows;
    }

    /// What comes after this page, or why that is not known.
    fn follow(&mut self, page: &Page) -> Result<Progress, String> {
        let Some(cursor) = &page.next else {
            self.check_end(page)?;
            return Ok(Progress::Ended);
        };
        if !self.cursors.insert(fingerprint([cursor.as_str()])) {
            return Err(format!("the server's cursor {cursor} leads back to itself"));
        }
        match self.novelty.note(page) {
            BARREN_WARNING => {
                warn!("GET {}: {BARREN_WARNING} pages in a row have brought nothing new", self.request.describe());
            }
            BARREN_MOST => return Err(format!("{BARREN_MOST} pages in a row have brought nothing new")),
            _ => {}
        }
        self.request.cursor = Some(cursor.clone());
        Ok(Progress::GoesOn)
    }

    /// Whether the end after this page is proved. The error says what is missing.
    fn check_end(&self, page: &Page) -> Result<(), String> {
        let (most, rows) = (self.request.endpoint.deepest, page.len());
        match page.end {
            _ if self.client.answers_in_one_piece(self.request.endpoint) => Ok(()),
            End::Silent if self.is_full(rows) => Err(format!(
                "the server gave a full page of {rows} rows and no Link header; is there a proxy that drops it?"
            )),
            End::Said | End::Silent if self.rows >= most => {
                Err(format!("the server gives {most} rows of a list at most, and has given as many"))
            }
            End::Said | End::Silent => Ok(()),
            End::Unreadable => {
                Err("the Link header does not say whether a page follows; is there a proxy that changes it?".to_owned())
            }
            End::WithoutCursor => {
                Err("the Link header names a next page without its cursor; is there a proxy that changes it?"
                    .to_owned())
            }
        }
    }

    /// Whether a page of so many rows may be a full one.
    fn is_full(&self, rows: usize) -> bool {
        rows >= self.request.page_rows || (rows == WHOLE_EVENTS && self.request.asks_for_whole_events())
    }

    fn cut(&self, why: &str) -> ApiError {
        let endpoint = self.request.endpoint;
        ApiError::cut(self.request.describe(), endpoint.scope, format!("the list may go on: {why}"))
    }
}
