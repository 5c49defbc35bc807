//! Events of many projects side by side, each by its access path.

use std::cell::RefCell;
use std::collections::BTreeSet;

use crate::sentry::error::Tolerance;
use crate::sync::events::body::warn_of_details;
use crate::sync::events::plan::AccessPath;
use crate::sync::events::planner;
use crate::sync::events::project::{Completeness, read_project};
use crate::sync::events::task::EventTask;
use crate::sync::session::Session;
use crate::sync::session::drive::{drive_all, drive_both};
use crate::sync::session::error::SyncError;
use crate::sync::session::project::Project;
use crate::sync::session::tolerance::{gap_of_project, now, skip_project};

/// Projects read side by side, each by one list; the client's buckets decide how many requests really fly. Enough to use
/// a rate of 40 a second where an answer takes half a second.
const LISTS_AT_ONCE: usize = 24;
/// Projects read side by side, each by the lists of its issues.
const PROJECTS_AT_ONCE: usize = 8;

/// Reads the events of all tasks. Returns the projects that have to be read again.
pub(crate) async fn read_events(
    session: &Session,
    mut tasks: Vec<EventTask<'_>>,
) -> Result<BTreeSet<String>, SyncError> {
    planner::decide(session, &mut tasks).await;
    if let Some(output) = session.output.stream("events") {
        warn_of_details(session, output);
    }
    let incomplete = RefCell::new(BTreeSet::new());
    let one = async |task: EventTask<'_>| {
        if read_or_note(session, &task).await? == Completeness::ReadAgain {
            incomplete.borrow_mut().insert(task.project.id.clone());
        }
        Ok::<(), SyncError>(())
    };
    let (lists, issues): (Vec<_>, Vec<_>) = tasks.into_iter().partition(|task| task.path == AccessPath::ByProject);
    let lists = drive_all(LISTS_AT_ONCE, lists.into_iter().map(&one));
    let issues = drive_all(PROJECTS_AT_ONCE, issues.into_iter().map(&one));
    drive_both(lists, issues).await?;
    Ok(incomplete.into_inner())
}

/// Reads a project, or notes why it cannot be read.
async fn read_or_note(session: &Session, task: &EventTask<'_>) -> Result<Completeness, SyncError> {
    let outputs = || task.checkpoint.outputs().iter().copied();
    let mut result = read_project(session, task).await;
    if let Err(SyncError::Api(error)) = &result
        && error.tolerance() == Tolerance::Gone
    {
        let Some(now) = now(session, task.project).await? else {
            skip_project(outputs(), task.project, error);
            return Ok(Completeness::Whole);
        };
        // Boxed: most projects never need it, and hold no room for it.
        result = Box::pin(once_more(session, task, &now)).await;
    }
    let again = matches!(&result, Ok(Completeness::ReadAgain));
    let failed = gap_of_project(outputs(), task.project, result.map(drop))?.is_some();
    Ok(if again || failed { Completeness::ReadAgain } else { Completeness::Whole })
}

/// Reads a project that is still there, although its path answered 404: its slug may have been changed.
async fn once_more(session: &Session, task: &EventTask<'_>, now: &Project) -> Result<Completeness, SyncError> {
    let progress = task.checkpoint.progress().unwrap_or_default();
    let partition = progress.partition(&now.id, task.start).unwrap_or_default();
    read_project(session, &EventTask { project: now, partition, ..task.clone() }).await
}
