//! Where streams and projects are to be read from: their bookmarks, less the look-back.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::TimeDelta;
use serde_json::json;
use tracing::warn;

use crate::config::projects::spread;
use crate::output::stream::StreamOutput;
use crate::sentry::limits::group::LimitGroup;
use crate::sentry::window::Window;
use crate::singer::state::Bookmark;
use crate::streams::Stream;
use crate::sync::session::Session;
use crate::time::{Time, format_time, whole_second};

/// From the earliest start of the streams that are read from the same list, to now.
pub(crate) fn widest_window(session: &Session, outputs: &[&StreamOutput]) -> Window {
    Window { start: earliest_start(session, outputs), end: whole_second(session.client.server_now()) }
}

/// The part of a window that the server still has. It throws events away, and nothing else. Says of `output` what is lost.
pub(crate) fn still_kept(
    session: &Session,
    group: LimitGroup,
    output: Option<&StreamOutput>,
    window: Window,
) -> Window {
    if group != LimitGroup::EventTable {
        return window;
    }
    let kept = window.within_retention(session.client.server_now());
    let lost = Window { start: window.start, end: kept.start.min(window.end) };
    if let Some(output) = output {
        warn_of_lost(session, output, lost);
    }
    kept
}

/// Says which days came and went at the server since the last run, if there are any.
pub(crate) fn warn_of_lost(session: &Session, output: &StreamOutput, lost: Window) {
    let name = output.stream.tap_stream_id;
    let has_bookmark = || session.output.state.bookmark(name).start.is_some();
    if !lost.is_empty() && !output.full_table && has_bookmark() {
        warn!("{name}: {lost} can no longer be had: the server keeps 90 days");
    }
}

/// The earliest start of several streams.
pub(crate) fn earliest_start(session: &Session, outputs: &[&StreamOutput]) -> Time {
    let starts = outputs.iter().map(|output| stream_start(session, output));
    starts.min().unwrap_or(session.config.start_date)
}

/// Where a stream is to be read from.
pub(crate) fn stream_start(session: &Session, output: &StreamOutput) -> Time {
    let bookmark = session.output.state.bookmark(output.stream.tap_stream_id).start;
    let lookback = reread(session, output.stream).to_std().unwrap_or_default();
    start_after(bookmark.filter(|_| !output.full_table), session.config.start_date, lookback)
}

/// How far back from its bookmark a stream is read again: the look-back, or as far as its rows may come late.
pub(crate) fn reread(session: &Session, stream: &Stream) -> TimeDelta {
    TimeDelta::from_std(session.config.lookback).unwrap_or(TimeDelta::MAX).max(stream.late_by)
}

/// What is asked for when these streams are read together. Progress of an interrupted run holds for the same alone: each
/// stream from the same second on, before it is cut to what the server keeps, of the same query, and of the same projects.
pub(crate) fn asked(session: &Session, outputs: &[&StreamOutput]) -> BTreeSet<String> {
    let start = |output: &&StreamOutput| {
        let (name, start) = (output.stream.tap_stream_id, format_time(stream_start(session, output)));
        let query = session.query_of(output.stream).map(|query| format!(" by {}", query.fingerprint()));
        format!("{name} from {start}{}", query.unwrap_or_default())
    };
    let covered = outputs.iter().find_map(|output| session.scope.covered_by(output.stream));
    let projects = covered.map(|ids| format!("{} projects {:016x}", ids.len(), spread(&json!(ids).to_string())));
    outputs.iter().map(start).chain(projects).collect()
}

/// Where to begin reading a project: at its bookmark (or the stream's) less the look-back, and never before `start_date`. A
/// project that the bookmark does not name begins at `start_date`.
pub(crate) fn start_for(bookmark: &Bookmark, project: &str, start_date: Time, lookback: Duration) -> Time {
    start_after(bookmark_of(bookmark, project), start_date, lookback)
}

/// How far a project has been read, if the bookmark names it.
pub(crate) fn bookmark_of(bookmark: &Bookmark, project: &str) -> Option<Time> {
    match &bookmark.projects {
        None => bookmark.start,
        Some(projects) => projects.get(project).and_then(|own| own.or(bookmark.start)),
    }
}

/// The bookmark less the look-back, never before `start_date`.
pub(crate) fn start_after(bookmark: Option<Time>, start_date: Time, lookback: Duration) -> Time {
    let lookback = TimeDelta::from_std(lookback).unwrap_or(TimeDelta::MAX);
    let from = bookmark.map(|bookmark| bookmark.checked_sub_signed(lookback).unwrap_or(start_date));
    whole_second(from.unwrap_or(start_date).max(start_date))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::time::parse_time;

    fn time(text: &str) -> Time {
        parse_time(text).expect("a time")
    }

    #[test]
    fn projects_begin_at_their_own_bookmark_or_the_streams_or_the_start_date() {
        let start_date = time("2026-01-01T00:00:00Z");
        let lookback = Duration::from_secs(600);
        let mut bookmark = Bookmark { start: Some(time("2026-03-01T00:00:00Z")), ..Bookmark::default() };
        assert_eq!(start_for(&bookmark, "1", start_date, lookback), time("2026-02-28T23:50:00Z"));
        bookmark.projects =
            Some(BTreeMap::from([("1".into(), None), ("2".into(), Some(time("2026-02-01T00:00:00Z")))]));
        assert_eq!(start_for(&bookmark, "1", start_date, lookback), time("2026-02-28T23:50:00Z"));
        assert_eq!(start_for(&bookmark, "2", start_date, lookback), time("2026-01-31T23:50:00Z"));
        assert_eq!(start_for(&bookmark, "new", start_date, lookback), start_date);
        bookmark.start = Some(time("2025-01-01T00:00:00Z"));
        assert_eq!(start_for(&bookmark, "1", start_date, lookback), start_date);
    }
}
