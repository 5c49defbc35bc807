//! Rows come later than the time that they are dated to. A list is read again as far back as its rows may be late. What
//! has not changed since is neither written nor asked for again.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::TimeDelta;
use sentry_simulator::{Fault, FaultKind, NthHit, Organization, Settings, Shape, Simulator};
use serde_json::json;

use crate::support::{Run, Tap};

const RELEASES: &[&str] = &["releases", "release", "commits", "deploys"];

/// Thirty releases of the last thirty hours, each with a commit. Some have deploys.
fn simulator() -> Simulator {
    let shape = Shape { releases: 30, commits_per_release: 1, days: 1, ..Shape::default() };
    let settings = Settings { frozen: true, ..Settings::self_hosted() };
    Simulator::start(Organization::generate(&shape), settings)
}

fn tap(simulator: &Simulator) -> Tap {
    Tap::new(simulator).only(RELEASES)
}

/// Runs once more, five minutes later. Returns the run and the paths that it asked for, without the organization.
fn again(simulator: &Simulator, before: &Run) -> (Run, Vec<String>) {
    simulator.advance(Duration::from_mins(5));
    simulator.clear_requests();
    let run = tap(simulator).state(before.last_state()).sync();
    let paths = simulator.requests().into_iter().map(|request| request.path);
    (run, paths.filter(|path| path.contains("/releases/")).collect())
}

#[test]
fn a_release_that_is_dated_before_the_bookmark_comes_with_what_hangs_on_it() {
    let simulator = simulator();
    let first = tap(&simulator).sync();
    let at = simulator.now() - TimeDelta::hours(20);
    simulator.edit(|org| {
        let project = org.projects[0].slug.clone();
        org.add_release(&project, "late@1", at);
        org.add_deploy("late@1", at);
    });
    let (second, _) = again(&simulator, &first);
    let late = BTreeSet::from(["late@1".to_owned()]);
    assert_eq!((second.keys("releases", "version"), second.keys("release", "version")), (late.clone(), late));
    assert_eq!(second.records("deploys").len(), 1);
}

#[test]
fn a_quiet_run_asks_for_the_list_alone_and_writes_nothing() {
    let simulator = simulator();
    let first = tap(&simulator).sync();
    let mut before = first;
    for _ in 0..3 {
        let (run, paths) = again(&simulator, &before);
        assert_eq!(paths, ["/api/0/organizations/acme/releases/"]);
        assert_eq!(RELEASES.iter().map(|stream| run.records(stream).len()).sum::<usize>(), 0);
        before = run;
    }
}

#[test]
fn a_deploy_of_a_release_of_yesterday_is_read_and_nothing_else_is() {
    let simulator = simulator();
    let first = tap(&simulator).sync();
    let (version, at) = (simulator.read(|org| org.releases[29].version.clone()), simulator.now());
    simulator.edit(|org| org.add_deploy(&version, at));
    let (second, paths) = again(&simulator, &first);
    assert_eq!(paths.iter().filter(|path| path.ends_with("/commits/")).count(), 0);
    assert_eq!(paths.iter().filter(|path| path.ends_with("/deploys/")).count(), 2, "for the release, and for deploys");
    assert_eq!((second.records("releases").len(), second.records("release").len()), (1, 1));
    assert!(second.records("commits").is_empty() && !second.records("deploys").is_empty());
}

#[test]
fn a_stream_that_joins_later_has_the_rows_that_another_has_already() {
    let simulator = simulator();
    let first = Tap::new(&simulator).only(&["releases"]).sync();
    let second = Tap::new(&simulator).only(&["releases", "release"]).state(first.last_state()).sync();
    assert_eq!((second.records("releases").len(), second.records("release").len()), (0, 30));
}

#[test]
fn a_bookmark_that_someone_moves_back_brings_its_rows_again() {
    let simulator = simulator();
    let first = tap(&simulator).sync();
    let mut state = first.last_state();
    let rows = state["bookmarks"]["releases"]["rows"].as_array().expect("rows").len();
    assert!((25..=32).contains(&rows), "{rows}: only rows of the last 25 hours are kept");
    state["bookmarks"]["releases"]["start"] = json!("2020-01-01T00:00:00Z");
    let second = tap(&simulator).state(state).sync();
    assert_eq!((second.records("releases").len(), second.records("release").len()), (30, 0));
}

/// What could be read is not asked for again, however long one of its siblings fails.
#[test]
fn after_a_gap_only_what_is_missing_is_asked_for() {
    let simulator = simulator();
    let broken = simulator.read(|org| org.releases[0].version.clone());
    let kind = FaultKind::Status {
        code: 500,
        body: r#"{"detail": "Internal Error"}"#.to_owned(),
        content_type: "application/json".to_owned(),
        headers: Vec::new(),
    };
    let path_contains = format!("/releases/{}/commits/", broken.replace('@', "%40"));
    simulator.add_fault(Fault { path_contains, nth: NthHit::every(), kind });
    let first = tap(&simulator).set("max_retries", json!(0)).run();
    assert_eq!(first.code, 1);
    simulator.clear_faults();
    let (second, paths) = again(&simulator, &first);
    assert_eq!(paths.iter().filter(|path| path.ends_with("/commits/")).count(), 2, "{paths:?}");
    assert_eq!((second.code, second.records("commits").len(), second.records("release").len()), (0, 1, 1));
}
