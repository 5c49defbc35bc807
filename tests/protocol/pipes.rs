//! What the tap does if the target dies, is slow, or stops reading, if the disk is full, and on signals.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use sentry_simulator::{Organization, Settings, Shape, Simulator};
use serde_json::Value;

use crate::support::Tap;

fn big() -> Simulator {
    let shape =
        Shape { projects: 3, issues_per_project: 40, events_per_issue: 60, event_bytes: 500, ..Shape::default() };
    let settings = Settings { latency: Duration::from_millis(10), ..Settings::self_hosted() };
    Simulator::start(Organization::generate(&shape), settings)
}

/// A running tap. Nobody has read its output yet.
fn start(simulator: &Simulator) -> Child {
    let tap = Tap::new(simulator).set("fetch_event_details", true.into());
    let mut command = tap.command();
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the tap starts");
    // The tap reads its files before the first request. After that they may be deleted together with `tap`.
    while simulator.requests().is_empty() {
        assert!(child.try_wait().expect("a status").is_none(), "the tap has ended: {}", stderr(&mut child));
        std::thread::sleep(Duration::from_millis(5));
    }
    child
}

fn stderr(child: &mut Child) -> String {
    let mut text = String::new();
    child.stderr.take().expect("stderr is piped").read_to_string(&mut text).expect("text");
    text
}

fn send(child: &Child, signal: &str) {
    let status = Command::new("kill").args([signal, &child.id().to_string()]).status().expect("kill runs");
    assert!(status.success());
}

#[test]
fn a_target_that_dies_ends_the_run_with_one_line_and_a_failure() {
    let simulator = big();
    let mut child = start(&simulator);
    let mut lines = BufReader::new(child.stdout.take().expect("stdout is piped")).lines();
    for _ in 0..5 {
        lines.next().expect("a line").expect("text");
    }
    drop(lines);
    let status = child.wait().expect("the tap ends");
    let log = stderr(&mut child);
    assert_eq!(status.code(), Some(1), "{log}");
    assert_eq!(log.matches("CRITICAL").count(), 1, "{log}");
    assert!(log.contains("stdout is closed") && !log.contains("panicked"), "{log}");
}

#[test]
fn signals_end_the_run_with_a_last_state() {
    for (signal, code) in [("-INT", 130), ("-TERM", 143)] {
        let simulator = big();
        let mut child = start(&simulator);
        let mut out = BufReader::new(child.stdout.take().expect("stdout is piped"));
        let mut line = String::new();
        for _ in 0..40 {
            line.clear();
            out.read_line(&mut line).expect("a line");
        }
        send(&child, signal);
        let mut rest = String::new();
        out.read_to_string(&mut rest).expect("text");
        assert_eq!(child.wait().expect("the tap ends").code(), Some(code), "{}", stderr(&mut child));
        let last: Value = serde_json::from_str(rest.lines().last().unwrap_or(&line)).expect("a whole line of JSON");
        assert_eq!(last["type"], "STATE", "{last}");
    }
}

#[test]
fn a_signal_is_obeyed_while_nobody_reads() {
    let simulator = big();
    let mut child = start(&simulator);
    std::thread::sleep(Duration::from_millis(800)); // now the pipe is full
    send(&child, "-TERM");
    let began = Instant::now();
    while child.try_wait().expect("a status").is_none() {
        assert!(began.elapsed() < Duration::from_secs(60), "it hangs on a pipe that nobody reads");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(child.wait().expect("a status").code(), Some(143));
}

#[test]
fn a_slow_target_holds_the_requests_back() {
    let simulator = big();
    let mut child = start(&simulator);
    // Wait until no more requests come: then the pipe and the channel are full.
    let mut seen = 0;
    for _ in 0..200 {
        std::thread::sleep(Duration::from_millis(300));
        let now = simulator.requests().len();
        if now == seen {
            break;
        }
        seen = now;
    }
    let mut rest = String::new();
    child.stdout.take().expect("stdout is piped").read_to_string(&mut rest).expect("text");
    assert_eq!(child.wait().expect("the tap ends").code(), Some(0), "{}", stderr(&mut child));
    assert!(seen < simulator.requests().len(), "nothing was held back: {seen} requests");
    let events =
        rest.lines().filter(|line| line.contains("\"stream\":\"events\"") && line.contains("\"RECORD\"")).count();
    assert_eq!(events, simulator.truth().event_ids().len());
}

/// Streams that wait for the target must not block each other.
#[test]
fn a_target_that_is_slow_all_along_gets_everything() {
    for details in [false, true] {
        let simulator = big();
        let tap = Tap::new(&simulator).set("fetch_event_details", details.into());
        let mut child = tap.command().stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("the tap starts");
        let mut stdout = child.stdout.take().expect("stdout is piped");
        let (done, finished) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let (mut lines, mut chunk) = (0, vec![0; 1 << 13]);
            while let Ok(read) = stdout.read(&mut chunk)
                && read > 0
            {
                lines += chunk[..read].split(|byte| *byte == b'\n').count() - 1;
                std::thread::sleep(Duration::from_millis(2));
            }
            let _ = done.send(lines); // after the time limit nobody receives it
        });
        let lines = finished.recv_timeout(Duration::from_secs(120));
        let _ = child.kill(); // it has ended, or it hangs
        let _ = child.wait();
        assert!(lines.expect("the tap hangs") > simulator.truth().event_ids().len());
    }
}

#[test]
fn a_full_disk_is_a_failure() {
    let simulator = big();
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("Linux has it");
    let output = Tap::new(&simulator).command().stdout(full).stderr(Stdio::piped()).output().expect("the tap ends");
    let log = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{log}");
    assert_eq!(log.matches("CRITICAL").count(), 1, "{log}");
}
