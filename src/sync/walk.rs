//! The generic walker: reads the rows of a table's endpoint, writes them, and does the same for its children.
//!
//! Children are read one request at a time, in the order of the parent's rows.

use std::collections::HashSet;

use anyhow::Result;
use tracing::{debug, info};

use crate::sentry::endpoint::{Endpoint, PathValues};
use crate::sentry::error::{ApiError, ErrorKind};
use crate::sentry::page::Page;
use crate::sentry::pages::Pages;
use crate::sentry::request::Request;
use crate::singer::record::{Row, items};
use crate::singer::text;
use crate::streams::{Added, Embed, STREAMS, Source, Stream, TimeFilter};
use crate::sync::Sync;
use crate::sync::output::{Batch, StreamOutput};
use crate::sync::window::{Window, start_after};
use crate::time::{Time, whole_second};

/// Why a walk ended early.
#[derive(Debug)]
pub enum WalkError {
    /// A request failed.
    Api(ApiError),
    /// Nothing can be written any more, or the run cannot go on for another reason.
    Stop(anyhow::Error),
}

impl From<ApiError> for WalkError {
    fn from(error: ApiError) -> Self {
        Self::Api(error)
    }
}

impl From<crate::singer::writer::OutputClosed> for WalkError {
    fn from(error: crate::singer::writer::OutputClosed) -> Self {
        Self::Stop(error.into())
    }
}

/// A root stream with the children that are selected.
struct Walk<'a> {
    sync: &'a Sync,
    stream: &'static Stream,
    output: Option<&'a StreamOutput>,
    children: Vec<&'a StreamOutput>,
    window: Window,
    /// Rows seen on the last two pages, so that rows that moved down a page are written once.
    recent: HashSet<String>,
    previous: HashSet<String>,
}

/// Reads a root stream and its children whole; moves their bookmarks. `each` sees every row.
pub async fn walk(sync: &Sync, stream: &'static Stream, mut each: impl FnMut(&Row<'_>)) -> Result<(), WalkError> {
    let Source::Endpoint(endpoint) = &stream.source else {
        return Ok(());
    };
    let output = sync.output.stream(stream.tap_stream_id);
    let children: Vec<_> = STREAMS
        .iter()
        .filter(|child| child.parent == Some(stream.tap_stream_id))
        .filter_map(|child| sync.output.stream(child.tap_stream_id))
        .collect();
    let outputs: Vec<&StreamOutput> = output.into_iter().chain(children.iter().copied()).collect();
    for output in &outputs {
        sync.output.begin(output).await?;
    }
    if stream.time_filter == TimeFilter::StartEnd {
        sync.ask_the_time().await?;
    }
    let window = widest_window(sync, &outputs).await;
    let mut walk = Walk { sync, stream, output, children, window, recent: HashSet::new(), previous: HashSet::new() };
    walk.pages(endpoint, &mut each).await?;
    walk.finish().await
}

/// From the earliest start of the streams that are read from the same list, to now.
async fn widest_window(sync: &Sync, outputs: &[&StreamOutput]) -> Window {
    let mut start: Option<Time> = None;
    for output in outputs {
        let own = stream_start(sync, output).await;
        start = Some(start.map_or(own, |start| start.min(own)));
    }
    let end = whole_second(sync.client.server_now());
    Window { start: start.unwrap_or(sync.config.start_date), end }
}

async fn stream_start(sync: &Sync, output: &StreamOutput) -> Time {
    let bookmark = sync.output.bookmark(output.stream.tap_stream_id).await;
    let bookmark = bookmark.start.filter(|_| !output.full_table);
    start_after(bookmark, sync.config.start_date, sync.config.lookback)
}

