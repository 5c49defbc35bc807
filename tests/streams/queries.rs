//! Streams that the user defines as queries: their rows come from the events table.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use sentry_simulator::{Fault, FaultKind, NthHit, Organization, Settings, Shape, Simulator};
use serde_json::{Value, json};

use crate::support::{Run, Tap};

fn simulator(settings: Settings) -> Simulator {
    let shape = Shape { issue_sizes: vec![vec![200, 30], vec![60]], projects: 2, ..Shape::default() };
    Simulator::start(Organization::generate(&shape), settings)
}

fn tap(simulator: &Simulator) -> Tap {
    let query = json!({"name": "my_errors", "fields": ["title", "issue.id", "span.duration", "error.handled"]});
    Tap::new(simulator).only(&[]).set("queries", json!([query]))
}

/// The ids of all error events.
fn truth(simulator: &Simulator) -> BTreeSet<String> {
    let run = Tap::new(simulator).only(&["events"]).sync();
    let errors = run.records("events").into_iter().filter(|event| event["event.type"] == "error");
    errors.map(|event| event["eventID"].as_str().expect("an id").to_owned()).collect()
}

fn errors(run: &Run) -> BTreeSet<String> {
    let records = run.records("my_errors").into_iter();
    records
        .filter(|row| row["title"] != "User Feedback")
        .map(|row| row["id"].as_str().expect("an id").to_owned())
        .collect()
}

#[test]
fn a_query_is_read_whole_and_then_for_what_is_new() {
    let simulator = simulator(Settings::self_hosted());
    let first = tap(&simulator).sync();
    assert!(errors(&first).is_superset(&truth(&simulator)));
    assert_eq!(first.keys("my_errors", "id"), all_ids(&simulator));
    let schema = first.schema("my_errors");
    assert_eq!(schema["properties"]["issue.id"]["type"], json!(["null", "integer"]));
    assert_eq!(schema["properties"]["span.duration"]["type"], json!(["null", "number"]));
    assert_eq!(schema["properties"]["error.handled"]["type"], json!(["null", "boolean"]));
    let row = first.records("my_errors")[0];
    assert!(row["project.id"].is_u64() && row["timestamp"].as_str().is_some_and(|time| time.ends_with('Z')), "{row}");

    let issue = simulator.read(|org| org.issues[0].id);
    simulator.advance(std::time::Duration::from_secs(60));
    let at = simulator.now() - TimeDelta::seconds(5);
    let new: BTreeSet<String> = simulator.edit(|org| org.add_events(issue, 3, at)).into_iter().collect();
    simulator.clear_requests();
    let second = tap(&simulator).state(first.last_state()).sync();
    assert_eq!(second.keys("my_errors", "id"), new);
    let requests = simulator.requests().iter().filter(|request| request.path.ends_with("/events/")).count();
    assert_eq!(requests, 2, "one for the types, one for the rows");
}

/// The ids of all events. The table has every one of them.
fn all_ids(simulator: &Simulator) -> BTreeSet<String> {
    simulator.truth().event_ids()
}

#[test]
fn what_one_list_does_not_give_is_asked_for_by_time() {
    let simulator = simulator(Settings { table_rows: 100, ..Settings::self_hosted() });
    let run = tap(&simulator).sync();
    assert_eq!(run.keys("my_errors", "id"), all_ids(&simulator), "nothing is lost, nothing is there twice");
    assert!(simulator.requests().iter().any(|request| request.status == 400), "the server refuses to go deeper");
}

#[test]
fn the_tap_stops_before_the_depth_that_sentry_refuses() {
    let shape = Shape { issue_sizes: vec![vec![5200, 5200]], projects: 1, ..Shape::default() };
    let simulator = Simulator::start(Organization::generate(&shape), Settings::self_hosted());
    let run = tap(&simulator).sync();
    assert_eq!(run.records("my_errors").len(), all_ids(&simulator).len());
    assert!(simulator.requests().iter().all(|request| request.status == 200));
}

#[test]
fn a_second_with_more_rows_than_a_list_gives_is_a_gap() {
    let shape = Shape { issue_sizes: vec![vec![150, 20]], projects: 1, ties: 150, ..Shape::default() };
    let settings = Settings { table_rows: 100, ..Settings::self_hosted() };
    let simulator = Simulator::start(Organization::generate(&shape), settings);
    let run = tap(&simulator).run();
    assert_eq!(run.code, 1);
    assert!(run.stderr.contains("all in one second"), "{}", run.stderr);
    let state = run.last_state();
    assert!(state["bookmarks"]["my_errors"]["start"].is_null(), "the bookmark stays: {state}");
    let times: BTreeSet<&str> = run.records("my_errors").iter().filter_map(|row| row["timestamp"].as_str()).collect();
    assert!(times.len() > 1, "other seconds are read");
}

