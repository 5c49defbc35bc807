//! A long sync, killed again and again while late events come in, gets to its end at little more cost than one that nothing
//! disturbs.

use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;

use chrono::TimeDelta;
use sentry_simulator::{Organization, Settings, Shape, Simulator};
use serde_json::{Value, json};

use crate::state::kill::Target;
use crate::support::Tap;

/// A run is killed after so many requests: about a minute at eight a second.
const REQUESTS: usize = 480;

fn simulator() -> Simulator {
    let shape =
        Shape { projects: 1, issue_sizes: vec![vec![2; 2000]], feedback_issues_per_project: 0, ..Shape::default() };
    Simulator::start(Organization::generate(&shape), Settings { limits: false, frozen: true, ..Settings::saas() })
}

/// Whole bodies, so that events are read by issue: one list for each.
fn tap(simulator: &Simulator) -> Tap {
    Tap::new(simulator).only(&["issues", "events"]).set("fetch_event_details", json!(true))
}

/// Runs until so many requests are made, or to the end. Returns whether it ended.
fn run(tap: &Tap, simulator: &Simulator, target: &mut Target) -> bool {
    let before = simulator.requests().len();
    let mut child = tap.command().stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("the tap starts");
    let lines = BufReader::new(child.stdout.take().expect("stdout is piped")).lines();
    for (nth, line) in lines.enumerate() {
        let Ok(message) = serde_json::from_str::<Value>(&line.expect("a line")) else { break };
        target.hold(&message);
        if nth % 16 == 0 && simulator.requests().len() >= before + REQUESTS {
            child.kill().expect("the tap can be killed");
            child.wait().expect("the tap ends");
            return false;
        }
    }
    assert!(child.wait().expect("the tap ends").success());
    true
}

/// An event of a minute ago comes to an issue that is done already: the worst that can happen.
fn late_event(simulator: &Simulator, nth: usize) {
    let at = simulator.now() - TimeDelta::minutes(1);
    simulator.edit(|org| {
        let issue = org.issues[nth * 7 % 100].id;
        org.add_events(issue, 1, at);
    });
}

#[test]
fn a_long_sync_that_is_killed_again_and_again_ends_soon() {
    let undisturbed = simulator();
    tap(&undisturbed).sync();
    let simulator = simulator();
    let (mut target, mut kills) = (Target::default(), 0);
    loop {
        let mut tap = tap(&simulator);
        if let Some(state) = target.state() {
            tap = tap.state(state.clone());
        }
        if run(&tap, &simulator, &mut target) {
            break;
        }
        kills += 1;
        assert!(kills < 40, "it does not end");
        late_event(&simulator, kills);
    }
    assert!(kills >= 4, "{kills} kills");
    assert_eq!(target.keys("events"), simulator.truth().event_ids());
    let (requests, least) = (simulator.requests().len(), undisturbed.requests().len());
    // Writes to stderr itself, since the test harness hides what successful tests print.
    let _ = writeln!(std::io::stderr(), "killed {kills} times: {requests} requests, and {least} undisturbed");
    assert!(requests * 10 <= least * 12, "{requests} requests over {kills} kills, and {least} undisturbed");
}
