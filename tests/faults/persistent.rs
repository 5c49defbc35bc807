//! Persistent faults at every place. The run names a gap or a skip, or it ends. The next run brings what was missing.

use sentry_simulator::{Fault, FaultKind, NthHit, Organization, Settings, Shape, Simulator};
use serde_json::json;

use super::matrix::Outcome::{Fatal, Gap, Recovered, Skipped};
use super::matrix::{Case, Outcome, at_every_place, briefly, in_turn, run_cases};
use super::places::Place;
use crate::support::Tap;

/// The run ends if it needs the answer to go on. Otherwise it reads the rest.
#[expect(clippy::unnecessary_wraps, reason = "the form of a judgement")]
fn gap(place: &Place) -> Option<Outcome> {
    Some(if place.is_vital() { Fatal } else { Gap })
}

/// Like `gap`, for answers that say that the server lacks the path. Then the tap reads members instead of users.
fn no_page(place: &Place) -> Option<Outcome> {
    gap(place).filter(|_| place.name != "users")
}

/// The server has turned the path off.
fn turned_off(place: &Place) -> Option<Outcome> {
    match place.name {
        "commits" | "deploys" => Some(Skipped("this server does not have them")),
        _ => no_page(place),
    }
}

#[expect(clippy::unnecessary_wraps, reason = "the form of a judgement")]
fn fatal(_: &Place) -> Option<Outcome> {
    Some(Fatal)
}

/// The run skips what was deleted after it was listed. A project is not, as long as the list has it.
fn gone(place: &Place) -> Option<Outcome> {
    match place.name {
        // The tap reads the lists of the single projects instead.
        "issues" => Some(Recovered),
        // The release itself is known. It is written without its list.
        "commits" | "deploys" => Some(Skipped("not found, although its row was listed (404)")),
        "issue" => Some(Skipped("details of an issue that is gone")),
        "issue events" => Some(Skipped("an issue that was merged or deleted")),
        "event" => Some(Skipped("details of an event that is gone")),
        _ => gap(place),
    }
}

fn persistent(fault: &'static str, kind: &FaultKind, outcome: impl Fn(&Place) -> Option<Outcome>) -> Vec<Case> {
    at_every_place(fault, NthHit::every(), kind, outcome)
}

fn body(content_type: &str, bytes: &str) -> FaultKind {
    FaultKind::Body { content_type: content_type.to_owned(), bytes: bytes.into() }
}

