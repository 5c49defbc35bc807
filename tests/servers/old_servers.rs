//! Older servers and other ways of answering: noticed by their answers, not by their version.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::TimeDelta;
use sentry_simulator::{Organization, Settings, Shape, Simulator};

use crate::support::Tap;

#[test]
fn users_fall_back_to_members_where_they_are_gone() {
    let settings = Settings { users_gone: true, ..Settings::saas() };
    let simulator = Simulator::start(Organization::generate(&Shape::default()), settings);
    let run = Tap::new(&simulator).only(&["users"]).sync();
    assert_eq!(run.keys("users", "id"), simulator.truth().members);
}

#[test]
fn an_incremental_run_works_without_windows() {
    // It sends no Date header (as behind no proxy), so the tap's own clock has to be right.
    let now = chrono::Utc::now();
    let settings = Settings { now, ..Settings::sentry9() };
    let simulator = Simulator::start(Organization::generate(&Shape { now, ..Shape::default() }), settings);
    let first = Tap::new(&simulator).sync();
    let issue: u64 = first.records("issues")[2]["id"].as_str().expect("an id").parse().expect("a number");
    std::thread::sleep(Duration::from_secs(5));
    let at = simulator.now() - TimeDelta::seconds(1);
    let new: BTreeSet<String> = simulator.edit(|org| org.add_events(issue, 2, at)).into_iter().collect();
    let second = Tap::new(&simulator).state(first.last_state()).sync();
    assert_eq!(second.keys("events", "eventID"), new);
    assert_eq!(second.keys("issues", "id"), BTreeSet::from([issue.to_string()]));
}

#[test]
fn a_project_that_is_renamed_during_the_run_is_followed() {
    let simulator = Simulator::start(Organization::generate(&Shape::default()), Settings::self_hosted());
    let slug = simulator.read(|org| org.projects[0].slug.clone());
    let run = Tap::new(&simulator).sync();
    assert!(!run.records("events").is_empty());
    simulator.edit(|org| org.rename_project(&slug, "another-name"));
    let again = Tap::new(&simulator).sync();
    assert_eq!(run.keys("events", "eventID"), again.keys("events", "eventID"));
}
