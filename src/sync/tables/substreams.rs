//! Streams with an endpoint below each row of their parent: objects or lists, read one request at a time in the order of
//! the parent's rows.

use std::collections::BTreeSet;
use std::pin::Pin;

use tracing::info;

use crate::json::row::Row;
use crate::output::stream::StreamOutput;
use crate::sentry::endpoint::Endpoint;
use crate::sentry::page::Page;
use crate::sentry::pages::Pages;
use crate::sentry::window::Window;
use crate::singer::progress::Position;
use crate::singer::state::State;
use crate::streams::context::ChildContext;
use crate::streams::{self, Source, Stream, TimeFilter};
use crate::sync::session::Session;
use crate::sync::session::error::SyncError;
use crate::sync::session::starts::{asked, stream_start};
use crate::sync::session::tolerance::tolerate_part;
use crate::sync::tables::joined::{beginning, joined};
use crate::time::{Time, whole_second};

/// A stream that is read once for each row of its parent, with its own children.
#[derive(Debug)]
pub(crate) struct Substream<'a> {
    stream: &'static Stream,
    endpoint: &'static Endpoint,
    /// Absent if only its children are selected.
    output: Option<&'a StreamOutput>,
    /// Rows are wanted from this second on. Absent if the server does not filter by time.
    start: Option<Time>,
    /// Projects whose rows the bookmark does not cover. They are wanted from `start_date` on.
    joined: BTreeSet<String>,
    below: Vec<Substream<'a>>,
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
            Some(Self { stream, endpoint, output, start, joined, below: Self::below(session, stream) })
        };
        wanted.filter_map(one).collect()
    }

    /// The selected streams among this one and its children.
    pub(crate) fn outputs(&self) -> Vec<&'a StreamOutput> {
        self.output.into_iter().chain(self.below.iter().flat_map(Self::outputs)).collect()
    }

    /// Reads and writes the rows of one parent. What is gone or broken is counted, and the rest is read.
    pub(crate) fn of<'b>(
        &'b self,
        session: &'b Session,
        parent: &'b ChildContext,
        end: Time,
    ) -> Pin<Box<dyn Future<Output = Result<(), SyncError>> + 'b>> {
        Box::pin(async move {
            let result = self.pages(session, parent, end).await;
            tolerate_part(&self.outputs(), result).map(drop)
        })
    }

    async fn pages(&self, session: &Session, parent: &ChildContext, end: Time) -> Result<(), SyncError> {
        let window = self.start_below(session, parent).map(|start| Window { start, end });
        let mut request = session.scope.request(self.endpoint, parent.values.clone());
        match window {
            Some(window) if window.is_empty() => return Ok(()),
            Some(window) => request = request.within(window),
            None => {}
        }
        let mut pages = Pages::new(&session.client, request);
        while let Some(page) = pages.next().await? {
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
        if page.is_cut() {
            self.outputs().into_iter().for_each(StreamOutput::may_be_incomplete);
        }
        let (mut batch, mut contexts) = (self.output.map(|output| output.batch(page.size())), Vec::new());
        for row in page.rows() {
            let Some(row) = row else {
                self.outputs().into_iter().for_each(|output| output.gap("a row that is no object"));
                continue;
            };
            if !window.is_none_or(|window| self.lies_in(window, &row)) {
                continue;
            }
            if let Some(batch) = &mut batch {
                batch.push_derived(&row, &parent.values, Vec::new());
            }
            match ChildContext::read(self.stream, &row, &parent.values) {
                _ if self.below.is_empty() => {}
                Ok(context) => contexts.push(context),
                Err(field) => self.lacks(field),
            }
        }
        if let Some(batch) = batch {
            session.output.send(batch).await?;
        }
        Ok(contexts)
    }

    /// Where the rows of one parent are wanted from. A parent that names no project may be of one that came in.
    fn start_below(&self, session: &Session, parent: &ChildContext) -> Option<Time> {
        let known = self.joined.is_empty() || parent.project.as_ref().is_some_and(|id| !self.joined.contains(id));
        if known { self.start } else { self.start.map(|_| beginning(session)) }
    }

    /// Whether a row is in the window. A row without a time is taken to be.
    fn lies_in(&self, window: Window, row: &Row<'_>) -> bool {
        let time = self.stream.replication_key().and_then(|key| Window::second_of(row.text(key).as_deref()));
        time.is_none_or(|time| window.contains(time))
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
    let asked = asked(session, &outputs);
    let progress = state.bookmark(owner).progress.filter(|progress| progress.is_for(&asked));
    let last_done = progress.as_ref().and_then(|progress| progress.position.item.as_ref());
    let done = parents.iter().position(|parent| Some(&parent.parent_key) == last_done).map_or(0, |at| at + 1);
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
    for parent in &parents[done..] {
        child.of(session, parent, end).await?;
        let position = Position { item: Some(parent.parent_key.clone()), ..Position::default() };
        // The position stays before what could not be read: a run that goes on from here tries it again.
        let change = |state: &mut State| {
            if !outputs.iter().any(|output| output.has_gaps()) {
                let progress = state.progress_mut(owner, end);
                (progress.position, progress.co_read) = (position, co_read().map(str::to_owned).collect());
                progress.asked.clone_from(&asked);
            }
        };
        state.advance_page(change).await?;
    }
    for output in outputs {
        session.finish(output, end).await?;
        info!("{}: {} records", output.stream.tap_stream_id, output.tally().records);
    }
    Ok(())
}
