//! The generic walker: reads the rows of a table's endpoint, writes them and what goes inside them.
//!
//! Continues where an interrupted run was: by time in lists that come newest first, by row in others.

use std::collections::HashSet;

use anyhow::Result;
use chrono::TimeDelta;
use tracing::{debug, info};

use crate::json::row::Row;
use crate::sentry::endpoint::Endpoint;
use crate::sentry::error::ErrorKind;
use crate::sentry::page::Page;
use crate::sentry::pages::Pages;
use crate::sentry::request::PAGE_ROWS;
use crate::singer::progress::Mark;
use crate::singer::state::State;
use crate::streams::{Source, Stream, TimeFilter};
use crate::sync::Sync;
use crate::sync::children::{key_of, push};
use crate::sync::failure::WalkError;
use crate::sync::insides::Insides;
use crate::sync::output::StreamOutput;
use crate::sync::starts::{still_kept, stream_start, widest_window};
use crate::sync::window::Window;
use crate::time::{Time, format_time, whole_second};

/// A root stream with the children that are its rows.
struct Walk<'a> {
    sync: &'a Sync,
    stream: &'static Stream,
    output: Option<&'a StreamOutput>,
    /// From where on the stream itself is to be written; the window may begin earlier, for those below it.
    start: Time,
    insides: Insides<'a>,
    window: Window,
    /// End of the window, as the bookmark will have it.
    end: Time,
    /// The last row that an interrupted run has done, until the walk comes to it.
    skip_to: Option<String>,
    /// Rows have come newest first so far, down to this time.
    newest_first: bool,
    last: Option<Time>,
    /// Rows seen on the last two pages, so that rows that moved down a page are written once.
    recent: HashSet<String>,
    previous: HashSet<String>,
}

