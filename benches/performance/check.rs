//! Checks that a run wrote everything. A benchmark of half the data would be worth nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use anyhow::{Context, Result, ensure};
use sentry_simulator::Truth;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

/// Keys of records by stream. The key of an event names its issue too.
type Keys = BTreeMap<String, BTreeSet<String>>;

#[derive(Deserialize)]
struct Message<'a> {
    r#type: &'a str,
    #[serde(default)]
    stream: &'a str,
    record: Option<Record>,
    #[serde(borrow)]
    value: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Record {
    /// Text for all streams but releases.
    id: Option<Value>,
    version: Option<String>,
    #[serde(rename = "eventID")]
    event: Option<String>,
    issue_id: Option<String>,
}

impl Record {
    fn key(self, stream: &str) -> Option<String> {
        match stream {
            "events" => Some(format!("{}/{}", self.issue_id?, self.event?)),
            "releases" | "release" => self.version,
            _ => Some(self.id?.as_str()?.to_owned()),
        }
    }
}

/// What a run wrote: the keys of its records, and its last state.
struct Written {
    keys: Keys,
    state: Value,
}

fn read(output: &Path) -> Result<Written> {
    let mut written = Written { keys: Keys::new(), state: Value::Null };
    for line in BufReader::new(File::open(output)?).lines() {
        let line = line?;
        let message: Message<'_> = serde_json::from_str(&line).context("a line is no message")?;
        written.state = Value::Null;
        match (message.r#type, message.record, message.value) {
            ("RECORD", Some(record), _) => {
                let key = record.key(message.stream).context("a record without its key")?;
                written.keys.entry(message.stream.to_owned()).or_default().insert(key);
            }
            ("STATE", _, Some(value)) => written.state = serde_json::from_str(value.get())?,
            _ => {}
        }
    }
    ensure!(written.state["bookmarks"].is_object(), "the last line is no STATE");
    Ok(written)
}

/// The last state of an output.
pub fn last_state(output: &Path) -> Result<Value> {
    Ok(read(output)?.state)
}

/// Every record that the truth names was written, and no other.
pub fn complete(output: &Path, truth: &Truth, streams: &[&str]) -> Result<()> {
    let keys = read(output)?.keys;
    let expected = expected(truth);
    for stream in streams {
        let (written, expected) = (keys.get(*stream), expected.get(*stream).context("an unknown stream")?);
        let none = BTreeSet::new();
        let written = written.unwrap_or(&none);
        let missing = expected.difference(written).count();
        let foreign = written.difference(expected).count();
        ensure!(missing == 0 && foreign == 0, "{stream}: {missing} records are missing, {foreign} are not in the data");
    }
    Ok(())
}

fn expected(truth: &Truth) -> Keys {
    let events =
        truth.events.iter().flat_map(|(issue, events)| events.iter().map(move |e| format!("{issue}/{}", e.id)));
    let versions: BTreeSet<String> = truth.releases.keys().cloned().collect();
    let named = |name: &str, keys| (name.to_owned(), keys);
    Keys::from([
        named("projects", truth.projects.clone()),
        named("project_detail", truth.projects.clone()),
        named("teams", truth.teams.clone()),
        named("users", truth.users.clone()),
        named("issues", truth.issues.keys().cloned().collect()),
        named("events", events.collect()),
        named("releases", versions.clone()),
        named("release", versions),
    ])
}

/// Each issue has as many of its events as `keep` returns for their number.
pub fn sampled(output: &Path, truth: &Truth, keep: impl Fn(usize) -> usize) -> Result<()> {
    let keys = read(output)?.keys;
    let events = keys.get("events").context("no events")?;
    let all = expected(truth);
    ensure!(events.is_subset(&all["events"]), "events that are not in the data");
    for (issue, own) in &truth.events {
        let prefix = format!("{issue}/");
        let kept = events.iter().filter(|key| key.starts_with(&prefix)).count();
        ensure!(kept == keep(own.len()), "issue {issue}: {kept} events of {} kept", own.len());
    }
    Ok(())
}
