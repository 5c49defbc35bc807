//! Issues and events of a run: first the window that an earlier run left half read, then the one up to now.
//!
//! One issue walk serves both streams: it gives the issue records and says whose events changed.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;
use futures_util::stream::{FuturesUnordered, StreamExt};
use tracing::{debug, info, warn};

use crate::singer::progress::Progress;
use crate::singer::state::{Bookmark, State};
use crate::sync::failure::WalkError;
use crate::sync::followers::Follower;
use crate::sync::issue_list::{Found, Group};
use crate::sync::issues::IssueWalk;
use crate::sync::window::{Window, bookmark_of, start_after, start_for};
use crate::sync::{Project, Sync};
use crate::time::{Time, format_time, whole_second};

/// One window end, and what is to be read up to it.
pub struct Pass<'a> {
    pub(super) sync: &'a Sync,
    pub(super) projects: &'a [Project],
    /// End of the windows.
    pub end: Time,
    /// Bookmark of the issues, if they are read in this pass.
    issues: Option<Bookmark>,
    /// What is read for the issues that are found changed.
    followers: Vec<Follower<'a>>,
    /// Issues are read from the beginning, for changes that no event causes.
    refresh: bool,
}

/// Reads issues, events and what hangs on issues, whichever are selected.
pub async fn run(sync: &Sync, projects: &[Project]) -> Result<(), WalkError> {
    let followers = Follower::all(sync).await;
    let followers = followers.iter().flat_map(|follower| follower.outputs().to_vec());
    for output in sync.output.stream("issues").into_iter().chain(followers) {
        sync.output.begin(output).await?;
    }
    let now = whole_second(sync.client.server_now());
    let mut walk = IssueWalk::new(sync, projects);
    // Windows that an earlier run left half read keep their end; the earliest first, then what came since.
    loop {
        let (issues, followers) = (bookmark(sync, "issues").await, Follower::all(sync).await);
        let half_read = issues.iter().filter_map(|bookmark| bookmark.progress.as_ref());
        let half_read = half_read.chain(followers.iter().filter_map(Follower::progress)).map(|progress| progress.end);
        let Some(end) = half_read.filter(|end| *end < now).min() else {
            return Pass { end: now, ..Pass::to_now(sync, projects).await }.run(&mut walk).await;
        };
        info!("Going on with the window that ends at {}", format_time(end));
        let of_this_window = |progress: Option<&Progress>| progress.is_none_or(|progress| progress.end == end);
        let refresh = issues.as_ref().and_then(|issues| issues.progress.as_ref()).is_some_and(|progress| {
            progress.mark.start == Some(start_after(None, sync.config.start_date, sync.config.lookback))
        });
        let issues = issues.filter(|issues| of_this_window(issues.progress.as_ref()));
        let followers = followers.into_iter().filter(|follower| of_this_window(follower.progress())).collect();
        Pass { sync, projects, end, issues, followers, refresh }.run(&mut walk).await?;
    }
}

/// The bookmark of a selected stream; an empty one where the catalog asks for the full table.
pub async fn bookmark(sync: &Sync, name: &str) -> Option<Bookmark> {
    let output = sync.output.stream(name)?;
    if output.full_table {
        return Some(Bookmark::default());
    }
    Some(sync.output.bookmark(name).await)
}

fn refresh_is_due(sync: &Sync, issues: &Bookmark, now: Time) -> bool {
    let Some(interval) = sync.config.issue_refresh else {
        return false;
    };
    let interval = TimeDelta::from_std(interval).unwrap_or(TimeDelta::MAX);
    issues.refreshed.is_none_or(|refreshed| now.signed_duration_since(refreshed) >= interval)
}

impl<'a> Pass<'a> {
    /// Everything up to now.
    pub async fn to_now(sync: &'a Sync, projects: &'a [Project]) -> Self {
        let (issues, followers) = (bookmark(sync, "issues").await, Follower::all(sync).await);
        let end = whole_second(sync.client.server_now());
        let refresh = issues.as_ref().is_some_and(|issues| refresh_is_due(sync, issues, end));
        Self { sync, projects, end, issues, followers, refresh }
    }

