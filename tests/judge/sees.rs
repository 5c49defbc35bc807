//! Whether the judge can see. Transcripts are forged here: one is whole, and of others something is missing, too much, or
//! late. The judge must tell them apart. No tap runs.

use std::collections::BTreeSet;

use chrono::{TimeDelta, Utc};
use sentry_simulator::{Organization, Shape};
use serde_json::{Value, json};

use super::history::{DEFAULT, History, Step, Wishes};
use super::ledger::Ledger;
use super::play::{Evidence, Ran};
use super::process::End;
use super::target::{Target, merge};
use super::verdict;

/// A run that ended as this code says.
fn ran(code: i32) -> Ran {
    Ran {
        code: Some(code),
        end: End::Own,
        had_no_excuse: true,
        spoiled: false,
        faults: 0,
        requests: 10,
        bad_lines: Vec::new(),
        log: String::new(),
    }
}

fn wishes(activate: bool) -> Wishes {
    Wishes {
        streams: DEFAULT.to_vec(),
        lookback: 600,
        start: None,
        sample: None,
        details: false,
        issue_details: false,
        refresh: 24,
        projects: None,
        activate,
    }
}

/// Everything that a whole sync of this organization writes, as messages.
fn transcript(organization: &Organization) -> Vec<Value> {
    let mut lines = Vec::new();
    for (stream, key) in DEFAULT.iter().zip(["id", "id", "id", "id", "id", "eventID", "version", "id"]) {
        lines.push(json!({ "type": "SCHEMA", "stream": stream, "schema": {}, "key_properties": [key] }));
    }
    let mut write = |stream: &str, record: Value| {
        lines.push(json!({ "type": "RECORD", "stream": stream, "record": record, "version": 7 }));
    };
    let truth = organization.truth(i64::MIN / 2);
    for project in &truth.projects {
        write("projects", json!({ "id": project }));
        write("project_detail", json!({ "id": project }));
    }
    truth.teams.iter().for_each(|team| write("teams", json!({ "id": team })));
    truth.users.iter().for_each(|user| write("users", json!({ "id": user })));
    for (id, issue) in &truth.issues {
        write("issues", json!({ "id": id, "lastSeen": issue.last_seen }));
    }
    truth.event_ids().iter().for_each(|event| write("events", json!({ "eventID": event })));
    for release in &organization.releases {
        write("releases", json!({ "version": release.version }));
        write("release", json!({ "id": release.id.to_string() }));
    }
    for stream in &DEFAULT[..4] {
        lines.push(json!({ "type": "ACTIVATE_VERSION", "stream": stream, "version": 7 }));
    }
    lines.push(json!({ "type": "STATE", "value": {} }));
    lines
}

/// An organization that was whole before the first run, and what a target has of it after these lines.
fn evidence(organization: &Organization, lines: &[Value]) -> Evidence {
    let now = organization.created + TimeDelta::days(1500);
    let mut ledger = Ledger::default();
    ledger.observe(organization, now);
    ledger.begin_run(now);
    ledger.end_run(organization, true);
    let mut target = Target::default();
    target.begin();
    for line in lines {
        target.take(&line.to_string()).expect("a message");
    }
    target.end(true);
    Evidence {
        organization: organization.clone(),
        hidden: BTreeSet::new(),
        ledger,
        target,
        runs: vec![ran(0), ran(0)],
        wishes: vec![wishes(true)],
        now: now.timestamp(),
        by_window: false,
    }
}

fn organization() -> Organization {
    Organization::generate(&Shape::default())
}

fn is_record(line: &Value, stream: &str) -> bool {
    line["type"] == "RECORD" && line["stream"] == stream
}

#[test]
fn a_whole_transcript_is_found_innocent() {
    let organization = organization();
    let charges = verdict::judge(&evidence(&organization, &transcript(&organization)));
    assert!(charges.is_empty(), "{charges:?}");
}

#[test]
fn a_transcript_that_lacks_one_row_is_found_guilty() {
    let organization = organization();
    for stream in DEFAULT {
        let mut lines = transcript(&organization);
        let place = lines.iter().position(|line| is_record(line, stream)).expect("a record");
        let gone = lines.remove(place);
        let charges = verdict::judge(&evidence(&organization, &lines));
        assert!(!charges.is_empty(), "{stream}: nobody missed {gone}");
        assert!(charges.iter().all(|charge| charge.contains(stream)), "{stream}: {charges:?}");
        if stream == "events" {
            let id = gone["record"]["eventID"].as_str().expect("an id");
            assert!(charges[0].contains(id), "the charge names the event: {charges:?}");
        }
    }
}

#[test]
fn what_no_state_covers_is_not_there() {
    let organization = organization();
    let mut lines = transcript(&organization);
    let place = lines.iter().position(|line| is_record(line, "events")).expect("a record");
    let late = lines.remove(place);
    lines.push(late);
    let charges = verdict::judge(&evidence(&organization, &lines));
    assert!(charges.iter().any(|charge| charge.contains("1 of")), "{charges:?}");
}

