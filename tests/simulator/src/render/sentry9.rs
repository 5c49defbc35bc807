//! The shapes of Sentry 9.1.2, made from today's rows: the keys it had, and the few that are gone today.

use serde_json::{Map, Value, json};

use crate::hash::mix;
use crate::organization::Event;

const PROJECT: &str = "dateCreated environments features firstEvent hasAccess id isBookmarked isMember \
    latestDeploys latestRelease name platform platforms slug team teams";

const PROJECT_DETAIL: &str = "allowedDomains avatar color dataScrubber dataScrubberDefaults dateCreated \
    defaultEnvironment digestsMaxDelay digestsMinDelay features firstEvent groupingConfig hasAccess id isBookmarked \
    isInternal isMember isPublic latestRelease name options organization platform platforms processingIssues \
    relayPiiConfig resolveAge safeFields scrapeJavaScript scrubIPAddresses securityToken securityTokenHeader \
    sensitiveFields slug status storeCrashReports subjectPrefix subjectTemplate team teams verifySSL";

const ISSUE: &str = "annotations assignedTo count culprit firstSeen hasSeen id isBookmarked isPublic \
    isSubscribed lastSeen level logger metadata numComments permalink project shareId shortId stats status \
    statusDetails subscriptionDetails title type userCount activity firstRelease lastRelease participants seenBy \
    tags userReportCount";

const ORGANIZATION: &str = "avatar dateCreated features id isEarlyAdopter name require2FA slug status";

const TEAM: &str = "avatar dateCreated hasAccess id isMember isPending memberCount name projects slug";

const MEMBER: &str = "dateCreated email expired flags id name pending projects role roleName user";

const RELEASE: &str = "authors commitCount data dateCreated dateReleased deployCount firstEvent lastCommit \
    lastDeploy lastEvent newGroups owner projects ref shortVersion url version";

const COMMIT: &str = "author dateCreated id message releases repository";

fn keep(row: &mut Value, keys: &str) {
    if let Some(object) = row.as_object_mut() {
        object.retain(|key, _| keys.split_whitespace().any(|kept| kept == key));
    }
}

fn insert(row: &mut Value, more: &Map<String, Value>) {
    if let Some(object) = row.as_object_mut() {
        object.extend(more.clone());
    }
}

/// A row of the projects list.
pub(super) fn project(row: &mut Value) {
    keep(row, PROJECT);
}

/// A project inside a team.
pub(super) fn project_summary(row: &mut Value) {
    keep(row, PROJECT_DETAIL);
}

/// A project's detail. Its latest release is a whole release.
pub(super) fn project_detail(row: &mut Value, latest: Option<Value>) {
    keep(row, PROJECT_DETAIL);
    row["latestRelease"] = latest.unwrap_or(Value::Null);
    row["storeCrashReports"] = json!(false);
    row["plugins"] = json!([{ "id": "webhooks", "name": "WebHooks", "enabled": false, "version": "9.1.2" }]);
}

/// An issue, in lists and in detail.
pub(super) fn issue(row: &mut Value) {
    let detail = row.get("activity").is_some();
    keep(row, ISSUE);
    row["annotations"] = json!([]);
    float_times(&mut row["stats"]);
    if detail {
        for key in ["pluginActions", "pluginIssues", "pluginContexts"] {
            row[key] = json!([]);
        }
    }
}

/// The times of series are written with a fraction.
fn float_times(stats: &mut Value) {
    let series = stats.as_object_mut().into_iter().flat_map(Map::values_mut);
    for point in series.filter_map(Value::as_array_mut).flatten() {
        if let Some(time) = point[0].as_i64().and_then(|time| u32::try_from(time).ok()) {
            point[0] = json!(f64::from(time));
        }
    }
}

/// The organization. It has no links, so it tells no region.
pub(crate) fn organization(row: &mut Value) {
    keep(row, ORGANIZATION);
}

/// A team, with short projects.
pub(super) fn team(row: &mut Value) {
    keep(row, TEAM);
}

/// A member or user.
pub(super) fn member(row: &mut Value) {
    let role = row["orgRole"].as_str().unwrap_or("member").to_owned();
    let name = if role == "owner" { "Owner" } else { "Member" };
    let roles = json!({ "role": role, "roleName": name });
    if let Value::Object(roles) = &roles {
        insert(row, roles);
    }
    keep(row, MEMBER);
    row["flags"] = json!({ "sso:linked": false, "sso:invalid": false });
}

/// A release. It has no id, and only name and slug of its projects.
pub(super) fn release(row: &mut Value) {
    keep(row, RELEASE);
    if let Some(projects) = row.get_mut("projects").and_then(Value::as_array_mut) {
        for project in projects {
            keep(project, "name slug");
        }
    }
}

/// A commit.
pub(super) fn commit(row: &mut Value) {
    keep(row, COMMIT);
}

/// The number of an event's row in the old server's database. It is not the event's id.
pub(crate) const fn row_id(event: &Event) -> u64 {
    mix(event.seed()) % 1_000_000_000
}
