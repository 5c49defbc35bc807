//! Series: streams of values by group and day, read in slices of days that fit into one answer.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use chrono::{NaiveTime, TimeDelta};
use sentry_simulator::{Fault, FaultKind, NthHit, Organization, Settings, Shape, Simulator, payload_at};
use serde_json::{Value, json};

use crate::support::{Run, Tap};

fn simulator(settings: Settings) -> Simulator {
    let shape = Shape { projects: 2, issues_per_project: 12, events_per_issue: 9, ..Shape::default() };
    Simulator::start(Organization::generate(&shape), settings)
}

/// A row as text, with keys as records have them and fields sorted by name.
fn plain(row: &Value) -> String {
    let mut fields = BTreeMap::new();
    for (name, value) in row.as_object().expect("an object") {
        let is_key = ["project", "release", "environment", "reason"].contains(&name.as_str());
        let value = match value {
            Value::Null if is_key => json!(""),
            Value::Number(number) if is_key => json!(number.to_string()),
            other => other.clone(),
        };
        fields.insert(name, value);
    }
    format!("{fields:?}")
}

/// The rows that the simulator has, with `more` additional groups on each day.
fn counted(stream: &str, more: usize) -> BTreeSet<String> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/simulator/payloads/{stream}.json"));
    let text = payload_at(Settings::default().now, &std::fs::read_to_string(path).expect("rows"));
    let rows: Vec<Value> = serde_json::from_str(&text).expect("JSON");
    let mut all: BTreeSet<String> = rows.iter().map(plain).collect();
    let days: BTreeMap<String, &Value> =
        rows.iter().rev().map(|row| (row["interval_start"].to_string(), row)).collect();
    for first in days.values() {
        for number in 0..more {
            let mut row = (*first).clone();
            row[if stream == "usage" { "reason" } else { "environment" }] = json!(format!("more-{number}"));
            all.insert(plain(&row));
        }
    }
    all
}

fn written(run: &Run, stream: &str) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for record in run.records(stream) {
        assert!(all.insert(plain(record)), "{record} came twice");
    }
    all
}