    async fn run(self, walk: &mut IssueWalk<'_>) -> Result<(), WalkError> {
        let groups = self.groups();
        let issues = self.issues.as_ref().and_then(|issues| issues.progress.as_ref());
        walk.resume(issues.filter(|progress| progress.end == self.end).map(|progress| progress.mark.clone()));
        let mut found = Found::default();
        for (start, group) in groups {
            debug!(
                "issues from {start}: {} projects to write, {} to look for events",
                group.emit.len(),
                group.detect.len()
            );
            walk.group(&group, Window { start, end: self.end }, &mut found).await?;
        }
        if walk.knows_windows() {
            self.name_lost_days();
        }
        if let Some(bookmark) = &self.issues {
            self.finish_issues(bookmark, &found).await?;
        }
        let mut running: FuturesUnordered<_> =
            self.followers.iter().map(|follower| follower.read(&self, &found, walk.knows_windows())).collect();
        while let Some(result) = running.next().await {
            result?;
        }
        Ok(())
    }

    /// Says loudly which days came and went at the server since the last run.
    fn name_lost_days(&self) {
        let all = Window { start: Time::MIN_UTC, end: self.end };
        let oldest = all.within_retention(self.sync.client.server_now()).start;
        let issues = self.issues.iter().map(|bookmark| ("issues", bookmark));
        let followers = self.followers.iter().flat_map(|follower| {
            let names = follower.outputs().iter().map(|output| output.stream.tap_stream_id);
            names.zip(follower.bookmarks())
        });
        for (name, bookmark) in issues.chain(followers) {
            let read_to = self.projects.iter().filter_map(|project| bookmark_of(bookmark, &project.id)).min();
            if let Some(start) = read_to.filter(|start| *start < oldest) {
                warn!("{name}: {} can no longer be had: the server keeps 90 days", Window { start, end: oldest });
            }
        }
    }

    /// What is read for the issues that are found changed.
    pub fn followers(&self) -> &[Follower<'a>] {
        &self.followers
    }

    /// Projects by the start of their window; equal windows of both streams share one walk.
    pub fn groups(&self) -> BTreeMap<Time, Group> {
        let mut groups: BTreeMap<Time, Group> = BTreeMap::new();
        let config = &self.sync.config;
        let done: Vec<_> = self.followers.iter().map(|follower| follower.done(self.end)).collect();
        for project in self.projects {
            let start = |bookmark: &Bookmark| start_for(bookmark, &project.id, config.start_date, config.lookback);
            if let Some(bookmark) = &self.issues {
                let start = if self.refresh {
                    start_for(&Bookmark::default(), "", config.start_date, config.lookback)
                } else {
                    start(bookmark)
                };
                groups.entry(start).or_default().emit.insert(project.id.clone());
            }
            for (follower, _) in self.followers.iter().zip(&done).filter(|(_, done)| !done.contains(&project.id)) {
                let start = follower.start(self.sync, &project.id);
                groups.entry(start).or_default().detect.insert(project.id.clone());
            }
        }
        groups.retain(|start, _| *start < self.end);
        groups
    }

    async fn finish_issues(&self, old: &Bookmark, found: &Found) -> Result<(), WalkError> {
        let failed: BTreeSet<String> = found.failed.keys().cloned().chain(self.any_of(found)).collect();
        let projects = self.projects_after(old, &failed);
        let (end, refreshed) = (self.end, self.refresh && failed.is_empty());
        let change = |state: &mut State| {
            let bookmark = state.bookmark_mut("issues");
            bookmark.start = Some(end);
            bookmark.projects = Some(projects);
            bookmark.progress = None;
            if refreshed {
                bookmark.refreshed = Some(end);
            }
        };
        Ok(self.sync.output.advance(change).await?)
    }

    /// The projects that rows nobody could read may have been of.
    pub fn any_of(&self, found: &Found) -> impl Iterator<Item = String> {
        self.projects.iter().filter(|_| found.odd).map(|project| project.id.clone())
    }

    /// Which projects the new bookmark speaks for: all that were read, and those that failed with their old start.
    /// A project that failed before it was ever read is left out, and so begins at `start_date` again.
    pub fn projects_after(&self, old: &Bookmark, failed: &BTreeSet<String>) -> BTreeMap<String, Option<Time>> {
        let mut after = BTreeMap::new();
        for project in self.projects {
            let own = old.projects.as_ref().and_then(|projects| projects.get(&project.id).copied().flatten());
            match (failed.contains(&project.id), bookmark_of(old, &project.id)) {
                (true, None) => {}
                (true, start) => drop(after.insert(project.id.clone(), start)),
                // Once a project had a start of its own it keeps one, so that no state ever loses a key.
                (false, _) => drop(after.insert(project.id.clone(), own.map(|_| self.end))),
            }
        }
        after
    }
}
