//! How far streams that are read together are: one checkpoint, kept in the state under the bookmark of the first of them,
//! the progress owner.
//!
//! It holds the progress in a window that is half read, the names of what could not be read, and the rule for both:
//! progress counts only for what was asked for in the same way, and never passes what is missing. The records that a
//! change covers must be queued before. Does not know how streams are read.

use std::collections::BTreeSet;

use crate::output::stream::StreamOutput;
use crate::singer::pending::{Pending, Why};
use crate::singer::progress::{Position, Progress};
use crate::singer::state::{Bookmark, State};
use crate::singer::writer::OutputClosed;
use crate::streams::Source;
use crate::sync::session::Session;
use crate::sync::session::project::Project;
use crate::time::Time;

/// The checkpoint of streams that are read together, in one window.
#[derive(Debug, Clone)]
pub(crate) struct Checkpoint<'a> {
    session: &'a Session,
    /// At least one. The first is the progress owner.
    outputs: Vec<&'a StreamOutput>,
    end: Time,
    asked: BTreeSet<String>,
}

impl<'a> Checkpoint<'a> {
    /// The checkpoint of these streams in the window up to `end`. `None` where there is no stream.
    pub(crate) fn new(session: &'a Session, outputs: Vec<&'a StreamOutput>, end: Time) -> Option<Self> {
        let asked = asked(session, outputs.first()?);
        Some(Self { session, outputs, end, asked })
    }

    /// The same for rows of a table, of which `asked` says what is read.
    pub(crate) fn of_rows(
        session: &'a Session,
        outputs: Vec<&'a StreamOutput>,
        end: Time,
        asked: BTreeSet<String>,
    ) -> Option<Self> {
        Some(Self { asked, ..Self::new(session, outputs, end)? })
    }

    /// The same in the window up to another end.
    pub(crate) fn up_to(self, end: Time) -> Self {
        Self { end, ..self }
    }

    /// The streams.
    pub(crate) fn outputs(&self) -> &[&'a StreamOutput] {
        &self.outputs
    }

    /// End of the window.
    pub(crate) fn end(&self) -> Time {
        self.end
    }

    /// The bookmark of one of the streams; an empty one where the catalog asks for the full table.
    pub(crate) fn bookmark_of(session: &Session, output: &StreamOutput) -> Bookmark {
        if output.full_table {
            return Bookmark::default();
        }
        session.output.state.bookmark(output.stream.tap_stream_id)
    }

