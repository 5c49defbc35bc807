//! Makes rows of the table for the user's own queries, once when the tap starts. Then they are like the other rows.
//! Makes no request.

use crate::sentry::endpoint::{Endpoint, Rows};
use crate::sentry::limits::group::LimitGroup;
use crate::sentry::request::ALL_PROJECTS;
use crate::streams::stream::{Replication, Source, Stream, TimeFilter};

/// Most rows that one list of Sentry's events table has. Older rows are asked for by time.
const DEEPEST: usize = 10_000;

/// The stream of a query. `schema` holds the types of its columns.
///
/// Never frees its memory: like the table, the stream lasts as long as the program.
pub(crate) fn stream(name: &str, endpoint: Endpoint, schema: String) -> &'static Stream {
    Box::leak(Box::new(Stream {
        tap_stream_id: name.to_owned().leak(),
        key_properties: &["id", "project.id"],
        replication: Replication::Incremental { key: "timestamp" },
        source: Source::Endpoint(endpoint),
        time_filter: TimeFilter::StartEnd,
        cost: "1 per 100 new rows, and 1 to learn the types of its fields",
        schema: schema.leak(),
        ..Stream::DEFAULT
    }))
}

/// The list of a query's rows, sorted newest first.
pub(crate) fn endpoint(dataset: &str, fields: &[String], query: &str) -> Endpoint {
    let own = |text: &str| -> &'static str { text.to_owned().leak() };
    // By id within a second: without a fixed order, rows could get lost at the boundary of two pages.
    let sorted = [("sort", "-timestamp"), ("sort", "id")];
    let mut parameters = vec![ALL_PROJECTS, ("dataset", own(dataset)), sorted[0], sorted[1], ("query", own(query))];
    parameters.extend(fields.iter().map(|field| ("field", own(field))));
    Endpoint {
        paths: &["organizations/{organization}/events/"],
        query: parameters.leak(),
        rows: Rows::Under("data"),
        deepest: DEEPEST,
        limit_group: LimitGroup::EventTable,
        ..Endpoint::LIST
    }
}
