//! The issue walk: one list for the whole organization where the server can, one per project where it cannot.
//!
//! It writes issue records and, as the change detector for events, notes every issue that has events in the window.

use std::cmp::Ordering;
use std::collections::{BTreeSet, HashSet};

use tracing::debug;

use crate::sentry::endpoint::{Class, Endpoint, PageSize};
use crate::sentry::error::{ApiError, ErrorKind};
use crate::sentry::request::Request;
use crate::singer::progress::Mark;
use crate::sync::abreast::MAX_PROJECT_IDS;
use crate::sync::failure::WalkError;
use crate::sync::issue_list::{Found, Group, List, Written};
use crate::sync::issue_pages::IssuePages;
use crate::sync::window::Window;
use crate::sync::{Project, Sync, part_failed};
use crate::time::Time;

/// Every issue of an organization (API §2.3). `query` is empty on purpose: absent, it hides resolved issues.
pub const ORGANIZATION_ISSUES: Endpoint = Endpoint {
    paths: &["organizations/{organization}/issues/"],
    page_size: PageSize::Limit,
    query: &[("sort", "date"), ("groupStatsPeriod", ""), ("collapse", "filtered")],
    scope: "event:read",
    ..Endpoint::LIST
};

/// Issues of one project, for servers that cannot list an organization's (API §2.4). Knows no window.
pub const PROJECT_ISSUES: Endpoint = Endpoint {
    paths: &["projects/{organization}/{project}/issues/"],
    class: Class::ProjectIssues,
    page_size: PageSize::Limit,
    query: &[("query", ""), ("statsPeriod", "")],
    scope: "event:read",
    ..Endpoint::LIST
};

/// Not returned unless asked for by name (API §2.3).
const FEEDBACK: &str = "issue.category:feedback";

/// How this server lists issues; learned from its answers, not from its version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// All projects at once.
    OrganizationWide,
    /// The organization's list, one project at a time.
    OneProjectAtATime,
    /// The projects' own lists, which know no window.
    ProjectLists,
}

/// The walk over issues, with what it has learned of the server.
#[derive(Debug)]
pub struct IssueWalk<'a> {
    sync: &'a Sync,
    projects: &'a [Project],
    mode: Mode,
    /// An answer has confirmed the mode.
    sure: bool,
    /// Where an interrupted run was; taken away once the walk has come past it.
    resume: Option<Mark>,
}

impl<'a> IssueWalk<'a> {
    /// Begins with what today's servers do, unless the server is known to be another.
    pub fn new(sync: &'a Sync, projects: &'a [Project]) -> Self {
        // GlitchTip's windows are about an issue's first event, and to all projects at once it answers with none.
        let mode = if sync.client.is_glitchtip() { Mode::ProjectLists } else { Mode::OrganizationWide };
        Self { sync, projects, mode, sure: false, resume: None }
    }

    /// Whether the server's event lists can be expected to honour windows.
    pub fn knows_windows(&self) -> bool {
        self.mode != Mode::ProjectLists
    }

    /// The next groups' records were written down to this place by an interrupted run.
    pub fn resume(&mut self, mark: Option<Mark>) {
        self.resume = mark;
    }

    /// Walks one group's window.
    pub async fn group(&mut self, group: &Group, asked: Window, found: &mut Found) -> Result<(), WalkError> {
        loop {
            let window = self.clamped(asked);
            if window.is_empty() {
                return Ok(());
            }
            let mut list = List { window, asked, group, seen: HashSet::new(), found };
            let result = match self.mode {
                Mode::OrganizationWide => self.organization_wide(&mut list).await,
                Mode::OneProjectAtATime | Mode::ProjectLists => self.each_project(&mut list).await,
            };
            match result {
                Err(WalkError::Api(error)) if !self.sure && self.falls_back(&error) => {}
                other => return other,
            }
        }
    }

    /// Whether an older way of listing is worth a try after this error.
    fn falls_back(&mut self, error: &ApiError) -> bool {
        let unknown_here = matches!(error.kind, ErrorKind::BadRequest | ErrorKind::NotFound)
            || (error.kind == ErrorKind::Unavailable && error.status.is_some());
        self.mode = match self.mode {
            // Servers that know neither project=-1 nor several projects at once answer 403 or 400.
            Mode::OrganizationWide if matches!(error.kind, ErrorKind::BadRequest | ErrorKind::Forbidden) => {
                Mode::OneProjectAtATime
            }
            Mode::OrganizationWide if error.kind == ErrorKind::NotFound => Mode::ProjectLists,
            // Where only one is chosen, it is asked for alone from the first.
            Mode::OrganizationWide if unknown_here && self.leaves_out() && self.projects.len() == 1 => {
                Mode::ProjectLists
            }
            Mode::OneProjectAtATime if unknown_here => Mode::ProjectLists,
            _ => return false,
        };
        debug!("{error}; trying an older way of listing issues");
        true
    }