    fn owner(&self) -> &'static str {
        self.outputs[0].stream.tap_stream_id
    }

    /// The streams beside the progress owner.
    fn co_read(&self) -> impl Iterator<Item = &'static str> {
        self.outputs.iter().skip(1).map(|output| output.stream.tap_stream_id)
    }

    /// What an interrupted run has done, whatever window it was in. `None` where it asked for something else.
    pub(crate) fn left(&self) -> Option<Progress> {
        let progress = self.session.output.state.bookmark(self.owner()).progress;
        progress.filter(|progress| progress.asked == self.asked && progress.holds_for(self.co_read()))
    }

    /// The same, if the bookmark has not come past that window. States that were merged may have progress in a window that
    /// was read since. `None` where the catalog asks for the full table.
    pub(crate) fn interrupted(&self) -> Option<Progress> {
        let start = self.session.output.state.bookmark(self.owner()).start;
        let is_open = |progress: &Progress| start.is_none_or(|start| progress.end > start);
        self.left().filter(|progress| !self.outputs[0].full_table && is_open(progress))
    }

    /// What an interrupted run has done of this window.
    pub(crate) fn progress(&self) -> Option<Progress> {
        self.interrupted().filter(|progress| progress.end == self.end)
    }

    /// Changes the progress, and writes it unless STATE lines would outweigh the records.
    pub(crate) async fn advance_page(&self, change: impl FnOnce(&mut Progress)) -> Result<(), OutputClosed> {
        self.session.output.state.advance_page(|state| change(self.progress_in(state))).await
    }

    /// Moves the position in a list, if there is one, and makes what changes in the state with it. The position stays before
    /// what could not be read: a run that goes on from here tries it again.
    pub(crate) async fn advance_to(
        &self,
        position: Option<Position>,
        note: impl FnOnce(&mut State),
    ) -> Result<(), OutputClosed> {
        let position = position.filter(|_| !self.outputs.iter().any(|output| output.has_gaps()));
        let change = |state: &mut State| {
            note(state);
            if let Some(position) = position {
                self.progress_in(state).position = position;
            }
        };
        self.session.output.state.advance_page(change).await
    }

    /// Erases the progress: it was made from an order that the list does not keep to.
    pub(crate) fn forget_progress(&self) {
        let forget =
            |state: &mut State| state.bookmarks.get_mut(self.owner()).into_iter().for_each(|own| own.progress = None);
        self.session.output.state.change(forget);
    }

    /// Writes the state as it is, unless STATE lines would outweigh the records.
    pub(crate) async fn stay(&self) -> Result<(), OutputClosed> {
        self.session.output.state.advance_page(|_| ()).await
    }

    /// Changes the progress, and writes it.
    pub(crate) async fn advance(&self, change: impl FnOnce(&mut Progress)) -> Result<(), OutputClosed> {
        self.session.output.state.advance(|state| change(self.progress_in(state))).await
    }

    /// The progress in this window. Progress in another, or of something else, is dropped.
    fn progress_in<'s>(&self, state: &'s mut State) -> &'s mut Progress {
        let progress = state.progress_mut(self.owner(), self.end);
        if progress.asked != self.asked || !progress.holds_for(self.co_read()) {
            *progress = Progress { end: self.end, asked: self.asked.clone(), ..Progress::default() };
        }
        progress.co_read = self.co_read().map(str::to_owned).collect();
        progress
    }

    /// What earlier runs could not read of a project, or found gone.
    pub(crate) fn pending(&self, project: &Project) -> Vec<Pending> {
        self.all_pending().into_iter().filter(|pending| pending.project == project.id).collect()
    }

    /// What earlier runs could not read of any project, or found gone. Each stream keeps the names, since any of them may be
    /// left out of the selection later.
    pub(crate) fn all_pending(&self) -> Vec<Pending> {
        self.session.output.state.read(|state| {
            let mut all: Vec<Pending> = Vec::new();
            for pending in self.names().filter_map(|name| state.bookmarks.get(name)).flat_map(|own| &own.pending) {
                if !all.iter().any(|known| known.key == pending.key) {
                    all.push(pending.clone());
                }
            }
            all
        })
    }

    fn names(&self) -> impl Iterator<Item = &'static str> {
        self.outputs.iter().map(|output| output.stream.tap_stream_id)
    }

    /// Keeps the name of what could not be read, so that it is asked for again. Returns `false` if there are too many: then
    /// the whole project has to be read again.
    pub(crate) fn keep_pending(&self, pending: &Pending) -> bool {
        let keep = |kept: &mut Vec<Pending>| {
            let before = kept.iter().position(|other| other.key == pending.key).map(|at| kept.remove(at));
            let since = before.as_ref().map_or(pending.since, |before| before.since.min(pending.since));
            let room = kept.iter().filter(|other| other.why == pending.why).count() < pending.why.most();
            // Without room, the earlier name is better than none.
            let reaches_back = room || before.as_ref().is_some_and(|before| before.since <= pending.since);
            kept.extend(if room { Some(Pending { since, ..pending.clone() }) } else { before });
            reaches_back
        };
        let mut all_kept = true;
        self.session.output.state.change(|state| {
            self.names().for_each(|name| all_kept &= keep(&mut state.bookmark_mut(name).pending));
        });
        all_kept
    }

    /// Forgets what was pending, once it was read or is gone for good.
    pub(crate) fn forget_pending(&self, key: &str) {
        self.session.output.state.change(|state| {
            for name in self.names() {
                if let Some(bookmark) = state.bookmarks.get_mut(name) {
                    bookmark.pending.retain(|pending| pending.key != key);
                }
            }
        });
    }

    /// Whether an earlier run could not read this, or found it gone.
    pub(crate) fn is_pending(&self, key: &str) -> bool {
        self.has_pending(|pending| pending.key == key)
    }

    /// Whether an earlier run has found this gone.
    pub(crate) fn was_gone(&self, key: &str) -> bool {
        self.has_pending(|pending| pending.key == key && pending.why == Why::Gone)
    }

    fn has_pending(&self, is_it: impl Fn(&Pending) -> bool) -> bool {
        self.session.output.state.read(|state| {
            self.names().filter_map(|name| state.bookmarks.get(name)).flat_map(|own| &own.pending).any(is_it)
        })
    }

    /// Moves the bookmarks: `change` is told each stream's name. The progress is done with.
    pub(crate) async fn finish(&self, change: impl Fn(&'static str, &mut Bookmark)) -> Result<(), OutputClosed> {
        let finish = |state: &mut State| {
            for output in &self.outputs {
                let name = output.stream.tap_stream_id;
                let bookmark = state.bookmark_mut(name);
                change(name, bookmark);
                bookmark.progress = None;
            }
        };
        self.session.output.state.advance(finish).await
    }
}

/// What is asked for beside the times: the options that change which records are written, or what is in them.
fn asked(session: &Session, owner: &StreamOutput) -> BTreeSet<String> {
    let (config, sampling) = (&session.config, &session.config.sampling);
    let (of_events, details) = match owner.stream.source {
        Source::Issues => (false, config.fetch_issue_details),
        // What is embedded in events is drawn from the same samples, whichever of the streams is selected.
        Source::Events | Source::EventPart(_) => (true, config.fetch_event_details),
        Source::Endpoint(_) | Source::ParentRow(_) => (false, false),
    };
    let mut asked: BTreeSet<String> = details.then(|| "details".to_owned()).into_iter().collect();
    if of_events {
        let (min, max, seed) = (sampling.min_per_issue, sampling.max_per_issue, sampling.seed);
        let fraction = sampling.fraction.filter(|fraction| *fraction < 1.0);
        asked.extend(fraction.map(|fraction| format!("a sample of {fraction}, {min} to {max}, seed {seed}")));
        asked.extend(sampling.max_per_project.map(|most| format!("the newest {most}")));
    }
    asked
}
