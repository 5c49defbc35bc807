//! Lists of the organization that are cut to projects: a bookmark covers the projects that it names, and those that come in
//! later are read from the start date.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::TimeDelta;
use sentry_simulator::{Fault, FaultKind, NthHit, Organization, Settings, Shape, Simulator};
use serde_json::{Value, json};

use crate::support::{Run, Tap};

fn simulator() -> Simulator {
    let shape = Shape { projects: 3, releases: 12, issue_sizes: vec![vec![120]; 3], ..Shape::default() };
    Simulator::start(Organization::generate(&shape), Settings::self_hosted())
}

/// A tap for releases, their details, and a query.
fn tap(simulator: &Simulator, previous: Option<&Run>) -> Tap {
    let tap = Tap::new(simulator)
        .only(&["releases", "release"])
        .set("queries", json!([{"name": "mine", "fields": ["title"]}]));
    match previous {
        Some(run) => tap.state(run.last_state()),
        None => tap,
    }
}

const KEYS: [(&str, &str); 3] = [("releases", "version"), ("release", "version"), ("mine", "id")];

/// What runs have written together. Fails on a record that comes twice.
fn together(runs: &[&Run]) -> Vec<BTreeSet<String>> {
    let of = |(stream, key): (&str, &str)| {
        let mut all = BTreeSet::new();
        for key in runs.iter().flat_map(|run| run.keys(stream, key)) {
            assert!(all.insert(key.clone()), "{stream} {key} came twice");
        }
        all
    };
    KEYS.map(of).to_vec()
}

/// What a run without a state writes.
fn whole(simulator: &Simulator) -> Vec<BTreeSet<String>> {
    together(&[&tap(simulator, None).sync()])
}

/// Runs a tap from which one project is hidden. That is a gap, for which no bookmark has to stay.
fn without_one(tap: &Tap) -> Run {
    let run = tap.run();
    assert!(run.code == 1 && run.stderr.contains("hidden projects: 1"), "{}", run.stderr);
    run.check_protocol();
    run
}

#[test]
fn a_project_that_the_token_sees_later_is_read_from_the_start() {
    let simulator = simulator();
    let slug = simulator.read(|org| org.projects[1].slug.clone());
    simulator.deny_project(&slug);
    let first = without_one(&tap(&simulator, None));
    let hidden = without_one(&tap(&simulator, Some(&first)));
    assert!(together(&[&hidden]).iter().all(BTreeSet::is_empty));
    simulator.allow_projects();
    simulator.advance(Duration::from_mins(5));
    let second = tap(&simulator, Some(&hidden)).sync();
    let whole = whole(&simulator);
    assert_eq!(together(&[&first, &second]), whole);
    assert!(together(&[&first])[0].len() < whole[0].len(), "nothing was hidden");
    // Once it is read, no request more is made for it.
    simulator.clear_requests();
    let third = tap(&simulator, Some(&second)).sync();
    assert!(together(&[&third]).iter().all(BTreeSet::is_empty));
    let lists = simulator.requests().iter().filter(|request| request.path.ends_with("/releases/")).count();
    assert_eq!(lists, 1);
}

#[test]
fn a_project_that_is_renamed_into_a_pattern_is_read_from_the_start() {
    let simulator = simulator();
    let slugs: Vec<String> = simulator.read(|org| org.projects.iter().map(|project| project.slug.clone()).collect());
    let choose = |tap: Tap| tap.set("projects", json!([slugs[0], "new-*"]));
    let first = choose(tap(&simulator, None)).sync();
    simulator.edit(|org| org.rename_project(&slugs[2], "new-name"));
    let second = choose(tap(&simulator, Some(&first))).sync();
    let fresh = choose(tap(&simulator, None)).sync();
    assert_eq!(together(&[&first, &second]), together(&[&fresh]));
}

#[test]
fn another_choice_of_projects_reads_the_added_ones_alone() {
    let simulator = simulator();
    let slugs: Vec<String> = simulator.read(|org| org.projects.iter().map(|project| project.slug.clone()).collect());
    let first = tap(&simulator, None).set("projects", json!(slugs[..1])).sync();
    let second = tap(&simulator, Some(&first)).set("projects", json!(slugs[..2])).sync();
    let third = tap(&simulator, Some(&second)).sync();
    assert_eq!(together(&[&first, &second, &third]), whole(&simulator), "and nothing twice");
    // A project that was left out for a while comes back with all that it has.
    let without = tap(&simulator, Some(&third)).set("exclude_projects", json!([slugs[0]])).sync();
    let back = tap(&simulator, Some(&without)).sync();
    assert_eq!(together(&[&back])[2], together(&[&first])[2]);
}

