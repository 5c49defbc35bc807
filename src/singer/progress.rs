//! Progress inside a sync window that is half read, so that the next run continues where a killed run stopped.
//!
//! Written as `progress_markers`, the Singer SDK's name for the temporary part of a bookmark. A marker covers only
//! records that were written before it. The number of projects and of parallel reads bounds its size. It is an array,
//! since tools that merge states key by key replace arrays whole: parts of two windows never come together.
//! Does not know how windows are read.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::singer::frontier::Frontier;
use crate::time::{Time, seconds};

/// A run that has not ended. The next run continues it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Unfinished {
    /// When it began, by the clock of its machine.
    #[serde(with = "seconds")]
    pub(crate) began: Time,
    /// Full tables that it has read to the end.
    #[serde(default)]
    pub(crate) done: BTreeSet<String>,
}

/// A window that is half read: its fixed end, what was asked for, and which part of it is done.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Progress {
    /// The window's end.
    #[serde(with = "seconds")]
    pub(crate) end: Time,
    /// Projects that are read up to `end`, each with the start that it was read from.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) done: BTreeMap<String, Start>,
    /// Projects that are half read.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) projects: BTreeMap<String, Partition>,
    /// Streams that are read together with the progress owner, the stream whose bookmark holds this. They are as far.
    #[serde(default, rename = "with", skip_serializing_if = "BTreeSet::is_empty")]
    pub(crate) co_read: BTreeSet<String>,
    /// What was asked for: where each stream began, of which projects, and options that change what is written. Progress
    /// counts for the same alone.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(crate) asked: BTreeSet<String>,
    /// Position in the one list that is being read.
    #[serde(flatten)]
    pub(crate) position: Position,
}

/// The start that a project was read from, as it was configured: before it was cut to what the server keeps.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Start(#[serde(with = "seconds")] pub(crate) Time);

impl Progress {
    /// Whether it covers these streams too, beside the progress owner. It does not cover a stream that was selected
    /// later, which is not as far.
    pub(crate) fn holds_for(&self, mut others: impl Iterator<Item = &'static str>) -> bool {
        others.all(|name| self.co_read.contains(name))
    }

    /// Whether a project is read up to the end, from this start on.
    pub(crate) fn has_done(&self, project: &str, start: Time) -> bool {
        self.done.get(project) == Some(&Start(start))
    }

    /// Records that a project is read up to the end, from this start on.
    pub(crate) fn finish_project(&mut self, project: &str, start: Time) {
        self.projects.remove(project);
        self.done.insert(project.to_owned(), Start(start));
    }

    /// What is done of a project that is half read, from this start on.
    pub(crate) fn partition(&self, project: &str, start: Time) -> Option<Partition> {
        self.projects.get(project).filter(|partition| partition.start == Some(start)).cloned()
    }
}

/// A position in a list.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Position {
    /// Start of the list's window, if several windows are read.
    #[serde(default, with = "seconds::option", skip_serializing_if = "Option::is_none")]
    pub(crate) start: Option<Time>,
    /// Which list, if there are several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) list: Option<String>,
    /// What all lists of the window are read for, as a hash. With another start or another project, nothing is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) of: Option<String>,
    /// In a list that is sorted newest first: everything newer than this second is done.
    #[serde(default, with = "seconds::option", skip_serializing_if = "Option::is_none")]
    pub(crate) until: Option<Time>,
    /// In a list without times: key of the last row that is done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) item: Option<String>,
}

/// How far the events of one project are read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Partition {
    /// The start that it is read from, as it was configured.
    #[serde(with = "seconds::option", default, skip_serializing_if = "Option::is_none")]
    pub(crate) start: Option<Time>,
    /// In the project's event list, everything newer than this second is done.
    #[serde(default, with = "seconds::option", skip_serializing_if = "Option::is_none")]
    pub(crate) until: Option<Time>,
    /// Number of rows that were read from the project's event list.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) taken: u64,
    /// The access path of the project. The rest of this counts for that access path alone.
    #[serde(default, rename = "way", skip_serializing_if = "Option::is_none")]
    pub(crate) access_path: Option<String>,
    /// The project's event list is done.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) listed: bool,
    /// Issues whose events are read one issue at a time.
    #[serde(flatten)]
    pub(crate) issues: Frontier,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the form serde asks for")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}
