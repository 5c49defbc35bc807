//! Writes to the target: SCHEMA once per stream, records in batches, STATE after the records that it covers.
//!
//! Knows streams and messages, not how Sentry is read.

pub(crate) mod accepted;
pub(crate) mod state_writer;
pub(crate) mod stream;

use std::collections::BTreeMap;

use anyhow::Result;

use crate::catalog::select::{Options, selected_streams};
use crate::output::state_writer::StateWriter;
use crate::output::stream::{Batch, StreamOutput};
use crate::singer::catalog::Catalog;
use crate::singer::message;
use crate::singer::state::{Bookmark, State};
use crate::singer::states::States;
use crate::singer::writer::{OutputClosed, Writer};
use crate::streams;
use crate::time::Time;

/// All selected streams, the state, and the queue to stdout.
#[derive(Debug)]
pub(crate) struct Output {
    writer: Writer,
    /// The state, and the STATE lines.
    pub(crate) state: StateWriter,
    streams: BTreeMap<&'static str, StreamOutput>,
    /// Names of the streams, in the order of the table.
    order: Vec<&'static str>,
}

impl Output {
    /// Prepares every stream that the catalog selects; without a catalog, those selected by default. An error means
    /// that a schema file is broken.
    pub(crate) fn new(writer: Writer, states: States, catalog: Option<&Catalog>, options: &Options) -> Result<Self> {
        let (mut streams, mut order) = (BTreeMap::new(), Vec::new());
        for stream in selected_streams(catalog, options) {
            order.push(stream.tap_stream_id);
            streams.insert(stream.tap_stream_id, StreamOutput::new(stream, catalog, options)?);
        }
        let state = StateWriter::new(writer.clone(), states);
        Ok(Self { writer, state, streams, order })
    }

    /// The output of a stream; `None` if it is not selected.
    pub(crate) fn stream(&self, tap_stream_id: &str) -> Option<&StreamOutput> {
        self.streams.get(tap_stream_id)
    }

    /// All selected streams, in the order of the table.
    pub(crate) fn streams(&self) -> impl Iterator<Item = &StreamOutput> {
        self.order.iter().filter_map(|name| self.streams.get(name))
    }

    /// Notes that rows of any stream may be missing.
    pub(crate) fn may_be_incomplete(&self) {
        self.streams().for_each(StreamOutput::may_be_incomplete);
    }

    /// Writes the stream's SCHEMA, and notes in the state that it is being synced. Does nothing the second time.
    pub(crate) async fn begin(&self, output: &StreamOutput) -> Result<(), OutputClosed> {
        if let Some(schema) = output.take_schema() {
            self.writer.write(schema).await?;
            self.state.change(|state| state.currently_syncing = Some(output.stream.tap_stream_id.to_owned()));
        }
        Ok(())
    }

    /// Queues the records of a batch, after the stream's SCHEMA.
    pub(crate) async fn send(&self, mut batch: Batch<'_>) -> Result<(), OutputClosed> {
        self.begin(batch.output()).await?;
        let lines = batch.take_lines();
        self.state.note_uncovered(lines.len());
        self.writer.write(lines).await?;
        batch.count();
        Ok(())
    }

    /// Gives the rows of full tables a version: the time when the run began, in milliseconds.
    pub(crate) fn set_versions(&self) {
        let Some(began) = self.state.read(|state| state.run.as_ref().map(|run| run.began)) else { return };
        for output in self.streams().filter(|output| output.stream.replication_key().is_none()) {
            output.set_version(began.timestamp_millis());
        }
    }

    /// Moves the bookmark of a stream to `end`, after all of it was read, and says with `describe` what it covers. If the
    /// stream has a gap, the bookmark stays, and the next run reads again from there.
    pub(crate) async fn finish(
        &self,
        output: &StreamOutput,
        end: Time,
        describe: impl FnOnce(&mut Bookmark),
    ) -> Result<(), OutputClosed> {
        let name = output.stream.tap_stream_id;
        for parent in streams::line(output.stream).skip(1).filter_map(|parent| self.stream(parent.tap_stream_id)) {
            output.inherit(parent);
        }
        // The table's types are laws of their own. Those of a query come from the server or from an older catalog.
        for column in output.misfits().into_iter().filter(|_| streams::find(name).is_none()) {
            output.gap(format!(
                "no value of the column {column} has the type that the catalog or the server gave: run --discover again"
            ));
        }
        if output.has_gaps() {
            let forget = |state: &mut State| {
                state.bookmarks.get_mut(name).into_iter().for_each(|bookmark| bookmark.progress = None);
            };
            self.state.change(forget);
            return Ok(());
        }
        if let Some(version) = output.complete_version() {
            self.writer.write(message::activate_version_line(name, version)).await?;
        }
        let finished = |state: &mut State| {
            let bookmark = state.bookmark_mut(name);
            bookmark.start = Some(end);
            bookmark.progress = None;
            describe(bookmark);
            if let (Some(run), None) = (&mut state.run, output.stream.replication_key()) {
                run.done.insert(name.to_owned());
            }
        };
        self.state.advance(finished).await
    }
}
