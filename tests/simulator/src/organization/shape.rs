//! How large a generated organization is, and which oddities it has.

use chrono::{DateTime, Utc};

use crate::settings::default_now;

/// The measures of a generated organization. The same shape gives the same organization.
#[derive(Clone, Debug)]
pub struct Shape {
    /// Where all pseudo-random choices come from.
    pub seed: u64,
    /// The slug of the organization.
    pub organization: String,
    /// The time at which the data ends. Keep it equal to `Settings::now`.
    pub now: DateTime<Utc>,
    /// How many projects.
    pub projects: usize,
    /// How many error issues in each project.
    pub issues_per_project: usize,
    /// How many events in each error issue.
    pub events_per_issue: usize,
    /// Event counts of the error issues, project by project. Projects beyond this list have the two numbers above.
    pub issue_sizes: Vec<Vec<usize>>,
    /// The days back from `now` over which events are spread.
    pub days: u32,
    /// User feedback in each project, one event each.
    pub feedback_issues_per_project: usize,
    /// Performance issues in each project, three events each.
    pub performance_issues_per_project: usize,
    /// How many teams.
    pub teams: usize,
    /// How many members, the pending and the inactive among them.
    pub members: usize,
    /// How many releases.
    pub releases: usize,
    /// Commits of the releases that have any.
    pub commits_per_release: usize,
    /// Bytes of padding in every full event.
    pub event_bytes: usize,
    /// How many events of each issue share one second. Without ties an issue has at most one event a second, if the
    /// days have enough seconds.
    pub ties: usize,
}

impl Default for Shape {
    fn default() -> Self {
        Self {
            seed: 1,
            organization: "acme".to_owned(),
            now: default_now(),
            projects: 3,
            issues_per_project: 10,
            events_per_issue: 10,
            issue_sizes: Vec::new(),
            days: 20,
            feedback_issues_per_project: 1,
            performance_issues_per_project: 0,
            teams: 3,
            members: 6,
            releases: 8,
            commits_per_release: 5,
            event_bytes: 0,
            ties: 0,
        }
    }
}

impl Shape {
    /// The event counts of a project's error issues.
    pub(crate) fn sizes(&self, project: usize) -> Vec<usize> {
        match self.issue_sizes.get(project) {
            Some(sizes) => sizes.clone(),
            None => vec![self.events_per_issue; self.issues_per_project],
        }
    }
}
