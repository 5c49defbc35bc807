//! The access path to events. The tap lists them by project if that is cheaper, else by issue. Some kinds of events are
//! listed only by issue.

use sentry_simulator::{Budget, Class, Organization, Settings, Shape, Simulator};

use crate::support::Tap;
use crate::support::complete::assert_issues_and_events;

fn count(simulator: &Simulator, path_part: &str) -> usize {
    simulator.requests().iter().filter(|request| request.path.contains(path_part)).count()
}

#[test]
fn many_small_issues_are_read_by_project() {
    let shape = Shape {
        projects: 2,
        issues_per_project: 60,
        events_per_issue: 3,
        feedback_issues_per_project: 2,
        ..Shape::default()
    };
    let simulator = Simulator::start(Organization::generate(&shape), Settings::self_hosted());
    let run = Tap::new(&simulator).only(&["issues", "events"]).arg("-v").sync();
    assert_issues_and_events(&run, &simulator.truth());
    let by_issue = simulator
        .requests()
        .iter()
        .filter(|request| request.path.contains("/issues/") && request.path.ends_with("/events/"))
        .count();
    assert_eq!(by_issue, 4, "feedback exists only by issue");
    assert!(run.stderr.contains("ByProject; by project 2 requests, by issue 60 requests"), "{}", run.stderr);
}

#[test]
fn where_project_lists_are_limited_big_issues_are_read_by_issue() {
    // 80 pages. By project they would take more than a minute of the rate limit, by issue two seconds.
    let shape = Shape { projects: 1, issue_sizes: vec![vec![4000, 4000]], ..Shape::default() };
    let simulator = Simulator::start(Organization::generate(&shape), Settings::saas());
    let run = Tap::new(&simulator).only(&["issues", "events"]).sync();
    assert_issues_and_events(&run, &simulator.truth());
    assert_eq!(count(&simulator, "/projects/acme/"), 0);
}

/// This server limits project lists no more than other lists. The tap learns that, and takes the fewest requests.
#[test]
fn the_plan_goes_by_the_servers_own_numbers() {
    let shape = Shape { projects: 6, issues_per_project: 80, events_per_issue: 30, ..Shape::default() };
    let mut settings = Settings::saas();
    settings.budgets.set(Class::ProjectEvents, Budget { limit: 40, seconds: 1, concurrent: 25 });
    let simulator = Simulator::start(Organization::generate(&shape), settings);
    let run = Tap::new(&simulator).only(&["issues", "events"]).set("rate_limit", 40.into()).sync();
    assert_issues_and_events(&run, &simulator.truth());
    assert_eq!(
        count(&simulator, "/projects/acme/"),
        6 * 25 + 1,
        "2400 events, a row of each page twice, and one to learn the numbers"
    );
    assert_eq!(count(&simulator, "/issues/"), 5 + 1 + 6, "pages of issues, feedback, and its events");
}

#[test]
fn windows_are_asked_for_and_full_and_sample_are_left_out() {
    let simulator = Simulator::start(Organization::generate(&Shape::default()), Settings::self_hosted());
    Tap::new(&simulator).sync();
    for request in simulator.requests().iter().filter(|request| request.path.ends_with("/events/")) {
        assert!(request.param("start").is_some() && request.param("end").is_some(), "{request:?}");
        assert!(request.param("full").is_none() && request.param("sample").is_none(), "{request:?}");
    }
    let issues = simulator
        .requests()
        .into_iter()
        .find(|request| request.path.ends_with("/acme/issues/"))
        .expect("the issue walk");
    assert_eq!(issues.param("query"), Some(""), "absent, it would hide resolved issues");
    assert_eq!(issues.param("project"), Some("-1"));
}

#[test]
fn servers_that_ignore_windows_are_noticed_and_filtered() {
    let shape = Shape { projects: 1, issues_per_project: 4, events_per_issue: 120, ..Shape::default() };
    let settings = Settings { honours_dates: false, ..Settings::self_hosted() };
    let simulator = Simulator::start(Organization::generate(&shape), settings);
    let bookmark = simulator.now() - chrono::TimeDelta::days(5);
    let bookmark = bookmark.format("%Y-%m-%dT%H:%M:%SZ").to_string();
    let state = serde_json::json!({"bookmarks": {"events": {"start": bookmark}}});
    let run = Tap::new(&simulator).only(&["events"]).state(state).sync();
    let truth = simulator.truth();
    let new = truth.events.values().flatten().filter(|event| event.timestamp >= bookmark).map(|event| event.id.clone());
    assert_eq!(run.keys("events", "eventID"), new.collect());
}

/// The tap may ask for the numbers of a rate limit when nothing of it is left. The refusal tells them too, so the tap
/// does not wait to ask again.
#[test]
fn an_empty_bucket_holds_nothing_up() {
    let shape = Shape { projects: 2, issues_per_project: 30, events_per_issue: 5, ..Shape::default() };
    let mut settings = Settings::saas();
    settings.budgets.set(Class::ProjectEvents, Budget { limit: 1, seconds: 60, concurrent: 1 });
    let simulator = Simulator::start(Organization::generate(&shape), settings);
    Tap::new(&simulator).arg("--test").run(); // uses up the limit
    let run = Tap::new(&simulator).only(&["issues", "events"]).set("rate_limit", 40.into()).sync();
    assert_issues_and_events(&run, &simulator.truth());
    assert!(run.stderr.contains("1 rate limited"), "{}", run.stderr);
    assert!(!run.stderr.contains("of waiting to try again"), "{}", run.stderr);
}
