//! Which endpoint a path means, and which class and scopes it has. This file knows no data.

use super::extra::{Extra, Names};
use crate::auth::Group;
use crate::limits::Class;
use crate::settings::Dialect;

/// An endpoint with the names in its path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// `organizations/{org}/`
    Organization,
    /// `organizations/{org}/projects/`
    Projects,
    /// `organizations/{org}/teams/`
    Teams,
    /// `organizations/{org}/users/`
    Users,
    /// `organizations/{org}/members/`
    Members,
    /// `organizations/{org}/environments/`
    Environments,
    /// `organizations/{org}/issues/`
    Issues,
    /// `…issues/{issue}/`
    Issue(String),
    /// `…issues/{issue}/events/`
    IssueEvents(String),
    /// `…issues/{issue}/events/{event}/`
    IssueEvent(String, String),
    /// `organizations/{org}/events/`
    Table,
    /// `organizations/{org}/releases/`
    Releases,
    /// `organizations/{org}/releases/{version}/`
    Release(String),
    /// `organizations/{org}/releases/{version}/commits/`
    Commits(String),
    /// `organizations/{org}/releases/{version}/deploys/`
    Deploys(String),
    /// `projects/{org}/{project}/`
    Project(String),
    /// `projects/{org}/{project}/issues/`
    ProjectIssues(String),
    /// `projects/{org}/{project}/events/`
    ProjectEvents(String),
    /// `projects/{org}/{project}/events/{event}/`
    ProjectEvent(String, String),
    /// An endpoint of an optional stream.
    Extra(&'static Extra, Names),
}

/// A routed path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Route {
    /// The organization that the path names. The old issue paths name none.
    pub(crate) organization: Option<String>,
    /// The endpoint.
    pub(crate) target: Target,
}

impl Route {
    /// Reads the decoded segments after `api/0`.
    pub(crate) fn of(segments: &[String], dialect: Dialect) -> Option<Self> {
        let parts: Vec<&str> = segments.iter().map(String::as_str).collect();
        let ["api", "0", rest @ ..] = parts.as_slice() else {
            return None;
        };
        let ours = match rest {
            ["organizations", org, "issues", below @ ..] if !below.is_empty() => {
                (dialect != Dialect::Sentry9).then(|| issue(below)).flatten().map(|target| (Some(*org), target))
            }
            ["organizations", org, below @ ..] => organization(below).map(|target| (Some(*org), target)),
            ["projects", org, project, below @ ..] => self::project(project, below).map(|target| (Some(*org), target)),
            ["issues", below @ ..] => issue(below).map(|target| (None, target)),
            _ => None,
        };
        let (organization, target) = ours.or_else(|| {
            let (extra, names) = Extra::of(rest).filter(|(extra, _)| extra.is_known_to(dialect))?;
            Some((Some(rest[1]), Target::Extra(extra, names)))
        })?;
        Some(Self { organization: organization.map(str::to_owned), target })
    }
}

fn organization(below: &[&str]) -> Option<Target> {
    Some(match below {
        [] => Target::Organization,
        ["projects"] => Target::Projects,
        ["teams"] => Target::Teams,
        ["users"] => Target::Users,
        ["members"] => Target::Members,
        ["environments"] => Target::Environments,
        ["issues"] => Target::Issues,
        ["events"] => Target::Table,
        ["releases"] => Target::Releases,
        ["releases", version] => Target::Release((*version).to_owned()),
        ["releases", version, "commits"] => Target::Commits((*version).to_owned()),
        ["releases", version, "deploys"] => Target::Deploys((*version).to_owned()),
        _ => return None,
    })
}

fn issue(below: &[&str]) -> Option<Target> {
    Some(match below {
        [issue] => Target::Issue((*issue).to_owned()),
        [issue, "events"] => Target::IssueEvents((*issue).to_owned()),
        [issue, "events", event] => Target::IssueEvent((*issue).to_owned(), (*event).to_owned()),
        _ => return None,
    })
}

fn project(project: &str, below: &[&str]) -> Option<Target> {
    let project = project.to_owned();
    Some(match below {
        [] => Target::Project(project),
        ["issues"] => Target::ProjectIssues(project),
        ["events"] => Target::ProjectEvents(project),
        ["events", event] => Target::ProjectEvent(project, (*event).to_owned()),
        _ => return None,
    })
}

impl Target {
    /// The bucket its requests count in.
    pub(crate) const fn class(&self) -> Class {
        match self {
            Self::ProjectEvents(_) => Class::ProjectEvents,
            Self::ProjectEvent(..) => Class::ProjectEvent,
            Self::ProjectIssues(_) => Class::ProjectIssues,
            Self::Issue(_) => Class::Issue,
            Self::IssueEvent(..) => Class::IssueEvent,
            Self::Releases => Class::Releases,
            Self::Members => Class::Members,
            _ => Class::Default,
        }
    }

    /// The scopes it needs.
    pub(crate) const fn group(&self) -> Group {
        match self {
            Self::Organization | Self::Projects | Self::Teams | Self::Users | Self::Environments | Self::Table => {
                Group::Organization
            }
            Self::Members => Group::Members,
            Self::Issues | Self::Issue(_) | Self::IssueEvents(_) | Self::IssueEvent(..) | Self::ProjectIssues(_) => {
                Group::Issues
            }
            Self::Project(_) | Self::ProjectEvents(_) | Self::ProjectEvent(..) => Group::Project,
            Self::Extra(extra, _) => extra.group(),
            Self::Releases | Self::Release(_) | Self::Commits(_) | Self::Deploys(_) => Group::Releases,
        }
    }
}
