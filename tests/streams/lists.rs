//! A list is read whole although its order is another than expected, although it changes while it is read, and although
//! the reading is interrupted.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::TimeDelta;
use sentry_simulator::{Fault, FaultKind, NthHit, Organization, Settings, Shape, Simulator};
use serde_json::{Value, json};

use crate::support::{Run, Tap};

/// Releases of some days. The oldest hundred were released just now, one a second.
fn released_late(releases: usize, settings: Settings) -> Simulator {
    let shape = Shape { releases, commits_per_release: 0, ..Shape::default() };
    let simulator = Simulator::start(Organization::generate(&shape), Settings { frozen: true, ..settings });
    let now = simulator.now();
    simulator.edit(|org| {
        for (nth, release) in org.releases.iter_mut().enumerate() {
            let back = i64::try_from(nth).expect("a small number") + 60;
            release.released = (nth < 100).then(|| now - TimeDelta::seconds(200 - back));
            release.deploys.clear();
        }
    });
    simulator
}

fn versions(simulator: &Simulator) -> BTreeSet<String> {
    simulator.read(|org| org.releases.iter().map(|release| release.version.clone()).collect())
}

/// The states of a run with progress in the middle of a list.
fn half_read<'a>(run: &'a Run, stream: &'a str) -> impl Iterator<Item = &'a Value> {
    let states = run.messages.iter().filter(|message| message["type"] == "STATE").map(|message| &message["value"]);
    states.filter(move |state| state["bookmarks"][stream]["progress_markers"][0].is_object())
}

/// What a target has that saw everything up to a state, and then the run that goes on from there.
fn joined(run: &Run, state: &Value, rest: &Run, stream: &str) -> BTreeSet<String> {
    let before = run.messages.iter().take_while(|message| message["value"] != *state);
    let before = before.filter(|message| message["type"] == "RECORD" && message["stream"] == stream);
    let version = |record: &Value| record["version"].as_str().expect("a version").to_owned();
    let first = before.map(|message| version(&message["record"]));
    first.chain(rest.records(stream).into_iter().map(version)).collect()
}

#[test]
fn an_interrupted_list_in_the_order_of_release_loses_nothing() {
    let simulator = released_late(400, Settings { by_release_date: true, ..Settings::self_hosted() });
    let whole = Tap::new(&simulator).only(&["releases"]).sync();
    assert_eq!(whole.keys("releases", "version"), versions(&simulator));
    let states: Vec<&Value> = half_read(&whole, "releases").collect();
    assert!(states.len() >= 3, "{} states", states.len());
    for state in states {
        let rest = Tap::new(&simulator).only(&["releases"]).state(state.clone()).sync();
        assert_eq!(joined(&whole, state, &rest, "releases"), versions(&simulator), "{state}");
    }
}

/// The oldest come first, since they were released last. All of the first page lies before the window.
#[test]
fn a_server_without_windows_is_read_on_past_old_releases_that_were_released_lately() {
    let simulator = released_late(250, Settings::sentry9());
    let start = simulator.now() - TimeDelta::days(9);
    let tap = Tap::new(&simulator).only(&["releases"]).set("start_date", json!(start.to_rfc3339()));
    let wanted: BTreeSet<String> = simulator.read(|org| {
        let new = |release: &&sentry_simulator::Release| release.created >= start;
        org.releases.iter().filter(new).map(|release| release.version.clone()).collect()
    });
    assert!(wanted.len() > 100);
    let read: BTreeSet<String> = tap.sync().keys("releases", "version");
    assert!(wanted.is_subset(&read), "{} of {}", wanted.intersection(&read).count(), wanted.len());
}

/// Where the server ignores the window, the list is not read to its end in every run.
#[test]
fn a_server_without_windows_is_read_one_page_past_the_window_and_no_further() {
    let shape = Shape { releases: 1000, commits_per_release: 0, ..Shape::default() };
    let simulator = Simulator::start(Organization::generate(&shape), Settings { frozen: true, ..Settings::sentry9() });
    let first = Tap::new(&simulator).only(&["releases"]).sync();
    assert_eq!(first.records("releases").len(), 1000);
    simulator.clear_requests();
    Tap::new(&simulator).only(&["releases"]).state(first.last_state()).sync();
    let pages = simulator.requests().iter().filter(|request| request.path.ends_with("/releases/")).count();
    assert!(pages <= 4, "{pages} pages");
}

/// Progress that was made under another start says nothing of what is asked for now.
#[test]
fn progress_under_another_start_is_not_used() {
    let shape = Shape { releases: 400, commits_per_release: 0, ..Shape::default() };
    let simulator =
        Simulator::start(Organization::generate(&shape), Settings { frozen: true, ..Settings::self_hosted() });
    let start = (simulator.now() - TimeDelta::days(10)).to_rfc3339();
    let whole = Tap::new(&simulator).only(&["releases"]).set("start_date", json!(start)).sync();
    for state in half_read(&whole, "releases") {
        let rest = Tap::new(&simulator).only(&["releases"]).state(state.clone()).sync();
        assert_eq!(joined(&whole, state, &rest, "releases"), versions(&simulator));
    }
}

/// As many releases as wanted, one an hour.
fn hourly(releases: usize) -> Simulator {
    let shape = Shape { releases, commits_per_release: 0, days: 30, ..Shape::default() };
    Simulator::start(Organization::generate(&shape), Settings { frozen: true, ..Settings::self_hosted() })
}

