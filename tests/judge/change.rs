//! What can happen to an organization. A change names what it changes by a number, which is resolved when it is made,
//! among what there is then. So a change never fails, and any part of a history makes sense by itself.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use sentry_simulator::{Category, Existence, Moment, Organization};

use super::dice::Dice;
use super::ledger::Ledger;

/// Something that happens. Numbers called `which` choose among what there is.
#[derive(Clone, Debug)]
pub enum Change {
    /// Time passes, in seconds.
    Advance(u64),
    /// New issues of one category, all with their events at the same times, the newest now.
    Issues { which: u64, category: Category, issues: usize, events: usize },
    /// Events of an issue, one a second. The newest is so many seconds old when it arrives.
    Events { which: u64, events: usize, late: i64 },
    /// Events of an issue that all have the same time, which is now.
    Burst { which: u64, events: usize },
    /// Two issues of a project become one.
    Merge { which: u64 },
    /// The same, but it takes until [`Change::FinishMerges`].
    BeginMerge { which: u64 },
    /// The merges that are under way are done.
    FinishMerges,
    /// The last merge is taken apart.
    Unmerge,
    /// An issue goes.
    DeleteIssue { which: u64 },
    /// An issue is resolved.
    Resolve { which: u64 },
    /// A project gets another slug.
    Rename { which: u64, digits: bool },
    /// A new project, perhaps with digits only for a slug.
    AddProject { digits: bool },
    /// A project goes.
    DeleteProject { which: u64 },
    /// The token may not see a project any more.
    Hide { which: u64 },
    /// The token may see all projects again.
    ShowAll,
    /// A release, first seen so many seconds after the time that it is dated to.
    Release { which: u64, late: i64 },
    /// A team with a member.
    AddTeam { which: u64 },
    /// A team goes.
    DeleteTeam { which: u64 },
    /// A member of a team.
    AddMember { which: u64 },
    /// A member goes.
    DeleteMember { which: u64 },
}

impl Change {
    /// One at random. Some are rarer than others.
    pub fn random(dice: &mut Dice) -> Self {
        let which = dice.next() >> 8;
        match dice.from(0, 99) {
            0..=24 => {
                Self::Events { which, events: dice.size(1, 5), late: dice.pick(&[0, 0, 0, 5, 55, 90, 500, 3_000]) }
            }
            25..=28 => Self::Events { which, events: dice.size(1, 3), late: dice.pick(&[10_000, 200_000, 2_000_000]) },
            29..=30 => Self::Events { which, events: 110, late: 0 },
            31..=36 => Self::Burst { which, events: dice.size(2, 5) },
            37..=46 => {
                let category =
                    dice.pick(&[Category::Error, Category::Error, Category::Performance, Category::Feedback]);
                Self::Issues { which, category, issues: dice.pick(&[1, 1, 2, 5]), events: dice.size(1, 4) }
            }
            47..=53 => Self::Merge { which },
            54..=57 => Self::BeginMerge { which },
            58..=62 => Self::FinishMerges,
            63..=65 => Self::Unmerge,
            66..=69 => Self::DeleteIssue { which },
            70..=71 => Self::Resolve { which },
            72..=75 => Self::Rename { which, digits: dice.chance(20) },
            76..=78 => Self::AddProject { digits: dice.chance(30) },
            79 => Self::DeleteProject { which },
            80..=82 => Self::Hide { which },
            83..=84 => Self::ShowAll,
            85..=91 => Self::Release { which, late: dice.pick(&[0, 0, 1_800, 3_500, 20_000, 80_000, 200_000]) },
            92..=93 => Self::AddTeam { which },
            94..=95 => Self::DeleteTeam { which },
            96..=97 => Self::AddMember { which },
            _ => Self::DeleteMember { which },
        }
    }

