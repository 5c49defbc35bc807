//! Makes an organization from a [`Shape`]: projects, issues, events. The same shape gives the same organization.

use chrono::{TimeDelta, Utc};

use super::{Category, Event, Existence, Issue, Organization, Project, Shape, Status, people, releases};
use crate::hash::{Rng, mix2, pick};

const FIRST_PROJECT: u64 = 4_501_000_000;
const FIRST_ISSUE: u64 = 6_100_000_000;
pub(super) const FIRST_SERIAL: u64 = 1 << 40;

const PROJECTS: [(&str, &str, Option<&str>); 6] = [
    ("api-backend", "API Backend", Some("python")),
    ("web-frontend", "Web Frontend", Some("javascript")),
    ("mobile-app", "Mobile App (日本)", Some("cocoa")),
    ("data-pipeline", "Data Pipeline", None),
    ("groessen-dienst", "Größen-Dienst", Some("java")),
    ("prime-mover", "Prime Mover", Some("")),
];

impl Organization {
    /// Makes an organization of a shape.
    pub fn generate(shape: &Shape) -> Self {
        let teams = people::teams(shape);
        let projects: Vec<_> = (0..shape.projects)
            .map(|position| new_project(position, teams.get(position % teams.len().max(1)).map(|t| t.id), shape.now))
            .collect();
        let mut organization = Self {
            id: 1_040_257,
            slug: shape.organization.clone(),
            name: "Acme — Überfabrik".to_owned(),
            created: shape.now - TimeDelta::days(1500),
            members: people::members(shape, &teams),
            releases: releases::generate(shape, &projects),
            teams,
            projects,
            issues: Vec::new(),
            event_bytes: shape.event_bytes,
            serial: FIRST_SERIAL,
            merges: Vec::new(),
        };
        for position in 0..shape.projects {
            organization.fill_project(position, shape);
        }
        organization
    }

    fn fill_project(&mut self, position: usize, shape: &Shape) {
        let sizes = shape.sizes(position);
        let errors = sizes.into_iter().map(|size| (Category::Error, size));
        let performance = (0..shape.performance_issues_per_project).map(|_| (Category::Performance, 3));
        let feedback = (0..shape.feedback_issues_per_project).map(|_| (Category::Feedback, 1));
        let project = self.projects[position].id;
        for (category, size) in errors.chain(performance).chain(feedback) {
            let id = self.next_issue_id();
            let mut rng = Rng::new(mix2(shape.seed, id));
            let number = self.next_number(project);
            let mut issue = new_issue(id, project, number, category);
            issue.status = pick(rng.next(), &STATUSES);
            issue.events = events(shape, size, number == 1, &mut rng);
            issue.sort();
            self.issues.push(issue);
        }
    }

    /// The id of the next issue. Ids only grow.
    pub(super) fn next_issue_id(&self) -> u64 {
        self.issues.last().map_or(FIRST_ISSUE, |issue| issue.id + 1)
    }

    /// The number of the next issue of a project.
    pub(super) fn next_number(&self, project: u64) -> u32 {
        let last = self.issues.iter().rev().find(|issue| issue.project == project);
        last.map_or(1, |issue| issue.number + 1)
    }
}

const STATUSES: [Status; 6] =
    [Status::Unresolved, Status::Resolved, Status::Unresolved, Status::Unresolved, Status::Ignored, Status::Unresolved];

/// A project by its place in the organization.
pub(super) fn new_project(position: usize, team: Option<u64>, now: chrono::DateTime<Utc>) -> Project {
    let (slug, name, platform) = match PROJECTS.get(position) {
        Some((slug, name, platform)) => ((*slug).to_owned(), (*name).to_owned(), *platform),
        None => (format!("service-{position}"), format!("Service {position}"), Some("go")),
    };
    Project {
        id: FIRST_PROJECT + position as u64,
        slug,
        old_slugs: Vec::new(),
        name,
        platform,
        teams: team.into_iter().collect(),
        created: now - TimeDelta::days(400) + TimeDelta::milliseconds(711 * (1 + crate::count(position))),
    }
}

/// An issue without events.
pub(super) const fn new_issue(id: u64, project: u64, number: u32, category: Category) -> Issue {
    Issue {
        id,
        project,
        number,
        category,
        status: Status::Unresolved,
        existence: Existence::Live,
        first_seen: None,
        events: Vec::new(),
    }
}

/// Events over some of the shape's days, one in each of equal slots. The tied ones come first.
fn events(shape: &Shape, size: usize, recent: bool, rng: &mut Rng) -> Vec<Event> {
    let newest = shape.now.timestamp() - 60;
    let span = i64::from(shape.days) * 86_400 - 120;
    let quiet = if recent { 0 } else { rng.below(span / 2) };
    let end = newest - quiet;
    let length = (span - quiet).max(1);
    let tied = shape.ties.min(size);
    let tie = end - rng.below(length);
    let single = crate::count(size - tied).max(1);
    (0..size)
        .map(|position| {
            let second = match position.checked_sub(tied) {
                None => tie,
                Some(0) => end,
                Some(slot) => slot_second(end, length, crate::count(slot), single, rng),
            };
            Event::new(rng.next(), rng.next(), second * 1000 + pick(rng.next(), &[0, 0, 120, 345, 999]))
        })
        .collect()
}

fn slot_second(end: i64, length: i64, slot: i64, slots: i64, rng: &mut Rng) -> i64 {
    let from = length * slot / slots;
    let to = length * (slot + 1) / slots;
    end - from - rng.below((to - from).max(1))
}
