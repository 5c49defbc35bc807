//! Where streams are to be read from: their bookmarks, less the look-back.

use tracing::warn;

use crate::sentry::endpoint::Class;
use crate::sync::Sync;
use crate::sync::output::StreamOutput;
use crate::sync::window::{Window, start_after};
use crate::time::{Time, whole_second};

/// From the earliest start of the streams that are read from the same list, to now.
pub async fn widest_window(sync: &Sync, outputs: &[&StreamOutput]) -> Window {
    Window { start: earliest_start(sync, outputs).await, end: whole_second(sync.client.server_now()) }
}

/// The part of a window that the server still has: events are thrown away, other things are not.
pub async fn still_kept(sync: &Sync, class: Class, output: Option<&StreamOutput>, window: Window) -> Window {
    let (Class::EventTable, Some(output)) = (class, output) else { return window };
    let kept = window.within_retention(sync.client.server_now());
    let name = output.stream.tap_stream_id;
    if kept.start > window.start && sync.output.bookmark(name).await.start.is_some() && !output.full_table {
        let lost = Window { start: window.start, end: kept.start.min(window.end) };
        warn!("{name}: {lost} can no longer be had: the server keeps 90 days");
    }
    kept
}

/// The earliest start of several streams.
pub async fn earliest_start(sync: &Sync, outputs: &[&StreamOutput]) -> Time {
    let mut start: Option<Time> = None;
    for output in outputs {
        let own = stream_start(sync, output).await;
        start = Some(start.map_or(own, |start| start.min(own)));
    }
    start.unwrap_or(sync.config.start_date)
}

/// Where a stream is to be read from.
pub async fn stream_start(sync: &Sync, output: &StreamOutput) -> Time {
    let bookmark = sync.output.bookmark(output.stream.tap_stream_id).await;
    let bookmark = bookmark.start.filter(|_| !output.full_table);
    start_after(bookmark, sync.config.start_date, sync.config.lookback)
}
