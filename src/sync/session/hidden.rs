//! Projects that the token may not see, and projects that are deleted while a run goes on. Lists of all projects leave them
//! out without a word, so that nothing in them would look like nothing new. Lists of chosen ones are refused for them.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;
use tracing::debug;

use crate::json::row::Row;
use crate::output::stream::StreamOutput;
use crate::sentry::dialect::Capability;
use crate::sentry::endpoints::{MAX_PROJECT_IDS, ORGANIZATION_ISSUES, PROJECT};
use crate::sentry::error::{ApiError, Tolerance};
use crate::sentry::overlap::OverlappingPages;
use crate::sentry::request::Request;
use crate::sentry::window::Window;
use crate::singer::state::Bookmark;
use crate::streams::{self, Source};
use crate::sync::session::error::SyncError;
use crate::sync::session::project::Project;
use crate::sync::session::project_scope::{can_be_project_scoped, is_scoped_by_time};
use crate::sync::session::starts::bookmark_of;
use crate::sync::session::tolerance::{Answer, answer_of, tolerate_stream};
use crate::sync::session::{Session, reads_with};

/// Hidden projects that a message names.
const NAMED: usize = 5;

/// Whether the project list says that the token may see the project. Older servers say nothing, and let it (API §2).
pub(crate) fn has_access(row: &Row<'_>) -> bool {
    row.get("hasAccess") != Some("false")
}

/// What is known of projects that the list flags as out of reach.
#[derive(Debug, Default)]
pub(crate) struct Flagged {
    /// Ids of those that the token may not see.
    pub(crate) hidden: BTreeSet<String>,
    /// Ids of those that could not be asked for.
    pub(crate) unknown: BTreeSet<String>,
}

/// Asks for each of the flagged projects by its id: if the issue list answers, the project can be read all the same. One
/// that could not be asked for is not read in this run.
pub(crate) async fn ask_for_flagged(session: &Session, projects: &[Project]) -> Result<Flagged, SyncError> {
    let (mut flagged, mut asked) = (Flagged::default(), Vec::new());
    for project in projects.iter().filter(|project| !project.has_access) {
        if session.scope.is_chosen(project) {
            asked.push(project.clone());
        } else {
            flagged.hidden.insert(project.id.clone());
        }
    }
    for group in asked.chunks(MAX_PROJECT_IDS) {
        let together = session.client.dialect.supports(Capability::SeveralProjects) || group.len() == 1;
        if together && ask_for(session, group, &mut flagged).await? {
            continue;
        }
        for project in group.iter().filter(|_| group.len() > 1 || !together) {
            ask_for(session, std::slice::from_ref(project), &mut flagged).await?;
        }
    }
    Ok(flagged)
}

/// Asks the issue list for these projects, and notes what a single one is. Returns whether it answers. Only a refusal says
/// that a project is hidden. Where there is no such list, nothing speaks against the flag.
async fn ask_for(session: &Session, projects: &[Project], flagged: &mut Flagged) -> Result<bool, SyncError> {
    let now = session.client.server_now();
    let request = Request::new(&ORGANIZATION_ISSUES, session.values()).with("query", "");
    let request = projects.iter().fold(request, |request, project| request.with("project", project.id.clone()));
    let window = Window { start: now - TimeDelta::minutes(1), end: now };
    let result = session.client.get(&request.within(window)).await.map_err(SyncError::from);
    let error = match answer_of(result)? {
        Answer::Read(_) => return Ok(true),
        Answer::Gone(error) | Answer::Failed(error) => error,
    };
    debug!("{error}");
    if let [project] = projects {
        let is_failure = !matches!(
            error.tolerance(),
            Tolerance::Hidden | Tolerance::NotOnThisServer | Tolerance::Gone | Tolerance::NotHere
        );
        if is_failure {
            let all = session.output.streams().filter(|output| lacks_hidden(output));
            all.for_each(|output| output.kept_gap(format!("project {}: {error}", project.slug)));
        }
        let set = if is_failure { &mut flagged.unknown } else { &mut flagged.hidden };
        set.insert(project.id.clone());
    }
    Ok(false)
}

