//! What could not be read is kept by name, up to a bound, and asked for again. So is what the server says is gone: while a
//! merge is under way it says so of issues whose events live on.

use std::collections::BTreeSet;

use sentry_simulator::{FaultKind, NthHit, Organization, Settings, Shape, Simulator};
use serde_json::{Value, json};

use crate::support::server::{asked, missing, strike};
use crate::support::{Run, Tap};

/// Whole bodies, so that events are read by issue: one list for each.
fn simulator(issues: usize) -> Simulator {
    let shape =
        Shape { projects: 1, issue_sizes: vec![vec![2; issues]], feedback_issues_per_project: 0, ..Shape::default() };
    Simulator::start(Organization::generate(&shape), Settings { limits: false, ..Settings::saas() })
}

fn tap(simulator: &Simulator) -> Tap {
    Tap::new(simulator).only(&["issues", "events"]).set("fetch_event_details", json!(true)).set("max_retries", json!(0))
}

fn names(run: &Run) -> Vec<String> {
    let pending = run.last_state()["bookmarks"]["events"]["pending"].clone();
    pending.as_array().into_iter().flatten().map(|name| name.as_str().expect("text").to_owned()).collect()
}

fn together(one: &Run, other: &Run) -> BTreeSet<String> {
    &one.keys("events", "eventID") | &other.keys("events", "eventID")
}

#[test]
fn more_than_fifty_failures_have_the_project_read_again() {
    for (issues, kept, is_read_again) in [(50, 50, false), (60, 50, true)] {
        let simulator = simulator(issues);
        strike(&simulator, "/events/?", NthHit::every(), FaultKind::status(500, r#"{"detail": "Internal Error"}"#));
        let first = tap(&simulator).run();
        assert_eq!((first.code, names(&first).len()), (1, kept), "{}", first.stderr);
        let projects = &first.last_state()["bookmarks"]["events"]["projects"];
        assert_eq!(projects.as_object().is_none_or(serde_json::Map::is_empty), is_read_again, "{projects}");
        simulator.clear_faults();
        let second = tap(&simulator).state(first.last_state()).sync();
        assert_eq!(second.keys("events", "eventID"), simulator.truth().event_ids());
        assert_eq!(names(&second), [""; 0]);
    }
}

#[test]
fn an_issue_is_gone_only_if_two_runs_find_it_so() {
    let simulator = simulator(5);
    let issue = simulator.read(|org| org.issues[2].id);
    let path = format!("/issues/{issue}/events/");
    strike(&simulator, &path, NthHit::every(), missing());
    let first = tap(&simulator).sync();
    assert_eq!(asked(&simulator, &path), 2, "again when the project is read");
    assert!(names(&first)[0].starts_with(&format!("gone {issue} ")), "{:?}", names(&first));
    // The merge is done: the old id answers.
    simulator.clear_faults();
    let merged = tap(&simulator).state(first.last_state()).sync();
    assert_eq!(together(&first, &merged), simulator.truth().event_ids());
    // It is gone in the next run too.
    strike(&simulator, &path, NthHit::every(), missing());
    let gone = tap(&simulator).state(first.last_state()).sync();
    assert!(gone.stderr.contains("merged or deleted") && names(&gone).is_empty(), "{}", gone.stderr);
    assert_eq!(gone.last_state()["bookmarks"]["events"].get("pending"), None::<&Value>);
}
