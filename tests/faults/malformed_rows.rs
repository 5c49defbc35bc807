//! Malformed rows: not objects, without keys, huge, deeply nested, or with text and numbers that few programs can read.

use std::collections::BTreeSet;

use sentry_simulator::{FaultKind, NthHit};
use serde_json::json;

use super::matrix::Outcome::Gap;
use super::matrix::{at_every_place, expected, keys, run_cases, side_by_side, simulator, strike, tap};
use super::places::{Place, places};
use crate::support::Run;

/// Puts a field at the front of the first object in the first answer of every place. The tap keeps unknown fields.
fn run_with(field: &[u8]) -> (Run, super::matrix::Keys) {
    let simulator = simulator();
    let kind = FaultKind::Replace { from: b"{".to_vec(), to: [b"{", field, b","].concat() };
    for place in places(&simulator) {
        strike(&simulator, &place, NthHit::first(1), &kind);
    }
    let run = tap(&simulator).set("unknown_fields", json!("keep")).run();
    assert_eq!(run.code, 0, "{}", run.stderr);
    (run, expected(&simulator.truth()))
}

#[test]
fn rows_that_are_no_objects_are_gaps() {
    let kind = FaultKind::replace("[", r#"[null,7,"text",[1],"#);
    run_cases(&at_every_place("not an object", NthHit::every(), &kind, |place| place.list.then_some(Gap)));
}

#[test]
fn rows_without_their_key_are_gaps() {
    let without = |key: &str, wanted: fn(&Place) -> bool| {
        let kind = FaultKind::replace(&format!("\"{key}\":"), &format!("\"x{key}\":"));
        at_every_place("no key", NthHit::every(), &kind, move |place| wanted(place).then_some(Gap))
    };
    let mut cases = without("id", |place| place.is_root() && place.name != "releases");
    cases.extend(without("version", |place| place.name == "releases"));
    cases.extend(without("eventID", |place| place.streams == ["events"]));
    run_cases(&cases);
}

#[test]
fn of_names_given_twice_the_last_one_counts() {
    let (run, expected) = run_with(br#""id":"no","eventID":"no","version":"no","slug":"no""#);
    assert_eq!(keys(&run), expected);
    run.check_protocol();
}

#[test]
fn deep_nesting_passes_through() {
    let deep = "[".repeat(100_000) + &"]".repeat(100_000);
    let (mut run, expected) = run_with(format!("\"deep\":{deep}").as_bytes());
    assert!(run.stdout.matches(&deep).count() >= 5);
    // Few parsers can read lines that hold it.
    let lines = run.stdout.replace(&deep, "0");
    run.messages = lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(keys(&run), expected);
}

#[test]
fn a_very_big_row_passes_through() {
    let megabytes = std::env::var("BIG_ROW_MB").ok().and_then(|text| text.parse().ok()).unwrap_or(20);
    let simulator = simulator();
    let kind = FaultKind::replace("{", &format!("{{\"big\":\"{}\",", "x".repeat(megabytes << 20)));
    let events = places(&simulator).into_iter().find(|place| place.name == "issue events").expect("a place");
    strike(&simulator, &events, NthHit::first(1), &kind);
    let run = tap(&simulator).only(&["issues", "events"]).set("unknown_fields", json!("keep")).sync();
    let big = run.records("events").iter().filter_map(|event| event["big"].as_str()).map(str::len).collect::<Vec<_>>();
    assert_eq!(big, [megabytes << 20]);
    assert_eq!(keys(&run)["events"], expected(&simulator.truth())["events"]);
}

/// What is put into rows, what must come out, what must not come out, and what the log says.
type Text = (&'static [u8], &'static str, &'static str, &'static str);

const TEXTS: [Text; 4] = [
    (b"\"malformed\":\"a\xffb\"", "a\u{fffd}b", "\u{0}", "not UTF-8"),
    (br#""malformed":"a\u0000b""#, r"a\ufffdb", r"\u0000", "replaced by U+FFFD"),
    (br#""malformed":"a\ud800b""#, r"a\ufffdb", r"\ud800", "replaced by U+FFFD"),
    (br#""malformed":184467440737095516160001"#, "184467440737095516160001", r"\ufffd", ""),
];

#[test]
fn malformed_text_and_numbers_arrive_in_a_form_that_targets_can_take() {
    side_by_side(
        &TEXTS,
        |text| text.1.to_owned(),
        |(field, comes, never, said)| {
            let (run, expected) = run_with(field);
            assert_eq!(keys(&run), expected);
            assert!(run.stdout.contains(comes) && !run.stdout.contains(never));
            assert!(run.stderr.contains(said), "{}", run.stderr);
            let streams: BTreeSet<_> = run
                .messages
                .iter()
                .filter(|line| !line["record"]["malformed"].is_null())
                .collect::<Vec<_>>()
                .iter()
                .map(|line| line["stream"].to_string())
                .collect();
            assert!(streams.len() >= 6, "{streams:?}");
        },
    );
}