    /// Makes it, and tells the ledger.
    pub fn make(&self, moment: &mut Moment<'_>, ledger: &mut Ledger) {
        let now = moment.now();
        match self {
            Self::Advance(seconds) => moment.advance(Duration::from_secs(*seconds)),
            Self::Hide { which } => hide(moment, ledger, *which),
            Self::ShowAll => {
                let projects: Vec<u64> = moment.organization().projects.iter().map(|project| project.id).collect();
                for project in projects {
                    moment.allow(project);
                }
            }
            Self::BeginMerge { .. } | Self::FinishMerges | Self::Merge { .. } | Self::Unmerge => {
                moment.edit(|org| self.merge(org, ledger));
            }
            Self::Issues { .. } | Self::Events { .. } | Self::Burst { .. } => moment.edit(|org| self.happen(org, now)),
            Self::DeleteIssue { .. } | Self::Resolve { .. } | Self::Release { .. } => {
                moment.edit(|org| self.work(org, now));
            }
            _ => moment.edit(|org| self.arrange(org, now)),
        }
        let now = moment.now();
        ledger.observe(moment.organization(), now);
    }

    /// Events come.
    fn happen(&self, org: &mut Organization, now: DateTime<Utc>) {
        match *self {
            Self::Issues { which, category, issues, events } => {
                let Some(project) = nth(&projects(org), which) else { return };
                let slug = org.project(project).expect("it was just found").slug.clone();
                for _ in 0..issues {
                    org.add_issue_of(category, &slug, events, now);
                }
            }
            Self::Events { which, events, late } => {
                let Some(issue) = nth(&live(org), which) else { return };
                org.add_events(issue, events, now - TimeDelta::seconds(late));
            }
            Self::Burst { which, events } => {
                let Some(issue) = nth(&live(org), which) else { return };
                (0..events).for_each(|_| drop(org.add_events(issue, 1, now)));
            }
            _ => unreachable!("no events"),
        }
    }

    /// People work on issues and releases.
    fn work(&self, org: &mut Organization, now: DateTime<Utc>) {
        match *self {
            Self::DeleteIssue { which } => {
                if let Some(issue) = nth(&live(org), which) {
                    org.delete_issue(issue);
                }
            }
            Self::Resolve { which } => {
                if let Some(issue) = nth(&live(org), which) {
                    org.resolve_issue(issue);
                }
            }
            Self::Release { which, late } => {
                let Some(project) = nth(&projects(org), which) else { return };
                let slug = org.project(project).expect("it was just found").slug.clone();
                let version = format!("app@{}.{}.0", org.releases.len(), which % 100);
                org.add_release(&slug, &version, now - TimeDelta::seconds(late));
            }
            _ => unreachable!("no work"),
        }
    }

    /// Issues become one, or two again.
    fn merge(&self, org: &mut Organization, ledger: &mut Ledger) {
        match *self {
            Self::Merge { which } => {
                if let Some((from, into)) = pair(org, which) {
                    org.merge_issue(from, into);
                }
            }
            Self::BeginMerge { which } => {
                if let Some((from, into)) = pair(org, which) {
                    ledger.begin_merge(from);
                    org.begin_merge(from, into);
                }
            }
            Self::FinishMerges => finish_merges(org, ledger),
            Self::Unmerge => {
                let is_merged = |existence| matches!(existence, Existence::MergedInto(_));
                let merged: Vec<u64> =
                    org.issues.iter().filter(|issue| is_merged(issue.existence)).map(|issue| issue.id).collect();
                let whole = |id: &&u64| org.surviving_issue(**id).is_some() && !ledger.unmerged.contains(*id);
                let Some(from) = merged.iter().rev().find(whole).copied() else { return };
                ledger.unmerge(org, from);
                org.unmerge_issue(from);
            }
            _ => unreachable!("no merge"),
        }
    }

