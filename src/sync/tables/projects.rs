//! The list of projects, with which every run begins. It says which projects the run reads.

use std::collections::BTreeSet;

use anyhow::bail;
use tracing::{info, warn};

use crate::json::row::Row;
use crate::output::stream::StreamOutput;
use crate::sentry::dialect::Capability;
use crate::sentry::error::Tolerance;
use crate::streams::context::ChildContext;
use crate::streams::{self, Stream};
use crate::sync::session::Session;
use crate::sync::session::error::SyncError;
use crate::sync::session::hidden::{Flagged, ask_for_flagged, forget_hidden, has_access, lacks_hidden, name_hidden};
use crate::sync::session::project::Project;
use crate::sync::session::project_scope::{can_be_project_scoped, is_scoped_by_time};
use crate::sync::session::tolerance::tolerate_stream;
use crate::sync::tables::root::walk_rows;

/// The list while it is read.
#[derive(Default)]
struct Reading {
    projects: Vec<Project>,
    contexts: Vec<ChildContext>,
    /// Every project that there is.
    all: Vec<Project>,
    /// A row had no id or no slug.
    malformed: bool,
}

/// Reads the list of projects. It is also the proof that token, organization and server are right. Returns the projects
/// of this run, and their contexts for child streams.
pub(crate) async fn read_projects(session: &Session) -> Result<(Vec<Project>, Vec<ChildContext>), SyncError> {
    let mut reading = Reading::default();
    let any = |is_such: fn(&Stream) -> bool| session.output.streams().any(|output| is_such(output.stream));
    let scoped = session.scope.chosen().is_named() && any(can_be_project_scoped);
    let needed = ["projects", "issues", "events"].iter().any(|name| session.wants(name)) || scoped;
    let Some(stream) = streams::find("projects").filter(|_| needed || any(is_scoped_by_time)) else {
        return Ok((reading.projects, reading.contexts));
    };
    let read = walk_rows(session, stream, true, &mut |row| keep(session, stream, row, &mut reading)).await;
    if let Err(SyncError::Api(error)) = &read
        && !needed
        && error.tolerance() == Tolerance::Hidden
    {
        warn!("{error}: projects that come in later are not told from others, and are read from the bookmark on alone");
        return Ok((reading.projects, reading.contexts));
    }
    let is_doubtful = reading.malformed || session.by_issue_scan().any(StreamOutput::is_doubtful);
    if read.is_ok() && !is_doubtful && session.client.dialect.supports(Capability::PageBoundaries) {
        forget_deleted(session, &reading.all);
    }
    // Without one project, nothing shows that token, organization and server are right.
    if reading.all.is_empty() {
        read?;
    } else {
        tolerate_stream(session, stream.tap_stream_id, read).await?;
    }
    check(session, &reading).await?;
    let matters = session.output.streams().any(lacks_hidden);
    let flagged = if matters { ask_for_flagged(session, &reading.all).await? } else { Flagged::default() };
    let Flagged { mut hidden, unknown } = flagged;
    name_hidden(session, &reading.all, &hidden);
    forget_hidden(session, &reading.all, &hidden);
    hidden.extend(unknown);
    session.scope.learn(reading.all, hidden, scoped);
    Ok((reading.projects, reading.contexts))
}

/// Forgets what earlier runs could not read of projects that are not there any more.
fn forget_deleted(session: &Session, all: &[Project]) {
    let all: BTreeSet<&str> = all.iter().map(|project| project.id.as_str()).collect();
    session.output.state.change(|state| {
        for bookmark in state.bookmarks.values_mut() {
            bookmark.pending.retain(|pending| !pending.is_of_none(&all));
        }
    });
}

fn keep(session: &Session, stream: &'static Stream, row: &Row<'_>, reading: &mut Reading) {
    let (Some(id), Some(slug)) = (row.text("id"), row.text("slug")) else {
        reading.malformed = true;
        let outputs = session.read_by_rows_of(stream.tap_stream_id);
        for output in outputs.filter(|output| output.stream.tap_stream_id != stream.tap_stream_id) {
            output.gap("a project row without id or slug");
        }
        return;
    };
    let has_access = has_access(row);
    let project = Project { id: id.into_owned(), slug: slug.into_owned(), has_access };
    if reading.all.iter().any(|known| known.id == project.id) {
        return;
    }
    reading.all.push(project.clone());
    if session.scope.reads(&project.id, &project.slug) {
        reading.projects.push(project);
        reading.contexts.extend(ChildContext::read(stream, row, &session.values()));
    }
}

async fn check(session: &Session, reading: &Reading) -> Result<(), SyncError> {
    let organization = &session.config.organization;
    if reading.all.is_empty() {
        // Some servers answer a wrong slug with an empty list. So ask for the organization itself.
        session.ask_organization().await?;
        warn!("the organization {organization:?} has no projects");
        return Ok(());
    }
    let chosen = session.scope.chosen();
    let names: Vec<_> = reading.all.iter().map(|project| (project.id.clone(), project.slug.clone())).collect();
    for pattern in chosen.idle_patterns(&names) {
        warn!("no project of {organization:?} is named {pattern:?}, as projects or exclude_projects has it");
    }
    Ok(check_choice(session, reading)?)
}

fn check_choice(session: &Session, reading: &Reading) -> anyhow::Result<()> {
    let (chosen, organization) = (session.scope.chosen(), &session.config.organization);
    if !reading.all.iter().any(|project| session.scope.is_chosen(project)) {
        bail!(
            "projects and exclude_projects leave no project of {organization:?}: compare them with the slugs in the addresses of its pages"
        );
    }
    if let Some(shard) = chosen.shard {
        info!("Share {shard} has {} of {} projects", reading.projects.len(), reading.all.len());
    }
    Ok(())
}
