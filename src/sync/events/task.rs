//! What is to be read of one project for its changed issues. Data only.

use crate::output::stream::StreamOutput;
use crate::singer::frontier::id_order;
use crate::singer::progress::Partition;
use crate::streams::{Source, Step};
use crate::sync::events::plan::AccessPath;
use crate::sync::issues::changed::ChangedIssue;
use crate::sync::session::checkpoint::Checkpoint;
use crate::sync::session::project::Project;
use crate::time::Time;

/// One project's share of a sync window.
#[derive(Debug, Clone)]
pub(crate) struct EventTask<'a> {
    /// How far its streams are in the window.
    pub(crate) checkpoint: &'a Checkpoint<'a>,
    /// The project.
    pub(crate) project: &'a Project,
    /// Its issues with events in the window, in the order of their ids.
    pub(crate) issues: Vec<&'a ChangedIssue>,
    /// First second of the window.
    pub(crate) start: Time,
    /// End of the window.
    pub(crate) end: Time,
    /// Whether earlier runs have read the project's earlier events.
    pub(crate) continues: bool,
    /// How its events are listed.
    pub(crate) path: AccessPath,
    /// What an interrupted run has written of this window, by this access path.
    pub(crate) partition: Partition,
    /// What is written, and from when on.
    pub(crate) targets: Vec<Target<'a>>,
}

/// A stream that is written from events.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Target<'a> {
    /// Events, or what is embedded in them.
    pub(crate) output: &'a StreamOutput,
    /// What is older was written by earlier runs.
    pub(crate) start: Time,
}

impl Target<'_> {
    /// The steps from an event to its rows; none where the event itself is the row.
    pub(crate) fn steps(&self) -> Option<&'static [Step]> {
        match self.output.stream.source {
            Source::EventPart(steps) => Some(steps),
            _ => None,
        }
    }
}

/// Issues in the order in which they are read. Those that earlier runs have left take the place of the listed ones.
pub(crate) fn by_id<'a>(listed: &'a [ChangedIssue], left: &'a [ChangedIssue]) -> Vec<&'a ChangedIssue> {
    let is_left = |issue: &&ChangedIssue| left.iter().any(|other| other.id == issue.id);
    let mut issues: Vec<&ChangedIssue> = listed.iter().filter(|issue| !is_left(issue)).chain(left).collect();
    issues.sort_by(|a, b| id_order(&a.id).cmp(&id_order(&b.id)));
    issues
}
