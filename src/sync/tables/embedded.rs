//! Children that are read with their parent's row, one request at a time: the row itself with lists embedded in it, and
//! lists below the rows of a window.

use crate::json::row::Row;
use crate::output::stream::StreamOutput;
use crate::sentry::dialect::Capability;
use crate::sentry::endpoint::PathValues;
use crate::sentry::error::{ApiError, Tolerance};
use crate::sentry::pages::Pages;
use crate::sentry::request::Request;
use crate::sentry::window::Window;
use crate::streams::context::ChildContext;
use crate::streams::{self, Embed, Source, Stream, TimeFilter};
use crate::sync::session::Session;
use crate::sync::session::error::SyncError;
use crate::sync::session::starts::earliest_start;
use crate::sync::session::tolerance::tolerate_part;
use crate::sync::tables::substreams::Substream;
use crate::time::Time;

/// The selected children that are read row by row.
pub(crate) struct EmbeddedChildren<'a> {
    session: &'a Session,
    parent: &'static Stream,
    children: Vec<EmbeddedChild<'a>>,
    end: Time,
}

struct EmbeddedChild<'a> {
    outputs: Vec<&'a StreamOutput>,
    kind: Kind<'a>,
    /// Rows before this belong to earlier runs.
    start: Time,
}

enum Kind<'a> {
    /// The parent's row with these lists embedded in it.
    Row(&'static [Embed]),
    /// A list of its own.
    List(Substream<'a>),
}

type Lists = Vec<(&'static str, String)>;

impl<'a> EmbeddedChildren<'a> {
    /// The children of `parent`, up to `end`, that are `left` to be read.
    pub(crate) fn new(session: &'a Session, parent: &'static Stream, end: Time, left: &[&StreamOutput]) -> Self {
        let is_left =
            |output: &&StreamOutput| left.iter().any(|other| other.stream.tap_stream_id == output.stream.tap_stream_id);
        let mut children = Self::all(session, parent);
        children.retain(|child| child.outputs.iter().any(is_left));
        Self { session, parent, children, end }
    }

    /// The same children, whose rows are wanted from `start` on.
    pub(crate) fn from(mut self, start: Time) -> Self {
        self.children.iter_mut().for_each(|child| child.start = start);
        self
    }

    /// The outputs of all children of `parent` that are selected.
    pub(crate) fn outputs_below(session: &'a Session, parent: &'static Stream) -> Vec<&'a StreamOutput> {
        Self::all(session, parent).into_iter().flat_map(|child| child.outputs).collect()
    }

    /// All that are selected. Lists below the parent's rows are read row by row only if the parent is read by window.
    fn all(session: &'a Session, parent: &'static Stream) -> Vec<EmbeddedChild<'a>> {
        let mut children = Vec::new();
        for stream in streams::children(parent.tap_stream_id) {
            if let (Source::ParentRow(embeds), Some(output)) =
                (&stream.source, session.output.stream(stream.tap_stream_id))
            {
                children.push((vec![output], Kind::Row(embeds)));
            }
        }
        if parent.time_filter == TimeFilter::StartEnd {
            let lists = Substream::below(session, parent).into_iter();
            children.extend(lists.map(|list| (list.outputs(), Kind::List(list))));
        }
        let with_start = |(outputs, kind): (Vec<&'a StreamOutput>, _)| {
            let start = earliest_start(session, &outputs);
            EmbeddedChild { outputs, kind, start }
        };
        children.into_iter().map(with_start).collect()
    }

    /// Their outputs.
    pub(crate) fn outputs(&self) -> impl Iterator<Item = &'a StreamOutput> {
        self.children.iter().flat_map(|child| child.outputs.iter().copied())
    }

    /// Reads and writes the children of one row.
    pub(crate) async fn of(&self, row: &Row<'_>) -> Result<(), SyncError> {
        for child in &self.children {
            let time = self.parent.replication_key().and_then(|key| Window::second_of(row.text(key).as_deref()));
            if time.is_some_and(|time| time < child.start) {
                continue;
            }
            match ChildContext::read(self.parent, row, &self.session.values()) {
                Ok(context) => self.one(child, row, &context).await?,
                Err(field) => {
                    for output in &child.outputs {
                        output.gap(format!("a parent row without {field}"));
                    }
                }
            }
        }
        Ok(())
    }

    async fn one(&self, child: &EmbeddedChild<'a>, row: &Row<'_>, context: &ChildContext) -> Result<(), SyncError> {
        let (embeds, output) = match &child.kind {
            Kind::List(list) => return list.of(self.session, context, self.end).await,
            Kind::Row(embeds) => (embeds, child.outputs[0]),
        };
        let lists = self.lists(output, embeds, row, context).await;
        if let Some(lists) = tolerate_part(&[output], lists)? {
            let mut batch = output.batch(row.raw().len());
            batch.push_derived(row, &context.values, lists);
            self.session.output.send(batch).await?;
        }
        Ok(())
    }

    async fn lists(
        &self,
        output: &StreamOutput,
        embeds: &'static [Embed],
        row: &Row<'_>,
        context: &ChildContext,
    ) -> Result<Lists, SyncError> {
        let mut lists = Vec::new();
        for embed in embeds.iter().filter(|embed| output.selects(embed.field)) {
            let list = match row.integer(embed.count) {
                Some(0) => "[]".to_owned(),
                _ => match self.list(embed, context.values.clone()).await {
                    // The row itself is known. It is written even if this server does not have the list.
                    Err(error) if error.tolerance() == Tolerance::Gone && !self.tells_missing_paths() => {
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

    /// Whether the server tells a list that it does not have from a row that is gone.
    fn tells_missing_paths(&self) -> bool {
        self.session.client.dialect.supports(Capability::MissingPaths)
    }

    /// A whole list as one raw JSON array.
    async fn list(&self, embed: &'static Embed, values: PathValues) -> Result<String, ApiError> {
        let request = Request::new(&embed.endpoint, values);
        let path = request.describe();
        let mut pages = Pages::new(&self.session.client, request);
        let mut list = String::from("[");
        while let Some(page) = pages.next().await? {
            for row in page.rows() {
                let Some(row) = row else {
                    return Err(ApiError::malformed(path, embed.endpoint.scope, "a row that is no object".to_owned()));
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
