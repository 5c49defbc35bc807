//! Memory and state do not grow with the amount of data.
//!
//! `TAP_SENTRY_MEMORY_EVENTS=1000000` runs the last test with a million events; build it with `--release` then.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Stdio};

use sentry_simulator::{Organization, Settings, Shape, Simulator};
use serde_json::{Value, json};

use crate::support::Tap;

/// What one run used and wrote.
#[derive(Debug)]
struct Measured {
    /// Peak resident memory, kB.
    peak: u64,
    records: usize,
    /// Length of the longest STATE line, bytes.
    state: usize,
}

/// Peak resident memory of a running process so far, kB.
fn peak(child: &Child) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).ok()?;
    status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix("kB")?.trim().parse().ok())
}

/// Runs a sync and throws its output away.
fn measure(tap: &Tap) -> Measured {
    let mut child = tap.command().stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("the tap starts");
    let mut reader = BufReader::new(child.stdout.take().expect("stdout is piped"));
    let mut measured = Measured { peak: 0, records: 0, state: 0 };
    let (mut line, mut lines) = (Vec::new(), 0_u64);
    let mut last_state = Value::Null;
    while reader.read_until(b'\n', &mut line).expect("a line") > 0 {
        lines += 1;
        if line.starts_with(br#"{"type":"RECORD""#) {
            measured.records += 1;
        } else if line.starts_with(br#"{"type":"STATE""#) {
            measured.state = measured.state.max(line.len());
            last_state = serde_json::from_slice(&line).expect("JSON");
        }
        if lines.is_multiple_of(64) || line.starts_with(br#"{"type":"STATE""#) {
            measured.peak = peak(&child).unwrap_or(measured.peak);
        }
        line.clear();
    }
    assert!(child.wait().expect("the tap ends").success());
    assert!(
        last_state["value"]["progress_markers"] == serde_json::json!([]),
        "the last STATE ends the run: {last_state}"
    );
    measured
}

/// Writes to stderr itself, since the test harness hides what successful tests print.
fn show(name: &str, sizes: &[Measured]) {
    let _ = writeln!(std::io::stderr(), "{name}: {sizes:?}");
}

fn simulator(shape: Shape) -> Simulator {
    Simulator::start(Organization::generate(&shape), Settings { limits: false, ..Settings::saas() })
}

fn run(shape: Shape, full: bool) -> Measured {
    let simulator = simulator(shape);
    let tap = Tap::new(&simulator).set("rate_limit", json!(1000)).set("fetch_event_details", json!(full));
    measure(&tap)
}

/// Without /proc no memory is measured. Everything else is checked all the same.
fn assert_flat(name: &str, sizes: &[Measured]) {
    let (first, last) = (&sizes[0], &sizes[sizes.len() - 1]);
    show(name, sizes);
    assert!(last.records > first.records * 8, "{name}: it did not grow");
    assert!(last.peak * 10 <= first.peak * 11, "{name}: peak memory grows with the data: {sizes:?}");
    assert!(last.state < 100_000, "{name}: {sizes:?}");
}

#[test]
fn memory_does_not_grow_with_events() {
    let sizes = [1, 4, 16].map(|times| {
        run(Shape { projects: 4, issues_per_project: 25, events_per_issue: 25 * times, ..Shape::default() }, false)
    });
    assert_flat("events", &sizes);
}

#[test]
fn memory_does_not_grow_with_whole_bodies() {
    let sizes = [1, 4, 16].map(|times| {
        let shape = Shape {
            projects: 2,
            issues_per_project: 8,
            events_per_issue: 12 * times,
            event_bytes: 2000,
            ..Shape::default()
        };
        run(shape, true)
    });
    assert_flat("whole bodies", &sizes);
}

/// The smallest case has as many projects as are read side by side: what differs beyond is the data.
#[test]
fn memory_does_not_grow_with_projects_and_releases() {
    let sizes = [1, 4, 9].map(|times| {
        let shape = Shape {
            projects: 24 * times,
            issues_per_project: 6,
            events_per_issue: 8,
            releases: 60 * times,
            ..Shape::default()
        };
        run(shape, false)
    });
    assert_flat("projects", &sizes);
}

/// The tap keeps about 300 bytes of each changed issue until its events are read. Nothing else may grow. The allocator
/// needs some memory too, which differs from run to run.
#[test]
fn what_is_kept_of_an_issue_is_small() {
    let count = |times: u64| 4 * 250 * times;
    let sizes = [1, 16].map(|times| {
        let shape = Shape { projects: 4, issues_per_project: 250 * times, events_per_issue: 1, ..Shape::default() };
        run(shape, false)
    });
    show("issues", &sizes);
    let grown = sizes[1].peak.saturating_sub(sizes[0].peak) * 1024;
    assert!(grown < 600 * (count(16) - count(1)), "{grown} bytes more for {} issues more", count(16) - count(1));
    assert!(sizes[1].state < 100_000, "{sizes:?}");
}

#[test]
fn very_many_events_run_through() {
    let wanted = std::env::var("TAP_SENTRY_MEMORY_EVENTS").ok().and_then(|n| n.parse().ok()).unwrap_or(20_000);
    let shape = |events: usize| Shape {
        projects: 5,
        issues_per_project: 20,
        events_per_issue: events / 100,
        days: 80,
        ..Shape::default()
    };
    let sizes = [run(shape(2_000), false), run(shape(wanted), false)];
    assert!(sizes[1].records > wanted, "{sizes:?}");
    assert_flat("many events", &sizes);
}
