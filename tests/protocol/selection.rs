//! The tap writes what the catalog selects, at any depth. A stale catalog does no harm.

use sentry_simulator::{Organization, Settings, Shape, Simulator};
use serde_json::{Value, json};

use crate::support::{Tap, discovered};

fn simulator() -> Simulator {
    Simulator::start(Organization::generate(&Shape::default()), Settings::self_hosted())
}

fn entry<'a>(catalog: &'a mut Value, stream: &str) -> &'a mut Value {
    let streams = catalog["streams"].as_array_mut().expect("streams");
    streams.iter_mut().find(|entry| entry["stream"] == stream).expect("the stream")
}

#[test]
fn an_untouched_catalog_and_none_sync_the_same() {
    let simulator = simulator();
    let without = Tap::new(&simulator).sync();
    let untouched = Tap::new(&simulator).catalog(discovered()).sync();
    for stream in ["projects", "project_detail", "teams", "users", "issues", "events", "releases", "release"] {
        assert!(!without.records(stream).is_empty(), "{stream}");
        assert_eq!(without.records(stream).len(), untouched.records(stream).len(), "{stream}");
    }
}

#[test]
fn fields_are_left_out_at_any_depth_and_the_schema_says_so() {
    let simulator = simulator();
    let mut catalog = discovered();
    let issues = entry(&mut catalog, "issues");
    let deselect = |entry: &mut Value, path: Value| {
        let metadata = entry["metadata"].as_array_mut().expect("metadata");
        metadata.retain(|item| item["breadcrumb"] != path);
        metadata.push(json!({"breadcrumb": path, "metadata": {"inclusion": "available", "selected": false}}));
    };
    deselect(issues, json!(["properties", "culprit"]));
    deselect(issues, json!(["properties", "project", "properties", "slug"]));
    deselect(issues, json!(["properties", "id"]));
    let run = Tap::new(&simulator).catalog(catalog).sync();
    let schema = run.schema("issues");
    assert!(
        schema["properties"].get("culprit").is_none()
            && schema["properties"]["project"]["properties"].get("slug").is_none()
    );
    for issue in run.records("issues") {
        assert!(issue.get("culprit").is_none() && issue["project"].get("slug").is_none());
        assert!(issue["project"]["id"].is_string() && issue["title"].is_string());
        assert!(issue["id"].is_string(), "keys are automatic");
    }
}

#[test]
fn legacy_selection_inside_the_schema_is_understood() {
    let simulator = simulator();
    let mut catalog = discovered();
    for entry in catalog["streams"].as_array_mut().expect("streams") {
        entry["metadata"] = json!([]);
        entry["schema"]["selected"] = json!(entry["stream"] == "teams");
        entry["schema"]["properties"]["slug"]["selected"] = json!(false);
    }
    let run = Tap::new(&simulator).catalog(catalog).sync();
    assert_eq!(run.keys("teams", "id"), simulator.truth().teams);
    assert!(run.records("teams").iter().all(|team| team.get("slug").is_none()));
    assert!(run.schema("teams").get("selected").is_none(), "a SCHEMA is a schema and no more");
    assert!(run.records("projects").is_empty());
}

#[test]
fn a_stale_catalog_neither_crashes_nor_hides_new_fields() {
    let simulator = simulator();
    let mut catalog = discovered();
    let teams = entry(&mut catalog, "teams");
    let properties = teams["schema"]["properties"].as_object_mut().expect("properties");
    properties.remove("memberCount");
    properties.insert("goneLongAgo".into(), json!({"type": ["null", "string"]}));
    teams["metadata"]
        .as_array_mut()
        .expect("metadata")
        .retain(|item| item["breadcrumb"] != json!(["properties", "memberCount"]));
    let gone = json!({"tap_stream_id": "gone", "stream": "gone", "schema": {}, "metadata": [{"breadcrumb": [], "metadata": {"selected": true}}]});
    let streams = catalog["streams"].as_array_mut().expect("streams");
    streams.push(gone);
    streams.retain(|entry| entry["stream"] != "users");
    let run = Tap::new(&simulator).catalog(catalog).sync();
    assert!(run.records("teams").iter().all(|team| team["memberCount"].is_number()));
    assert!(run.records("users").is_empty());
    assert!(run.stderr.contains("\"gone\""), "{}", run.stderr);
}

#[test]
fn nothing_selected_is_an_error() {
    let run = Tap::new(&simulator()).only(&[]).run();
    assert_eq!(run.code, 1);
    assert!(run.stderr.contains("selects no stream"), "{}", run.stderr);
}

#[test]
fn only_selected_streams_cost_requests() {
    let simulator = simulator();
    let run = Tap::new(&simulator).only(&["teams"]).sync();
    assert!(!run.records("teams").is_empty());
    let paths: Vec<_> = simulator.requests().into_iter().map(|request| request.path).collect();
    assert_eq!(paths, ["/api/0/organizations/acme/teams/"]);
}

#[test]
fn a_detail_field_costs_a_request_per_event_and_says_so() {
    let shape = Shape {
        projects: 1,
        issues_per_project: 2,
        events_per_issue: 3,
        feedback_issues_per_project: 0,
        ..Shape::default()
    };
    let simulator = Simulator::start(Organization::generate(&shape), Settings::self_hosted());
    let mut catalog = discovered();
    for entry in catalog["streams"].as_array_mut().expect("streams") {
        entry["metadata"][0]["metadata"]["selected"] = json!(entry["stream"] == "events");
    }
    let events = entry(&mut catalog, "events")["metadata"].as_array_mut().expect("metadata");
    let item =
        events.iter_mut().find(|item| item["breadcrumb"] == json!(["properties", "nextEventID"])).expect("the field");
    item["metadata"]["selected"] = json!(true);
    let run = Tap::new(&simulator).catalog(catalog).sync();
    assert_eq!(run.records("events").len(), 6);
    assert!(run.records("events").iter().all(|event| event.get("nextEventID").is_some()));
    assert!(run.stderr.contains("one request per event"), "{}", run.stderr);
    let details = simulator
        .requests()
        .iter()
        .filter(|request| request.path.contains("/events/") && !request.path.ends_with("/events/"))
        .count();
    assert_eq!(details, 6);
}

#[test]
fn a_wildcard_does_not_cost_a_request_per_event_unless_details_are_wanted() {
    let shape = Shape { projects: 1, issues_per_project: 2, events_per_issue: 3, ..Shape::default() };
    let simulator = Simulator::start(Organization::generate(&shape), Settings::self_hosted());
    let mut catalog = discovered();
    for entry in catalog["streams"].as_array_mut().expect("streams") {
        let wanted = entry["stream"] == "events";
        for item in entry["metadata"].as_array_mut().expect("metadata") {
            item["metadata"]["selected"] = json!(wanted); // as Meltano writes events.*
        }
    }
    let details = || {
        let requests = simulator.requests();
        requests
            .iter()
            .filter(|request| request.path.contains("/events/") && !request.path.ends_with("/events/"))
            .count()
    };
    let run = Tap::new(&simulator).catalog(catalog.clone()).sync();
    assert_eq!((run.records("events").len(), details()), (7, 0));
    assert!(run.stderr.contains("stay empty without fetch_event_details"), "{}", run.stderr);
    Tap::new(&simulator).catalog(catalog).set("fetch_event_details", json!(true)).sync();
    assert_eq!(details(), 7);
}
