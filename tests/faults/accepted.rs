//! `accepted_gaps`: a gap that the user knows and names is a warning. It is read again in each run, like any other.

use sentry_simulator::{Category, Fault, FaultKind, NthHit, Simulator};
use serde_json::{Value, json};

use super::matrix::{critical, expected, keys, simulator};
use crate::support::{Run, Tap};

/// Breaks the paths that contain this, for good.
fn break_down(simulator: &Simulator, path_contains: &str) {
    let kind = FaultKind::status(500, r#"{"detail": "Internal Error"}"#);
    simulator.add_fault(Fault { path_contains: path_contains.to_owned(), nth: NthHit::every(), kind });
}

fn accepting(simulator: &Simulator, entries: &[&str]) -> Tap {
    Tap::new(simulator).set("max_retries", json!(1)).set("accepted_gaps", json!(entries))
}

/// The warning of a gap.
fn line_of<'a>(run: &'a Run, gap: &str) -> &'a str {
    let begin = format!("WARNING {gap}");
    run.stderr.lines().find(|line| line.starts_with(&begin)).unwrap_or_else(|| panic!("{gap}: {}", run.stderr))
}

/// An issue whose list of events always fails, its events, and another such issue.
fn broken_issue(simulator: &Simulator) -> (String, Vec<String>, String) {
    let [first, second] = simulator.read(|org| {
        let mut own = org.issues.iter().filter(|issue| issue.category == Category::Feedback);
        [(); 2].map(|()| own.next().expect("an issue of feedback").id)
    });
    break_down(simulator, &format!("/issues/{first}/events/"));
    let events = &simulator.truth().events[&first.to_string()];
    (first.to_string(), events.iter().map(|event| event.id.clone()).collect(), second.to_string())
}

fn pending(state: &Value) -> String {
    state["bookmarks"]["events"]["pending"].to_string()
}

#[test]
fn an_accepted_gap_is_a_warning_and_is_asked_for_again() {
    let simulator = simulator();
    let (issue, events, _) = broken_issue(&simulator);
    let refused = accepting(&simulator, &[]).run();
    assert!(critical(&refused).contains(&format!("events: issue {issue}: ")), "{}", refused.stderr);

    let name = format!("events: issue {issue}");
    let tap = accepting(&simulator, &[&name]);
    let run = tap.sync();
    assert!(line_of(&run, &name).ends_with("(accepted)"), "{}", run.stderr);
    let summary = run.stderr.lines().find(|line| line.contains("events: ") && line.contains("could not be read: 1"));
    assert!(summary.is_some_and(|line| line.contains("accepted: 1")), "{}", run.stderr);
    assert!(run.stderr.contains("succeeded") && !refused.stderr.contains("succeeded"), "{}", run.stderr);
    assert_eq!(run.last_state()["bookmarks"], refused.last_state()["bookmarks"], "the bookmarks are those of a gap");
    assert!(pending(&run.last_state()).contains(&issue), "{}", run.last_state());
    let mut rest = expected(&simulator.truth());
    rest.get_mut("events").expect("events").retain(|event| !events.contains(event));
    assert_eq!(keys(&run), rest);

    let again = tap.clone().state(run.last_state()).sync();
    assert!(pending(&again.last_state()).contains(&issue), "{}", again.last_state());
    simulator.clear_faults();
    let healed = tap.state(again.last_state()).sync();
    assert!(events.iter().all(|event| healed.keys("events", "eventID").contains(event)), "{}", healed.stderr);
    assert_eq!(pending(&healed.last_state()), "null");
    let idle = format!("INFO accepted_gaps: {name:?} did not occur");
    assert!(healed.stderr.lines().any(|line| line == idle), "{}", healed.stderr);
    assert!(!run.stderr.contains("did not occur"), "{}", run.stderr);
}

#[test]
fn another_gap_beside_it_still_fails_the_run() {
    let simulator = simulator();
    let (issue, _, other) = broken_issue(&simulator);
    break_down(&simulator, &format!("/issues/{other}/events/"));
    let one = accepting(&simulator, &[&format!("events: issue {issue}")]).run();
    let last = critical(&one);
    assert!(last.contains(&format!("events: issue {other}: ")), "{last}");
    assert!(!last.contains(&format!("issue {issue}: ")) && !last.contains("more)"), "{last}");
    assert!(!line_of(&one, &format!("events: issue {other}")).contains("accepted"), "{}", one.stderr);
    accepting(&simulator, &["events"]).sync();

    // Another number that begins alike, and another stream.
    let begins = &issue[..issue.len() - 1];
    let alike = accepting(&simulator, &[&format!("events: issue {begins}"), "issues", "event"]).run();
    assert!(critical(&alike).contains("(and 1 more)"), "{}", alike.stderr);
    assert_eq!(alike.stderr.matches(" did not occur").count(), 3, "{}", alike.stderr);
}

/// What hangs on rows that an accepted gap left out is left out for the same reason.
#[test]
fn a_gap_that_comes_from_an_accepted_one_is_accepted() {
    let simulator = simulator();
    let (issue, ..) = broken_issue(&simulator);
    let streams = ["issues", "events", "event_exceptions"];
    let name = format!("events: issue {issue}");
    accepting(&simulator, &[&name]).only(&streams).sync();
    assert!(critical(&accepting(&simulator, &[]).only(&streams).run()).contains(&name));
}

#[test]
fn a_request_is_named_by_its_path() {
    let simulator = simulator();
    let slug = simulator.read(|org| org.projects[1].slug.clone());
    for (stream, path, query) in [
        ("project_members", format!("projects/acme/{slug}/members/"), ""),
        ("users", "organizations/acme/users/".to_owned(), ""),
        ("releases", "organizations/acme/releases/".to_owned(), "?"),
    ] {
        break_down(&simulator, &format!("/{path}"));
        let tap = |entry: String| {
            accepting(&simulator, &[&entry]).only(&["projects", stream]).set("activate_version", json!(true))
        };
        let failed = tap(format!("{stream}: GET {}", path.trim_end_matches('/'))).run();
        assert_eq!(failed.code, 1, "{}", failed.stderr);
        let request = format!("{stream}: GET {path}");
        assert!(line_of(&failed, &request).starts_with(&format!("WARNING {request}{query}")), "{}", failed.stderr);
        let run = tap(request).run();
        assert_eq!(run.code, 0, "{}", run.stderr);
        let activated = |message: &Value| message["type"] == "ACTIVATE_VERSION" && message["stream"] == stream;
        assert!(!run.messages.iter().any(activated), "{stream}: rows are missing");
        assert!(run.last_state()["bookmarks"][stream]["start"].is_null(), "{}", run.last_state());
    }
}

#[test]
fn hidden_projects_can_be_accepted() {
    let simulator = simulator();
    let slug = simulator.read(|org| org.projects[1].slug.clone());
    simulator.deny_project(&slug);
    let tap = |entries: &[&str]| accepting(&simulator, entries).only(&["issues", "events"]);
    let one = tap(&["issues: hidden projects"]).run();
    let last = critical(&one);
    assert!(last.contains("events: hidden projects") && !last.contains("issues: hidden"), "{last}");
    let both = tap(&["issues: hidden projects", "events: hidden projects"]).sync();
    assert!(both.stderr.contains("(accepted)") && !both.records("issues").is_empty(), "{}", both.stderr);
    let none = tap(&[]).run();
    assert_eq!(both.last_state()["bookmarks"], none.last_state()["bookmarks"]);
}
