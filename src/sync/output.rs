//! What goes to the target: SCHEMA once per stream, records in batches, STATE after what it vouches for.
//!
//! Bookmarks change only here, under one lock that is held until the STATE line is queued, so no older state can
//! follow a newer one. Knows streams and messages, not Sentry.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Result;
use chrono::Utc;
use tracing::warn;

use crate::discover::{self, ORGANIZATION_SLUG};
use crate::json::row::Row;
use crate::json::text;
use crate::singer::catalog::Catalog;
use crate::singer::message;
use crate::singer::projection::{Notes, Projection, RecordWriter};
use crate::singer::selection::select_properties;
use crate::singer::state::{Bookmark, State};
use crate::singer::states::States;
use crate::singer::writer::{OutputClosed, Writer};
use crate::streams::Stream;
use crate::sync::choice::{Options, selected_streams};
use crate::time::Time;

/// Longest time between STATE lines while records are written.
const STATE_INTERVAL: Duration = Duration::from_secs(2);
/// Records weigh at least this many times as much as the STATE lines between them, so that a state of a thousand
/// projects does not drown them; a small state follows every page.
const STATE_SHARE: u64 = 4;

/// What one stream came to in a run.
#[derive(Debug, Default, Clone)]
pub struct Tally {
    /// Records written.
    pub records: u64,
    /// Records that are expected, where that is known.
    pub expected: Option<u64>,
    /// What was left out, converted or repaired.
    pub notes: Notes,
    /// Rows or parents passed over, by reason.
    pub skipped: BTreeMap<String, u64>,
    /// Parts that could not be read: the run ends with a gap.
    pub gaps: Vec<String>,
}

/// One selected stream: how its records are made, and what they came to.
#[derive(Debug)]
pub struct StreamOutput {
    /// The table's row.
    pub stream: &'static Stream,
    /// Whether the catalog asks for the whole table although the stream is incremental.
    pub full_table: bool,
    /// The organization that records are of, as JSON, where there are several.
    organization: Option<String>,
    /// Of the rows of a full table, where targets shall be told which are gone.
    version: OnceLock<i64>,
    /// Whether rows may be missing without a gap being known.
    doubtful: AtomicBool,
    projection: Projection,
    schema: Mutex<Option<Vec<u8>>>,
    tally: Mutex<Tally>,
}

/// All selected streams, the state and the way to stdout.
#[derive(Debug)]
pub struct Output {
    writer: Writer,
    state: tokio::sync::Mutex<StateKeeper>,
    streams: BTreeMap<&'static str, StreamOutput>,
    /// Their names in the order of the table.
    order: Vec<&'static str>,
    /// Bytes of records queued since the last STATE.
    unvouched: AtomicU64,
}

#[derive(Debug)]
struct StateKeeper {
    states: States,
    written: Option<Instant>,
    /// Length of the last STATE line.
    last_size: u64,
}

/// Records of one page, on their way into one write.
#[derive(Debug)]
pub struct Batch<'a> {
    output: &'a StreamOutput,
    start: Vec<u8>,
    lines: Vec<u8>,
    records: u64,
    writer: RecordWriter<'a>,
}

impl Output {
    /// Prepares every stream that the catalog (or, without one, the default) selects.
    pub fn new(writer: Writer, states: States, catalog: Option<&Catalog>, options: &Options) -> Result<Self> {
        let (mut selected, mut order) = (BTreeMap::new(), Vec::new());
        for stream in selected_streams(catalog, options) {
            order.push(stream.tap_stream_id);
            let output = StreamOutput::new(stream, catalog, options)?;
            selected.insert(stream.tap_stream_id, output);
        }
        let state = tokio::sync::Mutex::new(StateKeeper { states, written: None, last_size: 0 });
        Ok(Self { writer, state, streams: selected, order, unvouched: AtomicU64::new(0) })
    }

    /// The states, when nothing more is to be read.
    pub fn into_states(self) -> States {
        self.state.into_inner().states
    }

    /// A stream's output, if it is selected.
    pub fn stream(&self, tap_stream_id: &str) -> Option<&StreamOutput> {
        self.streams.get(tap_stream_id)
    }

    /// All selected streams.
    pub fn streams(&self) -> impl Iterator<Item = &StreamOutput> {
        self.order.iter().filter_map(|name| self.streams.get(name))
    }