    /// Projects, teams and members come and go.
    fn arrange(&self, org: &mut Organization, now: DateTime<Utc>) {
        match *self {
            Self::Rename { which, digits } => {
                let Some(project) = nth(&projects(org), which) else { return };
                let slug = org.project(project).expect("it was just found").slug.clone();
                let new = if digits { format!("20{}", which % 10_000) } else { format!("web-{}", which % 10_000) };
                if org.project_by_slug(&new).is_none() {
                    org.rename_project(&slug, &new);
                }
            }
            Self::AddProject { digits } => {
                let number = org.projects.len() + 1;
                let slug = if digits {
                    format!("30{number}{}", now.timestamp())
                } else {
                    format!("new-{number}-{}", now.timestamp())
                };
                if org.project_by_slug(&slug).is_none() {
                    org.add_project(&slug, now);
                    org.add_issue(&slug, 2, now);
                }
            }
            Self::DeleteProject { which } => {
                if let Some(project) = nth(&projects(org), which).filter(|_| org.projects.len() > 2) {
                    let slug = org.project(project).expect("it was just found").slug.clone();
                    org.delete_project(&slug);
                }
            }
            Self::AddTeam { which } => {
                if let Some(project) = nth(&projects(org), which) {
                    let slug = format!("crew-{}", org.teams.len() + org.members.len());
                    let team = org.add_team(&slug, project, now);
                    org.add_member(team, now);
                }
            }
            Self::DeleteTeam { which } => {
                let teams: Vec<u64> = org.teams.iter().map(|team| team.id).collect();
                if let Some(team) = nth(&teams, which).filter(|_| teams.len() > 1) {
                    org.delete_team(team);
                }
            }
            Self::AddMember { which } => {
                let teams: Vec<u64> = org.teams.iter().map(|team| team.id).collect();
                if let Some(team) = nth(&teams, which) {
                    org.add_member(team, now);
                }
            }
            Self::DeleteMember { which } => {
                let members: Vec<u64> = org.members.iter().skip(1).map(|member| member.id).collect();
                if let Some(member) = nth(&members, which) {
                    org.delete_member(member);
                }
            }
            _ => unreachable!("nothing to arrange"),
        }
    }
}

/// Ends all merges that are under way.
pub fn finish_merges(org: &mut Organization, ledger: &mut Ledger) {
    let under_way = |issue: &sentry_simulator::Issue| match issue.existence {
        Existence::MergingInto(into) => Some((issue.id, into)),
        _ => None,
    };
    let merges: Vec<_> = org.issues.iter().filter_map(under_way).collect();
    for (from, into) in merges {
        ledger.finish_merge(org, from);
        org.merge_issue(from, into);
    }
}

/// Hides a project from the token, if another one can still be seen.
fn hide(moment: &mut Moment<'_>, ledger: &mut Ledger, which: u64) {
    let seen: Vec<u64> = projects(moment.organization()).into_iter().filter(|id| !moment.is_denied(*id)).collect();
    if let Some(project) = nth(&seen, which).filter(|_| seen.len() > 1) {
        moment.deny(project);
        ledger.hide(project);
    }
}

fn nth(ids: &[u64], which: u64) -> Option<u64> {
    let length = u64::try_from(ids.len()).expect("lengths fit");
    let place = which.checked_rem(length)?;
    ids.get(usize::try_from(place).expect("smaller than a length")).copied()
}

fn projects(org: &Organization) -> Vec<u64> {
    org.projects.iter().map(|project| project.id).collect()
}

/// Issues that nothing is being done to.
fn live(org: &Organization) -> Vec<u64> {
    let targets: Vec<u64> = org
        .issues
        .iter()
        .filter_map(|issue| if let Existence::MergingInto(into) = issue.existence { Some(into) } else { None })
        .collect();
    let free = |issue: &&sentry_simulator::Issue| issue.is_live() && !targets.contains(&issue.id);
    org.issues.iter().filter(free).map(|issue| issue.id).collect()
}

/// Two issues of the same project and category, to be made one.
fn pair(org: &Organization, which: u64) -> Option<(u64, u64)> {
    let live = live(org);
    let from = org.issue(nth(&live, which)?)?;
    let fits = |id: &&u64| {
        org.issue(**id).is_some_and(|issue| {
            issue.id != from.id && issue.project == from.project && issue.category == from.category
        })
    };
    let others: Vec<u64> = live.iter().filter(fits).copied().collect();
    nth(&others, which >> 16).map(|into| (from.id, into))
}
