//! Streams that are read for changed issues: events, and children of issues. Has their windows and bookmarks, and does not
//! know how they are read.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use tracing::info;

use crate::output::stream::StreamOutput;
use crate::sentry::endpoint::PathValues;
use crate::sentry::error::Tolerance;
use crate::singer::progress::Progress;
use crate::singer::state::Bookmark;
use crate::streams::context::ChildContext;
use crate::streams::{self, Source, Stream};
use crate::sync::changes::bookmarks::ProjectSet;
use crate::sync::events::partition::PartitionCheckpoint;
use crate::sync::events::plan::AccessPath;
use crate::sync::events::projects::read_events;
use crate::sync::events::task::{EventTask, Target, by_id};
use crate::sync::issues::changed::{ChangedIssue, ChangedIssues};
use crate::sync::session::Session;
use crate::sync::session::checkpoint::Checkpoint;
use crate::sync::session::error::SyncError;
use crate::sync::session::lookup::{Standing, look_up};
use crate::sync::session::project::Project;
use crate::sync::session::starts::{bookmark_of, start_for};
use crate::sync::session::tolerance::{Answer, answer_of};
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
        let member = |output: &'a StreamOutput| Member { output, bookmark: Checkpoint::bookmark_of(session, output) };
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

    /// How far they are in the window up to `end`.
    fn checkpoint(&self, end: Time) -> Option<Checkpoint<'a>> {
        Checkpoint::new(self.session, self.outputs().collect(), end)
    }

    /// End of the window that an interrupted run has left half read.
    pub(crate) fn half_read(&self) -> Option<Time> {
        Some(self.checkpoint(Time::MIN_UTC)?.interrupted()?.end)
    }

    /// What an interrupted run has done of the window up to `end`.
    pub(crate) fn progress(&self, end: Time) -> Progress {
        self.checkpoint(end).and_then(|checkpoint| checkpoint.progress()).unwrap_or_default()
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

    /// Reads the streams up to the end of the window, and moves their bookmarks.
    pub(crate) async fn read(&self, set: ProjectSet<'_>, end: Time, found: &ChangedIssues) -> Result<(), SyncError> {
        let (projects, Some(checkpoint)) = (set.read, self.checkpoint(end)) else { return Ok(()) };
        let progress = checkpoint.progress().unwrap_or_default();
        let mut incomplete = found.incomplete(projects);
        let listed: Vec<&Project> = projects.iter().filter(|project| !found.failed.contains_key(&project.id)).collect();
        let pending: Vec<Vec<ChangedIssue>> =
            listed.iter().map(|project| self.pending(&checkpoint, project, found)).collect();
        let (mut tasks, mut idle) = (Vec::new(), Vec::new());
        for (project, pending) in listed.into_iter().zip(&pending) {
            let start = self.start(&project.id);
            let changed = found.since(start, &project.id).filter(|_| !progress.has_done(&project.id, start));
            let issues = by_id(changed.map_or(&[][..], Vec::as_slice), pending);
            if issues.is_empty() {
                idle.push((&project.id, start));
            } else {
                tasks.push(self.task(&checkpoint, project, issues, &progress));
            }
        }
        let begin =
            |progress: &mut Progress| idle.into_iter().for_each(|(id, start)| progress.finish_project(id, start));
        checkpoint.advance_page(begin).await?;
        incomplete.extend(match &self.child {
            None => read_events(self.session, tasks).await?,
            Some(child) => self.read_children(&checkpoint, child, tasks).await?,
        });
        self.finish(&checkpoint, set, &incomplete).await
    }

    /// Issues of a project that earlier runs have left.
    fn pending(&self, checkpoint: &Checkpoint<'_>, project: &Project, found: &ChangedIssues) -> Vec<ChangedIssue> {
        let changed = found.since(self.start(&project.id), &project.id);
        let listed = |id: &str| changed?.iter().find(|issue| *issue.id == *id);
        let pending = checkpoint.pending(project).into_iter();
        pending.map(|pending| ChangedIssue::left(&pending.key, pending.since, listed(&pending.key))).collect()
    }

    /// What is to be read of one project, and what an interrupted run has done of it.
    fn task<'t>(
        &'t self,
        checkpoint: &'t Checkpoint<'t>,
        project: &'t Project,
        issues: Vec<&'t ChangedIssue>,
        progress: &Progress,
    ) -> EventTask<'t> {
        let start = self.start(&project.id);
        let targets = self.outputs().zip(self.starts(&project.id));
        EventTask {
            checkpoint,
            project,
            issues,
            start,
            end: checkpoint.end(),
            continues: self.bookmarks().all(|(_, bookmark)| bookmark_of(bookmark, &project.id).is_some()),
            path: AccessPath::ByIssue, // decided for all projects together
            partition: progress.partition(&project.id, start).unwrap_or_default(),
            targets: targets.map(|(output, start)| Target { output, start }).collect(),
        }
    }

    async fn finish(
        &self,
        checkpoint: &Checkpoint<'_>,
        set: ProjectSet<'_>,
        incomplete: &BTreeSet<String>,
    ) -> Result<(), SyncError> {
        let move_on = |name: &'static str, bookmark: &mut Bookmark| {
            let old = self.bookmarks().find(|(known, _)| *known == name).map(|(_, old)| old.clone());
            set.advance(bookmark, &old.unwrap_or_default(), checkpoint.end(), incomplete);
        };
        checkpoint.finish(move_on).await?;
        for output in self.outputs().filter(|output| output.stream.parent.is_some()) {
            info!("{}: {} records", output.stream.tap_stream_id, output.tally().records);
        }
        Ok(())
    }

    /// Reads the children of issues, one project after the other. Returns the projects that have to be read again.
    async fn read_children(
        &self,
        checkpoint: &Checkpoint<'_>,
        child: &Substream<'_>,
        tasks: Vec<EventTask<'_>>,
    ) -> Result<BTreeSet<String>, SyncError> {
        let mut incomplete = BTreeSet::new();
        let gaps = || child.outputs_below().map(|output| output.tally().gaps.len()).sum::<usize>();
        self.members[0].output.expect(tasks.iter().map(|task| task.issues.len() as u64).sum());
        let all: BTreeSet<String> = tasks.iter().map(|task| task.project.id.clone()).collect();
        for task in tasks {
            let before = gaps();
            let partition = PartitionCheckpoint::new(checkpoint, task.project, task.start, task.partition);
            let read = async |issue: &ChangedIssue| self.read_child(child, issue, task.end).await;
            partition.each_issue(&task.issues, || gaps() == before, read).await?;
            if gaps() > before || partition.has_to_be_read_again() {
                incomplete.insert(task.project.id.clone());
            } else {
                partition.finish().await?;
            }
        }
        Ok(if child.settle(self.session).await? { all } else { incomplete })
    }

    /// Reads what hangs on one issue. As long as the endpoint has never answered, a 404 may say that it is missing: if the
    /// issue itself is there.
    async fn read_child(&self, child: &Substream<'_>, issue: &ChangedIssue, end: Time) -> Result<(), SyncError> {
        let context = self.context(issue);
        let result = child.read(self.session, &context, end).await;
        if let Err(SyncError::Api(error)) = &result
            && error.tolerance() == Tolerance::Gone
            && !child.has_answered()
            && let Some(issues) = streams::find("issues")
            && let Answer::Read(Standing::There) =
                answer_of(look_up(self.session, issues, &context.values).await.map_err(SyncError::from))?
        {
            child.miss(self.session).await?;
        }
        result
    }

    /// What an issue gives to the streams below it.
    fn context(&self, issue: &ChangedIssue) -> ChildContext {
        let mut values: PathValues = self.session.values();
        values.push(("issue", issue.id.to_string()));
        values.extend(issue.last_seen.map(|time| ("issue_last_seen", format_time(time))));
        ChildContext { parent_key: issue.id.to_string(), values, project: None, late_by: TimeDelta::zero() }
    }
}
