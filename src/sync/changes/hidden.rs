//! Projects that the token may not see. Lists of all projects leave them out without a word, so that nothing in them would
//! look like nothing new.

use chrono::TimeDelta;
use tracing::debug;

use crate::sentry::dialect::Capability;
use crate::sentry::endpoints::{MAX_PROJECT_IDS, ORGANIZATION_ISSUES};
use crate::sentry::error::Tolerance;
use crate::sentry::request::Request;
use crate::sentry::window::Window;
use crate::sync::session::error::SyncError;
use crate::sync::session::{Project, Session};
use crate::time::Time;

/// Hidden projects that a message names.
const NAMED: usize = 5;

/// Parts the projects into those whose issues can be read, and those that are hidden. The project list says of each whether
/// the token has access (API §8). Where it says no, the issue list is asked for the project by its id: if that answers, it
/// can be read all the same. What stays hidden is one gap.
pub(crate) async fn part_hidden(
    session: &Session,
    projects: &[Project],
    now: Time,
) -> Result<(Vec<Project>, Vec<Project>), SyncError> {
    let (mut seen, doubtful): (Vec<Project>, Vec<Project>) =
        projects.iter().cloned().partition(|project| project.has_access);
    let mut hidden = Vec::new();
    for group in doubtful.chunks(MAX_PROJECT_IDS) {
        let together = session.client.dialect.supports(Capability::SeveralProjects) || group.len() == 1;
        if together && answers(session, group, now).await? {
            seen.extend_from_slice(group);
            continue;
        }
        for project in group {
            let answers =
                (group.len() > 1 || !together) && answers(session, std::slice::from_ref(project), now).await?;
            (if answers { &mut seen } else { &mut hidden }).push(project.clone());
        }
    }
    name(session, &hidden);
    forget_earlier(session, &hidden);
    Ok((seen, hidden))
}

/// Whether the issue list answers for these projects. Only a refusal says that they are hidden. A server without such a
/// list has lists of the projects, which will tell.
async fn answers(session: &Session, projects: &[Project], now: Time) -> Result<bool, SyncError> {
    let request = Request::new(&ORGANIZATION_ISSUES, session.values()).with("query", "");
    let request = projects.iter().fold(request, |request, project| request.with("project", project.id.clone()));
    let window = Window { start: now - TimeDelta::minutes(1), end: now };
    match session.client.get(&request.within(window)).await {
        Err(error) if matches!(error.tolerance(), Tolerance::Hidden | Tolerance::NotOnThisServer) => {
            debug!("{error}");
            Ok(false)
        }
        Err(error) if !matches!(error.tolerance(), Tolerance::Gone | Tolerance::NotHere) => Err(error.into()),
        _ => Ok(true),
    }
}

/// Earlier versions took a hidden project for one in which nothing was new, and moved its bookmark.
fn forget_earlier(session: &Session, hidden: &[Project]) {
    session.output.state.change(|state| {
        let earlier = state.is_of_earlier_version;
        for output in session.by_issue_scan().filter(|_| earlier) {
            let bookmark = state.bookmarks.get_mut(output.stream.tap_stream_id);
            if let Some(projects) = bookmark.and_then(|bookmark| bookmark.projects.as_mut()) {
                projects.retain(|id, _| !hidden.iter().any(|project| project.id == *id));
            }
        }
    });
}

fn name(session: &Session, hidden: &[Project]) {
    if hidden.is_empty() {
        return;
    }
    let named: Vec<&str> = hidden.iter().take(NAMED).map(|project| project.slug.as_str()).collect();
    let more = if hidden.len() > NAMED { ", …" } else { "" };
    let (count, named) = (hidden.len(), named.join(", "));
    for output in session.by_issue_scan() {
        output.gap(format!(
            "hidden projects: {count} that this token may not see ({named}{more}); give its owner access to them, or choose the others with the option projects"
        ));
    }
}
