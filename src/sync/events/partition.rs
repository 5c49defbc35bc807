//! One project's partition of a stream's progress: what of it is done, and issues read side by side in the order of their
//! ids.
//!
//! An issue that fails does not hold up the others: its name is kept, and it is asked for again in each run. One that the
//! server says is gone is asked for again when the project has been read, and in the next run: while a merge is under way,
//! the server says the same of an issue whose events live on (API §8).

use std::cell::{Cell, Ref, RefCell};

use tracing::debug;

use crate::sentry::error::ApiError;
use crate::sentry::request::PAGE_ROWS;
use crate::singer::frontier::{IssueProgress, Left, Listed};
use crate::singer::pending::{Pending, Why};
use crate::singer::progress::{Partition, Progress};
use crate::singer::writer::OutputClosed;
use crate::sync::issues::changed::ChangedIssue;
use crate::sync::session::checkpoint::Checkpoint;
use crate::sync::session::drive::drive;
use crate::sync::session::error::SyncError;
use crate::sync::session::project::Project;
use crate::sync::session::tolerance::{Answer, ISSUE_GONE, answer_of};
use crate::time::Time;

/// Short issues of one project read side by side. Long ones run beside them.
const ISSUES_AT_ONCE: usize = 8;
/// An issue of so many pages, announced or read, is a long one.
const LONG: u64 = 20;

/// A project's partition while it is worked on.
pub(crate) struct PartitionCheckpoint<'a> {
    checkpoint: &'a Checkpoint<'a>,
    project: &'a Project,
    start: Time,
    partition: RefCell<Partition>,
    issues: RefCell<IssueProgress>,
    /// Names are kept of no more issues, so the project has to be read again.
    too_many: Cell<bool>,
}

impl<'a> PartitionCheckpoint<'a> {
    /// Goes on from what an interrupted run has done of the project from `start` on.
    pub(crate) fn new(checkpoint: &'a Checkpoint<'a>, project: &'a Project, start: Time, partition: Partition) -> Self {
        let partition = RefCell::new(Partition { start: Some(start), ..partition });
        let (issues, too_many) = (RefCell::default(), Cell::new(false));
        Self { checkpoint, project, start, partition, issues, too_many }
    }

