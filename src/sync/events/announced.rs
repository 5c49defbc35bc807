//! What a list gave, held against what the issue list announced for the same window. A list that was cut short looks like
//! its end: only the numbers can tell.

use std::collections::{HashMap, HashSet};

use crate::json::fingerprint::fingerprint;
use crate::json::row::Row;
use crate::sync::issues::changed::ChangedIssue;

/// Events whose ids are remembered: as many as a table of 4096 places takes. Those of a longer list are written twice if it
/// is read again.
const REMEMBERED: usize = 3584;

/// The events that a list gave.
#[derive(Debug, Default)]
pub(crate) struct Given<'i> {
    ids: HashSet<u64>,
    /// Issues of which fewer events came than were announced, and how many are missing.
    missing: HashMap<&'i str, u64>,
    total: u64,
}

impl<'i> Given<'i> {
    /// For a list of all events of these issues.
    pub(crate) fn of(issues: impl Iterator<Item = &'i ChangedIssue>) -> Self {
        let missing = issues.filter_map(|issue| Some((&*issue.id, issue.events.filter(|events| *events > 0)?)));
        Self { missing: missing.collect(), ..Self::default() }
    }

    /// Takes the rows of a page, and leaves those that were not given before. `issue` is the issue whose list they came
    /// from, if they did.
    pub(crate) fn take<'r>(&mut self, rows: Vec<Option<Row<'r>>>, issue: Option<&str>) -> Vec<Option<Row<'r>>> {
        rows.into_iter().filter(|row| row.as_ref().is_none_or(|row| self.is_new(row, issue))).collect()
    }

    fn is_new(&mut self, row: &Row<'_>, issue: Option<&str>) -> bool {
        let Some(id) = row.text("eventID") else { return true };
        let id = fingerprint([&*id]);
        let known = if self.is_full() { self.ids.contains(&id) } else { !self.ids.insert(id) };
        if known {
            return false;
        }
        self.total += 1;
        if issue.is_none()
            && let Some(group) = row.text("groupID")
        {
            self.has_come(&group);
        }
        true
    }

    fn is_full(&self) -> bool {
        self.ids.len() >= REMEMBERED
    }

    /// Notes an event of an issue. What is complete takes no memory.
    fn has_come(&mut self, issue: &str) {
        let Some(missing) = self.missing.get_mut(issue) else { return };
        *missing -= 1;
        if *missing == 0 {
            self.missing.remove(issue);
        }
    }

    /// Number of events.
    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    /// Of these issues, those of which fewer events came than were announced.
    pub(crate) fn short(&self, issues: impl Iterator<Item = &'i ChangedIssue>) -> Vec<&'i ChangedIssue> {
        issues.filter(|issue| self.missing.contains_key(&*issue.id)).collect()
    }

    /// Number of events that the list gave of an announced issue.
    pub(crate) fn came(&self, issue: &ChangedIssue) -> u64 {
        let missing = self.missing.get(&*issue.id).copied().unwrap_or(0);
        issue.events.unwrap_or(0).saturating_sub(missing)
    }

    /// Whether a second reading of `rows` rows brought nothing new to a first one, which had given `came` of the same rows and
    /// `before` in all. Where not all ids are remembered, the numbers tell.
    pub(crate) fn has_nothing_new(&self, before: u64, came: u64, rows: u64) -> bool {
        self.total == before || (self.is_full() && rows <= came)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn issue(id: &str, events: Option<u64>) -> ChangedIssue {
        ChangedIssue { events, ..ChangedIssue::left(id, crate::time::Time::UNIX_EPOCH, None) }
    }

    /// Takes events by number, and says how many of them were new.
    fn take(given: &mut Given<'_>, events: std::ops::Range<usize>, group: &str, issue: Option<&str>) -> usize {
        let texts: Vec<_> = events.map(|nth| format!(r#"{{"eventID":"{nth}","groupID":"{group}"}}"#)).collect();
        given.take(texts.iter().map(|text| Row::scan(text)).collect(), issue).len()
    }

    #[test]
    fn an_issue_is_short_until_as_many_events_came_as_were_announced() {
        let issues = [issue("1", Some(3)), issue("2", Some(2)), issue("3", None), issue("4", Some(0))];
        let mut given = Given::of(issues.iter());
        assert_eq!(take(&mut given, 0..2, "1", None), 2);
        assert_eq!(take(&mut given, 1..2, "1", None), 0, "it came before");
        assert_eq!(take(&mut given, 2..6, "2", None), 4, "more than were announced");
        assert_eq!(take(&mut given, 6..8, "3", None), 2);
        let short: Vec<_> = given.short(issues.iter()).iter().map(|issue| &*issue.id).collect();
        assert_eq!((short, given.came(&issues[0]), given.total()), (vec!["1"], 2, 8));
    }

    #[test]
    fn a_second_reading_of_a_list_that_is_longer_than_the_memory_is_judged_by_numbers() {
        let (mut given, rows) = (Given::default(), REMEMBERED + 100);
        assert_eq!(take(&mut given, 0..rows, "1", Some("1")), rows);
        let (before, rows) = (given.total(), rows as u64);
        assert!(given.has_nothing_new(before, rows, rows));
        assert_eq!(take(&mut given, 0..REMEMBERED + 100, "1", Some("1")), 100, "those that were forgotten");
        assert!(given.has_nothing_new(before, before, rows));
        assert!(!given.has_nothing_new(before, before, rows + 1));
        assert!(given.ids.capacity() <= REMEMBERED);
    }
}
