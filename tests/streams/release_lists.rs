//! Lists that are put into a row of `release`: cut ones, short ones, and those that the server does not find.

use sentry_simulator::{FaultKind, NthHit, Organization, Settings, Shape, Simulator};
use serde_json::Value;

use crate::support::server::{asked, missing, strike};
use crate::support::{Run, Tap};

fn simulator(commits_per_release: usize) -> Simulator {
    let shape = Shape { projects: 1, releases: 6, commits_per_release, issues_per_project: 1, ..Shape::default() };
    Simulator::start(Organization::generate(&shape), Settings::self_hosted())
}

/// Number of commits in the rows of `release`, by row.
fn commits(run: &Run) -> Vec<usize> {
    run.records("release").iter().map(|row| row["commits"].as_array().map_or(0, Vec::len)).collect()
}

/// Number of rows that are kept by name, since what is below them could not be read.
fn names(run: &Run, stream: &str) -> usize {
    run.last_state()["bookmarks"][stream]["pending"].as_array().map_or(0, Vec::len)
}

#[test]
fn a_list_that_is_cut_is_read_again_and_then_a_gap() {
    for (nth, code) in [(NthHit::first(1), 0), (NthHit::every(), 1)] {
        let simulator = simulator(100);
        strike(&simulator, "/commits/?", nth, FaultKind::DropLink);
        let run = Tap::new(&simulator).only(&["release"]).run();
        assert_eq!(run.code, code, "{}", run.stderr);
        assert_eq!(run.stderr.contains("could not be read"), code == 1, "{}", run.stderr);
        assert_eq!(names(&run, "release"), if code == 1 { 4 } else { 0 }, "{}", run.last_state());
        assert_eq!(commits(&run).iter().sum::<usize>(), 400, "what came is written");
    }
}

#[test]
fn a_list_below_a_release_that_is_cut_is_a_gap() {
    let simulator = simulator(100);
    strike(&simulator, "/commits/?", NthHit::every(), FaultKind::DropLink);
    let run = Tap::new(&simulator).only(&["commits"]).run();
    assert_eq!(run.code, 1, "{}", run.stderr);
    assert_eq!(names(&run, "commits"), 4, "{}", run.last_state());
}

#[test]
fn a_list_that_is_shorter_than_announced_is_read_again() {
    let simulator = simulator(3);
    strike(
        &simulator,
        "/commits/?",
        NthHit::only(2),
        FaultKind::Body { content_type: "application/json".to_owned(), bytes: b"[]".to_vec() },
    );
    let run = Tap::new(&simulator).only(&["release"]).sync();
    assert_eq!(commits(&run).iter().sum::<usize>(), 12);
    assert!(!run.stderr.contains("WARNING"), "{}", run.stderr);
}

#[test]
fn a_number_that_is_announced_too_high_is_said_once_with_both() {
    let simulator = simulator(3);
    let empty = FaultKind::Body { content_type: "application/json".to_owned(), bytes: b"[]".to_vec() };
    strike(&simulator, "/commits/?", NthHit::every(), empty);
    let run = Tap::new(&simulator).only(&["release"]).sync();
    let both = |line: &&str| line.starts_with("WARNING") && line.contains("gives 0 where the row announces 3");
    assert_eq!(run.stderr.lines().filter(both).count(), 1, "{}", run.stderr);
    assert_eq!(asked(&simulator, "/commits/"), 4 + 3, "after three second readings the number is not followed");
}

#[test]
fn a_release_whose_lists_are_not_found_is_written_without_them() {
    let simulator = simulator(2);
    let version = simulator.edit(|org| {
        org.releases[0].version = "tags/1.1".to_owned();
        org.releases[0].version.clone()
    });
    strike(&simulator, "%2F1.1/", NthHit::every(), missing());
    let run = Tap::new(&simulator).only(&["releases", "release", "release_files"]).sync();
    assert_eq!(run.keys("release", "version"), run.keys("releases", "version"));
    let rows = run.records("release");
    let row: &Value = rows.iter().find(|row| row["version"] == version.as_str()).expect("the release");
    assert!(row["commits"].is_null() && row["deploys"].is_null());
    assert!(run.stderr.contains("1 skipped: commits: not found, although its row was listed (404)"), "{}", run.stderr);
    assert!(run.stderr.contains("a name with a slash"), "{}", run.stderr);
}
