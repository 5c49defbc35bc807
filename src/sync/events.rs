//! Events of the projects in which the issue walk found something: each project its cheapest way.
//!
//! What has been written of a project goes into its part of the progress, page by page, so that an interrupted run is
//! continued where it was. Samples are drawn in `sample.rs`.

use std::cell::Cell;
use std::collections::HashMap;
use std::pin::Pin;

use futures_util::stream::{self, Stream, StreamExt};
use tracing::{debug, info, warn};

use crate::sampling::Sample;
use crate::sentry::error::ErrorKind;
use crate::singer::progress::{Left, Part, order};
use crate::singer::state::State;
use crate::singer::writer::OutputClosed;
use crate::sync::event_list::{EventList, EventPage, Form, ISSUE_EVENTS, PROJECT_EVENTS};
use crate::sync::event_rows::{EventRecords, Target, warn_of_details};
use crate::sync::failure::WalkError;
use crate::sync::part::PartKeeper;
use crate::sync::plan::{ChangedIssue, Way};
use crate::sync::unpack::wants_whole_bodies;
use crate::sync::window::Window;
use crate::sync::{Project, Sync};
use crate::time::Time;

/// Projects read side by side, each by one list; the client's buckets decide how many requests really fly. Enough to use
/// a rate of 40 a second where an answer takes half a second.
const LISTS_AT_ONCE: usize = 24;
/// Projects read side by side, each by the lists of its issues.
const PROJECTS_AT_ONCE: usize = 8;

/// Said of lists in which the server may have hidden a row.
pub const MAY_HIDE: &str = "a moment on both sides of a page boundary, of which this server may hide rows";

/// One project's part.
#[derive(Debug)]
pub struct Work<'a> {
    /// The project.
    pub project: &'a Project,
    /// Its issues with events in the window, in the order of their ids.
    pub issues: Vec<&'a ChangedIssue>,
    /// First second of the window.
    pub start: Time,
    /// End of the window.
    pub end: Time,
    /// Whether the server's lists honour windows.
    pub knows_windows: bool,
    /// Whether earlier runs have read the project's earlier events.
    pub continues: bool,
    /// How its events are listed.
    pub way: Way,
    /// What an interrupted run has written of this window, on this way.
    pub part: Part,
    /// What is written, and from when on.
    pub targets: Vec<Target<'a>>,
}

impl Work<'_> {
    /// The stream under whose bookmark the progress is kept: the first that is written.
    fn holder(&self) -> &'static str {
        self.targets.first().map_or("events", |target| target.output.stream.tap_stream_id)
    }
}

/// A project that is done or has failed.
pub type Outcome<'a> = (&'a Project, Result<(), WalkError>);

/// Reads every project's events and notes in the progress which are done; yields each when it is done or has failed.
///
/// Whoever takes the outcomes must wait for nothing else in between: the readers share locks and the way to stdout, and
/// one that is handed such a thing while nobody drives it would hold up everything for good.
pub fn run_all<'a>(sync: &'a Sync, work: Vec<Work<'a>>) -> Pin<Box<dyn Stream<Item = Outcome<'a>> + 'a>> {
    if let Some(output) = sync.output.stream("events") {
        warn_of_details(sync, output);
    }
    let one = move |work: Work<'a>| async move {
        let (project, end, holder) = (work.project, work.end, work.holder());
        let mut result = read_project(sync, work).await;
        if result.is_ok() {
            result = finish_project(sync, holder, project, end).await.map_err(WalkError::from);
        }
        (project, result)
    };
    let (by_project, by_issue): (Vec<_>, Vec<_>) = work.into_iter().partition(|work| work.way == Way::ByProject);
    let by_project = stream::iter(by_project).map(one).buffer_unordered(LISTS_AT_ONCE);
    let by_issue = stream::iter(by_issue).map(one).buffer_unordered(PROJECTS_AT_ONCE);
    Box::pin(stream::select(by_project, by_issue))
}

/// Notes that a project is done.
pub async fn finish_project(
    sync: &Sync,
    stream: &'static str,
    project: &Project,
    end: Time,
) -> Result<(), OutputClosed> {
    let change = |state: &mut State| {
        let progress = state.progress_mut(stream, end);
        progress.projects.remove(&project.id);
        progress.done.insert(project.id.clone());
    };
    sync.output.advance(change).await
}

