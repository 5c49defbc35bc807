//! What a scan of issues is for and what it comes to: whose records are written, and whose events changed. Data only.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::iter;

use crate::json::fingerprint::fingerprint;
use crate::sentry::error::ApiError;
use crate::sentry::window::Window;
use crate::sync::issues::fan_out::PageKeys;
use crate::sync::session::project::Project;
use crate::time::{Time, format_time};

/// What is known of an issue before its events are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ChangedIssue {
    /// Issue id.
    pub(crate) id: Box<str>,
    /// Title, for records that came by the issue.
    pub(crate) title: Box<str>,
    /// Events in the window; `None` where the server does not say.
    pub(crate) events: Option<u64>,
    /// Events in its whole life; `None` where the server does not say.
    pub(crate) lifetime: Option<u64>,
    /// When its newest event came; `None` where the server does not say.
    pub(crate) last_seen: Option<Time>,
    /// Whether project event lists hold its events: error issues only (API §2.7).
    pub(crate) is_error: bool,
    /// An earlier run has left it, and its rows are missing from here on.
    pub(crate) since: Option<Time>,
}

impl ChangedIssue {
    /// An issue that an earlier run has left. Project lists do not reach back for it, so it is read by itself.
    pub(crate) fn left(id: &str, since: Time, listed: Option<&Self>) -> Self {
        let (id, is_error, since) = (id.into(), false, Some(since));
        match listed {
            Some(listed) => Self { is_error, since, ..listed.clone() },
            None => Self { id, title: "".into(), events: None, lifetime: None, last_seen: None, is_error, since },
        }
    }
}

/// Projects whose issues are read from the same moment.
#[derive(Debug, Default)]
pub(crate) struct ScanScope {
    /// Projects whose issues are written.
    pub(crate) emit: BTreeSet<String>,
    /// Projects whose events will be read.
    pub(crate) detect: BTreeSet<String>,
}

/// Tells what a window is scanned for from anything else. A project more has rows above any position, and an earlier start
/// makes a list that no interrupted run has read.
pub(crate) fn scopes_as_text(scopes: &BTreeMap<Time, ScanScope>) -> String {
    let written = scopes.iter().filter(|(_, scope)| !scope.emit.is_empty());
    let texts: Vec<String> =
        written.flat_map(|(start, scope)| iter::once(format_time(*start)).chain(scope.emit.iter().cloned())).collect();
    format!("{:016x}", fingerprint(texts.iter().map(String::as_str)))
}

/// What the scans of a sync window came to.
#[derive(Debug, Default)]
pub(crate) struct ChangedIssues {
    /// Issues with events in the window, by its start and by project id.
    pub(crate) changed: BTreeMap<Time, HashMap<String, Vec<ChangedIssue>>>,
    /// From when on events of each project are looked for.
    detected_from: HashMap<String, Time>,
    /// Issues with such events that lists for other purposes have shown. A merge that begins meanwhile takes an issue out
    /// of the list that is read for events.
    glimpsed: HashMap<String, Vec<ChangedIssue>>,
    /// Projects whose issues could not be listed.
    pub(crate) failed: BTreeMap<String, ApiError>,
    /// Some rows could not be read, and nobody knows of which project they were.
    pub(crate) malformed: bool,
}

impl ChangedIssues {
    /// Nothing yet, of these scopes by their start.
    pub(crate) fn of(scopes: &BTreeMap<Time, ScanScope>) -> Self {
        let starts = scopes.iter().flat_map(|(start, scope)| scope.detect.iter().map(|id| (id.clone(), *start)));
        Self { detected_from: starts.collect(), ..Self::default() }
    }

    /// Adds what other lists have shown and the lists for events have not.
    pub(crate) fn add_glimpsed(&mut self) {
        for (project, issues) in std::mem::take(&mut self.glimpsed) {
            let Some(start) = self.detected_from.get(&project) else { continue };
            let listed = self.changed.entry(*start).or_default().entry(project).or_default();
            let known: HashSet<Box<str>> = listed.iter().map(|issue| issue.id.clone()).collect();
            listed.extend(issues.into_iter().filter(|issue| !known.contains(&issue.id)));
        }
    }

    /// The issues of a project with events since `start`.
    pub(crate) fn since(&self, start: Time, project: &str) -> Option<&Vec<ChangedIssue>> {
        self.changed.get(&start)?.get(project)
    }

    /// Whether issues of any project may be missing.
    pub(crate) fn misses_something(&self) -> bool {
        self.malformed || !self.failed.is_empty()
    }

    /// Of these projects, those of which issues may be missing.
    pub(crate) fn incomplete(&self, projects: &[Project]) -> BTreeSet<String> {
        let any = projects.iter().filter(|_| self.malformed).map(|project| &project.id);
        self.failed.keys().chain(any).cloned().collect()
    }
}

/// What an interrupted run has written of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ResumePoint {
    /// Nothing.
    Nothing,
    /// Every row whose key is newer than this: the time that the list is sorted by.
    DownTo(Time),
    /// All of it.
    Everything,
}

impl ResumePoint {
    /// Whether the rows of a page are written; `keys` are `None` on the last page, or where cursors do not say.
    pub(crate) fn covers(self, keys: Option<PageKeys>) -> bool {
        match self {
            Self::Nothing => false,
            Self::DownTo(until) => {
                keys.is_some_and(|keys| keys.down_to > until || (keys.down_to == until && keys.all_newer))
            }
            Self::Everything => true,
        }
    }

    /// Whether an interrupted run was further on than this.
    pub(crate) fn is_beyond(self, other: Time) -> bool {
        match self {
            Self::Nothing => false,
            Self::DownTo(until) => until < other,
            Self::Everything => true,
        }
    }
}

/// One list of issues being read.
#[derive(Debug)]
pub(crate) struct IssueList<'a> {
    /// The window that is asked for.
    pub(crate) window: Window,
    /// The window before what the server no longer has was cut off.
    pub(crate) asked: Window,
    /// The projects it is read for.
    pub(crate) scope: &'a ScanScope,
    /// Issues seen in this window, so that none is written twice.
    pub(crate) seen: HashSet<Box<str>>,
    /// What the scans come to.
    pub(crate) found: &'a mut ChangedIssues,
}

impl IssueList<'_> {
    /// Whether an issue was not seen before.
    pub(crate) fn is_new(&mut self, id: &str) -> bool {
        self.seen.insert(id.into())
    }

    /// Notes an issue whose newest event in the window came at `last_seen`, if events of its project are looked for.
    pub(crate) fn note(&mut self, project: &str, last_seen: Option<Time>, issue: impl FnOnce() -> ChangedIssue) {
        let (found, start) = (&mut *self.found, self.asked.start);
        if self.scope.detect.contains(project) {
            let of_window = found.changed.entry(start).or_default();
            of_window.entry(project.to_owned()).or_default().push(issue());
        } else if found.detected_from.get(project).is_some_and(|start| last_seen >= Some(*start)) {
            // It has counted the events of another window.
            let issue = ChangedIssue { events: None, ..issue() };
            found.glimpsed.entry(project.to_owned()).or_default().push(issue);
        }
    }

    /// Whether any record is written.
    pub(crate) fn writes(&self) -> bool {
        !self.scope.emit.is_empty()
    }

    /// Whether records of the project's issues are written.
    pub(crate) fn emits(&self, project: &str) -> bool {
        self.scope.emit.contains(project)
    }
}
