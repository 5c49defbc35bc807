//! Embedded children: tags, exceptions, frames and breadcrumbs are rows that the tap takes out of the body of an event.

use std::collections::{BTreeMap, BTreeSet};

use sentry_simulator::{Fault, FaultKind, NthHit, Organization, Settings, Shape, Simulator};
use serde_json::{Value, json};

use crate::support::{Run, Tap};

const EMBEDDED: [&str; 4] = ["event_tags", "event_exceptions", "event_frames", "event_breadcrumbs"];
const FROM_WHOLE_BODIES: [&str; 3] = ["event_exceptions", "event_frames", "event_breadcrumbs"];

fn simulator(settings: Settings) -> Simulator {
    let shape = Shape { projects: 2, issues_per_project: 12, events_per_issue: 9, ..Shape::default() };
    Simulator::start(Organization::generate(&shape), settings)
}

fn with<'a>(more: &[&'a str], names: &[&'a str]) -> Vec<&'a str> {
    [more, names].concat()
}

/// Everything that a stream wrote, by key. Times are cut to seconds, since only one kind of event list has fractions.
fn rows(run: &Run, stream: &str) -> BTreeMap<String, Value> {
    let key = |record: &Value| {
        let names = ["event_id", "exception_position", "position"].map(|name| record[name].as_str().unwrap_or("-"));
        let name = if stream == "event_tags" { record["key"].as_str().expect("a key") } else { "" };
        format!("{} {name}", names.join(" "))
    };
    let mut rows = BTreeMap::new();
    for record in run.records(stream) {
        let mut row = record.clone();
        row["event_date"] = json!(second(&record["event_date"]));
        assert!(rows.insert(key(record), row).is_none(), "{stream} {} came twice", key(record));
    }
    rows
}

fn second(time: &Value) -> &str {
    &time.as_str().expect("a time")[..19]
}

fn all_embedded(run: &Run) -> Vec<BTreeMap<String, Value>> {
    EMBEDDED.iter().map(|stream| rows(run, stream)).collect()
}

fn entry<'a>(event: &'a Value, of_type: &str) -> impl Iterator<Item = (usize, &'a Value)> {
    let entries = event["entries"].as_array().expect("entries");
    let found = entries.iter().find(|entry| entry["type"] == of_type);
    let values = found.and_then(|entry| entry["data"]["values"].as_array());
    values.into_iter().flatten().enumerate().filter(|(_, value)| !value.is_null())
}

/// The keys of all embedded children, found by hand in the bodies of the events.
fn expected(events: &[&Value]) -> [BTreeSet<String>; 4] {
    let mut found: [BTreeSet<String>; 4] = Default::default();
    for event in events {
        let id = event["eventID"].as_str().expect("an id");
        for tag in event["tags"].as_array().expect("tags") {
            found[0].insert(format!("{id} - - {}", tag["key"].as_str().expect("a key")));
        }
        for (at, exception) in entry(event, "exception") {
            found[1].insert(format!("{id} - {at} "));
            for frame in 0..exception["stacktrace"]["frames"].as_array().map_or(0, Vec::len) {
                found[2].insert(format!("{id} {at} {frame} "));
            }
        }
        found[3].extend(entry(event, "breadcrumbs").map(|(at, _)| format!("{id} - {at} ")));
    }
    found
}

#[test]
fn everything_inside_an_event_is_a_row_and_costs_no_request() {
    for settings in [Settings::self_hosted(), Settings::saas()] {
        let simulator = simulator(settings);
        let tap = |names: &[&str]| {
            Tap::new(&simulator).only(names).set("fetch_event_details", json!(true)).set("rate_limit", json!(40))
        };
        tap(&["events"]).sync();
        let without = simulator.requests().len();
        simulator.clear_requests();
        let run = tap(&with(&["events"], &EMBEDDED)).sync();
        assert_eq!(simulator.requests().len(), without);
        let events = run.records("events");
        assert_eq!(events.len(), simulator.truth().event_ids().len());
        let bodies: BTreeMap<&str, &Value> =
            events.iter().map(|event| (event["eventID"].as_str().expect("an id"), *event)).collect();
        for ((stream, rows), expected) in EMBEDDED.iter().zip(all_embedded(&run)).zip(expected(&events)) {
            assert!(rows.len() > 100, "{stream}: {}", rows.len());
            assert_eq!(rows.keys().cloned().collect::<BTreeSet<_>>(), expected, "{stream}");
            for row in rows.values() {
                let event = bodies[row["event_id"].as_str().expect("an id")];
                assert_eq!(row["event_date"], second(&event["dateCreated"]), "{stream}");
                for name in ["project_id", "issue_id"] {
                    assert_eq!(row[name], event[name], "{stream}.{name}");
                }
            }
        }
        for row in rows(&run, "event_breadcrumbs").values() {
            let event = bodies[row["event_id"].as_str().expect("an id")];
            let at: usize = row["position"].as_str().and_then(|text| text.parse().ok()).expect("a number");
            let (_, crumb) = entry(event, "breadcrumbs").find(|(place, _)| *place == at).expect("the breadcrumb");
            assert_eq!((&row["linked_event_id"], &row["message"]), (&crumb["event_id"], &crumb["message"]));
        }
    }
}

