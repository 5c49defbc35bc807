//! One project's partition of a stream's progress: what of it is done, and issues read side by side in the order of their
//! ids.

use std::cell::{Ref, RefCell};

use crate::singer::progress::{Left, Partition};
use crate::singer::state::State;
use crate::singer::writer::OutputClosed;
use crate::sync::issues::changed::ChangedIssue;
use crate::sync::session::drive::drive;
use crate::sync::session::error::SyncError;
use crate::sync::session::{Project, Session};
use crate::time::Time;

/// Issues of one project read side by side.
const ISSUES_AT_ONCE: usize = 8;
/// Issues that may be completed out of order, beyond one that is not done: bounds the state while a huge issue is read.
const MOST_OUT_OF_ORDER: usize = 200;

/// A project's partition while it is worked on.
pub(crate) struct PartitionCheckpoint<'a> {
    session: &'a Session,
    /// The stream under whose bookmark the progress is kept.
    progress_owner: &'static str,
    project: &'a Project,
    end: Time,
    partition: RefCell<Partition>,
}

impl<'a> PartitionCheckpoint<'a> {
    /// Goes on from what an interrupted run has done of the window that ends at `end`.
    pub(crate) fn new(
        session: &'a Session,
        progress_owner: &'static str,
        project: &'a Project,
        end: Time,
        partition: Partition,
    ) -> Self {
        Self { session, progress_owner, project, end, partition: RefCell::new(partition) }
    }

    /// What is done so far.
    pub(crate) fn partition(&self) -> Ref<'_, Partition> {
        self.partition.borrow()
    }

    /// Changes the partition, which covers what has been written. Where not everything was `sound`, what could not be
    /// written stays ahead of it.
    pub(crate) async fn note(&self, sound: bool, change: impl FnOnce(&mut Partition)) -> Result<(), OutputClosed> {
        let state = &self.session.output.state;
        if !sound {
            return state.advance_page(|_| ()).await;
        }
        change(&mut self.partition.borrow_mut());
        let partition = self.partition.borrow().clone();
        let change = |state: &mut State| {
            state.progress_mut(self.progress_owner, self.end).projects.insert(self.project.id.clone(), partition);
        };
        state.advance_page(change).await
    }

    /// Runs `read` for issues side by side, in the order of their ids, without those that are done already.
    pub(crate) async fn each_issue(
        &self,
        issues: &[&ChangedIssue],
        sound: impl Fn() -> bool,
        read: impl AsyncFn(&ChangedIssue) -> Result<(), SyncError>,
    ) -> Result<(), SyncError> {
        let left = |issue: &&&ChangedIssue| self.partition().issues.left(&issue.id) != Left::Nothing;
        let mut waiting = issues.iter().filter(left);
        let one = async |issue: &ChangedIssue| {
            read(issue).await?;
            let ids = issues.iter().map(|issue| issue.id.as_ref());
            Ok::<(), SyncError>(self.note(sound(), |partition| partition.issues.finish(&issue.id, ids)).await?)
        };
        // Where nothing runs, no other issue can end the pause.
        let may_begin = |running: usize| running == 0 || self.partition().issues.out_of_order.len() < MOST_OUT_OF_ORDER;
        drive(ISSUES_AT_ONCE, |running| if may_begin(running) { waiting.next().map(|issue| one(issue)) } else { None })
            .await
    }

    /// Notes that the project is done.
    pub(crate) async fn finish(&self) -> Result<(), OutputClosed> {
        let change = |state: &mut State| {
            let progress = state.progress_mut(self.progress_owner, self.end);
            progress.projects.remove(&self.project.id);
            progress.done.insert(self.project.id.clone());
        };
        self.session.output.state.advance(change).await
    }
}