#[test]
fn a_run_that_is_killed_while_it_reads_them_misses_nothing() {
    let shape = Shape { projects: 2, releases: 400, ..Shape::default() };
    let settings = Settings { frozen: true, ..Settings::self_hosted() };
    let simulator = Simulator::start(Organization::generate(&shape), settings);
    let slug = simulator.read(|org| org.projects[1].slug.clone());
    simulator.deny_project(&slug);
    let tap = || Tap::new(&simulator).only(&["releases"]);
    let first = without_one(&tap());
    simulator.allow_projects();
    simulator.advance(Duration::from_mins(5));
    let second = tap().state(first.last_state()).sync();
    let whole = simulator.truth().releases.into_keys().collect::<BTreeSet<_>>();
    let mut seen: BTreeSet<String> = first.keys("releases", "version");
    assert!(seen.len() < whole.len());
    // Every state that the target saw is one to go on from.
    for message in &second.messages {
        if message["type"] == "RECORD" {
            seen.insert(message["record"]["version"].as_str().expect("a version").to_owned());
        } else if message["type"] == "STATE" {
            let rest = tap().state(message["value"].clone()).sync();
            let all: BTreeSet<String> = seen.iter().cloned().chain(rest.keys("releases", "version")).collect();
            assert_eq!(all, whole, "after {}", message["value"]);
        }
    }
    assert!(second.messages.iter().filter(|message| message["type"] == "STATE").count() > 2);
}

