//! Issues, in lists and in detail (API §2.3, §2.5).

use chrono::SecondsFormat;
use serde_json::{Value, json};

use super::numbers::{Numbers, series};
use super::{event, kind, release, sentry9};
use crate::hash::pick;
use crate::organization::{Category, Issue, Organization, Status};
use crate::time;

/// The fields of an issue's row, without its numbers.
pub(crate) fn base(org: &Organization, issue: &Issue) -> Value {
    let kind = kind::of(issue);
    let project = org.project(issue.project);
    let even = issue.id.is_multiple_of(2);
    json!({
        "id": issue.id.to_string(), "shareId": if even { None } else { Some("123def456abc") },
        "shortId": org.short_id(issue), "title": kind.title, "culprit": kind.culprit,
        "permalink": format!("https://{}.example.com/issues/{}/", org.slug, issue.id),
        "logger": kind.logger, "level": kind.level, "status": issue.status.name(),
        "statusDetails": details(org, issue), "substatus": substatus(issue), "isPublic": !even,
        "platform": kind.platform, "priority": pick(issue.id, &["low", "medium", "high"]),
        "priorityLockedAt": null, "seerFixabilityScore": if even { None } else { Some(0.25) },
        "seerAutofixLastTriggered": null, "seerExplorerAutofixLastTriggered": null,
        "project": project.map(|project| json!({
            "id": project.id.to_string(), "name": project.name, "slug": project.slug, "platform": project.platform,
        })),
        "type": event::event_type(issue), "issueType": issue_type(issue),
        "issueCategory": issue.category.name(), "metadata": metadata(issue), "numComments": issue.id % 3,
        "assignedTo": assigned(org, issue), "isBookmarked": false, "isSubscribed": even,
        "subscriptionDetails": if even { json!({ "reason": "commented" }) } else { Value::Null },
        "hasSeen": !even,
        "annotations": if even { json!([]) } else { json!([{ "displayName": "T-1", "url": "https://example.com/T-1" }]) },
        "isUnhandled": issue.category == Category::Error && even,
        "derivedData": {
            "blocker": "none", "progress": "fix_applied", "status": "open", "viewCount": issue.id % 50,
            "hasOpenFixPr": false, "isAssigned": even, "hasRootCause": !even,
            "lastCompletedAutofixStep": "pr_created", "lastProgressedAt": null,
        },
    })
}

const fn issue_type(issue: &Issue) -> &'static str {
    match issue.category {
        Category::Error => "error",
        Category::Performance => "performance_n_plus_one_db_queries",
        Category::Feedback => "feedback",
    }
}

fn metadata(issue: &Issue) -> Value {
    let kind = kind::of(issue);
    let mut value = json!({
        "type": kind.name, "value": kind.value, "filename": kind.filename, "function": kind.function,
        "title": kind.title,
    });
    if issue.category == Category::Feedback {
        value["message"] = json!("I cannot find the bütton");
        value["contact_email"] = json!("zoe@example.com");
        value["name"] = json!("Zoë");
    }
    value
}

const fn substatus(issue: &Issue) -> Option<&'static str> {
    match issue.status {
        Status::Unresolved => Some("ongoing"),
        Status::Resolved => None,
        Status::Ignored => Some("archived_until_condition_met"),
    }
}

fn details(org: &Organization, issue: &Issue) -> Value {
    match issue.status {
        Status::Unresolved => json!({}),
        Status::Resolved if issue.id.is_multiple_of(3) => json!({ "inRelease": "api@1.0.0" }),
        Status::Resolved => {
            let actor = org.members.first().map(super::person::account);
            json!({ "inNextRelease": true, "actor": actor })
        }
        Status::Ignored => json!({
            "ignoreCount": 5, "ignoreUntil": null, "ignoreUserCount": null, "ignoreUserWindow": null,
            "ignoreWindow": null, "actor": null,
        }),
    }
}

fn assigned(org: &Organization, issue: &Issue) -> Value {
    match (issue.id % 3, org.members.first(), org.teams.first()) {
        (1, Some(member), _) => json!({
            "type": "user", "id": member.user.unwrap_or_default().to_string(), "name": member.name, "email": member.email,
        }),
        (2, _, Some(team)) => {
            json!({ "type": "team", "id": team.id.to_string(), "name": team.name })
        }
        _ => Value::Null,
    }
}

/// Puts the four numbers into a row.
pub(crate) fn set_numbers(row: &mut Value, numbers: &Numbers<'_>) {
    row["count"] = json!(numbers.count());
    row["userCount"] = json!(numbers.people());
    row["firstSeen"] = json!(numbers.first());
    row["lastSeen"] = json!(numbers.last());
}

/// The keys of `expand`.
pub(crate) const EXPANDED: [&str; 6] =
    ["inbox", "owners", "sessions", "integrationIssues", "sentryAppIssues", "latestEventHasAttachments"];

/// Puts what one `expand` asks for into a row.
pub(crate) fn expand(row: &mut Value, issue: &Issue, name: &str) {
    let since = issue.events.last().map(|event| time::seconds(event.ms));
    let (key, value) = match name {
        "inbox" => ("inbox", json!({ "reason": 0, "reason_details": null, "date_added": since })),
        "owners" => ("owners", json!([{ "type": "ownershipRule", "owner": "user:1", "date_added": since }])),
        "sessions" => ("sessionCount", json!(0)),
        "integrationIssues" => ("integrationIssues", json!([])),
        "sentryAppIssues" => ("sentryAppIssues", json!([])),
        "latestEventHasAttachments" => ("latestEventHasAttachments", json!(false)),
        _ => return,
    };
    row[key] = value;
}

/// Drops and renames the fields that the old server does not have.
pub(crate) fn age(row: &mut Value) {
    sentry9::issue(row);
}

/// Puts what only details have into a row.
pub(crate) fn set_detail(row: &mut Value, org: &Organization, issue: &Issue, now: i64, collapsed: &[&str]) {
    let first = issue.events.last().map(|event| time::micros(event.ms));
    row["activity"] = json!([
        { "id": (issue.id * 2).to_string(), "type": "note", "user": null, "data": { "text": "größe?" },
          "dateCreated": org.created.to_rfc3339_opts(SecondsFormat::Micros, true) },
        { "id": "0", "type": "first_seen", "user": null, "data": {}, "dateCreated": first },
    ]);
    row["seenBy"] = org.members.iter().take(1).map(super::person::account).collect();
    row["participants"] = org.members.iter().take(2).filter(|m| m.user.is_some()).map(super::person::account).collect();
    row["userReportCount"] = json!(issue.id % 2);
    if !collapsed.contains(&"release") {
        row["firstRelease"] = org.releases.first().map_or(Value::Null, release::mention);
        let last = org.releases.last().filter(|_| !issue.id.is_multiple_of(2));
        row["lastRelease"] = last.map_or(Value::Null, release::mention);
    }
    if !collapsed.contains(&"tags") {
        row["tags"] =
            json!([{ "key": "browser", "name": "Browser", "totalValues": issue.events.len(), "uniqueValues": 3 }]);
    }
    if !collapsed.contains(&"stats") {
        row["stats"] = json!({ "24h": series(issue, now, 24, 3600), "30d": series(issue, now, 30, 86_400) });
    }
}
