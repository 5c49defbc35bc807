//! What is to be read of one project for its changed issues. Data only.

use crate::output::stream::StreamOutput;
use crate::singer::progress::{Partition, id_order};
use crate::streams::{Source, Step};
use crate::sync::events::plan::AccessPath;
use crate::sync::issues::changed::ChangedIssue;
use crate::sync::session::Project;
use crate::time::Time;

/// One project's share of a sync window.
#[derive(Debug)]
pub(crate) struct EventTask<'a> {
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

impl EventTask<'_> {
    /// The stream under whose bookmark the progress is kept: the first that is written.
    pub(crate) fn progress_owner(&self) -> &'static str {
        self.targets.first().map_or("events", |target| target.output.stream.tap_stream_id)
    }
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

/// Issues in the order in which they are read.
pub(crate) fn by_id(issues: &[ChangedIssue]) -> Vec<&ChangedIssue> {
    let mut issues: Vec<&ChangedIssue> = issues.iter().collect();
    issues.sort_by(|a, b| id_order(&a.id).cmp(&id_order(&b.id)));
    issues
}
