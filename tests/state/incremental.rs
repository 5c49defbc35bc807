//! The second run and later ones read only what is new, and miss nothing of it.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::{TimeDelta, Timelike};
use sentry_simulator::{Fault, FaultKind, NthHit, Organization, Settings, Shape, Simulator};
use serde_json::json;

use crate::support::{Run, Tap};

fn simulator() -> Simulator {
    let shape = Shape { projects: 3, issues_per_project: 8, events_per_issue: 6, ..Shape::default() };
    Simulator::start(Organization::generate(&shape), Settings::self_hosted())
}

fn next(simulator: &Simulator, previous: &Run) -> Tap {
    Tap::new(simulator).state(previous.last_state())
}

#[test]
fn new_events_bring_their_issue_and_nothing_else() {
    let simulator = simulator();
    let first = Tap::new(&simulator).sync();
    simulator.advance(Duration::from_secs(300));
    let issue: u64 = first.records("issues")[3]["id"].as_str().expect("an id").parse().expect("a number");
    let at = simulator.now() - TimeDelta::seconds(30);
    let new: BTreeSet<String> = simulator.edit(|org| org.add_events(issue, 4, at)).into_iter().collect();
    simulator.advance(Duration::from_secs(60));
    let second = next(&simulator, &first).sync();
    assert_eq!(second.keys("events", "eventID"), new);
    assert_eq!(second.keys("issues", "id"), BTreeSet::from([issue.to_string()]));
    assert_eq!(second.records("issues")[0]["count"], json!("10"), "of its whole life, not of the window");
    assert_eq!(second.records("projects").len(), 3, "full tables are read again");
}

#[test]
fn late_events_inside_the_look_back_are_found() {
    let simulator = simulator();
    let first = Tap::new(&simulator).sync();
    simulator.advance(Duration::from_secs(300));
    let issue: u64 = first.records("issues")[0]["id"].as_str().expect("an id").parse().expect("a number");
    let at = simulator.now() - TimeDelta::seconds(500); // before the first run's end
    let new: BTreeSet<String> = simulator.edit(|org| org.add_events(issue, 2, at)).into_iter().collect();
    let second = next(&simulator, &first).set("lookback_window", json!(600)).sync();
    assert!(new.is_subset(&second.keys("events", "eventID")));
}

#[test]
fn a_project_never_seen_before_begins_at_the_start_date() {
    let simulator = simulator();
    let first = Tap::new(&simulator).sync();
    simulator.advance(Duration::from_hours(1));
    let at = simulator.now() - TimeDelta::days(10); // long before the bookmark
    let issue = simulator.edit(|org| {
        org.add_project("late-comer", at);
        org.add_issue("late-comer", 5, at)
    });
    let second = next(&simulator, &first).sync();
    assert_eq!(second.records("events").len(), 5);
    assert_eq!(second.keys("issues", "id"), BTreeSet::from([issue.to_string()]));
}

#[test]
fn changes_without_events_come_with_the_periodic_refresh() {
    let simulator = simulator();
    let tap = |run: &Run| next(&simulator, run).only(&["issues"]).set("issue_refresh_hours", json!(6));
    let first = Tap::new(&simulator).only(&["issues"]).sync();
    let issue: u64 = first.records("issues")[5]["id"].as_str().expect("an id").parse().expect("a number");
    simulator.edit(|org| org.resolve_issue(issue));
    simulator.advance(Duration::from_hours(2));
    let second = tap(&first).sync();
    assert_eq!(second.records("issues").len(), 0, "the refresh is not due yet");
    simulator.advance(Duration::from_hours(5));
    let third = tap(&second).sync();
    let refreshed = third.records("issues");
    let resolved = refreshed.iter().find(|record| record["id"] == json!(issue.to_string())).expect("the issue");
    assert_eq!(resolved["status"], "resolved");
    let never = tap(&first).set("issue_refresh_hours", json!("never")).sync();
    assert_eq!(never.records("issues").len(), 0);
}

#[test]
fn a_new_release_comes_alone() {
    let simulator = simulator();
    let first = Tap::new(&simulator).sync();
    simulator.advance(Duration::from_mins(5));
    let project = first.records("projects")[0]["slug"].as_str().expect("a slug").to_owned();
    let at = simulator.now();
    simulator.edit(|org| org.add_release(&project, "web@9.9.9", at));
    simulator.advance(Duration::from_mins(5));
    let second = next(&simulator, &first).only(&["releases", "release"]).sync();
    assert_eq!(second.keys("releases", "version"), BTreeSet::from(["web@9.9.9".to_owned()]));
    assert_eq!(second.keys("release", "version"), BTreeSet::from(["web@9.9.9".to_owned()]));
}

