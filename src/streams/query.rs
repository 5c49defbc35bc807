//! Rows for the user's own queries: made once when the tap starts, and like those of the table from then on.

use crate::sentry::endpoint::{Endpoint, Rows};
use crate::sentry::limits::group::LimitGroup;
use crate::sentry::request::ALL_PROJECTS;
use crate::streams::stream::{Replication, Source, Stream, TimeFilter};

/// Rows of one list that Sentry's table gives at most; what is older is asked for by time.
const DEEPEST: usize = 10_000;

/// A query's stream: `fields` are its columns, `schema` what one request has told of their types.
///
/// What it is made of is never freed: like the table, it lasts as long as the program.
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

/// The list of a query's rows, newest first.
pub(crate) fn endpoint(dataset: &str, fields: &[String], query: &str) -> Endpoint {
    let own = |text: &str| -> &'static str { text.to_owned().leak() };
    // Within a second by id: rows without a fixed order could hide at the boundary of a page.
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
