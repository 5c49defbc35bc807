//! The projects of a run: read from the server, chosen by name and by share, and asked for in lists of the organization.

use anyhow::{Result, bail};
use tracing::{info, warn};

use crate::json::row::Row;
use crate::sentry::endpoint::{Endpoint, PathValues};
use crate::sentry::request::{ALL_PROJECTS, Request};
use crate::singer::state::{Choice, State};
use crate::streams::{self, Source, Stream};
use crate::sync::abreast::MAX_PROJECT_IDS;
use crate::sync::children::Parent;
use crate::sync::walk::walk_rows;
use crate::sync::{ORGANIZATION, Project, Sync, reads_with};

/// What the project list has told.
#[derive(Debug, Clone, Default)]
pub struct Told {
    /// Whether the organization has projects that this run does not read.
    pub leaves_out: bool,
    /// Ids of the projects that are chosen by name, where not all are and they fit into an address.
    named: Vec<String>,
}

/// The project list while it is read.
#[derive(Default)]
struct Reading {
    projects: Vec<Project>,
    parents: Vec<Parent>,
    /// Id and slug of every project that there is.
    all: Vec<(String, String)>,
}

impl Sync {
    /// Reads the project list, which is also the proof that token, organization and server are right.
    pub(crate) async fn projects(&self) -> Result<(Vec<Project>, Vec<Parent>)> {
        let mut reading = Reading::default();
        let needed = ["projects", "issues", "events"].iter().any(|name| self.wants(name)) || self.is_narrowed();
        let Some(stream) = streams::find("projects").filter(|_| needed) else {
            return Ok((reading.projects, reading.parents));
        };
        let mut keep = |row: &Row<'_>| self.keep_project(stream, row, &mut reading);
        walk_rows(self, stream, true, &mut keep).await.map_err(|error| self.fatal(error))?;
        self.check_projects(&reading).await?;
        let chosen = &self.config.projects;
        let mut told = Told { leaves_out: reading.projects.len() < reading.all.len(), named: Vec::new() };
        if chosen.is_named() {
            let named = reading.all.iter().filter(|(id, slug)| chosen.names(id, slug));
            told.named = named.map(|(id, _)| id.clone()).collect();
        }
        if told.named.len() > MAX_PROJECT_IDS && self.is_narrowed() {
            warn!(
                "more than {MAX_PROJECT_IDS} projects are chosen: lists of the organization, such as releases, are read for all projects"
            );
            told.named.clear();
        }
        let _ = self.told.set(told); // read once in a run
        Ok((reading.projects, reading.parents))
    }

    fn keep_project(&self, stream: &'static Stream, row: &Row<'_>, reading: &mut Reading) {
        let (Some(id), Some(slug)) = (row.text("id"), row.text("slug")) else {
            for output in self.output.streams().filter(|output| output.stream.tap_stream_id != "projects") {
                let below = reads_with(output.stream, "projects") || reads_with(output.stream, "issues");
                below.then(|| output.gap("a project row without id or slug"));
            }
            return;
        };
        let project = Project { id: id.into_owned(), slug: slug.into_owned() };
        if reading.all.iter().any(|(id, _)| *id == project.id) {
            return;
        }
        reading.all.push((project.id.clone(), project.slug.clone()));
        if self.reads_project(&project.id, &project.slug) {
            reading.projects.push(project);
            reading.parents.extend(Parent::read(stream, row, &self.values()));
        }
    }

    async fn check_projects(&self, reading: &Reading) -> Result<()> {
        if reading.all.is_empty() {
            // Some servers answer a wrong slug with an empty list: ask for the organization itself.
            let request = Request::new(&ORGANIZATION, self.values());
            self.client.get(&request).await.map_err(|error| self.fatal(error.into()))?;
            warn!("the organization {:?} has no projects", self.config.organization);
            return Ok(());
        }
        let chosen = &self.config.projects;
        for pattern in chosen.idle_patterns(&reading.all) {
            warn!(
                "no project of {:?} is named {pattern:?}, as projects or exclude_projects has it",
                self.config.organization
            );
        }
        if !reading.all.iter().any(|(id, slug)| chosen.names(id, slug)) {
            bail!(
                "projects and exclude_projects leave no project of {:?}: compare them with the slugs in the addresses of its pages",
                self.config.organization
            );
        }
        if let Some(shard) = chosen.shard {
            info!("Share {shard} has {} of {} projects", reading.projects.len(), reading.all.len());
        }
        Ok(())
    }

    /// Whether a project is read in this run.
    fn reads_project(&self, id: &str, slug: &str) -> bool {
        self.config.projects.names(id, slug) && self.config.projects.shares(id)
    }

    /// Whether a row is of a project that this run leaves out.
    pub(crate) fn leaves_out(&self, stream: &Stream, row: &Row<'_>) -> bool {
        let project = || Some((row.text("id")?, row.text("slug")?));
        stream.tap_stream_id == "projects" && project().is_some_and(|(id, slug)| !self.reads_project(&id, &slug))
    }

    /// Whether a selected list of the organization holds rows of projects, and projects are chosen by name.
    fn is_narrowed(&self) -> bool {
        self.config.projects.is_named() && self.output.streams().any(|output| is_narrowable(output.stream))
    }

    /// A request; a list over all projects is asked for those that are chosen by name. The share of a machine does not
    /// matter here: such lists belong to the first machine alone.
    pub(crate) fn request(&self, endpoint: &'static Endpoint, values: PathValues) -> Request {
        let request = Request::new(endpoint, values);
        match self.told.get() {
            Some(told) if !told.named.is_empty() => request.of_projects(&told.named),
            _ => request,
        }
    }

    /// Forgets what the state says of other projects than those of this run: where lists were cut to them, how far an
    /// interrupted run came, and what it has read whole.
    pub(super) fn note_choice(&self, state: &mut State) {
        let chosen = &self.config.projects;
        let choice = Choice { projects: chosen.said(), shard: chosen.shard.map(|shard| shard.to_string()) };
        let before = state.choice.take().unwrap_or_default();
        if before.projects != choice.projects {
            let stream = |name: &str| self.output.stream(name).map(|output| output.stream).or(streams::find(name));
            // A stream that is unknown now was a query's, and may be one again.
            let narrowed = |name: &String| stream(name).is_none_or(is_narrowable);
            state.bookmarks.retain(|name, _| !narrowed(name));
        }
        if before != choice {
            state.run = None;
            state.bookmarks.values_mut().for_each(|bookmark| bookmark.progress = None);
        }
        state.choice = Some(choice).filter(|choice| *choice != Choice::default());
    }
}

/// Whether the stream, or one that it hangs on, is a list over all projects that can be asked for some of them.
fn is_narrowable(stream: &Stream) -> bool {
    streams::line(stream).any(|stream| match &stream.source {
        Source::Endpoint(endpoint) => endpoint.query.contains(&ALL_PROJECTS),
        _ => false,
    })
}
