//! Reads one list of events over a window: pages of rows in the window, each row once. Does not write them.
//!
//! Works around two weaknesses of servers. In an issue's list, rows of one second have no fixed order, so a page
//! boundary in that second can hide a row (API §2.6): the second is read again by itself. Some servers ignore the
//! window: their rows are filtered here.

use chrono::TimeDelta;
use tracing::debug;

use crate::json::row::Row;
use crate::sentry::client::Client;
use crate::sentry::dialect::Capability;
use crate::sentry::dialect::event_names::with_sentrys_names;
use crate::sentry::endpoint::{Endpoint, PathValues};
use crate::sentry::error::ApiError;
use crate::sentry::limits::group::LimitGroup;
use crate::sentry::overlap::{OverlappingPages, Step};
use crate::sentry::page::Page;
use crate::sentry::pages::Pages;
use crate::sentry::recent::Recent;
use crate::sentry::request::Request;
use crate::sentry::window::Window;
use crate::time::Time;

/// Times that a list is begun anew because rows have moved, before it is given up.
const MOST_RESTARTS: usize = 20;

/// Form of the list: which bodies its rows have, and in which order they come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Form {
    /// Rows have whole bodies.
    pub(crate) full: bool,
    /// Rows come in the server's pseudo-random order instead of newest first.
    pub(crate) sample: bool,
}

/// A list of events that is being read.
#[derive(Debug)]
pub(crate) struct EventList<'a> {
    client: &'a Client,
    endpoint: &'static Endpoint,
    values: PathValues,
    window: Window,
    form: Form,
    pages: OverlappingPages<'a>,
    /// Ids of its rows, to know repeated ones.
    recent: Recent,
    /// The server has sent a row outside the window.
    ignores_window: bool,
    last_second: Option<Time>,
    /// A second on both sides of a page boundary, and its pages while it is read again.
    boundary: Option<(Time, Pages<'a>)>,
    done: bool,
    /// All rows so far came newest first.
    in_order: bool,
    /// The time of the last row, as the server wrote it.
    last_time: Option<String>,
    /// How often the list had to begin anew.
    restarts: usize,
}

/// A page, and which of its rows are new and in the window.
#[derive(Debug)]
pub(crate) struct EventPage {
    page: Page,
    wanted: Vec<bool>,
    /// When this page is written, everything newer than this second is done. Absent if the order does not prove it.
    pub(crate) until: Option<Time>,
    /// Whether the server may have hidden a row at the page boundary, in a moment that cannot be read again.
    pub(crate) may_hide_a_row: bool,
}

impl EventPage {
    /// The wanted rows; `None` for a row that is no object.
    pub(crate) fn rows(&self) -> impl Iterator<Item = Option<Row<'_>>> {
        self.page.rows().zip(&self.wanted).filter(|(_, wanted)| **wanted).map(|(row, _)| row)
    }

    /// Whether the rows come newest first. A page of eight rows or fewer proves nothing, since its order may be chance.
    pub(crate) fn is_newest_first(&self) -> bool {
        let times: Vec<_> = self.page.rows().flatten().map(|row| second(&row)).collect();
        times.len() > 8 && times.is_sorted_by(|a, b| a >= b) && times.first() != times.last()
    }
}

