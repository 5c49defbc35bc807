//! What happens to an organization over time: events arrive, people resolve, merge and rename.
//!
//! All functions panic if something does not exist, since the test is wrong then.

use chrono::{DateTime, TimeDelta, Utc};

use super::generate::{FIRST_SERIAL, new_issue, new_project};
use super::{Category, Event, Existence, Member, Merge, Organization, Project, Release, Status, Team, releases};
use crate::hash::mix2;

const ADDED_PROJECT: u64 = 4_502_000_000;
const ADDED_TEAM: u64 = 49_000;
const ADDED_MEMBER: u64 = 57_378_000_000;

impl Organization {
    /// Adds events to an issue, one a second, the newest at `at`. Returns their ids. A resolved issue opens again. An
    /// old `at` makes late events.
    ///
    /// # Panics
    /// If there is no such issue.
    pub fn add_events(&mut self, issue: u64, count: usize, at: DateTime<Utc>) -> Vec<String> {
        let position = self.issue_position(issue).expect("the issue exists");
        let mut ids = Vec::with_capacity(count);
        for back in 0..count {
            let serial = self.next_serial();
            let second = at.timestamp() - crate::count(back);
            let event = Event::new(mix2(issue, serial), mix2(serial, issue), second * 1000);
            ids.push(event.hex());
            self.issues[position].events.push(event);
        }
        let issue = &mut self.issues[position];
        issue.sort();
        if issue.status == Status::Resolved {
            issue.status = Status::Unresolved;
        }
        ids
    }

    /// Adds an error issue with events as in [`Organization::add_events`], and returns its id.
    ///
    /// # Panics
    /// If there is no such project.
    pub fn add_issue(&mut self, project: &str, events: usize, at: DateTime<Utc>) -> u64 {
        self.add_issue_of(Category::Error, project, events, at)
    }

    /// Adds an issue of any category.
    ///
    /// # Panics
    /// If there is no such project.
    pub fn add_issue_of(&mut self, category: Category, project: &str, events: usize, at: DateTime<Utc>) -> u64 {
        let project = self.project_by_slug(project).expect("the project exists").id;
        let id = self.next_issue_id();
        let number = self.next_number(project);
        self.issues.push(new_issue(id, project, number, category));
        self.add_events(id, events, at);
        id
    }

    /// Adds a project to the first team, and returns its id.
    pub fn add_project(&mut self, slug: &str, at: DateTime<Utc>) -> u64 {
        let team = self.teams.first().map(|team| team.id);
        let id = self.next_serial() - FIRST_SERIAL + ADDED_PROJECT;
        let project = Project {
            id,
            slug: slug.to_owned(),
            name: slug.to_owned(),
            platform: None,
            created: at,
            ..new_project(self.projects.len(), team, at)
        };
        self.projects.push(project);
        id
    }

    /// Adds a release without commits and deploys to a project.
    ///
    /// # Panics
    /// If there is no such project.
    pub fn add_release(&mut self, project: &str, version: &str, at: DateTime<Utc>) {
        let project = self.project_by_slug(project).expect("the project exists").id;
        self.releases.push(Release {
            id: 1_122_684_000 + self.releases.len() as u64,
            version: version.to_owned(),
            archived: false,
            projects: vec![project],
            created: at,
            released: None,
            commits: Vec::new(),
            deploys: Vec::new(),
        });
    }

    /// Adds a deploy to a release.
    ///
    /// # Panics
    /// If there is no such release.
    pub fn add_deploy(&mut self, version: &str, at: DateTime<Utc>) {
        let position = self.releases.iter().position(|release| release.version == version).expect("the release exists");
        let release = &mut self.releases[position];
        let deploy = releases::new_deploy(position, release.deploys.len(), at - TimeDelta::minutes(10));
        release.deploys.push(deploy);
    }

    /// Resolves an issue. Its last event does not change.
    ///
    /// # Panics
    /// If there is no such issue.
    pub fn resolve_issue(&mut self, issue: u64) {
        let position = self.issue_position(issue).expect("the issue exists");
        self.issues[position].status = Status::Resolved;
    }

    /// Merges an issue into another one. Its events move there, and its id answers with the other issue.
    ///
    /// # Panics
    /// If there is no such issue.
    pub fn merge_issue(&mut self, from: u64, into: u64) {
        let position = self.issue_position(from).expect("the merged issue exists");
        let merged = &mut self.issues[position];
        let events = std::mem::take(&mut merged.events);
        let first_seen = merged.first_seen;
        merged.existence = Existence::MergedInto(into);
        self.merges.push(Merge { from, events: events.iter().map(Event::id).collect() });
        let into = self.issue_position(into).expect("the surviving issue exists");
        let survivor = &mut self.issues[into];
        survivor.first_seen = survivor.first_seen.into_iter().chain(first_seen).min();
        survivor.events.extend(events);
        survivor.sort();
    }

