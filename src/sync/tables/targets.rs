//! The streams that are read from one root list: the stream itself, and the children that are read with its rows. Writes
//! rows to them, keeps their progress in the state, and moves their bookmarks. Does not know how the list is read.

use std::time::Instant;

use chrono::TimeDelta;
use tracing::{debug, info};

use crate::json::row::Row;
use crate::output::stream::StreamOutput;
use crate::sentry::endpoint::Endpoint;
use crate::sentry::page::Page;
use crate::sentry::request::Request;
use crate::sentry::window::Window;
use crate::singer::pending::Pending;
use crate::singer::progress::Position;
use crate::singer::state::State;
use crate::streams::{Stream, TimeFilter};
use crate::sync::session::Session;
use crate::sync::session::checkpoint::Checkpoint;
use crate::sync::session::error::SyncError;
use crate::sync::session::starts::{asked, still_kept, stream_start, widest_window};
use crate::sync::tables::embedded::EmbeddedChildren;
use crate::sync::tables::joined::Joined;
use crate::sync::tables::known_rows::KnownRows;
use crate::sync::tables::order::{ListOrder, RowTimes};
use crate::time::{Time, whole_second};

/// The streams that are read from one list.
pub(crate) struct Targets<'a> {
    session: &'a Session,
    stream: &'static Stream,
    /// Absent where the stream itself is not written.
    own: Option<&'a StreamOutput>,
    /// The stream itself is written from here on. The window may begin earlier, for its children.
    start: Time,
    known: KnownRows<'a>,
    embedded: EmbeddedChildren<'a>,
    /// From the earliest start of all of them, to now.
    pub(crate) window: Window,
    /// End of the window, as the bookmarks will have it.
    signpost: Time,
    /// When the reading of a table without a window began, until the first answer has told the server's clock.
    began: Option<Instant>,
    /// How far they are. Absent where none of them is written.
    checkpoint: Option<Checkpoint<'a>>,
    /// Projects that came in, if those alone are read.
    joined: Option<&'a Joined<'a>>,
}

impl<'a> Targets<'a> {
    /// Of the outputs that are `left` to be read.
    pub(crate) fn new(session: &'a Session, stream: &'static Stream, left: &[&'a StreamOutput]) -> Self {
        let window = widest_window(session, left);
        let own = left.iter().copied().find(|output| output.stream.tap_stream_id == stream.tap_stream_id);
        let filtered = own.filter(|_| stream.time_filter == TimeFilter::StartEnd);
        let embedded = EmbeddedChildren::new(session, stream, window.end, left);
        let outputs = own.into_iter().chain(embedded.outputs()).collect();
        Self {
            session,
            stream,
            own,
            start: filtered.map_or(Time::MIN_UTC, |output| stream_start(session, output)),
            known: KnownRows::new(session, stream, None, filtered.into_iter().collect(), window.end),
            embedded,
            window,
            signpost: window.end,
            began: Some(Instant::now()).filter(|_| stream.time_filter == TimeFilter::None),
            checkpoint: Checkpoint::of_rows(session, outputs, window.end, asked(session, left)),
            joined: None,
        }
    }

    /// Of what has to be read of projects that came in, up to the bookmarks. These do not move: the projects are as far as
    /// the others then.
    pub(crate) fn of_joined(session: &'a Session, stream: &'static Stream, joined: &'a Joined<'a>) -> Self {
        let targets = Self::new(session, stream, &joined.outputs);
        let Window { start, end } = joined.window;
        let outputs = targets.outputs().collect();
        let checkpoint = Checkpoint::of_rows(session, outputs, end, joined.asked());
        let embedded = targets.embedded.from(start);
        Self { start, embedded, window: joined.window, signpost: end, checkpoint, joined: Some(joined), ..targets }
    }

    /// The request for their rows.
    pub(crate) fn request(&self, endpoint: &'static Endpoint) -> Request {
        let values = self.session.values();
        match self.joined {
            Some(joined) => joined.request(self.session, endpoint, values),
            None => self.session.scope.request(endpoint, values),
        }
    }

    /// The part of a window that the server still has. What it has thrown away of projects that came in was never promised.
    pub(crate) fn still_kept(&self, endpoint: &'static Endpoint, window: Window) -> Window {
        still_kept(self.session, endpoint.limit_group, self.own.filter(|_| self.joined.is_none()), window)
    }

    /// Reckons when the reading began by the server's clock, after the first answer.
    pub(crate) fn learn_the_time(&mut self) {
        if let Some(began) = self.began.take() {
            self.signpost = whole_second(self.session.client.server_now() - began.elapsed());
        }
    }

    /// All outputs. The first is the progress owner.
    pub(crate) fn outputs(&self) -> impl Iterator<Item = &'a StreamOutput> {
        self.own.into_iter().chain(self.embedded.outputs())
    }

