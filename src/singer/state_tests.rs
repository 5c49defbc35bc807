//! What the state reads and writes.

use serde_json::json;

use super::*;
use crate::singer::states::{Owner, States};

/// The states of a run over the organization `acme`.
fn parse(text: &str) -> Result<States> {
    Ok(States::parse(text, Owner::Only("acme"))?.switch_organization("acme"))
}

/// What is written where nothing was read.
fn nothing() -> Value {
    json!({"version": 2, "organization": "acme", "bookmarks": {}, "progress_markers": []})
}

#[test]
fn the_original_taps_state_is_read_and_its_junk_dropped() {
    let text = r#"{"bookmarks": {"issues": {"start": "2023-01-01T00:00:00Z", "12345": {"x": 1}},
        "events": {"start": "2023-01-02T00:00:00"}, "9f1c": {"some": "junk"}, "x": null, "teams": "2023-01-03"}}"#;
    let state = parse(text).expect("a state");
    assert_eq!(
        json!(state),
        json!({"version": 2, "organization": "acme", "bookmarks": {
            "events": {"start": "2023-01-02T00:00:00Z", "progress_markers": []},
            "issues": {"start": "2023-01-01T00:00:00Z", "progress_markers": []},
            "teams": {"start": "2023-01-03T00:00:00Z", "progress_markers": []},
        }, "progress_markers": []})
    );
}

#[test]
fn what_is_written_is_what_is_read_back() {
    let value = json!({"version": 2, "organization": "acme", "bookmarks": {
        "mine": {
            "start": "2026-11-22T08:00:00Z", "query": "00c0ffee", "project_ids": ["1", "2"], "progress_markers": [],
        },
        "events": {
            "start": "2026-11-22T08:00:00Z", "refreshed": "2026-11-21T00:00:00Z",
            "rows": ["2026-11-22T08:00:00Z", "00000000000000ff"],
            "projects": {"1": {"start": "2026-11-22T08:00:00Z"}, "2": {"start": "2026-11-20T00:00:00Z"}},
            "pending": ["failed 55 1 2026-11-01T00:00:00Z"],
            "progress_markers": [{
                "end": "2026-11-23T00:00:00Z", "asked": ["details"], "done": {"1": "2026-11-21T00:00:00Z"},
                "projects": {"2": {
                    "start": "2026-11-20T00:00:00Z", "until": "2026-11-22T12:00:00Z", "taken": 200, "listed": true,
                    "issues": ["70 12 340"], "long": ["99 4000 2026-11-22T13:00:00Z"],
                }},
            }],
        }}, "currently_syncing": "events", "progress_markers": [{"began": "2026-11-23T00:00:00Z", "done": ["teams"]}]});
    let state = parse(&value.to_string()).expect("a state");
    assert_eq!(json!(state), value);
    let wrapped = json!({"singer_state": value});
    assert_eq!(parse(&wrapped.to_string()).expect("a state"), state);
    let message = json!({"type": "STATE", "value": value});
    assert_eq!(parse(&message.to_string()).expect("a state"), state);
}

#[test]
fn a_time_that_could_not_be_read_back_is_not_read() {
    for time in ["9999-12-31T23:59:59-01:00", "+12345-01-31", "-0001-01-31"] {
        let text = json!({"bookmarks": {"issues": {"start": time}, "teams": time}}).to_string();
        assert_eq!(json!(parse(&text).expect("a state")), nothing(), "{time}");
    }
}

#[test]
fn an_empty_file_is_an_empty_state_and_a_list_is_an_error() {
    assert_eq!(json!(parse(" ").expect("a state")), nothing());
    assert_eq!(json!(parse("{}").expect("a state")), nothing());
    assert!(parse("[]").is_err());
    assert!(parse("{").is_err());
}

#[test]
fn bookmarks_of_an_earlier_version_hold_and_its_progress_is_dropped() {
    let text = json!({
        "bookmarks": {
            "issues": {
                "start": "2026-11-22T08:00:00Z", "projects": {"1": {}},
                "progress_markers": {"end": "2026-11-23T00:00:00Z", "until": "2026-11-22T12:00:00Z"},
            },
            "teams": {"progress_markers": {"end": "2026-11-23T00:00:00Z", "item": "7"}},
        },
        "progress_markers": {"began": "2026-11-23T00:00:00Z", "done": ["users"]},
        "choice": {"projects": "web"},
    });
    let expected = json!({
        "version": 2, "organization": "acme", "choice": {"projects": "web"},
        "bookmarks": {"issues": {
            "start": "2026-11-22T08:00:00Z", "projects": {"1": {"start": "2026-11-22T08:00:00Z"}}, "progress_markers": [],
        }},
        "progress_markers": [],
    });
    assert_eq!(json!(parse(&text.to_string()).expect("a state")), expected);
}

#[test]
fn a_state_of_a_later_version_is_refused_with_what_to_do() {
    for wrapper in ["singer_state", "value"] {
        let text = json!({wrapper: {"version": 3, "bookmarks": {}}}).to_string();
        let message = parse(&text).expect_err("a later version").to_string();
        assert!(message.contains("version 3") && message.contains("begin without a state"), "{message}");
    }
}
