//! What could not be read is kept by name, up to a bound, and asked for again. So is what the server says is gone: while a
//! merge is under way it says so of issues whose events live on.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::TimeDelta;
use sentry_simulator::{FaultKind, NthHit, Organization, Settings, Shape, Simulator};
use serde_json::{Value, json};

use crate::support::server::{asked, missing, strike};
use crate::support::{Run, Tap};

/// Whole bodies, so that events are read by issue: one list for each.
fn simulator(issues: usize) -> Simulator {
    let shape =
        Shape { projects: 1, issue_sizes: vec![vec![2; issues]], feedback_issues_per_project: 0, ..Shape::default() };
    Simulator::start(Organization::generate(&shape), Settings { limits: false, ..Settings::saas() })
}

fn tap(simulator: &Simulator) -> Tap {
    Tap::new(simulator).only(&["issues", "events"]).set("fetch_event_details", json!(true)).set("max_retries", json!(0))
}

/// Names of what could not be read, of a stream.
fn pending(run: &Run, stream: &str) -> Vec<String> {
    let pending = run.last_state()["bookmarks"][stream]["pending"].clone();
    pending.as_array().into_iter().flatten().map(|name| name.as_str().expect("text").to_owned()).collect()
}

fn names(run: &Run) -> Vec<String> {
    pending(run, "events")
}

fn together(one: &Run, other: &Run) -> BTreeSet<String> {
    &one.keys("events", "eventID") | &other.keys("events", "eventID")
}

