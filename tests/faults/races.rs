//! What happens during a run: issues are merged or deleted, the server restarts, a 403 comes once and not again.

use std::process::Stdio;
use std::time::{Duration, Instant};

use sentry_simulator::{FaultKind, NthHit, Organization, Settings, Shape, Simulator};
use serde_json::json;

use super::matrix::{expected, keys, simulator, strike, tap};
use super::places::{Place, places};
use crate::support::{Run, Tap};

fn place(simulator: &Simulator, name: &str) -> Place {
    places(simulator).into_iter().find(|place| place.name == name).expect("a place")
}

/// Waits until the run has asked for the place.
fn wait_for(simulator: &Simulator, place: &Place) {
    let began = Instant::now();
    let word = place.path.trim_matches(['/', '?', '&']).trim_start_matches("query=").replace("%3A", ":");
    let asked = |word: &str| {
        let has = |request: &sentry_simulator::Request| {
            request.path.contains(word) || request.param("query").is_some_and(|query| query == word)
        };
        simulator.requests().iter().any(has)
    };
    while !asked(&word) {
        assert!(began.elapsed() < Duration::from_secs(20), "{word} was never asked for");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Runs the tap, and makes a change after the issues were listed and before their events are read.
fn change_between(simulator: &Simulator, tap: &Tap, change: impl FnOnce(&mut Organization)) -> Run {
    let feedback = place(simulator, "feedback");
    strike(simulator, &feedback, NthHit::first(1), &FaultKind::Delay(Duration::from_millis(500)));
    let mut command = tap.command();
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    std::thread::scope(|scope| {
        let run = scope.spawn(|| Run::of(command));
        wait_for(simulator, &feedback);
        simulator.edit(change);
        run.join().expect("a run")
    })
}

#[test]
fn an_issue_deleted_before_its_events_are_read_is_skipped() {
    let simulator = simulator();
    let gone = simulator.read(|org| org.issues[0].id);
    let tap = tap(&simulator).set("fetch_event_details", json!(true));
    let run = change_between(&simulator, &tap, |org| org.delete_issue(gone));
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert!(run.stderr.contains("1 skipped: an issue that was merged or deleted"), "{}", run.stderr);
    let events = &expected(&simulator.truth())["events"];
    assert_eq!(&keys(&run)["events"], events, "all the others");
}

#[test]
fn events_of_an_issue_merged_before_they_are_read_come_once() {
    for by_issue in [false, true] {
        let simulator = simulator();
        let [from, into] = simulator.read(|org| [org.issues[0].id, org.issues[1].id]);
        let tap = tap(&simulator).set("fetch_event_details", json!(by_issue));
        let run = change_between(&simulator, &tap, |org| org.merge_issue(from, into));
        assert_eq!(run.code, 0, "{}", run.stderr);
        // The list of a merged issue has the events of the issue it was merged into. So an event that is listed by
        // issue may come twice, with the same key.
        let events =
            run.records("events").iter().map(|event| event["eventID"].as_str().expect("a key").to_owned()).collect();
        assert_eq!(expected(&simulator.truth())["events"], events, "{}", run.stderr);
        assert!(by_issue || keys(&run)["events"] == events);
    }
}

#[test]
fn a_server_that_restarts_in_the_middle_of_a_run_loses_nothing() {
    let first = simulator();
    let (organization, port) = (first.read(Organization::clone), first.address().port());
    let teams = place(&first, "teams");
    strike(&first, &teams, NthHit::first(1), &FaultKind::StallBody(1));
    let tap = tap(&first);
    let mut command = tap.command();
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    std::thread::scope(|scope| {
        let run = scope.spawn(|| Run::of(command));
        wait_for(&first, &teams);
        drop(first);
        std::thread::sleep(Duration::from_millis(1200)); // meanwhile connections are refused
        let second = Simulator::start_on(port, organization, Settings::self_hosted());
        let run = run.join().expect("a run");
        assert_eq!(run.code, 0, "{}", run.stderr);
        assert_eq!(keys(&run), expected(&second.truth()), "{}", run.stderr);
    });
}

/// A server that does not know `project=-1` answers it with 403 every time. A single 403 means something else.
#[test]
fn one_403_does_not_limit_a_list_to_the_tokens_own_projects() {
    for (name, hits) in [("releases", 1), ("releases", 2), ("users", 1), ("users", 2), ("issues", 1), ("feedback", 1)] {
        let simulator = simulator();
        let no = FaultKind::status(403, r#"{"detail": "You do not have permission to perform this action."}"#);
        strike(&simulator, &place(&simulator, name), NthHit::first(hits), &no);
        let run = tap(&simulator).run();
        let complete = keys(&run) == expected(&simulator.truth());
        assert_eq!((complete, run.code), (hits == 1, i32::from(hits > 1)), "{name}: {}", run.stderr);
    }
}

/// Another error, after a single 403, says nothing about `project=-1`.
#[test]
fn a_403_and_then_another_error_is_a_gap() {
    let simulator = simulator();
    let releases = place(&simulator, "releases");
    strike(&simulator, &releases, NthHit::only(1), &FaultKind::status(403, r#"{"detail": "No."}"#));
    strike(&simulator, &releases, NthHit::only(3), &FaultKind::status(418, r#"{"detail": "I am a teapot."}"#));
    let run = tap(&simulator).run();
    assert_eq!(run.code, 1, "{}", run.stderr);
    let (read, all) = (keys(&run), expected(&simulator.truth()));
    assert!(read["releases"].is_empty() && read["users"] == all["users"], "{}", run.stderr);
}

/// The run after an interrupted one skips what is written, but never what could not be read.
#[test]
fn a_gap_is_filled_by_the_run_that_goes_on_with_an_interrupted_one() {
    let shape = Shape { projects: 2, issues_per_project: 1, releases: 6, ..Shape::default() };
    for only in [&["releases", "release"][..], &["release"][..]] {
        for interrupted in [false, true] {
            let simulator = Simulator::start(Organization::generate(&shape), Settings::self_hosted());
            let commits = place_of("/commits/?");
            strike(&simulator, &commits, NthHit::only(1), &FaultKind::status(403, r#"{"detail": "No."}"#));
            if interrupted {
                strike(&simulator, &commits, NthHit::only(3), &FaultKind::status(401, r#"{"detail": "No."}"#));
            }
            let tap = Tap::new(&simulator).only(only);
            let first = tap.run();
            assert_eq!(first.code, 1, "{}", first.stderr);
            simulator.clear_faults();
            let second = tap.state(first.last_state()).sync();
            let mut versions = first.keys("release", "version");
            versions.extend(second.keys("release", "version"));
            assert_eq!(versions, expected(&simulator.truth())["release"], "{only:?}, interrupted: {interrupted}");
        }
    }
}

fn place_of(path: &str) -> Place {
    Place { name: "commits", path: path.to_owned(), streams: &["release"], list: true }
}

/// Version 9.1.2 answers 500 to the organization's list of one project. A server that can list all projects is another.
#[test]
fn errors_that_pass_do_not_make_an_old_server_of_a_new_one() {
    let timeout = r#"{"detail": "Query timeout. Please try again."}"#;
    for (code, body, hits) in
        [(500, r#"{"detail": "Internal Error"}"#, 2), (503, "", 2), (400, timeout, 2), (400, timeout, 1)]
    {
        let simulator = simulator();
        let slug = simulator.read(|org| org.projects[0].slug.clone());
        let tap = tap(&simulator).set("projects", json!(slug));
        let whole = keys(&tap.sync());
        strike(&simulator, &place_of("/acme/issues/?"), NthHit::first(hits), &FaultKind::status(code, body));
        let run = tap.run();
        let complete = keys(&run) == whole;
        assert_eq!((run.code == 0, complete), (hits == 1, hits == 1), "{code}, {hits}: {}", run.stderr);
    }
}

/// Rows that go pull others over the boundary of a page. Events that come at the same moment make up for them in number.
#[test]
fn late_events_do_not_stand_for_those_that_slipped_over_the_boundary_of_a_page() {
    let shape =
        Shape { projects: 1, issue_sizes: vec![vec![2; 150]], feedback_issues_per_project: 0, ..Shape::default() };
    let simulator =
        Simulator::start(Organization::generate(&shape), Settings { limits: false, ..Settings::self_hosted() });
    let newest = simulator.read(|org| {
        let last = |issue: &&sentry_simulator::Issue| issue.events.iter().map(sentry_simulator::Event::second).max();
        org.issues.iter().max_by_key(last).expect("an issue").id
    });
    let (before, late) = (simulator.truth().event_ids(), simulator.now() - chrono::TimeDelta::days(20));
    simulator.plan("/projects/acme/", 3, move |moment| {
        moment.edit(|org| {
            let others: Vec<u64> = org.issues.iter().map(|issue| issue.id).filter(|id| *id != newest).collect();
            org.delete_issue(newest);
            for issue in others {
                org.add_events(issue, 2, late);
            }
        });
    });
    let run = Tap::new(&simulator).only(&["issues", "events"]).sync();
    let asked = simulator.requests();
    assert!(asked.iter().any(|request| request.path.contains("/projects/acme/") && request.param("cursor").is_some()));
    let living = simulator.truth().event_ids();
    let read = run.keys("events", "eventID");
    let lost: Vec<_> = before.intersection(&living).filter(|id| !read.contains(*id)).collect();
    assert!(lost.is_empty(), "{lost:?}");
}
