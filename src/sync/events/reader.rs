//! Reading the events of one project: the lists that are asked for, what is counted, and what is noted as done.

use std::cell::Cell;

use chrono::TimeDelta;
use tracing::{info, warn};

use crate::sentry::dialect::{Capability, MAY_HIDE};
use crate::sentry::endpoints::{ISSUE_EVENTS, PROJECT_EVENTS};
use crate::sentry::event_list::{EventList, EventPage, Form};
use crate::sentry::window::Window;
use crate::singer::progress::Partition;
use crate::singer::writer::OutputClosed;
use crate::sync::events::body::wants_whole_bodies;
use crate::sync::events::partition::PartitionCheckpoint;
use crate::sync::events::records::EventRecords;
use crate::sync::events::task::EventTask;
use crate::sync::issues::changed::ChangedIssue;
use crate::sync::session::Session;
use crate::time::Time;

/// Counted of an issue.
const FEWER_THAN_ANNOUNCED: &str = "an issue whose list gives fewer events than the issue list announces";

/// The part of a window that the server still has.
fn kept(session: &Session, window: Window) -> Window {
    let has_windows = session.client.dialect.supports(Capability::ListWindows);
    if has_windows { window.within_retention(session.client.server_now()) } else { window }
}

/// What the events of one project are read with.
pub(crate) struct Reader<'a> {
    /// The run.
    pub(crate) session: &'a Session,
    /// What is to be read.
    pub(crate) task: &'a EventTask<'a>,
    /// Where the records go.
    pub(crate) records: EventRecords<'a>,
    /// What of it is done.
    pub(crate) checkpoint: PartitionCheckpoint<'a>,
    window: Window,
    /// Events seen, or said to exist.
    pub(crate) total: Cell<u64>,
    /// Events written.
    pub(crate) kept: Cell<u64>,
}

impl<'a> Reader<'a> {
    /// Goes on from what an interrupted run has done.
    pub(crate) fn new(session: &'a Session, task: &'a EventTask<'a>) -> Self {
        let window = kept(session, Window { start: task.start, end: task.end });
        let partition = task.partition.clone();
        Self {
            session,
            task,
            records: EventRecords::new(session, task.targets.clone(), task.project, &task.issues),
            window,
            total: Cell::new(partition.taken),
            kept: Cell::new(0),
            checkpoint: PartitionCheckpoint::new(task.checkpoint, task.project, task.start, partition),
        }
    }

    /// The project's own list, from where an interrupted run has left it.
    pub(crate) fn project_list(&self) -> EventList<'a> {
        let values = self.session.values_of(self.task.project);
        let window = self.window_until(self.checkpoint.partition().until);
        EventList::new(&self.session.client, &PROJECT_EVENTS, values, window, self.form(false))
    }

    /// The list of an issue's events that are not newer than `until`, if that is given.
    pub(crate) fn issue_list(&self, issue: &ChangedIssue, sample: bool, until: Option<Time>) -> EventList<'a> {
        let mut values = self.session.values();
        values.push(("issue", issue.id.to_string()));
        let window = Window { start: self.start_of(issue), ..self.window_until(until) };
        EventList::new(&self.session.client, &ISSUE_EVENTS, values, window, self.form(sample))
    }

    /// An issue that an earlier run has left is read from where its rows are missing.
    fn start_of(&self, issue: &ChangedIssue) -> Time {
        let left = issue.since.map(|since| kept(self.session, Window { start: since, ..self.window }).start);
        left.map_or(self.window.start, |since| since.min(self.window.start))
    }

    fn form(&self, sample: bool) -> Form {
        Form { full: wants_whole_bodies(self.session), sample }
    }

    /// The window down from a second that was reached before; that second itself is read again.
    fn window_until(&self, until: Option<Time>) -> Window {
        let end = until.map_or(self.window.end, |until| self.window.end.min(until + TimeDelta::seconds(1)));
        Window { end, ..self.window }
    }

    /// Notes what is done, unless rows have come that could not be written.
    pub(crate) async fn note(&self, change: impl FnOnce(&mut Partition)) -> Result<(), OutputClosed> {
        self.checkpoint.note(!self.records.has_malformed_rows(), change).await
    }

    /// Counts so many events more as seen, and so many as written.
    pub(crate) fn count(&self, seen: u64, written: u64) {
        self.total.set(self.total.get() + seen);
        self.kept.set(self.kept.get() + written);
    }

    /// Counts a page before which the server may have hidden a row.
    pub(crate) fn say_what_may_be_hidden(&self, page: &EventPage) {
        if page.may_hide_a_row {
            self.records.skip(MAY_HIDE);
        }
    }

    /// Notes that the first `pages` of an issue are written, down to a second.
    pub(crate) async fn note_pages(
        &self,
        issue: &ChangedIssue,
        pages: u64,
        until: Option<Time>,
    ) -> Result<(), OutputClosed> {
        self.checkpoint.note_pages(!self.records.has_malformed_rows(), issue, pages, until).await
    }

    /// Says, once a run, that an issue has fewer events than the issue list announced, although it was read twice.
    pub(crate) fn warn_of_announced(&self, issue: &ChangedIssue) {
        if !self.records.has_skipped(FEWER_THAN_ANNOUNCED) {
            let (id, project, announced) = (&issue.id, &self.task.project.slug, issue.events.unwrap_or_default());
            warn!(
                "events: issue {id} of project {project} has fewer events in its list than the {announced} that the issue list announced. It was read twice: the announced number is off"
            );
        }
        self.records.skip(FEWER_THAN_ANNOUNCED);
    }

    /// The log lines that users of the original tap know.
    pub(crate) fn log_sampling(&self) {
        if !self.session.config.sampling.is_on() {
            return;
        }
        let (total, kept) = (self.total.get(), self.kept.get());
        #[expect(clippy::cast_precision_loss, reason = "counts of events are far below 2^52")]
        let percent = if total == 0 { 0.0 } else { kept as f64 * 100.0 / total as f64 };
        info!("Total events fetched: {total}");
        info!("Sampling {kept} out of {total} events for project {} ({percent:.1}%)", self.task.project.slug);
        info!("After sampling: {kept} events");
    }
}
