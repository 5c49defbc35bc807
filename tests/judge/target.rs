//! A target as Singer describes it: rows by key, kept as far as the last STATE covers them. `ACTIVATE_VERSION` deletes
//! the rows of other versions.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// Keys of rows, as the SCHEMA's key properties have them.
pub type Key = Vec<String>;

/// What a target holds after some runs.
#[derive(Default)]
pub struct Target {
    /// The rows of each stream, with the version that they came with.
    pub rows: BTreeMap<String, BTreeMap<Key, Option<i64>>>,
    /// The keys of all rows that ever came.
    pub written: BTreeMap<String, BTreeSet<Key>>,
    /// The keys of rows that came in the run that goes on, or the last one.
    pub in_run: BTreeMap<String, BTreeSet<Key>>,
    /// Streams whose `ACTIVATE_VERSION` came in that run.
    pub activated: BTreeSet<String>,
    /// The newest `lastSeen` that each issue came with, in runs that ended well.
    pub last_seen: BTreeMap<String, String>,
    /// The same of the last run.
    listed: BTreeMap<String, String>,
    /// The last STATE.
    pub state: Option<Value>,
    keys: BTreeMap<String, Vec<String>>,
    waiting: Vec<Value>,
}

impl Target {
    /// A run begins.
    pub fn begin(&mut self) {
        self.in_run.clear();
        self.activated.clear();
        self.waiting.clear();
        self.state = None;
    }

    /// A run has ended. What a failed or stopped run has listed does not count: it was for the next run to read.
    pub fn end(&mut self, is_whole: bool) {
        for (issue, listed) in std::mem::take(&mut self.listed).into_iter().filter(|_| is_whole) {
            let seen = self.last_seen.entry(issue).or_default();
            *seen = std::mem::take(seen).max(listed);
        }
    }

    /// Takes a line. Says what is wrong with it.
    pub fn take(&mut self, line: &str) -> Result<(), String> {
        let message: Value = serde_json::from_str(line).map_err(|error| format!("not JSON ({error}): {line}"))?;
        match message["type"].as_str() {
            Some("SCHEMA") => {
                let keys = message["key_properties"].as_array().cloned().unwrap_or_default();
                self.keys.insert(stream(&message), keys.iter().map(text).collect());
            }
            Some("RECORD" | "ACTIVATE_VERSION") => {
                if !self.keys.contains_key(&stream(&message)) {
                    return Err(format!("no SCHEMA came before: {line}"));
                }
                self.waiting.push(message);
            }
            Some("STATE") => self.commit(message["value"].clone()),
            _ => return Err(format!("no message of Singer: {line}")),
        }
        Ok(())
    }

    /// A STATE covers what waits.
    fn commit(&mut self, state: Value) {
        for message in std::mem::take(&mut self.waiting) {
            let (stream, version) = (stream(&message), message["version"].as_i64());
            if message["type"] == "ACTIVATE_VERSION" {
                self.rows.entry(stream.clone()).or_default().retain(|_, of| *of == version);
                self.activated.insert(stream);
                continue;
            }
            let record = &message["record"];
            let key: Key = self.keys[&stream].iter().map(|name| text(&record[name])).collect();
            if stream == "issues" {
                let seen = self.listed.entry(text(&record["id"])).or_default();
                *seen = std::mem::take(seen).max(text(&record["lastSeen"]));
            }
            self.written.entry(stream.clone()).or_default().insert(key.clone());
            self.in_run.entry(stream.clone()).or_default().insert(key.clone());
            self.rows.entry(stream).or_default().insert(key, version);
        }
        self.state = Some(state);
    }

    /// Whether a row with this key ever came. It is the first part of the key, or the second after the organization.
    pub fn has(&self, stream: &str, key: &str) -> bool {
        self.written.get(stream).is_some_and(|keys| keys.iter().any(|parts| parts.iter().any(|part| part == key)))
    }

    /// The keys with one part of the last run.
    pub fn single(&self, stream: &str) -> BTreeSet<String> {
        let keys = self.in_run.get(stream).into_iter().flatten();
        keys.map(|parts| parts.join("/")).collect()
    }

    /// The keys of the rows that are kept.
    pub fn kept(&self, stream: &str) -> BTreeSet<String> {
        self.rows.get(stream).into_iter().flat_map(BTreeMap::keys).map(|parts| parts.join("/")).collect()
    }
}

fn stream(message: &Value) -> String {
    text(&message["stream"])
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Merges a state into an earlier one, key by key, as Meltano does.
pub fn merge(before: &Value, after: &Value) -> Value {
    match (before.as_object(), after.as_object()) {
        (Some(before), Some(after)) => {
            let mut merged = before.clone();
            for (key, value) in after {
                let value = merged.get(key).map_or_else(|| value.clone(), |old| merge(old, value));
                merged.insert(key.clone(), value);
            }
            Value::Object(merged)
        }
        _ => after.clone(),
    }
}