#[test]
fn more_than_fifty_failures_have_the_project_read_again() {
    for (issues, kept, is_read_again) in [(50, 50, false), (60, 50, true)] {
        let simulator = simulator(issues);
        strike(&simulator, "/events/?", NthHit::every(), FaultKind::status(500, r#"{"detail": "Internal Error"}"#));
        let first = tap(&simulator).run();
        assert_eq!((first.code, names(&first).len()), (1, kept), "{}", first.stderr);
        let projects = &first.last_state()["bookmarks"]["events"]["projects"];
        assert_eq!(projects.as_object().is_none_or(serde_json::Map::is_empty), is_read_again, "{projects}");
        simulator.clear_faults();
        let second = tap(&simulator).state(first.last_state()).sync();
        assert_eq!(second.keys("events", "eventID"), simulator.truth().event_ids());
        assert_eq!(names(&second), [""; 0]);
    }
}

#[test]
fn an_issue_is_gone_only_if_two_runs_find_it_so() {
    let simulator = simulator(5);
    let issue = simulator.read(|org| org.issues[2].id);
    let path = format!("/issues/{issue}/events/");
    strike(&simulator, &path, NthHit::every(), missing());
    let first = tap(&simulator).sync();
    assert_eq!(asked(&simulator, &path), 2, "again when the project is read");
    assert!(names(&first)[0].starts_with(&format!("gone {issue} ")), "{:?}", names(&first));
    // The merge is done: the old id answers.
    simulator.clear_faults();
    let merged = tap(&simulator).state(first.last_state()).sync();
    assert_eq!(together(&first, &merged), simulator.truth().event_ids());
    // It is gone in the next run too.
    strike(&simulator, &path, NthHit::every(), missing());
    let gone = tap(&simulator).state(first.last_state()).sync();
    assert!(gone.stderr.contains("merged or deleted") && names(&gone).is_empty(), "{}", gone.stderr);
    assert_eq!(gone.last_state()["bookmarks"]["events"].get("pending"), None::<&Value>);
}

/// A version as it stands in a path.
fn encoded(version: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    version
        .bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

fn fault() -> FaultKind {
    FaultKind::status(500, r#"{"detail": "Internal Error"}"#)
}

/// A release below which one list always fails.
#[test]
fn what_fails_below_one_row_of_a_list_holds_up_no_bookmark() {
    let shape = Shape { projects: 2, releases: 12, ..Shape::default() };
    let simulator = Simulator::start(Organization::generate(&shape), Settings::self_hosted());
    let streams = ["releases", "release", "commits"];
    let tap = || Tap::new(&simulator).only(&streams).set("max_retries", json!(0));
    let whole = tap().sync();
    let version = simulator.read(|org| org.releases.iter().find(|release| release.commits.len() > 1).cloned());
    let version = version.expect("a release with commits").version;
    let path = format!("/releases/{}/commits/", encoded(&version));
    strike(&simulator, &path, NthHit::every(), fault());
    let first = tap().run();
    assert_eq!(first.code, 1, "{}", first.stderr);
    assert!(first.stderr.contains("could not be read"), "{}", first.stderr);
    for stream in ["release", "commits"] {
        let names = pending(&first, stream);
        assert!(names.len() == 1 && names[0].starts_with(&format!("failed {version} - ")), "{stream}: {names:?}");
        assert!(first.last_state()["bookmarks"][stream]["start"].is_string(), "{stream}: its bookmark stays");
    }
    // Nothing but that release is asked for.
    simulator.advance(Duration::from_hours(6));
    simulator.clear_requests();
    let second = tap().state(first.last_state()).run();
    assert_eq!((second.code, second.records("release").len(), second.records("commits").len()), (1, 0, 0));
    let below = simulator.requests().iter().filter(|request| request.path.contains("/commits/")).count();
    assert_eq!(below, 2, "one of each stream");
    let lists = simulator.requests().iter().filter(|request| request.path.ends_with("/acme/releases/")).count();
    assert_eq!(lists, 2, "its window, and the second of that release");
    assert!(simulator.requests().len() <= 8, "{} requests", simulator.requests().len());
    let accepting = |state: Value| tap().state(state).set("accepted_gaps", json!(["release", "commits"]));
    accepting(second.last_state()).sync();
    simulator.clear_faults();
    let third = tap().state(second.last_state()).sync();
    for stream in ["release", "commits"] {
        assert!(pending(&third, stream).is_empty());
        let key = if stream == "release" { "version" } else { "id" };
        assert_eq!(&first.keys(stream, key) | &third.keys(stream, key), whole.keys(stream, key), "{stream}");
        assert!(third.records(stream).len() < whole.records(stream).len());
    }
}

/// Such a release may be gone, or have another date by now.
#[test]
fn a_row_that_failed_and_is_gone_is_forgotten_and_one_with_another_date_is_found() {
    for gone in [true, false] {
        let shape = Shape { projects: 2, releases: 12, ..Shape::default() };
        let simulator = Simulator::start(Organization::generate(&shape), Settings::self_hosted());
        let tap = || Tap::new(&simulator).only(&["release"]).set("max_retries", json!(0));
        let version = simulator.read(|org| org.releases[3].version.clone());
        strike(&simulator, &format!("/releases/{}/", encoded(&version)), NthHit::every(), fault());
        let first = tap().run();
        assert_eq!((first.code, pending(&first, "release").len()), (1, 1), "{}", first.stderr);
        simulator.clear_faults();
        simulator.edit(|org| {
            if gone {
                org.releases.retain(|release| release.version != version);
            } else {
                org.releases[3].created += TimeDelta::days(2);
            }
        });
        let second = tap().state(first.last_state()).sync();
        assert_eq!(pending(&second, "release"), [""; 0]);
        assert_eq!(second.keys("release", "version").contains(&version), !gone, "{}", second.stderr);
    }
}

/// Check-ins are read below each monitor from the bookmark on.
#[test]
fn a_parent_whose_rows_fail_holds_up_no_bookmark() {
    let simulator = simulator(2);
    let tap = || Tap::new(&simulator).only(&["monitors", "monitor_checkins"]).set("max_retries", json!(0));
    let whole = tap().sync();
    let id = whole.records("monitors")[0]["id"].as_str().expect("an id").to_owned();
    strike(&simulator, &format!("/monitors/{id}/checkins/"), NthHit::every(), fault());
    let first = tap().run();
    let names = pending(&first, "monitor_checkins");
    assert!(first.code == 1 && names.len() == 1, "{names:?}: {}", first.stderr);
    assert!(first.last_state()["bookmarks"]["monitor_checkins"]["start"].is_string());
    simulator.clear_faults();
    simulator.advance(Duration::from_hours(6));
    let second = tap().state(first.last_state()).sync();
    assert!(pending(&second, "monitor_checkins").is_empty());
    let together = &first.keys("monitor_checkins", "id") | &second.keys("monitor_checkins", "id");
    assert_eq!(together, whole.keys("monitor_checkins", "id"));
    assert!(first.records("monitor_checkins").len() < whole.records("monitor_checkins").len());
}

#[test]
fn names_of_projects_that_are_gone_take_up_no_room() {
    let shape = Shape { projects: 2, issue_sizes: vec![vec![2; 3]; 2], ..Shape::default() };
    let simulator = Simulator::start(Organization::generate(&shape), Settings { limits: false, ..Settings::saas() });
    strike(&simulator, "/events/?", NthHit::every(), fault());
    let first = tap(&simulator).run();
    let slug = simulator.read(|org| org.projects[1].slug.clone());
    simulator.edit(|org| org.delete_project(&slug));
    let second = tap(&simulator).state(first.last_state()).run();
    assert!(names(&second).len() < names(&first).len() && !names(&second).is_empty(), "{:?}", names(&second));
}

/// Streams that are read together keep the names each: the next run may not select the one that it began with.
#[test]
fn a_stream_that_is_deselected_takes_no_names_along() {
    let simulator = simulator(5);
    let issue = simulator.read(|org| org.issues[2].id);
    let path = format!("/issues/{issue}/events/");
    let only = |streams: &[&str]| {
        Tap::new(&simulator).only(streams).set("fetch_event_details", json!(true)).set("max_retries", json!(0))
    };
    let whole = only(&["events", "event_tags"]).sync().records("event_tags").len();
    strike(&simulator, &path, NthHit::every(), fault());
    let first = only(&["events", "event_tags"]).run();
    assert_eq!((first.code, pending(&first, "events").len(), pending(&first, "event_tags").len()), (1, 1, 1));
    simulator.clear_faults();
    simulator.advance(Duration::from_hours(6));
    let second = only(&["event_tags"]).state(first.last_state()).sync();
    let rows = first.records("event_tags").len() + second.records("event_tags").len();
    assert!(first.records("event_tags").len() < whole && rows == whole, "{}", second.stderr);
    assert_eq!((pending(&second, "events").len(), pending(&second, "event_tags").len()), (1, 0));
}

/// Two releases of which the list of commits fails. What a later run is told of that endpoint says nothing of them.
#[test]
fn a_name_outlives_answers_that_prove_nothing() {
    let gone = FaultKind::status(410, r#"{"detail": "This API no longer exists."}"#);
    for answer in [missing(), gone, FaultKind::status(403, r#"{"detail": "No."}"#)] {
        let shape = Shape { projects: 1, releases: 12, ..Shape::default() };
        let simulator = Simulator::start(Organization::generate(&shape), Settings::self_hosted());
        let tap = || Tap::new(&simulator).only(&["release", "commits"]).set("max_retries", json!(0));
        let whole = tap().sync();
        let versions: Vec<String> = simulator.read(|org| {
            org.releases
                .iter()
                .filter(|release| !release.commits.is_empty())
                .map(|it| it.version.clone())
                .take(2)
                .collect()
        });
        for version in &versions {
            strike(&simulator, &format!("/releases/{}/commits/", encoded(version)), NthHit::every(), fault());
        }
        let first = tap().run();
        assert_eq!((pending(&first, "commits").len(), pending(&first, "release").len()), (2, 2), "{}", first.stderr);
        simulator.clear_faults();
        strike(&simulator, "/commits/", NthHit::every(), answer);
        let second = tap().state(first.last_state()).run();
        assert_eq!(second.code, 1, "{}", second.stderr);
        assert_eq!((pending(&second, "commits").len(), pending(&second, "release").len()), (2, 2), "{}", second.stderr);
        simulator.clear_faults();
        let third = tap().state(second.last_state()).sync();
        let all =
            |runs: &[&Run]| -> BTreeSet<String> { runs.iter().flat_map(|run| run.keys("commits", "id")).collect() };
        assert_eq!(all(&[&first, &third]), all(&[&whole]));
        assert!(pending(&third, "commits").is_empty());
    }
}

/// One release below which the server never finds anything.
#[test]
fn what_is_never_found_below_one_row_ends_no_run_with_a_gap() {
    let shape = Shape { projects: 1, releases: 12, ..Shape::default() };
    let simulator = Simulator::start(Organization::generate(&shape), Settings::self_hosted());
    let newest = simulator.now() - TimeDelta::hours(2);
    let slug = simulator.read(|org| org.projects[0].slug.clone());
    simulator.edit(|org| org.add_release(&slug, "odd@1", newest));
    let tap = || Tap::new(&simulator).only(&["release", "commits", "deploys"]).set("max_retries", json!(0));
    strike(&simulator, "/releases/odd%401/", NthHit::every(), missing());
    let mut last = tap().sync();
    for _ in 0..2 {
        simulator.advance(Duration::from_mins(20));
        last = tap().state(last.last_state()).sync();
        assert!(last.records("release").is_empty(), "an unchanged row is written again");
    }
    // It has failed once, and is not found from then on.
    simulator.clear_faults();
    let path = "/releases/odd%401/";
    strike(&simulator, path, NthHit::every(), fault());
    let failed = tap().run();
    assert_eq!((failed.code, pending(&failed, "commits").len()), (1, 1), "{}", failed.stderr);
    simulator.clear_faults();
    strike(&simulator, path, NthHit::every(), missing());
    simulator.edit(|org| org.add_release(&slug, "even@1", newest));
    simulator.edit(|org| org.add_deploy("even@1", newest));
    let found = tap().state(failed.last_state()).run();
    simulator.advance(Duration::from_mins(20));
    simulator.edit(|org| org.add_release(&slug, "even@2", newest));
    let after = tap().state(found.last_state()).run();
    assert!(pending(&after, "deploys").is_empty(), "{}", after.stderr);
}

#[test]
fn more_than_fifty_rows_that_fail_hold_the_bookmark_back() {
    for (releases, is_held) in [(50, false), (60, true)] {
        let shape = Shape { projects: 1, releases, ..Shape::default() };
        let simulator = Simulator::start(Organization::generate(&shape), Settings::self_hosted());
        let tap = || Tap::new(&simulator).only(&["commits"]).set("max_retries", json!(0));
        let whole = tap().sync();
        strike(&simulator, "/commits/", NthHit::every(), fault());
        let first = tap().run();
        assert_eq!((first.code, pending(&first, "commits").len()), (1, 50), "{}", first.stderr);
        let bookmark = &first.last_state()["bookmarks"]["commits"];
        assert_eq!(bookmark.get("start").is_none(), is_held, "{bookmark}");
        simulator.clear_faults();
        let second = tap().state(first.last_state()).sync();
        assert_eq!(second.keys("commits", "id"), whole.keys("commits", "id"));
        assert!(pending(&second, "commits").is_empty());
    }
}
