//! What hangs on a parent's row: objects or lists of their own endpoint, one request at a time in the order of the
//! parents; and the fields that the tap adds to a record.

use std::pin::Pin;

use tracing::{debug, info};

use crate::json::row::{Row, items};
use crate::json::text;
use crate::sentry::endpoint::{Endpoint, PathValues};
use crate::sentry::error::ErrorKind;
use crate::sentry::pages::Pages;
use crate::singer::progress::Mark;
use crate::singer::state::State;
use crate::streams::{self, Added, Source, Stream, TimeFilter};
use crate::sync::Sync;
use crate::sync::failure::WalkError;
use crate::sync::output::{Batch, StreamOutput};
use crate::sync::starts::stream_start;
use crate::sync::walk::walk_rows;
use crate::sync::window::Window;
use crate::time::{Time, whole_second};

/// A row under which children hang.
#[derive(Debug, Clone)]
pub struct Parent {
    /// Its key, by which an interrupted run finds its place again.
    pub key: String,
    /// What it and the rows above it offer to the paths and records of its children.
    pub values: PathValues,
}

impl Parent {
    /// Reads a row of `stream` below what `above` offers; an error names the field that it lacks.
    pub fn read(stream: &Stream, row: &Row<'_>, above: &PathValues) -> Result<Self, &'static str> {
        let mut values = above.clone();
        for (name, field) in stream.offers {
            values.push((name, row.text(field).ok_or(*field)?.into_owned()));
        }
        Ok(Self { key: key_of(stream, row), values })
    }
}

/// The key of a row as one text.
pub fn key_of(stream: &Stream, row: &Row<'_>) -> String {
    stream.key_properties.iter().filter_map(|key| row.text(key)).collect::<Vec<_>>().join("/")
}

/// A stream that is read once for each row of the stream above it, and those below it in turn.
#[derive(Debug)]
pub struct Child<'a> {
    stream: &'static Stream,
    endpoint: &'static Endpoint,
    /// Absent where only those below it are selected.
    output: Option<&'a StreamOutput>,
    /// From which second on rows are wanted, where the server filters by time.
    start: Option<Time>,
    below: Vec<Child<'a>>,
}

impl<'a> Child<'a> {
    /// The children of a stream that have endpoints of their own, as far as they or those below them are selected.
    pub async fn all(sync: &'a Sync, parent: &Stream) -> Vec<Child<'a>> {
        let mut children = Vec::new();
        for stream in streams::children(parent.tap_stream_id).filter(|child| sync.wants(child.tap_stream_id)) {
            let Source::Endpoint(endpoint) = &stream.source else { continue };
            let output = sync.output.stream(stream.tap_stream_id);
            let start = match output.filter(|_| stream.time_filter == TimeFilter::StartEnd) {
                Some(output) => Some(stream_start(sync, output).await),
                None => None,
            };
            let below = Box::pin(Self::all(sync, stream)).await;
            children.push(Self { stream, endpoint, output, start, below });
        }
        children
    }

    /// The selected streams among it and those below it.
    pub fn outputs(&self) -> Vec<&'a StreamOutput> {
        self.output.into_iter().chain(self.below.iter().flat_map(Self::outputs)).collect()
    }

    /// Reads and writes what hangs on one parent. What is gone or broken is counted, and the walk goes on.
    pub fn of<'b>(
        &'b self,
        sync: &'b Sync,
        parent: &'b Parent,
        end: Time,
    ) -> Pin<Box<dyn Future<Output = Result<(), WalkError>> + 'b>> {
        Box::pin(async move {
            let result = self.pages(sync, parent, end).await;
            tolerate(sync, &self.outputs(), result).map(drop)
        })
    }

    async fn pages(&self, sync: &Sync, parent: &Parent, end: Time) -> Result<(), WalkError> {
        let window = self.start.map(|start| Window { start, end });
        if window.is_some_and(Window::is_empty) {
            return Ok(());
        }
        let mut request = sync.request(self.endpoint, parent.values.clone());
        for (name, value) in window.into_iter().flat_map(Window::query) {
            request = request.with(name, value);
        }
        let mut pages = Pages::new(&sync.client, request);
        while let Some(page) = pages.next().await? {
            if page.is_cut() {
                self.outputs().into_iter().for_each(StreamOutput::doubt);
            }
            let mut batch = self.output.map(|output| output.batch(page.size()));
            let mut parents = Vec::new();
            for row in page.rows() {
                let Some(row) = row else {
                    for output in self.outputs() {
                        output.gap("a row that is no object");
                    }
                    continue;
                };
                let key = self.stream.replication_key();
                let time = key.and_then(|key| Window::second_of(row.text(key).as_deref()));
                if !window.is_none_or(|window| time.is_none_or(|time| window.contains(time))) {
                    continue;
                }
                if let Some(batch) = &mut batch {
                    push(self.stream, batch, &row, &parent.values, Vec::new());
                }
                match Parent::read(self.stream, &row, &parent.values) {
                    _ if self.below.is_empty() => {}
                    Ok(parent) => parents.push(parent),
                    Err(field) => self.lacks(field),
                }
            }
            if let Some(batch) = batch {
                batch.send(&sync.output).await?;
            }
            for parent in &parents {
                for child in &self.below {
                    child.of(sync, parent, end).await?;
                }
            }
        }
        Ok(())
    }

    fn lacks(&self, field: &str) {
        for output in self.below.iter().flat_map(Self::outputs) {
            output.gap(format!("a parent row without {field}"));
        }
    }
}

