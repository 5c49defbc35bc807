//! Streams that are read for the issues that the walk finds changed: events, and what hangs on issues. Their windows and
//! bookmarks; what they read is known elsewhere.

use std::collections::BTreeSet;

use futures_util::stream::StreamExt;
use tracing::info;

use crate::sentry::endpoint::PathValues;
use crate::sentry::error::ErrorKind;
use crate::singer::progress::{Part, Progress};
use crate::singer::state::{Bookmark, State};
use crate::streams::{self, Source, Stream};
use crate::sync::children::{Child, Parent};
use crate::sync::event_rows::Target;
use crate::sync::failure::WalkError;
use crate::sync::issue_list::Found;
use crate::sync::output::StreamOutput;
use crate::sync::part::PartKeeper;
use crate::sync::passes::{Pass, bookmark};
use crate::sync::plan::{ChangedIssue, Way};
use crate::sync::window::{bookmark_of, start_for};
use crate::sync::{Project, Sync, events, part_failed, ways};
use crate::time::{Time, format_time};

/// One such stream, or one with those below it.
pub struct Follower<'a> {
    outputs: Vec<&'a StreamOutput>,
    /// One for each output.
    bookmarks: Vec<Bookmark>,
    /// What is read; events and what lies inside them if it is none.
    child: Option<Child<'a>>,
}

impl<'a> Follower<'a> {
    /// All that are selected.
    pub async fn all(sync: &'a Sync) -> Vec<Follower<'a>> {
        let mut all: Vec<Follower<'a>> = Vec::new();
        let of_events = |stream: &Stream| matches!(stream.source, Source::Events | Source::EventPart(_));
        let outputs: Vec<_> = sync.output.streams().filter(|output| of_events(output.stream)).collect();
        if !outputs.is_empty() {
            all.push(Self::new(outputs, None));
        }
        if let Some(issues) = streams::find("issues") {
            let children = Child::all(sync, issues).await;
            all.extend(children.into_iter().map(|child| Self::new(child.outputs(), Some(child))));
        }
        for follower in &mut all {
            for output in &follower.outputs {
                follower.bookmarks.extend(bookmark(sync, output.stream.tap_stream_id).await);
            }
        }
        all
    }

    fn new(outputs: Vec<&'a StreamOutput>, child: Option<Child<'a>>) -> Self {
        Self { outputs, bookmarks: Vec::new(), child }
    }

    /// The selected streams among them.
    pub fn outputs(&self) -> &[&'a StreamOutput] {
        &self.outputs
    }

    /// Their bookmarks.
    pub fn bookmarks(&self) -> &[Bookmark] {
        &self.bookmarks
    }

    /// Whether it is events, or what lies inside them.
    pub fn is_events(&self) -> bool {
        self.child.is_none()
    }

    /// The stream under whose bookmark the progress is kept.
    fn holder(&self) -> &'static str {
        self.outputs[0].stream.tap_stream_id
    }

    /// What an interrupted run has done of a window: of all that is read together now, or nothing.
    pub fn progress(&self) -> Option<&Progress> {
        let progress = self.bookmarks.first()?.progress.as_ref()?;
        progress.holds_for(self.with()).then_some(progress)
    }

