//! Projects in lists, and the organization (API §2.1).

use chrono::{SecondsFormat, TimeDelta};
use serde_json::{Map, Value, json};

use super::{letter_avatar, sentry9};
use crate::organization::{Category, Organization, Project, Team};
use crate::time;

/// Flags that say what a project has; the set grows all the time.
const FLAGS: [&str; 22] = [
    "hasFeedbacks",
    "hasFlags",
    "hasMinifiedStackTrace",
    "hasMonitors",
    "hasNewFeedbacks",
    "hasProfiles",
    "hasReplays",
    "hasSessions",
    "hasInsightsHttp",
    "hasInsightsDb",
    "hasInsightsAssets",
    "hasInsightsAppStart",
    "hasInsightsScreenLoad",
    "hasInsightsVitals",
    "hasInsightsCaches",
    "hasInsightsQueues",
    "hasInsightsAgentMonitoring",
    "hasInsightsMCP",
    "hasLogs",
    "hasTraceMetrics",
    "firstTransactionEvent",
    "hasUserReports",
];

/// A row of the projects list.
pub(crate) fn row(org: &Organization, project: &Project, sentry9: bool) -> Value {
    let mut row = base(org, project);
    row["environments"] = json!(super::kind::ENVIRONMENTS);
    let latest = latest_release(org, project);
    row["latestDeploys"] = latest.filter(|release| !release.deploys.is_empty()).map_or(Value::Null, |release| {
        let finished = release.created.to_rfc3339_opts(SecondsFormat::Micros, true);
        json!({ "production": { "version": release.version, "dateFinished": finished } })
    });
    if sentry9 {
        sentry9::project(&mut row);
    }
    row
}

/// What list and detail share.
pub(super) fn base(org: &Organization, project: &Project) -> Value {
    let teams: Vec<_> = project.teams.iter().filter_map(|id| org.teams.iter().find(|t| t.id == *id)).collect();
    let mut row = json!({
        "id": project.id.to_string(), "slug": project.slug, "name": project.name, "platform": project.platform,
        "dateCreated": project.created.to_rfc3339_opts(SecondsFormat::Micros, true),
        "isBookmarked": false, "isMember": org.is_own(project), "hasAccess": true,
        "access": ["project:read", "event:read"], "features": ["releases", "alert-filters"],
        "firstEvent": first_event(org, project),
        "team": teams.first().map(|team| short_team(team)),
        "teams": teams.iter().map(|team| short_team(team)).collect::<Value>(),
        "platforms": project.platform.into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>(),
        "latestRelease": latest_release(org, project).map(|release| json!({ "version": release.version })),
    });
    let flags: Map<_, _> = FLAGS.iter().map(|flag| ((*flag).to_owned(), json!(flag.len().is_multiple_of(2)))).collect();
    if let Some(object) = row.as_object_mut() {
        object.extend(flags);
    }
    row
}

fn short_team(team: &Team) -> Value {
    json!({ "id": team.id.to_string(), "name": team.name, "slug": team.slug })
}

/// The newest release of a project.
pub(super) fn latest_release<'a>(org: &'a Organization, project: &Project) -> Option<&'a crate::organization::Release> {
    org.releases.iter().rev().find(|release| release.projects.contains(&project.id))
}

fn first_event(org: &Organization, project: &Project) -> Option<String> {
    let errors = org.issues.iter().filter(|issue| issue.project == project.id && issue.category == Category::Error);
    errors.filter_map(|issue| issue.events.last()).map(|event| event.ms).min().map(time::micros)
}

/// A project inside a team.
pub(super) fn summary(org: &Organization, project: &Project, sentry9: bool) -> Value {
    let mut row = base(org, project);
    if let Some(object) = row.as_object_mut() {
        for key in ["team", "teams", "platforms", "latestRelease", "hasUserReports"] {
            object.remove(key);
        }
        object.extend(looks().as_object().cloned().unwrap_or_default());
    }
    if sentry9 {
        sentry9::project_summary(&mut row);
    }
    row
}

/// What details and summaries have and list rows do not.
pub(super) fn looks() -> Value {
    json!({ "isInternal": false, "isPublic": false, "avatar": letter_avatar(), "color": "#3f70bf", "status": "active" })
}

/// The organization.
pub(crate) fn organization(org: &Organization, origin: &str) -> Value {
    json!({
        "id": org.id.to_string(), "slug": org.slug, "name": org.name,
        "status": { "id": "active", "name": "active" },
        "dateCreated": (org.created + TimeDelta::milliseconds(101)).to_rfc3339_opts(SecondsFormat::Millis, true),
        "avatar": letter_avatar(), "hasAuthProvider": false, "isEarlyAdopter": false, "allowMemberInvite": true,
        "allowMemberProjectCreation": true, "allowSuperuserAccess": false, "require2FA": false,
        "links": { "organizationUrl": origin, "regionUrl": origin },
        "features": ["discover-basic", "global-views"],
    })
}
