//! Progress inside a sync window that is half read, so that the next run continues where a killed run stopped.
//!
//! Written as `progress_markers`, the Singer SDK's name for the temporary part of a bookmark. A marker covers only
//! records that were written before it. The number of projects and of parallel reads bounds its size.
//! Does not know how windows are read.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::time::{Time, seconds};

/// A run that has not ended. The next run continues it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Unfinished {
    /// When it began, by the clock of its machine.
    #[serde(with = "seconds")]
    pub(crate) began: Time,
    /// Full tables that it has read to the end.
    #[serde(default)]
    pub(crate) done: BTreeSet<String>,
}

/// A window that is half read: its fixed end, and which part of it is done.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Progress {
    /// The window's end.
    #[serde(with = "seconds")]
    pub(crate) end: Time,
    /// Projects that are read up to `end`.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(crate) done: BTreeSet<String>,
    /// Projects that are half read.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) projects: BTreeMap<String, Partition>,
    /// Streams that are read together with the progress owner, the stream whose bookmark holds this. They are as far.
    #[serde(default, rename = "with", skip_serializing_if = "BTreeSet::is_empty")]
    pub(crate) co_read: BTreeSet<String>,
    /// What was asked for: where each stream began, and of which projects. An array, which tools that merge states take
    /// whole.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(crate) asked: BTreeSet<String>,
    /// Position in the one list that is being read.
    #[serde(flatten)]
    pub(crate) position: Position,
}

impl Progress {
    /// Whether it covers these streams too, beside the progress owner. It does not cover a stream that was selected
    /// later, which is not as far.
    pub(crate) fn holds_for(&self, mut others: impl Iterator<Item = &'static str>) -> bool {
        others.all(|name| self.co_read.contains(name))
    }

    /// Whether all of this was asked for when it was made.
    pub(crate) fn is_for(&self, asked: &BTreeSet<String>) -> bool {
        asked.is_subset(&self.asked)
    }
}

/// A position in a list.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Position {
    /// Start of the list's window, if several windows are read.
    #[serde(default, with = "seconds::option", skip_serializing_if = "Option::is_none")]
    pub(crate) start: Option<Time>,
    /// Which list, if there are several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) list: Option<String>,
    /// In a list that is sorted newest first: everything newer than this second is done.
    #[serde(default, with = "seconds::option", skip_serializing_if = "Option::is_none")]
    pub(crate) until: Option<Time>,
    /// In a list without times: key of the last row that is done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) item: Option<String>,
}

/// How far the events of one project are read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Partition {
    /// In the project's event list, everything newer than this second is done.
    #[serde(default, with = "seconds::option", skip_serializing_if = "Option::is_none")]
    pub(crate) until: Option<Time>,
    /// Number of rows that were read from the project's event list.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) taken: u64,
    /// The access path of the project. The rest of this counts for that access path alone.
    #[serde(default, rename = "way", skip_serializing_if = "Option::is_none")]
    pub(crate) access_path: Option<String>,
    /// The project's event list is done.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) listed: bool,
    /// Issues whose events are read one issue at a time.
    #[serde(flatten)]
    pub(crate) issues: Frontier,
}

/// Progress over issues that are read in parallel, in the order of their ids. All issues up to one id are done, and
/// some beyond it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Frontier {
    /// Every issue up to this one is done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) issue: Option<String>,
    /// Issues beyond it that are done or half read: completed out of order.
    #[serde(default, rename = "ahead", skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) out_of_order: BTreeMap<String, OutOfOrder>,
}

/// How far an issue beyond the frontier is read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OutOfOrder {
    /// Everything newer than this second is done. If absent, the whole issue is done.
    #[serde(default, with = "seconds::option", skip_serializing_if = "Option::is_none")]
    pub(crate) until: Option<Time>,
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

impl Frontier {
    /// Which part of an issue's events is still to be read.
    pub(crate) fn left(&self, issue: &str) -> Left {
        match self.out_of_order.get(issue) {
            Some(OutOfOrder { until: Some(until) }) => Left::Until(*until),
            Some(OutOfOrder { until: None }) => Left::Nothing,
            None if self.issue.as_deref().is_some_and(|done| id_order(issue) <= id_order(done)) => Left::Nothing,
            None => Left::Everything,
        }
    }

    /// Records that an issue is read down to a second.
    pub(crate) fn advance_to(&mut self, issue: &str, until: Time) {
        self.out_of_order.insert(issue.to_owned(), OutOfOrder { until: Some(until) });
    }

    /// Records that an issue is done. `all` are the window's issues in order. The frontier moves past those that are
    /// done.
    pub(crate) fn finish<'a>(&mut self, issue: &str, all: impl Iterator<Item = &'a str>) {
        self.out_of_order.insert(issue.to_owned(), OutOfOrder::default());
        let frontier = self.issue.clone();
        let beyond = all.skip_while(|id| frontier.as_deref().is_some_and(|done| id_order(id) <= id_order(done)));
        for id in beyond {
            if self.out_of_order.get(id) != Some(&OutOfOrder::default()) {
                break;
            }
            self.out_of_order.remove(id);
            self.issue = Some(id.to_owned());
        }
    }
}

/// Sorts ids as numbers: they are decimal numbers as text, so a shorter id is smaller.
pub(crate) fn id_order(id: &str) -> (usize, &str) {
    (id.len(), id)
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the form serde asks for")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_frontier_forgets_nothing_and_invents_nothing(finish_order in Just((1_u32..40).collect::<Vec<_>>()).prop_shuffle(), stop in 0_usize..40) {
            let all: Vec<String> = (1..40).map(|id| (id * 7).to_string()).collect();
            let mut frontier = Frontier::default();
            let mut done = BTreeSet::new();
            for id in finish_order.iter().take(stop).map(|id| (id * 7).to_string()) {
                frontier.finish(&id, all.iter().map(String::as_str));
                done.insert(id);
            }
            for id in &all {
                let left = if done.contains(id) { Left::Nothing } else { Left::Everything };
                prop_assert_eq!(frontier.left(id), left, "issue {}", id);
            }
            // Only finished issues are kept beyond the frontier.
            prop_assert!(frontier.out_of_order.len() <= done.len());
        }
    }

    #[test]
    fn a_half_read_issue_is_continued() {
        let mut frontier = Frontier::default();
        let until = Time::default();
        frontier.advance_to("70", until);
        assert_eq!(frontier.left("70"), Left::Until(until));
        frontier.finish("7", ["7", "70"].into_iter());
        assert_eq!((frontier.left("7"), frontier.left("70")), (Left::Nothing, Left::Until(until)));
        frontier.finish("70", ["7", "70"].into_iter());
        assert_eq!(frontier, Frontier { issue: Some("70".into()), out_of_order: BTreeMap::new() });
    }
}
