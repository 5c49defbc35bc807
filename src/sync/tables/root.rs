//! One walk over the rows of a list or object of the table, page by page. Writes them, and reads their children.
//!
//! Goes on where an interrupted run stopped: by time in lists that come newest first, by row in others.

use std::collections::{BTreeSet, HashSet};
use std::time::Instant;

use chrono::TimeDelta;
use tracing::{debug, info};

use crate::json::row::Row;
use crate::output::stream::StreamOutput;
use crate::sentry::endpoint::Endpoint;
use crate::sentry::error::Tolerance;
use crate::sentry::page::Page;
use crate::sentry::pages::Pages;
use crate::sentry::request::PAGE_ROWS;
use crate::sentry::window::Window;
use crate::singer::progress::Position;
use crate::singer::state::State;
use crate::streams::context::key_of;
use crate::streams::{Stream, TimeFilter};
use crate::sync::session::Session;
use crate::sync::session::error::SyncError;
use crate::sync::session::starts::{asked, still_kept, stream_start, widest_window};
use crate::sync::tables::embedded::EmbeddedChildren;
use crate::sync::tables::joined::Joined;
use crate::time::{Time, format_time, whole_second};

/// A root stream with the children that are read with its rows.
pub(super) struct RootWalk<'a> {
    session: &'a Session,
    stream: &'static Stream,
    /// Absent where the stream itself is not written.
    output: Option<&'a StreamOutput>,
    /// The stream itself is written from here on. The window may begin earlier, for its children.
    start: Time,
    embedded: EmbeddedChildren<'a>,
    window: Window,
    /// End of the window, as the bookmark will have it.
    signpost: Time,
    /// When the walk began, until its first answer has told the server's clock.
    began: Option<Instant>,
    /// Rows up to this key were done by an interrupted run. Empty once the walk has come to it.
    pub(super) skip_to: Option<String>,
    /// What its progress holds for.
    asked: BTreeSet<String>,
    /// Projects that came in, if it reads those alone.
    joined: Option<Joined<'a>>,
    /// All rows so far came newest first; `last` is the oldest.
    newest_first: bool,
    last: Option<Time>,
    /// Keys of the last two pages: a row that moved down a page is written once.
    recent: HashSet<String>,
    previous: HashSet<String>,
}

/// Key and time of a row.
struct Place {
    key: String,
    time: Option<Time>,
}

/// Whether a list was read to its end.
enum ListEnd {
    Reached,
    /// The server gives no more of it.
    Cut,
}

impl<'a> RootWalk<'a> {
    /// A walk to now, for the outputs that are `left` to be read.
    pub(super) fn to_now(session: &'a Session, stream: &'static Stream, left: &[&'a StreamOutput]) -> Self {
        let window = widest_window(session, left);
        let own = left.iter().copied().find(|output| output.stream.tap_stream_id == stream.tap_stream_id);
        let filtered = own.filter(|_| stream.time_filter == TimeFilter::StartEnd);
        Self {
            session,
            stream,
            output: own,
            start: filtered.map_or(Time::MIN_UTC, |output| stream_start(session, output)),
            embedded: EmbeddedChildren::new(session, stream, window.end, left),
            window,
            signpost: window.end,
            began: Some(Instant::now()).filter(|_| stream.time_filter == TimeFilter::None),
            skip_to: None,
            asked: asked(session, left),
            joined: None,
            newest_first: true,
            last: None,
            recent: HashSet::new(),
            previous: HashSet::new(),
        }
    }

    /// A walk over what has to be read of projects that came in.
    pub(super) fn of_joined(session: &'a Session, stream: &'static Stream, joined: Joined<'a>) -> Self {
        let walk = Self::to_now(session, stream, &joined.outputs);
        let Window { start, end } = joined.window;
        let (embedded, asked) = (walk.embedded.from(start), joined.asked());
        Self { start, embedded, window: joined.window, signpost: end, asked, joined: Some(joined), ..walk }
    }

    /// Reads it. No bookmark moves: the projects are as far as the others then.
    pub(super) async fn read_joined(
        mut self,
        endpoint: &'static Endpoint,
        each: &mut dyn FnMut(&Row<'_>),
    ) -> Result<(), SyncError> {
        self.resume();
        self.pages(endpoint, each).await?;
        let finish = |state: &mut State| self.joined.iter().for_each(|joined| joined.finish(state));
        Ok(self.session.output.state.advance(finish).await?)
    }

    fn outputs(&self) -> impl Iterator<Item = &'a StreamOutput> {
        self.output.into_iter().chain(self.embedded.outputs())
    }

    /// The stream under whose bookmark the progress of this walk is kept.
    fn progress_owner(&self) -> Option<&'static str> {
        self.outputs().next().map(|output| output.stream.tap_stream_id)
    }