/// Reads a root stream and the children that are its rows whole; moves their bookmarks. `each` sees every row, perhaps
/// twice, also where an earlier run has written them all, if it `must`.
pub async fn walk_rows(
    sync: &Sync,
    stream: &'static Stream,
    must: bool,
    each: &mut dyn FnMut(&Row<'_>),
) -> Result<(), WalkError> {
    let Source::Endpoint(endpoint) = &stream.source else { return Ok(()) };
    let all = Walk::new(sync, stream, Window { start: Time::MIN_UTC, end: Time::MIN_UTC }).await;
    let outputs: Vec<_> = all.outputs().collect();
    for output in &outputs {
        sync.output.begin(output).await?;
    }
    let mut left = Vec::new();
    for output in outputs.iter().copied() {
        if !sync.output.has_read(output.stream.tap_stream_id).await {
            left.push(output);
        }
    }
    if left.is_empty() && !must {
        return Ok(());
    }
    if stream.time_filter == TimeFilter::StartEnd {
        sync.ask_the_time().await?;
    }
    let mut walk = Walk::to_now(sync, stream, &left).await;
    if walk.resume().await {
        for output in &left {
            output.doubt(); // as in `walk_children`
        }
        walk.pages(endpoint, each).await?;
        let found = walk.skip_to.is_none();
        if found {
            walk.finish().await?;
        }
        if found && stream.time_filter == TimeFilter::None {
            return Ok(());
        }
        // The window was an old one, or the row is gone at which the interrupted run was: again, to now.
        walk = Walk::to_now(sync, stream, &left).await;
    }
    walk.pages(endpoint, each).await?;
    walk.finish().await
}

impl<'a> Walk<'a> {
    /// To now, for these outputs.
    async fn to_now(sync: &'a Sync, stream: &'static Stream, left: &[&'a StreamOutput]) -> Self {
        let mut walk = Self::new(sync, stream, widest_window(sync, left).await).await;
        walk.output = walk.output.filter(|output| left.iter().any(|other| std::ptr::eq(*other, *output)));
        walk.insides.only(left);
        if let Some(output) = walk.output.filter(|_| walk.is_filtered()) {
            walk.start = stream_start(sync, output).await;
        }
        walk
    }

    /// For all that is selected.
    async fn new(sync: &'a Sync, stream: &'static Stream, window: Window) -> Self {
        Self {
            sync,
            stream,
            output: sync.output.stream(stream.tap_stream_id),
            start: Time::MIN_UTC,
            insides: Insides::new(sync, stream, window.end).await,
            window,
            end: window.end,
            skip_to: None,
            newest_first: true,
            last: None,
            recent: HashSet::new(),
            previous: HashSet::new(),
        }
    }

    fn outputs(&self) -> impl Iterator<Item = &'a StreamOutput> {
        self.output.into_iter().chain(self.insides.outputs())
    }

    /// The stream under whose bookmark the progress of this walk is kept.
    fn holder(&self) -> Option<&'static str> {
        self.outputs().next().map(|output| output.stream.tap_stream_id)
    }

    /// The streams beside the holder.
    fn with(&self) -> impl Iterator<Item = &'static str> {
        self.outputs().skip(1).map(|output| output.stream.tap_stream_id)
    }

    fn is_filtered(&self) -> bool {
        self.stream.time_filter == TimeFilter::StartEnd
    }

    /// Takes up the progress of an interrupted run; `false` if there is none.
    async fn resume(&mut self) -> bool {
        let Some(holder) = self.holder() else { return false };
        let progress = self.sync.output.bookmark(holder).await.progress;
        let Some(progress) = progress.filter(|progress| progress.holds_for(self.with())) else { return false };
        if self.is_filtered() {
            self.end = progress.end;
            let until = progress.mark.until.map(|until| until + chrono::TimeDelta::seconds(1));
            self.window.end = until.unwrap_or(self.end).min(self.end);
        } else {
            self.skip_to = progress.mark.item;
        }
        debug!("{holder}: going on where an earlier run was interrupted");
        true
    }

    async fn pages(&mut self, endpoint: &'static Endpoint, each: &mut dyn FnMut(&Row<'_>)) -> Result<(), WalkError> {
        while !(self.is_filtered() && self.window.is_empty()) {
            match self.list(endpoint, each).await? {
                Depth::Whole => break,
                Depth::Cut => self.go_on_by_time(),
            }
        }
        Ok(())
    }

    /// Reads a list, as far as the server gives it.
    async fn list(&mut self, endpoint: &'static Endpoint, each: &mut dyn FnMut(&Row<'_>)) -> Result<Depth, WalkError> {
        let mut request = self.sync.request(endpoint, self.sync.values());
        if self.is_filtered() {
            self.window = still_kept(self.sync, endpoint.class, self.output, self.window).await;
            for (name, value) in self.window.query() {
                request = request.with(name, value);
            }
        }
        let (mut pages, mut rows) = (Pages::new(&self.sync.client, request), 0);
        loop {
            let page = match pages.next().await {
                Ok(Some(page)) => page,
                Ok(None) => return Ok(Depth::Whole),
                // Some servers refuse to go as deep as others.
                Err(error) if error.kind == ErrorKind::BadRequest && rows > 0 && endpoint.deepest < usize::MAX => {
                    debug!("{error}; going on by time");
                    return Ok(Depth::Cut);
                }
                Err(error) => return Err(error.into()),
            };
            self.page(&page, each).await?;
            if page.is_cut() {
                self.outputs().for_each(StreamOutput::doubt);
            }
            // Some servers ignore the window, and some sort by another time: stop early only where rows come in order.
            if self.is_filtered() && self.newest_first && self.last.is_some_and(|time| time < self.window.start) {
                return Ok(Depth::Whole);
            }
            rows += page.len();
            if page.next.is_some() && rows.saturating_add(PAGE_ROWS) > endpoint.deepest {
                return Ok(Depth::Cut);
            }
        }
    }

    /// Has the rest of a list read that came newest first down to some second: that second again, and what is older.
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

    /// Writes one page and what hangs on it.
    async fn page(&mut self, page: &Page, each: &mut dyn FnMut(&Row<'_>)) -> Result<(), WalkError> {
        let (mut batch, above) = (self.output.map(|output| output.batch(page.size())), self.sync.values());
        let mut rows = Vec::with_capacity(page.len());
        for row in page.rows() {
            let Some(row) = row else {
                self.skip("a row that is no object");
                continue;
            };
            let left_out = self.sync.leaves_out(self.stream, &row);
            let time = self.stream.replication_key().and_then(|key| Window::second_of(row.text(key).as_deref()));
            let place = Place { key: key_of(self.stream, &row), time };
            self.newest_first &= self.last.is_none_or(|last| time.is_none_or(|time| time <= last));
            self.last = time.or(self.last);
            if !self.is_wanted(&place) {
                continue;
            }
            if self.is_filtered() && self.is_without_time(&row) {
                for output in self.outputs() {
                    output.skip("a row without the time that it would be sorted by");
                }
                continue;
            }
            each(&row);
            if self.skips(&place) || left_out {
                continue;
            }
            if let Some(batch) = batch.as_mut().filter(|_| place.time.is_none_or(|time| time >= self.start)) {
                push(self.stream, batch, &row, &above, Vec::new());
            }
            rows.push((row, place));
        }
        if let Some(batch) = batch {
            batch.send(&self.sync.output).await?;
        }
        self.previous = std::mem::take(&mut self.recent);
        self.fill(rows).await
    }

    /// Reads and writes what goes inside each row, one after the other, and remembers how far that has come.
    async fn fill(&self, rows: Vec<(Row<'_>, Place)>) -> Result<(), WalkError> {
        let count = rows.len();
        for (nth, (row, place)) in rows.into_iter().enumerate() {
            self.insides.of(&row).await?;
            if self.insides.outputs().next().is_some() || nth + 1 == count {
                self.mark(place).await?;
            }
        }
        Ok(())
    }

    async fn mark(&self, place: Place) -> Result<(), WalkError> {
        let mark = match (self.is_filtered(), place.time) {
            // What could not be read stays ahead of the mark, so that a run that goes on from here tries it again.
            _ if self.outputs().any(StreamOutput::has_gaps) => {
                return Ok(self.sync.output.advance_page(|_| ()).await?);
            }
            (false, _) => Mark { item: Some(place.key), ..Mark::default() },
            (true, Some(time)) if self.newest_first => Mark { until: Some(time), ..Mark::default() },
            (true, _) => return Ok(self.sync.output.advance_page(|_| ()).await?),
        };
        let (Some(holder), end) = (self.holder(), self.end) else { return Ok(()) };
        let with = self.with().map(str::to_owned).collect();
        let change = |state: &mut State| {
            let progress = state.progress_mut(holder, end);
            (progress.mark, progress.with) = (mark, with);
        };
        Ok(self.sync.output.advance_page(change).await?)
    }

    /// Whether a row lies in the window and was not seen a page ago. A row without its key is for the writer to refuse.
    fn is_wanted(&mut self, place: &Place) -> bool {
        let seen =
            !place.key.is_empty() && (self.previous.contains(&place.key) || !self.recent.insert(place.key.clone()));
        !seen && (!self.is_filtered() || place.time.is_none_or(|time| self.window.contains(time)))
    }

    /// Whether the server has emptied the row: an archived replay keeps its id alone.
    fn is_without_time(&self, row: &Row<'_>) -> bool {
        self.stream.replication_key().and_then(|key| row.get(key)) == Some("null")
    }

    /// Whether an interrupted run has done this row.
    fn skips(&mut self, place: &Place) -> bool {
        let Some(last_done) = &self.skip_to else { return false };
        if *last_done == place.key {
            self.skip_to = None;
        }
        true
    }

    fn skip(&self, reason: &str) {
        for output in self.outputs() {
            output.gap(reason);
        }
    }

    async fn finish(&self) -> Result<(), WalkError> {
        for output in self.outputs() {
            self.sync.output.finish(output, self.end).await?;
            info!("{}: {} records", output.stream.tap_stream_id, output.tally().records);
        }
        Ok(())
    }
}

/// Whether a list was read to its end.
enum Depth {
    Whole,
    /// The server gives no more of it.
    Cut,
}

/// Where a row stands.
struct Place {
    key: String,
    time: Option<Time>,
}
