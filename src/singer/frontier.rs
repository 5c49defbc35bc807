//! Progress over the issues of a project, whose lists are read side by side in the order of the issues' ids.
//!
//! Every issue up to the frontier is done, but for a few long ones that are half read. Short issues that are done beyond
//! it are not kept, and are read again after a kill. Ids lie in ranges, each with the number of events that the issue
//! list announced: an issue that was merged into a done one makes its range grow, and then the range is read again.
//! Pure. Does not know how issues are listed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::time::{Time, format_time, parse_time};

/// Most ranges that are kept.
const MOST_RANGES: usize = 32;
/// Most long issues that are kept beside the frontier.
const MOST_LONG: usize = 8;

/// What the state keeps of a project's issues.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Frontier {
    /// The done issues, in ranges of ids. The last one ends at the frontier.
    #[serde(default, rename = "issues", skip_serializing_if = "Vec::is_empty", with = "lines")]
    pub(crate) ranges: Vec<Range>,
    /// Long issues that are half read.
    #[serde(default, skip_serializing_if = "Vec::is_empty", with = "lines")]
    pub(crate) long: Vec<LongIssue>,
}

/// All issues after the end of the range before and up to this one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Range {
    /// Id of the last issue.
    to: String,
    /// Number of issues.
    issues: u64,
    /// Number of events that the issue list announced for them.
    events: u64,
}

/// A long issue, which never holds the frontier up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LongIssue {
    id: String,
    /// Events that the issue list announced.
    events: u64,
    /// Everything newer than this second is done.
    until: Time,
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.to, self.issues, self.events)
    }
}

impl FromStr for Range {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = text.split(' ');
        let mut next = || parts.next().ok_or("a range is an id, a number of issues and a number of events");
        let (to, issues, events) = (next()?.to_owned(), next()?, next()?);
        let number = |text: &str| text.parse().map_err(|_| "not a number");
        Ok(Self { to, issues: number(issues)?, events: number(events)? })
    }
}

impl fmt::Display for LongIssue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.id, self.events, format_time(self.until))
    }
}

impl FromStr for LongIssue {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = text.split(' ');
        let mut next = || parts.next().ok_or("a long issue is an id, a number of events and a time");
        let (id, events, until) = (next()?.to_owned(), next()?, next()?);
        let until = parse_time(until).ok_or("not a time")?;
        Ok(Self { id, events: events.parse().map_err(|_| "not a number")?, until })
    }
}

/// An issue of the window, as the issue list has it now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Listed<'a> {
    /// Issue id.
    pub(crate) id: &'a str,
    /// Events that the list announces; 0 where the server does not say.
    pub(crate) events: u64,
}

/// Which part of an issue's events is still to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Left {
    /// All of it.
    Everything,
    /// Everything that is not newer than this second.
    Until(Time),
    /// Nothing.
    Nothing,
}

/// The issues of a project while they are read.
#[derive(Debug, Default)]
pub(crate) struct IssueProgress {
    /// Ids and announced events, in the order of the ids.
    issues: Vec<(String, u64)>,
    /// Issues that are not done, by their place.
    open: BTreeSet<usize>,
    /// Those of them that are long, and how far each is.
    long: BTreeMap<usize, Time>,
    /// So many issues are behind the frontier.
    passed: usize,
    ranges: Vec<Range>,
}