    /// Begins a merge that takes a while. [`Organization::merge_issue`] ends it.
    ///
    /// # Panics
    /// If there is no such issue.
    pub fn begin_merge(&mut self, from: u64, into: u64) {
        let position = self.issue_position(from).expect("the merged issue exists");
        self.issues[position].existence = Existence::MergingInto(into);
    }

    /// Takes a merge apart: the events that the merged issue had become a new issue, whose id is returned. Both issues
    /// are first seen with the first event that they have now.
    ///
    /// # Panics
    /// If the issue was not merged, or the issue that it was merged into is gone.
    pub fn unmerge_issue(&mut self, from: u64) -> u64 {
        let position = self.merges.iter().rposition(|merge| merge.from == from).expect("the issue was merged");
        let merge = self.merges.remove(position);
        let survivor = self.surviving_issue(from).expect("the surviving issue exists").id;
        let survivor = self.issue_position(survivor).expect("it was just found");
        let (project, category) = (self.issues[survivor].project, self.issues[survivor].category);
        let mut new = new_issue(self.next_issue_id(), project, self.next_number(project), category);
        new.events = self.issues[survivor].events.extract_if(.., |event| merge.events.contains(&event.id())).collect();
        new.sort();
        self.issues[survivor].first_seen = None;
        self.issues[survivor].sort();
        let id = new.id;
        self.issues.push(new);
        id
    }

    /// Deletes an issue and its events.
    ///
    /// # Panics
    /// If there is no such issue.
    pub fn delete_issue(&mut self, issue: u64) {
        let position = self.issue_position(issue).expect("the issue exists");
        self.issues[position].existence = Existence::Deleted;
        self.issues[position].events.clear();
    }

    /// Adds a team that owns a project, and returns its id.
    ///
    /// # Panics
    /// If there is no such project.
    pub fn add_team(&mut self, slug: &str, project: u64, at: DateTime<Utc>) -> u64 {
        let id = self.next_serial() - FIRST_SERIAL + ADDED_TEAM;
        self.teams.push(Team { id, slug: slug.to_owned(), name: slug.to_owned(), created: at });
        let project = self.projects.iter_mut().find(|found| found.id == project).expect("the project exists");
        project.teams.push(id);
        id
    }

    /// Deletes a team. Its members and projects stay.
    pub fn delete_team(&mut self, team: u64) {
        self.teams.retain(|found| found.id != team);
        self.projects.iter_mut().for_each(|project| project.teams.retain(|id| *id != team));
        self.members.iter_mut().for_each(|member| member.teams.retain(|id| *id != team));
    }

    /// Adds a member with an active account to a team, and returns the id of the membership.
    pub fn add_member(&mut self, team: u64, at: DateTime<Utc>) -> u64 {
        let number = self.next_serial() - FIRST_SERIAL;
        let id = ADDED_MEMBER + number;
        self.members.push(Member {
            id,
            user: Some(280_095_000_000 + number),
            active: true,
            email: format!("new{number}@example.com"),
            name: format!("New {number}"),
            role: "member",
            teams: vec![team],
            created: at,
        });
        id
    }

    /// Ends a membership.
    pub fn delete_member(&mut self, member: u64) {
        self.members.retain(|found| found.id != member);
    }

    /// Gives a project another slug. The old one redirects.
    ///
    /// # Panics
    /// If there is no such project.
    pub fn rename_project(&mut self, slug: &str, new: &str) {
        let project = self.projects.iter_mut().find(|project| project.slug == slug).expect("the project exists");
        project.old_slugs.push(std::mem::replace(&mut project.slug, new.to_owned()));
    }

    /// Deletes a project, its issues and their events.
    pub fn delete_project(&mut self, slug: &str) {
        let Some(id) = self.project_by_slug(slug).map(|project| project.id) else {
            return;
        };
        let issues: Vec<_> = self.issues.iter().filter(|issue| issue.project == id).map(|issue| issue.id).collect();
        for issue in issues {
            self.delete_issue(issue);
        }
        self.projects.retain(|project| project.id != id);
        for release in &mut self.releases {
            release.projects.retain(|project| *project != id);
        }
    }
}
