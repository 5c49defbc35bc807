//! A tap is killed at any moment and started again from the last STATE that the target has seen. Nothing is lost, and
//! little is read twice.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Stdio};
use std::time::Duration;

use sentry_simulator::{Organization, Settings, Shape, Simulator, Truth};
use serde_json::{Value, json};

use crate::support::Tap;

/// What a target has: how often each record came, by stream and key, and the last STATE.
#[derive(Default)]
pub struct Target {
    records: BTreeMap<(String, String), usize>,
    state: Option<Value>,
}

impl Target {
    /// Takes up to `most` lines. Returns `true` if the tap ended before.
    fn take(&mut self, tap: &mut Child, most: usize) -> bool {
        let lines = BufReader::new(tap.stdout.take().expect("stdout is piped")).lines();
        let mut count = 0;
        for line in lines {
            let Ok(message) = serde_json::from_str::<Value>(&line.expect("a line")) else { break };
            self.hold(&message);
            count += 1;
            if count == most {
                return false;
            }
        }
        true
    }

    /// Takes one message.
    pub fn hold(&mut self, message: &Value) {
        match message["type"].as_str() {
            Some("STATE") => self.state = Some(message["value"].clone()),
            Some("RECORD") => {
                let stream = message["stream"].as_str().expect("a stream").to_owned();
                let key = match stream.as_str() {
                    "events" => "eventID",
                    "releases" | "release" => "version",
                    _ => "id",
                };
                let key = message["record"][key].as_str().expect("a key").to_owned();
                *self.records.entry((stream, key)).or_default() += 1;
            }
            _ => {}
        }
    }

    /// How many records came more than once.
    fn repeated(&self) -> usize {
        self.records.values().sum::<usize>() - self.records.len()
    }

    /// The last STATE.
    pub fn state(&self) -> Option<&Value> {
        self.state.as_ref()
    }

    /// The keys of a stream.
    pub fn keys(&self, stream: &str) -> BTreeSet<String> {
        self.records.keys().filter(|(of, _)| of == stream).map(|(_, key)| key.clone()).collect()
    }

    fn assert_holds(&self, truth: &Truth) {
        assert_eq!(self.keys("events"), truth.event_ids());
        assert_eq!(self.keys("issues"), truth.issues.keys().cloned().collect());
        assert_eq!(self.keys("projects"), truth.projects);
        assert_eq!(self.keys("project_detail"), truth.projects);
        assert_eq!(self.keys("teams"), truth.teams);
        assert_eq!(self.keys("users"), truth.users);
        for stream in ["releases", "release"] {
            assert_eq!(self.keys(stream), truth.releases.keys().cloned().collect(), "{stream}");
        }
    }
}

/// A small random generator. A failing seed can be run again.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("fits") % most + 1
    }
}

fn start(tap: &Tap, log: &tempfile::NamedTempFile) -> Child {
    let log = log.reopen().expect("a file");
    tap.command().stdout(Stdio::piped()).stderr(log).spawn().expect("the tap starts")
}

fn text(log: &tempfile::NamedTempFile) -> String {
    std::fs::read_to_string(log.path()).expect("text")
}

/// Kills a tap at random lines and starts it again from the last STATE, until a run ends by itself. After `most` kills
/// a run is not killed any more. Calls `after` for each run with the number of records that came again. Returns what
/// the target has, and the number of kills.
pub fn killed(mut tap: Tap, seed: u64, lines: usize, most: usize, mut after: impl FnMut(usize)) -> (Target, usize) {
    let (mut dice, mut target) = (Dice(seed), Target::default());
    for kills in 0..=most {
        let log = tempfile::NamedTempFile::new().expect("a file");
        let mut child = start(&tap, &log);
        let before = target.repeated();
        let ended = target.take(&mut child, if kills == most { usize::MAX } else { dice.roll(lines) });
        if !ended {
            let _ = child.kill();
        }
        let status = child.wait().expect("the tap ends");
        after(target.repeated() - before);
        if ended {
            assert!(status.success(), "seed {seed}: the last run failed: {}", text(&log));
            return (target, kills);
        }
        if let Some(state) = target.state.clone() {
            tap = tap.state(state);
        }
    }
    panic!("seed {seed}: no run came to its end");
}

/// How many records may come again for each request in flight: the page that was on its way, the one before it, which ends
/// where the position stands, and the boundary second. The tap rereads that second on purpose, since it may hold rows of
/// two pages. In this data a second has one row.
const PAGES_AND_EDGE: usize = 100 + 100 + 1;

/// What else may come again: lists that each have written a page that none of the others has, and short issues that were
/// done beyond the frontier.
#[derive(Clone, Copy)]
struct Again {
    lists: usize,
    events_of_short_issues: usize,
}

const NOTHING_ELSE: Again = Again { lists: 1, events_of_short_issues: 0 };

/// Kills runs until one ends by itself. Each run may repeat some pages for each request in flight. Together they bring
/// everything.
fn kill_until_done(simulator: &Simulator, tap: Tap, seed: u64, lines: usize, more: Again) -> usize {
    simulator.clear_requests();
    let check = |again: usize| {
        let in_flight = simulator.requests().iter().map(|request| request.in_flight).max().unwrap_or(0);
        let most = PAGES_AND_EDGE * in_flight.max(more.lists) + more.events_of_short_issues;
        assert!(again <= most, "seed {seed}: {again} records came again, with {in_flight} requests in flight");
        simulator.clear_requests();
    };
    let (target, kills) = killed(tap, seed, lines, 400, check);
    target.assert_holds(&simulator.truth());
    kills
}

