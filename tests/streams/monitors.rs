//! Monitors and their check-ins: slugs that several have, servers that take nothing else, and check-ins that come late.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::{DateTime, Utc};
use sentry_simulator::{Organization, Request, Settings, Shape, Simulator};
use serde_json::Value;

use crate::support::{Run, Tap};

/// The newest check-in of each monitor is ten minutes old.
fn simulator(settings: Settings) -> Simulator {
    let now: DateTime<Utc> = "2026-10-21T00:10:00Z".parse().expect("a time");
    let settings = Settings { now, frozen: true, ..settings };
    Simulator::start(Organization::generate(&Shape { now, ..Shape::default() }), settings)
}

fn tap(simulator: &Simulator) -> Tap {
    Tap::new(simulator).only(&["monitors", "monitor_checkins"])
}

fn checkins(simulator: &Simulator) -> Vec<Request> {
    simulator.requests().into_iter().filter(|request| request.path.ends_with("/checkins/")).collect()
}

/// Monitors by id, with their slugs.
fn slugs(run: &Run) -> Vec<(&str, &str)> {
    run.records("monitors")
        .into_iter()
        .map(|row| (row["id"].as_str().expect("an id"), row["slug"].as_str().expect("a slug")))
        .collect()
}

#[test]
fn two_monitors_of_one_slug_both_bring_their_checkins() {
    let simulator = simulator(Settings::self_hosted());
    let run = tap(&simulator).sync();
    let monitors = slugs(&run);
    assert!(monitors.iter().map(|(_, slug)| slug).collect::<BTreeSet<_>>().len() < monitors.len());
    assert_eq!(run.keys("monitor_checkins", "id").len(), 3 * monitors.len());
    for (id, slug) in monitors {
        let own = run.records("monitor_checkins");
        let own: Vec<_> = own.iter().filter(|row| row["id"].as_str().is_some_and(|key| key.starts_with(id))).collect();
        assert!(own.len() == 3 && own.iter().all(|row| row["monitor_slug"] == slug), "{id}");
    }
}

#[test]
fn a_server_that_takes_no_ids_is_asked_by_slug() {
    let simulator = simulator(Settings::sentry23());
    let run = tap(&simulator).sync();
    let slugs: BTreeSet<&str> = slugs(&run).into_iter().map(|(_, slug)| slug).collect();
    let read: BTreeSet<String> = run
        .records("monitor_checkins")
        .iter()
        .map(|row| row["monitor_slug"].as_str().expect("a slug").to_owned())
        .collect();
    assert_eq!(read.iter().map(String::as_str).collect::<BTreeSet<_>>(), slugs);
    assert_eq!(checkins(&simulator).iter().filter(|request| request.status == 404).count(), 1);
}

#[test]
fn checkins_are_read_as_far_back_as_the_monitor_lets_them_change_and_written_once() {
    let simulator = simulator(Settings::self_hosted());
    let first = tap(&simulator).sync();
    let end: DateTime<Utc> = first.last_state()["bookmarks"]["monitor_checkins"]["start"]
        .as_str()
        .and_then(|start| start.parse().ok())
        .expect("a start");
    simulator.advance(Duration::from_mins(5));
    simulator.clear_requests();
    let second = tap(&simulator).state(first.last_state()).sync();
    let since = |request: &Request| format!("{}Z", request.param("start").expect("a start")).parse::<DateTime<Utc>>();
    let minutes: BTreeSet<i64> =
        checkins(&simulator).iter().map(|request| (end - since(request).expect("a time")).num_minutes()).collect();
    // A margin of 5 and a run of 30 minutes, or what the server goes by where the monitor says nothing.
    assert_eq!(minutes, BTreeSet::from([10 + 5 + 30, 10 + 1 + 30]));
    assert_eq!(checkins(&simulator).len(), first.records("monitors").len());
    assert_eq!(second.records("monitor_checkins").len(), 0, "they have not changed");
}

/// What was done before an interruption holds only for the same parents, from the same start.
#[test]
fn after_an_interruption_parents_that_moved_are_read() {
    let simulator = simulator(Settings::self_hosted());
    let whole = tap(&simulator).sync();
    let is_half_read = |state: &&Value| state["bookmarks"]["monitor_checkins"]["progress_markers"][0].is_object();
    let mut states =
        whole.messages.iter().filter(|message| message["type"] == "STATE").map(|message| &message["value"]);
    let state = states.rfind(is_half_read).expect("a state in the middle").clone();
    let all = whole.keys("monitor_checkins", "id").len();
    let rest = |state: &Value| tap(&simulator).state(state.clone()).sync().keys("monitor_checkins", "id").len();
    assert!(rest(&state) < all);
    let mut moved = state;
    moved["bookmarks"]["monitor_checkins"]["progress_markers"][0]["list"] = "0123456789abcdef".into();
    moved["bookmarks"]["monitor_checkins"]["rows"] = Value::Null;
    assert_eq!(rest(&moved), all);
}
