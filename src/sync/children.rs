//! What hangs on a parent's row: objects of their own endpoint, or the row itself with lists put inside; and the fields
//! that the tap adds to a record. One request at a time, in the order of the rows.

use tracing::debug;

use crate::json::row::{Row, items};
use crate::json::text;
use crate::sentry::endpoint::{Endpoint, PathValues};
use crate::sentry::error::{ApiError, ErrorKind};
use crate::sentry::pages::Pages;
use crate::sentry::request::Request;
use crate::streams::{Added, Embed, Source, Stream};
use crate::sync::Sync;
use crate::sync::output::{Batch, StreamOutput};
use crate::sync::walk::{WalkError, stream_start};
use crate::sync::window::Window;

/// The selected children of a stream.
#[derive(Debug)]
pub struct Children<'a> {
    pub(super) sync: &'a Sync,
    pub(super) parent: &'static Stream,
    pub(super) outputs: Vec<&'a StreamOutput>,
}

impl Children<'_> {
    /// Reads what hangs on one row.
    pub(super) async fn of(&self, row: &Row<'_>) -> Result<(), WalkError> {
        for child in &self.outputs {
            let mut values = self.sync.values();
            for (placeholder, field) in self.parent.offers {
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
            let mut batch = child.batch(page.size());
            for row in page.rows().flatten() {
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
        let mut batch = child.batch(0);
        push(self.sync, child.stream, &mut batch, row, embedded);
        batch.send(&self.sync.output).await?;
        Ok(())
    }

    /// A whole list as one raw JSON array.
    async fn list(&self, embed: &'static Embed, values: PathValues) -> Result<String, WalkError> {
        let request = Request::new(&embed.endpoint, values);
        let path = request.path(0, true);
        let mut pages = Pages::new(&self.sync.client, request);
        let mut list = String::from("[");
        while let Some(page) = pages.next().await? {
            for row in page.rows() {
                let Some(row) = row else {
                    return Err(ApiError::odd_rows(path, embed.endpoint.scope, "a row that is no object").into());
                };
                if list.len() > 1 {
                    list.push(',');
                }
                list.push_str(row.raw());
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
