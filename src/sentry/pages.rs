//! A walk over the pages of a list, by cursor only.

use tracing::warn;

use crate::sentry::client::Client;
use crate::sentry::error::{ApiError, ErrorKind};
use crate::sentry::page::Page;
use crate::sentry::request::Request;

/// The pages of one list, one after the other.
#[derive(Debug)]
pub struct Pages<'a> {
    client: &'a Client,
    request: Request,
    done: bool,
    guard: LoopGuard,
}

/// Finds a cursor that repeats, in constant memory: keeps the cursor of ever rarer pages (Brent's method), so
/// that any loop comes round to it.
#[derive(Debug, Default)]
struct LoopGuard {
    kept: Option<String>,
    pages: u64,
    next_kept: u64,
}

impl LoopGuard {
    fn repeats(&mut self, cursor: &str) -> bool {
        if self.kept.as_deref() == Some(cursor) {
            return true;
        }
        self.pages += 1;
        if self.pages >= self.next_kept {
            self.kept = Some(cursor.to_owned());
            self.next_kept = self.pages * 2;
        }
        false
    }
}

impl<'a> Pages<'a> {
    /// Begins at the request's cursor, or at the first page.
    pub fn new(client: &'a Client, request: Request) -> Self {
        Self { client, request, done: false, guard: LoopGuard::default() }
    }

    /// The next page; `None` after the last. Empty pages are pages too (API §1.3).
    pub async fn next(&mut self) -> Result<Option<Page>, ApiError> {
        if self.done {
            return Ok(None);
        }
        let page = self.client.get(&self.request).await?;
        if page.is_cut() {
            let path = self.request.path(0, true, false);
            warn!("GET {path}: a full page without a Link header: the list may go on, and cannot be followed");
        }
        match &page.next {
            Some(cursor) if self.guard.repeats(cursor) => {
                return Err(ApiError {
                    kind: ErrorKind::Protocol,
                    status: None,
                    path: self.request.path(0, true, false),
                    detail: format!("the server's cursor {cursor} leads back to itself"),
                    scope: self.request.endpoint.scope,
                });
            }
            Some(cursor) => self.request.cursor = Some(cursor.clone()),
            None => self.done = true,
        }
        Ok(Some(page))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loop_of_any_length_is_found() {
        for length in [1_u64, 2, 3, 7, 100] {
            let mut guard = LoopGuard::default();
            let found = (0..1000_u64).position(|n| guard.repeats(&(n % length).to_string()));
            assert!(found.is_some_and(|at| at as u64 <= 4 * length + 2), "{length}: {found:?}");
        }
        let mut guard = LoopGuard::default();
        assert!((0..5000).all(|n| !guard.repeats(&n.to_string())));
    }
}
