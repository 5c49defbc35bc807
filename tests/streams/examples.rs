//! Syncs in which the server answers with the example bodies of Sentry's own API document.
//!
//! The document is not part of this repository. The tests read it from the folder that `TAP_SENTRY_OPENAPI_DIR` names.

use std::collections::BTreeSet;

use sentry_simulator::{Fault, FaultKind, NthHit, Organization, Settings, Shape, Simulator};
use serde_json::{Value, json};
use tap_sentry::internals::{Rows, Source, Stream, streams};

use crate::streams::drift::places;
use crate::streams::schemas::openapi_documents;
use crate::support::{Run, Tap, discovered};

/// An organization with one of everything, so that each path is known.
fn simulator() -> Simulator {
    let shape = Shape {
        projects: 1,
        teams: 1,
        releases: 1,
        issue_sizes: vec![vec![1]],
        feedback_issues_per_project: 0,
        ..Shape::default()
    };
    Simulator::start(Organization::generate(&shape), Settings::self_hosted())
}

/// The example bodies of a GET operation.
fn examples(document: &Value) -> Vec<Value> {
    let paths = document["paths"].as_object().into_iter().flatten();
    let answers = paths.map(|(_, item)| &item["get"]["responses"]["200"]["content"]["application/json"]);
    answers
        .flat_map(|answer| {
            let named = answer["examples"].as_object().into_iter().flatten().filter_map(|(_, one)| one.get("value"));
            named.chain(answer.get("example")).cloned().collect::<Vec<_>>()
        })
        .collect()
}

/// The end of the address that a stream's requests have in this organization.
fn address(simulator: &Simulator, path: &str) -> String {
    let project = simulator.read(|org| org.projects[0].slug.clone());
    let path = path.replace("{organization}", &simulator.slug()).replace("{project}", &project);
    let end = path.rsplit_once('}').map_or(path.as_str(), |(_, end)| end);
    format!("{end}?")
}

/// The rows of a body.
fn rows(body: &Value, shape: Rows) -> Vec<Value> {
    match shape {
        Rows::Array => body.as_array().cloned().unwrap_or_default(),
        Rows::Object => vec![body.clone()],
        Rows::Under(name) => body[name].as_array().cloned().unwrap_or_default(),
        Rows::Series { .. } => Vec::new(),
    }
}

/// The discovered catalog with everything of some streams selected.
fn all_fields_of(names: &[&str]) -> Value {
    let mut catalog = discovered();
    for entry in catalog["streams"].as_array_mut().expect("streams") {
        let selected = names.contains(&entry["tap_stream_id"].as_str().expect("a name"));
        for item in entry["metadata"].as_array_mut().expect("metadata") {
            item["metadata"]["selected"] = json!(selected);
        }
    }
    catalog
}

/// A sync of one stream. The server answers its paths with this body.
fn sync(simulator: &Simulator, stream: &Stream, paths: &[&str], body: &Value) -> Run {
    simulator.clear_faults();
    for path in paths {
        simulator.add_fault(Fault {
            path_contains: address(simulator, path),
            nth: NthHit::every(),
            kind: FaultKind::Body { content_type: "application/json".to_owned(), bytes: body.to_string().into_bytes() },
        });
    }
    let tap = Tap::new(simulator).set("all_streams", json!(true)).set("start_date", json!("2000-01-01"));
    tap.catalog(all_fields_of(&[stream.tap_stream_id])).sync()
}

/// The fields of an example that the schema does not declare, as the log names them.
fn left_out(run: &Run) -> BTreeSet<String> {
    let of =
        |line: &str| line.split_once("the field \"").and_then(|(_, rest)| Some(rest.split_once('"')?.0.to_owned()));
    run.stderr.lines().filter(|line| line.contains("is not in the schema")).filter_map(of).collect()
}

/// Whether a value is the same, or was converted to the declared type without loss.
fn is_the_same(value: &Value, found: &Value) -> bool {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let time =
        |value: &Value| chrono::DateTime::parse_from_rfc3339(&format!("{}Z", text(value).trim_end_matches('Z'))).ok();
    let same_time = || {
        chrono::DateTime::parse_from_rfc3339(&text(value)).ok().or(time(value)) == time(found) && time(found).is_some()
    };
    let in_a_list = || *found == json!([value]);
    found == value || (!value.is_null() && (text(value) == text(found) || same_time() || in_a_list()))
}

/// The record has every value of the example that the schema declares.
fn check(stream: &Stream, example: &Value, records: &[&Value]) {
    let name = stream.tap_stream_id;
    let schema: Value = serde_json::from_str(stream.schema).expect("a schema");
    let added = |field: &str| stream.added.iter().any(|(added, _)| *added == field);
    let holds = |record: &Value| {
        let fields = example.as_object().expect("a row").iter();
        let mut fields = fields.filter(|(field, _)| schema["properties"].get(field).is_some() && !added(field));
        fields.all(|(field, value)| is_the_same(value, &record[field]))
    };
    assert!(records.iter().any(|record| holds(record)), "{name}: no record holds all of {example}");
}

