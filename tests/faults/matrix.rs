//! Runs and judges the cases of the fault matrix: a small organization, a tap that asks for everything, four outcomes.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use sentry_simulator::{Fault, FaultKind, NthHit, Organization, Settings, Shape, Simulator, Truth};
use serde_json::{Value, json};

use super::places::{Place, places};
use crate::support::{Run, Tap, discovered};

/// How a run ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Exit 0, and everything is there.
    Recovered,
    /// Exit 0. One thing is missing; the log counts it and names it with this word.
    Skipped(&'static str),
    /// Exit 1. The last line names what is missing, everything else is there, and the next run brings the rest.
    Gap,
    /// Exit 1 at once. The next run brings what was missing.
    Fatal,
}

/// Keys of records, by stream.
pub type Keys = BTreeMap<&'static str, BTreeSet<String>>;

const KEYS: [(&str, &str); 8] = [
    ("projects", "id"),
    ("project_detail", "id"),
    ("teams", "id"),
    ("users", "id"),
    ("issues", "id"),
    ("events", "eventID"),
    ("releases", "version"),
    ("release", "version"),
];
/// How many cases run at the same time. They mostly wait.
const AT_ONCE: usize = 12;

/// A small organization that has something of every kind.
pub fn simulator() -> Simulator {
    let shape = Shape {
        projects: 2,
        issues_per_project: 3,
        events_per_issue: 3,
        feedback_issues_per_project: 1,
        teams: 2,
        members: 4,
        releases: 3,
        commits_per_release: 2,
        ..Shape::default()
    };
    Simulator::start(Organization::generate(&shape), Settings::self_hosted())
}

/// A tap that makes every kind of request.
pub fn tap(simulator: &Simulator) -> Tap {
    static CATALOG: OnceLock<Value> = OnceLock::new();
    let mut catalog = CATALOG.get_or_init(discovered).clone();
    let entries = catalog["streams"].as_array_mut().expect("streams");
    let events = entries.iter_mut().find(|entry| entry["stream"] == "events").expect("events");
    let field = json!(["properties", "nextEventID"]);
    let metadata = events["metadata"].as_array_mut().expect("metadata");
    let item = metadata.iter_mut().find(|item| item["breadcrumb"] == field).expect("a field of the detail");
    item["metadata"]["selected"] = json!(true);
    Tap::new(simulator).catalog(catalog).set("fetch_issue_details", json!(true))
}

/// A tap that asks for the place. It asks for details only if the place needs them, since they cost many requests.
fn tap_for(simulator: &Simulator, place: &Place) -> Tap {
    if ["issue", "event"].contains(&place.name) { tap(simulator) } else { Tap::new(simulator) }
}

/// A fault at one place.
pub fn strike(simulator: &Simulator, place: &Place, nth: NthHit, kind: &FaultKind) {
    simulator.add_fault(Fault { path_contains: place.path.clone(), nth, kind: kind.clone() });
}

/// The keys that a run wrote. Fails on a key that it wrote twice.
pub fn keys(run: &Run) -> Keys {
    KEYS.into_iter().map(|(stream, field)| (stream, run.keys(stream, field))).collect()
}

/// The keys that a complete run writes.
pub fn expected(truth: &Truth) -> Keys {
    let versions: BTreeSet<String> = truth.releases.keys().cloned().collect();
    let issues = truth.issues.keys().cloned().collect();
    let all = [truth.projects.clone(), truth.projects.clone(), truth.teams.clone(), truth.users.clone()];
    let all = all.into_iter().chain([issues, truth.event_ids(), versions.clone(), versions]);
    KEYS.into_iter().map(|(stream, _)| stream).zip(all).collect()
}

/// The last line of a failed run, which says why.
pub fn critical(run: &Run) -> &str {
    let last = run.stderr.lines().last().unwrap_or_default();
    assert!(run.code == 1 && last.starts_with("CRITICAL "), "exit code {}: {}", run.code, run.stderr);
    last
}

/// Only the place's streams may miss something.
fn assert_rest(run: &Run, truth: &Truth, place: &Place) {
    let (found, expected) = (keys(run), expected(truth));
    for (stream, keys) in &expected {
        if place.streams.contains(stream) {
            assert!(found[stream].is_subset(keys), "{stream} has something that is not there");
        } else {
            assert_eq!(&found[stream], keys, "{stream}");
        }
    }
}

/// No bookmark of the place's streams covers what was not read.
fn assert_bookmark_stayed(state: &Value, truth: &Truth, place: &Place, critical: &str) {
    for stream in place.streams.iter().filter(|stream| critical.contains(&format!("{stream}: "))) {
        let bookmark = &state["bookmarks"][stream];
        let covered = |id: &String| bookmark["projects"].get(id).is_some();
        let leaves_out = bookmark["projects"].is_object() && !truth.projects.iter().all(covered);
        // A bookmark that names its projects says nothing of a project whose row could not be read.
        let speaks_for_others = place.name == "projects" && bookmark["projects"].is_object();
        assert!(
            bookmark["start"].is_null() || leaves_out || speaks_for_others,
            "the bookmark of {stream} moved: {bookmark}"
        );
    }
}

