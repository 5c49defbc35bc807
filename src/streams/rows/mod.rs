//! All rows of the table, and how to find one. Does not know how they are read.

mod core;
mod event;
mod issue;
mod organization;
mod project;
mod release;
mod series;

use crate::streams::stream::Stream;

/// All streams, in the order in which they are synced: parents before their children.
pub fn all() -> impl Iterator<Item = &'static Stream> + Clone {
    let beside_core = [organization::STREAMS, project::STREAMS, release::STREAMS, issue::STREAMS];
    let more = [event::STREAMS, series::STREAMS];
    std::iter::once(core::STREAMS).chain(beside_core).chain(more).flatten()
}

/// The child streams of this one.
pub(crate) fn children(tap_stream_id: &str) -> impl Iterator<Item = &'static Stream> {
    all().filter(move |stream| stream.parent == Some(tap_stream_id))
}

/// A stream, its parent, and so on up to the stream without a parent.
pub(crate) fn line(stream: &Stream) -> impl Iterator<Item = &Stream> {
    std::iter::successors(Some(stream), |stream| find(stream.parent?))
}

/// The stream without a parent that this one hangs on, or is.
pub(crate) fn root(stream: &'static Stream) -> &'static Stream {
    line(stream).last().unwrap_or(stream)
}

/// The stream of this name.
pub fn find(tap_stream_id: &str) -> Option<&'static Stream> {
    all().find(|stream| stream.tap_stream_id == tap_stream_id)
}