    /// Queues lines.
    pub async fn write(&self, lines: Vec<u8>) -> Result<(), OutputClosed> {
        self.unvouched.fetch_add(lines.len() as u64, Ordering::Relaxed);
        self.writer.write(lines).await
    }

    /// Writes the stream's SCHEMA, once, and says in the state that it is being synced.
    pub async fn begin(&self, output: &StreamOutput) -> Result<(), OutputClosed> {
        let schema = lock(&output.schema).take();
        if let Some(schema) = schema {
            self.writer.write(schema).await?;
            self.state.lock().await.states.current.currently_syncing = Some(output.stream.tap_stream_id.to_owned());
        }
        Ok(())
    }

    /// Whether this run, or an interrupted one that it continues, has read the whole of a full table.
    pub async fn has_read(&self, tap_stream_id: &str) -> bool {
        self.state.lock().await.states.current.run.as_ref().is_some_and(|run| run.done.contains(tap_stream_id))
    }

    /// A copy of a stream's bookmark.
    pub async fn bookmark(&self, tap_stream_id: &str) -> Bookmark {
        self.state.lock().await.states.current.bookmark(tap_stream_id)
    }

    /// Gives the rows of full tables a version: when the run began.
    pub async fn set_versions(&self) {
        let Some(began) = self.state.lock().await.states.current.run.as_ref().map(|run| run.began) else { return };
        for output in self.streams().filter(|output| output.stream.replication_key().is_none()) {
            output.version.get_or_init(|| began.timestamp_millis());
        }
    }

    /// Changes the state; the next STATE line says it.
    pub async fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().await.states.current);
    }

    /// Changes the state and writes it: what it vouches for must have been queued before.
    pub async fn advance(&self, change: impl FnOnce(&mut State)) -> Result<(), OutputClosed> {
        let mut keeper = self.state.lock().await;
        change(&mut keeper.states.current);
        self.write_state(&mut keeper).await
    }

    /// Moves the bookmark of a stream that was read whole up to `end`. What has a gap is read again from its bookmark on.
    pub async fn finish(&self, output: &StreamOutput, end: Time) -> Result<(), OutputClosed> {
        let name = output.stream.tap_stream_id;
        if output.has_gaps() {
            let forget = |state: &mut State| {
                state.bookmarks.get_mut(name).into_iter().for_each(|bookmark| bookmark.progress = None);
            };
            self.change(forget).await;
            return Ok(());
        }
        if let Some(version) = output.version.get().filter(|_| !output.doubtful.load(Ordering::Relaxed)) {
            self.writer.write(message::activate_version_line(name, *version)).await?;
        }
        self.advance(|state| {
            let bookmark = state.bookmark_mut(name);
            bookmark.start = Some(end);
            bookmark.progress = None;
            if let (Some(run), None) = (&mut state.run, output.stream.replication_key()) {
                run.done.insert(name.to_owned());
            }
        })
        .await
    }

    /// As `advance`, for one page: writes unless STATE lines would outweigh the records.
    pub async fn advance_page(&self, change: impl FnOnce(&mut State)) -> Result<(), OutputClosed> {
        let mut keeper = self.state.lock().await;
        change(&mut keeper.states.current);
        let light = keeper.last_size * STATE_SHARE <= self.unvouched.load(Ordering::Relaxed);
        let due = keeper.written.is_none_or(|written| written.elapsed() >= STATE_INTERVAL);
        if light || due { self.write_state(&mut keeper).await } else { Ok(()) }
    }

    async fn write_state(&self, keeper: &mut StateKeeper) -> Result<(), OutputClosed> {
        let line = message::state_line(&keeper.states);
        keeper.written = Some(Instant::now());
        keeper.last_size = line.len() as u64;
        self.unvouched.store(0, Ordering::Relaxed);
        self.writer.write(line).await
    }
}