    fn is_filtered(&self) -> bool {
        self.stream.time_filter == TimeFilter::StartEnd
    }

    /// Names of what earlier runs could not read below rows that the list will not show in this run: those that are older
    /// than its window, and those that an interrupted run has come past.
    pub(crate) fn left_by_earlier_runs(&self) -> Vec<Pending> {
        let is_half_read = self.checkpoint.as_ref().is_some_and(|checkpoint| checkpoint.left().is_some());
        self.embedded.pending(is_half_read)
    }

    /// Takes over the progress of an interrupted run that was asked for the same. Returns the end of what it has left;
    /// `None` if there is no such progress.
    pub(crate) fn resume(&mut self) -> Option<Time> {
        let checkpoint = self.checkpoint.as_ref()?;
        let progress = checkpoint.left()?;
        let until = progress.position.until?;
        debug!("{}: going on where an earlier run was interrupted", self.stream.tap_stream_id);
        self.signpost = progress.end;
        self.checkpoint = Some(checkpoint.clone().up_to(progress.end));
        Some((until + TimeDelta::seconds(1)).min(self.signpost))
    }

    /// Writes the rows of a page that the stream itself has to have, with their times.
    pub(crate) async fn write(&self, page: &Page, rows: &[(Row<'_>, RowTimes)]) -> Result<(), SyncError> {
        let Some(output) = self.own else { return Ok(()) };
        let (mut batch, mut met, gaps) = (output.batch(page.size()), Vec::new(), output.gaps());
        for (row, times) in rows.iter().filter(|(_, times)| times.latest().is_none_or(|time| time >= self.start)) {
            let name = self.is_filtered().then(|| self.known.name(row));
            if !name.as_ref().is_some_and(|name| self.known.has(name)) {
                batch.push_derived(row, &self.session.values(), Vec::new());
            }
            met.extend(name.map(|name| (name, times.latest())));
        }
        self.session.output.send(batch).await?;
        if output.gaps() == gaps {
            for (name, time) in met {
                self.known.note(name, time);
            }
        }
        Ok(())
    }

    /// Reads the embedded children of each row, one after the other, and saves the position after each. Without an order
    /// there is none.
    pub(crate) async fn read_embedded(
        &self,
        rows: &[(Row<'_>, RowTimes)],
        order: Option<&ListOrder>,
    ) -> Result<(), SyncError> {
        for (nth, (row, times)) in rows.iter().enumerate() {
            self.embedded.of(row).await?;
            if self.embedded.outputs().next().is_some() || nth + 1 == rows.len() {
                self.advance_to(order.and_then(|order| order.watermark(*times))).await?;
            }
        }
        Ok(())
    }

    async fn advance_to(&self, until: Option<Time>) -> Result<(), SyncError> {
        let position = |until: Time| Position { until: Some(until), ..Position::default() };
        let position = until.filter(|_| self.is_filtered()).map(position);
        if let Some(checkpoint) = &self.checkpoint {
            checkpoint.advance_to(position, |state| self.note_rows(state, None)).await?;
        }
        Ok(())
    }

    /// Erases the progress: it was made from an order that the list does not keep to.
    pub(crate) fn forget_progress(&self) {
        self.checkpoint.iter().for_each(Checkpoint::forget_progress);
    }

    fn note_rows(&self, state: &mut State, end: Option<Time>) {
        if self.is_filtered() {
            self.known.write(state, end);
            self.embedded.note_rows(state, end);
        }
    }

    /// Moves the bookmarks of those without a gap to the end of the window, or lets them cover the projects that came in.
    pub(crate) async fn finish(&self) -> Result<(), SyncError> {
        self.embedded.settle().await?;
        if let Some(joined) = self.joined {
            let change = |state: &mut State| {
                self.note_rows(state, None);
                joined.finish(state);
            };
            return Ok(self.session.output.state.advance(change).await?);
        }
        self.session.output.state.change(|state| self.note_rows(state, Some(self.signpost)));
        for output in self.outputs() {
            self.session.finish(output, self.signpost).await?;
            info!("{}: {} records", output.stream.tap_stream_id, output.tally().records);
        }
        Ok(())
    }
}
