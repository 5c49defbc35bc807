//! Events of one project by its access path. What has been written goes into the project's partition of the progress, page
//! by page, so that an interrupted run is continued where it was. Samples are drawn in `sample.rs`.

use std::cell::RefCell;
use std::collections::HashMap;

use crate::sentry::event_list::EventList;
use crate::singer::frontier::Left;
use crate::sync::events::announced::Given;
use crate::sync::events::plan::AccessPath;
use crate::sync::events::reader::Reader;
use crate::sync::events::sample::{offer, sampled_issue, write_samples};
use crate::sync::events::sampling::Sample;
use crate::sync::events::task::EventTask;
use crate::sync::issues::changed::ChangedIssue;
use crate::sync::session::Session;
use crate::sync::session::error::SyncError;
use crate::time::Time;

/// Samples of a project's issues, by id; none where every event is kept.
type Samples = Option<HashMap<String, Sample>>;

/// Whether the project has to be read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Completeness {
    /// What is missing is kept by name.
    Whole,
    /// More is missing than is kept by name.
    ReadAgain,
}

/// Reads the events of one project, and notes in the progress that it is done.
pub(crate) async fn read_project(session: &Session, task: &EventTask<'_>) -> Result<Completeness, SyncError> {
    let reader = Reader::new(session, task);
    match task.path {
        AccessPath::ByProject => by_project(&reader).await?,
        AccessPath::ByIssue => {
            each_issue(&reader, |_| true, async |issue| whole_issue(&reader, issue).await).await?;
        }
        AccessPath::SampleByIssue => {
            each_issue(&reader, |_| true, async |issue| sampled_issue(&reader, issue).await).await?;
        }
    }
    reader.log_sampling();
    reader.records.check()?;
    if reader.checkpoint.has_to_be_read_again() {
        return Ok(Completeness::ReadAgain);
    }
    reader.checkpoint.finish().await?;
    Ok(Completeness::Whole)
}

/// Runs `read` for the issues that are wanted.
async fn each_issue(
    reader: &Reader<'_>,
    wanted: impl Fn(&ChangedIssue) -> bool,
    read: impl AsyncFn(&ChangedIssue) -> Result<(), SyncError>,
) -> Result<(), SyncError> {
    let issues: Vec<&ChangedIssue> = reader.task.issues.iter().copied().filter(|issue| wanted(issue)).collect();
    reader.checkpoint.each_issue(&issues, || !reader.records.has_malformed_rows(), read).await
}

/// The project's list for error events, and one list for each issue of another kind.
async fn by_project(reader: &Reader<'_>) -> Result<(), SyncError> {
    let sampling = &reader.session.config.sampling;
    let mut samples: Samples = sampling.fraction.filter(|fraction| *fraction < 1.0).map(|_| HashMap::new());
    let errors = || reader.task.issues.iter().copied().filter(|issue| issue.is_error);
    if errors().next().is_some() && !reader.checkpoint.partition().listed {
        let fresh = reader.checkpoint.partition().until.is_none();
        let counts = fresh && !sampling.is_on();
        let mut given = if counts { Given::of(errors()) } else { Given::default() };
        newest(reader, reader.project_list(), None, &mut samples, &mut given).await?;
        if counts {
            let (short, given) = (given.short(errors()), RefCell::new(given));
            let read = async |issue: &ChangedIssue| read_short_issue(reader, issue, &given).await;
            reader.checkpoint.again(short.into_iter(), read).await?;
        }
    }
    if samples.is_none() {
        reader.note(|partition| partition.listed = true).await?;
    }
    if sampling.is_on() {
        // One after the other, since each takes what the ones before left over.
        let (others, kept) =
            (reader.task.issues.iter().copied().filter(|issue| !issue.is_error), RefCell::new(samples));
        let read = async |issue: &ChangedIssue| {
            let mut samples = kept.take();
            let list = reader.issue_list(issue, false, None);
            let result = newest(reader, list, Some(&issue.id), &mut samples, &mut Given::default()).await;
            kept.replace(samples);
            result
        };
        reader.checkpoint.again(others, read).await?;
        samples = kept.into_inner();
    } else {
        each_issue(reader, |issue| !issue.is_error, async |issue| whole_issue(reader, issue).await).await?;
    }
    match samples {
        Some(by_issue) => write_samples(reader, by_issue).await,
        None => Ok(()),
    }
}

