//! Drawing samples of a project's events: by the server where that saves requests, else here.

use std::collections::HashMap;

use tracing::debug;

use crate::json::row::Row;
use crate::sentry::dialect::Capability;
use crate::sync::events::reader::Reader;
use crate::sync::events::sampling::{Sample, keep, priority};
use crate::sync::issues::changed::ChangedIssue;
use crate::sync::session::error::SyncError;

/// From this many events on, a sample is asked of the server instead of being drawn from all rows.
const SERVER_SAMPLE_FROM: u64 = 100;

/// Offers rows to the samples of their issues.
pub(crate) fn offer(
    reader: &Reader<'_>,
    samples: &mut HashMap<String, Sample>,
    rows: Vec<Option<Row<'_>>>,
    issue: Option<&str>,
) {
    let seed = reader.session.config.sampling.seed;
    for row in rows.into_iter().filter_map(|row| reader.records.keyed(row)) {
        let group = row.text("groupID");
        let group = group.as_deref().or(issue).unwrap_or_default().to_owned();
        let id = row.text("eventID").unwrap_or_default();
        let sample = samples.entry(group).or_insert_with_key(|group| Sample::new(most_of(reader, group)));
        sample.offer(priority(seed, &id), row.raw());
    }
}

/// The most events of an issue that its sample can hold.
fn most_of(reader: &Reader<'_>, issue: &str) -> u64 {
    let known = find(reader, issue).and_then(|known| known.events);
    known.map_or(reader.session.config.sampling.max_per_issue, |n| share(reader, n, 0))
}

fn find<'a>(reader: &Reader<'a>, issue: &str) -> Option<&'a ChangedIssue> {
    reader.task.issues.iter().copied().find(|known| *known.id == *issue)
}

/// Writes the samples of a whole project.
pub(crate) async fn write_samples(reader: &Reader<'_>, samples: HashMap<String, Sample>) -> Result<(), SyncError> {
    for (issue, sample) in samples {
        let earlier = find(reader, &issue).map_or(0, |known| earlier(reader, known, sample.offered()));
        write_sample(reader, &issue, sample, earlier).await?;
    }
    Ok(())
}

async fn write_sample(reader: &Reader<'_>, issue: &str, sample: Sample, earlier: u64) -> Result<(), SyncError> {
    let n = sample.offered();
    let rows = sample.into_rows(share(reader, n, earlier));
    debug!("Sampling {} out of {n} events for issue {issue}", rows.len());
    reader.count(0, rows.len() as u64);
    reader.records.write(rows.iter().map(|raw| Row::scan(raw)).collect(), Some(issue)).await
}

/// Events of the issue before the window. If the server did not count those in the window, `read` is their number.
fn earlier(reader: &Reader<'_>, issue: &ChangedIssue, read: u64) -> u64 {
    match issue.lifetime {
        Some(lifetime) if reader.task.continues => lifetime.saturating_sub(issue.events.unwrap_or(read)),
        _ => 0,
    }
}

/// How many of `n` events to keep.
fn share(reader: &Reader<'_>, n: u64, earlier: u64) -> u64 {
    let sampling = &reader.session.config.sampling;
    keep(n, sampling.fraction.unwrap_or(1.0), sampling.min_per_issue, sampling.max_per_issue, earlier)
}

/// A sample of an issue: the server's own where that saves requests, else drawn from all rows.
pub(crate) async fn sampled_issue(reader: &Reader<'_>, issue: &ChangedIssue) -> Result<(), SyncError> {
    let has_windows = reader.session.client.dialect.supports(Capability::ListWindows);
    if let Some(n) = issue.events.filter(|n| *n > SERVER_SAMPLE_FROM && has_windows) {
        let k = share(reader, n, earlier(reader, issue, n));
        if k == 0 || server_sample(reader, issue, n, k).await? {
            return Ok(());
        }
    }
    let sampling = &reader.session.config.sampling;
    let mut sample = Sample::new(sampling.max_per_issue);
    let mut list = reader.issue_list(issue, false, None);
    while let Some(page) = list.next().await? {
        for row in page.rows().filter_map(|row| reader.records.keyed(row)) {
            sample.offer(priority(sampling.seed, &row.text("eventID").unwrap_or_default()), row.raw());
        }
    }
    reader.count(sample.offered(), 0);
    let earlier = earlier(reader, issue, sample.offered());
    write_sample(reader, &issue.id, sample, earlier).await
}

/// The first `k` rows of the server's sample order; `false` if the server turns out not to have one.
async fn server_sample(reader: &Reader<'_>, issue: &ChangedIssue, n: u64, k: u64) -> Result<bool, SyncError> {
    let mut list = reader.issue_list(issue, true, None);
    let mut left = usize::try_from(k).unwrap_or(usize::MAX);
    let mut first = true;
    while left > 0
        && let Some(page) = list.next().await?
    {
        if std::mem::take(&mut first) && page.is_newest_first() {
            reader.session.client.dialect.refused(Capability::SampleOrder);
            return Ok(false);
        }
        let rows: Vec<_> = page.rows().take(left).collect();
        left -= rows.len();
        reader.count(0, rows.len() as u64);
        reader.records.write(rows, Some(&issue.id)).await?;
    }
    reader.count(n, 0);
    debug!("Sampling {} out of {n} events for issue {}", k - left as u64, issue.id);
    Ok(true)
}
