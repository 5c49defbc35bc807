//! What came when. The judge keeps this beside the server, so that it can say later what was promised. A promise that is
//! in doubt, because no tap can know better, is struck out here.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use sentry_simulator::{Event, Organization};

/// When something could be seen, and the time that it says of itself, in epoch seconds.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    /// When the server had it.
    pub visible: i64,
    /// The time that it carries.
    pub time: i64,
    /// Whether the server had it before the first run began.
    pub early: bool,
}

/// Everything that came.
#[derive(Default)]
pub struct Ledger {
    /// Events, those that are gone among them, by id.
    pub events: BTreeMap<String, Known>,
    /// The issue that each event came to, by the event's id.
    pub origins: BTreeMap<String, u64>,
    /// Releases by version.
    pub releases: BTreeMap<String, Known>,
    /// Events, by id, and releases, by version, that no run can be blamed for.
    pub doubtful: BTreeSet<String>,
    /// Events of issues whose merge took a while. They are promised if a run had listed the issue before.
    pub listed_first: Vec<(u64, Vec<String>)>,
    /// Issues that were taken out of a merge.
    pub unmerged: BTreeSet<u64>,
    /// Whether a run is going on, or the last one was not whole.
    pub unfinished: bool,
    /// When the first run began.
    pub first_run: Option<i64>,
    /// What happened, in words.
    pub diary: Vec<String>,
    running: bool,
    merging: BTreeMap<u64, Merging>,
    hidden: BTreeSet<u64>,
}

/// What has happened since a merge began.
#[derive(Clone, Copy)]
enum Merging {
    /// No run.
    Alone,
    /// It began while a run went on.
    InRun,
    /// A run began while it was under way.
    MetRun,
}

impl Ledger {
    /// Writes down what is new.
    pub fn observe(&mut self, org: &Organization, now: DateTime<Utc>) {
        let (visible, early) = (now.timestamp(), self.first_run.is_none());
        for (issue, event) in org.issues.iter().flat_map(|issue| issue.events.iter().map(move |event| (issue, event))) {
            let id = event.hex();
            self.origins.entry(id.clone()).or_insert(issue.id);
            self.events.entry(id).or_insert(Known { visible, time: event.second(), early });
        }
        for release in &org.releases {
            let known = Known { visible, time: release.created.timestamp(), early };
            self.releases.entry(release.version.clone()).or_insert(known);
        }
    }

    /// Notes what happened, in seconds after the first run.
    pub fn note(&mut self, now: DateTime<Utc>, what: String) {
        let at = self.first_run.map_or_else(|| "before".to_owned(), |first| format!("{:+} s", now.timestamp() - first));
        let indent = if self.running { "    " } else { "" };
        self.diary.push(format!("{indent}{at}: {what}"));
    }

    /// A run begins.
    pub fn begin_run(&mut self, now: DateTime<Utc>) {
        self.first_run.get_or_insert(now.timestamp());
        self.running = true;
        self.merging.values_mut().for_each(|merging| *merging = Merging::MetRun);
    }

    /// A run is over. A project that was hidden while it went on may have been taken for one that has nothing new.
    pub fn end_run(&mut self, org: &Organization, whole: bool) {
        for project in std::mem::take(&mut self.hidden) {
            let issues = org.issues.iter().filter(|issue| issue.project == project);
            self.doubtful.extend(issues.flat_map(|issue| &issue.events).map(Event::hex));
            let releases = org.releases.iter().filter(|release| release.projects.contains(&project));
            self.doubtful.extend(releases.map(|release| release.version.clone()));
        }
        self.running = false;
        self.unfinished = !whole;
    }

    /// Whether a merge is under way.
    pub fn is_merging(&self) -> bool {
        !self.merging.is_empty()
    }

    /// A merge begins.
    pub fn begin_merge(&mut self, issue: u64) {
        self.merging.insert(issue, if self.running { Merging::InRun } else { Merging::Alone });
    }

    /// A merge is about to end. A run that began while it was under way cannot have seen the issue, and nothing tells
    /// the next one. Otherwise it depends on whether the run had listed it before.
    pub fn finish_merge(&mut self, org: &Organization, issue: u64) {
        let events: Vec<String> =
            org.issue(issue).into_iter().flat_map(|issue| &issue.events).map(Event::hex).collect();
        match self.merging.remove(&issue) {
            Some(Merging::Alone) | None => {}
            Some(Merging::InRun) => self.listed_first.push((issue, events)),
            Some(Merging::MetRun) => self.doubtful.extend(events),
        }
    }

    /// A merge is about to be taken apart. If a window is half read, the issues may slip past the list of issues.
    pub fn unmerge(&mut self, org: &Organization, issue: u64) {
        self.unmerged.insert(issue);
        if self.running || self.unfinished {
            let survivor = org.surviving_issue(issue);
            self.doubtful.extend(survivor.into_iter().flat_map(|issue| &issue.events).map(Event::hex));
        }
    }

    /// A project is hidden. While a run goes on, the run may have looked before.
    pub fn hide(&mut self, project: u64) {
        if self.running {
            self.hidden.insert(project);
        }
    }
}
