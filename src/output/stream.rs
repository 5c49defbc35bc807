//! The output of one selected stream: its SCHEMA, its records in batches, and their tally.
//!
//! Knows the stream's row in the table, and the messages. Knows neither the state nor stdout.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use anyhow::Result;
use chrono::Utc;
use tracing::warn;

use crate::catalog::discover::{self, ORGANIZATION_SLUG};
use crate::catalog::select::Options;
use crate::json::row::Row;
use crate::json::text;
use crate::output::accepted::accepts;
use crate::sentry::endpoint::PathValues;
use crate::singer::catalog::Catalog;
use crate::singer::message;
use crate::singer::projection::{Notes, Projection, RecordWriter};
use crate::singer::selection::select_properties;
use crate::streams::derive::added_fields;
use crate::streams::stream::Stream;

/// What a run has written and skipped of one stream.
#[derive(Debug, Default, Clone)]
pub(crate) struct Tally {
    /// Records written.
    pub(crate) records: u64,
    /// Records that are expected, if known.
    pub(crate) expected: Option<u64>,
    /// What was left out, converted or repaired.
    pub(crate) notes: Notes,
    /// Number of rows or parents that were skipped, by reason.
    pub(crate) skipped: BTreeMap<String, u64>,
    /// Parts that could not be read. Each is a gap of the run.
    pub(crate) gaps: Vec<Gap>,
}

/// A part that could not be read.
#[derive(Debug, Clone)]
pub(crate) struct Gap {
    /// What it is, without the stream's name.
    pub(crate) what: String,
    /// Whether the user accepts it. Then it does not fail the run; the bookmark stays all the same.
    pub(crate) is_accepted: bool,
    /// Whether the state says otherwise what is missing. Then the bookmark moves on.
    is_kept: bool,
}

/// One selected stream: how its records are made, and their tally.
#[derive(Debug)]
pub(crate) struct StreamOutput {
    /// The stream's row in the table of streams.
    pub(crate) stream: &'static Stream,
    /// Whether the catalog asks for the full table of an incremental stream.
    pub(crate) full_table: bool,
    /// The slug of the organization, as JSON, if the run reads several.
    organization: Option<String>,
    /// Version of the rows of a full table, in milliseconds. With it, targets learn which rows are gone.
    version: OnceLock<i64>,
    /// Whether rows may be missing although no gap is known.
    incomplete: AtomicBool,
    /// Beginnings of gaps that the user accepts.
    accepted: Vec<String>,
    projection: Projection,
    schema: Mutex<Option<Vec<u8>>>,
    tally: Mutex<Tally>,
}

/// Records of one page, for one write.
#[derive(Debug)]
pub(crate) struct Batch<'a> {
    output: &'a StreamOutput,
    start: Vec<u8>,
    lines: Vec<u8>,
    records: u64,
    writer: RecordWriter<'a>,
}

impl StreamOutput {
    /// Prepares a stream. An error means that its schema file is broken.
    pub(crate) fn new(stream: &'static Stream, catalog: Option<&Catalog>, options: &Options) -> Result<Self> {
        let several = options.organization.is_some();
        let ours = if several { discover::entry_of_several(stream) } else { discover::entry(stream) }?;
        let selected = catalog.and_then(|catalog| catalog.entry(stream.tap_stream_id));
        let entry = selected.unwrap_or(&ours).clone();
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
        let (incomplete, accepted) = (AtomicBool::new(false), options.accepted_gaps.clone());
        Ok(Self { stream, full_table, organization, version, incomplete, accepted, projection, schema, tally })
    }

    /// Whether records have this field.
    pub(crate) fn selects(&self, field: &str) -> bool {
        self.projection.selects(field)
    }

