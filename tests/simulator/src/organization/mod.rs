//! The data of the simulated organization, and how to find things in it. This file knows nothing of HTTP.

mod generate;
mod issue;
mod mutate;
mod people;
mod releases;
mod shape;
mod truth;

pub use issue::{Category, Event, Existence, Issue, Status};
pub use people::{Member, Team};
pub use releases::{Commit, Deploy, Release};
pub use shape::Shape;
pub(crate) use truth::Scope;
pub use truth::{EventTruth, IssueTruth, ReleaseTruth, Truth};

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

/// A project.
#[derive(Clone, Debug)]
pub struct Project {
    /// The id.
    pub id: u64,
    /// The slug, which people choose and addresses contain.
    pub slug: String,
    /// The slugs that it had before. They redirect.
    pub old_slugs: Vec<String>,
    /// The name people read.
    pub name: String,
    /// The platform, if it was set.
    pub platform: Option<&'static str>,
    /// The ids of the teams that own it.
    pub teams: Vec<u64>,
    /// When it was made.
    pub created: DateTime<Utc>,
}

/// Everything there is.
#[derive(Clone, Debug)]
pub struct Organization {
    /// The id.
    pub id: u64,
    /// The slug.
    pub slug: String,
    /// The name.
    pub name: String,
    /// When it was made.
    pub created: DateTime<Utc>,
    /// Projects, in the order they were made.
    pub projects: Vec<Project>,
    /// Teams, in the order they were made. The caller belongs to the first one.
    pub teams: Vec<Team>,
    /// Members, by id.
    pub members: Vec<Member>,
    /// Issues, by id. Merged and deleted ones stay here, with a mark.
    pub issues: Vec<Issue>,
    /// Releases, in the order they were made.
    pub releases: Vec<Release>,
    /// Bytes of padding in every full event.
    pub event_bytes: usize,
    serial: u64,
    merges: Vec<Merge>,
}

/// What was merged, so that it can be taken apart again.
#[derive(Clone, Debug)]
struct Merge {
    /// The issue that was merged into another one.
    from: u64,
    /// The ids of the events that it had.
    events: BTreeSet<u128>,
}

/// What a path segment says about a project.
pub(crate) enum Found<'a> {
    /// It is this one.
    Here(&'a Project),
    /// It is this one, but it has another slug now.
    Moved(&'a Project),
    /// There is none.
    Nowhere,
}

impl Organization {
    /// The project with this id.
    pub fn project(&self, id: u64) -> Option<&Project> {
        self.projects.iter().find(|project| project.id == id)
    }

    /// The project with this slug.
    pub fn project_by_slug(&self, slug: &str) -> Option<&Project> {
        self.projects.iter().find(|project| project.slug == slug)
    }

    /// Reads a path segment. It is an id if it has only digits, else a slug (API §8).
    pub(crate) fn find_project(&self, text: &str) -> Found<'_> {
        match text.parse() {
            Ok(id) => self.project(id).map_or(Found::Nowhere, Found::Here),
            Err(_) => self.find_slug(text),
        }
    }

    /// Finds a project by its slug, perhaps an old one.
    pub(crate) fn find_slug(&self, text: &str) -> Found<'_> {
        if let Some(project) = self.project_by_slug(text) {
            return Found::Here(project);
        }
        let moved = self.projects.iter().find(|project| project.old_slugs.iter().any(|old| old == text));
        moved.map_or(Found::Nowhere, Found::Moved)
    }

    /// The issue with this id, even if merged or deleted.
    pub fn issue(&self, id: u64) -> Option<&Issue> {
        self.issue_position(id).map(|position| &self.issues[position])
    }

    /// The issue that answers for an id: itself, the one it was merged into, or none.
    pub fn surviving_issue(&self, id: u64) -> Option<&Issue> {
        let mut issue = self.issue(id)?;
        while let Existence::MergedInto(into) = issue.existence {
            issue = self.issue(into)?;
        }
        issue.is_live().then_some(issue)
    }

    /// The short id of an issue, `PROJECT-12`.
    pub fn short_id(&self, issue: &Issue) -> String {
        let slug = self.project(issue.project).map_or("GONE", |project| &project.slug);
        format!("{}-{}", slug.to_uppercase(), issue.number)
    }

    /// The issue with this short id, if it was not merged or deleted.
    pub(crate) fn issue_by_short_id(&self, text: &str) -> Option<&Issue> {
        self.issues.iter().find(|issue| issue.is_live() && self.short_id(issue) == text)
    }

    /// The release with this version.
    pub fn release(&self, version: &str) -> Option<&Release> {
        self.releases.iter().find(|release| release.version == version)
    }

    /// The teams the caller belongs to.
    pub fn own_teams(&self) -> &[Team] {
        &self.teams[..self.teams.len().min(1)]
    }

    /// Whether a project belongs to one of the caller's teams.
    pub fn is_own(&self, project: &Project) -> bool {
        self.own_teams().iter().any(|team| project.teams.contains(&team.id))
    }

    fn issue_position(&self, id: u64) -> Option<usize> {
        self.issues.binary_search_by_key(&id, |issue| issue.id).ok()
    }

    /// A number never used before, for new things.
    fn next_serial(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }
}
