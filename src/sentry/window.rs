//! Windows of time, for lists. A window is half open, in whole seconds of the server's clock (API §1.5).
//!
//! Pure. Knows no bookmarks: `sync/session/starts.rs` decides where a stream begins.

use chrono::TimeDelta;

use crate::time::{Time, format_query_time, format_time, parse_time, whole_second};

/// How far back Sentry's event lists and issue search reach at most (API §1.9).
pub(crate) const RETENTION: TimeDelta = TimeDelta::days(90);

/// From `start` up to, not including, `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window {
    /// First second.
    pub(crate) start: Time,
    /// First second that is not part of it.
    pub(crate) end: Time,
}

impl Window {
    /// Whether it holds no second.
    pub(crate) fn is_empty(self) -> bool {
        self.start >= self.end
    }

    /// Whether the second of `time` is in the window.
    pub(crate) fn contains(self, time: Time) -> bool {
        let second = whole_second(time);
        second >= self.start && second < self.end
    }

    /// `start` and `end` as query parameters.
    pub(crate) fn query(self) -> [(&'static str, String); 2] {
        [("start", format_query_time(self.start)), ("end", format_query_time(self.end))]
    }

    /// The window without the part that is older than the retention. It may be empty.
    #[must_use]
    pub(crate) fn within_retention(self, now: Time) -> Self {
        // Stays an hour inside the bound. What expires there while a list is read would move issues up in the order by their
        // first event, and some servers refuse a window that is a second too old (API §1.5).
        let oldest = whole_second(now) - RETENTION + TimeDelta::hours(1);
        Self { start: self.start.max(oldest), ..self }
    }

    /// The second of a row's time field; `None` if it cannot be read.
    pub(crate) fn second_of(text: Option<&str>) -> Option<Time> {
        parse_time(text?).map(whole_second)
    }
}

impl std::fmt::Display for Window {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} to {}", format_time(self.start), format_time(self.end))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> Time {
        parse_time(text).expect("a time")
    }

    #[test]
    fn a_window_is_half_open_in_whole_seconds() {
        let window = Window { start: time("2026-01-01T00:00:00Z"), end: time("2026-01-01T00:00:02Z") };
        assert!(window.contains(time("2026-01-01T00:00:00Z")) && window.contains(time("2026-01-01T00:00:01.999Z")));
        assert!(!window.contains(time("2026-01-01T00:00:02Z")) && !window.contains(time("2025-12-31T23:59:59.999Z")));
        let now = time("2026-11-01T12:00:00Z");
        let clamped = Window { start: time("2020-01-01T00:00:00Z"), end: now }.within_retention(now);
        assert_eq!(format_time(clamped.start), "2026-08-03T13:00:00Z");
    }
}
