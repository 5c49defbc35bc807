//! Children that are read with their parent's row: the row itself with lists of its own put inside, and what hangs on
//! rows of a window. One request at a time.

use crate::json::row::Row;
use crate::sentry::endpoint::PathValues;
use crate::sentry::error::{ApiError, ErrorKind};
use crate::sentry::pages::Pages;
use crate::sentry::request::Request;
use crate::streams::{self, Embed, Source, Stream, TimeFilter};
use crate::sync::Sync;
use crate::sync::children::{Child, Parent, push, tolerate};
use crate::sync::failure::WalkError;
use crate::sync::output::StreamOutput;
use crate::sync::starts::{earliest_start, stream_start};
use crate::sync::window::Window;
use crate::time::Time;

/// The selected children that are read row by row.
pub struct Insides<'a> {
    sync: &'a Sync,
    parent: &'static Stream,
    children: Vec<Inside<'a>>,
    end: Time,
}

struct Inside<'a> {
    outputs: Vec<&'a StreamOutput>,
    kind: Kind<'a>,
    /// Rows before this belong to earlier runs.
    start: Time,
}

enum Kind<'a> {
    /// The parent's row with these lists inside.
    Row(&'static [Embed]),
    /// A list of its own.
    List(Child<'a>),
}

type Lists = Vec<(&'static str, String)>;

impl<'a> Insides<'a> {
    /// Of `parent`; lists of their own are read row by row only where the parent's rows are those of a window.
    pub async fn new(sync: &'a Sync, parent: &'static Stream, end: Time) -> Self {
        let mut children = Vec::new();
        for stream in streams::children(parent.tap_stream_id) {
            if let (Source::ParentRow(embeds), Some(output)) =
                (&stream.source, sync.output.stream(stream.tap_stream_id))
            {
                let start = stream_start(sync, output).await;
                children.push(Inside { outputs: vec![output], kind: Kind::Row(embeds), start });
            }
        }
        if parent.time_filter == TimeFilter::StartEnd {
            for child in Child::all(sync, parent).await {
                let outputs = child.outputs();
                let start = earliest_start(sync, &outputs).await;
                children.push(Inside { outputs, kind: Kind::List(child), start });
            }
        }
        Self { sync, parent, children, end }
    }

    /// Their outputs.
    pub fn outputs(&self) -> impl Iterator<Item = &'a StreamOutput> {
        self.children.iter().flat_map(|child| child.outputs.iter().copied())
    }

    /// Leaves those out that an interrupted run has read whole.
    pub fn only(&mut self, left: &[&StreamOutput]) {
        let is_left = |output: &&StreamOutput| left.iter().any(|other| std::ptr::eq(*other, *output));
        self.children.retain(|child| child.outputs.iter().any(is_left));
    }

    /// Asks for everything that goes inside one row, or hangs on it, and writes its records.
    pub async fn of(&self, row: &Row<'_>) -> Result<(), WalkError> {
        for child in &self.children {
            let time = self.parent.replication_key().and_then(|key| Window::second_of(row.text(key).as_deref()));
            if time.is_some_and(|time| time < child.start) {
                continue;
            }
            match Parent::read(self.parent, row, &self.sync.values()) {
                Ok(parent) => self.one(child, row, &parent).await?,
                Err(field) => {
                    for output in &child.outputs {
                        output.gap(format!("a parent row without {field}"));
                    }
                }
            }
        }
        Ok(())
    }

    async fn one(&self, child: &Inside<'a>, row: &Row<'_>, parent: &Parent) -> Result<(), WalkError> {
        let (embeds, output) = match &child.kind {
            Kind::List(list) => return list.of(self.sync, parent, self.end).await,
            Kind::Row(embeds) => (embeds, child.outputs[0]),
        };
        let lists = self.lists(output, embeds, row, parent).await;
        if let Some(lists) = tolerate(self.sync, &[output], lists)? {
            let mut batch = output.batch(row.raw().len());
            push(output.stream, &mut batch, row, &parent.values, lists);
            batch.send(&self.sync.output).await?;
        }
        Ok(())
    }

    async fn lists(
        &self,
        output: &StreamOutput,
        embeds: &'static [Embed],
        row: &Row<'_>,
        parent: &Parent,
    ) -> Result<Lists, WalkError> {
        let mut lists = Vec::new();
        for embed in embeds.iter().filter(|embed| output.selects(embed.field)) {
            let list = match row.integer(embed.count) {
                Some(0) => "[]".to_owned(),
                _ => match self.list(embed, parent.values.clone()).await {
                    // The row itself is known: it is not lost with a list that this server does not have.
                    Err(WalkError::Api(error))
                        if self.sync.client.is_glitchtip() && error.kind == ErrorKind::NotFound =>
                    {
                        output.skip(format!("{}: this server does not have them", embed.field));
                        "null".to_owned()
                    }
                    list => list?,
                },
            };
            lists.push((embed.field, list));
        }
        Ok(lists)
    }

    /// A whole list as one raw JSON array.
    async fn list(&self, embed: &'static Embed, values: PathValues) -> Result<String, WalkError> {
        let request = Request::new(&embed.endpoint, values);
        let path = request.path(0, true, false);
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
