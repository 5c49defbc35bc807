//! The types of the table: what a row says of its stream. The streams are in `rows/`; `sync` knows how to read them.

use chrono::TimeDelta;

use crate::sentry::endpoint::Endpoint;

/// How a stream is replicated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replication {
    /// Read whole in every run.
    FullTable,
    /// Read from the bookmark on.
    Incremental {
        /// Replication key: the property that holds a record's time.
        key: &'static str,
    },
}

/// Where a stream's rows come from.
#[derive(Debug)]
pub enum Source {
    /// An endpoint. With a parent stream: the endpoint once for each row of the parent, one request at a time.
    Endpoint(Endpoint),
    /// The parent's row, with lists that belong to it put into the record. One row at a time.
    ParentRow(&'static [Embed]),
    /// The scan of the organization's issues (`sync/issues/`).
    Issues,
    /// Events of the issues that the scan found changed (`sync/events/`).
    Events,
    /// Rows embedded in the events that are kept; the steps lead to them (`extract.rs`). Needs no request of its own.
    EventPart(&'static [Step]),
}

/// A step from an event to the rows that are embedded in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Into a field of an object.
    Field(&'static str),
    /// Into the data of the event's entry of this type. Only whole bodies have `entries` (API §2.7).
    Entry(&'static str),
    /// Into each item of a list. If there is a name, the record has the item's index, from 0, under it.
    Each(Option<&'static str>),
}

/// A list that is put into the record of a row.
#[derive(Debug)]
pub struct Embed {
    /// The record's field.
    pub field: &'static str,
    /// The list's endpoint.
    pub endpoint: Endpoint,
    /// The row's field that holds the length of the list. At 0 no request is made.
    pub count: &'static str,
}

/// How the server filters a list by time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeFilter {
    /// Not at all.
    None,
    /// By `start` and `end` on the replication key, sorted newest first (API §2.12).
    StartEnd,
    /// By `start` and `end` of whole days: a series with a value for each day, read oldest first
    /// (`sync/tables/daily.rs`).
    Days,
}

/// The source of a field that the tap adds to each record, or fills in if the server leaves it out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Added {
    /// A list of the row and a field: its value in the first object that has it.
    FirstOf(&'static str, &'static str),
    /// Another field of the row, if the row has none of this name.
    Else(&'static str),
    /// The row's field of this name, under which the record has something else.
    Renamed(&'static str),
    /// An object in the row and a field of it; "" if there is none. For parts of keys.
    Within(&'static str, &'static str),
    /// The row's own value; "" if there is none. For parts of keys.
    OrEmpty,
    /// A value of the child context. `organization` is the organization's slug.
    Context(&'static str),
}

/// Minutes that a row names: an object and a field of it, and the number that the server goes by where the field is null.
pub(crate) type LateMinutes = (&'static str, &'static str, u16);

/// One stream.
#[derive(Debug)]
pub struct Stream {
    /// Unique name. Records are written under it too.
    pub tap_stream_id: &'static str,
    /// Primary key.
    pub key_properties: &'static [&'static str],
    /// Full table or incremental.
    pub replication: Replication,
    /// The parent stream: its rows give the values for this stream's requests, or are its rows.
    pub parent: Option<&'static str>,
    /// Where the rows come from.
    pub source: Source,
    /// For servers that do not know ids in the path: the same endpoint by a name that need not be unique.
    pub by_name: Option<Endpoint>,
    /// How the server filters by time.
    pub time_filter: TimeFilter,
    /// How late rows may come, by the time that they are dated to (API §8). Each run reads the list again so far back.
    /// `lookback_window` can only lengthen it.
    pub late_by: TimeDelta,
    /// Minutes in a row of this stream that what hangs on it may be late by in addition.
    pub late_minutes: &'static [LateMinutes],
    /// Fields of the parent's row, or `object.field`, of which a change tells that there may be more rows below it. Used
    /// where the parent's list is read again because its rows come late.
    pub told_by: &'static [&'static str],
    /// A field that servers of some ages sort and filter the list by where it is set, in place of the replication key.
    pub sorted_by: Option<&'static str>,
    /// Child context: for each value its name, and the field of this stream's row that holds it.
    pub child_context: &'static [(&'static str, &'static str)],
    /// Fields the tap adds.
    pub added: &'static [(&'static str, Added)],
    /// Fields that are not selected by default: secrets, and what costs extra requests.
    pub not_by_default: &'static [&'static str],
    /// Requests of a run, in words, for documentation.
    pub cost: &'static str,
    /// Whether the stream is synced if the catalog does not say.
    pub selected_by_default: bool,
    /// JSON Schema of a record.
    pub schema: &'static str,
}

impl Stream {
    /// Defaults of a row: a full table that is selected by default.
    pub(super) const DEFAULT: Self = Self {
        tap_stream_id: "",
        key_properties: &["id"],
        replication: Replication::FullTable,
        parent: None,
        source: Source::Issues,
        by_name: None,
        time_filter: TimeFilter::None,
        late_by: TimeDelta::zero(),
        late_minutes: &[],
        told_by: &[],
        sorted_by: None,
        child_context: &[],
        added: &[],
        not_by_default: &[],
        cost: "1 per 100 rows",
        selected_by_default: true,
        schema: "",
    };

    /// Defaults of a stream that the original tap lacks: a full table that is not selected by default.
    pub(super) const OPTIONAL: Self = Self { selected_by_default: false, ..Self::DEFAULT };

    /// The replication key of an incremental stream.
    pub fn replication_key(&self) -> Option<&'static str> {
        match self.replication {
            Replication::FullTable => None,
            Replication::Incremental { key } => Some(key),
        }
    }

    /// Properties that are always written: primary key and replication key.
    pub fn automatic(&self) -> Vec<&'static str> {
        self.key_properties.iter().copied().chain(self.replication_key()).collect()
    }
}

/// How late releases may come, and what hangs on them: one that is first seen in a session is dated to the start of its
/// hour, and one that is first seen in a late event to that event (API §8).
pub(super) const LATE_RELEASES: TimeDelta = TimeDelta::hours(25);

/// Fields of an event that no list has. Selecting one costs a request per event (API §2.8).
pub(crate) const EVENT_DETAIL_ONLY: &[&str] =
    &["release", "userReport", "sdkUpdates", "resolvedWith", "nextEventID", "previousEventID"];
