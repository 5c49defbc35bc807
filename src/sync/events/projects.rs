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
use crate::sync::session::checkpoint::Checkpoint;
use crate::sync::session::drive::{drive_all, drive_both};
use crate::sync::session::error::SyncError;
use crate::sync::session::lookup::project_now;
use crate::sync::session::tolerance::tolerate_project;

/// Projects read side by side, each by one list; the client's buckets decide how many requests really fly. Enough to use
/// a rate of 40 a second where an answer takes half a second.
const LISTS_AT_ONCE: usize = 24;
/// Projects read side by side, each by the lists of its issues.
const PROJECTS_AT_ONCE: usize = 8;

/// Reads the events of all tasks. Returns the projects that have to be read again.
pub(crate) async fn read_events(
    session: &Session,
    checkpoint: &Checkpoint<'_>,
    mut tasks: Vec<EventTask<'_>>,
) -> Result<BTreeSet<String>, SyncError> {
    planner::decide(session, &mut tasks).await;
    if let Some(output) = session.output.stream("events") {
        warn_of_details(session, output);
    }
    let incomplete = RefCell::new(BTreeSet::new());
    let one = async |task: EventTask<'_>| {
        let project = task.project;
        let mut result = read_project(session, &task).await;
        if is_gone(&result) {
            result = once_more(session, &task, result).await?;
        }
        let again = matches!(&result, Ok(Completeness::ReadAgain));
        let outputs = checkpoint.outputs().iter().copied();
        if tolerate_project(session, outputs, project, result.map(drop)).await?.is_some() || again {
            incomplete.borrow_mut().insert(project.id.clone());
        }
        Ok::<(), SyncError>(())
    };
    let (lists, issues): (Vec<_>, Vec<_>) = tasks.into_iter().partition(|task| task.path == AccessPath::ByProject);
    let lists = drive_all(LISTS_AT_ONCE, lists.into_iter().map(&one));
    let issues = drive_all(PROJECTS_AT_ONCE, issues.into_iter().map(&one));
    drive_both(lists, issues).await?;
    Ok(incomplete.into_inner())
}

fn is_gone(result: &Result<Completeness, SyncError>) -> bool {
    matches!(result, Err(SyncError::Api(error)) if error.tolerance() == Tolerance::Gone)
}

/// Reads a project whose path answered 404, if it is still there: its slug may have been changed.
async fn once_more(
    session: &Session,
    task: &EventTask<'_>,
    result: Result<Completeness, SyncError>,
) -> Result<Result<Completeness, SyncError>, SyncError> {
    let Some(project) = project_now(session, task.project).await? else { return Ok(result) };
    let progress = task.checkpoint.progress().unwrap_or_default();
    let partition = progress.partition(&project.id, task.start).unwrap_or_default();
    let task = EventTask { project: &project, partition, ..task.clone() };
    Ok(read_project(session, &task).await)
}
