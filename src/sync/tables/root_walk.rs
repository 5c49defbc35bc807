//! One walk over a root list: reads it to a proved end, whatever order it comes in and however its rows move meanwhile.
//! Does not know which streams there are.

use std::collections::HashSet;

use chrono::TimeDelta;
use tracing::{debug, info};

use crate::json::row::Row;
use crate::output::stream::StreamOutput;
use crate::sentry::dialect::{Capability, MAY_HIDE};
use crate::sentry::endpoint::Endpoint;
use crate::sentry::error::Tolerance;
use crate::sentry::request::PAGE_ROWS;
use crate::sentry::window::Window;
use crate::streams::context::key_of;
use crate::streams::{Stream, TimeFilter};
use crate::sync::session::Session;
use crate::sync::session::error::SyncError;
use crate::sync::tables::look_ahead::{Follow, ListPage, LookAhead};
use crate::sync::tables::order::{ListOrder, RowTimes};
use crate::sync::tables::seen_rows::{AddedUp, SeenRows};
use crate::sync::tables::targets::Targets;
use crate::time::{Time, format_time};

/// A root stream that is being read, with the children that are read with its rows.
pub(super) struct RootWalk<'a> {
    session: &'a Session,
    stream: &'static Stream,
    pub(super) targets: Targets<'a>,
    window: Window,
    order: ListOrder,
    /// The last row of a page, and what the order says of it: everything newer was on the pages so far.
    last: RowTimes,
    low: Option<Time>,
    seen: SeenRows,
    /// Pages of the list.
    pages: usize,
}

/// Whether a list was read to its end.
enum ListEnd {
    Reached,
    /// The server gives no more of it.
    Cut,
    /// Rows have moved between its pages, and some may be hidden.
    Moved {
        /// Everything newer than this second was read. Absent if nothing proves it.
        certain: Option<Time>,
    },
}

/// Readings of a list whose rows move.
const MOST_READINGS: u32 = 3;
const SECOND: TimeDelta = TimeDelta::seconds(1);

impl<'a> RootWalk<'a> {
    /// A walk for these targets, over their window.
    pub(super) fn new(session: &'a Session, stream: &'static Stream, targets: Targets<'a>) -> Self {
        let (window, order, seen) = (targets.window, ListOrder::new(), SeenRows::default());
        Self { session, stream, targets, window, order, seen, last: RowTimes::default(), low: None, pages: 0 }
    }

    /// Takes over the progress of an interrupted run. Returns `false` if there is none.
    pub(super) fn resume(&mut self) -> bool {
        let Some(until) = self.targets.resume() else { return false };
        self.window.end = until;
        true
    }

    fn is_filtered(&self) -> bool {
        self.stream.time_filter == TimeFilter::StartEnd
    }