#[test]
fn a_catalog_that_says_full_table_is_obeyed() {
    let simulator = simulator();
    let first = Tap::new(&simulator).only(&["events"]).sync();
    let tap = next(&simulator, &first).only(&["events"]);
    assert_eq!(tap.sync().records("events").len(), 0);
    let mut catalog = crate::support::discovered();
    for entry in catalog["streams"].as_array_mut().expect("streams") {
        entry["metadata"][0]["metadata"]["selected"] = json!(entry["tap_stream_id"] == "events");
        entry["metadata"][0]["metadata"]["replication-method"] = json!("FULL_TABLE");
    }
    let again = tap.catalog(catalog).sync();
    assert_eq!(again.records("events").len(), first.records("events").len());
}

#[test]
fn bookmarks_of_streams_that_are_not_selected_stay() {
    let simulator = simulator();
    let first = Tap::new(&simulator).sync();
    let second = next(&simulator, &first).only(&["teams"]).sync();
    let (before, after) = (first.last_state(), second.last_state());
    for stream in ["issues", "events", "releases", "release", "users"] {
        assert_eq!(before["bookmarks"][stream], after["bookmarks"][stream], "{stream}");
    }
}

#[test]
fn the_original_taps_state_is_continued() {
    let simulator = simulator();
    let bookmark = simulator.now() - TimeDelta::days(3);
    let start = json!({"start": bookmark.format("%Y-%m-%dT%H:%M:%SZ").to_string(), "4711": {"junk": true}});
    let state = json!({"bookmarks": {"issues": start, "events": start, "releases": start}});
    let run = Tap::new(&simulator).state(state).only(&["events"]).sync();
    let expected = |time: &str| time >= &bookmark.format("%Y-%m-%dT%H:%M:%SZ").to_string()[..];
    let truth = simulator.truth();
    let events = truth.events.values().flatten().filter(|event| expected(&event.timestamp));
    assert_eq!(run.keys("events", "eventID"), events.map(|event| event.id.clone()).collect());
    assert!(!run.last_state().to_string().contains("junk"));
}

#[test]
fn days_that_the_server_has_thrown_away_since_the_last_run_are_named() {
    let simulator = simulator();
    let now = simulator.now();
    let lost = now - TimeDelta::days(120);
    let time = |time: chrono::DateTime<chrono::Utc>| time.format("%Y-%m-%dT%H:%M:%SZ").to_string();
    let state = json!({"bookmarks": {"issues": {"start": time(lost)}, "events": {"start": time(lost)}}});
    for streams in [&["issues"][..], &["events"], &["issues", "events"]] {
        let run = Tap::new(&simulator).only(streams).state(state.clone()).sync();
        for stream in streams {
            let warnings = run.stderr.lines().filter(|line| {
                line.starts_with(&format!("WARNING {stream}: "))
                    && line.contains(&format!("{} to {}", time(lost), (now - TimeDelta::days(90)).date_naive()))
            });
            assert_eq!(warnings.count(), 1, "{stream}: {}", run.stderr);
        }
    }
    // A first run has no earlier end, so no days are missing.
    let first = Tap::new(&simulator).sync();
    assert!(!first.stderr.contains("can no longer be had"), "{}", first.stderr);
}

#[test]
fn targets_are_told_which_rows_of_full_tables_are_gone() {
    let simulator = simulator();
    let tap = |previous: Option<&Run>| {
        let tap = Tap::new(&simulator).set("activate_version", json!(true));
        previous.map_or_else(
            || Tap::new(&simulator).set("activate_version", json!(true)),
            |run| tap.state(run.last_state()),
        )
    };
    let versions = |run: &Run| -> std::collections::BTreeMap<String, i64> {
        let messages = run.messages.iter().filter(|message| message["type"] == "ACTIVATE_VERSION");
        messages
            .map(|message| (message["stream"].to_string(), message["version"].as_i64().expect("a number")))
            .collect()
    };
    let first = Run::of(tap(None).command());
    assert_eq!(
        versions(&first).into_keys().collect::<Vec<_>>(),
        ["\"project_detail\"", "\"projects\"", "\"teams\"", "\"users\""]
    );
    for message in first.messages.iter().filter(|message| message["type"] == "RECORD") {
        let version = versions(&first).get(&message["stream"].to_string()).copied();
        assert_eq!(message.get("version").and_then(serde_json::Value::as_i64), version, "{}", message["stream"]);
    }
    std::thread::sleep(Duration::from_secs(1));
    let second = Run::of(tap(Some(&first)).command());
    assert!(versions(&second)["\"teams\""] > versions(&first)["\"teams\""]);
    assert!(Tap::new(&simulator).sync().messages.iter().all(|message| message.get("version").is_none()));
}