    /// The streams beside the progress owner.
    fn co_read(&self) -> impl Iterator<Item = &'static str> {
        self.outputs().skip(1).map(|output| output.stream.tap_stream_id)
    }

    fn is_filtered(&self) -> bool {
        self.stream.time_filter == TimeFilter::StartEnd
    }

    /// Takes over the progress of an interrupted run. Returns `false` if there is none.
    pub(super) fn resume(&mut self) -> bool {
        let Some(owner) = self.progress_owner() else { return false };
        let progress = self.session.output.state.bookmark(owner).progress;
        let Some(progress) = progress.filter(|progress| progress.is_for(&self.asked)) else { return false };
        if self.is_filtered() {
            self.signpost = progress.end;
            let until = progress.position.until.map(|until| until + TimeDelta::seconds(1));
            self.window.end = until.unwrap_or(self.signpost).min(self.signpost);
        } else {
            self.skip_to = progress.position.item;
        }
        debug!("{owner}: going on where an earlier run was interrupted");
        true
    }

    pub(super) async fn pages(
        &mut self,
        endpoint: &'static Endpoint,
        each: &mut dyn FnMut(&Row<'_>),
    ) -> Result<(), SyncError> {
        while !(self.is_filtered() && self.window.is_empty()) {
            match self.list(endpoint, each).await? {
                ListEnd::Reached => break,
                ListEnd::Cut => self.go_on_by_time(),
            }
        }
        Ok(())
    }

    /// Reads one list until it ends, or until the server gives no more of it.
    async fn list(
        &mut self,
        endpoint: &'static Endpoint,
        each: &mut dyn FnMut(&Row<'_>),
    ) -> Result<ListEnd, SyncError> {
        let values = self.session.values();
        let mut request = match &self.joined {
            Some(joined) => joined.request(self.session, endpoint, values),
            None => self.session.scope.request(endpoint, values),
        };
        if self.is_filtered() {
            self.window = still_kept(
                self.session,
                endpoint.limit_group,
                self.output.filter(|_| self.joined.is_none()),
                self.window,
            );
            request = request.within(self.window);
        }
        let (mut pages, mut rows) = (Pages::new(&self.session.client, request), 0);
        loop {
            let page = match pages.next().await {
                Ok(Some(page)) => page,
                Ok(None) => return Ok(ListEnd::Reached),
                // Some servers refuse to go as deep as others.
                Err(error) if rows > 0 && endpoint.is_bounded() && error.tolerance() == Tolerance::NotOnThisServer => {
                    debug!("{error}; going on by time");
                    return Ok(ListEnd::Cut);
                }
                Err(error) => return Err(error.into()),
            };
            self.page(&page, each).await?;
            if page.is_cut() {
                self.outputs().for_each(StreamOutput::may_be_incomplete);
            }
            // Some servers ignore the window, and some sort by another time. So stop early only if rows come in order.
            if self.is_filtered() && self.newest_first && self.last.is_some_and(|time| time < self.window.start) {
                return Ok(ListEnd::Reached);
            }
            rows += page.len();
            if page.next.is_some() && rows.saturating_add(PAGE_ROWS) > endpoint.deepest {
                return Ok(ListEnd::Cut);
            }
        }
    }

    /// The list came newest first down to some second. That second is read again, and everything older.
    fn go_on_by_time(&mut self) {
        let second = TimeDelta::seconds(1);
        let end = self.last.map_or(self.window.end, |last| whole_second(last) + second);
        if self.newest_first && end < self.window.end {
            self.window.end = end;
            return;
        }
        for output in self.outputs() {
            output.gap(format!("more rows before {} than the server lists, all in one second", format_time(end)));
        }
        self.window.end = end.min(self.window.end) - second;
    }

    /// Writes one page, and then the children of its rows.
    async fn page(&mut self, page: &Page, each: &mut dyn FnMut(&Row<'_>)) -> Result<(), SyncError> {
        if let Some(began) = self.began.take() {
            self.signpost = whole_second(self.session.client.server_now() - began.elapsed());
        }
        let (mut batch, context) = (self.output.map(|output| output.batch(page.size())), self.session.values());
        let mut rows = Vec::with_capacity(page.len());
        for row in page.rows() {
            let Some((row, place)) = self.take(row, each) else { continue };
            if let Some(batch) = batch.as_mut().filter(|_| place.time.is_none_or(|time| time >= self.start)) {
                batch.push_derived(&row, &context, Vec::new());
            }
            rows.push((row, place));
        }
        if let Some(batch) = batch {
            self.session.output.send(batch).await?;
        }
        self.previous = std::mem::take(&mut self.recent);
        self.read_embedded(rows).await
    }

    /// Shows a row to `each` if the window has it. Returns it if it has to be written.
    fn take<'r>(&mut self, row: Option<Row<'r>>, each: &mut dyn FnMut(&Row<'_>)) -> Option<(Row<'r>, Place)> {
        let Some(row) = row else {
            self.outputs().for_each(|output| output.gap("a row that is no object"));
            return None;
        };
        let place = self.place(&row);
        if !self.is_wanted(&place) {
            return None;
        }
        if self.is_filtered() && self.is_without_time(&row) {
            self.outputs().for_each(|output| output.skip("a row without the time that it would be sorted by"));
            return None;
        }
        each(&row);
        let skipped = self.is_done(&place) || self.session.scope.leaves_out(self.stream, &row);
        (!skipped).then_some((row, place))
    }

    /// The key and time of a row. Notes whether rows still come newest first.
    fn place(&mut self, row: &Row<'_>) -> Place {
        let time = self.stream.replication_key().and_then(|key| Window::second_of(row.text(key).as_deref()));
        self.newest_first &= self.last.is_none_or(|last| time.is_none_or(|time| time <= last));
        self.last = time.or(self.last);
        Place { key: key_of(self.stream, row), time }
    }

    /// Reads the embedded children of each row, one after the other, and saves the position after each.
    async fn read_embedded(&self, rows: Vec<(Row<'_>, Place)>) -> Result<(), SyncError> {
        let count = rows.len();
        for (nth, (row, place)) in rows.into_iter().enumerate() {
            self.embedded.of(&row).await?;
            if self.embedded.outputs().next().is_some() || nth + 1 == count {
                self.advance_to(place).await?;
            }
        }
        Ok(())
    }

    async fn advance_to(&self, place: Place) -> Result<(), SyncError> {
        let state = &self.session.output.state;
        let position = match (self.is_filtered(), place.time) {
            // The position stays before what could not be read: a run that goes on from here tries it again.
            _ if self.outputs().any(StreamOutput::has_gaps) => return Ok(state.advance_page(|_| ()).await?),
            (false, _) => Position { item: Some(place.key), ..Position::default() },
            (true, Some(time)) if self.newest_first => Position { until: Some(time), ..Position::default() },
            (true, _) => return Ok(state.advance_page(|_| ()).await?),
        };
        let (Some(owner), end) = (self.progress_owner(), self.signpost) else { return Ok(()) };
        let co_read = self.co_read().map(str::to_owned).collect();
        let change = |state: &mut State| {
            let progress = state.progress_mut(owner, end);
            (progress.position, progress.co_read) = (position, co_read);
            progress.asked.clone_from(&self.asked);
        };
        Ok(state.advance_page(change).await?)
    }

    /// Whether a row is in the window and was not seen a page ago. The writer refuses rows without a key.
    fn is_wanted(&mut self, place: &Place) -> bool {
        let seen =
            !place.key.is_empty() && (self.previous.contains(&place.key) || !self.recent.insert(place.key.clone()));
        !seen && (!self.is_filtered() || place.time.is_none_or(|time| self.window.contains(time)))
    }

    /// Whether the server has emptied the row. Of an archived replay only the id is left.
    fn is_without_time(&self, row: &Row<'_>) -> bool {
        self.stream.replication_key().and_then(|key| row.get(key)) == Some("null")
    }

    /// Whether an interrupted run has done this row.
    fn is_done(&mut self, place: &Place) -> bool {
        let Some(last_done) = &self.skip_to else { return false };
        if *last_done == place.key {
            self.skip_to = None;
        }
        true
    }

    pub(super) async fn finish(&self) -> Result<(), SyncError> {
        for output in self.outputs() {
            self.session.finish(output, self.signpost).await?;
            info!("{}: {} records", output.stream.tap_stream_id, output.tally().records);
        }
        Ok(())
    }
}
