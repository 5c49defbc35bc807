//! The sync windows of a run. Windows that earlier runs left half read come first, each with the end that it had. The last
//! window goes up to now.

use tracing::info;

use crate::singer::progress::Progress;
use crate::sync::changes::bookmarks;
use crate::sync::changes::dependents::Dependent;
use crate::sync::changes::window::SyncWindow;
use crate::sync::issues::scan::IssueScan;
use crate::sync::session::error::SyncError;
use crate::sync::session::starts::start_after;
use crate::sync::session::{Project, Session};
use crate::time::{Time, format_time, whole_second};

/// Reads issues, events and what hangs on issues, whichever are selected.
pub(crate) async fn run(session: &Session, projects: &[Project]) -> Result<(), SyncError> {
    let dependents = Dependent::all(session);
    let outputs = dependents.iter().flat_map(Dependent::outputs);
    for output in session.output.stream("issues").into_iter().chain(outputs) {
        session.output.begin(output).await?;
    }
    let now = whole_second(session.client.server_now());
    let mut scan = IssueScan::new(session, projects);
    while let Some(window) = half_read(session, projects, now) {
        info!("Going on with the window that ends at {}", format_time(window.end));
        window.read(&mut scan).await?;
    }
    SyncWindow { end: now, ..SyncWindow::to_now(session, projects) }.read(&mut scan).await
}

/// The earliest window before `now` that an earlier run left half read, with the streams that were read up to its end.
fn half_read<'a>(session: &'a Session, projects: &'a [Project], now: Time) -> Option<SyncWindow<'a>> {
    let (issues, dependents) = (bookmarks::current(session, "issues"), Dependent::all(session));
    let of_issues = issues.iter().filter_map(|bookmark| bookmark.progress.as_ref());
    let all = of_issues.chain(dependents.iter().filter_map(Dependent::progress));
    let end = all.map(|progress| progress.end).filter(|end| *end < now).min()?;
    let of_this_window = |progress: Option<&Progress>| progress.is_none_or(|progress| progress.end == end);
    let from = issues.as_ref().and_then(|issues| issues.progress.as_ref()?.position.start);
    let beginning = start_after(None, session.config.start_date, session.config.lookback);
    Some(SyncWindow {
        session,
        projects,
        end,
        refresh: from == Some(beginning),
        issues: issues.filter(|issues| of_this_window(issues.progress.as_ref())),
        dependents: dependents.into_iter().filter(|dependent| of_this_window(dependent.progress())).collect(),
    })
}
