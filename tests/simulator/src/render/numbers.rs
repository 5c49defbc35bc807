//! The numbers of an issue: how many events and people, first and last time.

use serde_json::{Value, json};

use super::kind;
use crate::organization::{Event, Issue};
use crate::time;

/// Numbers of some of an issue's events, newest first.
pub(crate) struct Numbers<'a> {
    events: &'a [Event],
    first: Option<i64>,
}

impl<'a> Numbers<'a> {
    /// Over all of them. The first one is the first that arrived.
    pub(crate) fn lifetime(issue: &'a Issue) -> Self {
        Self { events: &issue.events, first: issue.first_seen }
    }

    /// Over those in a window of epoch seconds.
    pub(crate) fn window(issue: &'a Issue, start: i64, end: i64) -> Self {
        let events = issue.window(start, end);
        Self { events, first: events.last().map(|event| event.ms) }
    }

    /// `count`: a string on the wire.
    pub(crate) fn count(&self) -> String {
        self.events.len().to_string()
    }

    /// `userCount`: how many different people.
    pub(crate) fn people(&self) -> u32 {
        let seen = self.events.iter().filter_map(kind::person).fold(0_u64, |seen, person| seen | 1 << person);
        seen.count_ones()
    }

    /// `firstSeen`.
    pub(crate) fn first(&self) -> Option<String> {
        self.first.map(time::seconds)
    }

    /// `lastSeen`.
    pub(crate) fn last(&self) -> Option<String> {
        self.events.first().map(|event| time::seconds(event.ms))
    }

    /// The four numbers as one object, as in `lifetime`.
    pub(crate) fn object(&self) -> Value {
        json!({
            "count": self.count(), "userCount": self.people(), "firstSeen": self.first(),
            "lastSeen": self.last(), "stats": null,
        })
    }
}

/// A series of counts: the last `buckets` spans of `seconds` each, oldest first.
pub(crate) fn series(issue: &Issue, now: i64, buckets: i64, seconds: i64) -> Value {
    let last = now - now.rem_euclid(seconds);
    (0..buckets)
        .map(|bucket| {
            let from = last - (buckets - 1 - bucket) * seconds;
            json!([from, issue.window(from, from + seconds).len()])
        })
        .collect()
}