/// Whether lists that the stream is read from leave hidden projects out.
pub(crate) fn lacks_hidden(output: &StreamOutput) -> bool {
    can_be_project_scoped(output.stream) || reads_with(output.stream, "issues")
}

/// Names hidden projects as one gap of the streams that lack them. What bookmarks say of the others moves on.
pub(crate) fn name_hidden(session: &Session, projects: &[Project], hidden: &BTreeSet<String>) {
    let hidden = |project: &&Project| hidden.contains(&project.id);
    let gap = |output: &StreamOutput, hidden: Vec<&str>| {
        if hidden.is_empty() {
            return;
        }
        let more = if hidden.len() > NAMED { ", …" } else { "" };
        let (count, named) = (hidden.len(), hidden[..hidden.len().min(NAMED)].join(", "));
        output.kept_gap(format!(
            "hidden projects: {count} that this token may not see ({named}{more}); give its owner access to them, or choose the others with the option projects"
        ));
    };
    for output in session.output.streams().filter(|output| lacks_hidden(output)) {
        let of_scan = reads_with(output.stream, "issues");
        let is_read = |project: &&Project| {
            if of_scan { session.scope.reads(&project.id, &project.slug) } else { session.scope.is_chosen(project) }
        };
        let lacking = projects.iter().filter(is_read).filter(hidden).map(|project| project.slug.as_str());
        gap(output, lacking.collect());
    }
}

/// Takes hidden projects out of the bookmarks. Nothing shows since when they are hidden, and the last run may have taken
/// one for a project without anything new. Once it may be seen, it is read from `start_date` on.
pub(crate) fn forget_hidden(session: &Session, all: &[Project], hidden: &BTreeSet<String>) {
    if hidden.is_empty() {
        return;
    }
    session.output.state.change(|state| {
        for output in session.output.streams() {
            let Some(bookmark) = state.bookmarks.get_mut(output.stream.tap_stream_id) else { continue };
            if reads_with(output.stream, "issues") {
                let every = || all.iter().map(|project| (project.id.clone(), None)).collect();
                bookmark.projects.get_or_insert_with(every).retain(|id, _| !hidden.contains(id));
            } else if is_scoped_by_time(output.stream) {
                let every = || all.iter().map(|project| project.id.clone()).collect();
                bookmark.project_ids.get_or_insert_with(every).retain(|id| !hidden.contains(id));
            }
        }
    });
}

/// Whether a project that the list does not have any longer is not there by itself either.
async fn is_gone(session: &Session, project: &Project) -> bool {
    let answer = session.client.get(&Request::new(&PROJECT, session.values_of(project))).await;
    answer.is_err_and(|error| error.tolerance() == Tolerance::Gone)
}

/// Reads the list of projects once more, and learns which of them were hidden from the token or deleted since then.
async fn learn_losses(session: &Session) -> Result<(), ApiError> {
    let Some(Source::Endpoint(endpoint)) = streams::find("projects").map(|stream| &stream.source) else {
        return Ok(());
    };
    let mut now: BTreeMap<String, bool> = BTreeMap::new();
    let list = Request::new(endpoint, session.values());
    let mut pages = OverlappingPages::new(&session.client, list, |row| row.text("id"));
    while let Some(page) = pages.next_page().await? {
        let seen =
            page.rows().flatten().filter_map(|row| Some((row.text("id").map(Cow::into_owned)?, has_access(&row))));
        now.extend(seen);
    }
    let projects = session.scope.projects();
    let known = |project: &&Project| !session.scope.is_hidden(project) && !session.scope.is_gone(project);
    let (mut hidden, mut gone) = (BTreeSet::new(), BTreeSet::new());
    for project in projects.iter().filter(known) {
        match now.get(&project.id) {
            None if is_gone(session, project).await => _ = gone.insert(project.id.clone()),
            Some(false) if project.has_access => _ = hidden.insert(project.id.clone()),
            None | Some(_) => {}
        }
    }
    if !gone.is_empty() {
        session.output.streams().filter(|output| lacks_hidden(output)).for_each(StreamOutput::may_be_incomplete);
    }
    session.scope.lose(&hidden, &gone);
    name_hidden(session, &projects, &hidden);
    for project in projects.iter().filter(|project| gone.contains(&project.id)) {
        debug!("project {} was deleted while the run went on", project.slug);
    }
    Ok(())
}

