//! Streams with an endpoint below each row of their parent: objects or lists, read one request at a time in the order of
//! the parent's rows.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::pin::Pin;

use crate::json::row::Row;
use crate::output::stream::StreamOutput;
use crate::sentry::dialect::Capability;
use crate::sentry::endpoint::Endpoint;
use crate::sentry::error::{ApiError, Tolerance};
use crate::sentry::window::Window;
use crate::singer::state::State;
use crate::streams::context::ChildContext;
use crate::streams::derive::record_key;
use crate::streams::{self, Source, Stream, TimeFilter};
use crate::sync::session::Session;
use crate::sync::session::error::SyncError;
use crate::sync::session::lookup::Standing;
use crate::sync::session::starts::stream_start;
use crate::sync::session::tolerance::{tolerate_absence, tolerate_lookup, tolerate_part};
use crate::sync::tables::joined::{beginning, joined};
use crate::sync::tables::known_rows::KnownRows;
use crate::sync::tables::look_ahead::{Follow, ListPage, LookAhead};
use crate::sync::tables::presence::Presence;
use crate::sync::tables::seen_rows::SeenRows;
use crate::time::{Time, whole_second};

/// Said of what was listed and is not there any more.
const GONE: &str = "gone (404)";

/// Readings of a list whose rows move.
const MOST_READINGS: u32 = 3;

/// What is read of one parent.
struct Place<'p> {
    parent: &'p ChildContext,
    window: Option<Window>,
    /// The end of the windows of all streams below.
    end: Time,
}

/// How one reading of a list went.
#[derive(Default)]
struct Reading {
    pages: usize,
    /// Rows have moved between its pages, and some may be hidden.
    moved: bool,
}

/// A stream that is read once for each row of its parent, with its own children.
#[derive(Debug)]
pub(crate) struct Substream<'a> {
    stream: &'static Stream,
    pub(super) endpoint: &'static Endpoint,
    /// Absent if only its children are selected.
    pub(super) output: Option<&'a StreamOutput>,
    /// Rows are wanted from this second on. Absent if the server does not filter by time.
    start: Option<Time>,
    /// Projects whose rows the bookmark does not cover. They are wanted from `start_date` on.
    joined: BTreeSet<String>,
    /// Parents whose rows earlier runs could not read, and since when they are missing.
    pending: BTreeMap<String, Time>,
    below: Vec<Substream<'a>>,
    /// Rows that the target has already, where the list is read again because they come late.
    pub(super) known: Option<KnownRows<'a>>,
    /// Whether this server takes names in the path, and no ids.
    by_name: Cell<bool>,
    /// Whether the server has the endpoint at all.
    pub(super) presence: Presence,
}

impl<'a> Substream<'a> {
    /// The children of a stream that have endpoints of their own, if they or their children are selected.
    pub(crate) fn below(session: &'a Session, parent: &Stream) -> Vec<Substream<'a>> {
        let wanted = streams::children(parent.tap_stream_id).filter(|child| session.wants(child.tap_stream_id));
        let one = |stream: &'static Stream| {
            let Source::Endpoint(endpoint) = &stream.source else { return None };
            let output = session.output.stream(stream.tap_stream_id);
            let filtered = output.filter(|_| stream.time_filter == TimeFilter::StartEnd);
            let start = filtered.map(|output| stream_start(session, output));
            let joined = filtered.and_then(|output| joined(session, output)).map(|(_, ids)| ids).unwrap_or_default();
            let pending = filtered.map(|output| session.output.state.bookmark(output.stream.tap_stream_id).pending);
            let pending = pending.into_iter().flatten().map(|pending| (pending.key, pending.since)).collect();
            let now = whole_second(session.client.server_now());
            let known = filtered.map(|output| KnownRows::new(session, stream, None, vec![output], now));
            let (below, by_name, presence) = (Self::below(session, stream), Cell::new(false), Presence::default());
            Some(Self { stream, endpoint, output, start, joined, pending, below, known, by_name, presence })
        };
        wanted.filter_map(one).collect()
    }

