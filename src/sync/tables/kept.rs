//! Failures below one row that are kept by the row's name, so that the bookmarks move on without it. Does not know what is
//! read below the row.

use crate::output::stream::StreamOutput;
use crate::singer::pending::Pending;
use crate::sync::session::checkpoint::Checkpoint;

/// How many gaps some streams had before something was read below a row.
pub(crate) struct GapsBefore<'a>(Vec<(&'a StreamOutput, usize)>);

impl<'a> GapsBefore<'a> {
    /// Now, of these streams.
    pub(crate) fn of(outputs: &[&'a StreamOutput]) -> Self {
        Self(outputs.iter().map(|output| (*output, output.all_gaps())).collect())
    }

    /// Whether there are more by now.
    pub(crate) fn are_more_now(&self) -> bool {
        self.0.iter().any(|(output, before)| output.all_gaps() > *before)
    }

    /// Keeps what could not be read since then under its name. Where there are too many names already, the gaps hold the
    /// bookmarks back.
    pub(crate) fn keep(&self, checkpoint: &Checkpoint<'_>, pending: &Pending) {
        if checkpoint.keep_pending(pending) {
            self.0.iter().for_each(|(output, before)| output.keep_gaps_after(*before));
        }
    }
}
