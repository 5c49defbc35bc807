//! What hangs on a parent's row: objects or lists of their own endpoint, one request at a time in the order of the
//! parents; and the fields that the tap adds to a record.

use tracing::{debug, info};

use crate::json::row::{Row, items};
use crate::json::text;
use crate::sentry::endpoint::{Endpoint, PathValues};
use crate::sentry::error::ErrorKind;
use crate::sentry::pages::Pages;
use crate::sentry::request::Request;
use crate::singer::progress::Mark;
use crate::singer::state::State;
use crate::streams::{Added, Source, Stream};
use crate::sync::Sync;
use crate::sync::output::{Batch, StreamOutput};
use crate::sync::walk::WalkError;

/// A row under which children hang.
#[derive(Debug)]
pub struct Parent {
    /// Its key, by which an interrupted run finds its place again.
    pub key: String,
    /// What it offers to the paths of its children.
    pub values: PathValues,
}

impl Parent {
    /// Reads a row of `stream`; an error names the field that it lacks.
    pub fn read(sync: &Sync, stream: &Stream, row: &Row<'_>) -> Result<Self, &'static str> {
        let mut values = sync.values();
        for (placeholder, field) in stream.offers {
            values.push((placeholder, row.text(field).ok_or(*field)?.into_owned()));
        }
        Ok(Self { key: key_of(stream, row), values })
    }
}

/// The key of a row as one text.
pub fn key_of(stream: &Stream, row: &Row<'_>) -> String {
    stream.key_properties.iter().filter_map(|key| row.text(key)).collect::<Vec<_>>().join("/")
}

/// The selected children of a stream that have an endpoint of their own.
pub fn with_endpoints<'a>(
    sync: &'a Sync,
    parent: &Stream,
) -> impl Iterator<Item = (&'a StreamOutput, &'static Endpoint)> {
    let name = parent.tap_stream_id;
    sync.output.streams().filter(move |output| output.stream.parent == Some(name)).filter_map(|output| {
        match &output.stream.source {
            Source::Endpoint(endpoint) => Some((output, endpoint)),
            Source::ParentRow(_) | Source::Issues | Source::Events => None,
        }
    })
}

/// Reads a child stream whole, parent by parent; goes on behind the parent at which an interrupted run was.
pub async fn walk_children(
    sync: &Sync,
    child: &StreamOutput,
    endpoint: &'static Endpoint,
    parents: &[Parent],
) -> Result<(), WalkError> {
    let name = child.stream.tap_stream_id;
    sync.output.begin(child).await?;
    if sync.output.has_read(name).await {
        return Ok(());
    }
    let progress = sync.output.bookmark(name).await.progress;
    let last_done = progress.as_ref().and_then(|progress| progress.mark.item.as_ref());
    let done = parents.iter().position(|parent| Some(&parent.key) == last_done).map_or(0, |at| at + 1);
    let end = crate::time::whole_second(sync.client.server_now());
    child.expect((parents.len() - done) as u64);
    if done > 0 {
        child.doubt(); // what an interrupted run wrote may carry another version, or none
    }
    for parent in &parents[done..] {
        let result = of_parent(sync, child, endpoint, parent.values.clone()).await;
        tolerate(sync, child, result)?;
        let mark = Mark { item: Some(parent.key.clone()), ..Mark::default() };
        // What could not be read stays ahead of the mark, so that a run that goes on from here tries it again.
        let change = |state: &mut State| {
            if !child.has_gaps() {
                state.progress_mut(name, end).mark = mark;
            }
        };
        sync.output.advance_page(change).await?;
    }
    sync.output.finish(child, end).await?;
    info!("{name}: {} records", child.tally().records);
    Ok(())
}

async fn of_parent(
    sync: &Sync,
    child: &StreamOutput,
    endpoint: &'static Endpoint,
    values: PathValues,
) -> Result<(), WalkError> {
    let mut pages = Pages::new(&sync.client, Request::new(endpoint, values));
    while let Some(page) = pages.next().await? {
        if page.is_cut() {
            child.doubt();
        }
        let mut batch = child.batch(page.size());
        for row in page.rows() {
            match row {
                Some(row) => push(sync, child.stream, &mut batch, &row, Vec::new()),
                None => child.gap("a row that is no object"),
            }
        }
        batch.send(&sync.output).await?;
    }
    Ok(())
}

/// What is gone is skipped, what is forbidden or broken is a gap; both are counted and the walk goes on.
pub(super) fn tolerate<T>(
    sync: &Sync,
    child: &StreamOutput,
    result: Result<T, WalkError>,
) -> Result<Option<T>, WalkError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(WalkError::Api(error)) if error.kind == ErrorKind::NotFound => {
            debug!("{error}");
            child.skip("gone (404)");
            Ok(None)
        }
        Err(WalkError::Api(error)) if sync.goes_on_after(&error) => {
            child.gap(error.to_string());
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Adds a row's record with the fields that the tap adds to it.
pub(super) fn push(
    sync: &Sync,
    stream: &Stream,
    batch: &mut Batch<'_>,
    row: &Row<'_>,
    mut added: Vec<(&'static str, String)>,
) {
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