    /// Reads it to the end. Moves no bookmark.
    pub(super) async fn read(
        &mut self,
        endpoint: &'static Endpoint,
        each: &mut dyn FnMut(&Row<'_>),
    ) -> Result<(), SyncError> {
        if self.is_filtered() { self.by_time(endpoint, each).await } else { self.whole_table(endpoint, each).await }
    }

    /// Reads a table without a window. It is read again from its beginning where rows have moved, and where the target is
    /// to be told which rows are gone: only two readings with the same keys show that.
    async fn whole_table(
        &mut self,
        endpoint: &'static Endpoint,
        each: &mut dyn FnMut(&Row<'_>),
    ) -> Result<(), SyncError> {
        let mut before: Option<HashSet<u64>> = None;
        for _ in 0..MOST_READINGS {
            self.seen.read_again();
            let end = self.list(endpoint, self.window, Follow::Joined, each).await?;
            let is_whole = matches!(end, ListEnd::Reached);
            let needs_another = self.session.config.activate_version && self.pages > 1;
            if is_whole && (!needs_another || before.as_ref() == Some(self.seen.keys())) {
                return Ok(());
            }
            before = is_whole.then(|| self.seen.keys().clone());
        }
        let name = self.stream.tap_stream_id;
        info!("{name}: rows came and went each time that the list was read; none is said to be gone");
        self.session.read_by_rows_of(name).for_each(StreamOutput::may_be_incomplete);
        Ok(())
    }

    /// Reads a list with a window of time, the newest rows first. Where rows have moved it goes on by time, from the last
    /// second that is certain.
    async fn by_time(&mut self, endpoint: &'static Endpoint, each: &mut dyn FnMut(&Row<'_>)) -> Result<(), SyncError> {
        let mut readings = 0;
        self.window = self.targets.still_kept(endpoint, self.window);
        while !self.window.is_empty() {
            match self.list(endpoint, self.window, Follow::Joined, each).await? {
                ListEnd::Reached => return Ok(()),
                ListEnd::Cut => self.go_on_by_time(),
                ListEnd::Moved { certain: Some(second) } if second + SECOND < self.window.end => {
                    self.read_on_from(second + SECOND);
                }
                ListEnd::Moved { certain: Some(second) } if second + SECOND == self.window.end => {
                    self.one_second(endpoint, second, each).await?;
                    self.read_on_from(second);
                }
                ListEnd::Moved { .. } => {
                    readings += 1;
                    if readings == MOST_READINGS {
                        self.gap("rows moved each time that the list was read");
                        return Ok(());
                    }
                    self.seen.read_again();
                    self.order = ListOrder::new();
                }
            }
        }
        Ok(())
    }

    /// Reads more rows of one second than fit into a page, until all have come.
    async fn one_second(
        &mut self,
        endpoint: &'static Endpoint,
        second: Time,
        each: &mut dyn FnMut(&Row<'_>),
    ) -> Result<(), SyncError> {
        let (window, mut sum) = (Window { start: second, end: second + SECOND }, AddedUp::default());
        debug!("{}: {} is read until all its rows have come", self.stream.tap_stream_id, format_time(second));
        loop {
            self.seen.read_again();
            self.order.restart();
            let end = self.list(endpoint, window, Follow::Plain, each).await?;
            sum.add(&self.seen);
            if sum.is_whole() {
                return Ok(());
            }
            if matches!(end, ListEnd::Cut) || sum.is_hopeless() {
                self.gap(&format!(
                    "more rows of {} than fit into a page come in another order on each; some may be missing",
                    format_time(second)
                ));
                return Ok(());
            }
        }
    }

    fn read_on_from(&mut self, end: Time) {
        self.window.end = end;
        self.seen.read_on();
        self.order.restart();
    }

    fn gap(&self, what: &str) {
        self.targets.outputs().for_each(|output| output.gap(what));
    }

    /// Reads one list until it ends, until the server gives no more of it, or until rows have moved.
    async fn list(
        &mut self,
        endpoint: &'static Endpoint,
        window: Window,
        follow: Follow,
        each: &mut dyn FnMut(&Row<'_>),
    ) -> Result<ListEnd, SyncError> {
        let mut request = self.targets.request(endpoint);
        if self.is_filtered() {
            request = request.within(window);
        }
        let mut pages = LookAhead::new(&self.session.client, request, self.stream, follow);
        let (mut rows, mut moved) = (0_usize, false);
        self.pages = 0;
        loop {
            let next = match pages.next().await {
                Ok(Some(next)) => next,
                Ok(None) if moved => return Ok(ListEnd::Moved { certain: None }),
                Ok(None) => return Ok(ListEnd::Reached),
                // Some servers refuse to go as deep as others.
                Err(error) if rows > 0 && endpoint.is_bounded() && error.tolerance() == Tolerance::NotOnThisServer => {
                    debug!("{error}; going on by time");
                    return Ok(ListEnd::Cut);
                }
                Err(error) => return Err(error.into()),
            };
            self.pages += 1;
            rows += next.page.len().saturating_sub(next.repeated);
            // A list of as many rows as the server gives may have more, even if it says that it has ended.
            let too_deep = next.page.next.is_some() && rows.saturating_add(PAGE_ROWS) > endpoint.deepest;
            let cut = rows >= endpoint.deepest || too_deep;
            if !cut {
                pages.fetch().await;
            }
            let is_proved = self.page(&next, &pages, each).await?;
            if cut {
                return Ok(ListEnd::Cut);
            }
            moved |= follow == Follow::Joined && self.shows_moves(&pages);
            if moved && self.is_filtered() {
                let certain = if self.seen.has_twice() { self.seen.twice_at() } else { self.low };
                return Ok(ListEnd::Moved { certain: certain.filter(|_| is_proved || self.seen.has_twice()) });
            }
            if is_proved && self.is_past() {
                return Ok(ListEnd::Reached);
            }
        }
    }

    /// Whether the list kept to no order. Then nothing is known from progress that was made from one.
    pub(super) fn is_out_of_order(&self) -> bool {
        self.order.is_broken()
    }

    /// Whether rows have moved between the pages so far. Some servers repeat and hide rows in each reading, and have no
    /// windows to read on by: that is only said.
    fn shows_moves(&self, pages: &LookAhead<'_>) -> bool {
        let shown = (pages.has_moved() && !self.is_beyond(self.last)) || self.seen.has_twice();
        let is_curable = self.session.client.dialect.supports(Capability::PageBoundaries);
        if shown && !is_curable {
            self.targets.outputs().for_each(|output| output.skip(MAY_HIDE));
        }
        shown && is_curable
    }

    /// Whether a row is newer than the window.
    fn is_beyond(&self, times: RowTimes) -> bool {
        let newer = times.latest().is_some_and(|time| time >= self.window.end);
        self.is_filtered() && newer && !times.lies_in(self.window)
    }

    /// Whether the rest of the list is older than the window. Then the server does not filter it, since a row of it lies
    /// outside by each time that it may be filtered by.
    fn is_past(&self) -> bool {
        self.is_filtered() && self.order.low_watermark().is_some_and(|time| time < self.window.start)
    }

    /// The list came newest first down to some second. That second is read again, and everything older.
    fn go_on_by_time(&mut self) {
        let end = self.low.map_or(self.window.end, |low| low + SECOND);
        if self.low.is_some() && end < self.window.end {
            self.read_on_from(end);
        } else {
            self.gap(&format!("more rows before {} than the server lists, all in one second", format_time(end)));
            self.read_on_from(end.min(self.window.end) - SECOND);
        }
    }

    /// Writes one page, and then the children of its rows. Only where the list ends with it, or the first row that follows
    /// keeps to the order too, the order is no chance. Returns whether it is so.
    async fn page(
        &mut self,
        next: &ListPage,
        ahead: &LookAhead<'_>,
        each: &mut dyn FnMut(&Row<'_>),
    ) -> Result<bool, SyncError> {
        self.targets.learn_the_time();
        let page = &next.page;
        let mut rows = Vec::with_capacity(page.len());
        for (nth, row) in page.rows().enumerate() {
            rows.extend(self.take(row, nth < next.repeated, each));
        }
        self.last = self.order.last();
        let following = ahead.following_row();
        if let Some(row) = &following {
            self.order.observe(RowTimes::of(self.stream, row));
        }
        self.low = self.order.watermark(self.last);
        if self.order.is_broken() && self.is_filtered() {
            self.targets.forget_progress();
        }
        let is_proved = !self.order.is_broken() && (following.is_some() || ahead.has_ended());
        let is_certain = is_proved && !self.seen.has_twice();
        self.targets.write(page, &rows).await?;
        self.targets.read_embedded(&rows, Some(&self.order).filter(|_| is_certain)).await?;
        Ok(is_proved)
    }

    /// Shows a row to `each` if the window has it. Returns it if it has to be written. `repeated` says that the page
    /// before had it.
    fn take<'r>(
        &mut self,
        row: Option<Row<'r>>,
        repeated: bool,
        each: &mut dyn FnMut(&Row<'_>),
    ) -> Option<(Row<'r>, RowTimes)> {
        let Some(row) = row else {
            let outputs = self.session.read_by_rows_of(self.stream.tap_stream_id);
            outputs.for_each(|output| output.gap("a row that is no object"));
            return None;
        };
        let times = RowTimes::of(self.stream, &row);
        if !repeated {
            self.order.observe(times);
        }
        // Lists of releases have the second at the end of the window too (API §1.5). How its rows come does not matter.
        let is_counted = !repeated && !self.is_beyond(times);
        let is_new = self.seen.note(&key_of(self.stream, &row), times.key, !is_counted);
        if !is_new || (self.is_filtered() && !times.lies_in(self.window)) {
            return None;
        }
        if self.is_filtered() && self.is_without_time(&row) {
            self.targets.outputs().for_each(|output| output.skip("a row without the time that it would be sorted by"));
            return None;
        }
        each(&row);
        (!self.session.scope.leaves_out(self.stream, &row)).then_some((row, times))
    }

    /// Whether the server has emptied the row. Of an archived replay only the id is left.
    fn is_without_time(&self, row: &Row<'_>) -> bool {
        self.stream.replication_key().and_then(|key| row.get(key)) == Some("null")
    }
}