impl Walk<'_> {
    async fn pages(&mut self, endpoint: &'static Endpoint, each: &mut impl FnMut(&Row<'_>)) -> Result<(), WalkError> {
        let filtered = self.stream.time_filter == TimeFilter::StartEnd;
        if filtered && self.window.is_empty() {
            return Ok(());
        }
        let mut request = Request::new(endpoint, self.sync.values());
        if filtered {
            for (name, value) in self.window.query() {
                request = request.with(name, value);
            }
        }
        let mut pages = Pages::new(&self.sync.client, request);
        // Some servers ignore the window, and some sort by another time: stop early only where rows come in order.
        let mut newest_first = true;
        let mut last: Option<Time> = None;
        while let Some(page) = pages.next().await? {
            let times = self.rows(&page, each).await?;
            newest_first &= last.into_iter().chain(times.iter().copied()).is_sorted_by(|a, b| a >= b);
            last = times.last().copied().or(last);
            if filtered && newest_first && times.last().is_some_and(|time| *time < self.window.start) {
                break;
            }
        }
        Ok(())
    }

    /// Writes one page and what hangs on it; returns the rows' times, where the stream has such.
    async fn rows(&mut self, page: &Page, each: &mut impl FnMut(&Row<'_>)) -> Result<Vec<Time>, WalkError> {
        let mut times = Vec::new();
        let mut batch = self.output.map(StreamOutput::batch);
        let mut rows = Vec::with_capacity(page.len());
        for raw in page.rows() {
            let Some(row) = Row::scan(raw) else {
                self.skip("a row that is no object");
                continue;
            };
            let key = self.stream.key_properties.iter().filter_map(|key| row.text(key)).collect::<Vec<_>>().join("/");
            if !key.is_empty() && (self.previous.contains(&key) || !self.recent.insert(key)) {
                continue;
            }
            let time = self.stream.replication_key().and_then(|key| Window::second_of(row.text(key).as_deref()));
            times.extend(time);
            if self.stream.time_filter == TimeFilter::StartEnd && time.is_some_and(|time| !self.window.contains(time)) {
                continue;
            }
            each(&row);
            if let Some(batch) = &mut batch {
                push(self.sync, self.stream, batch, &row, Vec::new());
            }
            rows.push(row);
        }
        if let Some(batch) = batch {
            batch.send(&self.sync.output).await?;
        }
        for row in &rows {
            self.children(row).await?;
        }
        self.previous = std::mem::take(&mut self.recent);
        Ok(times)
    }

    async fn children(&self, row: &Row<'_>) -> Result<(), WalkError> {
        for child in &self.children {
            let mut values = self.sync.values();
            for (placeholder, field) in self.stream.offers {
                let Some(value) = row.text(field) else {
                    child.gap(format!("a parent row without {field}"));
                    return Ok(());
                };
                values.push((placeholder, value.into_owned()));
            }
            let result = match &child.stream.source {
                Source::Endpoint(endpoint) => self.child_of_endpoint(child, endpoint, values).await,
                Source::ParentRow(embeds) => self.child_of_row(child, embeds, row, values).await,
                Source::Issues | Source::Events => Ok(()),
            };
            self.tolerate(child, result)?;
        }
        Ok(())
    }

    async fn child_of_endpoint(
        &self,
        child: &StreamOutput,
        endpoint: &'static Endpoint,
        values: PathValues,
    ) -> Result<(), WalkError> {
        let mut pages = Pages::new(&self.sync.client, Request::new(endpoint, values));
        while let Some(page) = pages.next().await? {
            let mut batch = child.batch();
            for row in page.rows().filter_map(Row::scan) {
                push(self.sync, child.stream, &mut batch, &row, Vec::new());
            }
            batch.send(&self.sync.output).await?;
        }
        Ok(())
    }

    async fn child_of_row(
        &self,
        child: &StreamOutput,
        embeds: &'static [Embed],
        row: &Row<'_>,
        values: PathValues,
    ) -> Result<(), WalkError> {
        let start = stream_start(self.sync, child).await;
        let time = child.stream.replication_key().and_then(|key| Window::second_of(row.text(key).as_deref()));
        if time.is_some_and(|time| time < start) {
            return Ok(());
        }
        let mut embedded = Vec::new();
        for embed in embeds.iter().filter(|embed| child.selects(embed.field)) {
            let list = match row.integer(embed.count) {
                Some(0) => "[]".to_owned(),
                _ => self.list(embed, values.clone()).await?,
            };
            embedded.push((embed.field, list));
        }
        let mut batch = child.batch();
        push(self.sync, child.stream, &mut batch, row, embedded);
        batch.send(&self.sync.output).await?;
        Ok(())
    }

    /// A whole list as one raw JSON array.
    async fn list(&self, embed: &'static Embed, values: PathValues) -> Result<String, WalkError> {
        let mut pages = Pages::new(&self.sync.client, Request::new(&embed.endpoint, values));
        let mut list = String::from("[");
        while let Some(page) = pages.next().await? {
            for row in page.rows() {
                if list.len() > 1 {
                    list.push(',');
                }
                list.push_str(row);
            }
        }
        list.push(']');
        Ok(list)
    }

    /// What is gone is skipped, what is forbidden or broken is a gap; both are counted and the walk goes on.
    fn tolerate(&self, child: &StreamOutput, result: Result<(), WalkError>) -> Result<(), WalkError> {
        match result {
            Err(WalkError::Api(error)) if error.kind == ErrorKind::NotFound => {
                debug!("{error}");
                child.skip("gone (404)");
                Ok(())
            }
            Err(WalkError::Api(error)) if self.sync.goes_on_after(&error) => {
                child.gap(error.to_string());
                Ok(())
            }
            other => other,
        }
    }

    fn skip(&self, reason: &str) {
        for output in self.output.iter().chain(&self.children) {
            output.gap(reason);
        }
    }

    /// Moves the bookmarks of what was read without a gap.
    async fn finish(&self) -> Result<(), WalkError> {
        for output in self.output.iter().chain(&self.children) {
            let name = output.stream.tap_stream_id;
            if output.tally().gaps.is_empty() {
                let end = self.window.end;
                self.sync.output.advance(|state| state.bookmark_mut(name).start = Some(end)).await?;
            }
            info!("{name}: {} records", output.tally().records);
        }
        Ok(())
    }
}

/// Adds a row's record with the fields that the tap adds to it.
fn push(sync: &Sync, stream: &Stream, batch: &mut Batch<'_>, row: &Row<'_>, mut added: Vec<(&'static str, String)>) {
    for (name, source) in stream.added {
        let value = match source {
            Added::Organization => Some(text::quote(&sync.config.organization)),
            Added::FirstOf(list, field) => first_of(row, list, field),
            Added::Else(_) if row.get(name).is_some_and(|value| value != "null") => continue,
            Added::Else(other) => row.get(other).map(str::to_owned),
        };
        added.push((name, value.unwrap_or_else(|| "null".to_owned())));
    }
    let overrides: Vec<(&str, &str)> = added.iter().map(|(name, value)| (*name, value.as_str())).collect();
    batch.push(row, &overrides);
}

fn first_of(row: &Row<'_>, list: &str, field: &str) -> Option<String> {
    let mut first = None;
    items(row.get(list)?, |item| {
        if first.is_none() {
            first = Row::scan(item).and_then(|object| Some(text::quote(&object.text(field)?)));
        }
    });
    first
}