impl StreamOutput {
    fn new(stream: &'static Stream, catalog: Option<&Catalog>, options: &Options) -> Result<Self> {
        let several = options.organization.is_some();
        let ours = if several { discover::entry_of_several(stream) } else { discover::entry(stream) }?;
        let wished = catalog.and_then(|catalog| catalog.entry(stream.tap_stream_id));
        let entry = wished.unwrap_or(&ours).clone();
        let full_table = stream.replication_key().is_some() && entry.replication_method() == Some("FULL_TABLE");
        let entry = entry.completed_by(&ours);
        let declared: Vec<String> = entry.properties().map(|(name, _)| name.clone()).collect();
        let keys: Vec<&str> = ours.key_properties.iter().map(String::as_str).collect();
        let automatic: Vec<&str> = keys.iter().copied().chain(stream.replication_key()).collect();
        let (schema, kept) = select_properties(&entry.schema, &entry, &automatic);
        let projection = Projection::new(&schema, declared, kept, &keys, options.keep_unknown);
        let line = message::schema_line(stream.tap_stream_id, &schema, &keys, stream.replication_key());
        let organization = options.organization.as_deref().map(text::quote);
        let (schema, tally, version) = (Mutex::new(Some(line)), Mutex::default(), OnceLock::new());
        let doubtful = AtomicBool::new(false);
        Ok(Self { stream, full_table, organization, version, doubtful, projection, schema, tally })
    }

    /// Whether records carry this field.
    pub fn selects(&self, field: &str) -> bool {
        self.projection.selects(field)
    }

    /// Begins a batch of records that were read now. `bytes` is about how much is read of.
    pub fn batch(&self, bytes: usize) -> Batch<'_> {
        let start = message::record_start(self.stream.tap_stream_id, Utc::now(), self.version.get().copied());
        let lines = Vec::with_capacity(bytes + bytes / 4);
        Batch { output: self, start, lines, records: 0, writer: self.projection.writer() }
    }

    /// The SCHEMA line, until it has been written.
    pub fn schema(&self) -> Option<Vec<u8>> {
        lock(&self.schema).clone()
    }

    /// Says that so many records more are to be expected.
    pub fn expect(&self, records: u64) {
        *lock(&self.tally).expected.get_or_insert_default() += records;
    }

    /// Notes that rows of this version may be missing: then nothing is said of rows that are gone.
    pub fn doubt(&self) {
        self.doubtful.store(true, Ordering::Relaxed);
    }

    /// Counts something that was passed over.
    pub fn skip(&self, reason: impl Into<String>) {
        *lock(&self.tally).skipped.entry(reason.into()).or_default() += 1;
    }

    /// Notes a part that could not be read.
    pub fn gap(&self, what: impl Into<String>) {
        let what = what.into();
        warn!("{}: {what}", self.stream.tap_stream_id);
        lock(&self.tally).gaps.push(what);
    }

    /// Whether a part could not be read so far.
    pub fn has_gaps(&self) -> bool {
        !lock(&self.tally).gaps.is_empty()
    }

    /// What the stream has come to so far.
    pub fn tally(&self) -> Tally {
        lock(&self.tally).clone()
    }
}

impl Batch<'_> {
    /// Adds the record of a row. A row without its key cannot be written: it is a gap, not a silence.
    pub fn push(&mut self, row: &Row<'_>, overrides: &[(&str, &str)]) {
        let before = self.lines.len();
        self.lines.extend_from_slice(&self.start);
        let written = match &self.output.organization {
            None => self.writer.write(&mut self.lines, row, overrides),
            Some(own) => {
                let others = overrides.iter().filter(|(name, _)| *name != ORGANIZATION_SLUG);
                let overrides: Vec<_> = others.copied().chain([(ORGANIZATION_SLUG, own.as_str())]).collect();
                self.writer.write(&mut self.lines, row, &overrides)
            }
        };
        match written {
            Ok(()) => {
                self.lines.extend_from_slice(message::RECORD_END);
                self.records += 1;
            }
            Err(missing) => {
                self.lines.truncate(before);
                self.output.gap(format!("a row without its key {}", missing.0));
            }
        }
    }

    /// Bytes collected so far.
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Whether nothing was collected.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Queues the records.
    pub async fn send(self, output: &Output) -> Result<(), OutputClosed> {
        output.begin(self.output).await?;
        output.write(self.lines).await?;
        let mut tally = lock(&self.output.tally);
        let notes = &self.writer.notes;
        for name in notes.dropped.keys().filter(|name| !tally.notes.dropped.contains_key(*name)) {
            warn!(
                "{}: the field {name:?} is not in the schema and is left out (unknown_fields: keep passes it on)",
                self.output.stream.tap_stream_id
            );
        }
        tally.records += self.records;
        tally.notes.add(notes);
        Ok(())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
