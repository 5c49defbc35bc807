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
                Self::Events { which, events: dice.size(1, 5), late: dice.pick(&[0, 0, 5, 55, 90, 500, 3_000, 3_000]) }
            }
            25..=28 => Self::Events { which, events: dice.size(1, 3), late: dice.pick(&[10_000, 200_000, 2_000_000]) },
            29..=30 => Self::Events { which, events: 110, late: 0 },
            31..=36 => Self::Burst { which, events: dice.size(2, 5) },
            37..=46 => {
                let category =
                    dice.pick(&[Category::Error, Category::Error, Category::Performance, Category::Feedback]);
                Self::Issues { which, category, issues: dice.pick(&[1, 1, 2, 5]), events: dice.size(1, 4) }
            }
            47..=55 => Self::Merge { which },
            56..=59 => Self::BeginMerge { which },
            60..=62 => Self::FinishMerges,
            63..=64 => Self::Unmerge,
            65..=70 => Self::DeleteIssue { which },
            71 => Self::Resolve { which },
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
        let done = match self {
            Self::Advance(seconds) => {
                moment.advance(Duration::from_secs(*seconds));
                Some(format!("{seconds} s pass"))
            }
            Self::Hide { which } => hide(moment, ledger, *which),
            Self::ShowAll => {
                let projects = projects(moment.organization());
                for project in projects {
                    moment.allow(project);
                }
                Some("the token may see all projects".to_owned())
            }
            Self::BeginMerge { .. } | Self::FinishMerges | Self::Merge { .. } | Self::Unmerge => {
                moment.edit(|org| self.merge(org, ledger))
            }
            Self::Issues { .. } | Self::Events { .. } | Self::Burst { .. } => moment.edit(|org| self.happen(org, now)),
            Self::DeleteIssue { .. } | Self::Resolve { .. } | Self::Release { .. } => {
                moment.edit(|org| self.work(org, now))
            }
            Self::Rename { .. } | Self::AddProject { .. } | Self::DeleteProject { .. } => {
                moment.edit(|org| self.arrange(org, now))
            }
            _ => moment.edit(|org| self.employ(org, now)),
        };
        let now = moment.now();
        ledger.observe(moment.organization(), now);
        ledger.note(now, done.unwrap_or_else(|| format!("{self:?}: there is no such thing")));
    }

    /// Events come.
    fn happen(&self, org: &mut Organization, now: DateTime<Utc>) -> Option<String> {
        match *self {
            Self::Issues { which, category, issues, events } => {
                let slug = slug(org, nth(&projects(org), which)?);
                let ids: Vec<u64> = (0..issues).map(|_| org.add_issue_of(category, &slug, events, now)).collect();
                Some(format!("issues {ids:?} ({}) in {slug}, {events} events each", category.name()))
            }
            Self::Events { which, events, late } => {
                let issue = nth(&live(org), which)?;
                let ids = org.add_events(issue, events, now - TimeDelta::seconds(late));
                Some(format!("{events} events of {issue}, {late} s late: {}", ids[0]))
            }
            Self::Burst { which, events } => {
                let issue = nth(&live(org), which)?;
                let ids: Vec<String> = (0..events).flat_map(|_| org.add_events(issue, 1, now)).collect();
                Some(format!("{events} events of {issue} in one second: {}", ids[0]))
            }
            _ => None,
        }
    }

    /// People work on issues and releases.
    fn work(&self, org: &mut Organization, now: DateTime<Utc>) -> Option<String> {
        match *self {
            Self::DeleteIssue { which } => {
                let issue = nth(&live(org), which)?;
                org.delete_issue(issue);
                Some(format!("issue {issue} is deleted"))
            }
            Self::Resolve { which } => {
                let issue = nth(&live(org), which)?;
                org.resolve_issue(issue);
                Some(format!("issue {issue} is resolved"))
            }
            Self::Release { which, late } => {
                let slug = slug(org, nth(&projects(org), which)?);
                let version = format!("app@{}.{}.0", org.releases.len(), which % 100);
                org.add_release(&slug, &version, now - TimeDelta::seconds(late));
                Some(format!("release {version} in {slug}, {late} s late"))
            }
            _ => None,
        }
    }

    /// Issues become one, or two again.
    fn merge(&self, org: &mut Organization, ledger: &mut Ledger) -> Option<String> {
        match *self {
            Self::Merge { which } => {
                let (from, into) = pair(org, which)?;
                org.merge_issue(from, into);
                Some(format!("issue {from} is merged into {into}"))
            }
            Self::BeginMerge { which } => {
                let (from, into) = pair(org, which)?;
                ledger.begin_merge(from);
                org.begin_merge(from, into);
                Some(format!("issue {from} begins to be merged into {into}"))
            }
            Self::FinishMerges => Some(format!("merges are done: {:?}", finish_merges(org, ledger))),
            Self::Unmerge => {
                let is_merged = |existence| matches!(existence, Existence::MergedInto(_));
                let merged: Vec<u64> =
                    org.issues.iter().filter(|issue| is_merged(issue.existence)).map(|issue| issue.id).collect();
                let whole = |id: &&u64| org.surviving_issue(**id).is_some() && !ledger.unmerged.contains(*id);
                let from = merged.iter().rev().find(whole).copied()?;
                ledger.unmerge(org, from);
                let new = org.unmerge_issue(from);
                Some(format!("what issue {from} had becomes issue {new}"))
            }
            _ => None,
        }
    }

    /// Projects come and go.
    fn arrange(&self, org: &mut Organization, now: DateTime<Utc>) -> Option<String> {
        match *self {
            Self::Rename { which, digits } => {
                let slug = slug(org, nth(&projects(org), which)?);
                let new = if digits { format!("20{}", which % 10_000) } else { format!("web-{}", which % 10_000) };
                if is_taken(org, &new) {
                    return None;
                }
                org.rename_project(&slug, &new);
                Some(format!("project {slug} is now {new}"))
            }
            Self::AddProject { digits } => {
                let number = org.projects.len() + 1;
                let kind = if digits { "30" } else { "new-" };
                let slug = format!("{kind}{number}{}", now.timestamp());
                if is_taken(org, &slug) {
                    return None;
                }
                let id = org.add_project(&slug, now);
                let issue = org.add_issue(&slug, 2, now);
                Some(format!("project {id} {slug} with issue {issue}"))
            }
            Self::DeleteProject { which } => {
                let project = nth(&projects(org), which).filter(|_| org.projects.len() > 2)?;
                let slug = slug(org, project);
                org.delete_project(&slug);
                Some(format!("project {project} {slug} is deleted"))
            }
            _ => None,
        }
    }

    /// Teams and members come and go.
    fn employ(&self, org: &mut Organization, now: DateTime<Utc>) -> Option<String> {
        let teams: Vec<u64> = org.teams.iter().map(|team| team.id).collect();
        match *self {
            Self::AddTeam { which } => {
                let project = nth(&projects(org), which)?;
                let slug = format!("crew-{}-{}", now.timestamp(), org.teams.len() + org.members.len());
                let team = org.add_team(&slug, project, now);
                let member = org.add_member(team, now);
                Some(format!("team {team} with member {member}"))
            }
            Self::DeleteTeam { which } => {
                let team = nth(&teams, which).filter(|_| teams.len() > 1)?;
                org.delete_team(team);
                Some(format!("team {team} is deleted"))
            }
            Self::AddMember { which } => {
                let team = nth(&teams, which)?;
                Some(format!("member {} of team {team}", org.add_member(team, now)))
            }
            Self::DeleteMember { which } => {
                let members: Vec<u64> = org.members.iter().skip(1).map(|member| member.id).collect();
                let member = nth(&members, which)?;
                org.delete_member(member);
                Some(format!("member {member} is deleted"))
            }
            _ => None,
        }
    }
}

