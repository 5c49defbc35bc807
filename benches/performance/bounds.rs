//! Lower bounds: the fewest requests and seconds in which everything can be read. Measured figures stand beside them.

use std::collections::BTreeMap;

use sentry_simulator::Truth;

use crate::table::number;

/// Rows on a page of most lists.
const PAGE: usize = 100;

/// sentry.io's budget of project event lists: so many in each minute, one at a time.
const PROJECT_LISTS_PER_MINUTE: f64 = 60.0;

/// The fewest requests for lists of an organization.
pub struct Least<'a> {
    truth: &'a Truth,
    /// Rows on a page of events.
    event_page: usize,
}

impl<'a> Least<'a> {
    /// With event pages of a hundred rows.
    pub const fn new(truth: &'a Truth) -> Self {
        Self { truth, event_page: PAGE }
    }

    /// With pages of whole events, which are shorter on sentry.io.
    pub const fn with_event_page(truth: &'a Truth, event_page: usize) -> Self {
        Self { truth, event_page }
    }

    /// Requests for whole streams, if events are read from the fewest lists.
    pub fn requests(&self, streams: &[&str]) -> usize {
        streams.iter().map(|stream| self.stream(stream)).sum()
    }

    fn stream(&self, stream: &str) -> usize {
        match stream {
            "projects" => pages(self.truth.projects.len(), PAGE),
            "project_detail" => self.truth.projects.len(),
            "teams" => pages(self.truth.teams.len(), PAGE),
            "users" => 1,
            "issues" => pages(self.issues(false), PAGE) + pages(self.issues(true), PAGE),
            "events" => self.by_project() + self.of_other_issues(),
            "releases" => pages(self.truth.releases.len(), PAGE),
            "release" => self.children_of_releases(),
            _ => 0,
        }
    }

    fn issues(&self, feedback: bool) -> usize {
        self.truth.issues.values().filter(|issue| (issue.category == "feedback") == feedback).count()
    }

    /// Lists of the error events of each project.
    pub fn by_project(&self) -> usize {
        let mut rows: BTreeMap<&str, usize> = BTreeMap::new();
        for (_, project, events) in self.errors() {
            *rows.entry(project).or_default() += events;
        }
        rows.values().map(|rows| pages(*rows, self.event_page)).sum()
    }

    /// Lists of the events of each error issue.
    pub fn by_issue(&self) -> usize {
        self.errors().map(|(_, _, events)| pages(events, self.event_page)).sum()
    }

    /// Lists of the events of each error issue, if only some events were kept.
    pub fn by_issue_keeping(&self, keep: impl Fn(usize) -> usize) -> usize {
        self.errors().map(|(_, _, events)| pages(keep(events), self.event_page)).sum()
    }

    /// Lists of the events of issues that project lists do not have.
    pub fn of_other_issues(&self) -> usize {
        let errors: BTreeMap<&str, usize> = self.errors().map(|(issue, _, events)| (issue, events)).collect();
        let others = self.truth.events.iter().filter(|(issue, _)| !errors.contains_key(issue.as_str()));
        others.map(|(_, events)| pages(events.len(), self.event_page)).sum()
    }

    /// Error issues with their project and their number of events.
    fn errors(&self) -> impl Iterator<Item = (&str, &str, usize)> {
        let issues = self.truth.issues.iter().filter(|(_, issue)| issue.category == "error");
        issues.map(|(id, issue)| (id.as_str(), issue.project.as_str(), self.truth.events[id].len()))
    }

    fn children_of_releases(&self) -> usize {
        let lists = self.truth.releases.values().flat_map(|release| [release.commits.len(), release.deploys.len()]);
        lists.filter(|rows| *rows > 0).map(|rows| pages(rows, PAGE)).sum()
    }

    /// The fewest seconds that a run can take under sentry.io's budgets and a ceiling of `rate` requests a second. This
    /// assumes that issues have equal shares of their project's list, and that only answers of project lists take time.
    pub fn seconds_on_sentry_io(&self, streams: &[&str], rate: f64, latency: f64) -> f64 {
        let (by_project, by_issue) = (number(self.by_project()), number(self.by_issue()));
        let other = number(self.requests(streams)) - by_project;
        let enough = |seconds: f64| {
            let windows = (seconds / 60.0).floor() + 1.0;
            let lists = by_project.min(PROJECT_LISTS_PER_MINUTE * windows).min(seconds / latency);
            other + lists + by_issue * (1.0 - lists / by_project) <= rate * seconds
        };
        let mut tenths = 0;
        while !enough(f64::from(tenths) / 10.0) {
            tenths += 1;
        }
        f64::from(tenths) / 10.0
    }
}

/// Requests for a list of so many rows. An empty list takes a request too.
fn pages(rows: usize, page: usize) -> usize {
    rows.div_ceil(page).max(1)
}
