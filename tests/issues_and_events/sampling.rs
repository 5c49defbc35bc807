//! Sampling: how many events are kept, which ones, how many requests that takes, and what the log says.

use std::collections::BTreeSet;

use sentry_simulator::{Organization, Settings, Shape, Simulator};
use serde_json::json;

use crate::support::{Run, Tap};

fn simulator(sizes: &[usize], settings: Settings) -> Simulator {
    let shape =
        Shape { projects: 1, issue_sizes: vec![sizes.to_vec()], feedback_issues_per_project: 0, ..Shape::default() };
    Simulator::start(Organization::generate(&shape), settings)
}

fn sizes(run: &Run) -> Vec<usize> {
    let mut sizes: Vec<usize> = run.events_by_issue().values().map(BTreeSet::len).collect();
    sizes.sort_unstable();
    sizes
}

#[test]
fn a_fraction_is_shaped_by_minimum_and_maximum_per_issue() {
    let simulator = simulator(&[2000, 500, 60, 20, 3], Settings::self_hosted());
    let run = Tap::new(&simulator).only(&["events"]).set("sample_fraction", json!(0.1)).sync();
    assert_eq!(sizes(&run), [3, 5, 6, 50, 100]);
    for line in [
        "INFO Event sampling enabled with fraction: 0.1",
        "INFO Total events fetched: 2583",
        "INFO Sampling 164 out of 2583 events for project ",
        "INFO After sampling: 164 events",
    ] {
        assert!(run.stderr.contains(line), "{line} is not in: {}", run.stderr);
    }
}

#[test]
fn the_same_events_are_kept_in_every_run() {
    for settings in [Settings::self_hosted(), Settings { honours_sample: false, ..Settings::self_hosted() }] {
        let simulator = simulator(&[700, 80], settings);
        let tap = Tap::new(&simulator).only(&["events"]).set("sample_fraction", json!("0.2"));
        let (first, second) = (tap.sync(), tap.sync());
        assert_eq!(sizes(&first), [16, 100]);
        assert_eq!(first.keys("events", "eventID"), second.keys("events", "eventID"));
    }
}

#[test]
fn a_server_that_ignores_sample_is_found_out() {
    let settings = Settings { honours_sample: false, ..Settings::self_hosted() };
    let simulator = simulator(&[400], settings);
    let run = Tap::new(&simulator).only(&["events"]).set("sample_fraction", json!(0.1)).sync();
    assert_eq!(sizes(&run), [40]);
    assert!(run.stderr.contains("ignores sample=true"), "{}", run.stderr);
    let newest: BTreeSet<String> =
        simulator.truth().events.values().flatten().take(40).map(|event| event.id.clone()).collect();
    assert_ne!(run.keys("events", "eventID"), newest, "a sample is not the newest events");
}

#[test]
fn a_maximum_per_project_takes_the_newest() {
    let simulator = simulator(&[300, 200], Settings::self_hosted());
    let run = Tap::new(&simulator).only(&["events"]).set("max_events_per_project", json!(150)).sync();
    let mut events: Vec<_> = simulator.truth().events.into_values().flatten().collect();
    events.sort_by(|a, b| b.timestamp.cmp(&a.timestamp));
    let kept = run.keys("events", "eventID");
    assert_eq!(kept.len(), 150);
    let oldest_kept = &events[149].timestamp;
    assert!(events.iter().filter(|event| event.timestamp > *oldest_kept).all(|event| kept.contains(&event.id)));
    assert!(run.stderr.contains("After sampling: 150 events"), "{}", run.stderr);
}

#[test]
fn the_maximum_is_applied_before_the_fraction() {
    let simulator = simulator(&[300, 200], Settings::self_hosted());
    let tap = Tap::new(&simulator).only(&["events"]).set("max_events_per_project", json!(100));
    let run = tap.set("sample_fraction", json!(0.5)).set("min_events_per_issue", json!(0)).sync();
    let kept = run.records("events").len();
    assert!((49..=50).contains(&kept), "half of a hundred, rounded down per issue: {kept}");
    assert!(run.stderr.contains("Total events fetched: 100"), "{}", run.stderr);
}

#[test]
fn without_a_fraction_the_limits_per_issue_lose_nothing() {
    let simulator = simulator(&[300], Settings::self_hosted());
    let tap = Tap::new(&simulator)
        .only(&["events"])
        .set("min_events_per_issue", json!(5))
        .set("max_events_per_issue", json!(50));
    let run = tap.sync();
    assert_eq!(sizes(&run), [300]);
    assert!(run.stderr.contains("have no effect without sample_fraction"), "{}", run.stderr);
    let whole = Tap::new(&simulator).only(&["events"]).set("sample_fraction", json!(1.0)).sync();
    assert_eq!(sizes(&whole), [300]);
}

#[test]
fn the_minimum_is_a_promise_about_the_issue_not_about_each_run() {
    let simulator = simulator(&[50], Settings::self_hosted());
    let first = Tap::new(&simulator).only(&["events"]).set("sample_fraction", json!(0.1)).sync();
    assert_eq!(sizes(&first), [5]);
    simulator.advance(std::time::Duration::from_secs(300));
    let at = simulator.now() - chrono::TimeDelta::seconds(60);
    let issue = simulator.read(|org| org.issues[0].id);
    simulator.edit(|org| org.add_events(issue, 8, at));
    let tap = Tap::new(&simulator).only(&["events"]).set("sample_fraction", json!(0.1));
    let second = tap.state(first.last_state()).sync();
    assert_eq!(second.records("events").len(), 0, "floor(0.8), and the issue has its minimum already");
}
