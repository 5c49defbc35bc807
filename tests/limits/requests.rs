//! How many requests a run makes. Users run out of requests before anything else.

use std::time::Duration;

use chrono::TimeDelta;
use sentry_simulator::{Organization, Settings, Shape, Simulator};
use serde_json::json;

use crate::support::complete::assert_issues_and_events;
use crate::support::{Run, Tap};

const EVENTS: &[&str] = &["projects", "issues", "events"];

fn serve(projects: usize, issues_per_project: usize, events_per_issue: usize) -> Simulator {
    // The data ends before the look-back of one hour begins, so that no run reads an event again.
    let now = Shape::default().now - TimeDelta::hours(1);
    let shape = Shape { projects, issues_per_project, events_per_issue, now, ..Shape::default() };
    Simulator::start(Organization::generate(&shape), Settings::self_hosted())
}

/// Runs a sync. Returns the run, the number of requests, and how many of them were for lists of events.
fn count(simulator: &Simulator, tap: &Tap) -> (Run, usize, usize) {
    simulator.clear_requests();
    let run = tap.sync();
    let requests = simulator.requests();
    let events = requests.iter().filter(|request| request.path.ends_with("/events/")).count();
    (run, requests.len(), events)
}

/// How many requests the second run of these streams makes, with the default look-back and nothing new.
fn quiet(streams: &[&str]) -> usize {
    let simulator = serve(100, 2, 2);
    let tap = || Tap::new(&simulator).only(streams).set("lookback_window", json!(3600));
    let (first, ..) = count(&simulator, &tap());
    simulator.advance(Duration::from_mins(5));
    let (second, requests, _) = count(&simulator, &tap().state(first.last_state()));
    assert_eq!(second.records("events").len() + second.records("issues").len(), 0);
    assert_eq!(second.records("projects").len(), 100, "a full table is read again");
    requests
}

#[test]
fn a_hundred_quiet_projects_cost_a_handful() {
    assert!(quiet(EVENTS) <= 4);
    assert!(quiet(&["projects", "issues", "events", "teams", "users", "releases"]) <= 7);
}

/// 50 000 events fill 500 pages. Feedback takes one more for each project, since its events are listed by issue.
#[test]
fn a_first_run_reads_full_pages() {
    for (projects, issues, events, most) in [(20, 50, 50, 620), (10, 1000, 5, 650)] {
        let simulator = serve(projects, issues, events);
        let (run, requests, _) = count(&simulator, &Tap::new(&simulator).only(EVENTS));
        assert_issues_and_events(&run, &simulator.truth());
        assert!(requests <= most, "{requests} requests for {projects} x {issues} x {events} events");
    }
}

#[test]
fn requests_fall_with_the_fraction_where_the_server_samples() {
    let simulator = serve(2, 3, 1000);
    let tap = || Tap::new(&simulator).only(&["events"]);
    let (.., all) = count(&simulator, &tap());
    let (.., sampled) = count(&simulator, &tap().set("sample_fraction", json!(0.1)));
    assert!(sampled * 5 <= all, "{sampled} against {all}");
}

#[test]
fn nothing_is_asked_twice() {
    let simulator = serve(5, 30, 20);
    count(&simulator, &Tap::new(&simulator));
    let mut asked: Vec<_> = simulator.requests().into_iter().map(|request| (request.path, request.query)).collect();
    let all = asked.len();
    asked.sort();
    asked.dedup();
    assert_eq!(asked.len(), all, "a request was made twice");
}
