//! An interrupted run goes on with what it has, but only for what was asked for in the same way: here the user changes
//! their mind between the two runs.

use std::collections::BTreeSet;

use sentry_simulator::{Organization, Settings, Shape, Simulator};
use serde_json::{Value, json};

use crate::support::{Run, Tap};

/// How many STATE lines of the first run it is cut at.
const CUTS: usize = 8;

fn simulator(limits: bool) -> Simulator {
    let shape = Shape { projects: 3, issues_per_project: 60, events_per_issue: 4, ..Shape::default() };
    let settings = if limits { Settings::saas() } else { Settings::self_hosted() };
    Simulator::start(Organization::generate(&shape), Settings { frozen: true, limits: false, ..settings })
}

fn keys<'m>(messages: impl Iterator<Item = &'m Value>, stream: &str, key: &str) -> BTreeSet<String> {
    let records = messages.filter(|message| message["type"] == "RECORD" && message["stream"] == stream);
    records.map(|message| message["record"][key].as_str().expect("a key").to_owned()).collect()
}

/// Cuts a run at some of its STATE lines, and goes on from there with other options. Together they bring everything.
fn play(simulator: &Simulator, before: &dyn Fn(Tap) -> Tap, after: &dyn Fn(Tap) -> Tap) {
    let tap = || Tap::new(simulator).only(&["issues", "events"]).set("issue_refresh_hours", json!("never"));
    cut(&before(tap()).sync(), &mut |before, state| {
        let second = after(tap()).state(state.clone()).sync();
        assert_whole(simulator, before, &second, state);
    });
}

/// Shows some of the STATE lines of a run, each with what was written before it.
fn cut(run: &Run, each: &mut dyn FnMut(&[Value], &Value)) {
    let states: Vec<usize> =
        run.messages.iter().enumerate().filter(|(_, line)| line["type"] == "STATE").map(|(at, _)| at).collect();
    for nth in 0..CUTS.min(states.len()) {
        let at = states[nth * (states.len() - 1) / CUTS.min(states.len())];
        each(&run.messages[..at], &run.messages[at]["value"]);
    }
}

fn assert_whole(simulator: &Simulator, before: &[Value], second: &Run, state: &Value) {
    let all = |stream: &str, key: &str| keys(before.iter().chain(&second.messages), stream, key);
    let truth = simulator.truth();
    let is_open = |stream: &str| state["bookmarks"][stream]["start"].is_null();
    let lost: Vec<String> = truth.event_ids().difference(&all("events", "eventID")).cloned().collect();
    // A bookmark holds for what was asked for when it moved.
    assert!(lost.is_empty() || !is_open("events"), "{} events are lost after {state}", lost.len());
    let issues: BTreeSet<String> = truth.issues.keys().cloned().collect();
    assert!(all("issues", "id") == issues || !is_open("issues"), "issues are lost after {state}");
}

/// Half of the data is older than this.
fn later(simulator: &Simulator) -> Value {
    let truth = simulator.truth();
    let mut times: Vec<&str> = truth.events.values().flatten().map(|event| event.timestamp.as_str()).collect();
    times.sort_unstable();
    json!(format!("{}Z", &times[times.len() / 2][..19]))
}

#[test]
fn a_start_date_that_moves_back_brings_what_lies_between() {
    for limits in [false, true] {
        let simulator = simulator(limits);
        let start = later(&simulator);
        play(&simulator, &|tap| tap.set("start_date", start.clone()), &|tap| tap);
    }
}

#[test]
fn projects_that_come_in_are_read_from_their_beginning() {
    let simulator = simulator(false);
    let one = simulator.read(|org| org.projects[0].slug.clone());
    play(&simulator, &|tap| tap.set("projects", json!([&one])), &|tap| tap);
}

#[test]
fn details_that_are_turned_on_are_had_for_all_that_follows() {
    let simulator = simulator(true);
    play(&simulator, &|tap| tap, &|tap| {
        tap.set("fetch_event_details", json!(true)).set("fetch_issue_details", json!(true))
    });
}

#[test]
fn a_sample_is_not_taken_for_the_whole() {
    for option in [("sample_fraction", json!(0.2)), ("max_events_per_project", json!(20))] {
        let simulator = simulator(false);
        play(&simulator, &|tap| tap.set(option.0, option.1.clone()), &|tap| tap);
    }
}

/// What is taken from sampled events is a sample too, also where the events themselves are not selected.
#[test]
fn a_sample_of_what_is_embedded_in_events_is_not_taken_for_the_whole() {
    let simulator = simulator(false);
    let tap = || Tap::new(&simulator).only(&["event_tags"]);
    cut(&tap().set("max_events_per_project", json!(20)).sync(), &mut |before, state| {
        let second = tap().state(state.clone()).sync();
        let events = keys(before.iter().chain(&second.messages), "event_tags", "event_id");
        let is_open = state["bookmarks"]["event_tags"]["start"].is_null();
        assert!(events == simulator.truth().event_ids() || !is_open, "{} events after {state}", events.len());
    });
}

/// A full table is read whole in each run. One that was interrupted is first read to its end, so that runs which are killed
/// again and again come to the oldest rows.
#[test]
fn a_full_table_goes_on_where_it_was_interrupted() {
    let shape = Shape { releases: 350, projects: 1, ..Shape::default() };
    let settings = Settings { frozen: true, ..Settings::self_hosted() };
    let simulator = Simulator::start(Organization::generate(&shape), settings);
    let mut catalog = crate::support::discovered();
    for entry in catalog["streams"].as_array_mut().expect("streams") {
        entry["metadata"][0]["metadata"]["selected"] = json!(entry["tap_stream_id"] == "releases");
        entry["metadata"][0]["metadata"]["replication-method"] = json!("FULL_TABLE");
    }
    let tap = || Tap::new(&simulator).catalog(catalog.clone());
    let whole = tap().sync();
    let is_half_read = |message: &&Value| message["value"]["bookmarks"]["releases"]["progress_markers"][0].is_object();
    let interrupted = whole.messages.iter().find(is_half_read).expect("a state in the middle")["value"].clone();
    simulator.clear_requests();
    let rest = tap().state(interrupted).sync();
    assert_eq!(keys(rest.messages.iter(), "releases", "version"), whole.keys("releases", "version"));
    let ends: Vec<String> = simulator
        .requests()
        .iter()
        .filter(|request| request.path.ends_with("/acme/releases/") && request.param("cursor").is_none())
        .filter_map(|request| request.param("end").map(str::to_owned))
        .collect();
    assert!(ends.len() == 2 && ends[0] < ends[1], "what was left, and then all of it: {ends:?}");
}
