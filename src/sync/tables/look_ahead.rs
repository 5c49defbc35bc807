//! Pages of a list, of which the next can be fetched before this one is used: what follows says whether the order of a
//! page holds over its end. Does not know what the rows mean.

use crate::json::row::Row;
use crate::sentry::client::Client;
use crate::sentry::error::ApiError;
use crate::sentry::page::Page;
use crate::sentry::pages::Pages;
use crate::sentry::request::Request;

/// The pages of one list, in order.
#[derive(Debug)]
pub(crate) struct LookAhead<'a> {
    pages: Pages<'a>,
    /// What came of the next page, if it was fetched. An error waits until the page before it is used.
    ahead: Option<Result<Option<Page>, ApiError>>,
}

impl<'a> LookAhead<'a> {
    /// Sends nothing.
    pub(crate) fn new(client: &'a Client, request: Request) -> Self {
        Self { pages: Pages::new(client, request), ahead: None }
    }

    /// The next page; `None` after the last.
    pub(crate) async fn next(&mut self) -> Result<Option<Page>, ApiError> {
        match self.ahead.take() {
            Some(page) => page,
            None => self.pages.next().await,
        }
    }

    /// Fetches the page that `next` will give.
    pub(crate) async fn fetch(&mut self) {
        self.ahead = Some(self.pages.next().await);
    }

    /// The first row of the page that was fetched.
    pub(crate) fn following(&self) -> Option<Row<'_>> {
        let page = self.ahead.as_ref()?.as_ref().ok()?.as_ref()?;
        page.rows().flatten().next()
    }
}