/// Whether projects were lost since there were `before` losses. Reads the list of projects again, unless another stream
/// has learned of one meanwhile.
async fn has_lost_projects(session: &Session, before: usize) -> Result<bool, SyncError> {
    if session.scope.losses() == before {
        let learned = learn_losses(session).await.map_err(SyncError::from);
        if let Answer::Gone(error) | Answer::Failed(error) = answer_of(learned)? {
            debug!("{error}");
        }
    }
    Ok(session.scope.losses() > before)
}

/// Whether a list may be refused for one of its projects, which was hidden or deleted since there were `before` losses.
pub(crate) async fn may_be_for_lost_projects(
    session: &Session,
    error: &ApiError,
    before: usize,
) -> Result<bool, SyncError> {
    let is_named = error.tolerance() == Tolerance::Hidden && session.scope.leaves_projects_out();
    Ok(is_named && has_lost_projects(session, before).await?)
}

/// Reads something, and again without the projects that were hidden or deleted meanwhile, if it was refused. Only a list
/// that asks for projects by their id is refused for one of them.
pub(crate) async fn without_lost_projects(
    session: &Session,
    by_id: bool,
    mut read: impl AsyncFnMut() -> Result<(), SyncError>,
) -> Result<(), SyncError> {
    loop {
        let before = session.scope.losses();
        match read().await {
            Err(SyncError::Api(error)) if by_id && error.tolerance() == Tolerance::Hidden => {
                if !has_lost_projects(session, before).await? {
                    return Err(error.into());
                }
            }
            result => return result,
        }
    }
}

/// Takes back what bookmarks say of projects that were hidden from the token while the run went on. `before` are the
/// bookmarks that the run began with. The list of projects is read once more, if something was hidden from the token.
pub(crate) async fn take_back_hidden(session: &Session, before: &BTreeMap<String, Bookmark>) -> Result<(), SyncError> {
    if !session.client.has_met_hidden() {
        return Ok(());
    }
    let learned = learn_losses(session).await;
    let is_known = learned.is_ok();
    tolerate_stream(session, "projects", learned.map_err(SyncError::from)).await?;
    // Where the list fails, nothing shows which of them.
    let is_lost = |project: &Project| !is_known || session.scope.is_hidden(project) || session.scope.is_gone(project);
    let lost = session.scope.projects().into_iter().filter(is_lost).map(|project| project.id);
    let lost: BTreeSet<String> = lost.collect();
    session.output.state.change(|state| {
        let moved = |(name, bookmark): &(&String, &mut Bookmark)| before.get(*name) != Some(&**bookmark);
        for (name, bookmark) in state.bookmarks.iter_mut().filter(moved) {
            if let Some(covered) = &mut bookmark.project_ids {
                covered.retain(|id| !lost.contains(id));
            }
            if let Some(projects) = &mut bookmark.projects {
                projects.retain(|id, _| !lost.contains(id));
                let old = before.get(name).cloned().unwrap_or_default();
                let starts = lost.iter().filter_map(|id| Some((id.clone(), Some(bookmark_of(&old, id)?))));
                projects.extend(starts);
            }
        }
    });
    Ok(())
}
