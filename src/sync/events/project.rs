//! Events of one project by its access path. What has been written goes into the project's partition of the progress, page
//! by page, so that an interrupted run is continued where it was. Samples are drawn in `sample.rs`.

use std::collections::HashMap;

use crate::sentry::event_list::EventList;
use crate::singer::progress::Left;
use crate::sync::events::plan::AccessPath;
use crate::sync::events::reader::Reader;
use crate::sync::events::sample::{offer, sampled_issue, write_samples};
use crate::sync::events::sampling::Sample;
use crate::sync::events::task::EventTask;
use crate::sync::issues::changed::ChangedIssue;
use crate::sync::session::Session;
use crate::sync::session::error::SyncError;
use crate::sync::session::tolerance::{ISSUE_GONE, unless_gone};

/// Samples of a project's issues, by id; none where every event is kept.
type Samples = Option<HashMap<String, Sample>>;

/// Reads the events of one project, and notes in the progress that it is done.
pub(crate) async fn read_project(session: &Session, task: EventTask<'_>) -> Result<(), SyncError> {
    let reader = Reader::new(session, &task);
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
    Ok(reader.checkpoint.finish().await?)
}

/// Runs `read` for the issues that are wanted. One that is gone since it was listed is skipped.
async fn each_issue(
    reader: &Reader<'_>,
    wanted: impl Fn(&ChangedIssue) -> bool,
    read: impl AsyncFn(&ChangedIssue) -> Result<(), SyncError>,
) -> Result<(), SyncError> {
    let issues: Vec<&ChangedIssue> = reader.task.issues.iter().copied().filter(|issue| wanted(issue)).collect();
    let read = async |issue: &ChangedIssue| {
        unless_gone(read(issue).await, || reader.records.skip(ISSUE_GONE)).map(Option::unwrap_or_default)
    };
    reader.checkpoint.each_issue(&issues, || !reader.records.has_malformed_rows(), read).await
}

/// The project's list for error events, and one list for each issue of another kind.
async fn by_project(reader: &Reader<'_>) -> Result<(), SyncError> {
    let sampling = &reader.session.config.sampling;
    let mut samples: Samples = sampling.fraction.filter(|fraction| *fraction < 1.0).map(|_| HashMap::new());
    let errors = || reader.task.issues.iter().filter(|issue| issue.is_error);
    if errors().next().is_some() && !reader.checkpoint.partition().listed {
        let (fresh, before) = (reader.checkpoint.partition().until.is_none(), reader.total.get());
        newest(reader, reader.project_list(), None, &mut samples).await?;
        if fresh && sampling.max_per_project.is_none() {
            let what = format!("project {}", reader.task.project.slug);
            let announced = errors().map(|issue| issue.events).sum();
            reader.compare_counts(&what, announced, reader.total.get() - before);
        }
    }
    if samples.is_none() {
        reader.note(|partition| partition.listed = true).await?;
    }
    if sampling.is_on() {
        // One after the other, since each takes what the ones before left over.
        for issue in reader.task.issues.iter().filter(|issue| !issue.is_error) {
            let list = reader.issue_list(issue, false, None);
            let read = newest(reader, list, Some(&issue.id), &mut samples).await;
            unless_gone(read, || reader.records.skip(ISSUE_GONE))?;
        }
    } else {
        each_issue(reader, |issue| !issue.is_error, async |issue| whole_issue(reader, issue).await).await?;
    }
    match samples {
        Some(by_issue) => write_samples(reader, by_issue).await,
        None => Ok(()),
    }
}

/// Writes the rows of a list, or offers them to the samples. Stops at `max_events_per_project`.
async fn newest(
    reader: &Reader<'_>,
    mut list: EventList<'_>,
    issue: Option<&str>,
    samples: &mut Samples,
) -> Result<(), SyncError> {
    let most = reader.session.config.sampling.max_per_project;
    let left = || most.map_or(u64::MAX, |most| most.saturating_sub(reader.total.get()));
    while left() > 0
        && let Some(page) = list.next().await?
    {
        reader.say_what_may_be_hidden(&page);
        let rows: Vec<_> = page.rows().take(usize::try_from(left()).unwrap_or(usize::MAX)).collect();
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

/// Every event of an issue, or what an interrupted run has left of it.
async fn whole_issue(reader: &Reader<'_>, issue: &ChangedIssue) -> Result<(), SyncError> {
    let until = match reader.checkpoint.partition().issues.left(&issue.id) {
        Left::Until(until) => Some(until),
        Left::Everything | Left::Nothing => None,
    };
    let mut list = reader.issue_list(issue, false, until);
    let mut read = 0;
    while let Some(page) = list.next().await? {
        reader.say_what_may_be_hidden(&page);
        let rows: Vec<_> = page.rows().collect();
        read += rows.len() as u64;
        reader.records.write(rows, Some(&issue.id)).await?;
        match page.until {
            Some(until) => reader.note(|partition| partition.issues.advance_to(&issue.id, until)).await?,
            None => reader.session.output.state.advance_page(|_| ()).await?,
        }
    }
    reader.compare_counts(&format!("issue {}", issue.id), issue.events.filter(|_| until.is_none()), read);
    Ok(())
}
