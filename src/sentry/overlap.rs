//! Follows the pages of a list so that no row is hidden between two of them.
//!
//! Rows that go while a list is read pull later ones over the boundary of a page, where nobody sees them. So after a row
//! offset the next page is asked for one row earlier, and must begin with the last row of the page before. After a key, the
//! rows of that key are asked for again, since they may come in another order on each page. Lists that count pages, and
//! cursors of other servers, are followed as they are. Does not know what the rows mean.

use std::borrow::Cow;

use tracing::debug;

use crate::json::row::Row;
use crate::sentry::client::Client;
use crate::sentry::cursor::{Cursor, Earlier};
use crate::sentry::error::ApiError;
use crate::sentry::page::Page;
use crate::sentry::pages::Pages;
use crate::sentry::request::Request;

/// What tells one row of a list from the others; `None` if it has nothing of the kind.
pub(crate) type RowKey = for<'r> fn(&Row<'r>) -> Option<Cow<'r, str>>;

/// Times that a list is begun because rows have moved, before it is given up.
const MOST_READINGS: usize = 5;

/// What comes next in a list.
#[derive(Debug)]
pub(crate) enum Step {
    /// A page. Its first rows may have been on the page before.
    Page(Page),
    /// Rows have moved, and some may be hidden. The list has to be read on by time, from the last row that is certain.
    RowsMoved,
    /// The list has ended.
    End,
}

/// The pages of one list, each joined to the one before.
#[derive(Debug)]
pub(crate) struct OverlappingPages<'a> {
    pages: Pages<'a>,
    key: RowKey,
    /// What the next page must begin with.
    expected: Option<RowName>,
    /// The last page began with the last row of the page before.
    repeats: bool,
    moved: bool,
    /// The request for the first page.
    first: Request,
    client: &'a Client,
    /// How often the list was begun.
    readings: usize,
}

/// The key of a row that has one.
type RowName = Option<String>;

impl<'a> OverlappingPages<'a> {
    /// Begins like [`Pages::new`]. `key` tells the rows of the list apart.
    pub(crate) fn new(client: &'a Client, request: Request, key: RowKey) -> Self {
        let pages = Pages::new(client, request.clone());
        Self { client, first: request, pages, key, expected: None, repeats: false, moved: false, readings: 1 }
    }

    /// The next page of a list that has no other order to go on by. Where rows have moved, the list begins anew, so the
    /// caller has to know rows that it had before.
    pub(crate) async fn next_page(&mut self) -> Result<Option<Page>, ApiError> {
        loop {
            match self.next().await? {
                Step::Page(page) => return Ok(Some(page)),
                Step::End => return Ok(None),
                Step::RowsMoved if self.readings < MOST_READINGS => {
                    let (readings, first) = (self.readings + 1, self.first.clone());
                    *self = Self { readings, ..Self::new(self.client, first, self.key) };
                }
                Step::RowsMoved => {
                    let detail = format!("its rows have moved in each of {MOST_READINGS} readings");
                    return Err(ApiError::cut(self.first.describe(), self.first.endpoint.scope, detail));
                }
            }
        }
    }

    /// The next step. Rows that were on the page before may come again. An error is as of [`Pages::next`].
    pub(crate) async fn next(&mut self) -> Result<Step, ApiError> {
        if self.moved {
            return Ok(Step::RowsMoved);
        }
        let Some(page) = self.pages.next().await? else { return Ok(Step::End) };
        if !joins(self.expected.as_ref(), &page, self.key) {
            debug!("rows have moved between two pages of a list");
            self.moved = true;
            return Ok(Step::RowsMoved);
        }
        self.repeats = self.expected.is_some();
        self.prepare(&page);
        Ok(Step::Page(page))
    }

    /// Whether the page that came last began with the last row of the page before.
    pub(crate) fn repeats_a_row(&self) -> bool {
        self.repeats
    }

    /// Decides how the page after this one is asked for.
    fn prepare(&mut self, page: &Page) {
        self.expected = None;
        let Some(cursor) = page.next.as_deref().and_then(Cursor::parse) else { return };
        match cursor.earlier(page.len()) {
            Some(Earlier::OneRow(cursor)) => {
                self.expected = page.rows().last().map(|row| name(row.as_ref(), self.key));
                self.pages.ask_from(cursor);
            }
            Some(Earlier::AllOfKey(cursor)) => self.pages.ask_from(cursor),
            None => {}
        }
    }
}

/// Whether a page begins with the row that it must begin with.
fn joins(expected: Option<&RowName>, page: &Page, key: RowKey) -> bool {
    expected.is_none_or(|expected| page.rows().next().is_some_and(|first| name(first.as_ref(), key) == *expected))
}

