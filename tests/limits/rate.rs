//! Rate limits: requests are evenly spaced below the ceiling. A refused request costs time but never a row.

use std::time::Duration;

use sentry_simulator::{Fault, FaultKind, NthHit, Organization, Settings, Shape, Simulator};
use serde_json::json;

use crate::support::Tap;
use crate::support::complete::assert_complete;

#[test]
fn the_ceiling_spaces_requests_evenly_and_says_so() {
    let simulator = Simulator::start(Organization::generate(&Shape::default()), Settings::self_hosted());
    let run = Tap::new(&simulator).set("rate_limit", json!(20)).env("SINGER_LOG_LEVEL", "DEBUG").sync();
    let requests = simulator.requests();
    let starts: Vec<Duration> = requests.iter().map(|request| request.start).collect();
    assert!(starts.len() > 10);
    // Between ten requests there are nine intervals. Single arrivals jitter, the pace does not.
    for ten in starts.windows(10) {
        let took = ten[9].saturating_sub(ten[0]);
        // The tap may catch up on one late request, so eight intervals are enough.
        assert!(took >= Duration::from_millis(8 * 50 - 10), "a volley: ten requests in {took:?}");
    }
    assert!(run.stderr.contains("Rate limiting: sleeping for 0.0"), "{}", run.stderr);
}

#[test]
fn refusals_in_every_form_are_waited_out() {
    let bodies = [
        r#"{"detail": "You are attempting to use this endpoint too frequently. Limit is 40 requests in 1 seconds"}"#,
        r#"{"detail": "You are attempting to go above the allowed concurrency for this endpoint. Concurrency limit is 25"}"#,
        r#""You are attempting to use this endpoint too frequently.""#,
        r#"{"detail": "Rate limit exceeded. Please try your query with a smaller date range or fewer projects."}"#,
    ];
    let simulator = Simulator::start(Organization::generate(&Shape::default()), Settings::self_hosted());
    for (nth, body) in bodies.iter().enumerate() {
        let kind = FaultKind::Status {
            code: 429,
            body: (*body).to_owned(),
            content_type: "text/html; charset=utf-8".to_owned(),
            headers: vec![("Retry-After".to_owned(), "0".to_owned())],
        };
        let at = nth as u64 * 7 + 1;
        simulator.add_fault(Fault { path_contains: "/api/0/".to_owned(), nth: NthHit::only(at), kind });
    }
    let run = Tap::new(&simulator).sync();
    assert_complete(&run, &simulator.truth());
    assert!(run.stderr.contains("4 rate limited"), "{}", run.stderr);
}
