//! Rate limits: headers, error texts, windows, requests in flight.

use std::time::Duration;

use sentry_simulator::{Organization, Settings, Shape, Simulator};

use crate::client::{get, self_hosted};

fn saas(settings: Settings) -> Simulator {
    Simulator::start(Organization::generate(&Shape::default()), Settings { frozen: true, ..settings })
}

const EVENTS: &str = "projects/acme/api-backend/events/";

#[test]
fn project_events_allow_sixty_a_minute() {
    let sim = saas(Settings::saas());
    let first = get(&sim, EVENTS);
    assert_eq!(first.header("X-Sentry-Rate-Limit-Limit"), Some("60"));
    assert_eq!(first.header("X-Sentry-Rate-Limit-Remaining"), Some("59"));
    assert_eq!(first.header("X-Sentry-Rate-Limit-ConcurrentLimit"), Some("1"));
    assert_eq!(first.header("X-Sentry-Rate-Limit-ConcurrentRemaining"), Some("0"));
    for _ in 1..60 {
        assert_eq!(get(&sim, EVENTS).status, 200);
    }
    let refused = get(&sim, "projects/acme/web-frontend/events/");
    assert_eq!(refused.status, 429);
    assert_eq!(refused.header("X-Sentry-Rate-Limit-Remaining"), Some("0"));
    let reset = (sim.now().timestamp() / 60 + 1) * 60;
    assert_eq!(refused.header("X-Sentry-Rate-Limit-Reset"), Some(&*reset.to_string()));
    assert_eq!(refused.header("Content-Type"), Some("text/html; charset=utf-8"));
    assert_eq!(refused.header("Retry-After"), None);
    assert_eq!(
        refused.text(),
        r#"{"detail":"You are attempting to use this endpoint too frequently. Limit is 60 requests in 60 seconds"}"#
    );
    assert!(sim.requests().last().expect("a request").limited);
    sim.advance(Duration::from_mins(1));
    assert_eq!(get(&sim, EVENTS).status, 200);
}

#[test]
fn buckets_are_separate() {
    let sim = saas(Settings::saas());
    let issue = sim.truth().issues.keys().next().expect("an issue").clone();
    let detail = format!("organizations/acme/issues/{issue}/");
    let statuses: Vec<_> = (0..6).map(|_| get(&sim, &detail).status).collect();
    assert_eq!(statuses, [200, 200, 200, 200, 200, 429]);
    let other = get(&sim, "organizations/acme/projects/");
    assert_eq!(other.header("X-Sentry-Rate-Limit-Limit"), Some("40"));
    assert_eq!(other.header("X-Sentry-Rate-Limit-Remaining"), Some("39"));
    assert_eq!(get(&sim, "organizations/acme/teams/").header("X-Sentry-Rate-Limit-Remaining"), Some("38"));
}

#[test]
fn one_project_events_request_in_flight() {
    let sim = saas(Settings { latency: Duration::from_millis(300), ..Settings::saas() });
    let answers = std::thread::scope(|scope| {
        let both = [scope.spawn(|| get(&sim, EVENTS)), scope.spawn(|| get(&sim, EVENTS))];
        both.map(|thread| thread.join().expect("an answer"))
    });
    let refused = answers.iter().find(|answer| answer.status == 429).expect("one of them refused");
    assert_eq!(
        refused.text(),
        r#"{"detail":"You are attempting to go above the allowed concurrency for this endpoint. Concurrency limit is 1"}"#
    );
    assert!(answers.iter().any(|answer| answer.status == 200));
    assert!(sim.requests().iter().any(|request| request.in_flight == 2));
}

#[test]
fn self_hosted_servers_have_no_limits() {
    let sim = self_hosted(&Shape::default());
    for _ in 0..70 {
        let answer = get(&sim, EVENTS);
        assert_eq!(answer.status, 200);
        assert!(answer.headers.iter().all(|(name, _)| !name.contains("Rate-Limit")));
    }
}
