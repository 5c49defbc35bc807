//! The state: how far every stream is read. Reads every form that this tap or the original tap ever wrote; writes one.
//!
//! A bookmark's `start` is the end of the last window that was read to its end. While a window is being read,
//! `progress_markers` (the Singer SDK's name for the temporary part of a bookmark) says how much of it is done.
//! Does not know how windows are read.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, ensure};
use serde::de::DeserializeOwned;
use serde::ser::{SerializeMap, Serializer};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::singer::pending::Pending;
use crate::singer::progress::{Progress, Unfinished};
use crate::time::{Time, format_time, parse_time_or_date};

/// The version of the form that is written. Earlier ones are read: bookmarks hold, progress is dropped, since it did not
/// say what it was made for. Their states have no version.
pub(super) const VERSION: u64 = 2;

/// The state of one organization, all streams.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct State {
    /// Bookmarks by `tap_stream_id`.
    pub(crate) bookmarks: BTreeMap<String, Bookmark>,
    /// The stream that was read when the state was written.
    pub(crate) currently_syncing: Option<String>,
    /// The run that has not ended.
    pub(crate) run: Option<Unfinished>,
    /// Which projects the last run read; absent if it read all of them.
    pub(crate) choice: Option<Choice>,
    /// An earlier version wrote it. What it says of projects that the token may not see is not true.
    pub(crate) is_of_earlier_version: bool,
}

/// A choice of projects. Holds just enough to tell whether two runs chose the same.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Choice {
    /// The patterns, as one text.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) projects: String,
    /// The share of the machine, as `k/n`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) shard: Option<String>,
}

/// How far one stream is read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Bookmark {
    /// End of the last window that was read to its end. Holds for every project without a `start` of its own.
    pub(crate) start: Option<Time>,
    /// What a query asked for, as a fingerprint. Absent for other streams, and in earlier states.
    pub(crate) query: Option<String>,
    /// When everything that the server still has was last read again.
    pub(crate) refreshed: Option<Time>,
    /// The projects that this bookmark covers, each with its own start if that differs. `None` in states that did not
    /// record projects: then it covers every project.
    pub(crate) projects: Option<BTreeMap<String, Option<Time>>>,
    /// The projects that the bookmark of a list of the organization covers. `None` in states that did not record them:
    /// then it covers every project. An array, so that tools which merge states key by key take one or the other, and
    /// never the sum: a bookmark does not cover what another one covered.
    pub(crate) project_ids: Option<BTreeSet<String>>,
    /// Progress in the window that is half read, if there is one.
    pub(crate) progress: Option<Progress>,
    /// The newest rows that the target has: the `start` that they were noted for, then their fingerprints, newest first.
    /// One list, so that tools that merge states replace it whole.
    pub(crate) rows: Vec<String>,
    /// What earlier runs could not read, and what they found gone. It is asked for again in each run.
    pub(crate) pending: Vec<Pending>,
}

impl State {
    /// Reads an unwrapped state, of this tap or of the original tap. `version` is that of its form.
    pub(super) fn from_value(value: &Value, version: u64) -> Self {
        let mut state = Self {
            currently_syncing: value.get("currently_syncing").and_then(Value::as_str).map(str::to_owned),
            run: value.get("progress_markers").and_then(read_whole),
            choice: value.get("choice").and_then(|choice| serde_json::from_value(choice.clone()).ok()),
            ..Self::default()
        };
        if let Some(bookmarks) = value.get("bookmarks").and_then(Value::as_object) {
            let read = bookmarks.iter().filter_map(|(name, value)| Some((name.clone(), Bookmark::from_value(value)?)));
            state.bookmarks = read.collect();
        }
        if version < VERSION {
            state.run = None;
            state.is_of_earlier_version = true;
            state.bookmarks.values_mut().for_each(|bookmark| bookmark.progress = None);
            state.bookmarks.retain(|_, bookmark| *bookmark != Bookmark::default());
        }
        state
    }

    /// The bookmark of a stream. Adds an empty one if there is none.
    pub(crate) fn bookmark_mut(&mut self, stream: &str) -> &mut Bookmark {
        self.bookmarks.entry(stream.to_owned()).or_default()
    }

    /// The progress of a stream in the window up to `end`. Progress in another window is dropped.
    pub(crate) fn progress_mut(&mut self, stream: &str, end: Time) -> &mut Progress {
        let progress = self.bookmark_mut(stream).progress.get_or_insert_default();
        if progress.end != end {
            *progress = Progress { end, ..Progress::default() };
        }
        progress
    }

    /// A copy of a stream's bookmark; empty if there is none.
    pub(crate) fn bookmark(&self, stream: &str) -> Bookmark {
        self.bookmarks.get(stream).cloned().unwrap_or_default()
    }
}

