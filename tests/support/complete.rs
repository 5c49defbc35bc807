//! Whether a full sync wrote everything that the simulator holds.

use std::collections::BTreeSet;

use sentry_simulator::Truth;
use serde_json::json;

use super::Run;

/// The run wrote everything that the truth names, once, in the right issue and project.
pub fn assert_complete(run: &Run, truth: &Truth) {
    assert_eq!(run.keys("users", "id"), truth.users);
    assert_complete_but_for_users(run, truth);
}

/// The same without users: old servers show only those of the token's own projects.
pub fn assert_complete_but_for_users(run: &Run, truth: &Truth) {
    assert_eq!(run.keys("projects", "id"), truth.projects);
    assert_eq!(run.keys("project_detail", "id"), truth.projects);
    assert_eq!(run.keys("teams", "id"), truth.teams);
    assert_issues_and_events(run, truth);
    let versions: BTreeSet<String> = truth.releases.keys().cloned().collect();
    assert_eq!(run.keys("releases", "version"), versions);
    assert_eq!(run.keys("release", "version"), versions);
    for release in run.records("release") {
        let expected = &truth.releases[release["version"].as_str().expect("a version")];
        let ids = |field: &str| -> BTreeSet<&str> {
            release[field].as_array().expect("a list").iter().map(|item| item["id"].as_str().expect("an id")).collect()
        };
        assert_eq!(ids("commits"), expected.commits.iter().map(String::as_str).collect());
        assert_eq!(ids("deploys"), expected.deploys.iter().map(String::as_str).collect());
        assert!(release["id"].is_string());
    }
}

/// The same for issues and events alone.
pub fn assert_issues_and_events(run: &Run, truth: &Truth) {
    let issues: BTreeSet<String> = truth.issues.keys().cloned().collect();
    assert_eq!(run.keys("issues", "id"), issues);
    for issue in run.records("issues") {
        let expected = &truth.issues[issue["id"].as_str().expect("an id")];
        assert_eq!(issue["project"]["id"], json!(expected.project));
        assert_eq!(issue["count"], json!(expected.count.to_string()), "the count of the issue's whole life");
    }
    let by_issue = run.events_by_issue();
    for (issue, events) in &truth.events {
        let expected: BTreeSet<String> = events.iter().map(|event| event.id.clone()).collect();
        assert_eq!(by_issue.get(issue), Some(&expected), "issue {issue}");
    }
    assert_eq!(by_issue.len(), truth.events.len());
    for event in run.records("events") {
        let issue = &truth.issues[event["issue_id"].as_str().expect("an issue")];
        assert_eq!(event["project_id"], json!(issue.project));
        assert!(event["issue_title"].is_string() && event["project_slug"].is_string());
    }
}