/// The beginning of a day before the simulator's clock starts, as rows and bookmarks have it.
fn day_before(days: i64) -> String {
    let day = Settings::default().now.date_naive() - TimeDelta::days(days);
    day.and_time(NaiveTime::MIN).and_utc().to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

/// The rows without those of the current day, whose numbers grow.
fn past(rows: &BTreeSet<String>) -> BTreeSet<&String> {
    rows.iter().filter(|row| !row.contains(&day_before(0))).collect()
}

#[test]
fn series_that_do_not_fit_into_one_answer_are_cut_until_they_do() {
    for stream in ["release_health", "usage"] {
        // Three cases: everything fits; the server would silently leave groups out; the server refuses so many days.
        for (more_series, most_days, requests) in [(0, 366, 1..=1), (250, 366, 5..=12), (0, 20, 8..=16)] {
            let simulator = simulator(Settings { more_series, most_days, ..Settings::self_hosted() });
            let run = Tap::new(&simulator).only(&[stream]).sync();
            let asked = simulator.requests().iter().filter(|request| request.param("interval").is_some()).count();
            let (written, counted) = (written(&run, stream), counted(stream, more_series));
            assert_eq!(past(&written), past(&counted), "{stream} with {more_series} more, {most_days} days");
            assert_eq!(written.len(), counted.len());
            assert!(requests.contains(&asked), "{stream} with {more_series} more, {most_days} days: {asked} requests");
        }
    }
}

#[test]
fn a_day_that_does_not_fit_is_a_gap_and_the_bookmark_stays_before_it() {
    let simulator = simulator(Settings { more_series: 6000, ..Settings::self_hosted() });
    let run = Tap::new(&simulator).only(&["release_health"]).run();
    assert_eq!(run.code, 1, "{}", run.stderr);
    assert!(run.stderr.contains("more groups than the server gives in one answer"), "{}", run.stderr);
    assert_eq!(run.last_state()["bookmarks"]["release_health"]["start"], day_before(73));
    // Once the day fits, nothing is missing.
    simulator.settings(|settings| settings.more_series = 3);
    let after = Tap::new(&simulator).only(&["release_health"]).state(run.last_state()).sync();
    assert_eq!(past(&written(&after, "release_health")), past(&counted("release_health", 3)));
}

#[test]
fn the_day_that_is_running_is_read_again() {
    let simulator = simulator(Settings::self_hosted());
    let first = Tap::new(&simulator).only(&["usage"]).sync();
    simulator.advance(Duration::from_secs(2 * 3600));
    let second = Tap::new(&simulator).only(&["usage"]).state(first.last_state()).sync();
    let today = |run: &Run| -> Vec<i64> {
        let of_today = |record: &&&Value| record["interval_start"] == day_before(0);
        run.records("usage")
            .iter()
            .filter(of_today)
            .map(|record| record["sum(quantity)"].as_i64().expect("a number"))
            .collect()
    };
    assert_eq!((today(&first), today(&second)), (vec![2512], vec![2514]));
    // Values come late, so the two days before are read again too, and older ones are not.
    let first_day = || {
        let requests = simulator.requests();
        let start = requests.iter().rev().find_map(|request| request.param("start")).expect("a request for days");
        start[..10].to_owned()
    };
    assert_eq!(first_day(), day_before(2)[..10]);
    // The day is over. Its server may not be further ahead: a clock that is a day off is not believed.
    simulator.advance(Duration::from_secs(10 * 3600 + 60));
    let third = Tap::new(&simulator).only(&["usage"]).state(second.last_state()).sync();
    assert_eq!((today(&third), first_day()), (vec![2500], day_before(2)[..10].to_owned()));
    Tap::new(&simulator).only(&["usage"]).state(third.last_state()).sync();
    assert_eq!(first_day(), day_before(1)[..10]);
}

fn silence(simulator: &Simulator, path: &str, nth: NthHit) {
    let bytes = br#"{"start": "", "end": "", "intervals": [], "groups": []}"#.to_vec();
    let kind = FaultKind::Body { content_type: "application/json".to_owned(), bytes };
    simulator.add_fault(Fault { path_contains: path.to_owned(), nth, kind });
}

/// An answer that names no days says nothing of them, not even that they have no rows.
#[test]
fn days_that_an_answer_does_not_name_are_asked_for_again_one_by_one() {
    for stream in ["release_health", "usage"] {
        let simulator = simulator(Settings::self_hosted());
        let tap = || Tap::new(&simulator).only(&[stream]).set("start_date", json!(day_before(12)));
        let whole = written(&tap().sync(), stream);
        simulator.clear_requests();
        silence(&simulator, "interval=1d", NthHit::only(1));
        let run = tap().sync();
        assert_eq!(past(&written(&run, stream)), past(&whole), "{stream}");
        let asked = simulator.requests().iter().filter(|request| request.param("interval").is_some()).count();
        assert_eq!(asked, 1 + 13, "{stream}: each day of the window once");
    }
}

#[test]
fn a_day_that_stays_silent_is_a_gap_and_the_bookmark_stays_before_it() {
    let simulator = simulator(Settings::self_hosted());
    let tap = || Tap::new(&simulator).only(&["usage"]).set("start_date", json!(day_before(12)));
    let whole = written(&tap().sync(), "usage");
    silence(&simulator, "interval=1d", NthHit::only(1));
    silence(&simulator, &format!("start={}", &day_before(7)[..11]), NthHit::every());
    let run = tap().run();
    assert_eq!(run.code, 1, "{}", run.stderr);
    let said = format!("says nothing of {} to {}", day_before(7), day_before(6));
    assert!(run.stderr.contains(&said), "{}", run.stderr);
    assert_eq!(run.last_state()["bookmarks"]["usage"]["start"], day_before(7));
    simulator.clear_faults();
    let after = written(&tap().state(run.last_state()).sync(), "usage");
    let mut all = written(&run, "usage");
    all.extend(after);
    assert_eq!(past(&all), past(&whole));
}
