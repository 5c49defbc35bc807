//! Which projects a run reads: those chosen by name, and of these one machine's share. Lists of the organization are asked
//! for the chosen projects alone.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tracing::warn;

use crate::config::projects::ProjectChoice;
use crate::json::row::Row;
use crate::sentry::endpoint::{Endpoint, PathValues};
use crate::sentry::endpoints::MAX_PROJECT_IDS;
use crate::sentry::request::{ALL_PROJECTS, Request};
use crate::singer::state::{Choice, State};
use crate::streams::{self, Source, Stream, TimeFilter};
use crate::sync::session::project::Project;

/// The choice of projects, and what the project list has shown.
#[derive(Debug, Default)]
pub(crate) struct ProjectScope {
    chosen: ProjectChoice,
    listed: Mutex<Option<Listed>>,
}

/// What the project list has shown. It is read once in a run, and again where something was refused.
#[derive(Debug, Default)]
struct Listed {
    /// Every project that there is.
    all: Vec<Project>,
    /// Whether the organization has projects that this run does not read.
    leaves_out: bool,
    /// Ids of the projects that lists of the organization are wanted of.
    wanted: BTreeSet<String>,
    /// Whether these lists are asked for them by id. Else they are asked for all projects.
    by_id: bool,
    /// Ids of those that the token may not see.
    hidden: BTreeSet<String>,
    /// Ids of those that were deleted while the run went on.
    gone: BTreeSet<String>,
}

impl Listed {
    /// The projects of which lists of the organization have rows.
    fn covered(&self) -> BTreeSet<String> {
        let lacks = |id: &&String| self.hidden.contains(*id) || self.gone.contains(*id);
        self.wanted.iter().filter(|id| !lacks(id)).cloned().collect()
    }
}

impl ProjectScope {
    /// Of a configuration; nothing is known of the organization yet.
    pub(crate) fn new(chosen: ProjectChoice) -> Self {
        Self { chosen, listed: Mutex::default() }
    }

    /// What the configuration says.
    pub(crate) fn chosen(&self) -> &ProjectChoice {
        &self.chosen
    }

    /// Learns of all projects of the organization. `hidden` are ids of those that the token may not see. `project_scoped`
    /// says that lists of the organization are read which can be asked for some projects.
    pub(crate) fn learn(&self, all: Vec<Project>, hidden: BTreeSet<String>, project_scoped: bool) {
        let leaves_out = all.iter().any(|project| !self.reads(&project.id, &project.slug));
        let chosen = all.iter().filter(|project| self.is_chosen(project)).count();
        let by_id = self.chosen.is_named() && (1..=MAX_PROJECT_IDS).contains(&chosen);
        if chosen > MAX_PROJECT_IDS && self.chosen.is_named() && project_scoped {
            warn!(
                "more than {MAX_PROJECT_IDS} projects are chosen: lists of the organization, such as releases, are read for all projects"
            );
        }
        let wanted = all.iter().filter(|project| !by_id || self.is_chosen(project)).map(|project| project.id.clone());
        let wanted = wanted.collect();
        let listed = Listed { all, leaves_out, wanted, by_id, hidden, gone: BTreeSet::new() };
        *self.listed() = Some(listed);
    }

    fn listed(&self) -> MutexGuard<'_, Option<Listed>> {
        self.listed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the configuration chooses a project, whatever the share of this machine is.
    pub(crate) fn is_chosen(&self, project: &Project) -> bool {
        self.chosen.names(&project.id, &project.slug)
    }

    /// Every project that there is; none if the list was not read.
    pub(crate) fn projects(&self) -> Vec<Project> {
        self.listed().as_ref().map(|listed| listed.all.clone()).unwrap_or_default()
    }

    /// Learns that projects were hidden or deleted while the run went on. No list is asked for them any longer.
    pub(crate) fn lose(&self, hidden: &BTreeSet<String>, gone: &BTreeSet<String>) {
        if let Some(listed) = self.listed().as_mut() {
            listed.hidden.extend(hidden.iter().cloned());
            listed.gone.extend(gone.iter().cloned());
        }
    }

    /// Whether the token may not see a project.
    pub(crate) fn is_hidden(&self, project: &Project) -> bool {
        self.listed().as_ref().is_some_and(|listed| listed.hidden.contains(&project.id))
    }

    /// Whether a project was deleted while the run went on.
    pub(crate) fn is_gone(&self, project: &Project) -> bool {
        self.listed().as_ref().is_some_and(|listed| listed.gone.contains(&project.id))
    }

    /// The number of projects that are hidden, or were deleted while the run went on.
    pub(crate) fn losses(&self) -> usize {
        self.listed().as_ref().map_or(0, |listed| listed.hidden.len() + listed.gone.len())
    }

    /// The projects that a stream's bookmark covers once this run has read it. `None` if it does not go by projects, or if
    /// the projects are not known.
    pub(crate) fn covered_by(&self, stream: &Stream) -> Option<BTreeSet<String>> {
        self.listed().as_ref().filter(|_| is_scoped_by_time(stream)).map(Listed::covered)
    }

    /// Whether the list of a stream is asked for projects by their ids.
    pub(crate) fn asks_by_id(&self, stream: &Stream) -> bool {
        can_be_project_scoped(stream) && self.listed().as_ref().is_some_and(|listed| listed.by_id)
    }

    /// Whether the organization has projects that this run does not read.
    pub(crate) fn leaves_projects_out(&self) -> bool {
        self.listed().as_ref().is_some_and(|listed| listed.leaves_out)
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
        match self.listed().as_ref().filter(|listed| listed.by_id) {
            None => request,
            Some(listed) => {
                let covered = listed.covered();
                // Where none is left, the refusal says what is wrong. Without a project, all would be asked for.
                request.of_projects(if covered.is_empty() { &listed.wanted } else { &covered })
            }
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