    /// What is done so far.
    pub(crate) fn partition(&self) -> Ref<'_, Partition> {
        self.partition.borrow()
    }

    /// Which part of an issue's events is still to be read.
    pub(crate) fn left(&self, issue: &ChangedIssue) -> Left {
        self.issues.borrow().left(&issue.id)
    }

    /// Changes the partition, which covers what has been written. Where not everything was `sound`, what could not be
    /// written stays ahead of it.
    pub(crate) async fn note(&self, sound: bool, change: impl FnOnce(&mut Partition)) -> Result<(), OutputClosed> {
        if !sound {
            return self.checkpoint.stay().await;
        }
        change(&mut self.partition.borrow_mut());
        let partition = self.partition.borrow().clone();
        let change = |progress: &mut Progress| {
            progress.projects.insert(self.project.id.clone(), partition);
        };
        self.checkpoint.advance_page(change).await
    }

    /// Notes that the `pages` first pages of an issue are written, down to a second.
    pub(crate) async fn note_pages(
        &self,
        sound: bool,
        issue: &ChangedIssue,
        pages: u64,
        until: Option<Time>,
    ) -> Result<(), OutputClosed> {
        let announced = issue.events.unwrap_or(0) / PAGE_ROWS as u64;
        let long = until.filter(|_| pages.max(announced) >= LONG && issue.since.is_none());
        let Some(until) = long.filter(|_| sound) else { return self.checkpoint.stay().await };
        self.issues.borrow_mut().advance_to(&issue.id, until);
        self.note_issues(sound).await
    }

    async fn note_issues(&self, sound: bool) -> Result<(), OutputClosed> {
        let kept = self.issues.borrow().kept();
        self.note(sound, |partition| partition.issues = kept).await
    }

    /// Runs `read` for issues side by side, in the order of their ids, without those that are done already.
    pub(crate) async fn each_issue(
        &self,
        issues: &[&ChangedIssue],
        sound: impl Fn() -> bool,
        read: impl AsyncFn(&ChangedIssue) -> Result<(), SyncError>,
    ) -> Result<(), SyncError> {
        let listed = issues.iter().map(|issue| Listed { id: &issue.id, events: issue.events.unwrap_or(0) });
        let resumed = IssueProgress::resume(&self.partition.borrow().issues, listed);
        self.issues.replace(resumed);
        let mut waiting = issues.iter().filter(|issue| issue.since.is_some() || self.left(issue) != Left::Nothing);
        let gone = RefCell::new(Vec::new());
        let one = async |issue: &'_ ChangedIssue| {
            if self.settle(issue, read(issue).await)? == Outcome::Gone {
                gone.borrow_mut().push(issue.id.clone());
            }
            self.issues.borrow_mut().finish(&issue.id);
            Ok::<(), SyncError>(self.note_issues(sound()).await?)
        };
        let may_begin = |running: usize| running < ISSUES_AT_ONCE + self.issues.borrow().long_issues();
        drive(usize::MAX, |running| if may_begin(running) { waiting.next().map(|issue| one(issue)) } else { None })
            .await?;
        let gone = gone.into_inner();
        self.again(issues.iter().copied().filter(|issue| gone.contains(&issue.id)), read).await
    }

    /// Runs `read` for issues one after the other, each time from its beginning.
    pub(crate) async fn again<'i>(
        &self,
        issues: impl Iterator<Item = &'i ChangedIssue>,
        read: impl AsyncFn(&ChangedIssue) -> Result<(), SyncError>,
    ) -> Result<(), SyncError> {
        for issue in issues {
            if self.settle(issue, read(issue).await)? == Outcome::Gone {
                self.checkpoint.outputs().iter().for_each(|output| output.skip(ISSUE_GONE));
            }
        }
        Ok(())
    }

    /// What a result means for the issue, and whether its name has to be kept.
    fn settle(&self, issue: &ChangedIssue, result: Result<(), SyncError>) -> Result<Outcome, SyncError> {
        let error = match answer_of(result)? {
            Answer::Read(()) => {
                self.checkpoint.forget_pending(&issue.id);
                return Ok(Outcome::Read);
            }
            // Two runs have found it gone: it is.
            Answer::Gone(error) if issue.since.is_some() && self.checkpoint.was_gone(&issue.id) => {
                debug!("{error}");
                self.checkpoint.forget_pending(&issue.id);
                self.checkpoint.outputs().iter().for_each(|output| output.skip(ISSUE_GONE));
                return Ok(Outcome::Read);
            }
            Answer::Gone(error) => {
                debug!("{error}; it is asked for again");
                self.keep(issue, Why::Gone, &error);
                return Ok(Outcome::Gone);
            }
            Answer::Failed(error) => error,
        };
        // What hangs on the issue's rows is missing too, which goes without saying.
        self.checkpoint.outputs()[0].gap(format!("issue {}: {error}", issue.id));
        self.keep(issue, Why::Failed, &error);
        Ok(Outcome::Failed)
    }

    fn keep(&self, issue: &ChangedIssue, why: Why, error: &ApiError) {
        let (key, project) = (issue.id.to_string(), self.project.id.clone());
        let since = issue.since.unwrap_or(self.start);
        if !self.checkpoint.keep_pending(&Pending { why, key, project, since, until: None })
            && !self.too_many.replace(true)
        {
            for output in self.checkpoint.outputs() {
                let (slug, most) = (&self.project.slug, why.most());
                output.gap(format!("project {slug}: more than {most} of its issues cannot be read: {error}"));
            }
        }
    }

    /// Whether so many issues failed that the project has to be read again.
    pub(crate) fn has_to_be_read_again(&self) -> bool {
        self.too_many.get()
    }

    /// Notes that the project is done.
    pub(crate) async fn finish(&self) -> Result<(), OutputClosed> {
        let change = |progress: &mut Progress| progress.finish_project(&self.project.id, self.start);
        self.checkpoint.advance(change).await
    }
}

/// What came of an issue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Read,
    Gone,
    Failed,
}
