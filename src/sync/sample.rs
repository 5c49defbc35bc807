//! Drawing samples of a project's events: by the server where that saves requests, else here.

use std::collections::HashMap;

use tracing::{debug, info};

use crate::json::row::Row;
use crate::sampling::{Sample, keep, priority};
use crate::sync::events::Reader;
use crate::sync::failure::WalkError;
use crate::sync::plan::ChangedIssue;

/// From this many events on, a sample is asked of the server instead of being drawn from all rows.
const SERVER_SAMPLE_FROM: u64 = 100;

impl Reader<'_> {
    /// Offers rows to the samples of their issues.
    pub(super) fn offer(&self, samples: &mut HashMap<String, Sample>, rows: Vec<Option<Row<'_>>>, issue: Option<&str>) {
        let sampling = &self.sync.config.sampling;
        for row in rows.into_iter().filter_map(|row| self.records.keyed(row)) {
            let group = row.text("groupID");
            let group = group.as_deref().or(issue).unwrap_or_default().to_owned();
            let id = row.text("eventID").unwrap_or_default();
            let sample = samples.entry(group).or_insert_with_key(|group| Sample::new(self.most_of(group)));
            sample.offer(priority(sampling.seed, &id), row.raw());
        }
    }

    /// The most events of an issue that its sample can hold.
    fn most_of(&self, issue: &str) -> u64 {
        let sampling = &self.sync.config.sampling;
        let known = self.work.issues.iter().find(|known| *known.id == *issue).and_then(|known| known.events);
        known.map_or(sampling.max_per_issue, |n| self.share(n, 0))
    }

    /// Writes the samples of a whole project.
    pub(super) async fn write_samples(&self, samples: HashMap<String, Sample>) -> Result<(), WalkError> {
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
        self.records.write(rows.iter().map(|raw| Row::scan(raw)).collect(), Some(issue)).await
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

    /// A sample of an issue: the server's own where that saves requests, else drawn from all rows.
    pub(super) async fn sampled_issue(&self, issue: &ChangedIssue) -> Result<(), WalkError> {
        if let Some(n) = issue.events.filter(|n| *n > SERVER_SAMPLE_FROM && self.work.knows_windows) {
            let k = self.share(n, self.earlier(issue, n));
            if k == 0 || self.server_sample(issue, n, k).await? {
                return Ok(());
            }
        }
        let sampling = &self.sync.config.sampling;
        let mut sample = Sample::new(sampling.max_per_issue);
        let mut list = self.issue_list(issue, false, None);
        while let Some(page) = list.next().await? {
            for row in page.rows().filter_map(|row| self.records.keyed(row)) {
                sample.offer(priority(sampling.seed, &row.text("eventID").unwrap_or_default()), row.raw());
            }
        }
        self.total.set(self.total.get() + sample.offered());
        self.compare_counts(&format!("issue {}", issue.id), issue.events, sample.offered());
        let earlier = self.earlier(issue, sample.offered());
        self.write_sample(&issue.id, sample, earlier).await
    }

    /// The first `k` rows of the server's sample order; `false` if the server turns out not to have one.
    async fn server_sample(&self, issue: &ChangedIssue, n: u64, k: u64) -> Result<bool, WalkError> {
        let mut list = self.issue_list(issue, true, None);
        let mut left = usize::try_from(k).unwrap_or(usize::MAX);
        let mut first = true;
        while left > 0
            && let Some(page) = list.next().await?
        {
            if std::mem::take(&mut first) && page.is_newest_first() {
                info!("This server ignores sample=true: all events of sampled issues are read, and sampled here");
                return Ok(false);
            }
            let rows: Vec<_> = page.rows().take(left).collect();
            left -= rows.len();
            self.kept.set(self.kept.get() + rows.len() as u64);
            self.records.write(rows, Some(&issue.id)).await?;
        }
        self.total.set(self.total.get() + n);
        self.compare_counts(&format!("a sample of issue {}", issue.id), Some(k), k - left as u64);
        debug!("Sampling {} out of {n} events for issue {}", k - left as u64, issue.id);
        Ok(true)
    }
}
