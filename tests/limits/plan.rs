//! `--plan` says what a sync will cost, and writes no messages.

use sentry_simulator::{Organization, Settings, Shape, Simulator};
use serde_json::{Value, json};

use crate::support::Tap;

fn planned(tap: Tap) -> Value {
    let run = tap.arg("--plan").arg("--format=json").run();
    assert_eq!(run.code, 0, "{}", run.stderr);
    serde_json::from_str(&run.stdout).expect("one JSON object")
}

#[test]
fn a_plan_says_what_a_sync_costs() {
    let shape = Shape { projects: 4, issues_per_project: 12, events_per_issue: 30, ..Shape::default() };
    for (options, settings) in [
        (vec![], Settings::self_hosted()),
        (vec![("sample_fraction", json!(0.2))], Settings::self_hosted()),
        (vec![("fetch_event_details", json!(true))], Settings::saas()),
        (vec![("max_events_per_project", json!(50)), ("fetch_issue_details", json!(true))], Settings::self_hosted()),
    ] {
        let simulator = Simulator::start(Organization::generate(&shape), settings);
        let tap = || options.iter().fold(Tap::new(&simulator), |tap, (name, value)| tap.set(name, value.clone()));
        let plan = planned(tap());
        let asked = simulator.requests().len();
        assert_eq!(plan["asked"], json!(asked));
        assert!(asked <= 7, "{asked} requests for a plan");
        simulator.clear_requests();
        let run = tap().sync();
        for (stream, cost) in plan["streams"].as_object().expect("streams") {
            let records = run.records(stream).len();
            // How many events a sample keeps is known only when they are read.
            if stream != "events" || options.is_empty() {
                assert_eq!(cost["records"], json!(records), "{stream} with {options:?}");
            }
        }
        let (said, real) = (plan["all"]["requests"].as_u64().expect("a number"), simulator.requests().len() as u64);
        assert!(said.abs_diff(real) * 20 <= real, "{said} requests were planned with {options:?}, {real} were made");
    }
}

#[test]
fn a_plan_goes_by_catalog_and_state() {
    let simulator = Simulator::start(Organization::generate(&Shape::default()), Settings::self_hosted());
    let first = Tap::new(&simulator).sync();
    simulator.advance(std::time::Duration::from_secs(300));
    let plan = planned(Tap::new(&simulator).only(&["issues", "events"]).state(first.last_state()));
    let streams: Vec<&String> = plan["streams"].as_object().expect("streams").keys().collect();
    assert_eq!(streams, ["issues", "events"]);
    assert_eq!((&plan["streams"]["events"]["requests"], &plan["all"]["records"]), (&json!(0), &json!(0)));
}

#[test]
fn a_plan_for_people_is_a_table() {
    let simulator = Simulator::start(Organization::generate(&Shape::default()), Settings::self_hosted());
    let run = Tap::new(&simulator).arg("--plan").run();
    assert_eq!(run.code, 0, "{}", run.stderr);
    let lines: Vec<Vec<&str>> = run.stdout.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["acme"]);
    assert_eq!(lines[2], ["stream", "requests", "minutes", "records"]);
    assert_eq!(lines[3], ["projects", "1", "0.0", "3"]);
    assert_eq!(lines[11][0], "all");
    let denied = Tap::at(&simulator.base_url(), "acme", "wrong").arg("--plan").run();
    assert_eq!((denied.code, denied.stdout.as_str()), (1, ""));
}