#[test]
fn a_release_that_goes_while_the_list_is_read_hides_no_other() {
    for page in 2..=3 {
        let simulator = hourly(250);
        let gone = simulator.read(|org| org.releases[245].version.clone());
        simulator.plan("/releases/?", page, |moment| {
            moment.edit(|org| org.releases.remove(245));
        });
        let run = Tap::new(&simulator).only(&["releases"]).sync();
        let mut read = run.keys("releases", "version");
        read.remove(&gone);
        assert_eq!(read, versions(&simulator), "before page {page}");
        let requests = simulator.requests().iter().filter(|request| request.path.ends_with("/releases/")).count();
        assert!(requests <= 4, "{requests} requests for three pages");
    }
}

/// Releases that were first seen in sessions are dated to their hour, and the list has no order within it.
#[test]
fn more_releases_of_one_time_than_fit_into_a_page_come_all() {
    let simulator = hourly(300);
    simulator.settings(|settings| settings.unstable_list_ties = true);
    simulator.edit(|org| {
        let hour = org.releases[30].created;
        org.releases[30..270].iter_mut().for_each(|release| release.created = hour);
    });
    let first = Tap::new(&simulator).only(&["releases"]).sync();
    assert_eq!(first.keys("releases", "version"), versions(&simulator));
    simulator.advance(Duration::from_mins(5));
    let second = Tap::new(&simulator).only(&["releases"]).state(first.last_state()).sync();
    assert_eq!(second.records("releases").len(), 0);
}

fn told_gone(run: &Run) -> Vec<&str> {
    let told = run.messages.iter().filter(|message| message["type"] == "ACTIVATE_VERSION");
    told.filter_map(|message| message["stream"].as_str()).collect()
}

fn with_teams(teams: usize) -> Simulator {
    let shape = Shape { teams, ..Shape::default() };
    Simulator::start(Organization::generate(&shape), Settings { frozen: true, ..Settings::self_hosted() })
}

fn teams(simulator: &Simulator) -> BTreeSet<String> {
    simulator.read(|org| org.teams.iter().map(|team| team.id.to_string()).collect())
}

#[test]
fn a_team_that_goes_while_the_list_is_read_takes_no_other_with_it() {
    for (activate, page) in [(false, 2), (true, 2), (true, 3), (true, 4)] {
        let simulator = with_teams(250);
        simulator.plan("/teams/?", page, |moment| {
            moment.edit(|org| {
                let first = org.teams.iter().min_by_key(|team| team.slug.clone()).expect("a team").id;
                org.delete_team(first);
            });
        });
        let tap = Tap::new(&simulator).only(&["teams", "team_members"]).set("activate_version", json!(activate));
        let run = tap.run();
        assert_eq!(run.code, 0, "{}", run.stderr);
        let read: BTreeSet<String> =
            run.records("teams").iter().map(|record| record["id"].as_str().expect("an id").to_owned()).collect();
        assert!(read.is_superset(&teams(&simulator)), "before page {page}");
        let parents: BTreeSet<String> = run
            .records("team_members")
            .iter()
            .map(|record| record["team_id"].as_str().expect("an id").to_owned())
            .collect();
        assert!(parents.is_superset(&teams(&simulator)));
    }
}

#[test]
fn a_list_of_several_pages_is_read_twice_before_rows_are_said_to_be_gone() {
    let requests = |simulator: &Simulator| simulator.requests().iter().filter(|r| r.path.ends_with("/teams/")).count();
    for (count, activate, expected) in [(90, true, 1), (250, false, 3), (250, true, 6)] {
        let simulator = with_teams(count);
        let run = Tap::new(&simulator).only(&["teams"]).set("activate_version", json!(activate)).run();
        assert_eq!((run.code, run.records("teams").len(), requests(&simulator)), (0, count, expected));
        assert_eq!(told_gone(&run), if activate { vec!["teams"] } else { vec![] });
    }
    // Where a row goes in each reading, nothing is known.
    let simulator = with_teams(250);
    for page in [2, 5, 8] {
        simulator.plan("/teams/?", page, |moment| {
            moment.edit(|org| {
                let first = org.teams.iter().min_by_key(|team| team.slug.clone()).expect("a team").id;
                org.delete_team(first);
            });
        });
    }
    let run = Tap::new(&simulator).only(&["teams"]).set("activate_version", json!(true)).run();
    assert_eq!((run.code, told_gone(&run)), (0, vec![]), "{}", run.stderr);
}

/// A project that was not listed has no bookmark, so nothing of it is lost.
#[test]
fn a_list_of_projects_that_is_cut_is_a_gap_and_the_projects_that_came_are_read() {
    let shape = Shape { projects: 120, issues_per_project: 1, events_per_issue: 1, ..Shape::default() };
    let simulator =
        Simulator::start(Organization::generate(&shape), Settings { frozen: true, ..Settings::self_hosted() });
    let fault = Fault { path_contains: "/projects/?".to_owned(), nth: NthHit::every(), kind: FaultKind::DropLink };
    simulator.add_fault(fault);
    let tap = Tap::new(&simulator).only(&["projects", "project_detail", "events"]);
    let first = tap.run();
    let count = |run: &Run| ["projects", "project_detail"].map(|stream| run.records(stream).len());
    assert_eq!((first.code, count(&first)), (1, [100, 100]), "{}", first.stderr);
    simulator.clear_faults();
    let second = tap.state(first.last_state()).sync();
    assert_eq!(count(&second), [120, 120]);
    let read = first.keys("events", "eventID").into_iter().chain(second.keys("events", "eventID"));
    assert_eq!(read.collect::<BTreeSet<_>>(), simulator.truth().event_ids());
}
