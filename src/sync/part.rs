//! One project's part of a stream's progress: what of it is done, and issues read side by side in the order of their ids.

use std::cell::{Ref, RefCell};

use futures_util::stream::{FuturesUnordered, StreamExt};

use crate::singer::progress::{Left, Part};
use crate::singer::state::State;
use crate::singer::writer::OutputClosed;
use crate::sync::failure::WalkError;
use crate::sync::plan::ChangedIssue;
use crate::sync::{Project, Sync};
use crate::time::Time;

/// Issues of one project read side by side.
const ISSUES_AT_ONCE: usize = 8;
/// Issues that may be done beyond one that is not: bounds the state while a huge issue is read.
const ISSUES_AHEAD: usize = 200;

/// A project's part while it is worked on.
pub struct PartKeeper<'a> {
    sync: &'a Sync,
    /// The stream under whose bookmark the progress is kept.
    stream: &'static str,
    project: &'a Project,
    end: Time,
    part: RefCell<Part>,
}

impl<'a> PartKeeper<'a> {
    /// Goes on from what an interrupted run has done of the window that ends at `end`.
    pub fn new(sync: &'a Sync, stream: &'static str, project: &'a Project, end: Time, part: Part) -> Self {
        Self { sync, stream, project, end, part: RefCell::new(part) }
    }

    /// What is done so far.
    pub fn part(&self) -> Ref<'_, Part> {
        self.part.borrow()
    }

    /// Changes the part, which vouches for what has been written. Where not everything was `sound`, what could not be
    /// written stays ahead of the mark.
    pub async fn note(&self, sound: bool, change: impl FnOnce(&mut Part)) -> Result<(), OutputClosed> {
        if !sound {
            return self.sync.output.advance_page(|_| ()).await;
        }
        change(&mut self.part.borrow_mut());
        let part = self.part.borrow().clone();
        let (project, end) = (self.project.id.clone(), self.end);
        let change = |state: &mut State| {
            state.progress_mut(self.stream, end).projects.insert(project, part);
        };
        self.sync.output.advance_page(change).await
    }

    /// Runs `read` for issues side by side, in the order of their ids, without those that are done already.
    pub async fn each_issue(
        &self,
        issues: &[&ChangedIssue],
        sound: impl Fn() -> bool,
        read: impl AsyncFn(&ChangedIssue) -> Result<(), WalkError>,
    ) -> Result<(), WalkError> {
        let left = |issue: &&&ChangedIssue| self.part().issues.left(&issue.id) != Left::Nothing;
        let mut waiting = issues.iter().filter(left);
        let mut running = FuturesUnordered::new();
        let one = async |issue: &ChangedIssue| {
            read(issue).await?;
            let ids = issues.iter().map(|issue| issue.id.as_ref());
            Ok::<(), WalkError>(self.note(sound(), |part| part.issues.finish(&issue.id, ids)).await?)
        };
        loop {
            while running.len() < ISSUES_AT_ONCE
                && self.part().issues.ahead.len() < ISSUES_AHEAD
                && let Some(issue) = waiting.next()
            {
                running.push(one(issue));
            }
            // Nothing else is waited for here, since the readers share locks.
            let Some(result) = running.next().await else { return Ok(()) };
            result?;
        }
    }
}
