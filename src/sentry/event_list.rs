//! One list of events over a window: pages of rows that lie in the window, each row once.
//!
//! Makes up for two weaknesses of servers. Rows of one second have no fixed order in an issue's list, so a page boundary
//! in such a second can hide a row (API §2.6): that second is read again by itself. Some servers do not honour the window
//! at all: their rows are filtered here.

use std::collections::{HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};

use chrono::TimeDelta;
use tracing::debug;

use crate::json::row::Row;
use crate::sentry::client::Client;
use crate::sentry::dialect::Capability;
use crate::sentry::dialect::event_names::with_sentrys_names;
use crate::sentry::endpoint::{Endpoint, PathValues};
use crate::sentry::error::ApiError;
use crate::sentry::limits::group::LimitGroup;
use crate::sentry::page::Page;
use crate::sentry::pages::Pages;
use crate::sentry::request::Request;
use crate::sentry::window::Window;
use crate::time::Time;

/// Ids remembered to tell repeated rows; rows repeat within a page or two of each other.
const REMEMBERED: usize = 4096;

/// Which rows are asked for, and in which form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Form {
    /// Whole bodies.
    pub(crate) full: bool,
    /// The server's pseudo-random order instead of newest first.
    pub(crate) sample: bool,
}

/// A list of events being read.
#[derive(Debug)]
pub(crate) struct EventList<'a> {
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
    /// A second that lies on both sides of a page boundary, while it is read again by itself.
    boundary: Option<(Time, Pages<'a>)>,
    done: bool,
    /// Rows have come newest first so far.
    in_order: bool,
    /// The time of the last row, as the server wrote it.
    last_time: Option<String>,
}

/// A page of which some rows are wanted.
#[derive(Debug)]
pub(crate) struct EventPage {
    page: Page,
    wanted: Vec<bool>,
    /// When this page is written, everything newer than this second is done; absent where the order does not tell.
    pub(crate) until: Option<Time>,
    /// Whether a row may be hidden: its moment lies on both sides of a page boundary, and nothing can be done about it.
    pub(crate) may_hide_a_row: bool,
}

impl EventPage {
    /// The wanted rows; `None` for one that is no object.
    pub(crate) fn rows(&self) -> impl Iterator<Item = Option<Row<'_>>> {
        self.page.rows().zip(&self.wanted).filter(|(_, wanted)| **wanted).map(|(row, _)| row)
    }

    /// Whether the rows come newest first, on a page long enough to tell from chance.
    pub(crate) fn is_newest_first(&self) -> bool {
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
    pub(crate) fn new(
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
            boundary: None,
            done: false,
            in_order: !form.sample,
            last_time: None,
        }
    }

    /// The next page; `None` after the last.
    pub(crate) async fn next(&mut self) -> Result<Option<EventPage>, ApiError> {
        if let Some((at, mut pages)) = self.boundary.take()
            && let Some(page) = pages.next().await?
        {
            let page = self.of_second(page, at);
            self.boundary = Some((at, pages));
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
        with_sentrys_names(page).map_err(|_| {
            let path = request(self.endpoint, &self.values, self.window, self.form).describe();
            ApiError::malformed(path, self.endpoint.scope, "rows that cannot be read".to_owned())
        })
    }

    /// Sees which rows of a page are wanted, and how far the list has come with them.
    fn look_at(&mut self, page: Page) -> EventPage {
        let rows: Vec<Option<Row<'_>>> = page.rows().collect();
        let seconds: Vec<Option<Time>> = rows.iter().map(|row| row.as_ref().and_then(second)).collect();
        self.see_whether_window_is_honoured(&seconds);
        let wanted = rows.iter().zip(&seconds).map(|(row, second)| self.is_wanted(row.as_ref(), *second)).collect();
        self.see_order(&seconds);
        let until = self.low_watermark();
        let may_hide_a_row = self.may_hide_a_row(&rows);
        drop(rows);
        EventPage { page, wanted, until, may_hide_a_row }
    }

    fn see_whether_window_is_honoured(&mut self, seconds: &[Option<Time>]) {
        let outside = |time: &Time| !self.window.contains(*time) && *time != self.window.end;
        if !self.ignores_window && seconds.iter().flatten().any(outside) {
            debug!("this server does not honour start and end here: its rows are filtered by the tap");
            self.ignores_window = true;
        }
        let past = || seconds.iter().flatten().all(|time| *time < self.window.start);
        self.done |= self.ignores_window && !seconds.is_empty() && past();
    }

    /// Whether a row lies in the window and was not seen before. What is no object or has no id is for the writer to refuse.
    fn is_wanted(&mut self, row: Option<&Row<'_>>, second: Option<Time>) -> bool {
        let inside = second.is_none_or(|second| self.window.contains(second));
        inside && row.is_none_or(|row| row.text("eventID").is_none_or(|id| self.recent.is_new(&id)))
    }

    fn see_order(&mut self, seconds: &[Option<Time>]) {
        let times = || seconds.iter().copied().flatten();
        self.in_order &= self.last_second.into_iter().chain(times()).is_sorted_by(|a, b| a >= b);
        if let Some(first) = times().next() {
            self.watch_boundary(first);
        }
        self.last_second = times().last().or(self.last_second);
    }

    /// Where a second lies on both sides of a page boundary, has it read again by itself.
    fn watch_boundary(&mut self, first: Time) {
        let totally_ordered = self.form.sample || self.endpoint.limit_group == LimitGroup::ProjectEvents;
        let has_windows = !self.ignores_window && self.client.dialect.supports(Capability::EventWindows);
        if self.last_second == Some(first) && has_windows && !totally_ordered {
            let window = Window { start: first, end: first + TimeDelta::seconds(1) };
            // The order of samples is fixed within a second too. Servers without it have the second on one page, or
            // cannot help.
            let form = Form { sample: true, ..self.form };
            let pages = Pages::new(self.client, request(self.endpoint, &self.values, window, form));
            self.boundary = Some((first, pages));
        }
    }

    /// Everything newer than this second is on the pages so far. A second that is read again is not all there yet.
    fn low_watermark(&self) -> Option<Time> {
        let reached = self.boundary.as_ref().map(|(at, _)| *at).or(self.last_second);
        reached.filter(|_| self.in_order)
    }

    /// Whether rows may be hidden at the boundary before this page: some servers repeat and lose rows of one moment
    /// there, and have no window in which they could be read again.
    fn may_hide_a_row(&mut self, rows: &[Option<Row<'_>>]) -> bool {
        let moment = |row: Option<&Option<Row<'_>>>| Some(row?.as_ref()?.text("dateCreated")?.into_owned());
        let (newest, oldest) = (moment(rows.first()), moment(rows.last()));
        let same_moment = newest.is_some() && newest == self.last_time;
        self.last_time = oldest.or(self.last_time.take());
        same_moment && !self.client.dialect.supports(Capability::PageBoundaries)
    }

    /// The rows of a second that is read again, as far as they are new.
    fn of_second(&mut self, page: Page, at: Time) -> EventPage {
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
    let mut request = Request::new(endpoint, values.clone()).within(window);
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
