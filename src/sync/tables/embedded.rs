//! Children that are read with their parent's row, one request at a time: the row itself with lists embedded in it, and
//! lists below the rows of a window.

use std::cell::RefCell;

use tracing::warn;

use crate::json::row::Row;
use crate::output::stream::StreamOutput;
use crate::sentry::dialect::paths::Known;
use crate::sentry::endpoint::Endpoint;
use crate::sentry::error::{ApiError, Tolerance};
use crate::sentry::request::Request;
use crate::singer::pending::Pending;
use crate::singer::state::State;
use crate::streams::context::{ChildContext, key_of};
use crate::streams::{self, Embed, Source, Stream, TimeFilter};
use crate::sync::session::Session;
use crate::sync::session::checkpoint::Checkpoint;
use crate::sync::session::error::SyncError;
use crate::sync::session::starts::earliest_start;
use crate::sync::session::tolerance::tolerate_part;
use crate::sync::tables::embedded_list::{EmbeddedList, ShortLists};
use crate::sync::tables::kept::GapsBefore;
use crate::sync::tables::known_rows::KnownRows;
use crate::sync::tables::order::RowTimes;
use crate::sync::tables::substreams::Substream;
use crate::time::Time;

/// The selected children that are read row by row.
pub(crate) struct EmbeddedChildren<'a> {
    session: &'a Session,
    parent: &'static Stream,
    children: Vec<EmbeddedChild<'a>>,
    end: Time,
    short: ShortLists,
}

struct EmbeddedChild<'a> {
    outputs: Vec<&'a StreamOutput>,
    kind: Kind<'a>,
    /// Rows before this belong to earlier runs.
    start: Time,
    /// Parents whose children are read, as they are now.
    known: KnownRows<'a>,
    /// Names of parents whose children could not be read.
    checkpoint: Checkpoint<'a>,
    /// Parents below which there was nothing (404), until it is known whether the server has the endpoint.
    missed: RefCell<Vec<Missed>>,
}

/// A parent below which an endpoint answered 404.
struct Missed {
    endpoint: &'static Endpoint,
    key: String,
    /// The parent as it is now, and its time.
    name: String,
    time: Option<Time>,
}

