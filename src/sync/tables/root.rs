//! Reads the rows of one list or object of the table, page by page, writes them, and reads their children.
//!
//! A list with a window of time goes on where an interrupted run stopped. Others begin anew: a place in them proves
//! nothing, since rows come and go before it.

use std::collections::HashSet;

use chrono::TimeDelta;
use tracing::debug;

use crate::json::fingerprint::fingerprint;
use crate::json::row::Row;
use crate::output::stream::StreamOutput;
use crate::sentry::endpoint::Endpoint;
use crate::sentry::error::Tolerance;
use crate::sentry::page::Page;
use crate::sentry::request::PAGE_ROWS;
use crate::sentry::window::Window;
use crate::streams::context::{ChildContext, key_of};
use crate::streams::{Source, Stream, TimeFilter};
use crate::sync::session::Session;
use crate::sync::session::error::SyncError;
use crate::sync::session::starts::still_kept;
use crate::sync::session::tolerance::tolerate_stream;
use crate::sync::tables::embedded::EmbeddedChildren;
use crate::sync::tables::look_ahead::LookAhead;
use crate::sync::tables::order::{ListOrder, RowTimes};
use crate::sync::tables::substreams::Substream;
use crate::sync::tables::targets::Targets;
use crate::time::format_time;

/// A root stream that is being read, with the children that are read with its rows.
struct RootWalk<'a> {
    session: &'a Session,
    stream: &'static Stream,
    targets: Targets<'a>,
    window: Window,
    order: ListOrder,
    /// Keys of the rows of this list and of the one before it, as fingerprints. A row that comes twice is written once.
    seen: HashSet<u64>,
    seen_before: HashSet<u64>,
}

/// Whether a list was read to its end.
enum ListEnd {
    Reached,
    /// The server gives no more of it.
    Cut,
}

/// Reads a root stream and the children that are read with its rows. Returns the context of each row that came, for
/// children that have endpoints of their own. A list that ended early is a gap in all of them.
pub(crate) async fn walk_root(session: &Session, stream: &'static Stream) -> Result<Vec<ChildContext>, SyncError> {
    let own_lists = stream.time_filter == TimeFilter::None;
    let children = if own_lists { Substream::below(session, stream) } else { Vec::new() };
    let (mut contexts, mut missing, above) = (Vec::new(), None, session.values());
    let mut keep = |row: &Row<'_>| match ChildContext::read(stream, row, &above) {
        Ok(context) if !children.is_empty() => contexts.push(context),
        Ok(_) => {}
        Err(field) => missing = Some(field),
    };
    let result = walk_rows(session, stream, !children.is_empty(), &mut keep).await;
    for output in children.iter().flat_map(Substream::outputs) {
        if let Some(field) = missing {
            output.gap(format!("a parent row without {field}"));
        }
    }
    tolerate_stream(session, stream.tap_stream_id, result).await?;
    Ok(contexts)
}

