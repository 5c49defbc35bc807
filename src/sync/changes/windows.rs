//! The sync windows of a run. Windows that earlier runs left half read come first, each with the end that it had. The last
//! window goes up to now.

use tracing::info;

use crate::sync::changes::bookmarks::ProjectSet;
use crate::sync::changes::dependents::Dependent;
use crate::sync::changes::window::SyncWindow;
use crate::sync::issues::scan::IssueScan;
use crate::sync::session::Session;
use crate::sync::session::checkpoint::Checkpoint;
use crate::sync::session::error::SyncError;
use crate::sync::session::project::Project;
use crate::sync::session::starts::start_after;
use crate::time::{Time, format_time, whole_second};

/// Reads issues, events and what hangs on issues, whichever are selected.
pub(crate) async fn run(session: &Session, projects: &[Project]) -> Result<(), SyncError> {
    let dependents = Dependent::all(session);
    let outputs = dependents.iter().flat_map(Dependent::outputs);
    for output in session.output.stream("issues").into_iter().chain(outputs) {
        session.output.begin(output).await?;
    }
    let now = whole_second(session.client.server_now());
    let here = projects.iter().filter(|project| !session.scope.is_gone(project)).cloned();
    let (hidden, projects): (Vec<Project>, Vec<Project>) = here.partition(|project| session.scope.is_hidden(project));
    let mut scan = IssueScan::new(session, &projects);
    let set = ProjectSet { read: &projects, hidden: &hidden };
    while let Some(window) = half_read(session, set, now) {
        info!("Going on with the window that ends at {}", format_time(window.end));
        window.read(&mut scan).await?;
    }
    SyncWindow { end: now, ..SyncWindow::to_now(session, set) }.read(&mut scan).await
}

/// The earliest window before `now` that an earlier run left half read, with the streams that were read up to its end.
fn half_read<'a>(session: &'a Session, projects: ProjectSet<'a>, now: Time) -> Option<SyncWindow<'a>> {
    let window = SyncWindow::to_now(session, projects);
    let output = session.output.stream("issues").into_iter().collect();
    let of_issues = Checkpoint::new(session, output, now).and_then(|checkpoint| checkpoint.interrupted());
    let ends = window.dependents.iter().filter_map(Dependent::half_read);
    let end = ends.chain(of_issues.as_ref().map(|progress| progress.end)).filter(|end| *end < now).min()?;
    let of_this_window = |half_read: Option<Time>| half_read.is_none_or(|other| other == end);
    let from = of_issues.as_ref().and_then(|progress| progress.position.start);
    let beginning = start_after(None, session.config.start_date, session.config.lookback);
    Some(SyncWindow {
        end,
        refresh: from == Some(beginning),
        issues: window.issues.filter(|_| of_this_window(of_issues.map(|progress| progress.end))),
        dependents: window.dependents.into_iter().filter(|dependent| of_this_window(dependent.half_read())).collect(),
        session,
        projects,
    })
}
