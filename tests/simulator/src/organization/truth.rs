//! What a complete sync should hold. It is computed from the data, never from answers.

use std::collections::{BTreeMap, BTreeSet};

use super::{Category, Organization};
use crate::time;

/// An event that should have arrived.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EventTruth {
    /// 32 hex digits.
    pub id: String,
    /// Whole seconds, `2026-11-01T12:00:00Z`.
    pub timestamp: String,
}

/// An issue that should have arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssueTruth {
    /// The id of its project.
    pub project: String,
    /// `error`, `performance` or `feedback`.
    pub category: &'static str,
    /// `unresolved`, `resolved` or `ignored`.
    pub status: &'static str,
    /// Events in its whole life.
    pub count: usize,
    /// Its first event in its whole life, of those that arrived in order.
    pub first_seen: String,
    /// Its last event.
    pub last_seen: String,
}

/// A release that should have arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReleaseTruth {
    /// The SHAs of its commits.
    pub commits: Vec<String>,
    /// The ids of its deploys.
    pub deploys: Vec<String>,
    /// Whether it is archived.
    pub archived: bool,
}

/// Everything a complete sync should hold. Ids are written as they are on the wire.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Truth {
    /// Project ids.
    pub projects: BTreeSet<String>,
    /// Issues with at least one event in retention, by id.
    pub issues: BTreeMap<String, IssueTruth>,
    /// The events in retention of these issues, newest first, by issue id.
    pub events: BTreeMap<String, Vec<EventTruth>>,
    /// Team ids.
    pub teams: BTreeSet<String>,
    /// Membership ids, pending ones included.
    pub members: BTreeSet<String>,
    /// Membership ids of active accounts that share a team with a project.
    pub users: BTreeSet<String>,
    /// Releases by version.
    pub releases: BTreeMap<String, ReleaseTruth>,
}

impl Truth {
    /// All event ids, whatever their issue.
    pub fn event_ids(&self) -> BTreeSet<String> {
        self.events.values().flatten().map(|event| event.id.clone()).collect()
    }
}

/// Which data counts: what the server still has, and the caller may see.
pub(crate) struct Scope<'a> {
    /// The oldest second in retention.
    pub(crate) since: i64,
    /// Whether issues that are not errors exist.
    pub(crate) all_categories: bool,
    /// Projects that the caller may not read.
    pub(crate) denied: &'a BTreeSet<u64>,
}

impl Organization {
    /// What a complete sync should hold if the server still has the events since `since` (epoch seconds).
    pub fn truth(&self, since: i64) -> Truth {
        self.truth_within(&Scope { since, all_categories: true, denied: &BTreeSet::new() })
    }

    pub(crate) fn truth_within(&self, scope: &Scope<'_>) -> Truth {
        let mut truth = Truth {
            projects: self.projects.iter().map(|project| project.id.to_string()).collect(),
            teams: self.teams.iter().map(|team| team.id.to_string()).collect(),
            members: self.members.iter().map(|member| member.id.to_string()).collect(),
            users: self.users().map(|member| member.id.to_string()).collect(),
            ..Truth::default()
        };
        self.add_issue_truth(&mut truth, scope);
        for release in &self.releases {
            if release.projects.iter().all(|project| scope.denied.contains(project)) {
                continue;
            }
            let value = ReleaseTruth {
                commits: release.commits.iter().map(|commit| commit.sha.clone()).collect(),
                deploys: release.deploys.iter().map(|deploy| deploy.id.to_string()).collect(),
                archived: release.archived,
            };
            truth.releases.insert(release.version.clone(), value);
        }
        truth
    }

    fn add_issue_truth(&self, truth: &mut Truth, scope: &Scope<'_>) {
        for issue in self.issues.iter().filter(|issue| issue.is_live()) {
            let hidden = !scope.all_categories && issue.category != Category::Error;
            let events = issue.window(scope.since, i64::MAX);
            let (Some(first), Some(last)) = (issue.first_seen, events.first()) else {
                continue;
            };
            if hidden || scope.denied.contains(&issue.project) {
                continue;
            }
            let row = |event: &super::Event| EventTruth { id: event.hex(), timestamp: time::seconds(event.ms) };
            truth.events.insert(issue.id.to_string(), events.iter().map(row).collect());
            let value = IssueTruth {
                project: issue.project.to_string(),
                category: issue.category.name(),
                status: issue.status.name(),
                count: issue.events.len(),
                first_seen: time::seconds(first),
                last_seen: time::seconds(last.ms),
            };
            truth.issues.insert(issue.id.to_string(), value);
        }
    }

    /// Members with an active account who share a team with any project.
    fn users(&self) -> impl Iterator<Item = &super::Member> {
        self.members.iter().filter(|member| {
            let shares = |team: &u64| self.projects.iter().any(|project| project.teams.contains(team));
            member.user.is_some() && member.active && member.teams.iter().any(shares)
        })
    }
}
