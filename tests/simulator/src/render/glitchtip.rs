//! The shapes of GlitchTip: Sentry's rows with other keys and types.

use serde_json::{Map, Value, json};

use super::event::{Context, Fineness, Form, row};
use super::numbers::Numbers;
use crate::organization::{Event, Issue, Member, Organization, Project, Release, Team};

/// The fields of Sentry's issues that GlitchTip has too.
const ISSUE: &str = "annotations count culprit firstSeen hasSeen id isBookmarked isPublic isSubscribed lastSeen level \
    logger metadata numComments permalink project shareId shortId status statusDetails subscriptionDetails title type \
    userCount";
const PROJECT: &str = "avatar color dateCreated features firstEvent hasAccess id isBookmarked isInternal isMember isPublic \
    name platform slug";
const TEAM: &str = "dateCreated id isMember memberCount slug";
const RELEASE: &str = "commitCount data dateCreated dateReleased deployCount firstEvent lastEvent owner projects ref \
    shortVersion url version";

fn only(row: Value, keys: &str) -> Value {
    let Value::Object(object) = row else { return row };
    object.into_iter().filter(|(key, _)| keys.split_whitespace().any(|kept| kept == key)).collect::<Map<_, _>>().into()
}

/// The organization.
pub(crate) fn organization(org: &Organization) -> Value {
    json!({ "id": org.id.to_string(), "slug": org.slug, "name": org.slug, "isAcceptingEvents": true })
}

/// A project.
pub(crate) fn project(org: &Organization, project: &Project) -> Value {
    only(super::project::row(org, project, false), PROJECT)
}

/// A team. It has no name.
pub(crate) fn team(org: &Organization, team: &Team) -> Value {
    only(super::person::team(org, team, false, false), TEAM)
}

/// A member. It has no name, and another role than in Sentry. While it is pending, it has no user.
pub(crate) fn member(member: &Member) -> Value {
    let row = super::person::member(member, false);
    let user = if row["pending"] == json!(true) { Value::Null } else { row["user"].clone() };
    json!({
        "id": row["id"], "email": row["email"], "role": "member", "roleName": "Member", "pending": row["pending"],
        "dateCreated": row["dateCreated"], "isOwner": false, "user": user,
    })
}

/// An issue, with the numbers of its whole life.
pub(crate) fn issue(org: &Organization, issue: &Issue) -> Value {
    let mut row = super::issue::base(org, issue);
    super::issue::set_numbers(&mut row, &Numbers::lifetime(issue));
    only(row, ISSUE)
}

/// A release. Its only name is the version.
pub(crate) fn release(org: &Organization, release: &Release) -> Value {
    only(super::release::row(org, release, false), RELEASE)
}

/// An event in a project's list.
pub(crate) fn event_of_project(org: &Organization, issue: &Issue, event: &Event) -> Value {
    let context = Context { org, form: Form::Short, fineness: Fineness::Seconds, sentry9: false, surprise: false };
    let mut row: Value = serde_json::from_str(&row(&context, issue, event)).unwrap_or_default();
    row["projectID"] = json!(issue.project);
    row["id"] = row["eventID"].clone();
    row
}

/// An event in an issue's list. All names but `id` differ from those in a project's list.
pub(crate) fn event_of_issue(org: &Organization, issue: &Issue, event: &Event) -> Value {
    let Value::Object(row) = event_of_project(org, issue, event) else { return Value::Null };
    row.into_iter().map(|(key, value)| (with_underscores(&key), value)).collect::<Map<_, _>>().into()
}

/// `dateCreated` is `date_created`, `eventID` is `event_id`.
fn with_underscores(key: &str) -> String {
    let mut text = String::new();
    for letter in key.replace("ID", "Id").chars() {
        if letter.is_ascii_uppercase() {
            text.push('_');
        }
        text.push(letter.to_ascii_lowercase());
    }
    text
}
