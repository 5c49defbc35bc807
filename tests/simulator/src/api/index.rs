//! Events by project, in the order of the project's list. The index is built when it is first needed, and dropped when
//! the data changes. It holds positions, not events.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::organization::{Category, Event, Issue, Organization};

/// The position of an issue in the organization, and of an event in the issue.
pub(crate) type Place = (u32, u32);

/// The lists built so far.
#[derive(Default)]
pub(crate) struct EventIndex(BTreeMap<u64, Arc<Vec<Place>>>);

impl EventIndex {
    /// The error events of a project, newest second first, then the larger id.
    pub(crate) fn of(&mut self, org: &Organization, project: u64) -> Arc<Vec<Place>> {
        let list = self.0.entry(project).or_insert_with(|| Arc::new(build(org, project)));
        Arc::clone(list)
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}

/// What a place points to.
pub(crate) fn at(org: &Organization, place: Place) -> (&Issue, &Event) {
    let issue = &org.issues[place.0 as usize];
    (issue, &issue.events[place.1 as usize])
}

fn build(org: &Organization, project: u64) -> Vec<Place> {
    let mut places = Vec::new();
    for (position, issue) in org.issues.iter().enumerate() {
        if issue.project == project && issue.keeps_events() && issue.category == Category::Error {
            let position = u32::try_from(position).expect("fewer than 2^32 issues");
            let events = u32::try_from(issue.events.len()).expect("fewer than 2^32 events");
            places.extend((0..events).map(|event| (position, event)));
        }
    }
    places.sort_unstable_by_key(|place| at(org, *place).1.order());
    places
}
