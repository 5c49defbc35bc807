//! THE TABLE: one row per stream, its schema beside it by `include_str!`.
//!
//! What is fetched is data here; how it is fetched is written once, in `sync`. Laws that every row must keep are
//! tests (`tests/laws.rs`).

use crate::sentry::endpoint::{Class, Endpoint};
use crate::sentry::request::ALL_PROJECTS;

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
    /// Rows of an endpoint: a list, or one object per row of the parent stream, one request at a time.
    Endpoint(Endpoint),
    /// The parent's row itself, with lists of the row's own put inside, one row at a time.
    ParentRow(&'static [Embed]),
    /// The organization-wide issue walk (`sync/issues.rs`).
    Issues,
    /// Events of what the issue walk found changed (`sync/events.rs`).
    Events,
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
}

/// A field that the tap adds to each record, or fills in where the server leaves it out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Added {
    /// The organization's slug.
    Organization,
    /// A field of the first object in a list of the row.
    FirstOf(&'static str, &'static str),
    /// Another field of the row, where the row has none of this name.
    Else(&'static str),
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
    /// Placeholders that a row of this stream fills for its children: placeholder and field.
    pub offers: &'static [(&'static str, &'static str)],
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
    const DEFAULT: Self = Self {
        tap_stream_id: "",
        key_properties: &["id"],
        replication: Replication::FullTable,
        parent: None,
        source: Source::Issues,
        time_filter: TimeFilter::None,
        offers: &[],
        added: &[],
        not_by_default: &[],
        cost: "1 per 100 rows",
        selected_by_default: true,
        schema: "",
    };

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
pub const EVENT_DETAIL_ONLY: &[&str] =
    &["release", "userReport", "sdkUpdates", "resolvedWith", "nextEventID", "previousEventID"];

/// Every stream, in the order they are synced.
pub const STREAMS: &[Stream] = &[
    Stream {
        tap_stream_id: "projects",
        source: Source::Endpoint(Endpoint { paths: &["organizations/{organization}/projects/"], ..Endpoint::LIST }),
        offers: &[("project", "slug")],
        schema: include_str!("../schemas/projects.json"),
        ..Stream::DEFAULT
    },
    Stream {
        tap_stream_id: "project_detail",
        parent: Some("projects"),
        source: Source::Endpoint(Endpoint {
            paths: &["projects/{organization}/{project}/"],
            scope: "project:read",
            ..Endpoint::DETAIL
        }),
        added: &[("organization_slug", Added::Organization)],
        not_by_default: &["securityToken"],
        cost: "1 per project",
        schema: include_str!("../schemas/project_detail.json"),
        ..Stream::DEFAULT
    },
    Stream {
        tap_stream_id: "teams",
        source: Source::Endpoint(Endpoint { paths: &["organizations/{organization}/teams/"], ..Endpoint::LIST }),
        schema: include_str!("../schemas/teams.json"),
        ..Stream::DEFAULT
    },
    Stream {
        tap_stream_id: "users",
        // The first is no longer documented but still served; where it is gone, members are the nearest thing (API §2.10).
        source: Source::Endpoint(Endpoint {
            paths: &["organizations/{organization}/users/", "organizations/{organization}/members/"],
            query: &[ALL_PROJECTS],
            scope: "member:read",
            ..Endpoint::LIST
        }),
        cost: "1 (1 per 100 members where users/ is gone)",
        schema: include_str!("../schemas/users.json"),
        ..Stream::DEFAULT
    },
    Stream {
        tap_stream_id: "issues",
        replication: Replication::Incremental { key: "lastSeen" },
        source: Source::Issues,
        cost: "1 per 100 changed issues, and 1 for feedback",
        schema: include_str!("../schemas/issues.json"),
        ..Stream::DEFAULT
    },
    Stream {
        tap_stream_id: "events",
        key_properties: &["eventID"],
        replication: Replication::Incremental { key: "dateCreated" },
        source: Source::Events,
        not_by_default: EVENT_DETAIL_ONLY,
        cost: "about 1 per 100 new events; none where no issue changed",
        schema: include_str!("../schemas/events.json"),
        ..Stream::DEFAULT
    },
    // Releases of the organization, as the list has them.
    Stream {
        tap_stream_id: "releases",
        key_properties: &["version"],
        replication: Replication::Incremental { key: "dateCreated" },
        // Without status= archived releases are hidden, without project=-1 other teams' (API §2.12).
        source: Source::Endpoint(Endpoint {
            paths: &["organizations/{organization}/releases/"],
            class: Class::Releases,
            query: &[ALL_PROJECTS, ("status", "")],
            scope: "project:releases",
            ..Endpoint::LIST
        }),
        time_filter: TimeFilter::StartEnd,
        offers: &[("version", "version")],
        cost: "1 per 100 new releases",
        schema: include_str!("../schemas/releases.json"),
        ..Stream::DEFAULT
    },
    // One release each, with its commits and deploys inside.
    Stream {
        tap_stream_id: "release",
        replication: Replication::Incremental { key: "dateCreated" },
        parent: Some("releases"),
        source: Source::ParentRow(&[
            Embed {
                field: "commits",
                endpoint: Endpoint {
                    paths: &["organizations/{organization}/releases/{version}/commits/"],
                    scope: "project:releases",
                    ..Endpoint::LIST
                },
                count: "commitCount",
            },
            Embed {
                field: "deploys",
                endpoint: Endpoint {
                    paths: &["organizations/{organization}/releases/{version}/deploys/"],
                    scope: "project:releases",
                    ..Endpoint::LIST
                },
                count: "deployCount",
            },
        ]),
        added: &[
            ("id", Added::Else("version")),
            ("project_id", Added::FirstOf("projects", "id")),
            ("project_slug", Added::FirstOf("projects", "slug")),
        ],
        cost: "up to 2 per new release",
        schema: include_str!("../schemas/release.json"),
        ..Stream::DEFAULT
    },
];

/// The row of a stream.
pub fn find(tap_stream_id: &str) -> Option<&'static Stream> {
    STREAMS.iter().find(|stream| stream.tap_stream_id == tap_stream_id)
}
