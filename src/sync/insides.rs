//! Children that are their parent's row itself, with lists of the row's own put inside: one request at a time.

use crate::json::row::Row;
use crate::sentry::endpoint::PathValues;
use crate::sentry::error::ApiError;
use crate::sentry::pages::Pages;
use crate::sentry::request::Request;
use crate::streams::{Embed, Source, Stream};
use crate::sync::Sync;
use crate::sync::children::{Parent, push, tolerate};
use crate::sync::output::StreamOutput;
use crate::sync::walk::{WalkError, stream_start};
use crate::sync::window::Window;
use crate::time::Time;

/// The selected children of this kind.
pub struct Insides<'a> {
    sync: &'a Sync,
    parent: &'static Stream,
    children: Vec<Inside<'a>>,
}

struct Inside<'a> {
    output: &'a StreamOutput,
    embeds: &'static [Embed],
    /// Rows before this belong to earlier runs.
    start: Time,
}

type Lists = Vec<(&'static str, String)>;

impl<'a> Insides<'a> {
    /// Of those among `outputs` that are children of this kind.
    pub async fn new(sync: &'a Sync, parent: &'static Stream, outputs: &[&'a StreamOutput]) -> Self {
        let mut children = Vec::new();
        for output in outputs.iter().copied() {
            if let Source::ParentRow(embeds) = &output.stream.source {
                children.push(Inside { output, embeds, start: stream_start(sync, output).await });
            }
        }
        Self { sync, parent, children }
    }

    /// Their outputs.
    pub fn outputs(&self) -> impl Iterator<Item = &'a StreamOutput> {
        self.children.iter().map(|child| child.output)
    }

    /// Asks for everything that goes inside one row, and writes its records.
    pub async fn of(&self, row: &Row<'_>) -> Result<(), WalkError> {
        for child in &self.children {
            let lists = self.lists(child, row).await;
            let Some(lists) = tolerate(self.sync, child.output, lists)?.flatten() else { continue };
            let mut batch = child.output.batch(row.raw().len());
            push(self.sync, child.output.stream, &mut batch, row, lists);
            batch.send(&self.sync.output).await?;
        }
        Ok(())
    }

    async fn lists(&self, child: &Inside<'_>, row: &Row<'_>) -> Result<Option<Lists>, WalkError> {
        let time = child.output.stream.replication_key().and_then(|key| Window::second_of(row.text(key).as_deref()));
        if time.is_some_and(|time| time < child.start) {
            return Ok(None);
        }
        let parent = match Parent::read(self.sync, self.parent, row) {
            Ok(parent) => parent,
            Err(field) => {
                child.output.gap(format!("a parent row without {field}"));
                return Ok(None);
            }
        };
        let mut lists = Vec::new();
        for embed in child.embeds.iter().filter(|embed| child.output.selects(embed.field)) {
            let list = match row.integer(embed.count) {
                Some(0) => "[]".to_owned(),
                _ => self.list(embed, parent.values.clone()).await?,
            };
            lists.push((embed.field, list));
        }
        Ok(Some(lists))
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
}