fn name(row: Option<&Row<'_>>, key: RowKey) -> RowName {
    row.and_then(key).map(Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use sentry_simulator::{Organization, Settings, Shape, Simulator};

    use super::*;
    use crate::sentry::endpoint::Rows;
    use crate::sentry::endpoints::{ORGANIZATION_ISSUES, PROJECT_EVENTS};
    use crate::sentry::token::Token;
    use crate::sentry::transport;

    fn page(body: &str) -> Page {
        Page::parse(body.to_owned(), Rows::Array).expect("a page")
    }

    #[test]
    fn a_page_joins_the_one_before_only_by_its_first_row() {
        let key: RowKey = |row| row.text("id");
        let last = name(page(r#"[{"id":"1"},{"id":2}]"#).rows().last().flatten().as_ref(), key);
        assert!(joins(Some(&last), &page(r#"[{"id":"2"},{"id":"3"}]"#), key));
        assert!(!joins(Some(&last), &page(r#"[{"id":"3"},{"id":"2"}]"#), key), "a row came before it");
        assert!(!joins(Some(&last), &page("[]"), key), "rows have gone");
        assert!(joins(None, &page("[]"), key), "nothing is expected of a first page");
    }

    fn simulator(issue_sizes: Vec<usize>) -> Simulator {
        let shape = Shape { projects: 1, issue_sizes: vec![issue_sizes], ..Shape::default() };
        Simulator::start(Organization::generate(&shape), Settings::self_hosted())
    }

    fn client(simulator: &Simulator) -> Client {
        let settings = transport::Settings {
            base_url: simulator.base_url().parse().expect("a URL"),
            token: Token::new(simulator.token()),
            rate_limit: 1000.0,
            max_retries: 0,
            request_timeout: std::time::Duration::from_secs(10),
            user_agent: "tap".to_owned(),
            ca_bundle: None,
        };
        Client::new(&settings).expect("a client")
    }

    fn events(simulator: &Simulator) -> Request {
        let slug = simulator.read(|org| org.projects[0].slug.clone());
        Request::new(&PROJECT_EVENTS, vec![("organization", simulator.slug()), ("project", slug)])
    }

    fn keys(page: &Page, key: RowKey) -> Vec<String> {
        page.rows().flatten().filter_map(|row| name(Some(&row), key)).collect()
    }

    #[tokio::test]
    async fn pages_by_row_overlap_by_one_row() {
        let (simulator, key): (_, RowKey) = (simulator(vec![250]), |row| row.text("eventID"));
        let client = client(&simulator);
        let mut pages = OverlappingPages::new(&client, events(&simulator), key);
        let mut all = Vec::new();
        while let Step::Page(page) = pages.next().await.expect("a step") {
            all.extend(keys(&page, key));
        }
        assert_eq!(all.len(), 252, "two boundaries, one row each");
        all.dedup();
        assert_eq!(all.len(), 250);
        assert_eq!(simulator.requests().len(), 3);
    }

    #[tokio::test]
    async fn rows_that_go_while_a_list_is_read_are_noticed() {
        let (simulator, key): (_, RowKey) = (simulator(vec![150, 150]), |row| row.text("eventID"));
        let client = client(&simulator);
        let mut pages = OverlappingPages::new(&client, events(&simulator), key);
        assert!(matches!(pages.next().await, Ok(Step::Page(_))));
        simulator.edit(|org| org.delete_issue(org.issues[0].id));
        for _ in 0..2 {
            assert!(matches!(pages.next().await, Ok(Step::RowsMoved)));
        }
        assert_eq!(simulator.requests().len(), 2, "it is not read on by cursor");
    }

    #[tokio::test]
    async fn the_rows_of_one_key_are_asked_for_again() {
        let simulator = simulator(vec![]);
        let (slug, now) = (simulator.read(|org| org.projects[0].slug.clone()), simulator.now());
        for nth in 0..130 {
            let at = now - chrono::TimeDelta::minutes(10 + nth.min(80));
            simulator.edit(|org| org.add_issue(&slug, 1, at));
        }
        let (client, key): (_, RowKey) = (client(&simulator), |row| row.text("id"));
        let request = Request::new(&ORGANIZATION_ISSUES, vec![("organization", simulator.slug())]);
        let request = request.with("query", "").with("project", "-1");
        let mut pages = OverlappingPages::new(&client, request, key);
        let (mut all, mut cursors) = (Vec::new(), Vec::new());
        while let Step::Page(page) = pages.next().await.expect("a step") {
            all.extend(keys(&page, key));
            cursors.extend(page.next);
        }
        assert!(cursors.iter().any(|cursor| !cursor.contains(":0:0")), "ties across the boundary: {cursors:?}");
        let requests = simulator.requests();
        let asked: Vec<&str> = requests.iter().filter_map(|request| request.param("cursor")).collect();
        assert!(asked.iter().all(|cursor| cursor.ends_with(":0:0")), "{asked:?}");
        assert!(all.len() > 130, "rows of the key came again");
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 130);
    }
}
