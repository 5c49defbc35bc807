//! No STATE covers a record that was not written before it, in whatever order the answers come.
//!
//! `promise.rs` says what a state covers. It does not use the code of the tap that writes and reads states.

mod promise;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use sentry_simulator::{Fault, FaultKind, NthHit, Organization, Settings, Shape, Simulator};
use serde_json::{Value, json};

use crate::support::{Run, Tap};
use promise::{Promise, key_of};

/// One organization on one server. The seed also says which answers are late.
#[derive(Debug, Clone)]
struct Case {
    seed: u64,
    projects: usize,
    issues: usize,
    events: usize,
    ties: usize,
    limited: bool,
    full: bool,
    /// The STATE of the first run from which the second one starts, as a fraction of their number.
    resumed_at: f64,
}

fn cases() -> impl Strategy<Value = Case> {
    let shape = (any::<u64>(), 1_usize..6, 1_usize..30, 1_usize..25, 0_usize..4);
    (shape, any::<bool>(), any::<bool>(), 0.0..1.0).prop_map(
        |((seed, projects, issues, events, ties), limited, full, resumed_at)| Case {
            seed,
            projects,
            issues,
            events,
            ties,
            limited,
            full,
            resumed_at,
        },
    )
}

/// Events of one second lie on two pages. This case once failed.
const TIES: Case = Case {
    seed: 479_728_134_892,
    projects: 1,
    issues: 5,
    events: 22,
    ties: 2,
    limited: true,
    full: true,
    resumed_at: 0.408,
};

impl Case {
    fn simulator(&self) -> Simulator {
        let shape = Shape {
            seed: self.seed,
            projects: self.projects,
            issues_per_project: self.issues,
            events_per_issue: self.events,
            ties: self.ties,
            performance_issues_per_project: 1,
            releases: 9,
            ..Shape::default()
        };
        let settings = if self.limited { Settings::saas() } else { Settings::self_hosted() };
        let simulator = Simulator::start(Organization::generate(&shape), Settings { limits: false, ..settings });
        for (nth, milliseconds) in [3, 12, 40].into_iter().enumerate() {
            simulator.add_fault(Fault {
                path_contains: String::new(),
                nth: NthHit::Chance { probability: 0.25, seed: self.seed.wrapping_add(nth as u64) },
                kind: FaultKind::Delay(Duration::from_millis(milliseconds)),
            });
        }
        simulator
    }
}

/// Keys of written records, by stream.
type Written = BTreeMap<String, BTreeSet<String>>;

/// Checks every STATE of a run against what was written before it. Returns how many of them cover some events, but not
/// all.
fn check(run: &Run, written: &mut Written, promise: &Promise) -> usize {
    let mut partial = 0;
    for message in &run.messages {
        let stream = message["stream"].as_str().unwrap_or_default();
        match message["type"].as_str() {
            Some("RECORD") => drop(written.entry(stream.to_owned()).or_default().insert(key_of(message))),
            Some("STATE") => {
                let promised = promise.of(&message["value"]);
                for (stream, keys) in &promised {
                    let none = BTreeSet::new();
                    let missing: Vec<_> = keys.difference(written.get(*stream).unwrap_or(&none)).collect();
                    assert!(missing.is_empty(), "{stream}: {} promised, not written {missing:?}", message["value"]);
                }
                let events = promised.get("events").map_or(0, BTreeSet::len);
                partial += usize::from(events > 0 && events < promise.events());
            }
            _ => {}
        }
    }
    partial
}

fn play(case: &Case) -> usize {
    let simulator = case.simulator();
    let tap = || Tap::new(&simulator).set("fetch_event_details", json!(case.full));
    let first = tap().sync();
    let truth = simulator.truth();
    let promise = Promise::new(&truth, &first);
    let mut written = Written::new();
    let mut partial = check(&first, &mut written, &promise);
    promise.assert_kept(&promise.of(&first.last_state()), &written);

    // Cuts the run at a STATE, as a kill would, and continues from there.
    let states: Vec<usize> =
        first.messages.iter().enumerate().filter(|(_, line)| line["type"] == "STATE").map(|(at, _)| at).collect();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
    let cut = states[(case.resumed_at * states.len() as f64) as usize];
    let state: Value = first.messages[cut]["value"].clone();
    let prefix =
        Run { code: 0, stdout: String::new(), stderr: String::new(), messages: first.messages[..cut].to_vec() };
    let mut written = Written::new();
    check(&prefix, &mut written, &promise);
    let second = tap().state(state).sync();
    partial += check(&second, &mut written, &promise);
    promise.assert_kept(&promise.of(&second.last_state()), &written);
    partial
}

#[test]
fn no_state_covers_what_was_not_written() {
    let cases_to_play = std::env::var("TAP_SENTRY_STATE_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(12);
    let mut partial = play(&TIES);
    let config = Config { cases: cases_to_play, failure_persistence: None, max_shrink_iters: 40, ..Config::default() };
    let mut runner = TestRunner::new(config);
    let seen = std::cell::RefCell::new(&mut partial);
    let result = runner.run(&cases(), |case| {
        **seen.borrow_mut() += play(&case);
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
    assert!(partial > 20, "hardly any STATE said something between nothing and everything: {partial}");
}
