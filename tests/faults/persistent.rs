//! Persistent faults at every place. The run names a gap or a skip, or it ends. The next run brings what was missing.

use sentry_simulator::{FaultKind, NthHit};
use serde_json::json;

use super::matrix::Outcome::{Fatal, Gap, Recovered, Skipped};
use super::matrix::{Case, Outcome, at_every_place, briefly, in_turn, run_cases};
use super::places::Place;

/// The run ends if it needs the answer to go on. Otherwise it reads the rest.
#[expect(clippy::unnecessary_wraps, reason = "the form of a judgement")]
fn gap(place: &Place) -> Option<Outcome> {
    Some(if place.is_vital() { Fatal } else { Gap })
}

/// Like `gap`, for answers that say that the server lacks the path. Then the tap reads members instead of users.
fn no_page(place: &Place) -> Option<Outcome> {
    gap(place).filter(|_| place.name != "users")
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
        // The row itself is known, and is written without the list.
        "commits" | "deploys" => Some(Skipped("this server does not have them (404)")),
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
    cases.extend(in_turn(&[("410", FaultKind::status(410, r#"{"message": "gone"}"#))], no_page));
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

#[test]
fn a_server_that_does_not_answer_any_more_ends_the_run() {
    let mut cases = persistent("reset before the headers", &FaultKind::ResetBeforeHeaders, fatal);
    let others = [
        ("reset after the headers", FaultKind::ResetAfterHeaders),
        ("cut body", FaultKind::CutBody(1)),
        ("stalled body", FaultKind::StallBody(1)),
        ("too long a length", FaultKind::WrongLength(7)),
        ("gzip cut short", FaultKind::TruncatedGzip),
    ];
    cases.extend(in_turn(&others, fatal));
    for case in cases.iter_mut().filter(|case| case.fault == "stalled body") {
        case.options.push(("request_timeout", json!(3)));
    }
    run_cases(&cases);
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
fn a_limit_without_end_is_a_gap() {
    let headers = vec![("Retry-After".to_owned(), "0".to_owned())];
    let kind = FaultKind::Status { code: 429, body: "\"no\"".into(), content_type: "text/html".into(), headers };
    run_cases(&persistent("429", &kind, |place| gap(place).filter(|_| place.name == "teams")));
}

#[test]
fn redirects_to_another_host_are_refused() {
    let location = "https://elsewhere.example.com/api/0/".to_owned();
    run_cases(&briefly(persistent("redirect", &FaultKind::Redirect { location }, gap)));
}
