//! Follows the pages of a list, by cursor only. Does not look at the rows.

use std::collections::HashSet;

use tracing::warn;

use crate::sentry::client::Client;
use crate::sentry::error::ApiError;
use crate::sentry::page::Page;
use crate::sentry::request::Request;

/// The pages of one list, in order.
#[derive(Debug)]
pub(crate) struct Pages<'a> {
    client: &'a Client,
    request: Request,
    done: bool,
    /// Cursors that were followed. They detect a loop, which would not end.
    followed: HashSet<String>,
}

impl<'a> Pages<'a> {
    /// Begins at the request's cursor, or at the first page if it has none. Sends nothing.
    pub(crate) fn new(client: &'a Client, request: Request) -> Self {
        Self { client, request, done: false, followed: HashSet::new() }
    }

    /// The next page; `None` after the last. An empty page does not end the list (API §1.3).
    /// A cursor that repeats is an error.
    pub(crate) async fn next(&mut self) -> Result<Option<Page>, ApiError> {
        if self.done {
            return Ok(None);
        }
        let page = self.client.get(&self.request).await?;
        if page.is_cut() {
            let path = self.request.describe();
            warn!("GET {path}: a full page without a Link header: the list may go on, and cannot be followed");
        }
        match &page.next {
            Some(cursor) if !self.followed.insert(cursor.clone()) => {
                let detail = format!("the server's cursor {cursor} leads back to itself");
                let path = self.request.describe();
                return Err(ApiError::malformed(path, self.request.endpoint.scope, detail));
            }
            Some(cursor) => self.request.cursor = Some(cursor.clone()),
            None => self.done = true,
        }
        Ok(Some(page))
    }
}
