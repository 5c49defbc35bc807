//! What a row of the table can say of a stream. Types only: which streams there are stands in `rows/`.

use crate::sentry::endpoint::Endpoint;

/// How a stream is replicated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replication {
    /// Read whole in every run.
    FullTable,
    /// Read from the bookmark on; the key is the property that carries a record's time.
    Incremental {
        /// Replication key.
        key: &'static str,
    },
}

/// Where a stream's rows come from.
#[derive(Debug)]
pub enum Source {
    /// Rows of an endpoint, or of one such list (or object) for each row of the parent stream, one request at a time.
    Endpoint(Endpoint),
    /// The parent's row itself, with lists of the row's own put inside, one row at a time.
    ParentRow(&'static [Embed]),
    /// The organization-wide issue walk (`sync/issues/`).
    Issues,
    /// Events of what the issue walk found changed (`sync/events/`).
    Events,
    /// What these steps find in every event that is kept, without a request of its own (`extract.rs`).
    EventPart(&'static [Step]),
}

/// A step from an event down to rows inside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Into a field of an object.
    Field(&'static str),
    /// Into what was captured of this type: one of the event's `entries`, which whole bodies alone have (API §2.7).
    Entry(&'static str),
    /// Into each item of a list. Its place in the list, from 0, is written under this name, if there is one.
    Each(Option<&'static str>),
}

/// A list that is put inside a record.
#[derive(Debug)]
pub struct Embed {
    /// The record's field.
    pub field: &'static str,
    /// Where the list is.
    pub endpoint: Endpoint,
    /// The row's own count of that list; at 0 no request is made.
    pub count: &'static str,
}

/// How the server filters a list by time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeFilter {
    /// Not at all.
    None,
    /// `start` and `end` on the replication key, newest first (API §2.12).
    StartEnd,
    /// `start` and `end` of whole days: series with a value for each day, read oldest first (`sync/tables/daily.rs`).
    Days,
}

/// A field that the tap adds to each record, or fills in where the server leaves it out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Added {
    /// A field of the first object in a list of the row.
    FirstOf(&'static str, &'static str),
    /// Another field of the row, where the row has none of this name.
    Else(&'static str),
    /// The row's field of this name, which means something else in the record.
    Renamed(&'static str),
    /// A field of an object in the row, or "" where it has none: for parts of keys.
    Within(&'static str, &'static str),
    /// The row's own value, or "" where it has none: for parts of keys.
    OrEmpty,
    /// A value of the context that the rows above give; `organization` is the organization's slug.
    Context(&'static str),
}

/// One stream.
#[derive(Debug)]
pub struct Stream {
    /// Unique name, also the name records are written under.
    pub tap_stream_id: &'static str,
    /// Primary key.
    pub key_properties: &'static [&'static str],
    /// Full table or incremental.
    pub replication: Replication,
    /// The stream whose rows this one's requests are made from.
    pub parent: Option<&'static str>,
    /// Where rows come from.
    pub source: Source,
    /// How the server filters by time.
    pub time_filter: TimeFilter,
    /// What a row of this stream gives to the paths and records of those below it: name and field.
    pub child_context: &'static [(&'static str, &'static str)],
    /// Fields the tap adds.
    pub added: &'static [(&'static str, Added)],
    /// Fields that are not selected by default: secrets, and what costs extra requests.
    pub not_by_default: &'static [&'static str],
    /// What a run costs in requests, for documentation.
    pub cost: &'static str,
    /// Whether the stream is synced when the catalog has no opinion.
    pub selected_by_default: bool,
    /// JSON Schema of a record.
    pub schema: &'static str,
}

impl Stream {
    /// A full-table list that is selected by default; rows state what differs.
    pub(super) const DEFAULT: Self = Self {
        tap_stream_id: "",
        key_properties: &["id"],
        replication: Replication::FullTable,
        parent: None,
        source: Source::Issues,
        time_filter: TimeFilter::None,
        child_context: &[],
        added: &[],
        not_by_default: &[],
        cost: "1 per 100 rows",
        selected_by_default: true,
        schema: "",
    };

    /// A full-table list that is read only where it is asked for: beyond what the original tap has.
    pub(super) const OPTIONAL: Self = Self { selected_by_default: false, ..Self::DEFAULT };

    /// The replication key of an incremental stream.
    pub fn replication_key(&self) -> Option<&'static str> {
        match self.replication {
            Replication::FullTable => None,
            Replication::Incremental { key } => Some(key),
        }
    }

    /// Properties that are always written: key and replication key.
    pub fn automatic(&self) -> Vec<&'static str> {
        self.key_properties.iter().copied().chain(self.replication_key()).collect()
    }
}

/// Fields of an event that no list carries; selecting one costs a request per event (API §2.8).
pub(crate) const EVENT_DETAIL_ONLY: &[&str] =
    &["release", "userReport", "sdkUpdates", "resolvedWith", "nextEventID", "previousEventID"];
