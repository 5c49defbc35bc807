//! Streams that are read for changed issues: events, and children of issues. Has their windows and bookmarks, and does not
//! know how they are read.

use std::collections::BTreeSet;

use tracing::info;

use chrono::TimeDelta;

use crate::output::stream::StreamOutput;
use crate::sentry::endpoint::PathValues;
use crate::singer::progress::Progress;
use crate::singer::state::{Bookmark, State};
use crate::streams::context::ChildContext;
use crate::streams::{self, Source, Stream};
use crate::sync::changes::bookmarks;
use crate::sync::events::partition::PartitionCheckpoint;
use crate::sync::events::plan::AccessPath;
use crate::sync::events::projects::read_events;
use crate::sync::events::task::{EventTask, Target, by_id};
use crate::sync::issues::changed::{ChangedIssue, ChangedIssues};
use crate::sync::session::error::SyncError;
use crate::sync::session::starts::{bookmark_of, start_for};
use crate::sync::session::{Project, Session};
use crate::sync::tables::substreams::Substream;
use crate::time::{Time, format_time};

/// Streams that are read together: events with what is embedded in them, or a child of issues with its own children.
pub(crate) struct Dependent<'a> {
    session: &'a Session,
    /// At least one. The first is the progress owner.
    members: Vec<Member<'a>>,
    /// The child of issues. Absent for events and what is embedded in them.
    child: Option<Substream<'a>>,
}

/// One of the streams, with its bookmark.
struct Member<'a> {
    output: &'a StreamOutput,
    bookmark: Bookmark,
}

impl<'a> Dependent<'a> {
    /// All that are selected.
    pub(crate) fn all(session: &'a Session) -> Vec<Self> {
        let of_events = |stream: &Stream| matches!(stream.source, Source::Events | Source::EventPart(_));
        let outputs: Vec<_> = session.output.streams().filter(|output| of_events(output.stream)).collect();
        let events = Some(outputs).filter(|outputs| !outputs.is_empty()).map(|outputs| (outputs, None));
        let children = streams::find("issues").map(|issues| Substream::below(session, issues)).unwrap_or_default();
        let children = children.into_iter().map(|child| (child.outputs(), Some(child)));
        events.into_iter().chain(children).map(|(outputs, child)| Self::new(session, outputs, child)).collect()
    }