/// The tap asks for whole bodies, but the records of `events` stay as small as before.
#[test]
fn records_of_events_stay_as_configured() {
    let simulator = simulator(Settings::self_hosted());
    let plain = Tap::new(&simulator).only(&["events"]).sync();
    let asked = simulator.requests().len();
    simulator.clear_requests();
    let run = Tap::new(&simulator).only(&with(&["events"], &FROM_WHOLE_BODIES)).sync();
    assert_eq!(simulator.requests().len(), asked, "the same requests");
    let lists: Vec<_> = simulator.requests().into_iter().filter(|request| request.path.ends_with("/events/")).collect();
    assert!(!lists.is_empty() && lists.iter().all(|request| request.param("full") == Some("true")));
    // In the short form the message may be empty.
    let by_id = |run: &Run| -> BTreeMap<String, Value> {
        let without_message = |event: &&Value| {
            let mut event = (*event).clone();
            event.as_object_mut().expect("an object").remove("message").expect("a message");
            (event["eventID"].to_string(), event)
        };
        run.records("events").iter().map(without_message).collect()
    };
    assert_eq!(by_id(&run), by_id(&plain));
    let whole = Tap::new(&simulator).only(&EMBEDDED).set("fetch_event_details", json!(true)).sync();
    for stream in FROM_WHOLE_BODIES {
        assert!(rows(&run, stream) == rows(&whole, stream), "{stream}");
    }
    // Short rows have tags too, so the tap does not ask for whole bodies.
    simulator.clear_requests();
    let tags = Tap::new(&simulator).only(&["event_tags"]).sync();
    assert!(rows(&tags, "event_tags") == rows(&whole, "event_tags"));
    assert!(simulator.requests().iter().all(|request| request.param("full").is_none()));
}

#[test]
fn a_server_without_whole_bodies_in_lists_is_asked_for_each_event() {
    let simulator = simulator(Settings { honours_full: false, ..Settings::self_hosted() });
    let run = Tap::new(&simulator).only(&with(&["events"], &FROM_WHOLE_BODIES)).sync();
    let events = simulator.truth().event_ids();
    let details = simulator
        .requests()
        .iter()
        .filter(|request| request.path.contains("/events/") && !request.path.ends_with("/events/"))
        .count();
    assert_eq!(details, events.len());
    assert_eq!(run.keys("events", "eventID"), events);
    assert!(run.records("events").iter().all(|event| event.get("entries").is_none()));
    let with_exceptions: BTreeSet<&str> =
        run.records("event_exceptions").iter().map(|row| row["event_id"].as_str().expect("an id")).collect();
    assert_eq!(with_exceptions.len(), events.len());
}

/// Sentry 9 ignores `start` and `end` in project lists, and always sends whole bodies.
#[test]
fn an_old_server_has_them_too() {
    let simulator = simulator(Settings::sentry9());
    let run = Tap::new(&simulator).only(&with(&["events"], &EMBEDDED)).set("fetch_event_details", json!(true)).sync();
    let events = run.records("events");
    assert!(events.len() > 100, "{}", events.len());
    for (rows, expected) in all_embedded(&run).iter().zip(expected(&events)) {
        assert!(rows.keys().cloned().collect::<BTreeSet<_>>() == expected);
    }
    let alone = Tap::new(&simulator).only(&EMBEDDED).sync();
    assert!(all_embedded(&alone) == all_embedded(&run));
}

