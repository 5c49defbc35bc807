//! Which of the newest rows the target has already, as they are now. A list is read further back than the bookmark, since
//! rows come late. What has not changed since is neither written nor asked for again.
//!
//! Kept in the bookmark, as fingerprints. A row that is not among them counts as changed.

use std::cell::{Cell, RefCell};
use std::cmp::Reverse;
use std::collections::HashSet;

use chrono::TimeDelta;

use crate::json::fingerprint::fingerprint;
use crate::json::row::Row;
use crate::output::stream::StreamOutput;
use crate::singer::state::State;
use crate::streams::Stream;
use crate::streams::context::key_of;
use crate::sync::session::Session;
use crate::sync::session::starts::reread;
use crate::time::{Time, format_time};

/// Most rows that the state keeps of a stream.
const MOST: usize = 500;

/// The rows of one list that some streams have already.
#[derive(Debug)]
pub(crate) struct KnownRows<'a> {
    outputs: Vec<&'a StreamOutput>,
    /// The stream of the rows.
    stream: &'static Stream,
    /// The fields that count, if not all of the row does.
    fields: Option<&'static [&'static str]>,
    /// Rows that are older are not met again.
    since: Cell<Time>,
    /// How far back from the bookmark the next run reads.
    reread: Cell<TimeDelta>,
    /// Those of earlier runs, newest first.
    before: Vec<String>,
    /// Those that this run has met, with their times.
    met: RefCell<Met>,
}

#[derive(Debug, Default)]
struct Met {
    rows: Vec<Timed>,
    known: HashSet<String>,
}

impl<'a> KnownRows<'a> {
    /// Of the rows of `stream` in whose list `outputs` are read up to `end`. With `fields`, only a change of these counts.
    pub(crate) fn new(
        session: &Session,
        stream: &'static Stream,
        fields: Option<&'static [&'static str]>,
        outputs: Vec<&'a StreamOutput>,
        end: Time,
    ) -> Self {
        let reread = outputs.iter().map(|output| reread(session, output.stream)).max().unwrap_or_default();
        let mut starts = outputs.iter().map(|output| session.output.state.bookmark(output.stream.tap_stream_id).start);
        let since = starts.try_fold(end, |least, start| Some(least.min(start?))).unwrap_or(end);
        let since = back(since, reread);
        let mut noted_before: Option<Vec<String>> = None;
        for output in &outputs {
            let own = if output.full_table { Vec::new() } else { noted(session, output) };
            noted_before = Some(match noted_before {
                None => own,
                Some(mut both) => {
                    both.retain(|row| own.contains(row));
                    both
                }
            });
        }
        let before = noted_before.unwrap_or_default();
        let known = before.iter().cloned().collect();
        let (since, reread) = (Cell::new(since), Cell::new(reread));
        Self { outputs, stream, fields, since, reread, before, met: RefCell::new(Met { rows: Vec::new(), known }) }
    }

    /// The next run reads further back by this much than the table says.
    pub(crate) fn keep_longer(&self, by: TimeDelta) {
        self.since.set(back(self.since.get(), by));
        self.reread.set(self.reread.get().checked_add(&by).unwrap_or(TimeDelta::MAX));
    }

    /// The name of a row as it is now.
    pub(crate) fn name(&self, row: &Row<'_>) -> String {
        let key = key_of(self.stream, row);
        let number = match self.fields {
            None => fingerprint([key.as_str(), row.raw()]),
            Some(fields) => {
                let values: Vec<String> = fields.iter().map(|field| value_of(row, field)).collect();
                fingerprint(std::iter::once(key.as_str()).chain(values.iter().map(String::as_str)))
            }
        };
        format!("{number:016x}")
    }

    /// Whether all the streams have this row.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.met.borrow().known.contains(name)
    }

    /// Notes that they have a row.
    pub(crate) fn note(&self, name: String, time: Option<Time>) {
        if time.is_some_and(|time| time < self.since.get()) {
            return;
        }
        let mut met = self.met.borrow_mut();
        met.known.insert(name.clone());
        met.rows.push((time, name));
        if met.rows.len() >= 2 * MOST {
            keep_newest(&mut met.rows);
        }
    }

    /// Writes them into the bookmarks. With `end` the list was read whole. Then the bookmarks without a gap move there,
    /// and only rows that can be met again are kept.
    pub(crate) fn write(&self, state: &mut State, end: Option<Time>) {
        let mut met = self.met.borrow_mut();
        keep_newest(&mut met.rows);
        for output in &self.outputs {
            let name = output.stream.tap_stream_id;
            if met.rows.is_empty() && !state.bookmarks.contains_key(name) {
                continue;
            }
            let bookmark = state.bookmark_mut(name);
            let end = end.filter(|_| !output.has_gaps());
            let rows = match end {
                Some(end) => newer_than(&met.rows, back(end, self.reread.get())),
                None => joined(&met.rows, &self.before),
            };
            let start = start_name(end.or(bookmark.start));
            bookmark.rows = if rows.is_empty() { Vec::new() } else { std::iter::once(start).chain(rows).collect() };
        }
    }
}

fn back(time: Time, by: TimeDelta) -> Time {
    time.checked_sub_signed(by).unwrap_or(Time::MIN_UTC)
}

type Timed = (Option<Time>, String);

fn newer_than(rows: &[Timed], since: Time) -> Vec<String> {
    let newer = rows.iter().filter(|(time, _)| time.is_none_or(|time| time >= since));
    newer.map(|(_, name)| name.clone()).collect()
}

/// The rows of this run, then those of earlier ones.
fn joined(now: &[Timed], before: &[String]) -> Vec<String> {
    let met: HashSet<&String> = now.iter().map(|(_, name)| name).collect();
    let before = before.iter().filter(|name| !met.contains(name));
    now.iter().map(|(_, name)| name).chain(before).take(MOST).cloned().collect()
}

/// The newest first, and no more than are kept.
fn keep_newest(rows: &mut Vec<Timed>) {
    rows.sort_by_key(|(time, _)| Reverse(*time));
    rows.truncate(MOST);
}

/// The rows in a bookmark, if they were noted for its start. A bookmark that someone has moved has none.
fn noted(session: &Session, output: &StreamOutput) -> Vec<String> {
    let bookmark = session.output.state.bookmark(output.stream.tap_stream_id);
    match bookmark.rows.split_first() {
        Some((start, rows)) if *start == start_name(bookmark.start) => rows.to_vec(),
        _ => Vec::new(),
    }
}

fn start_name(start: Option<Time>) -> String {
    start.map(format_time).unwrap_or_default()
}

/// The raw value of a field, or of a field of an object: `object.field`.
fn value_of(row: &Row<'_>, field: &str) -> String {
    let value = match field.split_once('.') {
        None => row.get(field).map(str::to_owned),
        Some((object, field)) => row.object(object).and_then(|object| object.get(field).map(str::to_owned)),
    };
    value.unwrap_or_default()
}