#[test]
fn persistent_server_errors_are_gaps() {
    let html = FaultKind::Status {
        code: 502,
        body: "<html>bad gateway</html>".to_owned(),
        content_type: "text/html".to_owned(),
        headers: Vec::new(),
    };
    let mut cases = persistent("500", &FaultKind::status(500, r#"{"detail": "Internal Error"}"#), gap);
    let late = ("408", FaultKind::status(408, ""));
    let others = [("502", html), ("503", FaultKind::status(503, "")), ("504", FaultKind::status(504, "")), late];
    cases.extend(in_turn(&others, gap));
    cases.extend(in_turn(&[("410", FaultKind::status(410, r#"{"message": "gone"}"#))], turned_off));
    run_cases(&cases);
}

#[test]
fn what_may_not_be_read_is_a_gap_and_a_revoked_token_the_end() {
    let no = r#"{"detail": "You do not have permission to perform this action."}"#;
    let mut cases = persistent("403", &FaultKind::status(403, no), gap);
    cases.extend(persistent("401", &FaultKind::status(401, r#"{"detail": "Invalid token"}"#), fatal));
    run_cases(&cases);
}

#[test]
fn what_is_gone_is_skipped_and_named() {
    let missing = FaultKind::status(404, r#"{"detail": "The requested resource does not exist"}"#);
    run_cases(&persistent("404", &missing, gone));
}

/// Other requests are answered, so the server is there.
#[test]
fn an_answer_that_never_comes_whole_is_a_gap() {
    let mut cases = persistent("reset before the headers", &FaultKind::ResetBeforeHeaders, gap);
    let others = [
        ("reset after the headers", FaultKind::ResetAfterHeaders),
        ("cut body", FaultKind::CutBody(1)),
        ("stalled body", FaultKind::StallBody(1)),
        ("too long a length", FaultKind::WrongLength(7)),
        ("gzip cut short", FaultKind::TruncatedGzip),
    ];
    cases.extend(in_turn(&others, gap));
    for case in cases.iter_mut().filter(|case| case.fault == "stalled body") {
        case.options.push(("request_timeout", json!(3)));
    }
    run_cases(&cases);
}

#[test]
fn a_server_that_does_not_answer_any_more_ends_the_run() {
    let shape = Shape { projects: 2, issues_per_project: 3, teams: 2, ..Shape::default() };
    for (answered, kind) in
        [(0, FaultKind::ResetBeforeHeaders), (6, FaultKind::ResetAfterHeaders), (9, FaultKind::CutBody(1))]
    {
        let simulator = Simulator::start(Organization::generate(&shape), Settings::self_hosted());
        let nth = NthHit::Range { from: answered + 1, to: u64::MAX };
        simulator.add_fault(Fault { path_contains: String::new(), nth, kind });
        let run = Tap::new(&simulator).set("max_retries", json!(1)).run();
        let last = run.stderr.lines().last().unwrap_or_default();
        assert!(run.code == 1 && last.contains("cannot be reached"), "{answered}: {}", run.stderr);
        assert!(!last.contains("finished with gaps"), "{last}");
    }
}

#[test]
fn bodies_that_stay_nonsense_are_gaps() {
    let mut cases = briefly(persistent("empty", &body("application/json", ""), gap));
    cases.extend(in_turn(&[("a web page", body("text/html", "<html>maintenance</html>"))], no_page));
    run_cases(&cases);
}

#[test]
fn json_of_another_shape_is_a_gap() {
    let json = |bytes: &str| ("another shape", body("application/json", bytes));
    let list = |place: &Place| gap(place).filter(|_| place.list);
    let object = |place: &Place| gap(place).filter(|_| !place.list);
    let mut cases = in_turn(&[json(r#"{"detail": "ok"}"#)], list);
    cases.extend(in_turn(&[json("\"text\""), json("7"), json("null")], list));
    cases.extend(in_turn(&[json("[]")], object));
    cases.extend(in_turn(&[json("\"text\""), json("7")], object));
    run_cases(&cases);
}

#[test]
fn redirects_to_another_host_are_refused() {
    let location = "https://elsewhere.example.com/api/0/".to_owned();
    run_cases(&briefly(persistent("redirect", &FaultKind::Redirect { location }, gap)));
}

/// It is asked for once, and not again for every thing.
#[test]
fn a_path_that_is_turned_off_is_not_asked_for_again() {
    let shape = Shape { projects: 12, ..Shape::default() };
    let simulator = Simulator::start(Organization::generate(&shape), Settings::self_hosted());
    let off = FaultKind::status(410, r#"{"message": "This API no longer exists."}"#);
    simulator.add_fault(Fault { path_contains: "/rules/".to_owned(), nth: NthHit::every(), kind: off });
    let run = Tap::new(&simulator).only(&["projects", "issue_alert_rules"]).run();
    let line = run.stderr.lines().last().unwrap_or_default();
    assert!(run.code == 1 && line.contains("issue_alert_rules: this server does not have it"), "{}", run.stderr);
    assert_eq!(simulator.requests().iter().filter(|request| request.path.ends_with("/rules/")).count(), 1);
    assert_eq!(run.keys("projects", "id"), simulator.truth().projects);
}

/// A proxy or a router may answer with any status. It never means that something is gone, or that a token may not read it.
#[test]
fn what_is_no_answer_of_sentry_is_a_gap_that_names_the_proxy() {
    let shape = Shape { projects: 2, issues_per_project: 3, events_per_issue: 3, ..Shape::default() };
    for (code, body) in [
        (404, ""),
        (404, "<html>404</html>"),
        (403, "<html>blocked</html>"),
        (400, ""),
        (404, r#"{"error": "no route"}"#),
    ] {
        let simulator = Simulator::start(Organization::generate(&shape), Settings::self_hosted());
        let slug = simulator.read(|org| org.projects[1].slug.clone());
        let id = simulator.read(|org| org.projects[1].id.to_string());
        let headers = Vec::new();
        let kind = FaultKind::Status { code, body: body.to_owned(), content_type: "text/html".to_owned(), headers };
        let path_contains = format!("/projects/acme/{slug}/");
        simulator.add_fault(Fault { path_contains, nth: NthHit::every(), kind });
        let run = Tap::new(&simulator).set("max_retries", json!(1)).set("activate_version", json!(true)).run();
        let said = |stream: &str| {
            let told = |line: &&str| line.contains("no answer of Sentry's API") && line.contains(&simulator.base_url());
            run.stderr.lines().filter(told).any(|line| line.contains(stream) && line.contains("proxy"))
        };
        assert!(run.code == 1 && said("project_detail: ") && said("events: "), "{code} {body}: {}", run.stderr);
        let activated = |message: &serde_json::Value| {
            message["type"] == "ACTIVATE_VERSION" && message["stream"] == "project_detail"
        };
        assert!(!run.messages.iter().any(activated), "{code} {body}");
        assert!(run.last_state()["bookmarks"]["events"]["projects"].get(&id).is_none(), "{code} {body}");
    }
}

/// An endpoint that breaks for good while others answer does not cost its whole patience for each thing.
#[test]
fn errors_that_stay_are_waited_for_less_and_less() {
    let shape = Shape { projects: 12, ..Shape::default() };
    let simulator = Simulator::start(Organization::generate(&shape), Settings::self_hosted());
    let broken = FaultKind::status(500, r#"{"detail": "Internal Error", "errorId": "0123"}"#);
    for slug in
        simulator.read(|org| org.projects.iter().step_by(2).map(|project| project.slug.clone()).collect::<Vec<_>>())
    {
        let path_contains = format!("/{slug}/members/");
        simulator.add_fault(Fault { path_contains, nth: NthHit::every(), kind: broken.clone() });
    }
    let run = Tap::new(&simulator).only(&["project_members"]).set("max_retries", json!(4)).run();
    assert_eq!(run.code, 1, "{}", run.stderr);
    assert!(!run.stderr.contains("cannot be reached"), "it answered: {}", run.stderr);
    let asked = simulator.requests().iter().filter(|request| request.path.ends_with("/members/")).count();
    // Six are good. The others are asked for 5, 3, 2, 2, 2 and 2 times.
    assert_eq!(asked, 6 + 16, "{}", run.stderr);
}