impl IssueProgress {
    /// Goes on from what an interrupted run has kept. `issues` are those of the window, in the order of their ids.
    pub(crate) fn resume<'a>(kept: &Frontier, issues: impl Iterator<Item = Listed<'a>>) -> Self {
        let issues: Vec<(String, u64)> = issues.map(|issue| (issue.id.to_owned(), issue.events)).collect();
        let mut progress = Self { open: (0..issues.len()).collect(), issues, ..Self::default() };
        let frontier = progress.resume_ranges(&kept.ranges);
        progress.resume_long(&kept.long, frontier);
        progress.pass();
        progress
    }

    /// Issues in ranges of which no more events are announced than were read are done. Returns the place of the first issue
    /// beyond the frontier.
    fn resume_ranges(&mut self, ranges: &[Range]) -> usize {
        let mut from = 0;
        for range in ranges {
            let rest = &self.issues[from..];
            let to = from + rest.partition_point(|(id, _)| id_order(id) <= id_order(&range.to));
            let announced: u64 = self.issues[from..to].iter().map(|(_, events)| events).sum();
            if announced <= range.events {
                self.open.retain(|at| !(from..to).contains(at));
            }
            from = to;
        }
        from
    }

    /// A long issue stands in a range as if it were done. It is not, beyond where it was left. If its range is read again,
    /// so is all of it.
    fn resume_long(&mut self, long: &[LongIssue], frontier: usize) {
        for issue in long {
            let Some(at) = self.place(&issue.id) else { continue };
            let read_again = at < frontier && self.open.contains(&at);
            self.open.insert(at);
            if !read_again && self.issues[at].1 <= issue.events {
                self.long.insert(at, issue.until);
            }
        }
    }

    fn place(&self, id: &str) -> Option<usize> {
        self.issues.binary_search_by(|(other, _)| id_order(other).cmp(&id_order(id))).ok()
    }

    /// Which part of an issue's events is still to be read.
    pub(crate) fn left(&self, id: &str) -> Left {
        match self.place(id) {
            Some(at) if !self.open.contains(&at) => Left::Nothing,
            Some(at) => self.long.get(&at).map_or(Left::Everything, |until| Left::Until(*until)),
            None => Left::Everything,
        }
    }

    /// Number of long issues that are being read.
    pub(crate) fn long_issues(&self) -> usize {
        self.long.len()
    }

    /// Records that a long issue is read down to a second. It stands beside the frontier from now on, if there is room.
    pub(crate) fn advance_to(&mut self, id: &str, until: Time) {
        let Some(at) = self.place(id) else { return };
        if self.long.contains_key(&at) || self.long.len() < MOST_LONG {
            self.long.insert(at, until);
            self.pass();
        }
    }

    /// Records that an issue is done.
    pub(crate) fn finish(&mut self, id: &str) {
        let Some(at) = self.place(id) else { return };
        self.open.remove(&at);
        self.long.remove(&at);
        self.pass();
    }

    /// Moves the frontier past all that is done or long.
    fn pass(&mut self) {
        let holds_up = self.open.iter().find(|at| !self.long.contains_key(at));
        let to = holds_up.copied().unwrap_or(self.issues.len());
        for at in self.passed..to {
            let (id, events) = &self.issues[at];
            self.ranges.push(Range { to: id.clone(), issues: 1, events: *events });
            if self.ranges.len() > MOST_RANGES {
                join_the_smallest(&mut self.ranges);
            }
        }
        self.passed = self.passed.max(to);
    }

    /// What the state keeps of it.
    pub(crate) fn kept(&self) -> Frontier {
        let long = |(at, until): (&usize, &Time)| {
            let (id, events) = &self.issues[*at];
            LongIssue { id: id.clone(), events: *events, until: *until }
        };
        Frontier { ranges: self.ranges.clone(), long: self.long.iter().map(long).collect() }
    }
}

/// Joins the two neighbours that have the fewest issues together.
fn join_the_smallest(ranges: &mut Vec<Range>) {
    let issues = |at: &usize| ranges[*at].issues + ranges[*at + 1].issues;
    let Some(at) = (0..ranges.len() - 1).min_by_key(issues) else { return };
    let next = ranges.remove(at + 1);
    let range = &mut ranges[at];
    *range = Range { to: next.to, issues: range.issues + next.issues, events: range.events + next.events };
}

/// Sorts ids as numbers: they are decimal numbers as text, so a shorter id is smaller.
pub(crate) fn id_order(id: &str) -> (usize, &str) {
    (id.len(), id)
}

/// A list of things as an array of texts.
mod lines {
    use std::fmt::Display;
    use std::str::FromStr;

    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    /// Writes.
    pub(super) fn serialize<T: Display, S: Serializer>(items: &[T], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(items.iter().map(ToString::to_string))
    }

    /// Reads.
    pub(super) fn deserialize<'de, T, D>(deserializer: D) -> Result<Vec<T>, D::Error>
    where
        T: FromStr<Err: Display>,
        D: Deserializer<'de>,
    {
        let texts = Vec::<String>::deserialize(deserializer)?;
        texts.iter().map(|text| text.parse().map_err(Error::custom)).collect()
    }
}

#[cfg(test)]
#[path = "frontier_tests.rs"]
mod tests;
