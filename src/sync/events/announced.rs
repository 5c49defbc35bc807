//! What a list gave, held against what the issue list announced for the same window. A list that was cut short looks like
//! its end: only the numbers can tell.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::json::row::Row;
use crate::sync::issues::changed::ChangedIssue;

/// Events whose ids are remembered. Those of a longer list are written twice if it is read again.
const REMEMBERED: usize = 10_000;

/// The events that a list gave.
#[derive(Debug, Default)]
pub(crate) struct Given {
    ids: HashSet<u64>,
    by_issue: HashMap<String, u64>,
    total: u64,
}

impl Given {
    /// Takes the rows of a page, and leaves those that were not given before. `issue` is the issue whose list they came
    /// from, if they did.
    pub(crate) fn take<'r>(&mut self, rows: Vec<Option<Row<'r>>>, issue: Option<&str>) -> Vec<Option<Row<'r>>> {
        rows.into_iter().filter(|row| row.as_ref().is_none_or(|row| self.is_new(row, issue))).collect()
    }

    fn is_new(&mut self, row: &Row<'_>, issue: Option<&str>) -> bool {
        let Some(id) = row.text("eventID") else { return true };
        let mut hasher = DefaultHasher::new();
        id.hash(&mut hasher);
        if self.ids.len() < REMEMBERED {
            if !self.ids.insert(hasher.finish()) {
                return false;
            }
        } else if self.ids.contains(&hasher.finish()) {
            return false;
        }
        self.total += 1;
        if issue.is_none()
            && let Some(group) = row.text("groupID")
        {
            *self.by_issue.entry(group.into_owned()).or_default() += 1;
        }
        true
    }

    /// Number of events.
    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    /// Of these issues, those of which fewer events came than were announced.
    pub(crate) fn short<'i>(&self, issues: impl Iterator<Item = &'i ChangedIssue>) -> Vec<&'i ChangedIssue> {
        let came = |issue: &ChangedIssue| self.by_issue.get(&*issue.id).copied().unwrap_or(0);
        issues.filter(|issue| issue.events.is_some_and(|announced| came(issue) < announced)).collect()
    }
}
