//! Clocks: bookmarks are reckoned by the server's time where it can be believed, and times in the future hide nothing.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use sentry_simulator::{Organization, Settings, Shape, Simulator};
use serde_json::json;

use crate::support::{Run, Tap};

fn simulator(settings: Settings) -> Simulator {
    let shape = Shape { projects: 2, now: settings.now, ..Shape::default() };
    Simulator::start(Organization::generate(&shape), settings)
}

fn text(time: DateTime<Utc>) -> String {
    time.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn start(run: &Run, stream: &str) -> DateTime<Utc> {
    run.last_state()["bookmarks"][stream]["start"].as_str().expect("a start").parse().expect("a time")
}

fn warnings<'a>(run: &'a Run, part: &'a str) -> Vec<&'a str> {
    run.stderr.lines().filter(|line| line.starts_with("WARNING") && line.contains(part)).collect()
}

#[test]
fn a_bookmark_in_the_future_is_said_aloud_and_begins_anew() {
    let simulator = simulator(Settings::self_hosted());
    let (future, soon) = (text(simulator.now() + TimeDelta::days(3)), text(simulator.now() + TimeDelta::minutes(9)));
    let ids: Vec<String> = simulator.read(|org| org.projects.iter().map(|project| project.id.to_string()).collect());
    let state = json!({"version": 2, "bookmarks": {
        "issues": {"start": future, "refreshed": future, "projects": {&ids[0]: {}, &ids[1]: {}}},
        "events": {"start": text(simulator.now()), "projects": {&ids[0]: {"start": future}, &ids[1]: {}}},
        "releases": {"start": future},
        "release_files": {"start": future},
        "release": {"progress_markers": [{"end": future, "until": "2020-01-01T00:00:00Z"}]},
    }});
    let streams = ["issues", "events", "releases", "release", "release_files"];
    let whole = Tap::new(&simulator).only(&["release_files"]).sync().records("release_files").len();
    let run = Tap::new(&simulator).only(&streams).state(state).sync();
    let truth = simulator.truth();
    assert_eq!(run.keys("issues", "id"), truth.issues.keys().cloned().collect());
    for stream in ["releases", "release"] {
        assert_eq!(run.keys(stream, "version"), truth.releases.keys().cloned().collect());
    }
    assert!(whole > 0 && run.records("release_files").len() == whole, "a stream below a list that is read on");
    let of_first = truth.issues.values().filter(|issue| issue.project == ids[0]).count();
    assert!(of_first > 0 && run.events_by_issue().len() == of_first, "events of the project whose bookmark was wrong");
    for stream in streams {
        assert!(!warnings(&run, &format!("{stream}: ")).is_empty(), "{stream}: {}", run.stderr);
        assert!(start(&run, stream) < simulator.now() + TimeDelta::seconds(1), "{stream}");
    }
    // Clocks are never quite the same.
    let state = json!({"version": 2, "bookmarks": {"releases": {"start": soon}, "events": {"start": soon}}});
    let run = Tap::new(&simulator).only(&["releases", "events"]).state(state).sync();
    assert_eq!((run.records("releases").len(), run.records("events").len()), (0, 0));
    assert!(warnings(&run, "future").is_empty(), "{}", run.stderr);
}

#[test]
fn a_server_clock_that_is_days_off_is_not_believed() {
    let simulator = simulator(Settings { now: Utc::now() - TimeDelta::days(5), ..Settings::self_hosted() });
    let run = Tap::new(&simulator).sync();
    assert_eq!(warnings(&run, "clock is -5.0 days off").len(), 1, "{}", run.stderr);
    let ours = Utc::now();
    for stream in ["issues", "events", "releases", "projects"] {
        assert!((ours - start(&run, stream)).abs() < TimeDelta::minutes(2), "{stream}");
    }
}

#[test]
fn a_server_that_tells_no_time_is_named_once() {
    let simulator = simulator(Settings { now: Utc::now(), ..Settings::sentry9() });
    let run = Tap::new(&simulator).sync();
    assert_eq!(warnings(&run, "does not say its time").len(), 1, "{}", run.stderr);
}

#[test]
fn every_bookmark_is_reckoned_by_the_servers_clock() {
    for (ahead, frozen) in [(-7, true), (7, true)] {
        let settings = Settings { now: Utc::now() + TimeDelta::hours(ahead), frozen, ..Settings::self_hosted() };
        let simulator = simulator(settings);
        let run = Tap::new(&simulator).sync();
        let state = run.last_state();
        for stream in state["bookmarks"].as_object().expect("bookmarks").keys() {
            let off = (start(&run, stream) - simulator.now()).abs();
            assert!(off < TimeDelta::seconds(5), "{stream} is {off} off");
        }
    }
}

#[test]
fn a_start_date_in_the_future_is_refused() {
    let simulator = simulator(Settings::self_hosted());
    let run = Tap::new(&simulator).set("start_date", json!(text(Utc::now() + TimeDelta::days(40)))).run();
    assert_eq!((run.code, run.stdout.as_str()), (1, ""));
    assert!(run.stderr.contains("start_date") && run.stderr.contains("future"), "{}", run.stderr);
}

/// Answers everything with an empty list or object, whose headers come at once and whose body comes late.
fn slow_bodies(listener: &TcpListener, late: Duration) -> std::io::Result<()> {
    for connection in listener.incoming() {
        let mut connection = connection?;
        let mut request = Vec::new();
        let mut buffer = [0; 1024];
        while !request.ends_with(b"\r\n\r\n") {
            match connection.read(&mut buffer)? {
                0 => break,
                bytes => request.extend_from_slice(&buffer[..bytes]),
            }
        }
        let path = String::from_utf8_lossy(&request).split(' ').nth(1).unwrap_or_default().to_owned();
        let body = if path.ends_with("/organizations/acme/") { "{}" } else { "[]" };
        let date = Utc::now().format("%a, %d %b %Y %H:%M:%S GMT");
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\nDate: {date}\r\nConnection: close\r\n\r\n"
        );
        connection.write_all(head.as_bytes())?;
        std::thread::sleep(late);
        connection.write_all(body.as_bytes())?;
    }
    Ok(())
}

#[test]
fn a_slow_body_does_not_shift_the_clock() {
    let late = Duration::from_secs(3);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let base = format!("http://{}/api/0/", listener.local_addr().expect("an address"));
    std::thread::spawn(move || slow_bodies(&listener, late));
    let run = Tap::at(&base, "acme", "x").only(&["releases"]).sync();
    // The bookmark is the time before the last answer, to the second.
    let off = Utc::now() - TimeDelta::from_std(late).expect("a span") - start(&run, "releases");
    assert!(off.abs() < TimeDelta::seconds(2), "{off} off");
}