    /// Whether there are projects that are not read.
    fn leaves_out(&self) -> bool {
        self.sync.told.get().is_some_and(|told| told.leaves_out)
    }

    /// Leaves out what today's servers no longer have.
    fn clamped(&self, window: Window) -> Window {
        if self.knows_windows() { window.within_retention(self.sync.client.server_now()) } else { window }
    }

    async fn organization_wide(&mut self, list: &mut List<'_>) -> Result<(), WalkError> {
        let wanted: BTreeSet<&String> = list.group.emit.union(&list.group.detect).collect();
        // As long as the server is not known: to a single project an old one answers with 500, to all of them with a refusal.
        let unsure = !self.sure || wanted.len() >= self.projects.len();
        let all = (unsure && !self.leaves_out()) || wanted.len() > MAX_PROJECT_IDS;
        let ids: Vec<String> = if all { vec!["-1".to_owned()] } else { wanted.into_iter().cloned().collect() };
        let request = |query: &str| {
            let request = Request::new(&ORGANIZATION_ISSUES, self.sync.values()).with("query", query);
            let mut request = ids.iter().fold(request, |request, id| request.with("project", id.clone()));
            if !self.sure && ids.len() == 1 && !all {
                request.max_retries = Some(1);
            }
            request
        };
        let (main, feedback) = (request(""), request(FEEDBACK));
        self.read("", &main, Some(&feedback), list).await
    }

    async fn each_project(&mut self, list: &mut List<'_>) -> Result<(), WalkError> {
        for project in self.projects {
            if !list.group.emit.contains(&project.id) && !list.group.detect.contains(&project.id) {
                continue;
            }
            match self.one_project(project, list).await {
                Err(WalkError::Api(error)) if self.sure && self.sync.goes_on_after(&error) => {
                    part_failed(self.sync.by_issue_walk(), project, &error);
                    if error.kind != ErrorKind::NotFound {
                        list.found.failed.insert(project.id.clone(), error);
                    }
                }
                other => other?,
            }
        }
        Ok(())
    }

    async fn one_project(&mut self, project: &Project, list: &mut List<'_>) -> Result<(), WalkError> {
        if self.mode == Mode::ProjectLists {
            let mut values = self.sync.values();
            values.push(("project", project.slug.clone()));
            return self.read(&project.id, &Request::new(&PROJECT_ISSUES, values), None, list).await;
        }
        let request = Request::new(&ORGANIZATION_ISSUES, self.sync.values()).with("query", "");
        let mut request = request.with("project", project.id.clone());
        if !self.sure {
            request.max_retries = Some(1);
        }
        self.read(&project.id, &request, None, list).await
    }

    /// Reads one list, or one with a companion: both are one list as far as the state knows.
    async fn read(
        &mut self,
        name: &str,
        request: &Request,
        companion: Option<&Request>,
        list: &mut List<'_>,
    ) -> Result<(), WalkError> {
        let written = self.written(name, list.asked.start);
        let pages = IssuePages::new(self.sync, list, (name, written), self.knows_windows());
        let result = pages.read(request, companion, self.mode == Mode::OrganizationWide).await;
        self.sure |= pages.any();
        result
    }

    /// Whether the walk comes to a list of this name.
    fn comes(&self, name: &str) -> bool {
        match self.mode {
            Mode::OrganizationWide => name.is_empty(),
            Mode::OneProjectAtATime | Mode::ProjectLists => self.projects.iter().any(|project| project.id == name),
        }
    }

    /// What an interrupted run has written of a list.
    fn written(&mut self, name: &str, start: Time) -> Written {
        let Some(mark) = &self.resume else { return Written::Nothing };
        match mark.start.map(|marked| start.cmp(&marked)) {
            Some(Ordering::Less) => Written::Everything,
            Some(Ordering::Equal) if mark.list.as_deref().is_some_and(|list| list != name && self.comes(list)) => {
                Written::Everything
            }
            Some(Ordering::Equal) if mark.list.as_deref() != Some(name) => {
                self.resume = None; // the interrupted run listed issues in another way
                Written::Nothing
            }
            Some(Ordering::Equal) => {
                let until = mark.until;
                self.resume = None;
                until.map_or(Written::Nothing, Written::NewerThan)
            }
            Some(Ordering::Greater) | None => {
                self.resume = None;
                Written::Nothing
            }
        }
    }
}
