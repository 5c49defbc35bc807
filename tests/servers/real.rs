//! Syncs of a real Sentry server, if there is one: everything that was put in comes out.
//!
//! The tests need `TAP_SENTRY_REAL_URL`, `TAP_SENTRY_REAL_ORG`, `TAP_SENTRY_REAL_TOKEN` and `TAP_SENTRY_REAL_TRUTH`.
//! The last one names a JSON file that says what the server holds: the projects, and for each issue its id and its
//! events as pairs `[event id, time]`. `TAP_SENTRY_REAL_STATE` names the file that keeps the state of the full sync for
//! the incremental one.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

use serde_json::{Value, json};

use crate::support::{Run, Tap};

struct Real {
    url: String,
    organization: String,
    token: String,
    truth: Value,
}

/// The server. If there is none, says so on stderr.
fn real() -> Option<Real> {
    let var = |name: &str| std::env::var(format!("TAP_SENTRY_REAL_{name}")).ok();
    let (Some(url), Some(organization), Some(token), Some(truth)) =
        (var("URL"), var("ORG"), var("TOKEN"), var("TRUTH"))
    else {
        // Writes to stderr itself, since the test harness hides what successful tests print.
        let _ = writeln!(std::io::stderr(), "SKIPPED: no real Sentry server (TAP_SENTRY_REAL_URL is not set)");
        return None;
    };
    let truth = std::fs::read_to_string(truth).expect("the truth can be read");
    Some(Real { url, organization, token, truth: serde_json::from_str(&truth).expect("the truth is JSON") })
}

impl Real {
    fn tap(&self) -> Tap {
        Tap::at(&self.url, &self.organization, &self.token).set("rate_limit", json!(50))
    }

    /// Project id and event ids of each issue, by issue id.
    fn issues(&self) -> BTreeMap<String, (String, BTreeSet<String>)> {
        let issue = |issue: &Value| {
            let slug = issue["project"].as_str().expect("a project");
            let project = self.truth["projects"][slug]["id"].as_str().expect("an id").to_owned();
            let events = issue["events"].as_array().expect("events").iter();
            let events = events.map(|event| event[0].as_str().expect("an id").to_owned()).collect();
            (issue["id"].as_str().expect("an id").to_owned(), (project, events))
        };
        self.truth["issues"].as_array().expect("issues").iter().map(issue).collect()
    }

    fn assert_complete(&self, run: &Run) {
        let truth = self.issues();
        assert_eq!(run.keys("issues", "id"), truth.keys().cloned().collect());
        let got = run.events_by_issue();
        for (issue, (_, events)) in &truth {
            assert_eq!(got.get(issue), Some(events), "issue {issue}");
        }
        assert_eq!(got.len(), truth.len());
        for event in run.records("events") {
            let (project, _) = &truth[event["issue_id"].as_str().expect("an issue")];
            assert_eq!(event["project_id"], json!(project));
        }
        let projects: BTreeSet<String> = self.truth["projects"]
            .as_object()
            .expect("projects")
            .values()
            .map(|project| project["id"].as_str().expect("an id").to_owned())
            .collect();
        assert_eq!(run.keys("projects", "id"), projects);
        assert_eq!(run.keys("project_detail", "id"), projects);
        let releases: BTreeSet<String> = self.truth["releases"]
            .as_array()
            .expect("releases")
            .iter()
            .map(|version| version.as_str().expect("a version").to_owned())
            .collect();
        assert_eq!(run.keys("releases", "version"), releases);
        assert_eq!(run.keys("release", "version"), releases);
        for stream in ["teams", "users"] {
            assert!(!run.records(stream).is_empty(), "{stream}");
        }
    }
}

#[test]
fn a_full_sync_of_a_real_server_is_complete() {
    let Some(real) = real() else { return };
    let run = real.tap().sync();
    real.assert_complete(&run);
    if let Ok(path) = std::env::var("TAP_SENTRY_REAL_STATE") {
        let carried = json!({"state": run.last_state(), "events": run.keys("events", "eventID")});
        std::fs::write(path, carried.to_string()).expect("the state can be kept");
    }
}

/// Set `TAP_SENTRY_REAL_MORE=1` after more was put into the server. This run continues from the state of the full sync.
#[test]
fn an_incremental_sync_of_a_real_server_brings_all_that_is_new() {
    let Some(real) = real() else { return };
    let (Ok(path), Ok(_)) = (std::env::var("TAP_SENTRY_REAL_STATE"), std::env::var("TAP_SENTRY_REAL_MORE")) else {
        return;
    };
    let carried: Value = serde_json::from_str(&std::fs::read_to_string(path).expect("the kept state")).expect("JSON");
    let before: BTreeSet<String> = serde_json::from_value(carried["events"].clone()).expect("ids");
    let all: BTreeSet<String> = real.issues().into_values().flat_map(|(_, events)| events).collect();
    let new: BTreeSet<String> = all.difference(&before).cloned().collect();
    assert!(!new.is_empty(), "nothing was added");
    let second = real.tap().state(carried["state"].clone()).set("lookback_window", json!(600)).sync();
    let got = second.keys("events", "eventID");
    assert!(new.is_subset(&got), "{} of {} new events are missing", new.difference(&got).count(), new.len());
    assert!(got.len() < all.len(), "an incremental run reads less than everything");
}

#[test]
fn a_sync_of_a_real_server_that_is_killed_five_times_is_complete() {
    let Some(real) = real() else { return };
    let (target, kills) = crate::state::kill::killed(real.tap().set("lookback_window", json!(0)), 5, 150, 5, |_| ());
    let all = real.issues();
    assert_eq!(target.keys("issues"), all.keys().cloned().collect());
    assert_eq!(target.keys("events"), all.into_values().flat_map(|(_, events)| events).collect());
    for stream in ["releases", "release"] {
        assert_eq!(target.keys(stream).len(), real.truth["releases"].as_array().expect("releases").len(), "{stream}");
    }
    assert_eq!(kills, 5);
}

#[test]
fn a_real_server_refuses_in_ways_that_are_explained() {
    let Some(real) = real() else { return };
    let critical = |run: Run, part: &str| {
        assert_eq!(run.code, 1, "{}", run.stderr);
        let line = run.stderr.lines().last().unwrap_or_default();
        assert!(line.starts_with("CRITICAL ") && line.contains(part), "{line}");
    };
    critical(Tap::at(&real.url, &real.organization, "wrong").run(), "does not accept api_token");
    critical(Tap::at(&real.url, "nobody", &real.token).run(), "there is no organization \"nobody\"");
    if let Ok(token) = std::env::var("TAP_SENTRY_REAL_ORGREAD_TOKEN") {
        critical(Tap::at(&real.url, &real.organization, &token).run(), "event:read");
    }
}
