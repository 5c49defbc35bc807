//! Plays a history: the organization lives, the network lies, the tap runs. At the end everything is quiet, and the tap
//! runs until it is done.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sentry_simulator::{DateHeader, Organization, Simulator};
use serde_json::{Value, json};

use super::change::{Change, finish_merges};
use super::history::{History, Run, Step, Wishes};
use super::ledger::Ledger;
use super::process::{self, End, Ended};
use super::target::{self, Target};
use super::trouble::Fault;
use crate::support::Tap;

/// What the judge looks at when a history is over.
pub struct Evidence {
    /// The organization at the end.
    pub organization: Organization,
    /// Projects that the token may not see at the end.
    pub hidden: BTreeSet<u64>,
    /// What came when.
    pub ledger: Ledger,
    /// What the target holds.
    pub target: Target,
    /// The runs.
    pub runs: Vec<Ran>,
    /// What was asked for in each run. The last is what is wanted at the end.
    pub wishes: Vec<Wishes>,
    /// The server's time at the end, in epoch seconds.
    pub now: i64,
    /// The server goes by the first event in the window.
    pub by_window: bool,
}

/// A run that is over.
#[derive(Clone, Debug)]
pub struct Ran {
    /// The exit code.
    pub code: Option<i32>,
    /// How it came to its end.
    pub end: End,
    /// Whether nothing at all was wrong, so that it had to end with 0.
    pub had_no_excuse: bool,
    /// Whether faults or a wrong clock spoiled it.
    pub spoiled: bool,
    /// How many faults were in force.
    pub faults: usize,
    /// How many requests it made.
    pub requests: usize,
    /// What was wrong with its lines.
    pub bad_lines: Vec<String>,
    /// The end of its log.
    pub log: String,
}

impl Ran {
    /// Whether it ended with 0 and was not stopped.
    pub fn is_whole(&self) -> bool {
        self.code == Some(0) && self.end == End::Own
    }
}

/// Plays a history to its end.
pub fn play(history: &History) -> Evidence {
    let mut player = Player::new(history);
    for step in &history.steps {
        player.step(step);
    }
    player.finish(history.reveal);
    player.evidence(history)
}

struct Player {
    simulator: Simulator,
    ledger: Arc<Mutex<Ledger>>,
    target: Target,
    wishes: Wishes,
    asked: Vec<Wishes>,
    state: Option<Value>,
    runs: Vec<Ran>,
    begin: chrono::DateTime<chrono::Utc>,
}

impl Player {
    fn new(history: &History) -> Self {
        let organization = Organization::generate(&history.shape);
        let mut ledger = Ledger::default();
        ledger.observe(&organization, history.shape.now);
        Self {
            simulator: Simulator::start(organization, history.settings.clone()),
            ledger: Arc::new(Mutex::new(ledger)),
            target: Target::default(),
            wishes: history.wishes.clone(),
            asked: Vec::new(),
            state: None,
            runs: Vec::new(),
            begin: history.shape.now,
        }
    }

    fn ledger<R>(&self, look: impl FnOnce(&mut Ledger) -> R) -> R {
        look(&mut self.ledger.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Change(change) => self.simulator.now_do(|moment| self.ledger(|ledger| change.make(moment, ledger))),
            Step::Wish(wishes) => {
                self.ledger(|ledger| ledger.note(self.simulator.now(), format!("now wanted: {wishes:?}")));
                self.wishes = wishes.clone();
            }
            Step::Run(run) => self.run(run),
        }
    }

    fn run(&mut self, run: &Run) {
        let (simulator, quiet) = (&self.simulator, self.is_quiet(run));
        simulator.clear_requests();
        simulator.settings(|settings| settings.date = run.date);
        run.faults.iter().for_each(|fault| simulator.add_fault(fault.order()));
        for (request, change) in &run.changes {
            let (ledger, change) = (Arc::clone(&self.ledger), change.clone());
            simulator.plan("", *request, move |moment| {
                change.make(moment, &mut ledger.lock().unwrap_or_else(PoisonError::into_inner));
            });
        }
        self.ledger(|ledger| {
            ledger.note(simulator.now(), format!("a run begins. {run}"));
            ledger.begin_run(simulator.now());
        });
        let state = self.state.clone().filter(|_| !run.full_refresh);
        let tap = self.tap(state.as_ref());
        let ended = process::run(tap.command(), simulator, run.stop);
        simulator.finish_plans();
        simulator.clear_faults();
        simulator.settings(|settings| settings.date = DateHeader::Right);
        self.asked.push(self.wishes.clone());
        self.close(run, ended, quiet);
    }

    /// Nothing is wrong during this run, and nothing was left over.
    fn is_quiet(&self, run: &Run) -> bool {
        let hides = |(_, change): &(u64, Change)| matches!(change, Change::Hide { .. } | Change::BeginMerge { .. });
        run.faults.iter().all(Fault::is_harmless)
            && run.stop.is_none()
            && run.date == DateHeader::Right
            && !run.changes.iter().any(hides)
            && self.hidden().is_empty()
            && !self.ledger(|ledger| ledger.is_merging())
            && self.runs.last().is_none_or(Ran::is_whole)
            && self.has_choice()
    }

    /// Whether the user's choice of projects leaves any. A choice that leaves none is the user's mistake.
    fn has_choice(&self) -> bool {
        self.simulator.read(|org| org.projects.iter().any(|project| chosen(&self.wishes, project)))
    }