    /// The selected streams among this one and its children.
    pub(crate) fn outputs(&self) -> Vec<&'a StreamOutput> {
        self.output.into_iter().chain(self.below.iter().flat_map(Self::outputs)).collect()
    }

    /// Reads and writes the rows of one parent. What is gone or broken is counted, and the rest is read. Sends nothing
    /// where the server is known not to have the endpoint: that gap is noted. Returns whether the list was there.
    pub(crate) fn of<'b>(
        &'b self,
        session: &'b Session,
        parent: &'b ChildContext,
        end: Time,
    ) -> Pin<Box<dyn Future<Output = Result<bool, SyncError>> + 'b>> {
        Box::pin(async move {
            if self.presence.is_absent() {
                return Ok(false);
            }
            match self.pages(session, parent, end).await {
                Err(SyncError::Api(error)) if error.tolerance() == Tolerance::Gone => {
                    self.missing(session, parent, end, error).await
                }
                result => {
                    if matches!(&result, Err(SyncError::Api(error)) if error.tolerance() == Tolerance::NotHere) {
                        self.presence.conclude_absence();
                    }
                    Ok(tolerate_part(&self.outputs(), result)?.is_some())
                }
            }
        })
    }

    /// Whether the endpoint has answered below some row.
    pub(crate) fn has_answered(&self) -> bool {
        self.presence.has_answered()
    }

    /// The selected streams below this one.
    pub(crate) fn outputs_below(&self) -> impl Iterator<Item = &'a StreamOutput> {
        self.below.iter().flat_map(Self::outputs)
    }

    /// As `of`, for a parent that the caller asks for again if it cannot be read: an error is of its own list.
    pub(crate) async fn read(&self, session: &Session, parent: &ChildContext, end: Time) -> Result<(), SyncError> {
        if self.presence.is_absent() {
            return Ok(());
        }
        let result = self.pages(session, parent, end).await;
        if matches!(&result, Err(SyncError::Api(error)) if error.tolerance() == Tolerance::NotHere) {
            self.presence.conclude_absence();
            return tolerate_part(&self.outputs(), result).map(drop);
        }
        result
    }

    /// Follows up a 404 below one parent. The parent may be gone or renamed, or the server does not have the endpoint.
    async fn missing(
        &self,
        session: &Session,
        parent: &ChildContext,
        end: Time,
        error: ApiError,
    ) -> Result<bool, SyncError> {
        let (outputs, root) = (self.outputs(), streams::root(self.stream));
        let hangs_on_root = self.stream.parent == Some(root.tap_stream_id);
        match tolerate_lookup(session, &outputs, root, &parent.values, &error).await? {
            None => {}
            Some(Standing::Gone) => self.skip(GONE),
            Some(Standing::Renamed(values)) => {
                let parent = ChildContext { values, ..parent.clone() };
                return self.once_more(session, &parent, end).await;
            }
            Some(Standing::There) if hangs_on_root && self.presence.has_answered() => {
                return self.once_more(session, parent, end).await;
            }
            Some(Standing::There) if self.stream.by_name.is_some() && !self.by_name.replace(true) => {
                return self.once_more(session, parent, end).await;
            }
            Some(Standing::There) if hangs_on_root => {
                self.gap(&format!("{error}, although the list of {} has what it names", root.tap_stream_id));
                self.miss(session).await?;
            }
            // Some routers take a slash in a name for one of the path (API §8). That says nothing of the endpoint.
            Some(_) if parent.values.iter().any(|(_, value)| value.contains('/')) => {
                self.skip("a name with a slash, which this server does not find (404)");
                return Ok(true); // it never will
            }
            // What hangs on such a row is named by its key, which does not change.
            Some(_) => {
                self.skip(GONE);
                self.miss(session).await?;
            }
        }
        Ok(false)
    }

    /// Reads the rows of a parent that is there. Another 404 is a gap.
    async fn once_more(&self, session: &Session, parent: &ChildContext, end: Time) -> Result<bool, SyncError> {
        match self.pages(session, parent, end).await {
            Err(SyncError::Api(error)) if error.tolerance() == Tolerance::Gone => {
                self.gap(&format!("{error}, although what it names is still listed"));
                Ok(false)
            }
            result => Ok(tolerate_part(&self.outputs(), result)?.is_some()),
        }
    }

    /// Notes a 404 below a parent that is there.
    pub(crate) async fn miss(&self, session: &Session) -> Result<(), SyncError> {
        if self.presence.note_miss() { self.conclude(session).await } else { Ok(()) }
    }

    async fn conclude(&self, session: &Session) -> Result<(), SyncError> {
        self.presence.conclude_absence();
        tolerate_absence(session, &self.outputs()).await
    }

    /// Notes an endpoint that answered 404 below every parent, after the last of them. Returns whether this stream or one
    /// below it is not there: then all parents count as unread.
    pub(crate) async fn settle(&self, session: &Session) -> Result<bool, SyncError> {
        if self.presence.is_unseen() {
            self.conclude(session).await?;
        }
        let mut absent = self.presence.is_absent();
        for child in &self.below {
            absent |= Box::pin(child.settle(session)).await?;
        }
        Ok(absent)
    }

    fn skip(&self, reason: &str) {
        self.outputs().into_iter().for_each(|output| output.skip(reason));
    }

    fn gap(&self, what: &str) {
        self.outputs().into_iter().for_each(|output| output.gap(what));
    }

    /// Reads the list below one parent. It is read again from its beginning where rows have moved, and where the target is to
    /// be told which rows are gone: only two readings with the same keys show that.
    async fn pages(&self, session: &Session, parent: &ChildContext, end: Time) -> Result<(), SyncError> {
        let window = self.start_below(session, parent).map(|start| Window { start, end });
        if window.is_some_and(Window::is_empty) {
            return Ok(());
        }
        let (place, mut seen, mut moved) = (Place { parent, window, end }, SeenRows::default(), false);
        let mut before: Option<HashSet<u64>> = None;
        for _ in 0..MOST_READINGS {
            seen.read_again();
            let reading = self.reading(session, &place, &mut seen).await?;
            let is_versioned = || self.output.is_some_and(|output| output.complete_version().is_some());
            let needs_another = reading.pages > 1 && is_versioned();
            if !reading.moved && (!needs_another || before.as_ref() == Some(seen.keys())) {
                return Ok(());
            }
            moved = reading.moved;
            before = (!moved).then(|| seen.keys().clone());
        }
        for output in self.outputs() {
            output.may_be_incomplete();
            if moved && output.stream.replication_key().is_some() {
                output.gap("rows moved each time that the list was read");
            }
        }
        Ok(())
    }

    async fn reading(&self, session: &Session, place: &Place<'_>, seen: &mut SeenRows) -> Result<Reading, SyncError> {
        let endpoint = self.stream.by_name.as_ref().filter(|_| self.by_name.get()).unwrap_or(self.endpoint);
        let mut request = session.scope.request(endpoint, place.parent.values.clone());
        if let Some(window) = place.window {
            request = request.within(window);
        }
        let mut pages = LookAhead::new(&session.client, request, self.stream, Follow::Joined);
        let mut reading = Reading::default();
        while let Some(next) = pages.next().await? {
            self.presence.note_answer();
            reading.pages += 1;
            reading.moved |= !next.joins && session.client.dialect.supports(Capability::PageBoundaries);
            for parent in &self.page(session, &next, place, seen).await? {
                for child in &self.below {
                    child.of(session, parent, place.end).await?;
                }
            }
        }
        Ok(reading)
    }

    /// Writes the new rows of one page. Returns their contexts, if the stream has children.
    async fn page(
        &self,
        session: &Session,
        next: &ListPage,
        place: &Place<'_>,
        seen: &mut SeenRows,
    ) -> Result<Vec<ChildContext>, SyncError> {
        let (page, values) = (&next.page, &place.parent.values);
        let (mut batch, mut contexts) = (self.output.map(|output| output.batch(page.size())), Vec::new());
        let (mut met, gaps) = (Vec::new(), self.output.map(StreamOutput::gaps));
        for (nth, row) in page.rows().enumerate() {
            let Some(row) = row else {
                self.gap("a row that is no object");
                continue;
            };
            let is_new = seen.note(&record_key(self.stream, &row, values), None, nth < next.repeated);
            if !is_new || !place.window.is_none_or(|window| self.lies_in(window, &row)) {
                continue;
            }
            let name = self.known.as_ref().map(|known| known.name(&row));
            let is_known = name.as_ref().is_some_and(|name| self.known.as_ref().is_some_and(|known| known.has(name)));
            if let Some(batch) = batch.as_mut().filter(|_| !is_known) {
                batch.push_derived(&row, values, Vec::new());
            }
            met.extend(name.map(|name| (name, self.second_of(&row))));
            match ChildContext::read(self.stream, &row, values) {
                _ if self.below.is_empty() => {}
                Ok(context) => contexts.push(context),
                Err(field) => self.lacks(field),
            }
        }
        if let Some(batch) = batch {
            session.output.send(batch).await?;
        }
        if let Some(known) = self.known.as_ref().filter(|_| self.output.map(StreamOutput::gaps) == gaps) {
            for (name, time) in met {
                known.note(name, time);
            }
        }
        Ok(contexts)
    }

    /// Where the rows of one parent are wanted from, if there are windows. One that names no project may have come in.
    pub(super) fn start_below(&self, session: &Session, parent: &ChildContext) -> Option<Time> {
        let earliest = beginning(session);
        let is_known = self.joined.is_empty() || parent.project.as_ref().is_some_and(|id| !self.joined.contains(id));
        let late = |start: Time| start.checked_sub_signed(parent.late_by).unwrap_or(earliest).max(earliest);
        let start = if is_known { late(self.start?) } else { earliest };
        Some(self.pending.get(&parent.parent_key).map_or(start, |since| start.min(*since)))
    }

    /// Whether a row is in the window. A row without a time is taken to be.
    fn lies_in(&self, window: Window, row: &Row<'_>) -> bool {
        self.second_of(row).is_none_or(|time| window.contains(time))
    }

    fn second_of(&self, row: &Row<'_>) -> Option<Time> {
        self.stream.replication_key().and_then(|key| Window::second_of(row.text(key).as_deref()))
    }

    /// Notes in the state which rows the target has. With `end` all parents are read, up to there.
    pub(super) fn note_rows(&self, state: &mut State, end: Option<Time>) {
        self.known.iter().for_each(|known| known.write(state, end));
    }

    fn lacks(&self, field: &str) {
        self.outputs_below().for_each(|output| output.gap(format!("a parent row without {field}")));
    }
}
