//! A history: a server, what its user wants, and a list of steps. All of it comes from a seed. Any number of first steps
//! is a history as well.

use chrono::{DateTime, TimeDelta, Utc};
use sentry_simulator::{Budget, Budgets, Class, DateHeader, NewBy, Settings, Shape};

use super::change::Change;
use super::dice::Dice;
use super::trouble::{Fault, Stop};

/// The streams that are selected unless someone chooses otherwise.
pub const DEFAULT: [&str; 8] =
    ["projects", "project_detail", "teams", "users", "issues", "events", "releases", "release"];
/// Streams that are selected sometimes.
const OPTIONAL: [&str; 7] =
    ["team_members", "commits", "deploys", "monitors", "user_feedback", "replays", "monitor_checkins"];

/// What the user has configured and selected.
#[derive(Clone, Debug)]
pub struct Wishes {
    /// Selected streams.
    pub streams: Vec<&'static str>,
    /// `lookback_window`, in seconds.
    pub lookback: i64,
    /// `start_date`, as days before the history begins. `None` is long ago.
    pub start: Option<i64>,
    /// `sample_fraction`.
    pub sample: Option<f64>,
    /// `fetch_event_details`.
    pub details: bool,
    /// `fetch_issue_details`.
    pub issue_details: bool,
    /// `issue_refresh_hours`.
    pub refresh: u32,
    /// `projects`.
    pub projects: Option<Vec<String>>,
    /// `activate_version`.
    pub activate: bool,
}

/// One run.
#[derive(Clone, Debug)]
pub struct Run {
    /// What happens to the organization, each with the number of the request that sees it first.
    pub changes: Vec<(u64, Change)>,
    /// What the network does.
    pub faults: Vec<Fault>,
    /// What the `Date` header says.
    pub date: DateHeader,
    /// How the run is stopped.
    pub stop: Option<Stop>,
    /// The run starts without a state, and its last STATE is merged into the one before.
    pub full_refresh: bool,
    /// The last STATE is merged into the one before it.
    pub merge: bool,
}

impl std::fmt::Display for Run {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.full_refresh {
            write!(f, "Full refresh. ")?;
        }
        if self.merge {
            write!(f, "States are merged after it. ")?;
        }
        if self.date != DateHeader::Right {
            write!(f, "Date: {:?}. ", self.date)?;
        }
        if let Some(stop) = self.stop {
            write!(f, "{stop:?}. ")?;
        }
        self.faults.iter().try_for_each(|fault| write!(f, "{fault}. "))
    }
}

/// One step.
#[derive(Clone, Debug)]
pub enum Step {
    /// Something happens while no run goes on.
    Change(Change),
    /// The user changes the configuration or the selection.
    Wish(Wishes),
    /// The tap runs.
    Run(Run),
}

/// A history.
#[derive(Clone, Debug)]
pub struct History {
    /// The kind of server.
    pub settings: Settings,
    /// The organization at the beginning.
    pub shape: Shape,
    /// What the user wants at the beginning.
    pub wishes: Wishes,
    /// The token may see all projects again at the end.
    pub reveal: bool,
    /// What happens.
    pub steps: Vec<Step>,
}

impl History {
    /// The history of a seed. `now` is the machine's time: histories begin less than a day before it, since a server
    /// whose clock is further off is not believed.
    pub fn new(seed: u64, now: DateTime<Utc>) -> Self {
        let mut dice = Dice::new(seed);
        let hour = now.timestamp() - now.timestamp().rem_euclid(3600) - 21 * 3600;
        let begin = DateTime::from_timestamp(hour, 0).expect("a time");
        let settings = settings(&mut dice, begin);
        let shape = shape(&mut dice, seed, begin);
        let wishes = wishes(&mut dice);
        let lists_are_whole = settings.most_rows == 100 && settings.full_cap == 100;
        let mut steps = Vec::new();
        let (mut known, mut was_stopped) = (wishes.clone(), false);
        for run in 0..dice.from(3, 6) {
            steps.extend((0..dice.from(u64::from(run > 0), 5)).map(|_| Step::Change(Change::random(&mut dice))));
            steps.push(Step::Change(Change::Advance(dice.pick(&[61, 300, 900, 3_600, 7_200]))));
            if run > 0 && dice.chance(if was_stopped { 40 } else { 20 }) {
                known = other_wishes(&known, &mut dice);
                steps.push(Step::Wish(known.clone()));
            }
            let run = a_run(&mut dice, run == 0, lists_are_whole, known.sample.is_some());
            was_stopped = run.stop.is_some();
            steps.push(Step::Run(run));
        }
        Self { settings, shape, wishes, reveal: dice.chance(80), steps }
    }