impl<'a> EventList<'a> {
    /// Begins at the first page. Sends nothing.
    pub(crate) fn new(
        client: &'a Client,
        endpoint: &'static Endpoint,
        values: PathValues,
        window: Window,
        form: Form,
    ) -> Self {
        let pages = overlapping(client, request(endpoint, &values, window, form));
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
            restarts: 0,
        }
    }

    /// The next page; `None` after the last.
    pub(crate) async fn next(&mut self) -> Result<Option<EventPage>, ApiError> {
        if let Some((at, mut pages)) = self.boundary.take()
            && let Some(page) = pages.next().await?
        {
            let page = self.examine_reread(page, at);
            self.boundary = Some((at, pages));
            return Ok(Some(page));
        }
        if self.done {
            return Ok(None);
        }
        loop {
            match self.pages.next().await? {
                Step::Page(page) => return Ok(Some(self.examine(self.rename_fields(page)?))),
                Step::End => return Ok(None),
                Step::RowsMoved => self.go_on_by_time()?,
            }
        }
    }

    /// Rows were hidden, since others have gone. Begins anew at the last second that is certain, or at the beginning where
    /// the list has no window or no order.
    fn go_on_by_time(&mut self) -> Result<(), ApiError> {
        self.restarts += 1;
        if self.restarts > MOST_RESTARTS {
            let path = request(self.endpoint, &self.values, self.window, self.form).describe();
            let detail = format!("rows have moved {MOST_RESTARTS} times while the list was read");
            return Err(ApiError::cut(path, self.endpoint.scope, detail));
        }
        let has_windows = !self.ignores_window && self.client.dialect.supports(Capability::EventWindows);
        if let Some(last) = self.last_second.filter(|_| self.in_order && has_windows) {
            let end = last + TimeDelta::seconds(1);
            // Where nothing but this second was left, its rows have no order. It is read by itself.
            if end >= self.window.end && self.restarts > 1 {
                self.read_by_itself(last);
            }
            self.window.end = if self.boundary.is_some() { last } else { self.window.end.min(end) };
        }
        debug!("{} goes on from {}", self.endpoint.paths[0], self.window.end);
        self.last_second = None;
        self.last_time = None;
        let request = request(self.endpoint, &self.values, self.window, self.form);
        self.pages = overlapping(self.client, request);
        Ok(())
    }

    fn rename_fields(&self, page: Page) -> Result<Page, ApiError> {
        with_sentrys_names(page).map_err(|_| {
            let path = request(self.endpoint, &self.values, self.window, self.form).describe();
            ApiError::malformed(path, self.endpoint.scope, "rows that cannot be read".to_owned())
        })
    }

    /// Finds which rows of a page are wanted, and how far the list is read with them.
    fn examine(&mut self, page: Page) -> EventPage {
        let rows: Vec<Option<Row<'_>>> = page.rows().collect();
        let seconds: Vec<Option<Time>> = rows.iter().map(|row| row.as_ref().and_then(second)).collect();
        self.check_window(&seconds);
        let wanted = rows.iter().zip(&seconds).map(|(row, second)| self.is_wanted(row.as_ref(), *second)).collect();
        let repeated = usize::from(self.pages.repeats_a_row());
        self.check_order(&seconds[repeated.min(seconds.len())..]);
        let until = self.low_watermark();
        let may_hide_a_row = self.may_hide_a_row(&rows[repeated.min(rows.len())..]);
        drop(rows);
        EventPage { page, wanted, until, may_hide_a_row }
    }

    fn check_window(&mut self, seconds: &[Option<Time>]) {
        let outside = |time: &Time| !self.window.contains(*time) && *time != self.window.end;
        if !self.ignores_window && seconds.iter().flatten().any(outside) {
            debug!("this server does not honour start and end here: its rows are filtered by the tap");
            self.ignores_window = true;
        }
        let past = || seconds.iter().flatten().all(|time| *time < self.window.start);
        self.done |= self.ignores_window && !seconds.is_empty() && past();
    }

    /// Whether a row is in the window and new. The writer refuses a row that is no object or has no id.
    fn is_wanted(&mut self, row: Option<&Row<'_>>, second: Option<Time>) -> bool {
        let inside = second.is_none_or(|second| self.window.contains(second));
        inside && row.is_none_or(|row| row.text("eventID").is_none_or(|id| self.recent.is_new(&id)))
    }

    fn check_order(&mut self, seconds: &[Option<Time>]) {
        let times = || seconds.iter().copied().flatten();
        self.in_order &= self.last_second.into_iter().chain(times()).is_sorted_by(|a, b| a >= b);
        if let Some(first) = times().next() {
            self.check_boundary(first);
        }
        self.last_second = times().last().or(self.last_second);
    }

    /// If a second is on both sides of a page boundary, begins to read it again by itself.
    fn check_boundary(&mut self, first: Time) {
        let totally_ordered = self.form.sample || self.endpoint.limit_group == LimitGroup::ProjectEvents;
        let has_windows = !self.ignores_window && self.client.dialect.supports(Capability::EventWindows);
        if self.last_second == Some(first) && has_windows && !totally_ordered {
            self.read_by_itself(first);
        }
    }

    /// Begins to read one second. The order of samples is fixed within a second too. A server without samples gives the
    /// second on one page, or the row stays hidden.
    fn read_by_itself(&mut self, second: Time) {
        let window = Window { start: second, end: second + TimeDelta::seconds(1) };
        let form = Form { sample: true, ..self.form };
        self.boundary = Some((second, Pages::new(self.client, request(self.endpoint, &self.values, window, form))));
    }

    /// Everything newer than this second is on the pages so far. A second that is read again is not complete yet.
    fn low_watermark(&self) -> Option<Time> {
        let reached = self.boundary.as_ref().map(|(at, _)| *at).or(self.last_second);
        reached.filter(|_| self.in_order)
    }

    /// Whether rows may be hidden at the boundary before this page. Some servers repeat and lose rows of one moment
    /// there, and have no window to read them again.
    fn may_hide_a_row(&mut self, rows: &[Option<Row<'_>>]) -> bool {
        let moment = |row: Option<&Option<Row<'_>>>| Some(row?.as_ref()?.text("dateCreated")?.into_owned());
        let (newest, oldest) = (moment(rows.first()), moment(rows.last()));
        let same_moment = newest.is_some() && newest == self.last_time;
        self.last_time = oldest.or(self.last_time.take());
        same_moment && !self.client.dialect.supports(Capability::PageBoundaries)
    }

    /// The new rows of the second that is read again, as a page.
    fn examine_reread(&mut self, page: Page, at: Time) -> EventPage {
        let mut wanted = Vec::with_capacity(page.len());
        for row in page.rows() {
            let in_second = row.as_ref().and_then(second) == Some(at);
            wanted.push(
                in_second && row.and_then(|row| Some(self.recent.is_new(&row.text("eventID")?))).unwrap_or(false),
            );
        }
        EventPage { page, wanted, until: None, may_hide_a_row: false }
    }
}

/// The pages of a list, joined by the ids of its rows.
fn overlapping(client: &Client, request: Request) -> OverlappingPages<'_> {
    OverlappingPages::new(client, request, |row| row.text("eventID"))
}

/// A request for the first page. It omits `full` and `sample` unless they are wanted: older servers read any value as
/// true (API §2.7).
fn request(endpoint: &'static Endpoint, values: &PathValues, window: Window, form: Form) -> Request {
    let mut request = Request::new(endpoint, values.clone()).within(window);
    for (name, wanted) in [("full", form.full), ("sample", form.sample)] {
        if wanted {
            request = request.with(name, "true");
        }
    }
    request
}

/// The second of an event; `None` if its time cannot be read.
fn second(row: &Row<'_>) -> Option<Time> {
    Window::second_of(row.text("dateCreated").as_deref())
}