/// How often each shape is played. `TAP_SENTRY_KILL_RUNS` sets another number.
fn runs() -> u64 {
    std::env::var("TAP_SENTRY_KILL_RUNS").ok().and_then(|runs| runs.parse().ok()).unwrap_or(2)
}

/// Says how many runs were killed.
fn report(what: &str, kills: usize) {
    // Writes to stderr itself, since the test harness hides what successful tests print.
    let _ = writeln!(std::io::stderr(), "{what}: {kills} runs were killed");
    assert!(kills > 0, "nothing was killed");
}

fn play(what: &str, shape: &Shape, settings: Settings, lines: usize) {
    play_again(what, shape, settings, lines, NOTHING_ELSE);
}

fn play_again(what: &str, shape: &Shape, settings: Settings, lines: usize, more: Again) {
    let mut kills = 0;
    for seed in 1..=runs() {
        let settings = Settings { latency: Duration::from_millis(2), ..settings.clone() };
        let simulator = Simulator::start(Organization::generate(&Shape { seed, ..shape.clone() }), settings);
        kills += kill_until_done(&simulator, Tap::new(&simulator), seed, lines, more);
    }
    report(what, kills);
}

#[test]
fn many_projects_survive_kills() {
    let shape = Shape { projects: 12, issues_per_project: 6, events_per_issue: 4, ..Shape::default() };
    play("many projects", &shape, Settings::self_hosted(), 150);
}

#[test]
fn one_huge_issue_survives_kills() {
    let shape = Shape { projects: 1, issue_sizes: vec![vec![3000, 2, 150]], ..Shape::default() };
    play("one huge issue", &shape, Settings::saas(), 700);
}

#[test]
fn a_long_tail_of_issues_survives_kills() {
    let shape = Shape { projects: 2, issues_per_project: 220, events_per_issue: 2, ..Shape::default() };
    play("a long tail", &shape, Settings::self_hosted(), 300);
}

#[test]
fn a_fan_out_survives_kills() {
    let shape = Shape { projects: 6, issues_per_project: 180, events_per_issue: 1, ..Shape::default() };
    // Each list writes a page before all of them have a mark.
    play_again("side by side", &shape, Settings::self_hosted(), 1200, Again { lists: shape.projects, ..NOTHING_ELSE });
}

#[test]
fn issues_read_one_by_one_survive_kills() {
    let shape = Shape { projects: 2, issues_per_project: 15, events_per_issue: 30, ..Shape::default() };
    let simulator = Simulator::start(Organization::generate(&shape), Settings { limits: false, ..Settings::saas() });
    let tap = || Tap::new(&simulator).set("fetch_event_details", json!(true));
    let more = Again { events_of_short_issues: 16 * 30, ..NOTHING_ELSE };
    report("issues one by one", (1..=runs()).map(|seed| kill_until_done(&simulator, tap(), seed, 300, more)).sum());
}

#[test]
fn an_old_server_survives_kills() {
    let shape = Shape { projects: 3, issues_per_project: 8, events_per_issue: 15, ..Shape::default() };
    let settings = Settings { latency: Duration::from_millis(2), ..Settings::sentry9() };
    let now = chrono::Utc::now();
    let simulator = Simulator::start(Organization::generate(&Shape { now, ..shape }), Settings { now, ..settings });
    let tap = || Tap::new(&simulator).only(&["projects", "project_detail", "teams", "issues", "events"]);
    let mut kills = 0;
    for seed in 1..=runs() {
        let (target, killed) = killed(tap(), seed, 400, 200, |_| ());
        assert_eq!(target.keys("events"), simulator.truth().event_ids());
        assert_eq!(target.keys("issues"), simulator.truth().issues.keys().cloned().collect());
        kills += killed;
    }
    report("an old server", kills);
}

/// A run is continued behind the frontier alone, and what was merged into a done issue since is read.
#[test]
fn what_is_done_of_a_project_is_not_read_again_unless_it_grew() {
    let shape =
        Shape { projects: 1, issue_sizes: vec![vec![2; 230]], feedback_issues_per_project: 0, ..Shape::default() };
    let simulator =
        Simulator::start(Organization::generate(&shape), Settings { frozen: true, ..Settings::self_hosted() });
    let truth = simulator.truth();
    let mut issues: Vec<&String> = truth.issues.keys().collect();
    issues.sort_by_key(|id| id.parse::<u64>().expect("a number"));
    let project = truth.projects.first().expect("a project").clone();
    let end = (simulator.now() - chrono::TimeDelta::seconds(1)).to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
    for events_of_the_first_hundred in [200, 199] {
        let ranges = [format!("{} 100 {events_of_the_first_hundred}", issues[99]), format!("{} 110 220", issues[209])];
        let partition = json!({"start": "2020-01-01T00:00:00Z", "way": "issue", "issues": ranges});
        let progress = json!([{"end": end, "projects": {&project: partition}}]);
        let state = json!({"version": 2, "bookmarks": {"events": {"progress_markers": progress}}});
        let run = Tap::new(&simulator).only(&["events"]).state(state).sync();
        let grew = events_of_the_first_hundred < 200;
        let left = issues[210..].iter().chain(if grew { &issues[..100] } else { &[][..] });
        let of = |id: &&String| truth.events[*id].iter().map(|event| event.id.clone()).collect::<Vec<_>>();
        let wanted: BTreeSet<String> = left.flat_map(of).collect();
        assert_eq!(run.keys("events", "eventID"), wanted);
    }
}
