//! Which projects a run reads: those chosen by name, and of these one machine's share. Lists of the organization are asked
//! for the chosen projects alone.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use tracing::warn;

use crate::config::projects::ProjectChoice;
use crate::json::row::Row;
use crate::sentry::endpoint::{Endpoint, PathValues};
use crate::sentry::endpoints::MAX_PROJECT_IDS;
use crate::sentry::request::{ALL_PROJECTS, Request};
use crate::singer::state::{Choice, State};
use crate::streams::{self, Source, Stream, TimeFilter};

/// The choice of projects, and what the project list has shown.
#[derive(Debug, Default)]
pub(crate) struct ProjectScope {
    chosen: ProjectChoice,
    listed: OnceLock<Listed>,
}

/// What the project list has shown. It is read once in a run.
#[derive(Debug, Clone, Default)]
struct Listed {
    /// Whether the organization has projects that this run does not read.
    leaves_out: bool,
    /// Ids of the projects that are chosen by name. Empty if all are, or if there are too many for an address.
    named: Vec<String>,
    /// Ids of the projects that lists of the organization cover: what they are asked for, less what the token may not see.
    covered: BTreeSet<String>,
}

impl ProjectScope {
    /// Of a configuration; nothing is known of the organization yet.
    pub(crate) fn new(chosen: ProjectChoice) -> Self {
        Self { chosen, listed: OnceLock::new() }
    }

    /// What the configuration says.
    pub(crate) fn chosen(&self) -> &ProjectChoice {
        &self.chosen
    }

    /// Learns ids and slugs of all projects of the organization, and the ids of those that the token may not see.
    /// `project_scoped` says that lists of the organization are read which can be asked for some projects.
    pub(crate) fn learn(&self, all: &[(String, String)], hidden: &BTreeSet<String>, project_scoped: bool) {
        let leaves_out = all.iter().any(|(id, slug)| !self.reads(id, slug));
        let is_named = |(id, slug): &&(String, String)| self.chosen.is_named() && self.chosen.names(id, slug);
        let mut named: Vec<String> = all.iter().filter(is_named).map(|(id, _)| id.clone()).collect();
        if named.len() > MAX_PROJECT_IDS && project_scoped {
            warn!(
                "more than {MAX_PROJECT_IDS} projects are chosen: lists of the organization, such as releases, are read for all projects"
            );
            named.clear();
        }
        let asked = |id: &&String| named.is_empty() || named.contains(id);
        let covered = all.iter().map(|(id, _)| id).filter(asked).filter(|id| !hidden.contains(*id));
        let _ = self.listed.set(Listed { leaves_out, covered: covered.cloned().collect(), named }); // the list is read once
    }

    /// The projects that a stream's bookmark covers once this run has read it. `None` if it does not go by projects, or if
    /// the projects are not known.
    pub(crate) fn covered_by(&self, stream: &Stream) -> Option<&BTreeSet<String>> {
        self.listed.get().filter(|_| is_scoped_by_time(stream)).map(|listed| &listed.covered)
    }

    /// Whether the organization has projects that this run does not read.
    pub(crate) fn leaves_projects_out(&self) -> bool {
        self.listed.get().is_some_and(|listed| listed.leaves_out)
    }

    /// Whether a project is read in this run.
    pub(crate) fn reads(&self, id: &str, slug: &str) -> bool {
        self.chosen.names(id, slug) && self.chosen.shares(id)
    }

    /// Whether a row is of a project that this run leaves out.
    pub(crate) fn leaves_out(&self, stream: &Stream, row: &Row<'_>) -> bool {
        let project = || Some((row.text("id")?, row.text("slug")?));
        stream.tap_stream_id == "projects" && project().is_some_and(|(id, slug)| !self.reads(&id, &slug))
    }

    /// A request. A list over all projects is asked for those that are chosen by name. The share of a machine does not
    /// matter here, since only the first machine reads such lists.
    pub(crate) fn request(&self, endpoint: &'static Endpoint, values: PathValues) -> Request {
        let request = Request::new(endpoint, values);
        match self.listed.get() {
            Some(listed) if !listed.named.is_empty() => request.of_projects(&listed.named),
            _ => request,
        }
    }

    /// Forgets what the state says for another choice of projects: bookmarks of lists that were asked for those projects
    /// and do not name them, and the progress of an interrupted run. `stream` finds a stream by name.
    pub(crate) fn note_in(&self, state: &mut State, stream: impl Fn(&str) -> Option<&'static Stream>) {
        let choice = Choice { projects: self.chosen.render(), shard: self.chosen.shard.map(|shard| shard.to_string()) };
        let before = state.choice.take().unwrap_or_default();
        if before.projects != choice.projects {
            // A stream that is unknown now was a query's, and may be one again. Where a bookmark names the projects that
            // it covers, those that are chosen now can be told from them.
            let is_cut = |name: &String| stream(name).is_none_or(can_be_project_scoped);
            state.bookmarks.retain(|name, bookmark| !is_cut(name) || bookmark.project_ids.is_some());
        }
        if before != choice {
            state.run = None;
            state.bookmarks.values_mut().for_each(|bookmark| bookmark.progress = None);
        }
        state.choice = Some(choice).filter(|choice| *choice != Choice::default());
    }
}

/// Whether the stream, or one that it hangs on, is a list over all projects that can be asked for some of them.
pub(crate) fn can_be_project_scoped(stream: &Stream) -> bool {
    streams::line(stream).any(|stream| match &stream.source {
        Source::Endpoint(endpoint) => endpoint.query.contains(&ALL_PROJECTS),
        _ => false,
    })
}

/// Whether the stream is such a list, or hangs on one, and is read from its bookmark on.
pub(crate) fn is_scoped_by_time(stream: &Stream) -> bool {
    can_be_project_scoped(stream) && streams::line(stream).any(|stream| stream.time_filter != TimeFilter::None)
}
