//! Optional streams, which are not selected by default. Each is read whole, page by page, below every parent.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use sentry_simulator::{Organization, Settings, Shape, Simulator};
use serde_json::{Value, json};
use tap_sentry::internals::{Added, Source, Stream, TimeFilter, streams};

use crate::support::{Run, Tap};

/// Pages have two rows, so that a list of three rows has two pages.
fn simulator() -> Simulator {
    let shape = Shape { projects: 3, issues_per_project: 2, events_per_issue: 2, releases: 3, ..Shape::default() };
    Simulator::start(Organization::generate(&shape), Settings { most_rows: 2, frozen: true, ..Settings::self_hosted() })
}

fn optional() -> impl Iterator<Item = &'static Stream> {
    streams::all().filter(|stream| !stream.selected_by_default)
}

/// A stream's ancestors, and itself.
fn line(stream: &'static Stream) -> Vec<&'static str> {
    let mut names: Vec<_> = std::iter::successors(Some(stream), |stream| streams::find(stream.parent?))
        .map(|stream| stream.tap_stream_id)
        .collect();
    names.reverse();
    names
}

/// How many rows the simulator has below one parent.
fn rows_per_parent(stream: &Stream) -> Option<usize> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/simulator/payloads");
    let text = std::fs::read_to_string(folder.join(format!("{}.json", stream.tap_stream_id))).ok()?;
    let rows: Vec<Value> = serde_json::from_str(&text).expect("an array");
    let is_object = ["dashboard_details", "ownership"].contains(&stream.tap_stream_id);
    Some(if is_object { 1 } else { rows.len() })
}

/// The keys of a stream's records. Fails on a key that comes twice.
fn keys(run: &Run, stream: &Stream) -> BTreeSet<Vec<String>> {
    let mut keys = BTreeSet::new();
    for record in run.records(stream.tap_stream_id) {
        let key: Vec<String> = stream.key_properties.iter().map(|name| record[*name].to_string()).collect();
        assert!(keys.insert(key.clone()), "{}: {key:?} came twice", stream.tap_stream_id);
    }
    keys
}

#[test]
fn every_stream_is_read_whole_below_every_parent() {
    let simulator = simulator();
    for stream in optional() {
        let line = line(stream);
        let run = Tap::new(&simulator).only(&line).sync();
        let name = stream.tap_stream_id;
        let parents = stream.parent.map_or(1, |parent| run.records(parent).len());
        let records = keys(&run, stream).len();
        assert!(records > 0, "{name}: no record");
        if let Some(rows) = rows_per_parent(stream) {
            assert_eq!(records, parents * rows, "{name}: {parents} parents with {rows} rows each");
        }
        for record in run.records(name) {
            for (field, added) in stream.added {
                // The tap wrote the field under another name too, and it may be null in both.
                let may_be_null = matches!(added, Added::Renamed(_));
                assert!(may_be_null || !record[*field].is_null(), "{name}.{field} is null");
            }
        }
        // If the stream is selected alone, it has the same rows.
        let alone = Tap::new(&simulator).only(&[name]).sync();
        assert_eq!(keys(&alone, stream), keys(&run, stream), "{name} without its parents");
    }
}

/// Some record has a value for every declared property, so no property is misspelt.
#[test]
fn every_declared_field_is_filled_by_some_record() {
    let simulator = simulator();
    let run = Tap::new(&simulator).set("all_streams", json!(true)).catalog(everything()).sync();
    let mut missing = BTreeMap::new();
    let is_inside = |stream: &Stream| matches!(stream.source, Source::EventPart(_));
    for stream in optional().filter(|stream| rows_per_parent(stream).is_some() || is_inside(stream)) {
        let schema: Value = serde_json::from_str(stream.schema).expect("JSON");
        let declared = schema["properties"].as_object().expect("properties").keys();
        let records = run.records(stream.tap_stream_id);
        let empty = |name: &&String| records.iter().all(|record| record[name.as_str()].is_null());
        let names: Vec<&String> = declared.filter(empty).collect();
        if !names.is_empty() {
            missing.insert(stream.tap_stream_id, format!("{names:?}"));
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

/// A catalog as Meltano's `*.*` makes it.
fn everything() -> Value {
    let mut catalog = crate::support::discovered();
    for entry in catalog["streams"].as_array_mut().expect("streams") {
        for item in entry["metadata"].as_array_mut().expect("metadata") {
            item["metadata"]["selected"] = json!(true);
        }
    }
    catalog
}

#[test]
fn a_catalog_that_selects_everything_asks_for_nothing_in_particular() {
    let simulator = simulator();
    let run = Tap::new(&simulator).catalog(everything()).sync();
    let written: BTreeSet<&str> = run.messages.iter().filter_map(|message| message["stream"].as_str()).collect();
    let by_default: BTreeSet<&str> =
        streams::all().filter(|stream| stream.selected_by_default).map(|stream| stream.tap_stream_id).collect();
    assert_eq!(written, by_default);
    assert!(run.stderr.contains("WARNING the catalog selects every stream; those that cost more are left out"));
    // A catalog that lacks one of the fields was made by hand.
    let mut catalog = everything();
    catalog["streams"][0]["metadata"][0]["metadata"]["selected"] = json!(false);
    let run = Tap::new(&simulator).catalog(catalog).sync();
    assert!(!run.records("repositories").is_empty());
}

#[test]
fn incremental_streams_go_on_where_they_were() {
    let simulator = simulator();
    let incremental: Vec<&'static Stream> = optional().filter(|stream| stream.replication_key().is_some()).collect();
    let names: Vec<&str> = incremental.iter().map(|stream| stream.tap_stream_id).collect();
    let first = Tap::new(&simulator).only(&names).sync();
    let second = Tap::new(&simulator).only(&names).state(first.last_state()).sync();
    for stream in incremental {
        let name = stream.tap_stream_id;
        assert!(!first.records(name).is_empty(), "{name}");
        // The current day is read again, since its numbers still grow.
        let today = format!("{}T00:00:00Z", simulator.now().date_naive());
        let is_today = |record: &&&Value| record["interval_start"] == today.as_str();
        let again = second.records(name);
        let of_today = if stream.time_filter == TimeFilter::Days { again.iter().filter(is_today).count() } else { 0 };
        assert_eq!(again.len(), of_today, "{name}");
        assert_eq!(of_today > 0, stream.time_filter == TimeFilter::Days, "{name}");
        // The simulator's clock runs, so the second run may end a second later, but never earlier.
        let start = |run: &Run| run.last_state()["bookmarks"][name]["start"].as_str().expect("a start").to_owned();
        assert!(start(&second) >= start(&first), "{name}");
    }
}

#[test]
fn a_stream_below_another_keeps_its_own_bookmark() {
    let simulator = simulator();
    let first = Tap::new(&simulator).only(&["releases", "issues"]).sync();
    let names = ["releases", "commits", "issues", "issue_tags", "issue_tag_values"];
    let second = Tap::new(&simulator).only(&names).state(first.last_state()).sync();
    for name in ["releases", "issues"] {
        assert_eq!(second.records(name).len(), 0, "{name} has been read");
    }
    let whole = Tap::new(&simulator).only(&names).sync();
    for name in ["commits", "issue_tags", "issue_tag_values"] {
        let stream = streams::find(name).expect("a stream");
        assert_eq!(keys(&second, stream), keys(&whole, stream), "{name}");
    }
}