#[test]
fn nothing_is_said_to_be_gone_from_a_full_table_that_an_interrupted_run_began() {
    let simulator = simulator();
    let tap = || Tap::new(&simulator).only(&["teams", "project_detail"]).set("activate_version", json!(true));
    let whole = Run::of(tap().command());
    let now = chrono::Utc::now().format("%Y-%m-%dT%H:%M:%SZ").to_string();
    let is_half_read = |message: &&serde_json::Value| {
        message["value"]["bookmarks"]["project_detail"]["progress_markers"][0].is_object()
    };
    let half_read = whole.messages.iter().find(is_half_read).expect("a state in the middle");
    let state = json!({
        "version": 2,
        "bookmarks": {"project_detail": half_read["value"]["bookmarks"]["project_detail"]},
        "progress_markers": [{"began": now}],
    });
    let rest = Run::of(tap().state(state).command());
    assert!(rest.records("project_detail").len() < whole.records("project_detail").len());
    let told = |run: &Run| -> Vec<serde_json::Value> {
        let messages = run.messages.iter().filter(|message| message["type"] == "ACTIVATE_VERSION");
        messages.map(|message| message["stream"].clone()).collect()
    };
    assert_eq!(told(&rest), ["teams"]);
    assert_eq!(told(&whole).len(), 2);
}

/// Interrupts a run after its first state with records before it. The next run continues with other streams.
fn interrupted(tap: &dyn Fn(&[&str]) -> Tap, first: &[&str], then: &[&str]) -> crate::support::Run {
    let whole = tap(first).sync();
    let is_half_read = |message: &&serde_json::Value| {
        message["value"]["bookmarks"]
            .as_object()
            .is_some_and(|all| all.values().any(|of| of["progress_markers"][0].is_object()))
    };
    let state = whole.messages.iter().find(is_half_read).expect("a state in the middle")["value"].clone();
    tap(then).state(state).sync()
}

#[test]
fn a_stream_that_joins_after_an_interruption_misses_nothing() {
    let shape = Shape { releases: 250, projects: 3, ..Shape::default() };
    let settings = Settings { frozen: true, ..Settings::self_hosted() };
    let simulator = Simulator::start(Organization::generate(&shape), settings);
    let tap = |streams: &[&str]| Tap::new(&simulator).only(streams);
    // Both streams are read from the same list, newest first.
    let run = interrupted(&tap, &["releases"], &["releases", "release"]);
    assert_eq!(run.keys("release", "version").len(), 250);
    // Both streams are read below the same parents, one parent after the other.
    let alone = tap(&["project_tags", "tag_values"]).sync();
    let run = interrupted(&tap, &["project_tags"], &["project_tags", "tag_values"]);
    assert_eq!(run.records("tag_values").len(), alone.records("tag_values").len());
}

/// The first state of a run that holds progress of this stream.
fn half_read(run: &Run, stream: &str) -> serde_json::Value {
    run.messages[middle(run, stream)]["value"].clone()
}

/// Where the first state in the middle of a stream is.
fn middle(run: &Run, stream: &str) -> usize {
    let is_half_read =
        |message: &serde_json::Value| message["value"]["bookmarks"][stream]["progress_markers"][0].is_object();
    run.messages.iter().position(is_half_read).expect("a state in the middle")
}

/// The versions that were written before that.
fn written_before(run: &Run) -> BTreeSet<String> {
    let records = run.messages[..middle(run, "releases")].iter().filter(|message| message["type"] == "RECORD");
    records.filter_map(|message| message["record"]["version"].as_str().map(str::to_owned)).collect()
}

