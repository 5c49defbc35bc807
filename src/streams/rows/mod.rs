//! All rows of the table, and how to find one.

mod core;
mod event;
mod issue;
mod organization;
mod project;
mod release;
mod series;

use crate::streams::stream::Stream;

/// Every stream, parents before their children, in the order they are synced.
pub fn all() -> impl Iterator<Item = &'static Stream> + Clone {
    let beside_core = [organization::STREAMS, project::STREAMS, release::STREAMS, issue::STREAMS];
    let more = [event::STREAMS, series::STREAMS];
    std::iter::once(core::STREAMS).chain(beside_core).chain(more).flatten()
}

/// The streams whose rows are made from those of this one.
pub(crate) fn children(tap_stream_id: &str) -> impl Iterator<Item = &'static Stream> {
    all().filter(move |stream| stream.parent == Some(tap_stream_id))
}

/// A stream and those above it, up to the one whose rows come from a list of the organization.
pub(crate) fn line(stream: &Stream) -> impl Iterator<Item = &Stream> {
    std::iter::successors(Some(stream), |stream| find(stream.parent?))
}

/// The row of a stream.
pub fn find(tap_stream_id: &str) -> Option<&'static Stream> {
    all().find(|stream| stream.tap_stream_id == tap_stream_id)
}