/// Runs and judges one case. If the case wants it, a second run follows and must bring what was missing.
fn judge(simulator: &Simulator, tap: Tap, case: &Case) {
    let place = &case.place;
    let truth = simulator.truth();
    let run = tap.run();
    assert_eq!(run.messages.len(), run.stdout.lines().count(), "a line is not JSON");
    match case.outcome {
        Outcome::Recovered => {
            assert_eq!(run.code, 0, "{}", run.stderr);
            return assert_eq!(keys(&run), expected(&truth), "{}", run.stderr);
        }
        Outcome::Skipped(word) => {
            assert_eq!(run.code, 0, "{}", run.stderr);
            let named = |line: &str| line.contains(" skipped: ") && line.contains(word);
            assert!(run.stderr.lines().any(named), "{}", run.stderr);
            return assert_rest(&run, &truth, place);
        }
        Outcome::Gap => {
            let line = critical(&run);
            assert!(line.contains("finished with gaps"), "{line}");
            assert!(place.streams.iter().any(|stream| line.contains(&format!("{stream}: "))), "{line}");
            assert_rest(&run, &truth, place);
            assert_bookmark_stayed(&run.last_state(), &truth, place, line);
        }
        Outcome::Fatal => assert!(!critical(&run).contains("finished with gaps"), "{}", run.stderr),
    }
    if case.runs_again {
        assert_next_run_completes(simulator, tap, &run);
    }
}

/// Once the fault is gone, the next run brings what was missing.
fn assert_next_run_completes(simulator: &Simulator, tap: Tap, failed: &Run) {
    simulator.clear_faults();
    let tap = if failed.messages.is_empty() { tap } else { tap.state(failed.last_state()) };
    let second = tap.run();
    assert_eq!(second.code, 0, "{}", second.stderr);
    let mut union = keys(failed);
    for (stream, keys) in keys(&second) {
        union.entry(stream).or_default().extend(keys);
    }
    assert_eq!(union, expected(&simulator.truth()), "{}", second.stderr);
}

/// One fault at one place.
pub struct Case {
    pub fault: &'static str,
    pub place: Place,
    pub nth: NthHit,
    pub kind: FaultKind,
    pub outcome: Outcome,
    /// Whether a second run follows, which must bring what was missing.
    pub runs_again: bool,
    pub options: Vec<(&'static str, Value)>,
}

/// One fault at every place for which `outcome` returns something.
pub fn at_every_place(
    fault: &'static str,
    nth: NthHit,
    kind: &FaultKind,
    outcome: impl Fn(&Place) -> Option<Outcome>,
) -> Vec<Case> {
    let options = || vec![("max_retries", json!(1))];
    let case = |place: Place| {
        let outcome = outcome(&place)?;
        Some(Case { fault, place, nth: nth.clone(), kind: kind.clone(), outcome, runs_again: true, options: options() })
    };
    places(&simulator()).into_iter().filter_map(case).collect()
}

/// Drops the second runs. Use it for faults that are handled like another one whose second runs are checked.
pub fn briefly(mut cases: Vec<Case>) -> Vec<Case> {
    for case in &mut cases {
        case.runs_again = false;
    }
    cases
}

/// For faults that are all handled alike: each place gets one of them in turn, without a second run.
pub fn in_turn(faults: &[(&'static str, FaultKind)], outcome: impl Fn(&Place) -> Option<Outcome>) -> Vec<Case> {
    let all = places(&simulator());
    let turn = |place: &Place| all.iter().position(|other| other.name == place.name).expect("a place") % faults.len();
    let one = |(nth, (fault, kind)): (usize, &(&'static str, FaultKind))| {
        at_every_place(fault, NthHit::every(), kind, |place| outcome(place).filter(|_| turn(place) == nth))
    };
    briefly(faults.iter().enumerate().flat_map(one).collect())
}

/// Runs all cases, many at the same time, and names those that end in another way than they should.
pub fn run_cases(cases: &[Case]) {
    let one = |case: &Case| {
        let simulator = simulator();
        strike(&simulator, &case.place, case.nth.clone(), &case.kind);
        let set = |tap: Tap, (name, value): &(&str, Value)| tap.set(name, value.clone());
        judge(&simulator, case.options.iter().fold(tap_for(&simulator, &case.place), set), case);
    };
    side_by_side(cases, |case| format!("{} at {}: {:?}", case.fault, case.place.name, case.outcome), one);
}

/// Runs a test on many items at the same time, and fails with the names of those that failed.
pub fn side_by_side<T: Sync>(items: &[T], name: impl Fn(&T) -> String + Sync, test: impl Fn(&T) + Sync) {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut failed = Vec::new();
        while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
            if catch_unwind(AssertUnwindSafe(|| test(item))).is_err() {
                failed.push(name(item));
            }
        }
        failed
    };
    let failed: Vec<String> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..AT_ONCE.min(items.len())).map(|_| scope.spawn(work)).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("a thread that catches panics")).collect()
    });
    assert!(failed.is_empty(), "{} of {} cases:\n{}", failed.len(), items.len(), failed.join("\n"));
}
