//! Runs the binary as users run it: config, catalog and state are files, messages come from stdout.

pub mod complete;
pub mod server;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Arc, OnceLock};

use sentry_simulator::Simulator;
use serde_json::{Map, Value, json};
use tempfile::TempDir;

/// A tap with its files. A test may run it several times.
#[derive(Clone)]
pub struct Tap {
    dir: Arc<TempDir>,
    config: Map<String, Value>,
    catalog: Option<Value>,
    state: Option<Value>,
    args: Vec<String>,
    env: Vec<(String, String)>,
}

/// How one run ended, and what it wrote.
pub struct Run {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
    pub messages: Vec<Value>,
}

impl Tap {
    /// A tap for a simulator. It is fast, and has no look-back unless a test sets one.
    pub fn new(simulator: &Simulator) -> Self {
        Self::at(&simulator.base_url(), &simulator.slug(), simulator.token())
    }

    /// A tap for any server.
    pub fn at(base_url: &str, organization: &str, token: &str) -> Self {
        let tap = Self {
            dir: Arc::new(tempfile::tempdir().expect("a temporary folder")),
            config: Map::new(),
            catalog: None,
            state: None,
            args: Vec::new(),
            env: Vec::new(),
        };
        tap.set("api_token", json!(token))
            .set("organization", json!(organization))
            .set("base_url", json!(base_url))
            .set("start_date", json!("2020-01-01"))
            .set("rate_limit", json!(1000))
            .set("lookback_window", json!(0))
    }

    /// Sets an option.
    #[must_use]
    pub fn set(mut self, name: &str, value: Value) -> Self {
        self.config.insert(name.to_owned(), value);
        self
    }

    /// Passes a catalog.
    #[must_use]
    pub fn catalog(mut self, catalog: Value) -> Self {
        self.catalog = Some(catalog);
        self
    }

    /// Passes the discovered catalog with only these streams selected.
    #[must_use]
    pub fn only(self, streams: &[&str]) -> Self {
        let mut catalog = discovered();
        for entry in catalog["streams"].as_array_mut().expect("streams") {
            let selected = streams.contains(&entry["tap_stream_id"].as_str().expect("an id"));
            entry["metadata"][0]["metadata"]["selected"] = json!(selected);
        }
        self.catalog(catalog)
    }

    /// Passes a state.
    #[must_use]
    pub fn state(mut self, state: Value) -> Self {
        self.state = Some(state);
        self
    }

    /// Adds a flag.
    #[must_use]
    pub fn arg(mut self, arg: &str) -> Self {
        self.args.push(arg.to_owned());
        self
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The command of a sync. It is not started yet.
    pub fn command(&self) -> Command {
        let mut command = tap();
        command.arg("--config").arg(self.file("config.json", &Value::Object(self.config.clone())));
        if let Some(catalog) = &self.catalog {
            command.arg("--catalog").arg(self.file("catalog.json", catalog));
        }
        if let Some(state) = &self.state {
            command.arg("--state").arg(self.file("state.json", state));
        }
        command.args(&self.args).envs(self.env.iter().cloned());
        command
    }

    /// Runs to the end.
    pub fn run(&self) -> Run {
        Run::of(self.command())
    }

    /// Runs to the end. Fails the test if the exit code is not 0 or the messages are not in order.
    pub fn sync(&self) -> Run {
        let run = self.run();
        assert_eq!(run.code, 0, "stderr: {}", run.stderr);
        run.check_protocol();
        run
    }

    fn file(&self, name: &str, value: &Value) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::write(&path, value.to_string()).expect("a file can be written");
        path
    }
}

/// The binary with an empty environment.
pub fn tap() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tap-sentry"));
    command.env_clear().stdin(Stdio::null());
    command
}

/// What `--discover` prints. It is asked once.
pub fn discovered() -> Value {
    static CATALOG: OnceLock<Value> = OnceLock::new();
    let ask = || {
        let mut command = tap();
        command.arg("--discover");
        serde_json::from_str(&Run::of(command).stdout).expect("a catalog")
    };
    CATALOG.get_or_init(ask).clone()
}

impl Run {
    /// Runs a command to its end.
    pub fn of(mut command: Command) -> Self {
        let output = command.output().expect("the tap can be started");
        let stdout = String::from_utf8(output.stdout).expect("stdout is UTF-8");
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        let messages = stdout.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        Self { code: output.status.code().unwrap_or(-1), stdout, stderr, messages }
    }

    fn of_type(&self, kind: &str) -> impl Iterator<Item = &Value> {
        self.messages.iter().filter(move |message| message["type"] == kind)
    }

    /// The records of a stream, in order.
    pub fn records(&self, stream: &str) -> Vec<&Value> {
        self.of_type("RECORD").filter(|message| message["stream"] == stream).map(|message| &message["record"]).collect()
    }

    /// One field of every record of a stream, sorted. Fails on a value that occurs twice.
    pub fn keys(&self, stream: &str, field: &str) -> BTreeSet<String> {
        let mut keys = BTreeSet::new();
        for record in self.records(stream) {
            let key = record[field].as_str().expect("a key is text").to_owned();
            assert!(keys.insert(key.clone()), "{stream} {key} was written twice");
        }
        keys
    }

    /// Event ids by issue id.
    pub fn events_by_issue(&self) -> BTreeMap<String, BTreeSet<String>> {
        let mut issues: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        self.keys("events", "eventID");
        for record in self.records("events") {
            let text = |field: &str| record[field].as_str().expect("text").to_owned();
            issues.entry(text("issue_id")).or_default().insert(text("eventID"));
        }
        issues
    }

    /// The SCHEMA of a stream.
    pub fn schema(&self, stream: &str) -> &Value {
        self.of_type("SCHEMA")
            .find(|message| message["stream"] == stream)
            .map(|message| &message["schema"])
            .expect("a SCHEMA")
    }

    /// The value of the last STATE. It must be the last line.
    pub fn last_state(&self) -> Value {
        let last = self.messages.last().expect("messages");
        assert_eq!(last["type"], "STATE", "the last line must be a STATE");
        last["value"].clone()
    }

    /// Checks that every line is JSON, SCHEMA comes before RECORD, records are valid, and STATE comes last.
    pub fn check_protocol(&self) {
        assert_eq!(self.messages.len(), self.stdout.lines().count(), "a line is not JSON");
        let mut validators = BTreeMap::new();
        for message in &self.messages {
            let stream = message["stream"].as_str().unwrap_or_default();
            match message["type"].as_str() {
                Some("SCHEMA") => {
                    let validator = jsonschema::options().should_validate_formats(true).build(&message["schema"]);
                    validators.insert(stream, validator.expect("a valid schema"));
                }
                Some("RECORD") => {
                    let record = &message["record"];
                    if let Err(error) = validators[stream].validate(record) {
                        panic!("{stream}: {error} at {}", error.instance_path());
                    }
                }
                Some("STATE") => assert!(message["value"]["bookmarks"].is_object()),
                other => panic!("an unknown type of message: {other:?}"),
            }
        }
        self.last_state();
    }
}