/// Reading one project.
pub struct Reader<'a> {
    pub(super) sync: &'a Sync,
    pub(super) records: EventRecords<'a>,
    pub(super) work: &'a Work<'a>,
    window: Window,
    /// Events seen (or said to exist), and events written: for the sampling log.
    pub(super) total: Cell<u64>,
    pub(super) kept: Cell<u64>,
    keeper: PartKeeper<'a>,
}

async fn read_project(sync: &Sync, work: Work<'_>) -> Result<(), WalkError> {
    let window = Window { start: work.start, end: work.end };
    let window = if work.knows_windows { window.within_retention(sync.client.server_now()) } else { window };
    let (way, part) = (work.way, work.part.clone());
    let records = EventRecords::new(sync, work.targets.clone(), work.project, &work.issues);
    let total = Cell::new(part.taken);
    let keeper = PartKeeper::new(sync, work.holder(), work.project, work.end, part);
    let reader = Reader { sync, records, work: &work, window, total, kept: Cell::new(0), keeper };
    match way {
        Way::ByProject => reader.by_project().await?,
        Way::ByIssue => reader.each_issue(|_| true, async |issue| reader.whole_issue(issue).await).await?,
        Way::SampleByIssue => reader.each_issue(|_| true, async |issue| reader.sampled_issue(issue).await).await?,
    }
    reader.log_sampling();
    reader.records.check()
}

impl<'a> Reader<'a> {
    fn form(&self, sample: bool) -> Form {
        Form { full: wants_whole_bodies(self.sync), sample }
    }

    /// The window down from a second that was reached before; that second itself is read again.
    fn window_until(&self, until: Option<Time>) -> Window {
        let end = until.map_or(self.window.end, |until| self.window.end.min(until + chrono::TimeDelta::seconds(1)));
        Window { end, ..self.window }
    }

