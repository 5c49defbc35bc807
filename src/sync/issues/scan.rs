//! The issue scan: one list for the whole organization where the server can, one per project where it cannot.
//!
//! It writes issue records. It is also the change detector for events: it notes every issue that has events in the
//! window.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, HashSet};

use tracing::debug;

use crate::sentry::dialect::{Capability, Dialect};
use crate::sentry::endpoints::{FEEDBACK, MAX_PROJECT_IDS, ORGANIZATION_ISSUES, PROJECT_ISSUES};
use crate::sentry::error::{ApiError, Tolerance};
use crate::sentry::request::Request;
use crate::sentry::window::Window;
use crate::singer::progress::Position;
use crate::sync::issues::changed::{ChangedIssues, IssueList, ResumePoint, ScanScope, scopes_as_text};
use crate::sync::issues::pages::IssuePages;
use crate::sync::session::Session;
use crate::sync::session::checkpoint::Checkpoint;
use crate::sync::session::error::SyncError;
use crate::sync::session::hidden::may_be_for_lost_projects;
use crate::sync::session::project::Project;
use crate::sync::session::tolerance::tolerate_project;
use crate::time::Time;

/// How this server lists issues, going by what it can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// All projects at once.
    OrganizationWide,
    /// The organization's list, one project at a time.
    OneProjectAtATime,
    /// The projects' own lists, which know no window.
    ProjectLists,
}

/// The scan over issues.
#[derive(Debug)]
pub(crate) struct IssueScan<'a> {
    session: &'a Session,
    projects: &'a [Project],
    /// How many projects were lost when the scan began.
    losses: usize,
    /// An answer has confirmed how this server lists issues.
    sure: bool,
    /// How far the records of this window are; absent where none are written.
    checkpoint: Option<Checkpoint<'a>>,
    /// What the window is scanned for, as a text.
    of: String,
    /// Where an interrupted run was; taken away once the scan has come past it.
    resume: Option<Position>,
}

impl<'a> IssueScan<'a> {
    /// Begins with what today's servers do, unless the server is known to be another.
    pub(crate) fn new(session: &'a Session, projects: &'a [Project]) -> Self {
        Self {
            session,
            projects,
            losses: session.scope.losses(),
            sure: false,
            checkpoint: None,
            of: String::new(),
            resume: None,
        }
    }

