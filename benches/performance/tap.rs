//! Runs the binary as users run it, with its files in a temporary folder, and counts what it asked for.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use sentry_simulator::{Request, Simulator};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tempfile::TempDir;

use crate::catalog;
use crate::check;
use crate::measure::{TAP, Weight, weigh};

/// The streams of most scenarios.
pub const EVENTS: &[&str] = &["projects", "issues", "events"];

/// A tap with its files. A scenario may run it several times.
pub struct Tap<'a> {
    /// Where it reads from.
    pub simulator: &'a Simulator,
    /// The streams it reads.
    pub streams: &'a [&'a str],
    dir: TempDir,
    config: Map<String, Value>,
    catalog: Value,
    state: Option<Value>,
}

/// What one run cost and wrote.
pub struct Run {
    /// What the process cost.
    pub weight: Weight,
    /// What it asked for.
    pub requests: Vec<Request>,
    /// Records of each stream, as the log says.
    pub records: BTreeMap<String, usize>,
}

/// A line of the log with a metric.
#[derive(Deserialize)]
struct Metric {
    #[serde(rename = "metric")]
    name: String,
    value: serde_json::Number,
    tags: BTreeMap<String, String>,
}

impl<'a> Tap<'a> {
    /// A tap with the defaults of everything.
    pub fn new(simulator: &'a Simulator, streams: &'a [&'a str]) -> Result<Self> {
        let tap = Self {
            simulator,
            streams,
            dir: tempfile::tempdir()?,
            config: Map::new(),
            catalog: catalog::only(catalog::discovered()?, streams),
            state: None,
        };
        Ok(tap
            .set("api_token", json!(simulator.token()))
            .set("organization", json!(simulator.slug()))
            .set("base_url", json!(simulator.base_url()))
            .set("start_date", json!("2020-01-01")))
    }

    /// Sets an option.
    pub fn set(mut self, name: &str, value: Value) -> Self {
        self.config.insert(name.to_owned(), value);
        self
    }

    /// Changes what the catalog selects.
    pub fn select(mut self, change: impl FnOnce(Value) -> Value) -> Self {
        self.catalog = change(self.catalog);
        self
    }

    /// Passes a state.
    pub fn state(mut self, state: Value) -> Self {
        self.state = Some(state);
        self
    }

    /// The file with the output of the last run whose output was kept.
    pub fn output(&self) -> PathBuf {
        self.dir.path().join("output.jsonl")
    }

    /// The folder of its files.
    pub fn folder(&self) -> &Path {
        self.dir.path()
    }

    /// Runs with the output in a file.
    pub fn run(&self) -> Result<Run> {
        self.run_into(&self.output())
    }

    /// Runs with the output in a file, and checks that it is complete.
    pub fn run_complete(&self) -> Result<Run> {
        let run = self.run()?;
        check::complete(&self.output(), &self.simulator.truth(), self.streams)?;
        Ok(run)
    }

    /// Runs with the output thrown away, and checks that the log counts as many records as `like` has.
    pub fn run_unread(&self, like: &Run) -> Result<Run> {
        let run = self.run_into(Path::new("/dev/null"))?;
        anyhow::ensure!(run.records == like.records, "{:?} records, not {:?}", run.records, like.records);
        Ok(run)
    }

    fn run_into(&self, output: &Path) -> Result<Run> {
        self.simulator.clear_requests();
        let log = self.folder().join("log");
        let weight = weigh(&self.command()?, output, &log)?;
        Ok(Run { weight, requests: requests(self.simulator), records: records(&log)? })
    }

    fn command(&self) -> Result<Command> {
        let mut command = Command::new(TAP);
        command.arg("--config").arg(self.file("config.json", &json!(self.config))?);
        command.arg("--catalog").arg(self.file("catalog.json", &self.catalog)?);
        if let Some(state) = &self.state {
            command.arg("--state").arg(self.file("state.json", state)?);
        }
        Ok(command)
    }

    fn file(&self, name: &str, value: &Value) -> Result<PathBuf> {
        let path = self.folder().join(name);
        std::fs::write(&path, value.to_string())?;
        Ok(path)
    }
}

impl Run {
    /// Records of all streams.
    pub fn total_records(&self) -> usize {
        self.records.values().sum()
    }

    /// How many requests a limit refused.
    pub fn refused(&self) -> usize {
        self.requests.iter().filter(|request| request.status == 429).count()
    }
}

/// The requests so far. Waits until the server has logged the end of each, which may come after the tap read the
/// answer.
pub fn requests(simulator: &Simulator) -> Vec<Request> {
    let mut requests = simulator.requests();
    while requests.iter().any(|request| request.end.is_none()) {
        std::thread::sleep(Duration::from_millis(1));
        requests = simulator.requests();
    }
    requests
}

fn records(log: &Path) -> Result<BTreeMap<String, usize>> {
    let log = std::fs::read_to_string(log)?;
    let mut records = BTreeMap::new();
    for text in log.lines().filter_map(|line| line.strip_prefix("INFO METRIC: ")) {
        let metric: Metric = serde_json::from_str(text).context("a METRIC line")?;
        if metric.name == "record_count" {
            let stream = metric.tags.get("stream").context("a METRIC line without a stream")?;
            let count = metric.value.as_u64().context("a METRIC line without a whole number")?;
            records.insert(stream.clone(), usize::try_from(count)?);
        }
    }
    Ok(records)
}
