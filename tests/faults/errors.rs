//! How a failed run ends: with an exit code and one line that says what to do. No bookmark covers what was not read.

use std::collections::BTreeSet;

use sentry_simulator::{Fault, FaultKind, NthHit, Organization, Settings, Shape, Simulator};
use serde_json::json;

use crate::support::complete::assert_complete;
use crate::support::{Run, Tap};

fn simulator() -> Simulator {
    Simulator::start(Organization::generate(&Shape::default()), Settings::self_hosted())
}

/// The line that says why the run failed. There is only one.
fn critical(run: &Run) -> String {
    assert_eq!(run.code, 1, "{}", run.stderr);
    let lines: Vec<_> = run.stderr.lines().filter(|line| line.starts_with("CRITICAL ")).collect();
    assert_eq!(lines.len(), 1, "{}", run.stderr);
    assert_eq!(run.stderr.lines().last(), Some(lines[0]), "the last line says why");
    lines[0].to_owned()
}

#[test]
fn a_wrong_token_says_so() {
    let simulator = simulator();
    let run = Tap::at(&simulator.base_url(), "acme", "sntryu_wrong").run();
    let line = critical(&run);
    assert!(line.contains("401") && line.contains("does not accept api_token"), "{line}");
    assert!(!run.stderr.contains("sntryu_wrong"));
    assert_eq!(simulator.requests().len(), 1, "no retry can mend a token");
}

#[test]
fn an_organization_token_is_recognised() {
    let simulator = simulator();
    let run = Tap::at(&simulator.base_url(), "acme", "sntrys_eyJpYXQi").run();
    critical(&run);
    let token = simulator.token_with(&["org:ci"]);
    let run = Tap::at(&simulator.base_url(), "acme", &token).run();
    assert!(critical(&run).contains("403"), "{}", run.stderr);
}

#[test]
fn a_wrong_organization_says_so() {
    let simulator = simulator();
    for empty in [false, true] {
        simulator.settings(|settings| settings.empty_org_404 = empty);
        let run = Tap::at(&simulator.base_url(), "nobody", simulator.token()).run();
        let line = critical(&run);
        assert!(line.contains("there is no organization \"nobody\""), "{line}");
    }
}

#[test]
fn a_missing_scope_is_named_and_the_other_streams_are_read() {
    let simulator = simulator();
    let token = simulator.token_with(&["org:read", "project:read"]);
    let run = Tap::at(&simulator.base_url(), "acme", &token).run();
    let line = critical(&run);
    assert!(line.contains("issues: ") && line.contains("event:read"), "{line}");
    assert_eq!(run.keys("projects", "id"), simulator.truth().projects);
    let bookmarks = &run.last_state()["bookmarks"];
    assert!(bookmarks.get("issues").is_none() && bookmarks.get("events").is_none(), "{bookmarks}");
    assert!(bookmarks["projects"]["start"].is_string());
}

#[test]
fn an_unreachable_server_is_given_up_after_the_retries() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    drop(listener); // now nobody listens there
    let run = Tap::at(&format!("http://{address}/"), "acme", "x").set("max_retries", json!(2)).run();
    let line = critical(&run);
    assert!(line.contains("cannot connect") && line.contains("cannot be reached"), "{line}");
}