    fn dialect(&self) -> &'a Dialect {
        &self.session.client.dialect
    }

    fn mode(&self) -> Mode {
        let supports = |capability| self.dialect().supports(capability);
        match (supports(Capability::OrganizationIssues), supports(Capability::SeveralProjects)) {
            (true, true) => Mode::OrganizationWide,
            (true, false) => Mode::OneProjectAtATime,
            (false, _) => Mode::ProjectLists,
        }
    }

    /// Begins with a window, where an interrupted run has left the records of the same scopes.
    pub(crate) fn begin(&mut self, checkpoint: Option<Checkpoint<'a>>, scopes: &BTreeMap<Time, ScanScope>) {
        let progress = checkpoint.as_ref().and_then(Checkpoint::progress);
        self.of = scopes_as_text(scopes);
        self.resume =
            progress.map(|progress| progress.position).filter(|position| position.of.as_ref() == Some(&self.of));
        self.checkpoint = checkpoint;
    }

    /// Scans the window of one scope.
    pub(crate) async fn scan(
        &mut self,
        scope: &ScanScope,
        asked: Window,
        found: &mut ChangedIssues,
    ) -> Result<(), SyncError> {
        loop {
            let window = self.clamped(asked);
            if window.is_empty() {
                return Ok(());
            }
            let mut list = IssueList { window, asked, scope, seen: HashSet::new(), found };
            let result = match self.mode() {
                Mode::OrganizationWide => self.organization_wide(&mut list).await,
                Mode::OneProjectAtATime | Mode::ProjectLists => self.each_project(&mut list).await,
            };
            match result {
                Err(SyncError::Api(error)) if !self.sure && self.falls_back(&error).await? => {}
                other => return other,
            }
        }
    }

    /// Whether an older way of listing is worth a try after this error; learns what the server lacks.
    async fn falls_back(&self, error: &ApiError) -> Result<bool, SyncError> {
        let (mode, tolerance) = (self.mode(), error.tolerance());
        // Where only one project is chosen, it is asked for alone from the first.
        let asked_for_one = self.session.scope.leaves_projects_out() && self.projects.len() == 1;
        let lacks: &[Capability] = match mode {
            // Servers that know neither project=-1 nor several projects at once answer 403 or 400.
            Mode::OrganizationWide if matches!(tolerance, Tolerance::NotOnThisServer | Tolerance::Hidden) => {
                &[Capability::SeveralProjects]
            }
            Mode::OrganizationWide if tolerance == Tolerance::Gone => PROJECT_LISTS_ONLY,
            Mode::OrganizationWide
                if asked_for_one && error.may_mean_unknown() && self.refuses_all_projects().await =>
            {
                PROJECT_LISTS_ONLY
            }
            Mode::OneProjectAtATime if error.may_mean_unknown() => PROJECT_LISTS_ONLY,
            _ => return Ok(false),
        };
        if may_be_for_lost_projects(self.session, error, self.losses).await? {
            return Ok(false);
        }
        debug!("{error}; trying an older way of listing issues");
        self.dialect().lacks_all(lacks);
        Ok(true)
    }

    /// Whether the organization's list refuses all projects at once, as it does where it cannot be used for one either. An
    /// error by itself may pass.
    async fn refuses_all_projects(&self) -> bool {
        let request = Request::new(&ORGANIZATION_ISSUES, self.session.values()).with("query", "").with("project", "-1");
        let answer = self.session.client.get(&request).await;
        answer.is_err_and(|error| matches!(error.tolerance(), Tolerance::NotOnThisServer | Tolerance::Hidden))
    }

    /// Leaves out what today's servers no longer have.
    fn clamped(&self, window: Window) -> Window {
        let has_windows = self.dialect().supports(Capability::ListWindows);
        if has_windows { window.within_retention(self.session.client.server_now()) } else { window }
    }

    async fn organization_wide(&mut self, list: &mut IssueList<'_>) -> Result<(), SyncError> {
        let wanted: BTreeSet<&String> = list.scope.emit.union(&list.scope.detect).collect();
        // As long as the server is not known: to a single project an old one answers with 500, to all of them with a refusal.
        let unsure = !self.sure || wanted.len() >= self.projects.len();
        let all = (unsure && !self.session.scope.leaves_projects_out()) || wanted.len() > MAX_PROJECT_IDS;
        let ids: Vec<String> = if all { vec!["-1".to_owned()] } else { wanted.into_iter().cloned().collect() };
        let request = |query: &str| {
            let request = self.list_of_organization(query);
            let mut request = ids.iter().fold(request, |request, id| request.with("project", id.clone()));
            if !self.sure && ids.len() == 1 && !all {
                request.max_retries = Some(1);
            }
            request
        };
        let (main, feedback) = (request(""), request(FEEDBACK));
        self.read("", &main, Some(&feedback), list).await
    }

    /// The organization's list, by first event where the server can. No event lifts an issue there that is not read yet,
    /// while in a list by last event each does (API §8).
    fn list_of_organization(&self, query: &str) -> Request {
        let by_creation = self.dialect().supports(Capability::IssuesByCreation);
        let sort = if by_creation { "new" } else { "date" };
        Request::new(&ORGANIZATION_ISSUES, self.session.values()).with("sort", sort).with("query", query)
    }

    async fn each_project(&mut self, list: &mut IssueList<'_>) -> Result<(), SyncError> {
        for project in self.projects {
            if !list.emits(&project.id) && !list.scope.detect.contains(&project.id) {
                continue;
            }
            let result = self.one_project(project, list).await;
            // As long as the server is not known, an error is for the scan to look at.
            if self.sure {
                let failed = tolerate_project(self.session, self.session.by_issue_scan(), project, result).await?;
                list.found.failed.extend(failed.map(|error| (project.id.clone(), error)));
            } else {
                result?;
            }
        }
        Ok(())
    }

    async fn one_project(&mut self, project: &Project, list: &mut IssueList<'_>) -> Result<(), SyncError> {
        if self.mode() == Mode::ProjectLists {
            let request = Request::new(&PROJECT_ISSUES, self.session.values_of(project));
            return self.read(&project.id, &request, None, list).await;
        }
        let request = |query: &str| {
            let mut request = self.list_of_organization(query).with("project", project.id.clone());
            if !self.sure {
                request.max_retries = Some(1);
            }
            request
        };
        let (main, feedback) = (request(""), request(FEEDBACK));
        let has_feedback = self.dialect().supports(Capability::FeedbackIssues);
        self.read(&project.id, &main, has_feedback.then_some(&feedback), list).await
    }

    /// Reads one list, or one with a companion: both are one list as far as the state knows.
    async fn read(
        &mut self,
        name: &str,
        request: &Request,
        companion: Option<&Request>,
        list: &mut IssueList<'_>,
    ) -> Result<(), SyncError> {
        let resume_point = self.resume_point(name, list);
        let pages = IssuePages::new(self.session, self.checkpoint.as_ref(), list, (name, &self.of), resume_point);
        let result = pages.read(request, companion, self.mode() == Mode::OrganizationWide).await;
        self.sure |= pages.any();
        result
    }

    /// Whether the scan comes to a list of this name.
    fn comes(&self, name: &str) -> bool {
        match self.mode() {
            Mode::OrganizationWide => name.is_empty(),
            Mode::OneProjectAtATime | Mode::ProjectLists => self.projects.iter().any(|project| project.id == name),
        }
    }

    /// What an interrupted run has written of a list.
    fn resume_point(&mut self, name: &str, list: &IssueList<'_>) -> ResumePoint {
        let start = list.asked.start;
        let Some(position) = &self.resume else { return ResumePoint::Nothing };
        match position.start.map(|of_position| start.cmp(&of_position)) {
            Some(Ordering::Less) => ResumePoint::Everything,
            Some(Ordering::Equal) if position.list.as_deref().is_some_and(|list| list != name && self.comes(list)) => {
                ResumePoint::Everything
            }
            Some(Ordering::Equal) if position.list.as_deref() != Some(name) => {
                self.resume = None; // the interrupted run listed issues in another way
                ResumePoint::Nothing
            }
            Some(Ordering::Equal) => {
                let until = position.until;
                self.resume = None;
                until.map_or(ResumePoint::Nothing, ResumePoint::DownTo)
            }
            Some(Ordering::Greater) | None => {
                self.resume = None;
                ResumePoint::Nothing
            }
        }
    }
}

/// What a server lacks that has only the projects' own lists: they know no window and no feedback.
const PROJECT_LISTS_ONLY: &[Capability] = &[
    Capability::OrganizationIssues,
    Capability::IssuesByCreation,
    Capability::ListWindows,
    Capability::FeedbackIssues,
    Capability::SampleOrder,
];
