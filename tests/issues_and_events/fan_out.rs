//! Fan-out: a long list of issues goes on as several lists at the same time, since one list alone leaves most of the
//! rate limit unused.

use std::time::Duration;

use sentry_simulator::{Fault, FaultKind, NthHit, Organization, Settings, Shape, Simulator};
use serde_json::json;

use crate::support::Tap;
use crate::support::complete::assert_issues_and_events;

/// More issues than the thousand that servers count to. Answers take long.
fn simulator() -> Simulator {
    simulator_of(180)
}

fn simulator_of(issues_per_project: usize) -> Simulator {
    let shape = Shape { projects: 6, issues_per_project, events_per_issue: 1, ..Shape::default() };
    let settings = Settings { latency: Duration::from_millis(30), ..Settings::self_hosted() };
    Simulator::start(Organization::generate(&shape), settings)
}

fn tap(simulator: &Simulator) -> Tap {
    Tap::new(simulator).only(&["issues", "events"]).arg("-v")
}

#[test]
fn a_long_list_goes_on_as_several() {
    let simulator = simulator();
    let run = tap(&simulator).sync();
    assert!(run.stderr.contains("issues go on in 6 lists side by side"), "{}", run.stderr);
    assert_issues_and_events(&run, &simulator.truth());
    let lists: Vec<_> =
        simulator.requests().into_iter().filter(|request| request.path.ends_with("/acme/issues/")).collect();
    let most = lists.iter().map(|request| request.in_flight).max();
    assert!(most >= Some(4), "{most:?} in flight");
    // 1080 rows are 11 pages. Each list may end in a page that is not full, and the newest issues are read again.
    assert!(lists.len() <= 11 + 1 + 6 + 2, "{} requests", lists.len());
}

#[test]
fn a_short_list_is_one_list() {
    let shape = Shape { projects: 6, issues_per_project: 30, events_per_issue: 1, ..Shape::default() };
    let settings = Settings { latency: Duration::from_millis(30), ..Settings::self_hosted() };
    let simulator = Simulator::start(Organization::generate(&shape), settings);
    let run = tap(&simulator).sync();
    assert!(!run.stderr.contains("side by side"), "{}", run.stderr);
    assert_issues_and_events(&run, &simulator.truth());
}

#[test]
fn a_server_that_refuses_several_projects_goes_on_with_one_list() {
    let simulator = simulator();
    let project = simulator.read(|org| org.projects[0].id.to_string());
    simulator.add_fault(Fault {
        path_contains: format!("project={project}"),
        nth: NthHit::every(),
        kind: FaultKind::Status {
            code: 400,
            body: json!({"detail": "You cannot view events from multiple projects."}).to_string(),
            content_type: "application/json".to_owned(),
            headers: Vec::new(),
        },
    });
    let run = tap(&simulator).sync();
    assert!(run.stderr.contains("this server lists issues of all projects or of one"), "{}", run.stderr);
    assert_issues_and_events(&run, &simulator.truth());
}

/// The other lists are dropped at the first refusal, whichever list it comes to.
#[test]
fn a_refused_fan_out_is_not_read_twice() {
    let simulator = simulator_of(500);
    let projects: Vec<String> =
        simulator.read(|org| org.projects.iter().map(|project| project.id.to_string()).collect());
    for project in projects {
        simulator.clear_faults();
        simulator.clear_requests();
        simulator.add_fault(Fault {
            path_contains: format!("project={project}"),
            nth: NthHit::every(),
            kind: FaultKind::Status {
                code: 403,
                body: json!({"detail": "You do not have permission."}).to_string(),
                content_type: "application/json".to_owned(),
                headers: Vec::new(),
            },
        });
        let run = tap(&simulator).only(&["issues"]).sync();
        assert_eq!(run.keys("issues", "id"), simulator.truth().issues.into_keys().collect());
        let lists = simulator.requests().iter().filter(|request| request.path.ends_with("/acme/issues/")).count();
        // 31 pages, feedback, the newest issues again; and of each list no more than was on its way.
        assert!(lists <= 31 + 1 + 2 + 12, "{lists} requests");
    }
}

#[test]
fn a_mark_in_a_list_that_is_not_read_any_more_covers_nothing() {
    let simulator = simulator();
    let time = |time: chrono::DateTime<chrono::Utc>| time.format("%Y-%m-%dT%H:%M:%SZ").to_string();
    let end = time(simulator.now() - chrono::TimeDelta::seconds(1));
    let mark =
        json!({"end": end, "start": "2020-01-01T00:00:00Z", "list": "elsewhere", "until": "2020-01-02T00:00:00Z"});
    let state = json!({"version": 2, "bookmarks": {"issues": {"progress_markers": [mark]}}});
    let run = tap(&simulator).only(&["issues"]).state(state).sync();
    assert!(run.stderr.contains("Going on with the window"), "{}", run.stderr);
    let issues: std::collections::BTreeSet<String> =
        run.records("issues").iter().map(|record| record["id"].as_str().expect("an id").to_owned()).collect();
    assert_eq!(issues, simulator.truth().issues.keys().cloned().collect());
}