    /// The streams beside the one under which the progress is kept.
    fn with(&self) -> impl Iterator<Item = &'static str> {
        self.outputs.iter().skip(1).map(|output| output.stream.tap_stream_id)
    }

    /// What is written of a project, each stream from its own bookmark on.
    fn targets(&self, sync: &Sync, project: &str) -> Vec<Target<'a>> {
        let (start_date, lookback) = (sync.config.start_date, sync.config.lookback);
        let start = |bookmark: &Bookmark| start_for(bookmark, project, start_date, lookback);
        let each = self.outputs.iter().zip(&self.bookmarks);
        each.map(|(output, bookmark)| Target { output, start: start(bookmark) }).collect()
    }

    /// Projects that an interrupted run has done up to `end`.
    pub fn done(&self, end: Time) -> BTreeSet<String> {
        let progress = self.progress().filter(|progress| progress.end == end);
        progress.map(|progress| progress.done.clone()).unwrap_or_default()
    }

    /// Where a project has to be read from.
    pub fn start(&self, sync: &Sync, project: &str) -> Time {
        let (start_date, lookback) = (sync.config.start_date, sync.config.lookback);
        let starts = self.bookmarks.iter().map(|bookmark| start_for(bookmark, project, start_date, lookback));
        starts.min().unwrap_or(start_date)
    }

    /// Reads it up to the end of the pass, and moves its bookmarks.
    pub async fn read(&self, pass: &Pass<'_>, found: &Found, knows_windows: bool) -> Result<(), WalkError> {
        let (sync, end) = (pass.sync, pass.end);
        let mut failed: BTreeSet<String> = found.failed.keys().cloned().collect();
        let mut done = self.done(end);
        let mut work = Vec::new();
        for project in pass.projects.iter().filter(|project| !failed.contains(&project.id)) {
            let start = self.start(sync, &project.id);
            if let Some(issues) = found.since(start, &project.id).filter(|_| !done.contains(&project.id)) {
                let continues = self.bookmarks.iter().all(|bookmark| bookmark_of(bookmark, &project.id).is_some());
                let progress = self.progress().filter(|progress| progress.end == end);
                let part = progress.and_then(|progress| progress.projects.get(&project.id).cloned());
                let (issues, part) = (events::in_order(issues), part.unwrap_or_default());
                let way = Way::ByIssue; // decided below, for all projects together
                let targets = self.targets(sync, &project.id);
                work.push(events::Work { project, issues, start, end, knows_windows, continues, way, part, targets });
            } else {
                done.insert(project.id.clone());
            }
        }
        let holder = self.holder();
        let goes_on = self.progress().is_some_and(|progress| progress.end == end);
        let begin = |state: &mut State| {
            let progress = state.progress_mut(holder, end);
            if !goes_on {
                *progress = Progress { end, ..Progress::default() };
            }
            (progress.done, progress.with) = (done, self.with().map(str::to_owned).collect());
        };
        sync.output.advance_page(begin).await?;
        failed.extend(match &self.child {
            None => self.read_events(sync, work, knows_windows).await?,
            Some(child) => self.read_child(sync, child, work).await?,
        });
        failed.extend(pass.any_of(found));
        let change = |state: &mut State| {
            for (output, old) in self.outputs.iter().zip(&self.bookmarks) {
                let projects = pass.projects_after(old, &failed);
                let bookmark = state.bookmark_mut(output.stream.tap_stream_id);
                (bookmark.start, bookmark.projects, bookmark.progress) = (Some(end), Some(projects), None);
            }
        };
        sync.output.advance(change).await?;
        for output in self.outputs.iter().filter(|output| output.stream.parent.is_some()) {
            info!("{}: {} records", output.stream.tap_stream_id, output.tally().records);
        }
        Ok(())
    }

    /// What hangs on the issues, one project after the other. Returns the projects of which something is missing.
    async fn read_child(
        &self,
        sync: &Sync,
        child: &Child<'_>,
        work: Vec<events::Work<'_>>,
    ) -> Result<BTreeSet<String>, WalkError> {
        let mut failed = BTreeSet::new();
        let gaps = || self.outputs.iter().map(|output| output.tally().gaps.len()).sum::<usize>();
        self.outputs[0].expect(work.iter().map(|work| work.issues.len() as u64).sum());
        for work in work {
            let before = gaps();
            self.of_issues(sync, child, work.project, &work.issues, work.end, work.part).await?;
            if gaps() > before {
                failed.insert(work.project.id.clone());
            } else {
                events::finish_project(sync, self.holder(), work.project, work.end).await?;
            }
        }
        Ok(failed)
    }

    /// Events of the projects; returns those that failed.
    async fn read_events(
        &self,
        sync: &Sync,
        mut work: Vec<events::Work<'_>>,
        knows_windows: bool,
    ) -> Result<BTreeSet<String>, WalkError> {
        let mut failed = BTreeSet::new();
        ways::decide(sync, &mut work, knows_windows).await;
        let mut running = events::run_all(sync, work);
        while let Some((project, result)) = running.next().await {
            match result {
                Ok(()) => {}
                Err(WalkError::Api(error)) if sync.goes_on_after(&error) => {
                    part_failed(self.outputs.iter().copied(), project, &error);
                    if error.kind != ErrorKind::NotFound {
                        failed.insert(project.id.clone());
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok(failed)
    }

    async fn of_issues(
        &self,
        sync: &Sync,
        child: &Child<'_>,
        project: &Project,
        issues: &[&ChangedIssue],
        end: Time,
        part: Part,
    ) -> Result<(), WalkError> {
        let keeper = PartKeeper::new(sync, self.holder(), project, end, part);
        let sound = || !self.outputs.iter().any(|output| output.has_gaps());
        let read = async |issue: &ChangedIssue| child.of(sync, &offer(sync, issue), end).await;
        keeper.each_issue(issues, sound, read).await
    }
}

/// What an issue offers to those below it.
fn offer(sync: &Sync, issue: &ChangedIssue) -> Parent {
    let mut values: PathValues = sync.values();
    values.push(("issue", issue.id.to_string()));
    values.extend(issue.last_seen.map(|time| ("issue_last_seen", format_time(time))));
    Parent { key: issue.id.to_string(), values }
}
