//! Events of the projects in which the issue walk found something: each project its cheapest way.

use std::cell::Cell;
use std::collections::HashMap;
use std::pin::Pin;

use futures_util::stream::{self, Stream, StreamExt};
use tracing::{debug, info};

use crate::sampling::{Sample, keep, priority};
use crate::sentry::error::ErrorKind;
use crate::singer::record::Row;
use crate::sync::event_list::{EventList, Form, ISSUE_EVENTS, PROJECT_EVENTS};
use crate::sync::event_rows::{EventRecords, warn_of_details};
use crate::sync::output::StreamOutput;
use crate::sync::plan::{ChangedIssue, Prices, Way, choose};
use crate::sync::walk::WalkError;
use crate::sync::window::Window;
use crate::sync::{Project, Sync};
use crate::time::Time;

/// Projects read side by side; the client's buckets decide how many requests really fly.
const PROJECTS_AT_ONCE: usize = 4;
/// Issues of one project read side by side.
const ISSUES_AT_ONCE: usize = 8;
/// From this many events on, a sample is asked of the server instead of being drawn from all rows.
const SERVER_SAMPLE_FROM: u64 = 100;

/// One project's part.
#[derive(Debug)]
pub struct Work<'a> {
    /// The project.
    pub project: &'a Project,
    /// Its issues with events in the window.
    pub issues: &'a [ChangedIssue],
    /// First second of the window.
    pub start: Time,
    /// End of the window.
    pub end: Time,
    /// Whether the server's lists honour windows.
    pub knows_windows: bool,
    /// Whether earlier runs have read the project's earlier events.
    pub continues: bool,
}

/// A project that is done or has failed.
pub type Outcome<'a> = (&'a Project, Result<(), WalkError>);

/// Reads every project's events; yields each project when it is done or has failed.
pub fn run_all<'a>(sync: &'a Sync, work: Vec<Work<'a>>) -> Pin<Box<dyn Stream<Item = Outcome<'a>> + 'a>> {
    if let Some(output) = sync.output.stream("events") {
        warn_of_details(sync, output);
    }
    let one = move |work: Work<'a>| async move { (work.project, read_project(sync, work).await) };
    Box::pin(stream::iter(work).map(one).buffer_unordered(PROJECTS_AT_ONCE))
}

/// Reading one project.
struct Reader<'a> {
    sync: &'a Sync,
    output: &'a StreamOutput,
    records: EventRecords<'a>,
    work: &'a Work<'a>,
    window: Window,
    /// Events seen (or said to exist), and events written: for the sampling log.
    total: Cell<u64>,
    kept: Cell<u64>,
}

async fn read_project(sync: &Sync, work: Work<'_>) -> Result<(), WalkError> {
    let Some(output) = sync.output.stream("events") else {
        return Ok(());
    };
    let window = Window { start: work.start, end: work.end };
    let window = if work.knows_windows { window.within_retention(sync.client.server_now()) } else { window };
    let prices = prices(sync, work.knows_windows);
    let decision = choose(work.issues, &sync.config.sampling, sync.config.fetch_event_details, prices);
    debug!("events of project {}: {:?}, because {}", work.project.slug, decision.way, decision.reason);
    let records = EventRecords::new(sync, output, work.project, work.issues);
    let reader = Reader { sync, output, records, work: &work, window, total: Cell::new(0), kept: Cell::new(0) };
    match decision.way {
        Way::ByProject => reader.by_project().await?,
        Way::ByIssue => reader.each_issue(work.issues.iter(), |issue| reader.whole_issue(issue)).await?,
        Way::SampleByIssue => reader.each_issue(work.issues.iter(), |issue| reader.sampled_issue(issue)).await?,
    }
    reader.log_sampling();
    Ok(())
}

/// What event pages cost on this server, by what its answers have shown so far (API §1.4, §1.7).
fn prices(sync: &Sync, project_windows: bool) -> Prices {
    let ceiling = sync.config.client.rate_limit;
    let limited = sync.client.is_limited();
    let full = sync.config.fetch_event_details;
    Prices {
        page: if full && limited { 10 } else { 100 },
        issue_pages_per_second: if limited { ceiling.min(40.0) } else { ceiling },
        project_pages_per_second: if limited { ceiling.min(1.0) } else { ceiling },
        project_windows,
    }
}

impl<'a> Reader<'a> {
    fn form(&self, sample: bool) -> Form {
        Form { full: self.sync.config.fetch_event_details, sample }
    }

