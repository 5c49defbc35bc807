//! Whose state it is: of which version, which organization, which query. What is of another is not taken over in silence.

use chrono::TimeDelta;
use sentry_simulator::{Organization, Settings, Shape, Simulator};
use serde_json::{Value, json};

use crate::support::{Run, Tap};

fn simulator() -> Simulator {
    let shape = Shape {
        projects: 2,
        issue_sizes: vec![vec![200, 30], vec![60]],
        feedback_issues_per_project: 0,
        ..Shape::default()
    };
    Simulator::start(Organization::generate(&shape), Settings::self_hosted())
}

fn refused(run: &Run, words: &[&str]) {
    assert_eq!((run.code, run.stdout.as_str()), (1, ""), "{}", run.stderr);
    for word in words {
        assert!(run.stderr.contains(word), "{word} is not in: {}", run.stderr);
    }
}

#[test]
fn a_state_says_its_version_and_its_organization() {
    let simulator = simulator();
    let run = Tap::new(&simulator).only(&["teams"]).sync();
    for message in run.messages.iter().filter(|message| message["type"] == "STATE") {
        assert_eq!((&message["value"]["version"], &message["value"]["organization"]), (&json!(2), &json!("acme")));
    }
}

#[test]
fn a_state_of_another_organization_is_refused_before_anything_is_written() {
    let simulator = simulator();
    let mut state = Tap::new(&simulator).only(&["releases"]).sync().last_state();
    state["organization"] = json!("umbrella");
    let tap = Tap::new(&simulator).only(&["releases"]).state(state.clone());
    simulator.clear_requests();
    refused(&tap.run(), &["\"umbrella\"", "\"acme\"", "begin without a state", "renamed"]);
    assert!(simulator.requests().is_empty());
    // What the message says is enough to go on.
    state["organization"] = json!("acme");
    let run = Tap::new(&simulator).only(&["releases"]).state(state).sync();
    assert!(run.records("releases").is_empty());
}

#[test]
fn a_state_of_a_later_version_is_refused_before_anything_is_written() {
    let simulator = simulator();
    let tap = Tap::new(&simulator).state(json!({"version": 3, "bookmarks": {}}));
    refused(&tap.run(), &["version 3", "begin without a state"]);
}

#[test]
fn progress_of_an_earlier_version_is_dropped_and_its_bookmarks_hold() {
    let simulator = simulator();
    let time = |time: chrono::DateTime<chrono::Utc>| time.format("%Y-%m-%dT%H:%M:%SZ").to_string();
    let whole = Tap::new(&simulator).only(&["releases", "teams"]).sync();
    let now = chrono::Utc::now();
    let state = json!({
        "bookmarks": {
            "releases": {"progress_markers": [{"end": time(simulator.now()), "until": "2020-01-01T00:00:00Z"}]},
            "teams": {"start": time(now)},
        },
        "progress_markers": [{"began": time(now), "done": ["teams"]}],
    });
    let run = Tap::new(&simulator).only(&["releases", "teams"]).state(state).sync();
    assert_eq!(run.keys("releases", "version"), whole.keys("releases", "version"));
    assert_eq!(run.records("teams").len(), whole.records("teams").len());
}

fn query(simulator: &Simulator, fields: &Value) -> Tap {
    Tap::new(simulator).only(&[]).set("queries", json!([{"name": "mine", "fields": fields}]))
}

#[test]
fn a_query_that_is_changed_under_its_name_is_read_from_the_start() {
    let simulator = simulator();
    let (before, after) = (json!(["title"]), json!(["title", "issue.id"]));
    let first = query(&simulator, &before).sync();
    assert_eq!(first.records("mine").len(), 290);
    let same = query(&simulator, &json!(["title", "title"])).state(first.last_state()).sync();
    assert!(same.records("mine").is_empty());
    let changed = query(&simulator, &after).state(first.last_state()).sync();
    assert_eq!(changed.records("mine").len(), 290);
    assert!(changed.stderr.contains("INFO mine: the query has changed"), "{}", changed.stderr);
    let again = query(&simulator, &after).state(changed.last_state()).sync();
    assert!(again.records("mine").is_empty() && !again.stderr.contains("has changed"), "{}", again.stderr);
    // Nor does the progress of an interrupted run hold for it.
    let middle =
        first.messages.iter().find(|message| message["value"]["bookmarks"]["mine"]["progress_markers"][0].is_object());
    let middle = middle.expect("a state in the middle")["value"].clone();
    let rest = query(&simulator, &before).state(middle.clone()).sync();
    assert!(rest.records("mine").len() < 290, "the same query goes on");
    let changed = query(&simulator, &after).state(middle).sync();
    assert_eq!(changed.records("mine").len(), 290);
}

#[test]
fn the_bookmark_of_a_query_in_an_earlier_state_holds() {
    let simulator = simulator();
    let start = (simulator.now() - TimeDelta::days(3)).format("%Y-%m-%dT%H:%M:%SZ").to_string();
    let state = json!({"bookmarks": {"mine": {"start": start}}});
    let run = query(&simulator, &json!(["title"])).state(state).sync();
    assert!(!run.records("mine").is_empty() && run.records("mine").len() < 290);
    assert!(run.records("mine").iter().all(|record| record["timestamp"].as_str() >= Some(start.as_str())));
}
