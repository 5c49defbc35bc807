//! Flags, exit codes, and what the tap says if a run cannot begin.

use sentry_simulator::{Organization, Settings, Shape, Simulator};
use serde_json::json;

use crate::support::{Run, Tap, tap};

fn run(args: &[&str]) -> Run {
    let mut command = tap();
    command.args(args);
    Run::of(command)
}

#[test]
fn version_and_discover_win_over_everything_else() {
    let version = run(&["--config", "no such file", "--version"]);
    assert_eq!((version.code, version.stdout.trim()), (0, concat!("tap-sentry ", env!("CARGO_PKG_VERSION"))));
    let discover = run(&["--config", "no such file", "--catalog", "nor this", "--state", "nor that", "--discover"]);
    assert_eq!(discover.code, 0, "{}", discover.stderr);
    assert!(discover.stdout.starts_with("{\n"), "the catalog is pretty-printed");
    assert!(discover.stdout.lines().all(|line| line.len() < 65_536));
}

#[test]
fn wrong_usage_ends_with_2() {
    assert_eq!(run(&["--no-such-flag"]).code, 2);
    let no_config = run(&[]);
    assert_eq!(no_config.code, 2);
    assert!(no_config.stderr.starts_with("CRITICAL --config is required"), "{}", no_config.stderr);
}

#[test]
fn what_cannot_be_read_is_named() {
    let missing = run(&["--config", "/nowhere/config.json"]);
    assert_eq!(missing.code, 1);
    assert!(
        missing.stderr.contains("CRITICAL") && missing.stderr.contains("/nowhere/config.json"),
        "{}",
        missing.stderr
    );
    let wrong = Tap::at("http://127.0.0.1:9/", "acme", "x").set("rate_limit", json!("fast")).run();
    assert_eq!(wrong.code, 1);
    assert!(wrong.stderr.contains("rate_limit is \"fast\", and must be"), "{}", wrong.stderr);
    let state = Tap::at("http://127.0.0.1:9/", "acme", "x").state(json!([])).run();
    assert!(state.code == 1 && state.stderr.contains("state file"), "{}", state.stderr);
}

#[test]
fn properties_is_an_alias_of_catalog_and_short_flags_work() {
    let simulator = Simulator::start(Organization::generate(&Shape::default()), Settings::self_hosted());
    let tap = Tap::new(&simulator).only(&["teams"]);
    let long = tap.command();
    let args: Vec<_> =
        long.get_args().map(|arg| arg.to_string_lossy().replace("--catalog", "-p").replace("--config", "-c")).collect();
    let mut short = crate::support::tap();
    short.args(args);
    let run = Run::of(short);
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert_eq!(run.keys("teams", "id"), simulator.truth().teams);
    assert!(run.records("projects").is_empty());
}

#[test]
fn debug_logging_shows_requests_statuses_and_pages_by_flag_and_by_environment() {
    let simulator = Simulator::start(Organization::generate(&Shape::default()), Settings::self_hosted());
    let by_flag = Tap::new(&simulator).only(&["teams"]).arg("-v").sync();
    let by_environment = Tap::new(&simulator).only(&["teams"]).env("SINGER_LOG_LEVEL", "DEBUG").sync();
    for run in [by_flag, by_environment] {
        for part in [
            "DEBUG GET http://127.0.0.1:",
            "/organizations/acme/teams/?per_page=100",
            "DEBUG 200 ",
            "next cursor: none",
        ] {
            assert!(run.stderr.contains(part), "{part} is not in: {}", run.stderr);
        }
    }
    let quiet = Tap::new(&simulator).only(&["teams"]).sync();
    assert!(!quiet.stderr.contains("DEBUG"));
    assert!(
        quiet.stderr.lines().any(|line| line.starts_with("INFO METRIC: {\"type\":\"counter\"")),
        "{}",
        quiet.stderr
    );
}
