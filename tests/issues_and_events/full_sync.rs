//! A full sync writes everything, from each kind of server, whatever the rate limits are.

use std::time::Duration;

use sentry_simulator::{Organization, Settings, Shape, Simulator};
use serde_json::json;

use crate::support::Tap;
use crate::support::complete::{assert_complete, assert_complete_but_for_users, assert_issues_and_events};

fn organization() -> Organization {
    Organization::generate(&Shape {
        projects: 4,
        issues_per_project: 12,
        events_per_issue: 9,
        issue_sizes: vec![vec![250, 1, 101], vec![]],
        performance_issues_per_project: 1,
        ..Shape::default()
    })
}

#[test]
fn every_stream_is_complete_from_sentry_io() {
    let simulator = Simulator::start(organization(), Settings::saas());
    let run = Tap::new(&simulator).sync();
    assert_complete(&run, &simulator.truth());
}

#[test]
fn every_stream_is_complete_from_a_self_hosted_server() {
    let simulator = Simulator::start(organization(), Settings::self_hosted());
    let run = Tap::new(&simulator).sync();
    assert_complete(&run, &simulator.truth());
}

#[test]
fn every_stream_is_complete_from_sentry_9() {
    let simulator = Simulator::start(organization(), Settings::sentry9());
    let run = Tap::new(&simulator).sync();
    assert_complete_but_for_users(&run, &simulator.truth());
    assert!(run.keys("users", "id").is_subset(&simulator.truth().users));
    assert!(run.records("release").iter().all(|release| release["id"] == release["version"]));
}

#[test]
fn sentry_ios_limits_lose_nothing_and_are_hardly_ever_hit() {
    let shape = Shape { projects: 5, issues_per_project: 40, events_per_issue: 20, ..Shape::default() };
    let settings = Settings { latency: Duration::from_millis(50), ..Settings::saas() };
    let simulator = Simulator::start(Organization::generate(&shape), settings);
    let run = Tap::new(&simulator).set("rate_limit", json!(40)).sync();
    assert_complete(&run, &simulator.truth());
    let requests = simulator.requests();
    let limited = requests.iter().filter(|request| request.limited).count();
    assert!(limited * 100 <= requests.len(), "{limited} of {} requests were refused", requests.len());
}

#[test]
fn whole_events_come_by_issue_in_pages_of_ten() {
    let shape = Shape { projects: 2, issues_per_project: 3, events_per_issue: 25, ..Shape::default() };
    let simulator = Simulator::start(Organization::generate(&shape), Settings::saas());
    let run = Tap::new(&simulator).only(&["issues", "events"]).set("fetch_event_details", json!(true)).sync();
    assert_issues_and_events(&run, &simulator.truth());
    assert!(run.records("events").iter().all(|event| event["entries"].is_array()));
    let details = simulator
        .requests()
        .iter()
        .filter(|request| request.path.contains("/events/") && !request.path.ends_with("/events/"))
        .count();
    assert_eq!(details, 0, "whole bodies come from lists");
}

#[test]
fn events_of_one_second_are_not_lost_between_pages() {
    let shape = Shape { projects: 1, issue_sizes: vec![vec![260]], ties: 150, ..Shape::default() };
    let simulator = Simulator::start(Organization::generate(&shape), Settings::saas());
    // Whole bodies are listed by issue. There, rows of one second come in no fixed order.
    let run = Tap::new(&simulator).only(&["issues", "events"]).set("fetch_event_details", json!(true)).sync();
    assert_issues_and_events(&run, &simulator.truth());
}

#[test]
fn issue_details_are_merged_in_when_asked_for() {
    let shape = Shape { projects: 1, issues_per_project: 6, ..Shape::default() };
    let simulator = Simulator::start(Organization::generate(&shape), Settings::self_hosted());
    let run = Tap::new(&simulator).only(&["issues"]).set("fetch_issue_details", json!(true)).sync();
    let truth = simulator.truth();
    assert_eq!(run.keys("issues", "id"), truth.issues.keys().cloned().collect());
    for issue in run.records("issues") {
        assert!(issue["activity"].is_array() && issue["lifetime"].is_object(), "{issue}");
        assert_eq!(issue["count"], json!(truth.issues[issue["id"].as_str().expect("an id")].count.to_string()));
    }
}

#[test]
fn unknown_fields_are_dropped_with_a_word_or_kept_on_demand() {
    let settings = Settings { extra_field: true, ..Settings::self_hosted() };
    let simulator = Simulator::start(Organization::generate(&Shape::default()), settings);
    let dropped = Tap::new(&simulator).sync();
    assert!(
        dropped
            .records("events")
            .iter()
            .chain(&dropped.records("issues"))
            .all(|record| record.get("newThisMonth").is_none())
    );
    assert!(dropped.stderr.contains("events: the field \"newThisMonth\" is not in the schema"), "{}", dropped.stderr);
    assert_eq!(dropped.stderr.matches("events: the field \"newThisMonth\"").count(), 1, "named once per run");
    let kept = Tap::new(&simulator).set("unknown_fields", json!("keep")).sync();
    assert!(kept.records("events").iter().all(|event| event["newThisMonth"] == json!({"a": 1})));
}
