//! One list of issues being read: which rows are new, which are written, and what they say about events.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use crate::sentry::error::ApiError;
use crate::sync::issue_rows::IssueRow;
use crate::sync::plan::ChangedIssue;
use crate::sync::window::Window;
use crate::time::Time;

/// Projects whose issues are read from the same moment.
#[derive(Debug, Default)]
pub struct Group {
    /// Projects whose issues are written.
    pub emit: BTreeSet<String>,
    /// Projects whose events will be read.
    pub detect: BTreeSet<String>,
}

/// What the walks of a pass came to.
#[derive(Debug, Default)]
pub struct Found {
    /// Issues with events in the window, by its start and by project id.
    pub changed: BTreeMap<Time, HashMap<String, Vec<ChangedIssue>>>,
    /// Projects whose issues could not be listed.
    pub failed: BTreeMap<String, ApiError>,
    /// Some rows could not be read, and nobody knows of which project they were.
    pub odd: bool,
}

impl Found {
    /// The issues of a project with events since `start`.
    pub fn since(&self, start: Time, project: &str) -> Option<&Vec<ChangedIssue>> {
        self.changed.get(&start)?.get(project)
    }
}

/// What an interrupted run has written of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// Nothing.
    Nothing,
    /// Everything newer than this second.
    NewerThan(Time),
    /// All of it.
    Everything,
}

impl Written {
    /// Whether an issue of that time is written.
    pub fn covers(self, last_seen: Option<Time>) -> bool {
        match self {
            Self::Nothing => false,
            Self::NewerThan(until) => last_seen.is_some_and(|last_seen| last_seen > until),
            Self::Everything => true,
        }
    }
}

/// One list being read.
#[derive(Debug)]
pub struct List<'a> {
    /// The window that is asked for.
    pub window: Window,
    /// As it was asked for, before what the server no longer has was cut off.
    pub asked: Window,
    /// The projects it is read for.
    pub group: &'a Group,
    /// Issues seen in this window, so that none is written twice.
    pub seen: HashSet<Box<str>>,
    /// What the pass comes to.
    pub found: &'a mut Found,
}

impl List<'_> {
    /// Notes an issue; `false` if it was seen before.
    pub fn note(&mut self, issue: &IssueRow<'_>) -> bool {
        if !self.seen.insert(issue.id.as_ref().into()) {
            return false;
        }
        if self.group.detect.contains(issue.project.as_ref()) {
            let of_window = self.found.changed.entry(self.asked.start).or_default();
            of_window.entry(issue.project.to_string()).or_default().push(issue.to_changed());
        }
        true
    }

    /// Whether any record is written.
    pub fn writes(&self) -> bool {
        !self.group.emit.is_empty()
    }

    /// Whether the issue's record is written.
    pub fn emits(&self, issue: &IssueRow<'_>) -> bool {
        self.group.emit.contains(issue.project.as_ref())
    }
}