fn slug(org: &Organization, project: u64) -> String {
    org.project(project).expect("it was just found").slug.clone()
}

/// Whether a project has this slug, or had it.
fn is_taken(org: &Organization, slug: &str) -> bool {
    org.projects.iter().any(|project| project.slug == slug || project.old_slugs.iter().any(|old| old == slug))
}

/// Ends all merges that are under way, and returns what was merged.
pub fn finish_merges(org: &mut Organization, ledger: &mut Ledger) -> Vec<u64> {
    let under_way = |issue: &sentry_simulator::Issue| match issue.existence {
        Existence::MergingInto(into) => Some((issue.id, into)),
        _ => None,
    };
    let merges: Vec<_> = org.issues.iter().filter_map(under_way).collect();
    for (from, into) in &merges {
        ledger.finish_merge(org, *from);
        org.merge_issue(*from, *into);
    }
    merges.into_iter().map(|(from, _)| from).collect()
}

/// Hides a project from the token, if another one can still be seen.
fn hide(moment: &mut Moment<'_>, ledger: &mut Ledger, which: u64) -> Option<String> {
    let seen: Vec<u64> = projects(moment.organization()).into_iter().filter(|id| !moment.is_denied(*id)).collect();
    let project = nth(&seen, which).filter(|_| seen.len() > 1)?;
    moment.deny(project);
    ledger.hide(project);
    Some(format!("the token may not see project {project} {}", slug(moment.organization(), project)))
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