#[test]
fn progress_of_a_list_holds_only_for_the_window_that_it_was_made_for() {
    let shape = Shape { releases: 250, projects: 3, ..Shape::default() };
    let settings = Settings { frozen: true, ..Settings::self_hosted() };
    let simulator = Simulator::start(Organization::generate(&shape), settings);
    let all: BTreeSet<String> = simulator.truth().releases.into_keys().collect();
    let tap = || Tap::new(&simulator).only(&["releases"]);
    let time_of = |row: &serde_json::Value| -> chrono::DateTime<chrono::Utc> {
        row["dateCreated"].as_str().and_then(|time| time.parse().ok()).expect("a time")
    };
    let newest = tap().sync();
    let newest = newest.records("releases");
    // Releases come up to 25 hours late. What the target has of such rows is not written again.
    let late_by = TimeDelta::hours(25);
    let since = |time: chrono::DateTime<chrono::Utc>| -> BTreeSet<String> {
        let rows = newest.iter().filter(|row| time_of(row) >= time);
        rows.map(|row| row["version"].as_str().expect("a version").to_owned()).collect()
    };
    let of_the_day = since(simulator.now() - late_by);
    assert!(of_the_day.len() < 50);
    // About half of them lie in the first window, and more than a page does.
    let middle = time_of(newest[150]);
    let late = middle.format("%Y-%m-%dT%H:%M:%SZ").to_string();
    let interrupted = half_read(&tap().set("start_date", json!(late)).sync(), "releases");
    let seen = |run: &Run| run.keys("releases", "version");
    let same = tap().set("start_date", json!(late)).state(interrupted.clone()).sync();
    assert!(seen(&same).len() < 100, "the same window goes on: {}", seen(&same).len());
    // An earlier start date.
    assert_eq!(&seen(&tap().state(interrupted).sync()) | &of_the_day, all);
    // A longer look-back.
    let bookmark = json!({"version": 2, "bookmarks": {"releases": {"start": late}}});
    let first = tap().state(bookmark.clone()).sync();
    let interrupted = half_read(&first, "releases");
    let back = (simulator.now() - middle).num_seconds() + 86_400 * 400;
    let longer = tap().set("lookback_window", json!(back)).state(interrupted.clone()).sync();
    assert_eq!(&seen(&longer) | &written_before(&first), all, "the rest, and what lies before the bookmark");
    // A full table.
    let mut catalog = crate::support::discovered();
    for entry in catalog["streams"].as_array_mut().expect("streams") {
        entry["metadata"][0]["metadata"]["selected"] = json!(entry["tap_stream_id"] == "releases");
        entry["metadata"][0]["metadata"]["replication-method"] = json!("FULL_TABLE");
    }
    let full = Tap::new(&simulator).catalog(catalog.clone()).state(interrupted).sync();
    assert_eq!(seen(&full), all);
    // And back.
    let full = Tap::new(&simulator).catalog(catalog).state(bookmark).sync();
    let rest = tap().state(half_read(&full, "releases")).sync();
    let from = middle.with_nanosecond(0).expect("a second") - late_by;
    assert_eq!(&seen(&rest) | &written_before(&full), since(from), "from the bookmark on, less what comes late");
}

#[test]
fn check_ins_are_continued_only_from_the_start_that_they_were_read_from() {
    let simulator = simulator();
    let tap = || Tap::new(&simulator).only(&["monitors", "monitor_checkins"]);
    let whole = tap().sync();
    let keys = |run: &Run| run.keys("monitor_checkins", "id");
    let mut times: Vec<String> = whole
        .records("monitor_checkins")
        .iter()
        .map(|row| row["dateAdded"].as_str().expect("a time").to_owned())
        .collect();
    times.sort();
    let late = tap().set("start_date", json!(times[times.len() / 2])).sync();
    assert!(!keys(&late).is_empty() && keys(&late).len() < keys(&whole).len());
    let interrupted = half_read(&late, "monitor_checkins");
    assert_eq!(keys(&tap().state(interrupted).sync()), keys(&whole));
}

/// The detail of one issue cannot be read. Each run asks for it once.
#[test]
fn a_detail_that_always_fails_is_asked_for_once_a_run() {
    let simulator = simulator();
    let issue = simulator.read(|org| org.issues[0].id);
    let path = format!("/issues/{issue}/");
    simulator.add_fault(Fault {
        path_contains: format!("{path}?"),
        nth: NthHit::every(),
        kind: FaultKind::status(500, r#"{"detail": "Internal Error"}"#),
    });
    let tap =
        || Tap::new(&simulator).only(&["issues"]).set("fetch_issue_details", json!(true)).set("max_retries", json!(0));
    let asked = || simulator.requests().iter().filter(|request| request.path.ends_with(&path)).count();
    let first = tap().run();
    assert_eq!((first.code, asked()), (1, 1), "{}", first.stderr);
    simulator.clear_requests();
    let second = tap().state(first.last_state()).run();
    assert_eq!((second.code, asked()), (1, 1), "{}", second.stderr);
}