#[test]
fn rows_of_one_second_do_not_hide_at_the_boundaries_of_pages() {
    let shape = Shape { issue_sizes: vec![vec![450, 20]], projects: 1, ties: 450, ..Shape::default() };
    let simulator = Simulator::start(Organization::generate(&shape), Settings::self_hosted());
    let run = tap(&simulator).sync();
    assert_eq!(run.keys("my_errors", "id"), all_ids(&simulator));
}

#[test]
fn what_the_server_no_longer_has_is_not_asked_for_and_named_if_it_was_missed() {
    let simulator = simulator(Settings::self_hosted());
    tap(&simulator).sync();
    let starts: BTreeSet<String> = simulator
        .requests()
        .iter()
        .flat_map(|request| request.query.iter().filter(|(name, _)| name == "start").map(|(_, value)| value.clone()))
        .collect();
    let kept = (simulator.now() - TimeDelta::days(90)).format("%Y-%m-%dT%H").to_string();
    assert!(!starts.is_empty() && starts.iter().all(|start| *start > kept), "{starts:?}");
    let long_ago = format!("{}T00:00:00Z", (simulator.now() - TimeDelta::days(300)).date_naive());
    let old = json!({"bookmarks": {"my_errors": {"start": long_ago}}});
    let run = tap(&simulator).state(old).sync();
    assert!(run.stderr.contains(&format!("my_errors: {long_ago} to")), "{}", run.stderr);
    assert_eq!(run.keys("my_errors", "id"), all_ids(&simulator));
}

#[test]
fn an_interrupted_query_goes_on_where_it_was() {
    let simulator = simulator(Settings { frozen: true, ..Settings::self_hosted() });
    let whole = tap(&simulator).sync();
    let states: Vec<&Value> = whole.messages.iter().filter(|message| message["type"] == "STATE").collect();
    assert!(states.len() > 2, "a state after each page");
    for state in states.into_iter().map(|message| &message["value"]) {
        let at = whole.messages.iter().position(|message| message["value"] == *state).expect("there");
        let before: BTreeSet<&str> =
            whole.messages[..at].iter().filter_map(|message| message["record"]["id"].as_str()).collect();
        let rest = tap(&simulator).state(state.clone()).sync();
        let after = rest.keys("my_errors", "id");
        assert!(before.is_empty() || after.len() < all_ids(&simulator).len(), "what was written is not read again");
        let together: BTreeSet<String> = before.into_iter().map(str::to_owned).chain(after).collect();
        assert_eq!(together, all_ids(&simulator), "{state}");
    }
}

#[test]
fn discovery_with_a_config_knows_the_query_and_its_fields_can_be_deselected() {
    let simulator = simulator(Settings::self_hosted());
    let catalog = tap(&simulator).arg("--discover").run();
    assert_eq!(catalog.code, 0, "{}", catalog.stderr);
    let mut catalog: Value = serde_json::from_str(&catalog.stdout).expect("a catalog");
    let entries = catalog["streams"].as_array_mut().expect("streams");
    let query = entries.iter_mut().find(|entry| entry["tap_stream_id"] == "my_errors").expect("the query");
    assert_eq!(query["key_properties"], json!(["id", "project.id"]));
    assert_eq!(query["replication_key"], "timestamp");
    for item in query["metadata"].as_array_mut().expect("metadata") {
        if item["breadcrumb"] == json!(["properties", "title"]) {
            item["metadata"]["selected"] = json!(false);
        }
    }
    entries.retain(|entry| entry["tap_stream_id"] == "my_errors");
    simulator.clear_requests();
    let run = tap(&simulator).catalog(catalog.clone()).sync();
    assert!(run.records("my_errors").iter().all(|row| row.get("title").is_none() && row.get("issue.id").is_some()));
    let asked_for_types =
        simulator.requests().iter().any(|request| request.query.iter().any(|(name, _)| name == "statsPeriod"));
    assert!(!asked_for_types, "the catalog has them");
    catalog["streams"][0]["metadata"][0]["metadata"]["selected"] = json!(false);
    let run = tap(&simulator).catalog(catalog).run();
    assert!(run.stderr.contains("the catalog selects no stream"), "{}", run.stderr);
}

#[test]
fn discovery_says_what_is_wrong_with_queries_and_does_not_care_for_a_config_without() {
    let simulator = simulator(Settings::self_hosted());
    let wrong = Tap::new(&simulator).set("queries", json!([{"name": "a"}])).arg("--discover").run();
    assert_eq!((wrong.code, wrong.stdout.as_str()), (1, ""));
    assert!(wrong.stderr.contains("must have fields"), "{}", wrong.stderr);
    let without = Tap::new(&simulator).set("start_date", json!("yesterday")).arg("--discover").run();
    assert_eq!(without.code, 0);
    assert_eq!(serde_json::from_str::<Value>(&without.stdout).expect("a catalog"), crate::support::discovered());
}