    /// The same history without the changes, faults and stops whose description has one of these words.
    pub fn without(mut self, words: &[&str]) -> Self {
        let stays = |text: String| !words.iter().any(|word| text.contains(word));
        self.steps.retain(|step| !matches!(step, Step::Change(change) if !stays(format!("{change:?}"))));
        for step in &mut self.steps {
            if let Step::Run(run) = step {
                run.changes.retain(|(_, change)| stays(format!("{change:?}")));
                run.faults.retain(|fault| stays(fault.to_string()));
                run.stop = run.stop.filter(|stop| stays(format!("{stop:?}")));
                run.date = if stays(format!("Date: {:?}", run.date)) { run.date } else { DateHeader::Right };
            }
        }
        self
    }

    /// The same history up to so many steps.
    pub fn first(&self, steps: usize) -> Self {
        Self { steps: self.steps[..steps].to_vec(), ..self.clone() }
    }

    /// The same history without faults and stops.
    pub fn undisturbed(&self) -> Self {
        let calm = |step: &Step| match step {
            Step::Run(run) => Step::Run(Run { faults: Vec::new(), stop: None, date: DateHeader::Right, ..run.clone() }),
            other => other.clone(),
        };
        Self { steps: self.steps.iter().map(calm).collect(), ..self.clone() }
    }
}

fn settings(dice: &mut Dice, now: DateTime<Utc>) -> Settings {
    let kinds = [Settings::saas(), Settings::self_hosted(), Settings::self_hosted(), Settings::sentry23()];
    let kind = dice.size(0, kinds.len() - 1);
    let base = kinds[kind].clone();
    let most_rows = dice.pick(&[100, 100, 20, 7, 7]);
    Settings {
        now,
        frozen: true,
        limits: dice.chance(30),
        budgets: budgets(),
        new_by: if kind == 2 { NewBy::Window } else { base.new_by },
        most_rows,
        unstable_ties: kind != 3,
        // Rows without an order can be told apart only where they fit into a page.
        unstable_list_ties: dice.chance(40) && most_rows >= 20,
        member_of_all: dice.chance(50),
        ..base
    }
}

/// Budgets in the proportions of sentry.io's, but so large that no run waits for them.
fn budgets() -> Budgets {
    let mut budgets = Budgets::default();
    budgets.set(Class::Default, Budget { limit: 4_000, seconds: 1, concurrent: 25 });
    budgets.set(Class::ProjectEvents, Budget { limit: 1_000, seconds: 60, concurrent: 1 });
    for class in
        [Class::ProjectEvent, Class::ProjectIssues, Class::Issue, Class::IssueEvent, Class::Releases, Class::Members]
    {
        budgets.set(class, Budget { limit: 1_000, seconds: 1, concurrent: 25 });
    }
    budgets
}

