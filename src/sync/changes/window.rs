//! One sync window: its end, and what is read up to it. One issue scan serves issues and their dependents. It writes the
//! issue records and finds the issues whose events changed.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use tracing::{debug, warn};

use crate::sentry::dialect::Capability;
use crate::sentry::window::Window;
use crate::singer::progress::Progress;
use crate::singer::state::Bookmark;
use crate::sync::changes::bookmarks::{self, ProjectSet};
use crate::sync::changes::dependents::Dependent;
use crate::sync::issues::changed::{ChangedIssues, ScanScope};
use crate::sync::issues::issue::ask_for_details_again;
use crate::sync::issues::scan::IssueScan;
use crate::sync::session::Session;
use crate::sync::session::checkpoint::Checkpoint;
use crate::sync::session::drive::drive_all;
use crate::sync::session::error::SyncError;
use crate::sync::session::starts::{bookmark_of, start_after, start_for};
use crate::time::{Time, whole_second};

/// A window of issues and of what depends on them.
pub(crate) struct SyncWindow<'a> {
    /// The run.
    pub(crate) session: &'a Session,
    /// The projects.
    pub(crate) projects: ProjectSet<'a>,
    /// End of the window, which becomes the bookmark (the Singer SDK's signpost).
    pub(crate) end: Time,
    /// Bookmark of the issues, if they are read in this window.
    pub(crate) issues: Option<Bookmark>,
    /// What is read for the issues that are found changed.
    pub(crate) dependents: Vec<Dependent<'a>>,
    /// Issues are read from `start_date` on, for changes that no event causes.
    pub(crate) refresh: bool,
}

impl<'a> SyncWindow<'a> {
    /// Everything up to now.
    pub(crate) fn to_now(session: &'a Session, projects: ProjectSet<'a>) -> Self {
        let (issues, dependents) = (bookmarks::current(session, "issues"), Dependent::all(session));
        let end = whole_second(session.client.server_now());
        let refresh = issues.as_ref().is_some_and(|issues| refresh_is_due(session, issues, end));
        Self { session, projects, end, issues, dependents, refresh }
    }

    /// Reads it, and moves the bookmarks to its end.
    pub(crate) async fn read(self, scan: &mut IssueScan<'a>) -> Result<(), SyncError> {
        let outputs = self.issues.as_ref().and_then(|_| self.session.output.stream("issues"));
        let checkpoint = Checkpoint::new(self.session, outputs.into_iter().collect(), self.end);
        let scopes = self.scan_scopes();
        scan.begin(checkpoint.clone(), &scopes);
        if let Some(checkpoint) = &checkpoint {
            // Before the scan: what fails in it is for the next run.
            ask_for_details_again(self.session, checkpoint).await?;
        }
        let mut found = ChangedIssues::of(&scopes);
        for (start, scope) in scopes {
            let (emit, detect) = (scope.emit.len(), scope.detect.len());
            debug!("issues from {start}: {emit} projects to write, {detect} to look for events");
            scan.scan(&scope, Window { start, end: self.end }, &mut found).await?;
        }
        found.add_glimpsed();
        if self.session.client.dialect.supports(Capability::ListWindows) {
            self.name_lost_days();
        }
        if let (Some(checkpoint), Some(bookmark)) = (&checkpoint, &self.issues) {
            self.finish_issues(checkpoint, bookmark, &found).await?;
        }
        let dependents = self.dependents.iter().map(|dependent| dependent.read(self.projects, self.end, &found));
        drive_all(usize::MAX, dependents).await
    }

    /// Warns of days that the server threw away since the last run.
    fn name_lost_days(&self) {
        let all = Window { start: Time::MIN_UTC, end: self.end };
        let oldest = all.within_retention(self.session.client.server_now()).start;
        let issues = self.issues.iter().map(|bookmark| ("issues", bookmark));
        let dependents = self.dependents.iter().flat_map(Dependent::bookmarks);
        for (name, bookmark) in issues.chain(dependents) {
            let read_to = self.projects.read.iter().filter_map(|project| bookmark_of(bookmark, &project.id)).min();
            if let Some(start) = read_to.filter(|start| *start < oldest) {
                warn!("{name}: {} can no longer be had: the server keeps 90 days", Window { start, end: oldest });
            }
        }
    }

    /// Projects by the start of their window. Streams with the same window share one scan.
    pub(crate) fn scan_scopes(&self) -> BTreeMap<Time, ScanScope> {
        let mut scopes: BTreeMap<Time, ScanScope> = BTreeMap::new();
        let config = &self.session.config;
        let done: Vec<(&Dependent<'_>, Progress)> =
            self.dependents.iter().map(|dependent| (dependent, dependent.progress(self.end))).collect();
        for project in self.projects.read {
            if let Some(bookmark) = &self.issues {
                let start = if self.refresh {
                    start_after(None, config.start_date, config.lookback)
                } else {
                    start_for(bookmark, &project.id, config.start_date, config.lookback)
                };
                scopes.entry(start).or_default().emit.insert(project.id.clone());
            }
            for (dependent, progress) in &done {
                let start = dependent.start(&project.id);
                if !progress.has_done(&project.id, start) {
                    scopes.entry(start).or_default().detect.insert(project.id.clone());
                }
            }
        }
        scopes.retain(|start, _| *start < self.end);
        scopes
    }

    async fn finish_issues(
        &self,
        checkpoint: &Checkpoint<'_>,
        old: &Bookmark,
        found: &ChangedIssues,
    ) -> Result<(), SyncError> {
        let incomplete = found.incomplete(self.projects.read);
        let refreshed = self.refresh && incomplete.is_empty();
        let move_on = |_: &'static str, bookmark: &mut Bookmark| {
            self.projects.advance(bookmark, old, self.end, &incomplete);
            if refreshed {
                bookmark.refreshed = Some(self.end);
            }
        };
        Ok(checkpoint.finish(move_on).await?)
    }
}

fn refresh_is_due(session: &Session, issues: &Bookmark, now: Time) -> bool {
    let Some(interval) = session.config.issue_refresh else {
        return false;
    };
    let interval = TimeDelta::from_std(interval).unwrap_or(TimeDelta::MAX);
    issues.refreshed.is_none_or(|refreshed| now.signed_duration_since(refreshed) >= interval)
}
