//! Rows have every key that the documented examples have.

use sentry_simulator::{Shape, Simulator};
use serde_json::Value;

use crate::client::{get, self_hosted, walk};

const PROJECT: &str = "slug name dateCreated firstEvent access hasAccess id isBookmarked isMember platform platforms \
    team teams environments features firstTransactionEvent hasSessions hasProfiles hasReplays hasFlags \
    hasMinifiedStackTrace hasMonitors hasFeedbacks hasNewFeedbacks hasUserReports hasInsightsHttp hasInsightsDb \
    hasInsightsAssets hasInsightsAppStart hasInsightsScreenLoad hasInsightsVitals hasInsightsCaches hasInsightsQueues \
    hasInsightsAgentMonitoring hasInsightsMCP hasLogs hasTraceMetrics latestRelease";

const ISSUE: &str = "annotations assignedTo count culprit firstSeen filtered inbox hasSeen id isBookmarked isPublic \
    isSubscribed lastSeen level logger metadata numComments permalink project shareId shortId stats priority \
    priorityLockedAt owners platform lifetime seerAutofixLastTriggered seerExplorerAutofixLastTriggered \
    seerFixabilityScore status substatus statusDetails subscriptionDetails title type userCount integrationIssues \
    sentryAppIssues isUnhandled issueCategory issueType sessionCount latestEventHasAttachments matchingEventId \
    matchingEventEnvironment derivedData";

const EVENT: &str = "eventID tags dateCreated user message title id platform event.type groupID crashFile location \
    culprit projectID metadata";

const DETAIL: &str = "groupID eventID dist userReport previousEventID message title id size errors platform \
    nextEventID type metadata tags dateCreated dateReceived user entries packages sdk _meta contexts fingerprints \
    context release crashFile location culprit groupingConfig occurrence projectID resolvedWith sdkUpdates";

const RELEASE: &str = "id version shortVersion status versionInfo ref url dateReleased dateCreated data newGroups \
    owner commitCount lastCommit deployCount lastDeploy authors projects firstEvent lastEvent currentProjectMeta \
    userAgent";

const MEMBER: &str = "id email name user orgRole pending expired flags dateCreated inviteStatus inviterName";

const TEAM: &str = "id slug name dateCreated isMember teamRole flags access hasAccess isPending memberCount avatar";

fn check(row: &Value, keys: &str) {
    for key in keys.split_whitespace() {
        assert!(row.get(key).is_some(), "no {key} in {row}");
    }
}

fn shaped() -> Simulator {
    self_hosted(&Shape { projects: 5, issues_per_project: 6, ..Shape::default() })
}

#[test]
fn lists() {
    let sim = shaped();
    for (path, keys) in [
        ("organizations/acme/projects/", PROJECT),
        ("organizations/acme/teams/", TEAM),
        ("organizations/acme/members/", MEMBER),
        ("organizations/acme/users/?project=-1", MEMBER),
        ("organizations/acme/issues/?project=-1&query=", ISSUE),
        ("organizations/acme/issues/?project=-1&query=issue.category:feedback", ISSUE),
        ("projects/acme/api-backend/events/", EVENT),
        ("organizations/acme/releases/?project=-1&status=", RELEASE),
        ("organizations/acme/environments/?project=-1", "id name"),
    ] {
        let rows = walk(&sim, path);
        assert!(!rows.is_empty(), "{path}");
        for row in &rows {
            check(row, keys);
        }
    }
}

#[test]
fn details() {
    let sim = shaped();
    let id = sim.read(|org| org.issues[0].id);
    let issue = get(&sim, &format!("organizations/acme/issues/{id}/")).json();
    check(&issue, "activity seenBy participants userReportCount firstRelease lastRelease tags stats count lastSeen");
    assert!(issue.get("lifetime").is_none());
    let event = get(&sim, &format!("organizations/acme/issues/{id}/events/latest/")).json();
    check(&event, DETAIL);
    let project = get(&sim, "projects/acme/api-backend/").json();
    check(
        &project,
        "options organization securityToken avatar color status resolveAge highlightPreset seerNightshiftTweaks",
    );
    assert!(project.get("hasUserReports").is_none());
    check(&get(&sim, "organizations/acme/").json(), "id slug name links avatar status require2FA dateCreated");
}

#[test]
fn a_surprise_in_every_row() {
    let sim = shaped();
    sim.settings(|settings| settings.extra_field = true);
    let id = sim.read(|org| org.issues[0].id);
    for path in [
        "organizations/acme/projects/".to_owned(),
        "organizations/acme/issues/?project=-1&query=".to_owned(),
        "projects/acme/api-backend/events/?full=1".to_owned(),
        format!("organizations/acme/issues/{id}/events/"),
        "organizations/acme/releases/?project=-1".to_owned(),
    ] {
        assert!(walk(&sim, &path).iter().all(|row| row["newThisMonth"]["a"] == 1), "{path}");
    }
}

#[test]
fn people_and_assignments_vary() {
    let rows = walk(&shaped(), "organizations/acme/issues/?project=-1&query=");
    let of = |kind: &str| rows.iter().filter(|row| row["assignedTo"]["type"] == kind).count();
    assert!(of("user") > 0 && of("team") > 0 && rows.iter().any(|row| row["assignedTo"].is_null()));
    assert!(rows.iter().any(|row| row["culprit"].is_null()));
    assert!(rows.iter().all(|row| row["id"].is_string() && row["count"].is_string()));
}