#[test]
fn queries_are_read_from_text_and_their_mistakes_are_said_together() {
    let simulator = simulator(Settings::self_hosted());
    let issue = simulator.read(|org| org.issues[1].id);
    let text = json!([{"name": "one", "fields": ["title"], "query": format!("issue.id:{issue}")}]).to_string();
    let run = Tap::new(&simulator).only(&[]).set("queries", json!(text)).sync();
    assert_eq!(run.records("one").len(), 30);
    let wrong = json!([{"name": "a"}, {"name": "issues", "fields": ["title"]}, {"name": "b", "fields": ["count()"]}]);
    let run = Tap::new(&simulator).set("queries", wrong).run();
    assert_eq!(run.code, 1);
    for problem in ["must have fields", "the name of another stream", "no functions over several"] {
        assert!(run.stderr.contains(problem), "{}", run.stderr);
    }
}

#[test]
fn a_query_that_the_server_refuses_is_a_gap_and_the_others_are_read() {
    let simulator = simulator(Settings { has_table: false, ..Settings::self_hosted() });
    let run = tap(&simulator).only(&["teams"]).run();
    assert_eq!(run.code, 1);
    assert!(!run.records("teams").is_empty());
    assert!(run.stderr.contains("leave my_errors out of the selection"), "{}", run.stderr);
    let run = tap(&simulator).arg("--discover").run();
    assert_eq!(run.code, 1);
    assert!(run.stderr.contains("the types of the query \"my_errors\" cannot be had"), "{}", run.stderr);
}

#[test]
fn a_query_that_is_left_out_while_the_choice_changes_forgets_nothing() {
    let simulator = simulator(Settings::self_hosted());
    let slug = simulator.read(|org| org.projects[1].slug.clone());
    let of_one = tap(&simulator).set("projects", json!([slug])).sync();
    let without = Tap::new(&simulator).only(&["teams"]).state(of_one.last_state()).sync();
    let others = tap(&simulator).state(without.last_state()).sync();
    assert_eq!(together(&[&of_one, &others]), all_ids(&simulator));
}

/// The rows of several runs. Fails on a row that comes twice.
fn together(runs: &[&Run]) -> BTreeSet<String> {
    let each: Vec<_> = runs.iter().map(|run| run.keys("my_errors", "id")).collect();
    let all: BTreeSet<String> = each.iter().flatten().cloned().collect();
    assert_eq!(all.len(), each.iter().map(BTreeSet::len).sum::<usize>(), "none is read twice");
    all
}

#[test]
fn a_choice_of_projects_holds_for_queries() {
    let simulator = simulator(Settings::self_hosted());
    let (slug, id) = simulator.read(|org| (org.projects[1].slug.clone(), org.projects[1].id));
    let run = tap(&simulator).set("projects", json!([slug])).sync();
    assert!(!run.records("my_errors").is_empty());
    assert!(run.records("my_errors").iter().all(|row| row["project.id"] == json!(id)));
    let others = tap(&simulator).state(run.last_state()).sync();
    assert_eq!(together(&[&run, &others]), all_ids(&simulator), "the added project is read from the beginning");
}

/// A column whose values never have the declared type would be null in every row.
#[test]
fn a_column_that_fits_no_value_is_a_gap_and_one_that_fits_some_is_not() {
    let simulator = simulator(Settings::self_hosted());
    let catalog = tap(&simulator).arg("--discover").run();
    let mut catalog: Value = serde_json::from_str(&catalog.stdout).expect("a catalog");
    let entries = catalog["streams"].as_array_mut().expect("streams");
    entries.retain(|entry| entry["tap_stream_id"] == "my_errors");
    let right = catalog.clone();
    catalog["streams"][0]["schema"]["properties"]["title"] = json!({"type": ["null", "integer"]});
    let run = tap(&simulator).catalog(catalog).run();
    assert_eq!(run.code, 1, "{}", run.stderr);
    assert!(run.stderr.contains("no value of the column title has the type"), "{}", run.stderr);
    assert!(run.last_state()["bookmarks"]["my_errors"]["start"].is_null());
    let after = tap(&simulator).catalog(right.clone()).state(run.last_state()).sync();
    assert_eq!(after.keys("my_errors", "id"), all_ids(&simulator), "the next run brings all of it");
    // One odd value among others is counted, as in every stream.
    let title = after.records("my_errors")[0]["issue.id"].to_string();
    let odd = FaultKind::replace(&format!("\"issue.id\":{title}"), "\"issue.id\":\"odd\"");
    simulator.add_fault(Fault { path_contains: "per_page=100".into(), nth: NthHit::every(), kind: odd });
    tap(&simulator).catalog(right).sync();
}