#[test]
fn each_stream_takes_the_examples_of_sentrys_document_for_its_rows() {
    let Some(documents) = openapi_documents() else { return };
    let mut synced = BTreeSet::new();
    let mut lost = BTreeSet::new();
    for stream in streams::all() {
        let Source::Endpoint(endpoint) = &stream.source else { continue };
        let known = places(stream);
        for document in &documents {
            let path = document["paths"].as_object().and_then(|paths| paths.keys().next()).expect("a path");
            if !known.iter().any(|(known, _)| *known == crate::streams::drift::normal(path)) {
                continue;
            }
            for body in examples(document) {
                let rows = rows(&body, endpoint.rows);
                if rows.is_empty() {
                    continue;
                }
                let simulator = simulator();
                let run = sync(&simulator, stream, endpoint.paths, &body);
                let records = run.records(stream.tap_stream_id);
                let ends: Vec<String> = endpoint.paths.iter().map(|path| address(&simulator, path)).collect();
                let requests = simulator.requests();
                let asked = requests.iter().filter(|request| {
                    ends.iter().any(|end| request.faulted && format!("{}?", request.path).ends_with(end))
                });
                assert_eq!(records.len(), rows.len() * asked.count(), "{}", stream.tap_stream_id);
                assert!(!records.is_empty(), "{}", stream.tap_stream_id);
                for row in &rows {
                    check(stream, row, &records);
                }
                lost.extend(left_out(&run).into_iter().map(|field| format!("{}.{field}", stream.tap_stream_id)));
                synced.insert(stream.tap_stream_id);
            }
        }
    }
    assert!(synced.len() > 20, "{synced:?}");
    assert_eq!(lost, BTreeSet::new(), "fields that no schema declares");
}

/// Issues and events are read in sync windows. So the examples get the simulator's project, and a time in the window.
#[test]
fn issues_and_events_take_the_examples_too() {
    let Some(documents) = openapi_documents() else { return };
    let (mut issues, mut events) = (0, 0);
    for document in &documents {
        let path = document["paths"].as_object().and_then(|paths| paths.keys().next()).expect("a path");
        let path = crate::streams::drift::normal(path);
        for mut body in examples(document) {
            let simulator = simulator();
            let project = simulator.read(|org| org.projects[0].id.to_string());
            let issue = simulator.read(|org| org.issues[0].id.to_string());
            let recent = format!("{}T12:00:00Z", (simulator.now() - chrono::TimeDelta::days(2)).date_naive());
            for row in body.as_array_mut().into_iter().flatten() {
                if path == "organizations/{}/issues/" {
                    row["project"]["id"] = json!(project);
                    row["lastSeen"] = json!(recent);
                    // The record has the numbers of the issue's whole lifetime.
                    if row["lifetime"].is_object() {
                        row["lifetime"]["lastSeen"] = json!(recent);
                    }
                }
                if path.ends_with("/events/") {
                    row["groupID"] = json!(issue);
                    row["dateCreated"] = json!(recent);
                }
            }
            match path.as_str() {
                "organizations/{}/issues/" => {
                    let stream = streams::find("issues").expect("a stream");
                    let run = sync(&simulator, stream, &["organizations/{organization}/issues/"], &body);
                    for row in rows(&body, Rows::Array) {
                        check(stream, &row, &run.records("issues"));
                    }
                    assert_eq!(left_out(&run), BTreeSet::new());
                    issues += run.records("issues").len();
                }
                "organizations/{}/issues/{}/events/" | "projects/{}/{}/events/" => {
                    let stream = streams::find("events").expect("a stream");
                    let lists = [
                        "organizations/{organization}/issues/{issue}/events/",
                        "projects/{organization}/{project}/events/",
                    ];
                    let run = sync(&simulator, stream, &lists, &body);
                    for row in rows(&body, Rows::Array) {
                        check(stream, &row, &run.records("events"));
                    }
                    assert_eq!(left_out(&run), BTreeSet::new());
                    events += run.records("events").len();
                }
                _ => {}
            }
        }
    }
    assert!(issues > 0 && events > 1, "{issues} issues, {events} events");
}

/// The checks above can fail. They notice a field that no schema declares, and a value that differs.
#[test]
fn what_is_left_out_or_changed_is_noticed() {
    let simulator = simulator();
    let body = json!([{"id": "7", "slug": "core", "name": "Core", "brandNew": [1]}]);
    let stream = streams::find("teams").expect("a stream");
    let run = sync(&simulator, stream, &["organizations/{organization}/teams/"], &body);
    assert_eq!(left_out(&run), BTreeSet::from(["brandNew".to_owned()]));
    check(stream, &body[0], &run.records("teams"));
    for (value, found, same) in [
        (json!(1), json!("1"), true),
        (json!("2026-01-01T00:00:00"), json!("2026-01-01T00:00:00Z"), true),
        (json!("2026-01-01T02:00:00+02:00"), json!("2026-01-01T00:00:00Z"), true),
        (json!({"a": 1}), json!([{"a": 1}]), true),
        (json!("a"), json!("b"), false),
        (json!([1]), json!([]), false),
        (json!(null), json!("null"), false),
        (json!("2026-01-01T00:00:00Z"), json!("2026-01-01T00:00:01Z"), false),
    ] {
        assert_eq!(is_the_same(&value, &found), same, "{value} {found}");
    }
}