    fn project_list(&self) -> EventList<'a> {
        let mut values = self.sync.values();
        values.push(("project", self.work.project.slug.clone()));
        EventList::new(&self.sync.client, &PROJECT_EVENTS, values, self.window, self.form(false))
    }

    fn issue_list(&self, issue: &ChangedIssue, sample: bool) -> EventList<'a> {
        let mut values = self.sync.values();
        values.push(("issue", issue.id.to_string()));
        EventList::new(&self.sync.client, &ISSUE_EVENTS, values, self.window, self.form(sample))
    }

    /// Runs `read` for several issues side by side. An issue that is gone since it was listed is skipped.
    async fn each_issue<F>(
        &self,
        issues: impl Iterator<Item = &'a ChangedIssue>,
        read: impl Fn(&'a ChangedIssue) -> F,
    ) -> Result<(), WalkError>
    where
        F: Future<Output = Result<(), WalkError>>,
    {
        let mut running = stream::iter(issues).map(read).buffer_unordered(ISSUES_AT_ONCE);
        while let Some(result) = running.next().await {
            match result {
                Err(WalkError::Api(error)) if error.kind == ErrorKind::NotFound => {
                    debug!("{error}");
                    self.output.skip("an issue that was merged or deleted since it was listed (404)");
                }
                other => other?,
            }
        }
        Ok(())
    }

    /// The project's list for error events, and one list for each issue of another kind.
    async fn by_project(&self) -> Result<(), WalkError> {
        let sampling = &self.sync.config.sampling;
        let most = sampling.max_per_project;
        let mut sampler = sampling.fraction.filter(|fraction| *fraction < 1.0).map(|_| HashMap::new());
        let has_errors = self.work.issues.iter().any(|issue| issue.is_error);
        if has_errors {
            self.newest(self.project_list(), None, most, &mut sampler).await?;
        }
        let others = self.work.issues.iter().filter(|issue| !issue.is_error);
        match most {
            // One after the other, since each takes what the ones before left over.
            Some(_) => {
                for issue in others {
                    let list = self.issue_list(issue, false);
                    match self.newest(list, Some(&issue.id), most, &mut sampler).await {
                        Err(WalkError::Api(error)) if error.kind == ErrorKind::NotFound => {
                            self.output.skip("an issue that was merged or deleted since it was listed (404)");
                        }
                        other => other?,
                    }
                }
            }
            None => self.each_issue(others, |issue| self.whole_issue(issue)).await?,
        }
        match sampler {
            Some(by_issue) => self.write_samples(by_issue).await,
            None => Ok(()),
        }
    }

    /// Writes (or offers to the sampler) the rows of a list until `most` events of the project were seen.
    async fn newest(
        &self,
        mut list: EventList<'_>,
        issue: Option<&str>,
        most: Option<u64>,
        sampler: &mut Option<HashMap<String, Sample>>,
    ) -> Result<(), WalkError> {
        let room = |seen: u64| most.map_or(u64::MAX, |most| most.saturating_sub(seen));
        while room(self.total.get()) > 0
            && let Some(page) = list.next().await?
        {
            let room = usize::try_from(room(self.total.get())).unwrap_or(usize::MAX);
            let rows: Vec<&str> = page.rows().take(room).collect();
            self.total.set(self.total.get() + rows.len() as u64);
            if let Some(by_issue) = sampler {
                self.offer(by_issue, &rows, issue);
            } else {
                self.kept.set(self.kept.get() + rows.len() as u64);
                self.records.write(rows.into_iter(), issue).await?;
            }
            self.sync.output.advance_quietly(|_| ()).await?;
        }
        Ok(())
    }

    fn offer(&self, samples: &mut HashMap<String, Sample>, rows: &[&str], issue: Option<&str>) {
        let sampling = &self.sync.config.sampling;
        for raw in rows {
            let Some(row) = Row::scan(raw) else { continue };
            let group = row.text("groupID");
            let group = group.as_deref().or(issue).unwrap_or_default().to_owned();
            let id = row.text("eventID").unwrap_or_default();
            let sample = samples.entry(group).or_insert_with_key(|group| Sample::new(self.most_of(group)));
            sample.offer(priority(sampling.seed, &id), raw);
        }
    }

    /// The most events of an issue that its sample can hold.
    fn most_of(&self, issue: &str) -> u64 {
        let sampling = &self.sync.config.sampling;
        let known = self.work.issues.iter().find(|known| *known.id == *issue).and_then(|known| known.events);
        known.map_or(sampling.max_per_issue, |n| self.share(n, 0))
    }

    async fn write_samples(&self, samples: HashMap<String, Sample>) -> Result<(), WalkError> {
        for (issue, sample) in samples {
            let earlier = self
                .work
                .issues
                .iter()
                .find(|known| *known.id == *issue)
                .map_or(0, |known| self.earlier(known, sample.offered()));
            self.write_sample(&issue, sample, earlier).await?;
        }
        Ok(())
    }

    async fn write_sample(&self, issue: &str, sample: Sample, earlier: u64) -> Result<(), WalkError> {
        let n = sample.offered();
        let rows = sample.into_rows(self.share(n, earlier));
        debug!("Sampling {} out of {n} events for issue {issue}", rows.len());
        self.kept.set(self.kept.get() + rows.len() as u64);
        self.records.write(rows.iter().map(String::as_str), Some(issue)).await
    }

    /// Events of the issue that earlier runs had before them; `read` is the window's number where the server did not say.
    fn earlier(&self, issue: &ChangedIssue, read: u64) -> u64 {
        match issue.lifetime {
            Some(lifetime) if self.work.continues => lifetime.saturating_sub(issue.events.unwrap_or(read)),
            _ => 0,
        }
    }

    /// How many of `n` events to keep.
    fn share(&self, n: u64, earlier: u64) -> u64 {
        let sampling = &self.sync.config.sampling;
        keep(n, sampling.fraction.unwrap_or(1.0), sampling.min_per_issue, sampling.max_per_issue, earlier)
    }

    /// Every event of an issue.
    async fn whole_issue(&self, issue: &ChangedIssue) -> Result<(), WalkError> {
        let mut list = self.issue_list(issue, false);
        while let Some(page) = list.next().await? {
            self.records.write(page.rows(), Some(&issue.id)).await?;
            self.sync.output.advance_quietly(|_| ()).await?;
        }
        Ok(())
    }

    /// A sample of an issue: the server's own where that saves requests, else drawn from all rows.
    async fn sampled_issue(&self, issue: &ChangedIssue) -> Result<(), WalkError> {
        if let Some(n) = issue.events.filter(|n| *n > SERVER_SAMPLE_FROM && self.work.knows_windows) {
            let k = self.share(n, self.earlier(issue, n));
            if k == 0 || self.server_sample(issue, n, k).await? {
                return Ok(());
            }
        }
        let sampling = &self.sync.config.sampling;
        let mut sample = Sample::new(sampling.max_per_issue);
        let mut list = self.issue_list(issue, false);
        while let Some(page) = list.next().await? {
            for raw in page.rows() {
                let Some(row) = Row::scan(raw) else { continue };
                sample.offer(priority(sampling.seed, &row.text("eventID").unwrap_or_default()), raw);
            }
        }
        self.total.set(self.total.get() + sample.offered());
        let earlier = self.earlier(issue, sample.offered());
        self.write_sample(&issue.id, sample, earlier).await
    }

    /// The first `k` rows of the server's sample order; `false` if the server turns out not to have one.
    async fn server_sample(&self, issue: &ChangedIssue, n: u64, k: u64) -> Result<bool, WalkError> {
        let mut list = self.issue_list(issue, true);
        let mut left = usize::try_from(k).unwrap_or(usize::MAX);
        let mut first = true;
        while left > 0
            && let Some(page) = list.next().await?
        {
            if std::mem::take(&mut first) && page.is_newest_first() {
                info!("This server ignores sample=true: all events of sampled issues are read, and sampled here");
                return Ok(false);
            }
            let rows: Vec<&str> = page.rows().take(left).collect();
            left -= rows.len();
            self.kept.set(self.kept.get() + rows.len() as u64);
            self.records.write(rows.into_iter(), Some(&issue.id)).await?;
        }
        self.total.set(self.total.get() + n);
        debug!("Sampling {} out of {n} events for issue {}", k - left as u64, issue.id);
        Ok(true)
    }

    /// The log lines that users of the original tap know.
    fn log_sampling(&self) {
        let sampling = &self.sync.config.sampling;
        if sampling.fraction.is_none_or(|fraction| fraction >= 1.0) && sampling.max_per_project.is_none() {
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