    fn close(&mut self, run: &Run, ended: Ended, quiet: bool) {
        self.target.begin();
        let bad_lines = ended.lines.iter().filter_map(|line| self.target.take(line).err()).take(3).collect();
        // A line that the tap could not finish because it was killed is no line.
        let bad_lines = if ended.end == End::Stopped { Vec::new() } else { bad_lines };
        let ran = Ran {
            code: ended.code,
            end: ended.end,
            had_no_excuse: quiet && self.hidden().is_empty() && self.has_choice(),
            spoiled: run.date != DateHeader::Right || run.faults.iter().any(Fault::lasts),
            faults: run.faults.len(),
            requests: self.simulator.requests().len(),
            bad_lines,
            log: tail(&ended.log),
        };
        let whole = ran.is_whole();
        let now = self.simulator.now();
        self.simulator.read(|org| {
            self.ledger(|ledger| {
                ledger.end_run(org, whole);
                let text = format!("it ends: {:?}, exit code {:?}, {} requests", ran.end, ran.code, ran.requests);
                ledger.note(now, text);
            });
        });
        self.runs.push(ran);
        if let Some(state) = self.target.state.take() {
            let before = self.state.take().filter(|_| run.merge || run.full_refresh);
            self.state = Some(before.map_or_else(|| state.clone(), |before| target::merge(&before, &state)));
        }
    }

    fn hidden(&self) -> BTreeSet<u64> {
        let ids: Vec<u64> = self.simulator.read(|org| org.projects.iter().map(|project| project.id).collect());
        self.simulator.now_do(|moment| ids.into_iter().filter(|id| moment.is_denied(*id)).collect())
    }

    fn tap(&self, state: Option<&Value>) -> Tap {
        let wishes = &self.wishes;
        let start = wishes
            .start
            .map_or_else(|| "2020-01-01".to_owned(), |days| (self.begin - chrono::TimeDelta::days(days)).to_rfc3339());
        let mut tap = Tap::new(&self.simulator)
            .set("start_date", json!(start))
            .set("lookback_window", json!(wishes.lookback))
            .set("fetch_event_details", json!(wishes.details))
            .set("fetch_issue_details", json!(wishes.issue_details))
            .set("issue_refresh_hours", json!(wishes.refresh))
            .set("activate_version", json!(wishes.activate))
            .set("max_retries", json!(1))
            .set("request_timeout", json!(20))
            .only(&wishes.streams);
        if let Some(fraction) = wishes.sample {
            tap = tap.set("sample_fraction", json!(fraction));
        }
        if let Some(projects) = &wishes.projects {
            tap = tap.set("projects", json!(projects));
        }
        state.map_or(tap.clone(), |state| tap.state(state.clone()))
    }

    /// Everything becomes quiet, and the tap runs until it is done, and once more.
    fn finish(&mut self, reveal: bool) {
        self.simulator.now_do(|moment| {
            self.ledger(|ledger| {
                moment.edit(|org| finish_merges(org, ledger));
                if reveal {
                    Change::ShowAll.make(moment, ledger);
                }
            });
        });
        let calm = Run {
            changes: Vec::new(),
            faults: Vec::new(),
            date: DateHeader::Right,
            stop: None,
            full_refresh: false,
            merge: false,
        };
        for _ in 0..2 {
            self.simulator.advance(Duration::from_secs(660));
            self.run(&calm);
            if self.runs.last().is_some_and(Ran::is_whole) {
                break;
            }
        }
        self.simulator.advance(Duration::from_secs(660));
        next_second();
        self.run(&calm);
    }

    fn evidence(self, history: &History) -> Evidence {
        let hidden = self.hidden();
        let organization = self.simulator.read(Clone::clone);
        let now = self.simulator.now().timestamp();
        let ledger = std::mem::take(&mut *self.ledger.lock().unwrap_or_else(PoisonError::into_inner));
        Evidence {
            organization,
            hidden,
            ledger,
            target: self.target,
            runs: self.runs,
            wishes: self.asked,
            now,
            by_window: history.settings.new_by == sentry_simulator::NewBy::Window,
        }
    }
}

/// Waits for the machine's next second. Versions of tables may be times in seconds, and two runs of a user never begin in
/// the same one.
fn next_second() {
    let past = chrono::Utc::now().timestamp_subsec_millis();
    std::thread::sleep(Duration::from_millis(u64::from(1010_u32.saturating_sub(past))));
}

/// Whether the user chose a project.
pub fn chosen(wishes: &Wishes, project: &sentry_simulator::Project) -> bool {
    let fits = |name: &String| *name == project.id.to_string() || glob(name, &project.slug);
    wishes.projects.as_ref().is_none_or(|names| names.iter().any(fits))
}

/// A pattern with `*` and `?`.
fn glob(pattern: &str, text: &str) -> bool {
    match (pattern.chars().next(), text.chars().next()) {
        (None, None) => true,
        (Some('*'), _) => {
            glob(&pattern[1..], text) || text.chars().next().is_some_and(|c| glob(pattern, &text[c.len_utf8()..]))
        }
        (Some(p), Some(c)) if p == '?' || p == c => glob(&pattern[p.len_utf8()..], &text[c.len_utf8()..]),
        _ => false,
    }
}

fn tail(log: &str) -> String {
    let lines: Vec<&str> = log.lines().filter(|line| !line.contains("METRIC")).collect();
    lines[lines.len().saturating_sub(12)..].join("\n")
}
