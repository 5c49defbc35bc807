//! Teams, members, users (API §2.9–2.11).

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde_json::{Value, json};

use super::{letter_avatar, project, sentry9};
use crate::organization::{Member, Organization, Team};

fn stamp(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

/// A row of the teams list; `detailed` adds its projects.
pub(crate) fn team(org: &Organization, team: &Team, detailed: bool, sentry9: bool) -> Value {
    let own = org.own_teams().iter().any(|own| own.id == team.id);
    let members = org.members.iter().filter(|member| member.teams.contains(&team.id)).count();
    let mut row = json!({
        "id": team.id.to_string(), "slug": team.slug, "name": team.name, "dateCreated": stamp(team.created),
        "isMember": own, "teamRole": if own { Some("contributor") } else { None },
        "flags": { "idp:provisioned": false }, "access": ["team:read", "project:read"], "hasAccess": true,
        "isPending": false, "memberCount": members,
        "avatar": { "avatarType": "letter_avatar", "avatarUuid": null, "avatarUrl": null },
    });
    if detailed {
        let projects = org.projects.iter().filter(|project| project.teams.contains(&team.id));
        row["externalTeams"] = json!([]);
        row["projects"] = projects.map(|project| project::summary(org, project, sentry9)).collect();
    }
    if sentry9 {
        sentry9::team(&mut row);
    }
    row
}

/// A row of the members list.
pub(crate) fn member(member: &Member, sentry9: bool) -> Value {
    let mut row = json!({
        "id": member.id.to_string(), "email": member.email, "name": member.name, "user": account(member),
        "orgRole": member.role, "pending": member.user.is_none(), "expired": false,
        "flags": {
            "idp:provisioned": false, "idp:role-restricted": false, "sso:linked": false, "sso:invalid": false,
            "member-limit:restricted": false, "partnership:restricted": false,
        },
        "dateCreated": stamp(member.created), "inviteStatus": "approved",
        "inviterName": if member.role == "owner" { None } else { Some("maininviter@example.com") },
    });
    if sentry9 {
        sentry9::member(&mut row);
    }
    row
}

/// A row of the users list: a member with the slugs of the projects of the member's teams.
pub(crate) fn user(org: &Organization, person: &Member, sentry9: bool) -> Value {
    let mut row = member(person, sentry9);
    let shares = |teams: &[u64]| teams.iter().any(|team| person.teams.contains(team));
    let projects = org.projects.iter().filter(|project| shares(&project.teams));
    let mut slugs: Vec<_> = projects.map(|project| project.slug.clone()).collect();
    slugs.sort();
    row["projects"] = json!(slugs);
    row
}

/// The account of a member. Null while the invitation is pending.
pub(crate) fn account(member: &Member) -> Value {
    let Some(id) = member.user else {
        return Value::Null;
    };
    let joined = member.created - TimeDelta::milliseconds(2500);
    json!({
        "id": id.to_string(), "name": member.name, "username": member.email, "email": member.email,
        "avatarUrl": format!("https://gravatar.example.com/avatar/{id:x}"), "isActive": member.active,
        "isSuspended": false, "hasPasswordAuth": true, "isManaged": false, "dateJoined": stamp(joined),
        "lastLogin": if id.is_multiple_of(3) { None } else { Some(stamp(member.created)) },
        "has2fa": id.is_multiple_of(2), "lastActive": stamp(member.created + TimeDelta::days(3)),
        "isSuperuser": false, "isStaff": false, "experiments": {},
        "emails": [{ "id": (id + 1).to_string(), "email": member.email, "is_verified": true }],
        "avatar": letter_avatar(), "canReset2fa": true, "identities": [], "authenticators": [],
    })
}
