//! Windows of time: where each stream and project has to be read from, and to.
//!
//! A window is half open, in whole seconds of the server's clock (API §1.5). Pure.

use std::time::Duration;

use chrono::TimeDelta;

use crate::singer::state::Bookmark;
use crate::time::{Time, format_query_time, format_time, parse_time, whole_second};

/// Sentry's event lists and issue search reach back at most this far (API §1.9).
pub const RETENTION: TimeDelta = TimeDelta::days(90);

/// From `start` up to, not including, `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// First second.
    pub start: Time,
    /// First second that is not part of it.
    pub end: Time,
}

impl Window {
    /// Whether there is anything in it.
    pub fn is_empty(self) -> bool {
        self.start >= self.end
    }

    /// The second of `time` lies in the window.
    pub fn contains(self, time: Time) -> bool {
        let second = whole_second(time);
        second >= self.start && second < self.end
    }

    /// `start` and `end` as query parameters.
    pub fn query(self) -> [(&'static str, String); 2] {
        [("start", format_query_time(self.start)), ("end", format_query_time(self.end))]
    }

    /// The window without what the server has thrown away already.
    #[must_use]
    pub fn within_retention(self, now: Time) -> Self {
        // A minute inside the bound: a window that is a second too old is an error to some servers (API §1.5).
        let oldest = whole_second(now) - RETENTION + TimeDelta::minutes(1);
        Self { start: self.start.max(oldest), ..self }
    }

    /// The second of a row's time field, if it can be read.
    pub fn second_of(text: Option<&str>) -> Option<Time> {
        parse_time(text?).map(whole_second)
    }
}

impl std::fmt::Display for Window {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} to {}", format_time(self.start), format_time(self.end))
    }
}

/// Where to begin reading: the bookmark of the project (or of the stream) less the look-back, never before
/// `start_date`. A project that the bookmark does not speak for begins at `start_date`.
pub fn start_for(bookmark: &Bookmark, project: &str, start_date: Time, lookback: Duration) -> Time {
    start_after(bookmark_of(bookmark, project), start_date, lookback)
}

/// How far a project has been read, if the bookmark speaks for it.
pub fn bookmark_of(bookmark: &Bookmark, project: &str) -> Option<Time> {
    match &bookmark.projects {
        None => bookmark.start,
        Some(projects) => projects.get(project).and_then(|own| own.or(bookmark.start)),
    }
}

/// The bookmark less the look-back, never before `start_date`.
pub fn start_after(bookmark: Option<Time>, start_date: Time, lookback: Duration) -> Time {
    let lookback = TimeDelta::from_std(lookback).unwrap_or(TimeDelta::MAX);
    let from = bookmark.map(|bookmark| bookmark.checked_sub_signed(lookback).unwrap_or(start_date));
    whole_second(from.unwrap_or(start_date).max(start_date))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

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

    #[test]
    fn a_window_is_half_open_in_whole_seconds() {
        let window = Window { start: time("2026-01-01T00:00:00Z"), end: time("2026-01-01T00:00:02Z") };
        assert!(window.contains(time("2026-01-01T00:00:00Z")) && window.contains(time("2026-01-01T00:00:01.999Z")));
        assert!(!window.contains(time("2026-01-01T00:00:02Z")) && !window.contains(time("2025-12-31T23:59:59.999Z")));
        let now = time("2026-11-01T12:00:00Z");
        let clamped = Window { start: time("2020-01-01T00:00:00Z"), end: now }.within_retention(now);
        assert_eq!(format_time(clamped.start), "2026-08-03T12:01:00Z");
    }
}