    fn project_list(&self) -> EventList<'a> {
        let mut values = self.sync.values();
        values.push(("project", self.work.project.slug.clone()));
        let window = self.window_until(self.keeper.part().until);
        EventList::new(&self.sync.client, &PROJECT_EVENTS, values, window, self.form(false))
    }

    pub(super) fn issue_list(&self, issue: &ChangedIssue, sample: bool, until: Option<Time>) -> EventList<'a> {
        let mut values = self.sync.values();
        values.push(("issue", issue.id.to_string()));
        let window = self.window_until(until);
        EventList::new(&self.sync.client, &ISSUE_EVENTS, values, window, self.form(sample))
    }

    async fn note(&self, change: impl FnOnce(&mut Part)) -> Result<(), OutputClosed> {
        self.keeper.note(!self.records.has_odd_rows(), change).await
    }

    /// Runs `read` for the issues that are wanted. One that is gone since it was listed is skipped.
    async fn each_issue(
        &self,
        wanted: impl Fn(&ChangedIssue) -> bool,
        read: impl AsyncFn(&ChangedIssue) -> Result<(), WalkError>,
    ) -> Result<(), WalkError> {
        let issues: Vec<&ChangedIssue> = self.work.issues.iter().copied().filter(|issue| wanted(issue)).collect();
        let read = async |issue: &ChangedIssue| match read(issue).await {
            Err(WalkError::Api(error)) if error.kind == ErrorKind::NotFound => {
                debug!("{error}");
                self.records.skip("an issue that was merged or deleted since it was listed (404)");
                Ok(())
            }
            other => other,
        };
        self.keeper.each_issue(&issues, || !self.records.has_odd_rows(), read).await
    }

    /// The project's list for error events, and one list for each issue of another kind.
    async fn by_project(&self) -> Result<(), WalkError> {
        let sampling = &self.sync.config.sampling;
        let mut sampler = sampling.fraction.filter(|fraction| *fraction < 1.0).map(|_| HashMap::new());
        let has_errors = self.work.issues.iter().any(|issue| issue.is_error);
        if has_errors && !self.keeper.part().listed {
            let (fresh, before) = (self.keeper.part().until.is_none(), self.total.get());
            self.newest(self.project_list(), None, &mut sampler).await?;
            if fresh && sampling.max_per_project.is_none() {
                let counts = self.work.issues.iter().filter(|issue| issue.is_error).map(|issue| issue.events);
                let what = format!("project {}", self.work.project.slug);
                self.compare_counts(&what, counts.sum(), self.total.get() - before);
            }
        }
        if sampler.is_none() {
            self.note(|part| part.listed = true).await?;
        }
        if sampling.is_on() {
            // One after the other, since each takes what the ones before left over.
            for issue in self.work.issues.iter().filter(|issue| !issue.is_error) {
                match self.newest(self.issue_list(issue, false, None), Some(&issue.id), &mut sampler).await {
                    Err(WalkError::Api(error)) if error.kind == ErrorKind::NotFound => {
                        self.records.skip("an issue that was merged or deleted since it was listed (404)");
                    }
                    other => other?,
                }
            }
        } else {
            self.each_issue(|issue| !issue.is_error, async |issue| self.whole_issue(issue).await).await?;
        }
        match sampler {
            Some(by_issue) => self.write_samples(by_issue).await,
            None => Ok(()),
        }
    }

    /// Writes (or offers to the sampler) the rows of a list until as many events of the project were seen as are wanted.
    async fn newest(
        &self,
        mut list: EventList<'_>,
        issue: Option<&str>,
        sampler: &mut Option<HashMap<String, Sample>>,
    ) -> Result<(), WalkError> {
        let most = self.sync.config.sampling.max_per_project;
        let room = |seen: u64| most.map_or(u64::MAX, |most| most.saturating_sub(seen));
        while room(self.total.get()) > 0
            && let Some(page) = list.next().await?
        {
            self.say_what_may_be_hidden(&page);
            let room = usize::try_from(room(self.total.get())).unwrap_or(usize::MAX);
            let rows: Vec<_> = page.rows().take(room).collect();
            self.total.set(self.total.get() + rows.len() as u64);
            if let Some(by_issue) = sampler {
                self.offer(by_issue, rows, issue);
                continue;
            }
            self.kept.set(self.kept.get() + rows.len() as u64);
            self.records.write(rows, issue).await?;
            if let (None, Some(until)) = (issue, page.until) {
                let taken = self.total.get();
                self.note(|part| (part.until, part.taken) = (Some(until), if most.is_some() { taken } else { 0 }))
                    .await?;
            }
        }
        Ok(())
    }

    /// Every event of an issue, or what an interrupted run has left of it.
    async fn whole_issue(&self, issue: &ChangedIssue) -> Result<(), WalkError> {
        let until = match self.keeper.part().issues.left(&issue.id) {
            Left::Until(until) => Some(until),
            Left::Everything | Left::Nothing => None,
        };
        let mut list = self.issue_list(issue, false, until);
        let mut read = 0;
        while let Some(page) = list.next().await? {
            self.say_what_may_be_hidden(&page);
            let rows: Vec<_> = page.rows().collect();
            read += rows.len() as u64;
            self.records.write(rows, Some(&issue.id)).await?;
            match page.until {
                Some(until) => self.note(|part| part.issues.reach(&issue.id, until)).await?,
                None => self.sync.output.advance_page(|_| ()).await?,
            }
        }
        self.compare_counts(&format!("issue {}", issue.id), issue.events.filter(|_| until.is_none()), read);
        Ok(())
    }

    fn say_what_may_be_hidden(&self, page: &EventPage) {
        if page.may_hide_a_row {
            self.records.skip(MAY_HIDE);
        }
    }

    /// Warns where a list ended before as many events had come as the issue walk announced: a list that is cut short
    /// looks like its end.
    pub(super) fn compare_counts(&self, what: &str, announced: Option<u64>, read: u64) {
        if let Some(announced) = announced.filter(|announced| read < *announced) {
            let project = &self.work.project.slug;
            warn!(
                "events: {what} of project {project} has fewer events in its list than announced: {read} of {announced}"
            );
        }
    }

    /// The log lines that users of the original tap know.
    fn log_sampling(&self) {
        if !self.sync.config.sampling.is_on() {
            return;
        }
        let (total, kept) = (self.total.get(), self.kept.get());
        #[expect(clippy::cast_precision_loss, reason = "counts of events are far below 2^52")]
        let percent = if total == 0 { 0.0 } else { kept as f64 * 100.0 / total as f64 };
        info!("Total events fetched: {total}");
        info!("Sampling {kept} out of {total} events for project {} ({percent:.1}%)", self.work.project.slug);
        info!("After sampling: {kept} events");
    }
}

/// Issues in the order in which they are read.
pub fn in_order(issues: &[ChangedIssue]) -> Vec<&ChangedIssue> {
    let mut issues: Vec<&ChangedIssue> = issues.iter().collect();
    issues.sort_by(|a, b| order(&a.id).cmp(&order(&b.id)));
    issues
}