/// The state object in the text of a state file, without what Meltano and STATE messages wrap around it.
pub(super) fn read_object(text: &str) -> Result<Value> {
    if text.trim().is_empty() {
        return Ok(Value::Null);
    }
    let value: Value = serde_json::from_str(text).context("the state file is not valid JSON")?;
    ensure!(value.is_object() || value.is_null(), "the state file must hold a JSON object");
    Ok(unwrapped(value))
}

/// The version of a state's form; 1 if it does not say. An error says what to do about a later one.
pub(super) fn version_of(state: &Value) -> Result<u64> {
    let version = state.get("version").and_then(Value::as_u64).unwrap_or(1);
    ensure!(
        version <= VERSION,
        "a later tap-sentry wrote it: it is of version {version}, and this one reads up to {VERSION}; run that tap-sentry \
         again, or begin without a state"
    );
    Ok(version)
}

fn unwrapped(mut value: Value) -> Value {
    for wrapper in ["singer_state", "value", "completed"] {
        if let Some(inner) = value.get_mut(wrapper).filter(|inner| inner.is_object()) {
            return unwrapped(inner.take());
        }
    }
    value
}

impl Bookmark {
    /// `None` if the value is no bookmark. The original tap left other values in its state.
    fn from_value(value: &Value) -> Option<Self> {
        if value.is_string() {
            return Some(Self { start: Some(read_time(Some(value))?), ..Self::default() });
        }
        let object = value.as_object()?;
        let bookmark = Self {
            start: read_time(object.get("start")),
            query: object.get("query").and_then(Value::as_str).map(str::to_owned),
            refreshed: read_time(object.get("refreshed")),
            projects: object.get("projects").and_then(Value::as_object).map(read_projects),
            progress: object.get("progress_markers").and_then(read_whole),
            pending: object
                .get("pending")
                .and_then(|value| serde_json::from_value(value.clone()).ok())
                .unwrap_or_default(),
            project_ids: object.get("project_ids").and_then(|ids| serde_json::from_value(ids.clone()).ok()),
            rows: object.get("rows").and_then(|value| serde_json::from_value(value.clone()).ok()).unwrap_or_default(),
        };
        (bookmark != Self::default()).then_some(bookmark)
    }
}

/// The part of a state that belongs to no stream.
pub(super) struct Rest<'a>(pub(super) &'a State);

impl Rest<'_> {
    /// Writes its entries into an object.
    pub(super) fn entries<M: SerializeMap>(&self, map: &mut M) -> std::result::Result<(), M::Error> {
        if let Some(stream) = &self.0.currently_syncing {
            map.serialize_entry("currently_syncing", stream)?;
        }
        map.serialize_entry("progress_markers", self.0.run.as_slice())?;
        if let Some(choice) = &self.0.choice {
            map.serialize_entry("choice", choice)?;
        }
        Ok(())
    }
}

impl Serialize for Rest<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        self.entries(&mut map)?;
        map.end()
    }
}

impl Serialize for Bookmark {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (name, time) in [("start", self.start), ("refreshed", self.refreshed)] {
            if let Some(time) = time {
                map.serialize_entry(name, &format_time(time))?;
            }
        }
        if let Some(query) = &self.query {
            map.serialize_entry("query", query)?;
        }
        if let Some(ids) = &self.project_ids {
            map.serialize_entry("project_ids", ids)?;
        }
        if let Some(projects) = &self.projects {
            map.serialize_entry("projects", &Projects(projects, self.start))?;
        }
        if !self.pending.is_empty() {
            map.serialize_entry("pending", &self.pending)?;
        }
        if !self.rows.is_empty() {
            map.serialize_entry("rows", &self.rows)?;
        }
        map.serialize_entry("progress_markers", self.progress.as_slice())?;
        map.end()
    }
}

/// Projects, each with its start. Tools that merge states key by key join entries of two states, so that none may lean on
/// the stream's start.
struct Projects<'a>(&'a BTreeMap<String, Option<Time>>, Option<Time>);

impl Serialize for Projects<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let start = |own: &Option<Time>| own.or(self.1).map(|start| ("start", format_time(start)));
        serializer.collect_map(self.0.iter().map(|(id, own)| (id, BTreeMap::from_iter(start(own)))))
    }
}

/// The one thing in an array. Progress is written so that it is replaced whole when states are merged.
fn read_whole<T: DeserializeOwned>(value: &Value) -> Option<T> {
    serde_json::from_value(value.as_array()?.first()?.clone()).ok()
}

fn read_projects(projects: &Map<String, Value>) -> BTreeMap<String, Option<Time>> {
    projects.iter().map(|(id, value)| (id.clone(), read_time(value.get("start")))).collect()
}

fn read_time(value: Option<&Value>) -> Option<Time> {
    parse_time_or_date(value?.as_str()?)
}

#[cfg(test)]
#[path = "state_tests.rs"]
mod tests;
