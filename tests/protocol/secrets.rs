//! The token never shows in output or log, and requests go only to the configured host.

use sentry_simulator::{Fault, FaultKind, NthHit, Organization, Settings, Shape, Simulator};
use serde_json::json;

use crate::support::{Run, Tap};

fn assert_silent(run: &Run, token: &str) {
    assert!(!run.stderr.contains(token) && !run.stdout.contains(token), "the token shows: {}", run.stderr);
    assert!(!run.stderr.contains("Bearer"), "{}", run.stderr);
}

#[test]
fn the_token_appears_nowhere_at_any_level() {
    let simulator = Simulator::start(Organization::generate(&Shape::default()), Settings::saas());
    let token = simulator.token().to_owned();
    assert_silent(&Tap::new(&simulator).arg("-vv").env("RUST_LOG", "trace").sync(), &token);
    let echo = FaultKind::status(400, &format!(r#"{{"detail": "what is {token}?"}}"#));
    simulator.add_fault(Fault { path_contains: String::new(), nth: NthHit::every(), kind: echo });
    let run = Tap::new(&simulator).arg("-vv").run();
    assert_eq!(run.code, 1);
    assert!(run.stderr.contains("what is (token)?"), "{}", run.stderr);
    assert_silent(&run, &token);
    simulator.clear_faults();
    simulator.add_fault(Fault {
        path_contains: String::new(),
        nth: NthHit::every(),
        kind: FaultKind::ResetBeforeHeaders,
    });
    assert_silent(&Tap::new(&simulator).arg("-vv").set("max_retries", json!(1)).run(), &token);
    assert_silent(&Tap::new(&simulator).set("rate_limit", json!("none")).run(), &token);
}

#[test]
fn a_link_to_another_host_is_not_followed() {
    let shape = Shape { projects: 2, issues_per_project: 150, events_per_issue: 1, ..Shape::default() };
    let simulator = Simulator::start(Organization::generate(&shape), Settings::self_hosted());
    let elsewhere = Simulator::start(Organization::generate(&Shape::default()), Settings::self_hosted());
    simulator.add_fault(Fault { path_contains: String::new(), nth: NthHit::every(), kind: FaultKind::ForeignLink });
    let run = Tap::new(&simulator).sync();
    crate::support::complete::assert_complete(&run, &simulator.truth());
    assert!(elsewhere.requests().is_empty());
    let host = simulator.address().to_string();
    assert!(simulator.requests().iter().all(|request| request.host == host), "every request names our own host");
}

#[test]
fn a_redirect_to_another_host_is_refused() {
    let simulator = Simulator::start(Organization::generate(&Shape::default()), Settings::self_hosted());
    let elsewhere = Simulator::start(Organization::generate(&Shape::default()), Settings::self_hosted());
    let location = format!("{}organizations/acme/teams/", elsewhere.base_url());
    simulator.add_fault(Fault {
        path_contains: "/teams/".into(),
        nth: NthHit::every(),
        kind: FaultKind::Redirect { location },
    });
    let run = Tap::new(&simulator).only(&["teams"]).run();
    assert_eq!(run.code, 1);
    assert!(run.stderr.contains("redirects to another host"), "{}", run.stderr);
    assert!(elsewhere.requests().is_empty(), "the token went nowhere else");
}