#[test]
fn one_that_may_not_be_read_after_all_is_a_gap_and_holds_nothing_up() {
    let simulator = simulator();
    let tap = |run: &Run| Tap::new(&simulator).only(&["releases", "release_health"]).state(run.last_state());
    let first = Tap::new(&simulator).only(&["releases", "release_health"]).sync();
    let (at, known) = (simulator.now(), simulator.read(|org| org.projects[0].slug.clone()));
    let late = simulator.edit(|org| org.add_project("late", at));
    simulator.advance(Duration::from_mins(5));
    simulator.edit(|org| org.add_release("late", "late@1", at - TimeDelta::days(5)));
    simulator.edit(|org| org.add_release(&known, "known@1", at + TimeDelta::minutes(1)));
    let kind = FaultKind::status(403, r#"{"detail":"You do not have permission to perform this action."}"#);
    simulator.add_fault(Fault { path_contains: format!("project={late}"), nth: NthHit::every(), kind });
    let second = tap(&first).run();
    assert_eq!(second.code, 1, "{}", second.stderr);
    assert_eq!(second.keys("releases", "version"), BTreeSet::from(["known@1".to_owned()]));
    simulator.clear_faults();
    let third = tap(&second).sync();
    assert_eq!(third.keys("releases", "version"), BTreeSet::from(["late@1".to_owned()]), "the target has the other");
    let ids = &third.last_state()["bookmarks"]["release_health"]["project_ids"];
    assert!(ids.as_array().expect("ids").contains(&json!(late.to_string())), "{ids}");
}

#[test]
fn check_ins_of_monitors_of_such_a_project_are_read_from_the_start() {
    let simulator = simulator();
    let tap = || Tap::new(&simulator).only(&["monitors", "monitor_checkins"]);
    let first = tap().sync();
    let at = simulator.now();
    let late = simulator.edit(|org| org.add_project("late", at));
    // The first monitor belongs to it.
    let kind = FaultKind::replace("\"id\":\"101\"", &format!("\"id\":\"{late}\""));
    simulator.add_fault(Fault { path_contains: "/monitors/?".to_owned(), nth: NthHit::every(), kind });
    let second = tap().state(first.last_state()).sync();
    let of = |run: &Run| -> Vec<Value> {
        run.records("monitor_checkins").iter().map(|record| record["monitor_slug"].clone()).collect()
    };
    let monitor = first.records("monitors")[0]["slug"].clone();
    let expected: Vec<Value> = of(&first).into_iter().filter(|slug| *slug == monitor).collect();
    assert!(!expected.is_empty() && expected.len() < of(&first).len());
    assert_eq!(of(&second), expected);
    let third = tap().state(second.last_state()).sync();
    assert!(of(&third).is_empty());
}

#[test]
fn days_of_such_a_project_are_read_from_the_start() {
    let simulator = simulator();
    let tap = || Tap::new(&simulator).only(&["release_health"]);
    let first = tap().sync();
    let at = simulator.now();
    let late = simulator.edit(|org| org.add_project("late", at));
    simulator.clear_requests();
    tap().state(first.last_state()).sync();
    let series: Vec<Vec<String>> = simulator
        .requests()
        .iter()
        .filter(|request| request.path.ends_with("/sessions/"))
        .map(|request| request.query.iter().filter(|(name, _)| name == "project").map(|(_, id)| id.clone()).collect())
        .collect();
    assert_eq!(series, [vec![late.to_string()], vec!["-1".to_owned()]]);
}

#[test]
fn a_bookmark_that_names_no_projects_covers_all_of_them() {
    let simulator = simulator();
    let start = (simulator.now() - TimeDelta::seconds(1)).format("%Y-%m-%dT%H:%M:%SZ").to_string();
    let bookmark = json!({"start": start});
    let state = json!({"bookmarks": {"releases": bookmark, "release": bookmark, "mine": bookmark}});
    let run = tap(&simulator, None).state(state).sync();
    assert!(together(&[&run]).iter().all(BTreeSet::is_empty));
    let ids: BTreeSet<String> =
        simulator.read(|org| org.projects.iter().map(|project| project.id.to_string()).collect());
    assert_eq!(run.last_state()["bookmarks"]["releases"]["project_ids"], json!(ids));
}

/// Joins a state with a later one key by key, as Meltano does after a full refresh.
fn merge(old: &mut Value, new: &Value) {
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => {
            for (key, value) in new {
                merge(old.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (old, new) => new.clone_into(old),
    }
}

#[test]
fn states_that_are_merged_key_by_key_hide_nothing() {
    let shape = Shape { projects: 2, releases: 150, issue_sizes: vec![vec![130]; 2], ..Shape::default() };
    let settings = Settings { frozen: true, ..Settings::self_hosted() };
    let simulator = Simulator::start(Organization::generate(&shape), settings);
    let slug = simulator.read(|org| org.projects[1].slug.clone());
    simulator.deny_project(&slug);
    let first = without_one(&tap(&simulator, None));
    simulator.allow_projects();
    simulator.advance(Duration::from_mins(5));
    // A full refresh, with another query of the same name, which is stopped at any of its states.
    let changed = || tap(&simulator, None).set("queries", json!([{"name": "mine", "fields": ["title", "level"]}]));
    let fresh = changed().sync();
    let whole = together(&[&fresh]);
    let mut seen: Vec<BTreeSet<String>> = together(&[&first]);
    seen[2].clear();
    let states = fresh.messages.iter().filter(|message| message["type"] == "STATE").count();
    assert!(states > 20, "{states} states");
    let mut nth_state = 0;
    for message in &fresh.messages {
        if let Some(nth) =
            KEYS.iter().position(|(stream, _)| message["type"] == "RECORD" && message["stream"] == *stream)
        {
            seen[nth].insert(message["record"][KEYS[nth].1].as_str().expect("a key").to_owned());
        }
        nth_state += usize::from(message["type"] == "STATE");
        // About ten of them are enough.
        if message["type"] == "STATE" && nth_state % (states / 10) == 0 {
            let mut state = first.last_state();
            merge(&mut state, &message["value"]);
            let rest = changed().state(state.clone()).sync();
            let all: Vec<BTreeSet<String>> =
                seen.iter().zip(KEYS).map(|(seen, (stream, key))| seen | &rest.keys(stream, key)).collect();
            assert!(all == whole, "something is missing after {state}");
        }
    }
}

#[test]
fn a_token_that_may_not_list_projects_reads_its_lists_all_the_same() {
    let simulator = simulator();
    let tap = || Tap::new(&simulator).only(&[]).set("queries", json!([{"name": "mine", "fields": ["title"]}]));
    let whole = tap().sync();
    simulator.add_fault(Fault {
        path_contains: "/projects/?".to_owned(),
        nth: NthHit::every(),
        kind: FaultKind::status(403, r#"{"detail":"You do not have permission to perform this action."}"#),
    });
    let first = tap().sync();
    assert_eq!(first.records("mine").len(), whole.records("mine").len());
    assert!(first.stderr.contains("projects that come in later are not told from others"), "{}", first.stderr);
    assert!(first.last_state()["bookmarks"]["mine"]["project_ids"].is_null());
    assert!(tap().state(first.last_state()).sync().records("mine").is_empty());
}