#[test]
fn only_events_that_are_kept_are_taken_apart() {
    let shape = Shape { projects: 1, issue_sizes: vec![vec![400, 60, 3]], ..Shape::default() };
    let simulator = Simulator::start(Organization::generate(&shape), Settings::self_hosted());
    for (option, value) in [("sample_fraction", json!(0.1)), ("max_events_per_project", json!(50))] {
        let run = Tap::new(&simulator).only(&with(&["events"], &EMBEDDED)).set(option, value.clone()).sync();
        let kept = run.keys("events", "eventID");
        assert!(kept.len() < 100, "{option}: {}", kept.len());
        let apart: BTreeSet<String> = run
            .records("event_exceptions")
            .iter()
            .map(|row| row["event_id"].as_str().expect("an id").to_owned())
            .collect();
        assert_eq!(apart, kept, "{option}");
        let alone = Tap::new(&simulator).only(&EMBEDDED).set(option, value).sync();
        assert!(all_embedded(&alone) == all_embedded(&run), "{option}");
    }
}

/// A stream that is selected later begins at the start date. The others do not write anything again.
#[test]
fn each_stream_goes_by_its_own_bookmark() {
    let simulator = simulator(Settings::self_hosted());
    let first = Tap::new(&simulator).only(&["events", "event_tags"]).sync();
    let names = with(&["events"], &EMBEDDED);
    let second = Tap::new(&simulator).only(&names).state(first.last_state()).sync();
    let whole = Tap::new(&simulator).only(&names).sync();
    assert_eq!((second.records("events").len(), second.records("event_tags").len()), (0, 0));
    for stream in FROM_WHOLE_BODIES {
        assert!(rows(&second, stream) == rows(&whole, stream), "{stream}");
    }
    let third = Tap::new(&simulator).only(&names).state(second.last_state()).sync();
    assert!(names.iter().all(|name| third.records(name).is_empty()));
}

/// All states of a run.
fn states(run: &Run) -> Vec<Value> {
    run.messages.iter().filter(|message| message["type"] == "STATE").map(|message| message["value"].clone()).collect()
}

/// A run may be cut anywhere. What it wrote before and what the next run writes are everything together. That also
/// holds if the next run reads more streams than the interrupted one.
#[test]
fn nothing_is_lost_when_a_run_is_cut_and_more_is_selected() {
    let simulator = simulator(Settings { most_rows: 4, full_cap: 4, ..Settings::self_hosted() });
    let names = with(&["events"], &EMBEDDED);
    let whole = Tap::new(&simulator).only(&names).sync();
    for selected in [vec!["events"], names.clone()] {
        let first = Tap::new(&simulator).only(&selected).sync();
        let states = states(&first);
        assert!(states.len() > 20, "{} states", states.len());
        for nth in [1, 2, states.len() / 3, states.len() / 2, states.len() - 3] {
            let state = &states[nth];
            let at = first.messages.iter().position(|message| &message["value"] == state).expect("the state");
            let before = Run { messages: first.messages[..at].to_vec(), ..Run::of(crate::support::tap()) };
            let after = Tap::new(&simulator).only(&names).state(state.clone()).sync();
            for stream in EMBEDDED {
                let mut all: BTreeMap<String, Value> = BTreeMap::new();
                for run in [&before, &after] {
                    all.extend(rows(run, stream));
                }
                assert!(all == rows(&whole, stream), "{stream} of {selected:?}, cut at state {nth}");
            }
        }
    }
}

#[test]
fn a_project_that_fails_is_a_gap_of_every_stream_that_is_read_from_it() {
    let simulator = simulator(Settings::self_hosted());
    let names = with(&["events"], &EMBEDDED);
    let whole = Tap::new(&simulator).only(&names).sync();
    // Every answer from the third one on fails, of whichever list.
    for nth in 2..60 {
        let kind = FaultKind::status(500, "{}");
        simulator.add_fault(Fault { path_contains: "/events/".into(), nth: NthHit::only(nth), kind });
    }
    let failed = Tap::new(&simulator).only(&names).set("max_retries", json!(0)).run();
    assert_eq!(failed.code, 1, "{}", failed.stderr);
    simulator.clear_faults();
    let after = Tap::new(&simulator).only(&names).state(failed.last_state()).sync();
    for stream in EMBEDDED {
        assert!(failed.stderr.contains(&format!("{stream}: project ")), "{stream}: {}", failed.stderr);
        let (mut all, again) = (rows(&failed, stream), rows(&after, stream));
        assert!(all.len() < rows(&whole, stream).len(), "{stream}");
        all.extend(again);
        assert!(all == rows(&whole, stream), "{stream}");
    }
}