    fn new(session: &'a Session, outputs: Vec<&'a StreamOutput>, child: Option<Substream<'a>>) -> Self {
        let member = |output: &'a StreamOutput| {
            let bookmark = bookmarks::current(session, output.stream.tap_stream_id).unwrap_or_default();
            Member { output, bookmark }
        };
        Self { session, members: outputs.into_iter().map(member).collect(), child }
    }

    /// The selected streams among them.
    pub(crate) fn outputs(&self) -> impl Iterator<Item = &'a StreamOutput> {
        self.members.iter().map(|member| member.output)
    }

    /// Their bookmarks, by name.
    pub(crate) fn bookmarks(&self) -> impl Iterator<Item = (&'static str, &Bookmark)> {
        self.members.iter().map(|member| (member.output.stream.tap_stream_id, &member.bookmark))
    }

    /// Whether it is events, or what is embedded in them.
    pub(crate) fn is_events(&self) -> bool {
        self.child.is_none()
    }

    /// The stream under whose bookmark the progress is kept.
    fn progress_owner(&self) -> &'static str {
        self.members[0].output.stream.tap_stream_id
    }

    /// The streams beside the progress owner.
    fn co_read(&self) -> impl Iterator<Item = &'static str> {
        self.outputs().skip(1).map(|output| output.stream.tap_stream_id)
    }

    /// What an interrupted run has done of a window, if it read the same streams together.
    pub(crate) fn progress(&self) -> Option<&Progress> {
        let progress = self.members.first()?.bookmark.progress.as_ref()?;
        progress.holds_for(self.co_read()).then_some(progress)
    }

    fn progress_up_to(&self, end: Time) -> Option<&Progress> {
        self.progress().filter(|progress| progress.end == end)
    }

    /// Projects that an interrupted run has done up to `end`.
    pub(crate) fn done(&self, end: Time) -> BTreeSet<String> {
        self.progress_up_to(end).map(|progress| progress.done.clone()).unwrap_or_default()
    }

    /// Where a project has to be read from.
    pub(crate) fn start(&self, project: &str) -> Time {
        self.starts(project).min().unwrap_or(self.session.config.start_date)
    }

    /// Where each of the streams has to be read from.
    fn starts(&self, project: &str) -> impl Iterator<Item = Time> {
        let config = &self.session.config;
        self.bookmarks().map(|(_, bookmark)| start_for(bookmark, project, config.start_date, config.lookback))
    }

    /// Reads the streams up to `end`, and moves their bookmarks.
    pub(crate) async fn read(&self, projects: &[Project], end: Time, found: &ChangedIssues) -> Result<(), SyncError> {
        let mut incomplete = found.incomplete(projects);
        let listed = projects.iter().filter(|project| !found.failed.contains_key(&project.id));
        let mut done = self.done(end);
        let mut tasks = Vec::new();
        for project in listed {
            match found.since(self.start(&project.id), &project.id) {
                Some(issues) if !done.contains(&project.id) => tasks.push(self.task(project, by_id(issues), end)),
                _ => {
                    done.insert(project.id.clone());
                }
            }
        }
        self.begin(end, done).await?;
        incomplete.extend(match &self.child {
            None => read_events(self.session, &self.outputs().collect::<Vec<_>>(), tasks).await?,
            Some(child) => self.read_children(child, tasks).await?,
        });
        self.finish(projects, end, &incomplete).await
    }

    /// What is to be read of one project, and what an interrupted run has done of it.
    fn task<'t>(&self, project: &'t Project, issues: Vec<&'t ChangedIssue>, end: Time) -> EventTask<'t>
    where
        'a: 't,
    {
        let targets = self.outputs().zip(self.starts(&project.id));
        let partition = self.progress_up_to(end).and_then(|progress| progress.projects.get(&project.id).cloned());
        EventTask {
            project,
            issues,
            start: self.start(&project.id),
            end,
            continues: self.bookmarks().all(|(_, bookmark)| bookmark_of(bookmark, &project.id).is_some()),
            path: AccessPath::ByIssue, // decided for all projects together
            partition: partition.unwrap_or_default(),
            targets: targets.map(|(output, start)| Target { output, start }).collect(),
        }
    }

    /// Says in the state which projects are done up to `end` before anything is read.
    async fn begin(&self, end: Time, done: BTreeSet<String>) -> Result<(), SyncError> {
        let goes_on = self.progress_up_to(end).is_some();
        let begin = |state: &mut State| {
            let progress = state.progress_mut(self.progress_owner(), end);
            if !goes_on {
                *progress = Progress { end, ..Progress::default() };
            }
            (progress.done, progress.co_read) = (done, self.co_read().map(str::to_owned).collect());
        };
        Ok(self.session.output.state.advance_page(begin).await?)
    }

    async fn finish(&self, projects: &[Project], end: Time, incomplete: &BTreeSet<String>) -> Result<(), SyncError> {
        let change = |state: &mut State| {
            for (name, old) in self.bookmarks() {
                let after = bookmarks::projects_after(projects, end, old, incomplete);
                let bookmark = state.bookmark_mut(name);
                (bookmark.start, bookmark.projects, bookmark.progress) = (Some(end), Some(after), None);
            }
        };
        self.session.output.state.advance(change).await?;
        for output in self.outputs().filter(|output| output.stream.parent.is_some()) {
            info!("{}: {} records", output.stream.tap_stream_id, output.tally().records);
        }
        Ok(())
    }

    /// Reads the children of issues, one project after the other. Returns the projects of which something is missing.
    async fn read_children(
        &self,
        child: &Substream<'_>,
        tasks: Vec<EventTask<'_>>,
    ) -> Result<BTreeSet<String>, SyncError> {
        let mut incomplete = BTreeSet::new();
        let gaps = || self.outputs().map(|output| output.tally().gaps.len()).sum::<usize>();
        self.members[0].output.expect(tasks.iter().map(|task| task.issues.len() as u64).sum());
        let all: BTreeSet<String> = tasks.iter().map(|task| task.project.id.clone()).collect();
        for task in tasks {
            let before = gaps();
            let owner = self.progress_owner();
            let checkpoint = PartitionCheckpoint::new(self.session, owner, task.project, task.end, task.partition);
            let sound = || !self.outputs().any(StreamOutput::has_gaps);
            let read = async |issue: &ChangedIssue| child.of(self.session, &self.context(issue), task.end).await;
            checkpoint.each_issue(&task.issues, sound, read).await?;
            if gaps() > before {
                incomplete.insert(task.project.id.clone());
            } else {
                checkpoint.finish().await?;
            }
        }
        Ok(if child.settle(self.session).await? { all } else { incomplete })
    }

    /// What an issue gives to the streams below it.
    fn context(&self, issue: &ChangedIssue) -> ChildContext {
        let mut values: PathValues = self.session.values();
        values.push(("issue", issue.id.to_string()));
        values.extend(issue.last_seen.map(|time| ("issue_last_seen", format_time(time))));
        ChildContext { parent_key: issue.id.to_string(), values, project: None, late_by: TimeDelta::zero() }
    }
}
