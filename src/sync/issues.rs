//! The issue walk: one list for the whole organization where the server can, one per project where it cannot.
//!
//! It writes issue records and, as the change detector for events, notes every issue that has events in the window.

use std::cmp::Ordering;
use std::collections::{BTreeSet, HashSet};

use tracing::debug;

use crate::json::row::Row;
use crate::sentry::endpoint::{Class, Endpoint, PageSize};
use crate::sentry::error::{ApiError, ErrorKind};
use crate::sentry::pages::Pages;
use crate::sentry::request::Request;
use crate::singer::progress::Mark;
use crate::singer::state::State;
use crate::sync::issue_list::{Found, Group, List, Written};
use crate::sync::issue_rows::{IssueRow, write_issues};
use crate::sync::walk::WalkError;
use crate::sync::window::Window;
use crate::sync::{Project, Sync};
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
/// More project ids than this make the URL too long; then all projects are listed and rows are filtered here.
const MAX_PROJECT_IDS: usize = 100;
/// Times that the newest part of a window is looked at again before the walk is taken for complete.
const MAX_RECHECKS: usize = 5;

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
    /// Nothing is known of the server yet: begins with what today's servers do.
    pub fn new(sync: &'a Sync, projects: &'a [Project]) -> Self {
        Self { sync, projects, mode: Mode::OrganizationWide, sure: false, resume: None }
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
            Mode::OneProjectAtATime if unknown_here => Mode::ProjectLists,
            _ => return false,
        };
        debug!("{error}; trying an older way of listing issues");
        true
    }

    /// Leaves out what today's servers no longer have.
    fn clamped(&self, window: Window) -> Window {
        if self.knows_windows() { window.within_retention(self.sync.client.server_now()) } else { window }
    }

    async fn organization_wide(&mut self, list: &mut List<'_>) -> Result<(), WalkError> {
        let wanted: BTreeSet<&String> = list.group.emit.union(&list.group.detect).collect();
        // As long as the server is not known: to a single project an old one answers with 500, to all of them with a refusal.
        let all = !self.sure || wanted.len() >= self.projects.len() || wanted.len() > MAX_PROJECT_IDS;
        let ids: Vec<String> = if all { vec!["-1".to_owned()] } else { wanted.into_iter().cloned().collect() };
        for query in ["", FEEDBACK] {
            let mut request = Request::new(&ORGANIZATION_ISSUES, self.sync.values()).with("query", query);
            for id in &ids {
                request = request.with("project", id.clone());
            }
            match self.read(query, request, list).await {
                Err(WalkError::Api(error)) if query == FEEDBACK && error.kind == ErrorKind::BadRequest => {
                    debug!("{error}; this server has no feedback issues");
                }
                other => other?,
            }
        }
        Ok(())
    }

    async fn each_project(&mut self, list: &mut List<'_>) -> Result<(), WalkError> {
        for project in self.projects {
            if !list.group.emit.contains(&project.id) && !list.group.detect.contains(&project.id) {
                continue;
            }
            match self.one_project(project, list).await {
                Err(WalkError::Api(error)) if self.sure && self.sync.goes_on_after(&error) => {
                    for name in ["issues", "events"] {
                        self.sync.part_failed(name, project, &error);
                    }
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
            return self.read(&project.id, Request::new(&PROJECT_ISSUES, values), list).await;
        }
        let request = Request::new(&ORGANIZATION_ISSUES, self.sync.values()).with("query", "");
        let mut request = request.with("project", project.id.clone());
        if !self.sure {
            request.max_retries = Some(1);
        }
        self.read(&project.id, request, list).await
    }

    /// Reads one list, then its newest part again as long as that brings something new.
    ///
    /// An issue that gets a late event while the list is being read moves above the cursor and would be missed, and with
    /// it its older events for good. Where it went is the newest part, as far back as events are expected to be late.
    async fn read(&mut self, name: &str, request: Request, list: &mut List<'_>) -> Result<(), WalkError> {
        let written = self.written(name, list.asked.start);
        let window = list.window;
        let began = self.sync.client.server_now();
        let (mut pages, _) = self.read_from(&request, window.start, Some((name, written)), list).await?;
        let lookback = chrono::TimeDelta::from_std(self.sync.config.lookback).unwrap_or_default();
        let recheck = window.start.max(began - lookback.max(chrono::TimeDelta::minutes(1)));
        for _ in 0..MAX_RECHECKS {
            if pages < 2 || recheck >= window.end {
                break;
            }
            let new;
            (pages, new) = self.read_from(&request, recheck, None, list).await?;
            if new == 0 {
                break;
            }
            debug!("{new} issues moved while they were listed");
        }
        Ok(())
    }

    /// What an interrupted run has written of a list.
    fn written(&mut self, name: &str, start: Time) -> Written {
        let Some(mark) = &self.resume else { return Written::Nothing };
        match mark.start.map(|marked| start.cmp(&marked)) {
            Some(Ordering::Less) => Written::Everything,
            Some(Ordering::Equal) if mark.list.as_deref() != Some(name) => Written::Everything,
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

    /// Reads from `start` on; `first` is the list's name and what of it is written, absent when it is read again. Returns the number of pages and of issues not seen before.
    async fn read_from(
        &mut self,
        request: &Request,
        start: Time,
        first: Option<(&str, Written)>,
        list: &mut List<'_>,
    ) -> Result<(usize, usize), WalkError> {
        let mut request = request.clone();
        if self.knows_windows() {
            for (name, value) in (Window { start, ..list.window }).query() {
                request = request.with(name, value);
            }
        }
        let mut pages = Pages::new(&self.sync.client, request);
        let (mut count, mut new) = (0, 0);
        let mut newest_left: Option<Time> = None;
        let mut in_order = true;
        while let Some(page) = pages.next().await? {
            self.sure = true;
            count += 1;
            let rows: Vec<Row<'_>> = page.rows().flatten().collect();
            let counted = first.is_some() && self.knows_windows();
            let issues: Vec<IssueRow<'_>> = rows.iter().filter_map(|row| IssueRow::read(row, counted)).collect();
            list.found.odd |= self.count_odd_rows(page.len() - issues.len());
            let times = || issues.iter().filter_map(|issue| issue.last_seen);
            in_order &= newest_left.into_iter().chain(times()).is_sorted_by(|a, b| a >= b);
            newest_left = times().next_back().or(newest_left);
            let older = |issue: &IssueRow<'_>| issue.last_seen.is_some_and(|last_seen| last_seen < start);
            let past = !issues.is_empty() && issues.iter().all(older);
            let fresh: Vec<&IssueRow<'_>> = issues.iter().filter(|issue| !older(issue) && list.note(issue)).collect();
            new += fresh.len();
            let written = first.map_or(Written::Nothing, |(_, written)| written);
            let emit = fresh.into_iter().filter(|issue| list.emits(issue) && !written.covers(issue.last_seen));
            write_issues(self.sync, &emit.collect::<Vec<_>>()).await?;
            if let (Some((name, _)), Some(until), true) =
                (first, newest_left.filter(|_| in_order), list.writes() && !list.found.odd)
            {
                self.mark(list.asked, name, until, written).await?;
            }
            if past && !self.knows_windows() {
                break; // newest first: what follows is older still
            }
        }
        Ok((count, new))
    }

    /// Remembers how far the list has been written.
    async fn mark(&self, asked: Window, name: &str, until: Time, written: Written) -> Result<(), WalkError> {
        if written.covers(Some(until)) {
            return Ok(()); // the old mark is further on
        }
        let mark = Mark { start: Some(asked.start), list: Some(name.to_owned()), until: Some(until), item: None };
        let change = |state: &mut State| state.progress_mut("issues", asked.end).mark = mark;
        Ok(self.sync.output.advance_page(change).await?)
    }

    /// Says that there are rows from which neither issues nor their events can be had.
    fn count_odd_rows(&self, odd: usize) -> bool {
        for output in ["issues", "events"].into_iter().filter_map(|name| self.sync.output.stream(name)) {
            if odd > 0 {
                output.gap(format!("{odd} issue rows without id or project"));
            }
        }
        odd > 0
    }
}