#[test]
fn transient_failures_lose_nothing() {
    let simulator = simulator();
    let html = FaultKind::Status {
        code: 502,
        body: "<html>bad gateway</html>".into(),
        content_type: "text/html".into(),
        headers: vec![],
    };
    let faults = [
        FaultKind::status(500, r#"{"detail": "Internal Error", "errorId": "0123"}"#),
        html,
        FaultKind::status(
            408,
            r#"{"detail": {"code": "request-timeout", "message": "Proxied request timed out", "extra": {}}}"#,
        ),
        FaultKind::ResetBeforeHeaders,
        FaultKind::ResetAfterHeaders,
        FaultKind::CutBody(100),
        FaultKind::TruncatedGzip,
        FaultKind::Body { content_type: "application/json".into(), bytes: b"[{\"id\":".to_vec() },
    ];
    for (nth, kind) in faults.into_iter().enumerate() {
        simulator.add_fault(Fault { path_contains: String::new(), nth: NthHit::only(nth as u64 * 3 + 2), kind });
    }
    // Only a list has pages.
    let teams = "/acme/teams/".to_owned();
    simulator.add_fault(Fault { path_contains: teams, nth: NthHit::only(1), kind: FaultKind::EmptyPage });
    let run = Tap::new(&simulator).sync();
    assert_complete(&run, &simulator.truth());
}

#[test]
fn a_project_that_fails_keeps_its_bookmark_and_the_others_go_on() {
    let simulator = Simulator::start(
        Organization::generate(&Shape { projects: 3, issues_per_project: 30, events_per_issue: 3, ..Shape::default() }),
        Settings::self_hosted(),
    );
    let truth = simulator.truth();
    let slug = simulator.read(|org| org.projects[1].slug.clone());
    let id = simulator.read(|org| org.projects[1].id.to_string());
    simulator.add_fault(Fault {
        path_contains: format!("/{slug}/events/"),
        nth: NthHit::every(),
        kind: FaultKind::status(403, r#"{"detail": "You do not have permission to perform this action."}"#),
    });
    let tap = Tap::new(&simulator).only(&["events"]);
    let first = tap.run();
    assert!(critical(&first).contains(&slug));
    let of_project = |id: &String| {
        let issues = truth.issues.iter().filter(|(_, issue)| issue.project == *id).map(|(issue, _)| issue);
        issues.flat_map(|issue| truth.events[issue].iter().map(|event| event.id.clone())).collect::<BTreeSet<_>>()
    };
    let got = first.keys("events", "eventID");
    assert!(of_project(&id).is_disjoint(&got));
    for other in truth.projects.iter().filter(|other| **other != id) {
        assert!(of_project(other).is_subset(&got), "project {other}");
    }
    simulator.clear_faults();
    let second = tap.state(first.last_state()).sync();
    assert_eq!(second.keys("events", "eventID"), of_project(&id), "what was missing, and nothing else");
}

#[test]
fn a_cursor_that_leads_nowhere_is_an_error_and_no_endless_walk() {
    let simulator = Simulator::start(
        Organization::generate(&Shape {
            projects: 1,
            issues_per_project: 250,
            events_per_issue: 1,
            ..Shape::default()
        }),
        Settings::self_hosted(),
    );
    simulator.add_fault(Fault {
        path_contains: "/issues/".into(),
        nth: NthHit::every(),
        kind: FaultKind::RepeatCursor,
    });
    let run = Tap::new(&simulator).only(&["issues"]).run();
    assert!(critical(&run).contains("leads back to itself"), "{}", run.stderr);
    assert!(run.last_state()["bookmarks"]["issues"].get("start").is_none());
}

#[test]
fn issues_that_are_gone_since_they_were_listed_are_skipped_and_counted() {
    let shape = Shape { projects: 1, issue_sizes: vec![vec![500, 500, 500]], ..Shape::default() };
    let simulator = Simulator::start(Organization::generate(&shape), Settings::saas());
    let gone = simulator.read(|org| org.issues[0].id);
    simulator.add_fault(Fault {
        path_contains: format!("/issues/{gone}/events/"),
        nth: NthHit::every(),
        kind: FaultKind::status(404, r#"{"detail": "The requested resource does not exist"}"#),
    });
    let run = Tap::new(&simulator).only(&["issues", "events"]).set("fetch_event_details", json!(true)).sync();
    assert!(run.stderr.contains("1 skipped: an issue that was merged or deleted"), "{}", run.stderr);
    assert!(run.records("events").len() >= 1000);
}