    /// Begins a batch of records that were read now. `bytes` is about the size of their rows.
    pub(crate) fn batch(&self, bytes: usize) -> Batch<'_> {
        let start = message::record_start(self.stream.tap_stream_id, Utc::now(), self.version.get().copied());
        let lines = Vec::with_capacity(bytes + bytes / 4);
        Batch { output: self, start, lines, records: 0, writer: self.projection.writer() }
    }

    /// The SCHEMA line; `None` after it was taken.
    pub(crate) fn schema(&self) -> Option<Vec<u8>> {
        lock(&self.schema).clone()
    }

    /// Takes the SCHEMA line, to write it; `None` if it was taken before.
    pub(crate) fn take_schema(&self) -> Option<Vec<u8>> {
        lock(&self.schema).take()
    }

    /// Sets the version of the records, in milliseconds, unless they have one.
    pub(crate) fn set_version(&self, version: i64) {
        self.version.get_or_init(|| version);
    }

    /// The version of the rows, if they have one and none may be missing.
    pub(crate) fn complete_version(&self) -> Option<i64> {
        self.version.get().copied().filter(|_| !self.incomplete.load(Ordering::Relaxed))
    }

    /// Adds to the records that are expected.
    pub(crate) fn expect(&self, records: u64) {
        *lock(&self.tally).expected.get_or_insert_default() += records;
    }

    /// Notes that rows of this version may be missing. Then the target does not learn which rows are gone.
    pub(crate) fn may_be_incomplete(&self) {
        self.incomplete.store(true, Ordering::Relaxed);
    }

    /// Counts a row or parent that is skipped. What is skipped does not show which rows are gone.
    pub(crate) fn skip(&self, reason: impl Into<String>) {
        self.may_be_incomplete();
        *lock(&self.tally).skipped.entry(reason.into()).or_default() += 1;
    }

    /// Whether something was skipped for this reason already.
    pub(crate) fn has_skipped(&self, reason: &str) -> bool {
        lock(&self.tally).skipped.contains_key(reason)
    }

    /// Notes and logs a part that could not be read.
    pub(crate) fn gap(&self, what: impl Into<String>) {
        self.add_gap(what.into(), false, false);
    }

    /// Notes and logs a part that could not be read, and that the state keeps: by its name, or as a project that the
    /// bookmark does not cover. The next run reads it whatever the bookmark says.
    pub(crate) fn kept_gap(&self, what: impl Into<String>) {
        self.may_be_incomplete();
        self.add_gap(what.into(), false, true);
    }

    /// Adds a gap, which is accepted if the user names it, or if it `follows` from accepted ones.
    fn add_gap(&self, what: String, follows: bool, is_kept: bool) {
        let text = format!("{}: {what}", self.stream.tap_stream_id);
        let is_accepted = follows || self.accepted.iter().any(|entry| accepts(entry, &text));
        warn!("{text}{}", if is_accepted { " (accepted)" } else { "" });
        lock(&self.tally).gaps.push(Gap { what, is_accepted, is_kept });
    }

    /// How many parts could not be read so far, apart from those that the state keeps.
    pub(crate) fn gaps(&self) -> usize {
        lock(&self.tally).gaps.iter().filter(|gap| !gap.is_kept).count()
    }

    /// How many parts could not be read so far, with those that the state keeps.
    pub(crate) fn all_gaps(&self) -> usize {
        lock(&self.tally).gaps.len()
    }

    /// Notes that the state keeps what was missing after the first `number` of all gaps: the bookmark moves on.
    pub(crate) fn keep_gaps_after(&self, number: usize) {
        self.may_be_incomplete();
        lock(&self.tally).gaps.iter_mut().skip(number).for_each(|gap| gap.is_kept = true);
    }

    /// Whether rows may be missing, known or not.
    pub(crate) fn is_doubtful(&self) -> bool {
        self.incomplete.load(Ordering::Relaxed) || self.has_gaps()
    }

    /// Fields with values of which none had its declared type.
    pub(crate) fn misfits(&self) -> Vec<String> {
        let tally = self.tally();
        tally.notes.unreadable.into_keys().filter(|name| !self.projection.has_fitted(name)).collect()
    }

    /// Takes over what is in doubt or missing of the stream above: its rows are the parents of these.
    pub(crate) fn inherit(&self, parent: &Self) {
        if parent.is_doubtful() {
            self.may_be_incomplete();
        }
        if parent.has_gaps() && !self.has_gaps() {
            let what = format!("{}, whose rows it is read below, has a gap", parent.stream.tap_stream_id);
            self.add_gap(what, parent.tally().gaps.iter().filter(|gap| !gap.is_kept).all(|gap| gap.is_accepted), false);
        }
    }

    /// Notes and logs a part that could not be read, unless it was noted before.
    pub(crate) fn gap_once(&self, what: &str) {
        if !lock(&self.tally).gaps.iter().any(|gap| gap.what == what) {
            self.gap(what);
        }
    }

    /// Whether a part could not be read that the state does not keep: the bookmark must stay.
    pub(crate) fn has_gaps(&self) -> bool {
        self.gaps() > 0
    }

    /// A copy of the tally so far.
    pub(crate) fn tally(&self) -> Tally {
        lock(&self.tally).clone()
    }
}

impl Batch<'_> {
    /// Adds the record of a row. `overrides` are names and JSON values. A row without its key cannot be written, and is
    /// noted as a gap.
    pub(crate) fn push(&mut self, row: &Row<'_>, overrides: &[(&str, &str)]) {
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

    /// Adds the record of a row, with the fields that the stream's table row adds, and with `more` fields as JSON.
    pub(crate) fn push_derived(&mut self, row: &Row<'_>, context: &PathValues, mut more: Vec<(&'static str, String)>) {
        more.extend(added_fields(self.output.stream, row, context));
        let overrides: Vec<(&str, &str)> = more.iter().map(|(name, value)| (*name, value.as_str())).collect();
        self.push(row, &overrides);
    }

    /// The output of the records' stream.
    pub(crate) fn output(&self) -> &StreamOutput {
        self.output
    }

    /// Takes the lines, to queue them.
    pub(crate) fn take_lines(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.lines)
    }

    /// Adds the records to the stream's tally. Warns once of each field that is left out.
    pub(crate) fn count(self) {
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
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
