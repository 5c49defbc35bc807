//! Streams with an endpoint below each row of their parent: objects or lists, read one request at a time in the order of
//! the parent's rows.

use std::cell::Cell;
use std::pin::Pin;

use tracing::info;

use crate::json::fingerprint::fingerprint;
use crate::json::row::Row;
use crate::output::stream::StreamOutput;
use crate::sentry::endpoint::Endpoint;
use crate::sentry::error::{ApiError, Tolerance};
use crate::sentry::page::Page;
use crate::sentry::pages::Pages;
use crate::sentry::window::Window;
use crate::singer::progress::Position;
use crate::singer::state::State;
use crate::streams::context::ChildContext;
use crate::streams::{self, Source, Stream, TimeFilter};
use crate::sync::session::Session;
use crate::sync::session::error::SyncError;
use crate::sync::session::lookup::Standing;
use crate::sync::session::starts::stream_start;
use crate::sync::session::tolerance::{tolerate_absence, tolerate_lookup, tolerate_part};
use crate::sync::tables::known_rows::KnownRows;
use crate::sync::tables::presence::Presence;
use crate::time::{Time, format_time, whole_second};

/// Said of what was listed and is not there any more.
const GONE: &str = "gone (404)";

/// A stream that is read once for each row of its parent, with its own children.
#[derive(Debug)]
pub(crate) struct Substream<'a> {
    stream: &'static Stream,
    endpoint: &'static Endpoint,
    /// Absent if only its children are selected.
    output: Option<&'a StreamOutput>,
    /// Rows are wanted from this second on. Absent if the server does not filter by time.
    start: Option<Time>,
    below: Vec<Substream<'a>>,
    /// Rows that the target has already, where the list is read again because they come late.
    known: Option<KnownRows<'a>>,
    /// Whether this server takes names in the path, and no ids.
    by_name: Cell<bool>,
    /// Whether the server has the endpoint at all.
    presence: Presence,
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
            let now = whole_second(session.client.server_now());
            let known = filtered.map(|output| KnownRows::new(session, stream, None, vec![output], now));
            let (below, by_name, presence) = (Self::below(session, stream), Cell::new(false), Presence::default());
            Some(Self { stream, endpoint, output, start, below, known, by_name, presence })
        };
        wanted.filter_map(one).collect()
    }

    /// The selected streams among this one and its children.
    pub(crate) fn outputs(&self) -> Vec<&'a StreamOutput> {
        self.output.into_iter().chain(self.below.iter().flat_map(Self::outputs)).collect()
    }

    /// Reads and writes the rows of one parent. What is gone or broken is counted, and the rest is read. Sends nothing
    /// where the server is known not to have the endpoint: that gap is noted.
    pub(crate) fn of<'b>(
        &'b self,
        session: &'b Session,
        parent: &'b ChildContext,
        end: Time,
    ) -> Pin<Box<dyn Future<Output = Result<(), SyncError>> + 'b>> {
        Box::pin(async move {
            if self.presence.is_absent() {
                return Ok(());
            }
            match self.pages(session, parent, end).await {
                Err(SyncError::Api(error)) if error.tolerance() == Tolerance::Gone => {
                    self.missing(session, parent, end, error).await
                }
                result => tolerate_part(&self.outputs(), result).map(drop),
            }
        })
    }

    /// Follows up a 404 below one parent. The parent may be gone or renamed, or the server does not have the endpoint.
    async fn missing(
        &self,
        session: &Session,
        parent: &ChildContext,
        end: Time,
        error: ApiError,
    ) -> Result<(), SyncError> {
        let (outputs, root) = (self.outputs(), streams::root(self.stream));
        let hangs_on_root = self.stream.parent == Some(root.tap_stream_id);
        match tolerate_lookup(session, &outputs, root, &parent.values, &error).await? {
            None => {}
            Some(Standing::Gone) => self.skip(GONE),
            Some(Standing::Renamed(values)) => {
                let parent = ChildContext { values, ..parent.clone() };
                self.once_more(session, &parent, end).await?;
            }
            Some(Standing::There) if hangs_on_root && self.presence.has_answered() => {
                self.once_more(session, parent, end).await?;
            }
            Some(Standing::There) if self.stream.by_name.is_some() && !self.by_name.replace(true) => {
                self.once_more(session, parent, end).await?;
            }
            Some(Standing::There) if hangs_on_root => {
                self.gap(&format!("{error}, although the list of {} has what it names", root.tap_stream_id));
                self.miss(session).await?;
            }
            // Some routers take a slash in a name for one of the path (API §8). That says nothing of the endpoint.
            Some(_) if parent.values.iter().any(|(_, value)| value.contains('/')) => {
                self.skip("a name with a slash, which this server does not find (404)");
            }
            // What hangs on such a row is named by its key, which does not change.
            Some(_) => {
                self.skip(GONE);
                self.miss(session).await?;
            }
        }
        Ok(())
    }

    /// Reads the rows of a parent that is there. Another 404 is a gap.
    async fn once_more(&self, session: &Session, parent: &ChildContext, end: Time) -> Result<(), SyncError> {
        match self.pages(session, parent, end).await {
            Err(SyncError::Api(error)) if error.tolerance() == Tolerance::Gone => {
                self.gap(&format!("{error}, although what it names is still listed"));
                Ok(())
            }
            result => tolerate_part(&self.outputs(), result).map(drop),
        }
    }

    async fn miss(&self, session: &Session) -> Result<(), SyncError> {
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

    async fn pages(&self, session: &Session, parent: &ChildContext, end: Time) -> Result<(), SyncError> {
        let earliest = session.config.start_date;
        let late = |start: Time| start.checked_sub_signed(parent.late_by).unwrap_or(earliest).max(earliest);
        let window = self.start.map(|start| Window { start: late(start), end });
        let endpoint = self.stream.by_name.as_ref().filter(|_| self.by_name.get()).unwrap_or(self.endpoint);
        let mut request = session.scope.request(endpoint, parent.values.clone());
        match window {
            Some(window) if window.is_empty() => return Ok(()),
            Some(window) => request = request.within(window),
            None => {}
        }
        let mut pages = Pages::new(&session.client, request);
        while let Some(page) = pages.next().await? {
            self.presence.note_answer();
            let parents = self.page(session, &page, window, parent).await?;
            for parent in &parents {
                for child in &self.below {
                    child.of(session, parent, end).await?;
                }
            }
        }
        Ok(())
    }

    /// Writes one page. Returns the contexts of its rows, if the stream has children.
    async fn page(
        &self,
        session: &Session,
        page: &Page,
        window: Option<Window>,
        parent: &ChildContext,
    ) -> Result<Vec<ChildContext>, SyncError> {
        let (mut batch, mut contexts) = (self.output.map(|output| output.batch(page.size())), Vec::new());
        let (mut met, gaps) = (Vec::new(), self.output.map(StreamOutput::gaps));
        for row in page.rows() {
            let Some(row) = row else {
                self.gap("a row that is no object");
                continue;
            };
            if !window.is_none_or(|window| self.lies_in(window, &row)) {
                continue;
            }
            let name = self.known.as_ref().map(|known| known.name(&row));
            let is_known = name.as_ref().is_some_and(|name| self.known.as_ref().is_some_and(|known| known.has(name)));
            if let Some(batch) = batch.as_mut().filter(|_| !is_known) {
                batch.push_derived(&row, &parent.values, Vec::new());
            }
            met.extend(name.map(|name| (name, self.second_of(&row))));
            match ChildContext::read(self.stream, &row, &parent.values) {
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

    /// Whether a row is in the window. A row without a time is taken to be.
    fn lies_in(&self, window: Window, row: &Row<'_>) -> bool {
        self.second_of(row).is_none_or(|time| window.contains(time))
    }

    fn second_of(&self, row: &Row<'_>) -> Option<Time> {
        self.stream.replication_key().and_then(|key| Window::second_of(row.text(key).as_deref()))
    }

    fn note_rows(&self, state: &mut State, end: Option<Time>) {
        self.known.iter().for_each(|known| known.write(state, end));
    }

    /// What the first parents of a list stand for, in whichever order: whoever goes on after them must have read the same
    /// ones from the same start.
    fn done_with(&self, parents: &[ChildContext]) -> String {
        let start = self.start.map(format_time).unwrap_or_default();
        let keys = parents.iter().map(|parent| fingerprint([parent.parent_key.as_str()]));
        format!("{:016x}", keys.fold(fingerprint([start.as_str()]), u64::wrapping_add))
    }

    fn lacks(&self, field: &str) {
        for output in self.below.iter().flat_map(Self::outputs) {
            output.gap(format!("a parent row without {field}"));
        }
    }
}

/// Reads a substream and its children whole, parent by parent. Goes on after the last parent that an interrupted run did.
pub(crate) async fn walk_substream(
    session: &Session,
    child: &Substream<'_>,
    parents: &[ChildContext],
) -> Result<(), SyncError> {
    let (outputs, state) = (child.outputs(), &session.output.state);
    let Some(owner) = outputs.first().map(|output| output.stream.tap_stream_id) else { return Ok(()) };
    for output in &outputs {
        session.output.begin(output).await?;
    }
    if outputs.iter().all(|output| state.has_read(output.stream.tap_stream_id)) {
        return Ok(());
    }
    let co_read = || outputs.iter().skip(1).map(|output| output.stream.tap_stream_id);
    let progress = state.bookmark(owner).progress.filter(|progress| progress.holds_for(co_read()));
    let last_done = progress.as_ref().and_then(|progress| progress.position.item.as_ref());
    let done = parents.iter().position(|parent| Some(&parent.parent_key) == last_done).map_or(0, |at| at + 1);
    // A parent may have moved before the place since. Then nothing tells which were read.
    let same = progress.as_ref().and_then(|progress| progress.position.list.clone());
    let done = if same == Some(child.done_with(&parents[..done])) { done } else { 0 };
    // The parents that are done were read up to the end that the interrupted run had.
    let now = whole_second(session.client.server_now());
    let end = progress.filter(|_| done > 0).map_or(now, |progress| progress.end);
    child.output.into_iter().for_each(|output| output.expect((parents.len() - done) as u64));
    if done > 0 {
        // What an interrupted run wrote may carry another version, or none.
        for output in &outputs {
            output.may_be_incomplete();
        }
    }
    let late_by = parents.iter().map(|parent| parent.late_by).max().unwrap_or_default();
    child.known.iter().for_each(|known| known.keep_longer(late_by));
    for (nth, parent) in parents.iter().enumerate().skip(done) {
        child.of(session, parent, end).await?;
        let (item, list) = (Some(parent.parent_key.clone()), Some(child.done_with(&parents[..=nth])));
        let position = Position { item, list, ..Position::default() };
        // The position stays before what could not be read: a run that goes on from here tries it again.
        let change = |state: &mut State| {
            child.note_rows(state, None);
            if !outputs.iter().any(|output| output.has_gaps()) {
                let progress = state.progress_mut(owner, end);
                (progress.position, progress.co_read) = (position, co_read().map(str::to_owned).collect());
            }
        };
        state.advance_page(change).await?;
    }
    child.settle(session).await?;
    state.change(|state| child.note_rows(state, Some(end)));
    for output in outputs {
        session.output.finish(output, end).await?;
        info!("{}: {} records", output.stream.tap_stream_id, output.tally().records);
    }
    Ok(())
}
