//! `--test` says for each stream whether a sync would work, and what to do if it would not.

use sentry_simulator::{Fault, FaultKind, NthHit, Organization, Settings, Shape, Simulator};
use serde_json::{Value, json};

use crate::support::{Run, Tap, discovered, tap};

fn simulator(settings: Settings) -> Simulator {
    Simulator::start(Organization::generate(&Shape::default()), settings)
}

fn report(tap: Tap) -> (i32, Value, String) {
    let run = tap.arg("--test").arg("--format=json").run();
    (run.code, serde_json::from_str(&run.stdout).unwrap_or_default(), run.stderr)
}

#[test]
fn everything_works_on_every_kind_of_server() {
    for settings in [Settings::saas(), Settings::self_hosted(), Settings::sentry9()] {
        let simulator = simulator(settings);
        let (code, report, log) = report(Tap::new(&simulator));
        assert_eq!((code, &report["ok"]), (0, &json!(true)), "{report:#} {log}");
        for (stream, check) in report["streams"].as_object().expect("streams") {
            assert_eq!(check["outcome"], "works", "{stream}: {check}");
        }
        assert_eq!(report["streams"].as_object().map(serde_json::Map::len), Some(8));
        assert!(simulator.requests().len() <= 24, "{:#?}", simulator.requests());
    }
}

#[test]
fn a_missing_scope_is_named_for_the_streams_that_need_it() {
    let simulator = simulator(Settings::self_hosted());
    let token = simulator.token_with(&["org:read", "project:read", "member:read", "project:releases"]);
    let (code, report, log) = report(Tap::at(&simulator.base_url(), "acme", &token));
    assert_eq!((code, &report["ok"]), (1, &json!(false)), "{report:#}");
    assert!(log.contains("CRITICAL a sync would fail: issues, events"), "{log}");
    let failed = &report["streams"]["issues"];
    assert!(failed["why"].as_str().is_some_and(|why| why.contains("scope event:read")), "{failed}");
    assert_eq!(report["streams"]["releases"]["outcome"], "works");
}

#[test]
fn only_selected_streams_are_tested() {
    let simulator = simulator(Settings::self_hosted());
    let token = simulator.token_with(&["org:read"]);
    let (code, report, _) = report(Tap::at(&simulator.base_url(), "acme", &token).only(&["teams"]));
    assert_eq!((code, report["streams"].as_object().map(serde_json::Map::len)), (0, Some(1)), "{report:#}");
}

#[test]
fn without_a_server_a_token_or_an_organization_there_is_one_line() {
    let simulator = simulator(Settings::saas());
    let url = simulator.base_url();
    for (tap, words) in [
        (Tap::at("http://127.0.0.1:9/", "acme", "x").set("max_retries", json!(0)), "cannot be reached"),
        (Tap::at(&url, "acme", "sntryu_wrong"), "does not accept api_token"),
        (Tap::at(&url, "acme-corp", simulator.token()), "there is no organization \"acme-corp\""),
    ] {
        let run = tap.arg("--test").run();
        assert_eq!((run.code, run.stdout.as_str()), (1, ""), "{}", run.stderr);
        let last = run.stderr.lines().last().unwrap_or_default();
        assert!(last.starts_with("CRITICAL") && last.contains(words), "{words} is not in {last}");
    }
}

#[test]
fn limits_token_region_and_clock_are_told() {
    let simulator = simulator(Settings { frozen: true, ..Settings::saas() });
    let body = json!({"slug": "acme", "links": {"regionUrl": "https://de.sentry.io"}}).to_string();
    let kind = FaultKind::Status { code: 200, body, content_type: "application/json".to_owned(), headers: Vec::new() };
    simulator.add_fault(Fault { path_contains: "/organizations/acme/".to_owned(), nth: NthHit::only(1), kind });
    let run = Tap::new(&simulator).arg("--test").run();
    for part in [
        "the data is at https://de.sentry.io",
        "most lists: 40 requests a second, 25 at once",
        "event lists of projects: 60 requests in 60 s, 1 at once",
        "releases         works",
    ] {
        assert!(run.stdout.contains(part), "{part} is not in {}", run.stdout);
    }
    simulator.clear_faults();
    let markdown = Tap::new(&simulator).arg("--test").arg("--format=markdown").run().stdout;
    assert!(markdown.contains("| `events` | works |"), "{markdown}");
    assert!(markdown.starts_with("| What | Found |"), "{markdown}");
    assert!(!run.stdout.contains(simulator.token()) && !run.stderr.contains(simulator.token()));
}

#[test]
fn the_schemas_alone_need_no_server() {
    let mut command = tap();
    command.arg("--test=schema");
    let run = Run::of(command);
    assert_eq!((run.code, run.messages.len()), (0, 8), "{}", run.stderr);
    let names: Vec<_> = run.messages.iter().map(|message| message["stream"].clone()).collect();
    let ids = discovered()["streams"]
        .as_array()
        .expect("streams")
        .iter()
        .filter(|s| s["metadata"][0]["metadata"]["selected-by-default"] == true)
        .map(|s| s["tap_stream_id"].clone())
        .collect::<Vec<_>>();
    assert_eq!(names, ids);
    assert!(run.messages.iter().all(|message| message["type"] == "SCHEMA"));
}