#[test]
fn rows_that_are_gone_or_never_were_are_seen() {
    let organization = organization();
    let with = |stream: &str, record: Value| {
        let mut lines = transcript(&organization);
        let at = lines.iter().position(|line| line["type"] == "ACTIVATE_VERSION").expect("one");
        lines.insert(at, json!({ "type": "RECORD", "stream": stream, "record": record, "version": 7 }));
        verdict::judge(&evidence(&organization, &lines))
    };
    assert!(with("teams", json!({ "id": "1" })).iter().any(|charge| charge.contains("too many: [\"1\"]")));
    assert!(with("events", json!({ "eventID": "ff" }))[0].contains("never were"));
    let mut lines = transcript(&organization);
    lines.retain(|line| line["type"] != "ACTIVATE_VERSION" || line["stream"] != "users");
    let charges = verdict::judge(&evidence(&organization, &lines));
    assert_eq!(charges, ["(c) users: a quiet run did not send ACTIVATE_VERSION"]);
}

#[test]
fn codes_and_lines_count() {
    let organization = organization();
    let mut evidence = evidence(&organization, &transcript(&organization));
    evidence.runs = vec![ran(0), ran(1)];
    let charges = verdict::judge(&evidence);
    assert!(charges[0].starts_with("(d)") && charges[1].starts_with("(a)"), "{charges:?}");
    evidence.runs[1] = Ran { bad_lines: vec!["x".to_owned()], ..ran(0) };
    assert!(verdict::judge(&evidence)[0].starts_with("(f)"));
    let mut target = Target::default();
    assert!(target.take("{\"type\":\"RECORD\",\"stream\":\"x\",\"record\":{}}").is_err(), "no SCHEMA");
    assert!(target.take("{\"type\":\"STA").is_err() && target.take("{\"type\":\"OTHER\"}").is_err());
}

#[test]
fn too_many_requests_count() {
    let run = |end, requests| Ran { end, requests, ..ran(0) };
    let calm = [run(End::Own, 30), run(End::Own, 30)];
    assert_eq!(verdict::judge_requests(&[run(End::Stopped, 210), run(End::Own, 50)], &calm), None);
    assert!(verdict::judge_requests(&[run(End::Stopped, 300)], &calm).is_some());
    assert!(verdict::judge_requests(&[run(End::Own, 100)], &calm).is_some());
}

#[test]
fn only_what_is_on_time_is_promised() {
    let mut organization = organization();
    let now = organization.created + TimeDelta::days(1500) + TimeDelta::hours(2);
    let issue = organization.issues[0].id;
    let before = transcript(&organization);
    let lost = |late: i64, organization: &Organization| {
        let mut organization = organization.clone();
        organization.add_events(issue, 1, now - TimeDelta::seconds(late));
        let mut evidence = evidence(&organization, &before);
        evidence.ledger = Ledger::default();
        evidence.ledger.observe(&self::organization(), now - TimeDelta::hours(2));
        evidence.ledger.begin_run(now - TimeDelta::hours(2));
        evidence.ledger.observe(&organization, now);
        evidence.now = now.timestamp();
        verdict::judge(&evidence).len()
    };
    assert_eq!(lost(0, &organization), 1);
    assert_eq!(lost(500, &organization), 1);
    assert_eq!(lost(601, &organization), 0);
    organization.delete_issue(issue);
    let gone = evidence(&organization, &before);
    let charges = verdict::judge(&gone);
    assert!(charges.iter().all(|charge| charge.contains("never were")), "what was deleted is not missed: {charges:?}");
}

#[test]
fn merges_that_no_tap_can_see_are_no_charge() {
    let (mut organization, mut ledger) = (organization(), Ledger::default());
    let now = organization.created + TimeDelta::days(1500);
    ledger.observe(&organization, now);
    let (from, into) = (organization.issues[0].id, organization.issues[1].id);
    ledger.begin_merge(from);
    organization.begin_merge(from, into);
    ledger.begin_run(now);
    ledger.end_run(&organization, true);
    ledger.finish_merge(&organization, from);
    assert_eq!(ledger.doubtful.len(), organization.issue(from).expect("it is there").events.len());
}

#[test]
fn a_seed_is_a_history_and_histories_differ() {
    let now = Utc::now();
    let text = |seed| format!("{:?}", History::new(seed, now));
    assert_eq!(text(5), text(5));
    assert_ne!(text(5), text(6));
    let history = History::new(5, now);
    let first = history.first(4);
    assert_eq!(format!("{:?}", first.steps), format!("{:?}", &history.steps[..4]));
    let calm = history.undisturbed();
    let is_calm = |step: &Step| matches!(step, Step::Run(run) if !run.faults.is_empty() || run.stop.is_some());
    assert!(!calm.steps.iter().any(is_calm));
}

#[test]
fn states_are_merged_key_by_key() {
    let before = json!({ "bookmarks": { "a": { "x": 1, "y": [1, 2] }, "b": 2 } });
    let after = json!({ "bookmarks": { "a": { "y": [3], "z": 4 } } });
    assert_eq!(merge(&before, &after), json!({ "bookmarks": { "a": { "x": 1, "y": [3], "z": 4 }, "b": 2 } }));
}