/// Reads a root stream and the children that are read with its rows, and moves their bookmarks. `each` sees every row
/// of the window once. With `must` it sees them even if an interrupted run has written them all.
pub(crate) async fn walk_rows(
    session: &Session,
    stream: &'static Stream,
    must: bool,
    each: &mut dyn FnMut(&Row<'_>),
) -> Result<(), SyncError> {
    let Source::Endpoint(endpoint) = &stream.source else { return Ok(()) };
    let mut left: Vec<&StreamOutput> = session.output.stream(stream.tap_stream_id).into_iter().collect();
    left.extend(EmbeddedChildren::outputs_below(session, stream));
    for output in &left {
        session.output.begin(output).await?;
    }
    left.retain(|output| !session.output.state.has_read(output.stream.tap_stream_id));
    if left.is_empty() && !must {
        return Ok(());
    }
    if stream.time_filter == TimeFilter::StartEnd {
        session.ask_the_time().await?;
        let mut walk = RootWalk::new(session, stream, &left);
        if walk.resume() {
            walk.pages(endpoint, each).await?;
            // Without the order that the progress was made from, nothing is known of the newer part.
            if !walk.order.is_broken() {
                walk.targets.finish().await?;
            }
        }
    }
    // Where the window was that of an interrupted run: read again, up to now.
    let mut walk = RootWalk::new(session, stream, &left);
    walk.pages(endpoint, each).await?;
    walk.targets.finish().await
}

impl<'a> RootWalk<'a> {
    /// A walk to now, for the outputs that are `left` to be read.
    fn new(session: &'a Session, stream: &'static Stream, left: &[&'a StreamOutput]) -> Self {
        let targets = Targets::new(session, stream, left);
        let (window, order) = (targets.window, ListOrder::new());
        let (seen, seen_before) = (HashSet::new(), HashSet::new());
        Self { session, stream, targets, window, order, seen, seen_before }
    }

    /// Takes over the progress of an interrupted run. Returns `false` if there is none.
    fn resume(&mut self) -> bool {
        let Some(until) = self.targets.resume() else { return false };
        self.window.end = until;
        true
    }

    fn is_filtered(&self) -> bool {
        self.stream.time_filter == TimeFilter::StartEnd
    }

    async fn pages(&mut self, endpoint: &'static Endpoint, each: &mut dyn FnMut(&Row<'_>)) -> Result<(), SyncError> {
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
        let mut request = self.session.scope.request(endpoint, self.session.values());
        if self.is_filtered() {
            self.window = still_kept(self.session, endpoint.limit_group, self.targets.own(), self.window);
            request = request.within(self.window);
        }
        self.seen_before = std::mem::take(&mut self.seen);
        let (mut pages, mut rows) = (LookAhead::new(&self.session.client, request), 0_usize);
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
            rows += page.len();
            // A list of as many rows as the server gives may have more, even if it says that it has ended.
            let goes_on = page.next.is_some() && rows.saturating_add(PAGE_ROWS) <= endpoint.deepest;
            let cut = rows >= endpoint.deepest || (page.next.is_some() && !goes_on);
            if goes_on {
                pages.fetch().await;
            }
            let is_proved = self.page(&page, pages.following(), each).await?;
            if cut {
                return Ok(ListEnd::Cut);
            }
            if is_proved && self.is_past() {
                return Ok(ListEnd::Reached);
            }
        }
    }

    /// Whether the rest of the list is older than the window. Then the server does not filter it, since a row of it lies
    /// outside by each time that it may be filtered by.
    fn is_past(&self) -> bool {
        self.is_filtered() && self.order.low_watermark().is_some_and(|time| time < self.window.start)
    }

    /// The list came newest first down to some second. That second is read again, and everything older.
    fn go_on_by_time(&mut self) {
        let second = TimeDelta::seconds(1);
        let last = self.order.low_watermark();
        let end = last.map_or(self.window.end, |last| last + second);
        if last.is_some() && end < self.window.end {
            self.window.end = end;
        } else {
            for output in self.targets.outputs() {
                output.gap(format!("more rows before {} than the server lists, all in one second", format_time(end)));
            }
            self.window.end = end.min(self.window.end) - second;
        }
        self.order = ListOrder::new();
    }

    /// Writes one page, and then the children of its rows. `following` is the first row of the next page: only where it
    /// keeps to the order too, the order is no chance. Returns whether the order holds beyond the page.
    async fn page(
        &mut self,
        page: &Page,
        following: Option<Row<'_>>,
        each: &mut dyn FnMut(&Row<'_>),
    ) -> Result<bool, SyncError> {
        let mut rows = Vec::with_capacity(page.len());
        for row in page.rows() {
            rows.extend(self.take(row, each));
        }
        if let Some(row) = &following {
            self.order.observe(RowTimes::of(self.stream, row));
        }
        let is_proved = !self.order.is_broken() && (following.is_some() || page.next.is_none());
        if self.order.is_broken() && self.is_filtered() {
            self.targets.forget_progress();
        }
        self.targets.write(page, &rows).await?;
        self.targets.read_embedded(&rows, Some(&self.order).filter(|_| is_proved)).await?;
        Ok(is_proved)
    }

    /// Shows a row to `each` if the window has it. Returns it if it has to be written.
    fn take<'r>(&mut self, row: Option<Row<'r>>, each: &mut dyn FnMut(&Row<'_>)) -> Option<(Row<'r>, RowTimes)> {
        let Some(row) = row else {
            let outputs = self.session.read_by_rows_of(self.stream.tap_stream_id);
            outputs.for_each(|output| output.gap("a row that is no object"));
            return None;
        };
        let times = RowTimes::of(self.stream, &row);
        self.order.observe(times);
        if !self.is_new(&row) || (self.is_filtered() && !times.lies_in(self.window)) {
            return None;
        }
        if self.is_filtered() && self.is_without_time(&row) {
            self.targets.outputs().for_each(|output| output.skip("a row without the time that it would be sorted by"));
            return None;
        }
        each(&row);
        (!self.session.scope.leaves_out(self.stream, &row)).then_some((row, times))
    }

    /// Whether a row has not come before. The writer refuses rows without a key.
    fn is_new(&mut self, row: &Row<'_>) -> bool {
        let key = key_of(self.stream, row);
        let number = fingerprint([key.as_str()]);
        key.is_empty() || (!self.seen_before.contains(&number) && self.seen.insert(number))
    }

    /// Whether the server has emptied the row. Of an archived replay only the id is left.
    fn is_without_time(&self, row: &Row<'_>) -> bool {
        self.stream.replication_key().and_then(|key| row.get(key)) == Some("null")
    }
}
