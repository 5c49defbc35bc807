//! What a run reads, and in which order. The list of projects comes first. Then all other streams are read side by side.
//! The issue scan finds the events and the children of issues that have to be read.

use chrono::{TimeDelta, Utc};
use tracing::info;

use crate::catalog::query_schema::QueryStream;
use crate::singer::progress::Unfinished;
use crate::singer::state::State;
use crate::streams::context::ChildContext;
use crate::streams::{self, Source, Stream, TimeFilter};
use crate::sync::changes::windows;
use crate::sync::session::Session;
use crate::sync::session::drive::{Job, drive_all};
use crate::sync::session::error::SyncError;
use crate::sync::session::hidden::{take_back_hidden, without_lost_projects};
use crate::sync::session::inherited::{settle_queries, settle_times};
use crate::sync::session::project::Project;
use crate::sync::session::tolerance::{tolerate_stream, with_advice};
use crate::sync::tables::daily::walk_days;
use crate::sync::tables::parents::walk_substream;
use crate::sync::tables::projects::read_projects;
use crate::sync::tables::root::walk_root;
use crate::sync::tables::substreams::Substream;
use crate::time::whole_second;

/// An interrupted run can be continued for so long after its beginning. Later, full tables are read anew.
const CONTINUED: TimeDelta = TimeDelta::hours(24);

/// Reads every selected stream. An error means that the run could not go on, and says what to do. Gaps are no errors: they
/// are in the summary.
pub(crate) async fn run(session: &Session) -> Result<(), SyncError> {
    read(session).await.map_err(|error| with_advice(session, error))
}

async fn read(session: &Session) -> Result<(), SyncError> {
    begin_or_go_on(session);
    if session.config.activate_version {
        session.output.set_versions();
    }
    let (projects, contexts) = read_projects(session).await?;
    // An empty list says that all rows are gone only if the token is known to see the organization.
    if session.config.activate_version && projects.is_empty() && session.ask_organization().await.is_err() {
        session.output.may_be_incomplete();
    }
    settle_times(session).await;
    let before = session.output.state.read(|state| state.bookmarks.clone());
    drive_all(usize::MAX, jobs(session, &projects, &contexts)).await?;
    take_back_hidden(session, &before).await?;
    let ended = |state: &mut State| (state.currently_syncing, state.run) = (None, None);
    Ok(session.output.state.advance(ended).await?)
}

/// Everything that is read after the list of projects.
fn jobs<'a>(session: &'a Session, projects: &'a [Project], contexts: &'a [ChildContext]) -> Vec<Job<'a, SyncError>> {
    let mut jobs: Vec<Job<'a, SyncError>> = Vec::new();
    for query in session.queries.iter().filter(|query| session.wants(query.stream.tap_stream_id)) {
        jobs.push(Box::pin(read_query(session, query)));
    }
    for stream in streams::all().filter(|stream| stream.parent.is_none() && session.wants(stream.tap_stream_id)) {
        match &stream.source {
            Source::Endpoint(_) if stream.tap_stream_id == "projects" => {
                jobs.push(Box::pin(read_children(session, stream, contexts)));
            }
            Source::Endpoint(_) => jobs.push(Box::pin(read_root(session, stream))),
            // Events are found by the issue scan: both are read in one go.
            Source::Issues => jobs.push(Box::pin(read_changes(session, projects))),
            Source::Events if !session.wants("issues") => jobs.push(Box::pin(read_changes(session, projects))),
            Source::Events | Source::ParentRow(_) | Source::EventPart(_) => {}
        }
    }
    jobs
}

/// A root stream, and then its children.
async fn read_root(session: &Session, stream: &'static Stream) -> Result<(), SyncError> {
    if stream.time_filter == TimeFilter::Days {
        let by_id = session.scope.asks_by_id(stream);
        let read = without_lost_projects(session, by_id, async || walk_days(session, stream).await).await;
        return tolerate_stream(session, stream.tap_stream_id, read).await;
    }
    let contexts = walk_root(session, stream).await?;
    read_children(session, stream, &contexts).await
}

/// The rows of a query, if its types are known.
async fn read_query(session: &Session, query: &QueryStream) -> Result<(), SyncError> {
    match &query.failure {
        None => read_root(session, query.stream).await,
        Some(error) => tolerate_stream(session, query.stream.tap_stream_id, Err(error.clone().into())).await,
    }
}

/// The children of a stream that have endpoints of their own.
async fn read_children(session: &Session, stream: &'static Stream, contexts: &[ChildContext]) -> Result<(), SyncError> {
    if stream.time_filter != TimeFilter::None {
        return Ok(()); // they were read row by row
    }
    let children = Substream::below(session, stream);
    drive_all(usize::MAX, children.iter().map(|child| walk_substream(session, child, contexts))).await
}

async fn read_changes(session: &Session, projects: &[Project]) -> Result<(), SyncError> {
    let read = without_lost_projects(session, true, async || windows::run(session, projects).await).await;
    tolerate_stream(session, "issues", read).await
}

/// Notes when the run began. If the state shows that another run was interrupted lately, that one is continued: full tables
/// that it has read whole are not read again.
fn begin_or_go_on(session: &Session) {
    settle_queries(session);
    let now = whole_second(Utc::now());
    let find = |name: &str| session.output.stream(name).map(|output| output.stream).or(streams::find(name));
    session.output.state.change(|state| {
        session.scope.note_in(state, find);
        if state.run.as_ref().is_some_and(|run| now.signed_duration_since(run.began).abs() < CONTINUED) {
            info!("Going on with a run that was interrupted");
            return;
        }
        state.run = Some(Unfinished { began: now, ..Unfinished::default() });
        for stream in streams::all().filter(|stream| stream.replication_key().is_none()) {
            if let Some(bookmark) = state.bookmarks.get_mut(stream.tap_stream_id) {
                bookmark.progress = None;
            }
        }
    });
}
