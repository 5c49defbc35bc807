//! `max_run_minutes`: a run ends well when its time is over, and the next one goes on.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use sentry_simulator::{Organization, Settings, Shape, Simulator};
use serde_json::{Value, json};

use crate::support::{Run, Tap};

const TABLES: [(&str, &str); 7] = [
    ("projects", "id"),
    ("project_detail", "id"),
    ("teams", "id"),
    ("issues", "id"),
    ("events", "eventID"),
    ("releases", "version"),
    ("release", "version"),
];

fn simulator() -> Simulator {
    let shape = Shape { projects: 8, issues_per_project: 12, events_per_issue: 30, releases: 30, ..Shape::default() };
    Simulator::start(
        Organization::generate(&shape),
        Settings { latency: Duration::from_millis(60), ..Settings::self_hosted() },
    )
}

fn tap(simulator: &Simulator) -> Tap {
    let names = TABLES.map(|(stream, _)| stream);
    Tap::new(simulator).only(&names).set("rate_limit", json!(30)).set("activate_version", json!(true))
}

fn has_message(run: &Run, kind: &str, stream: &str) -> bool {
    run.messages.iter().any(|message| message["type"] == kind && message["stream"] == stream)
}

#[test]
fn several_runs_with_little_time_end_up_with_everything() {
    let simulator = simulator();
    let mut state: Option<Value> = None;
    let mut seen: Vec<BTreeSet<String>> = vec![BTreeSet::new(); TABLES.len()];
    let mut runs = 0;
    loop {
        let tap = tap(&simulator).set("max_run_minutes", json!(0.02));
        let tap = state.take().into_iter().fold(tap, Tap::state);
        let began = Instant::now();
        let run = Run::of(tap.command());
        assert_eq!(run.code, 0, "{}", run.stderr);
        assert!(began.elapsed() < Duration::from_secs(6), "{:?}", began.elapsed());
        for (seen, (stream, key)) in seen.iter_mut().zip(TABLES) {
            seen.extend(run.records(stream).iter().map(|row| row[key].as_str().expect("a key").to_owned()));
        }
        runs += 1;
        state = Some(run.last_state());
        let over = run.stderr.lines().find(|line| line.starts_with("WARNING max_run_minutes are over"));
        let Some(line) = over else { break };
        for stream in ["projects", "project_detail", "teams"].iter().filter(|stream| line.contains(*stream)) {
            assert!(!has_message(&run, "ACTIVATE_VERSION", stream), "{stream} is not finished: {line}");
        }
        assert!(runs < 40, "it does not come to an end");
    }
    assert!(runs > 3, "the limit was too long to show anything");
    let truth = simulator.truth();
    assert_eq!(seen[4], truth.event_ids());
    let expected: [BTreeSet<String>; 2] = [truth.issues.into_keys().collect(), truth.releases.into_keys().collect()];
    assert_eq!((&seen[3], &seen[5], &seen[6]), (&expected[0], &expected[1], &expected[1]));
    assert_eq!((seen[0].len(), seen[1].len()), (8, 8));
}

#[test]
fn the_log_names_what_is_left_and_of_several_organizations_all_of_the_rest() {
    let simulator = simulator();
    let names = json!([simulator.slug(), "another"]);
    let run = Tap::new(&simulator).set("organizations", names).set("max_run_minutes", json!("0.01")).run();
    assert_eq!(run.code, 0, "{}", run.stderr);
    let line = run.stderr.lines().find(|line| line.contains("max_run_minutes are over")).expect("a warning");
    assert!(line.contains("events") && line.ends_with("all of another"), "{line}");
}

#[test]
fn a_run_within_its_time_knows_nothing_of_the_limit() {
    let simulator = simulator();
    let run = Tap::new(&simulator).only(&["teams"]).set("max_run_minutes", json!(5)).sync();
    assert!(!run.stderr.contains("max_run_minutes"), "{}", run.stderr);
    let wrong = Tap::new(&simulator).set("max_run_minutes", json!(0)).run();
    assert!(wrong.code == 1 && wrong.stderr.contains("max_run_minutes is 0"), "{}", wrong.stderr);
}