enum Kind<'a> {
    /// The parent's row with these lists embedded in it.
    Row(&'static [Embed]),
    /// A list of its own.
    List(Box<Substream<'a>>),
}

type Lists = Vec<(&'static str, String)>;

impl EmbeddedChild<'_> {
    /// Notes that the children of a parent need not be asked for again.
    fn note_done(&self, key: &str, name: String, time: Option<Time>) {
        self.known.note(name, time);
        if self.checkpoint.is_pending(key) {
            self.checkpoint.forget_pending(key);
        }
    }

    /// Whether the server does not have what is read here.
    fn is_absent(&self) -> bool {
        matches!(&self.kind, Kind::List(list) if list.presence.is_absent())
    }
}

impl<'a> EmbeddedChildren<'a> {
    /// The children of `parent`, up to `end`, that are `left` to be read.
    pub(crate) fn new(session: &'a Session, parent: &'static Stream, end: Time, left: &[&StreamOutput]) -> Self {
        let is_left =
            |output: &&StreamOutput| left.iter().any(|other| other.stream.tap_stream_id == output.stream.tap_stream_id);
        let mut children = Self::all(session, parent, end);
        children.retain(|child| child.outputs.iter().any(is_left));
        Self { session, parent, children, end, short: ShortLists::default() }
    }

    /// The same children, whose rows are wanted from `start` on.
    pub(crate) fn from(mut self, start: Time) -> Self {
        self.children.iter_mut().for_each(|child| child.start = start);
        self
    }

    /// The outputs of all children of `parent` that are selected.
    pub(crate) fn outputs_below(session: &'a Session, parent: &'static Stream) -> Vec<&'a StreamOutput> {
        Self::all(session, parent, Time::default()).into_iter().flat_map(|child| child.outputs).collect()
    }

    /// All that are selected. Lists below the parent's rows are read row by row only if the parent is read by window.
    fn all(session: &'a Session, parent: &'static Stream, end: Time) -> Vec<EmbeddedChild<'a>> {
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
            children.extend(lists.map(|list| (list.outputs(), Kind::List(Box::new(list)))));
        }
        let with_start = |(outputs, kind): (Vec<&'a StreamOutput>, _)| {
            let start = earliest_start(session, &outputs);
            let told_by = outputs.first().map(|output| output.stream.told_by);
            let known = KnownRows::new(session, parent, told_by, outputs.clone(), end);
            let checkpoint = Checkpoint::new(session, outputs.clone(), end)?;
            Some(EmbeddedChild { outputs, kind, start, known, checkpoint, missed: RefCell::default() })
        };
        children.into_iter().filter_map(with_start).collect()
    }

    /// Their outputs.
    pub(crate) fn outputs(&self) -> impl Iterator<Item = &'a StreamOutput> {
        self.children.iter().flat_map(|child| child.outputs.iter().copied())
    }

    /// Notes in the state which parents are done. With `end` all are, up to there.
    pub(crate) fn note_rows(&self, state: &mut State, end: Option<Time>) {
        self.children.iter().for_each(|child| child.known.write(state, end));
    }

    /// Notes which lists the server does not have, after the last row.
    pub(crate) async fn settle(&self) -> Result<(), SyncError> {
        for child in &self.children {
            if let Kind::List(list) = &child.kind {
                list.settle(self.session).await?;
            }
        }
        self.settle_missed();
        Ok(())
    }

    /// Decides about parents below which there was nothing. Where the endpoint has answered below others in this run, that
    /// is so. Where the server does not have it, or nothing shows, they are asked again.
    pub(crate) fn settle_missed(&self) {
        for child in &self.children {
            for missed in child.missed.take() {
                match self.session.client.dialect.path_of(missed.endpoint) {
                    Some(Known::At(_)) => child.note_done(&missed.key, missed.name, missed.time),
                    None if child.checkpoint.is_pending(&missed.key) => {
                        let gap = format!("{} is listed, and nothing below it is found (404)", missed.key);
                        child.outputs.iter().for_each(|output| output.kept_gap(gap.clone()));
                    }
                    Some(Known::Nowhere) | None => {}
                }
            }
        }
    }

    /// Rows whose children earlier runs could not read. Those that the coming window has only `with_new`.
    pub(crate) fn pending(&self, with_new: bool) -> Vec<Pending> {
        let mut all = Vec::new();
        for child in &self.children {
            let pending = child.checkpoint.all_pending().into_iter();
            all.extend(pending.filter(|pending| with_new || pending.since < child.start));
        }
        all
    }

    /// Whether something below a row could not be read.
    pub(crate) fn is_pending(&self, key: &str) -> bool {
        self.children.iter().any(|child| child.checkpoint.is_pending(key))
    }

    /// For a row that a search did not find. It is forgotten if the search was `whole`, and covered all projects that the
    /// bookmark speaks for. Else it stays a gap.
    pub(crate) fn miss(&self, key: &str, whole: bool) {
        for child in self.children.iter().filter(|child| child.checkpoint.is_pending(key)) {
            let is_gone = whole && child.outputs.iter().all(|output| covers_all(self.session, output));
            for output in &child.outputs {
                if is_gone {
                    output.skip("below a row that is gone since it failed");
                } else {
                    output.kept_gap(format!("{key} failed before, and was not found again"));
                }
            }
            if is_gone {
                child.checkpoint.forget_pending(key);
            }
        }
    }

    /// Reads and writes the children of one row, if it is new, tells that there are more, or could not be read before.
    pub(crate) async fn of(&self, row: &Row<'_>) -> Result<(), SyncError> {
        let (key, times) = (key_of(self.parent, row), RowTimes::of(self.parent, row));
        for child in &self.children {
            let is_pending = child.checkpoint.is_pending(&key);
            if times.key.is_some_and(|time| time < child.start) && !is_pending {
                continue;
            }
            let name = child.known.name(row);
            if child.known.has(&name) {
                child.known.note(name, times.key);
                continue;
            }
            let before = GapsBefore::of(&child.outputs);
            let missing = match ChildContext::read(self.parent, row, &self.session.values()) {
                Ok(context) => self.one(child, row, &context).await?,
                Err(field) => {
                    child.outputs.iter().for_each(|output| output.gap(format!("a parent row without {field}")));
                    None
                }
            };
            // The row itself is written. Only where its lists failed before are they asked for again.
            let missing = missing.filter(|_| is_pending || matches!(child.kind, Kind::List(_)));
            match (before.are_more_now(), missing) {
                (false, None) => child.note_done(&key, name, times.key),
                (false, Some(endpoint)) => {
                    let (key, time) = (key.clone(), times.key);
                    child.missed.borrow_mut().push(Missed { endpoint, key, name, time });
                }
                (true, _) => {
                    if let Some((since, until)) = times.span().filter(|_| !child.is_absent()) {
                        before.keep(&child.checkpoint, &Pending::failed(key.clone(), since, until));
                    }
                }
            }
        }
        Ok(())
    }

    /// Reads the children of one row. Returns the endpoint that has nothing below it, if there is one.
    async fn one(
        &self,
        child: &EmbeddedChild<'a>,
        row: &Row<'_>,
        context: &ChildContext,
    ) -> Result<Option<&'static Endpoint>, SyncError> {
        let (embeds, output) = match &child.kind {
            Kind::List(list) => {
                let was_there = list.of(self.session, context, self.end).await?;
                return Ok((!was_there).then_some(list.endpoint));
            }
            Kind::Row(embeds) => (embeds, child.outputs[0]),
        };
        let lists = self.lists(output, embeds, row, context).await;
        let Some((lists, missing)) = tolerate_part(&[output], lists)? else { return Ok(None) };
        let mut batch = output.batch(row.raw().len());
        batch.push_derived(row, &context.values, lists);
        self.session.output.send(batch).await?;
        Ok(missing)
    }

    async fn lists(
        &self,
        output: &StreamOutput,
        embeds: &'static [Embed],
        row: &Row<'_>,
        context: &ChildContext,
    ) -> Result<(Lists, Option<&'static Endpoint>), SyncError> {
        let (mut lists, mut missing) = (Vec::new(), None);
        for embed in embeds.iter().filter(|embed| output.selects(embed.field)) {
            let announced = row.integer(embed.count);
            let list = match announced {
                Some(0) => "[]".to_owned(),
                _ => match self.list(output, embed, announced, context).await {
                    // The row itself is known. It is written even if its list cannot be had.
                    Err(error) => match error.tolerance() {
                        Tolerance::NotHere => {
                            missing = Some(&embed.endpoint);
                            without(output, embed, "this server does not have them")
                        }
                        Tolerance::Gone => {
                            missing = Some(&embed.endpoint);
                            without(output, embed, "not found, although its row was listed (404)")
                        }
                        _ => return Err(error.into()),
                    },
                    Ok(list) => list,
                },
            };
            lists.push((embed.field, list));
        }
        Ok((lists, missing))
    }

    /// A whole list as one raw JSON array. It is read a second time if its end is not proved, or if the row announces more.
    async fn list(
        &self,
        output: &StreamOutput,
        embed: &'static Embed,
        announced: Option<u64>,
        context: &ChildContext,
    ) -> Result<String, ApiError> {
        let request = || Request::new(&embed.endpoint, context.values.clone());
        let mut list = EmbeddedList::read(&self.session.client, request()).await?;
        if list.cut.is_some() || (list.is_short_of(announced) && self.short.are_rare(embed.field)) {
            list = list.or_better(EmbeddedList::read(&self.session.client, request()).await?);
        }
        match &list.cut {
            Some(error) => output.gap(error.to_string()),
            None if list.is_short_of(announced) && self.short.note(embed.field) => warn!(
                "{}: GET {} gives {} where the row announces {}; a second reading brought no more",
                output.stream.tap_stream_id,
                request().describe(),
                list.rows,
                announced.unwrap_or_default()
            ),
            None => {}
        }
        Ok(list.json)
    }
}

/// Whether lists of this run have the rows of all projects that a stream's bookmark speaks for.
fn covers_all(session: &Session, output: &StreamOutput) -> bool {
    let known = session.output.state.bookmark(output.stream.tap_stream_id).project_ids;
    match (known, session.scope.covered_by(output.stream)) {
        (Some(known), Some(covered)) => known.is_subset(&covered),
        _ => !session.scope.leaves_projects_out(),
    }
}

/// Counts a row that is written without a list. Returns what stands in its place.
fn without(output: &StreamOutput, embed: &Embed, why: &str) -> String {
    output.skip(format!("{}: {why}", embed.field));
    "null".to_owned()
}
