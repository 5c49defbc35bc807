//! Time series: a value for each day and group, counted by the server.

use chrono::TimeDelta;

use crate::sentry::endpoint::{Endpoint, PageSize, Rows};
use crate::sentry::request::ALL_PROJECTS;
use crate::streams::stream::{Added, Replication, Source, Stream, TimeFilter};

/// Most values in one answer. The server drops the others without saying so (API §3).
const MOST_POINTS: usize = 10_000;
/// Sessions and outcomes arrive late, so the last two days still grow (API §8).
const LATE_DAYS: TimeDelta = TimeDelta::days(2);

/// Not selected by default.
pub(crate) const STREAMS: &[Stream] = &[
    Stream {
        tap_stream_id: "release_health",
        key_properties: &["project", "release", "environment", "interval_start"],
        replication: Replication::Incremental { key: "interval_start" },
        source: Source::Endpoint(Endpoint {
            paths: &["organizations/{organization}/sessions/"],
            page_size: PageSize::None,
            query: &[
                ALL_PROJECTS,
                ("interval", "1d"),
                ("groupBy", "project"),
                ("groupBy", "release"),
                ("groupBy", "environment"),
                ("field", "sum(session)"),
                ("field", "count_unique(user)"),
                ("field", "crash_rate(session)"),
                ("field", "crash_rate(user)"),
                ("field", "crash_free_rate(session)"),
                ("field", "crash_free_rate(user)"),
            ],
            rows: Rows::Series { most: MOST_POINTS },
            ..Endpoint::LIST
        }),
        time_filter: TimeFilter::Days,
        late_by: LATE_DAYS,
        added: &[("project", Added::OrEmpty), ("release", Added::OrEmpty), ("environment", Added::OrEmpty)],
        cost: "1; more where an answer cannot hold all releases",
        schema: include_str!("../../../schemas/release_health.json"),
        ..Stream::OPTIONAL
    },
    // For the whole organization: grouped by project, the server returns totals only (API §3).
    Stream {
        tap_stream_id: "usage",
        key_properties: &["category", "outcome", "reason", "interval_start"],
        replication: Replication::Incremental { key: "interval_start" },
        source: Source::Endpoint(Endpoint {
            paths: &["organizations/{organization}/stats_v2/"],
            page_size: PageSize::None,
            query: &[
                ("interval", "1d"),
                ("groupBy", "category"),
                ("groupBy", "outcome"),
                ("groupBy", "reason"),
                ("field", "sum(quantity)"),
            ],
            rows: Rows::Series { most: MOST_POINTS },
            ..Endpoint::LIST
        }),
        time_filter: TimeFilter::Days,
        late_by: LATE_DAYS,
        added: &[("category", Added::OrEmpty), ("outcome", Added::OrEmpty), ("reason", Added::OrEmpty)],
        cost: "1; more where an answer cannot hold all days",
        schema: include_str!("../../../schemas/usage.json"),
        ..Stream::OPTIONAL
    },
];
