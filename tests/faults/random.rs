//! Five of a hundred answers go wrong, in random ways. Every run ends with all records, and each of them once.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use sentry_simulator::{Fault, FaultKind, NthHit, Organization, Settings, Shape, Simulator};
use serde_json::json;

use super::matrix::{expected, keys, side_by_side};
use crate::support::Tap;

/// How many requests went wrong in all runs together.
static SPOILED: AtomicUsize = AtomicUsize::new(0);

/// How many runs there are. `TAP_SENTRY_FAULT_RUNS` sets another number.
fn runs() -> u64 {
    std::env::var("TAP_SENTRY_FAULT_RUNS").ok().and_then(|runs| runs.parse().ok()).unwrap_or(4)
}

fn status(code: u16, content_type: &str, body: &str, headers: &[(&str, &str)]) -> FaultKind {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    FaultKind::Status { code, body: body.to_owned(), content_type: content_type.to_owned(), headers }
}

/// The transient faults of the matrix that may strike any request.
fn kinds(simulator: &Simulator) -> Vec<FaultKind> {
    let json = "application/json";
    let reset = (simulator.now().timestamp() + 1).to_string();
    let window = |remaining| {
        [
            ("X-Sentry-Rate-Limit-Limit", "40"),
            ("X-Sentry-Rate-Limit-Remaining", remaining),
            ("X-Sentry-Rate-Limit-Reset", reset.as_str()),
            ("X-Sentry-Rate-Limit-ConcurrentLimit", "25"),
        ]
    };
    vec![
        status(500, json, r#"{"detail": "Internal Error"}"#, &[]),
        status(502, "text/html", "<html><body>bad gateway</body></html>", &[]),
        status(503, json, "", &[("Retry-After", "0")]),
        status(504, "text/plain", "upstream request timeout", &[]),
        status(408, json, "", &[]),
        status(429, json, r#"{"detail": "too frequently"}"#, &window("0")),
        status(429, json, r#"{"detail": "too many at once"}"#, &window("11")),
        status(429, "text/html", r#""too frequently""#, &[("Retry-After", "0")]),
        status(429, json, r#"{"detail": "Query rate limit exceeded."}"#, &[("Retry-After", "1")]),
        FaultKind::ResetBeforeHeaders,
        FaultKind::ResetAfterHeaders,
        FaultKind::CutBody(0),
        FaultKind::CutBody(300),
        FaultKind::StallBody(40),
        FaultKind::WrongLength(9),
        FaultKind::TruncatedGzip,
        FaultKind::Body { content_type: json.to_owned(), bytes: Vec::new() },
        FaultKind::ForeignLink,
        FaultKind::Delay(Duration::from_millis(300)),
    ]
}

fn survives(seed: u64) {
    let shape =
        Shape { seed, projects: 6, issues_per_project: 25, events_per_issue: 12, releases: 12, ..Shape::default() };
    // Seeds differ in the kind of server and in the access path to events.
    let settings = if seed.is_multiple_of(2) { Settings::self_hosted() } else { Settings::saas() };
    let simulator = Simulator::start(Organization::generate(&shape), Settings { limits: false, ..settings });
    let kinds = kinds(&simulator);
    let among = u32::try_from(kinds.len()).expect("a few");
    for (nth, kind) in (0..).zip(kinds) {
        let nth = NthHit::Chance { probability: 0.05 / f64::from(among), seed: seed * 100 + nth };
        simulator.add_fault(Fault { path_contains: String::new(), nth, kind });
    }
    // Only lists with pages can have an empty page.
    simulator.add_fault(Fault {
        path_contains: "/events/?".to_owned(),
        nth: NthHit::Chance { probability: 0.02, seed },
        kind: FaultKind::EmptyPage,
    });
    let tap = Tap::new(&simulator)
        .set("fetch_event_details", json!(!seed.is_multiple_of(3)))
        .set("request_timeout", json!(3));
    let run = tap.sync();
    assert_eq!(keys(&run), expected(&simulator.truth()), "seed {seed}: {}", run.stderr);
    let struck = simulator.requests().iter().filter(|request| request.faulted).count();
    SPOILED.fetch_add(struck, Ordering::Relaxed);
}

#[test]
fn one_answer_in_twenty_may_go_wrong() {
    let seeds: Vec<u64> = (1..=runs()).collect();
    side_by_side(&seeds, |seed| format!("seed {seed}"), |seed| survives(*seed));
    let spoiled = SPOILED.load(Ordering::Relaxed);
    assert!(spoiled >= seeds.len(), "only {spoiled} requests were spoiled in {} runs", seeds.len());
}