fn shape(dice: &mut Dice, seed: u64, now: DateTime<Utc>) -> Shape {
    let projects = dice.size(3, 6);
    let mut sizes: Vec<Vec<usize>> =
        (0..projects).map(|_| (0..dice.size(1, 8)).map(|_| dice.pick(&[1, 1, 2, 3, 5, 9])).collect()).collect();
    if dice.chance(40) {
        sizes[0].push(130);
    }
    Shape {
        seed,
        now,
        projects,
        issue_sizes: sizes,
        days: dice.pick(&[2, 20, 90]),
        feedback_issues_per_project: dice.size(0, 1),
        performance_issues_per_project: dice.size(0, 1),
        teams: 3,
        members: 6,
        releases: dice.size(2, 12),
        commits_per_release: dice.size(0, 9),
        ties: dice.size(0, 4),
        ..Shape::default()
    }
}

fn wishes(dice: &mut Dice) -> Wishes {
    let optional = OPTIONAL.into_iter().filter(|_| dice.chance(20)).collect::<Vec<_>>();
    Wishes {
        streams: DEFAULT.into_iter().chain(optional).collect(),
        lookback: dice.pick(&[120, 600, 600, 3_600]),
        start: dice.pick(&[None, None, None, Some(30)]),
        sample: dice.pick(&[None, None, None, None, None, None, None, Some(0.5)]),
        details: dice.chance(10),
        issue_details: dice.chance(5),
        refresh: dice.pick(&[24, 24, 24, 1, 0]),
        projects: dice.chance(15).then(|| a_choice(dice)),
        activate: dice.chance(50),
    }
}

fn a_choice(dice: &mut Dice) -> Vec<String> {
    let patterns = ["api-backend", "web-*", "4501000002", "mobile-*", "new-*", "?ata-pipeline"];
    let mut choice: Vec<String> = patterns.iter().filter(|_| dice.chance(50)).map(|text| (*text).to_owned()).collect();
    choice.push("api-*".to_owned());
    choice
}

/// One wish is another.
fn other_wishes(before: &Wishes, dice: &mut Dice) -> Wishes {
    let mut wishes = before.clone();
    match dice.from(0, 7) {
        0 => {
            let gone = dice.pick(&wishes.streams);
            wishes.streams.retain(|name| *name != gone || wishes_keep(name));
        }
        1 => wishes.streams = self::wishes(dice).streams,
        2 => wishes.lookback = dice.pick(&[120, 600, 3_600]),
        3 => wishes.start = dice.pick(&[None, Some(60), Some(10)]),
        4 => wishes.details = !wishes.details,
        5 => wishes.refresh = dice.pick(&[0, 1, 24]),
        6 => wishes.projects = if wishes.projects.is_some() { None } else { Some(a_choice(dice)) },
        _ => wishes.activate = !wishes.activate,
    }
    wishes
}

/// Something is always selected.
fn wishes_keep(stream: &str) -> bool {
    stream == "projects"
}

/// A run. The first one reads the most, so the most happens in it.
fn a_run(dice: &mut Dice, first: bool, lists_are_whole: bool, sampled: bool) -> Run {
    let most = if first { 10 } else { 5 };
    let mut changes: Vec<(u64, Change)> = if dice.chance(75) {
        (0..dice.from(1, most)).map(|_| (request(dice), Change::random(dice))).collect()
    } else {
        Vec::new()
    };
    changes.sort_by_key(|(request, _)| *request);
    let faults = if dice.chance(45) {
        (0..dice.from(1, 3)).map(|_| Fault::random(dice, lists_are_whole)).collect()
    } else {
        Vec::new()
    };
    Run {
        changes,
        faults,
        date: if dice.chance(6) { wrong_date(dice) } else { DateHeader::Right },
        stop: dice.chance(if first { 55 } else { 40 }).then(|| Stop::random(dice)),
        full_refresh: !sampled && dice.chance(6),
        merge: dice.chance(20),
    }
}

/// The number of a request. Later runs have few.
pub fn request(dice: &mut Dice) -> u64 {
    let most = dice.pick(&[12, 12, 30, 80]);
    dice.from(1, most)
}

fn wrong_date(dice: &mut Dice) -> DateHeader {
    let days = |days| DateHeader::Off(TimeDelta::days(days).num_seconds());
    dice.pick(&[DateHeader::Absent, days(3), days(-3), days(400)])
}
