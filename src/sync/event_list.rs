//! One list of events over a window: pages of rows that lie in the window, each row once.
//!
//! Heals two weaknesses of servers: rows of one second have no fixed order in an issue's list, so a page boundary in
//! such a second can hide a row (API §2.6), and some servers do not honour the window at all.

use std::collections::{HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};

use chrono::TimeDelta;
use tracing::debug;

use crate::json::row::Row;
use crate::sentry::client::Client;
use crate::sentry::endpoint::{Class, Endpoint, PathValues};
use crate::sentry::error::ApiError;
use crate::sentry::page::Page;
use crate::sentry::pages::Pages;
use crate::sentry::request::Request;
use crate::sync::event_names::with_sentrys_names;
use crate::sync::window::Window;
use crate::time::Time;

/// Events of one issue, of any category (API §2.6).
pub const ISSUE_EVENTS: Endpoint = Endpoint {
    paths: &["organizations/{organization}/issues/{issue}/events/", "issues/{issue}/events/"],
    scope: "event:read",
    ..Endpoint::LIST
};

/// Error events of one project (API §2.7).
pub const PROJECT_EVENTS: Endpoint = Endpoint {
    paths: &["projects/{organization}/{project}/events/"],
    class: Class::ProjectEvents,
    scope: "project:read",
    ..Endpoint::LIST
};

/// Ids remembered to tell repeated rows; rows repeat within a page or two of each other.
const REMEMBERED: usize = 4096;

/// Which rows are asked for, and in which form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Form {
    /// Whole bodies.
    pub full: bool,
    /// The server's pseudo-random order instead of newest first.
    pub sample: bool,
}

/// A list of events being read.
#[derive(Debug)]
pub struct EventList<'a> {
    client: &'a Client,
    endpoint: &'static Endpoint,
    values: PathValues,
    window: Window,
    form: Form,
    pages: Pages<'a>,
    recent: Recent,
    /// The server has sent a row from outside the window.
    ignores_window: bool,
    last_second: Option<Time>,
    /// A second that lies on both sides of a page boundary and is read again on its own.
    heal: Option<(Time, Pages<'a>)>,
    done: bool,
    /// Rows have come newest first so far.
    in_order: bool,
    /// The time of the last row, as the server wrote it.
    last_time: Option<String>,
}

/// A page of which some rows are wanted.
#[derive(Debug)]
pub struct EventPage {
    page: Page,
    wanted: Vec<bool>,
    /// When this page is written, everything newer than this second is done; absent where the order does not tell.
    pub until: Option<Time>,
    /// Whether a row may be hidden: its moment lies on both sides of a page boundary, and nothing can be done about it.
    pub may_hide_a_row: bool,
}

impl EventPage {
    /// The wanted rows; `None` for one that is no object.
    pub fn rows(&self) -> impl Iterator<Item = Option<Row<'_>>> {
        self.page.rows().zip(&self.wanted).filter(|(_, wanted)| **wanted).map(|(row, _)| row)
    }

    /// Whether the rows come newest first, on a page long enough to tell from chance.
    pub fn is_newest_first(&self) -> bool {
        let times: Vec<_> = self.page.rows().flatten().map(|row| second(&row)).collect();
        times.len() > 8 && times.is_sorted_by(|a, b| a >= b) && times.first() != times.last()
    }
}

/// A bounded memory of ids.
#[derive(Debug, Default)]
struct Recent {
    order: VecDeque<u64>,
    ids: HashSet<u64>,
}

impl Recent {
    fn is_new(&mut self, id: &str) -> bool {
        let mut hasher = DefaultHasher::new();
        id.hash(&mut hasher);
        let hash = hasher.finish();
        if !self.ids.insert(hash) {
            return false;
        }
        self.order.push_back(hash);
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.ids.remove(&oldest);
        }
        true
    }
}

impl<'a> EventList<'a> {
    /// Begins a list.
    pub fn new(
        client: &'a Client,
        endpoint: &'static Endpoint,
        values: PathValues,
        window: Window,
        form: Form,
    ) -> Self {
        let pages = Pages::new(client, request(endpoint, &values, window, form));
        Self {
            client,
            endpoint,
            values,
            window,
            form,
            pages,
            recent: Recent::default(),
            ignores_window: false,
            last_second: None,
            heal: None,
            done: false,
            in_order: !form.sample,
            last_time: None,
        }
    }