/// Reads a root stream and what is read with its rows, and returns the rows for children that have their own endpoints.
pub async fn walk_root(sync: &Sync, stream: &'static Stream) -> Result<Vec<Parent>, WalkError> {
    let (mut parents, mut missing) = (Vec::new(), None);
    let children = if stream.time_filter == TimeFilter::None { Child::all(sync, stream).await } else { Vec::new() };
    let above = sync.values();
    let mut keep = |row: &Row<'_>| match Parent::read(stream, row, &above) {
        Ok(parent) if !children.is_empty() => parents.push(parent),
        Ok(_) => {}
        Err(field) => missing = Some(field),
    };
    walk_rows(sync, stream, !children.is_empty(), &mut keep).await?;
    for output in children.iter().flat_map(Child::outputs) {
        if let Some(field) = missing {
            output.gap(format!("a parent row without {field}"));
        }
    }
    Ok(parents)
}

/// Reads a child stream and those below it whole, parent by parent; goes on behind the parent at which an interrupted run
/// was.
pub async fn walk_children(sync: &Sync, child: &Child<'_>, parents: &[Parent]) -> Result<(), WalkError> {
    let outputs = child.outputs();
    let Some(holder) = outputs.first().map(|output| output.stream.tap_stream_id) else { return Ok(()) };
    let mut all_read = true;
    for output in &outputs {
        sync.output.begin(output).await?;
        all_read &= sync.output.has_read(output.stream.tap_stream_id).await;
    }
    if all_read {
        return Ok(());
    }
    let with = || outputs.iter().skip(1).map(|output| output.stream.tap_stream_id);
    let progress = sync.output.bookmark(holder).await.progress.filter(|progress| progress.holds_for(with()));
    let last_done = progress.as_ref().and_then(|progress| progress.mark.item.as_ref());
    let done = parents.iter().position(|parent| Some(&parent.key) == last_done).map_or(0, |at| at + 1);
    let now = whole_second(sync.client.server_now());
    // What hangs on the parents that are done was read up to the end that the interrupted run had.
    let end = progress.filter(|_| done > 0).map_or(now, |progress| progress.end);
    child.output.into_iter().for_each(|output| output.expect((parents.len() - done) as u64));
    if done > 0 {
        // What an interrupted run wrote may carry another version, or none.
        for output in &outputs {
            output.doubt();
        }
    }
    for parent in &parents[done..] {
        child.of(sync, parent, end).await?;
        let mark = Mark { item: Some(parent.key.clone()), ..Mark::default() };
        // What could not be read stays ahead of the mark, so that a run that goes on from here tries it again.
        let change = |state: &mut State| {
            if !outputs.iter().any(|output| output.has_gaps()) {
                let progress = state.progress_mut(holder, end);
                (progress.mark, progress.with) = (mark, with().map(str::to_owned).collect());
            }
        };
        sync.output.advance_page(change).await?;
    }
    for output in outputs {
        sync.output.finish(output, end).await?;
        info!("{}: {} records", output.stream.tap_stream_id, output.tally().records);
    }
    Ok(())
}

/// What is gone is skipped, what is forbidden or broken is a gap; both are counted and the walk goes on.
pub(super) fn tolerate<T>(
    sync: &Sync,
    outputs: &[&StreamOutput],
    result: Result<T, WalkError>,
) -> Result<Option<T>, WalkError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(WalkError::Api(error)) if error.kind == ErrorKind::NotFound => {
            debug!("{error}");
            for output in outputs {
                output.skip("gone (404)");
            }
            Ok(None)
        }
        Err(WalkError::Api(error)) if sync.goes_on_after(&error) => {
            for output in outputs {
                output.gap(error.to_string());
            }
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Adds a row's record with the fields that the tap adds to it.
pub(super) fn push(
    stream: &Stream,
    batch: &mut Batch<'_>,
    row: &Row<'_>,
    values: &PathValues,
    mut added: Vec<(&'static str, String)>,
) {
    for (name, source) in stream.added {
        let value = match source {
            Added::Above(offered) => {
                values.iter().find(|(known, _)| known == offered).map(|(_, value)| text::quote(value))
            }
            Added::FirstOf(list, field) => first_of(row, list, field),
            Added::Else(_) if row.get(name).is_some_and(|value| value != "null") => continue,
            Added::OrEmpty if row.get(name).is_some_and(|value| value != "null") => continue,
            Added::OrEmpty => Some(text::quote("")),
            Added::Else(other) | Added::Renamed(other) => row.get(other).map(str::to_owned),
            Added::Within(object, field) => {
                let inner = row.object(object);
                let value = inner.as_ref().and_then(|object| object.text(field));
                Some(text::quote(&value.unwrap_or_default()))
            }
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