/// Reads an issue by itself, of which a list gave fewer events than were announced.
async fn read_short_issue(
    reader: &Reader<'_>,
    issue: &ChangedIssue,
    given: &RefCell<Given<'_>>,
) -> Result<(), SyncError> {
    let (mut list, mut count) = (reader.issue_list(issue, false, None), 0);
    let (before, came) = (given.borrow().total(), given.borrow().came(issue));
    while let Some(page) = list.next().await? {
        reader.say_what_may_be_hidden(&page);
        count += page.rows().count() as u64;
        let rows = given.borrow_mut().take(page.rows().collect(), Some(&issue.id));
        reader.records.write(rows, Some(&issue.id)).await?;
    }
    if given.borrow().has_nothing_new(before, came, count) {
        reader.warn_of_announced(issue);
    }
    Ok(())
}

/// Writes the rows of a list, or offers them to the samples. Stops at `max_events_per_project`.
async fn newest(
    reader: &Reader<'_>,
    mut list: EventList<'_>,
    issue: Option<&str>,
    samples: &mut Samples,
    given: &mut Given<'_>,
) -> Result<(), SyncError> {
    let most = reader.session.config.sampling.max_per_project;
    let left = || most.map_or(u64::MAX, |most| most.saturating_sub(reader.total.get()));
    while left() > 0
        && let Some(page) = list.next().await?
    {
        reader.say_what_may_be_hidden(&page);
        let rows = page.rows().take(usize::try_from(left()).unwrap_or(usize::MAX)).collect();
        let rows = given.take(rows, issue);
        let count = rows.len() as u64;
        if let Some(by_issue) = samples {
            reader.count(count, 0);
            offer(reader, by_issue, rows, issue);
            continue;
        }
        reader.count(count, count);
        reader.records.write(rows, issue).await?;
        if let (None, Some(until)) = (issue, page.until) {
            let taken = if most.is_some() { reader.total.get() } else { 0 };
            reader.note(|partition| (partition.until, partition.taken) = (Some(until), taken)).await?;
        }
    }
    Ok(())
}

/// Every event of an issue, or what an interrupted run has left of it. If fewer came than were announced, the issue is read
/// once more.
async fn whole_issue(reader: &Reader<'_>, issue: &ChangedIssue) -> Result<(), SyncError> {
    let until = match reader.checkpoint.left(issue) {
        Left::Until(until) => Some(until),
        Left::Everything | Left::Nothing => None,
    };
    let mut given = Given::default();
    issue_pages(reader, issue, until, &mut given).await?;
    let announced = issue.events.filter(|_| until.is_none() && issue.since.is_none());
    if announced.is_some_and(|announced| given.total() < announced) {
        let before = given.total();
        let count = issue_pages(reader, issue, None, &mut given).await?;
        if given.has_nothing_new(before, before, count) {
            reader.warn_of_announced(issue);
        }
    }
    Ok(())
}

/// Writes an issue's list. Returns the number of its rows.
async fn issue_pages(
    reader: &Reader<'_>,
    issue: &ChangedIssue,
    until: Option<Time>,
    given: &mut Given<'_>,
) -> Result<u64, SyncError> {
    let (mut list, mut pages, mut count) = (reader.issue_list(issue, false, until), 0, 0);
    while let Some(page) = list.next().await? {
        reader.say_what_may_be_hidden(&page);
        pages += 1;
        count += page.rows().count() as u64;
        reader.records.write(given.take(page.rows().collect(), Some(&issue.id)), Some(&issue.id)).await?;
        reader.note_pages(issue, pages, page.until).await?;
    }
    Ok(count)
}