    /// The next page; `None` after the last.
    pub async fn next(&mut self) -> Result<Option<EventPage>, ApiError> {
        if let Some((at, mut pages)) = self.heal.take()
            && let Some(page) = pages.next().await?
        {
            let page = self.healed(page, at);
            self.heal = Some((at, pages));
            return Ok(Some(page));
        }
        if self.done {
            return Ok(None);
        }
        match self.pages.next().await? {
            Some(page) => Ok(Some(self.look_at(self.named(page)?))),
            None => Ok(None),
        }
    }

    fn named(&self, page: Page) -> Result<Page, ApiError> {
        let odd = |_| {
            let path = request(self.endpoint, &self.values, self.window, self.form).path(0, true, false);
            ApiError::odd_rows(path, self.endpoint.scope, "rows that cannot be read")
        };
        with_sentrys_names(page).map_err(odd)
    }

    fn look_at(&mut self, page: Page) -> EventPage {
        let rows: Vec<Option<Row<'_>>> = page.rows().collect();
        let seconds: Vec<Option<Time>> = rows.iter().map(|row| row.as_ref().and_then(second)).collect();
        let times = || seconds.iter().copied().flatten();
        if !self.ignores_window && times().any(|time| !self.window.contains(time) && time != self.window.end) {
            debug!("this server does not honour start and end here: its rows are filtered by the tap");
            self.ignores_window = true;
        }
        let wanted = rows.iter().zip(&seconds).map(|(row, second)| {
            let inside = second.is_none_or(|second| self.window.contains(second));
            inside && row.as_ref().is_none_or(|row| row.text("eventID").is_none_or(|id| self.recent.is_new(&id)))
        });
        let wanted: Vec<bool> = wanted.collect();
        self.done |= self.ignores_window && !rows.is_empty() && times().all(|time| time < self.window.start);
        self.in_order &= self.last_second.into_iter().chain(times()).is_sorted_by(|a, b| a >= b);
        let (first, last) = (times().next(), times().last());
        self.watch_boundary(first, last);
        // What stands in a second that is read again is not all there yet.
        let reached = self.heal.as_ref().map(|(at, _)| *at).or(self.last_second);
        let until = reached.filter(|_| self.in_order);
        let moment = |row: Option<&Option<Row<'_>>>| Some(row?.as_ref()?.text("dateCreated")?.into_owned());
        let (newest, oldest) = (moment(rows.first()), moment(rows.last()));
        // GlitchTip repeats and loses rows of one moment there, and knows no window in which they could be read again.
        let may_hide_a_row = self.client.is_glitchtip() && newest.is_some() && newest == self.last_time;
        self.last_time = oldest.or(self.last_time.take());
        drop(rows);
        EventPage { page, wanted, until, may_hide_a_row }
    }

    /// Where a second lies on both sides of a page boundary, has it read again on its own.
    fn watch_boundary(&mut self, first: Option<Time>, last: Option<Time>) {
        let totally_ordered = self.form.sample || self.endpoint.class == Class::ProjectEvents;
        let has_no_window = self.ignores_window || self.client.is_glitchtip();
        if let (Some(first), false, false) = (first, totally_ordered, has_no_window)
            && self.last_second == Some(first)
        {
            let window = Window { start: first, end: first + TimeDelta::seconds(1) };
            // The sample's order is fixed even within one second; servers without it fit the second on one page or cannot help.
            let form = Form { sample: true, ..self.form };
            let pages = Pages::new(self.client, request(self.endpoint, &self.values, window, form));
            self.heal = Some((first, pages));
        }
        self.last_second = last.or(self.last_second);
    }

    fn healed(&mut self, page: Page, at: Time) -> EventPage {
        let mut wanted = Vec::with_capacity(page.len());
        for row in page.rows() {
            let of_second = row.as_ref().and_then(second) == Some(at);
            wanted.push(
                of_second && row.and_then(|row| Some(self.recent.is_new(&row.text("eventID")?))).unwrap_or(false),
            );
        }
        EventPage { page, wanted, until: None, may_hide_a_row: false }
    }
}

/// `full` and `sample` are left out where they are not wanted: older servers read any value as true (API §2.7).
fn request(endpoint: &'static Endpoint, values: &PathValues, window: Window, form: Form) -> Request {
    let mut request = Request::new(endpoint, values.clone());
    for (name, value) in window.query() {
        request = request.with(name, value);
    }
    for (name, wanted) in [("full", form.full), ("sample", form.sample)] {
        if wanted {
            request = request.with(name, "true");
        }
    }
    request
}

/// The second of an event.
fn second(row: &Row<'_>) -> Option<Time> {
    Window::second_of(row.text("dateCreated").as_deref())
}
