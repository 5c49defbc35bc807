//! Records of events and of what lies inside them: context fields, and the event's detail where the lists do not carry
//! what is wanted.

use std::cell::Cell;
use std::collections::HashMap;

use futures_util::stream::{self, StreamExt};
use tracing::{debug, warn};

use crate::json::row::Row;
use crate::json::text::quote;
use crate::sentry::endpoint::{Class, Endpoint, PathValues};
use crate::sentry::error::{ApiError, ErrorKind};
use crate::sentry::page::Page;
use crate::sentry::request::Request;
use crate::streams::EVENT_DETAIL_ONLY;
use crate::streams::{self, Source, Step};
use crate::sync::children;
use crate::sync::failure::WalkError;
use crate::sync::output::{Batch, StreamOutput};
use crate::sync::plan::ChangedIssue;
use crate::sync::unpack::{needs_whole_body, unpack, wants_whole_bodies};
use crate::sync::window::Window;
use crate::sync::{Project, Sync};
use crate::time::Time;

/// One event by its issue: the faster bucket (API §2.8); servers that lack it have the project's form.
pub const ISSUE_EVENT_DETAIL: Endpoint = Endpoint {
    paths: &[
        "organizations/{organization}/issues/{issue}/events/{event}/",
        "projects/{organization}/{project}/events/{event}/",
    ],
    class: Class::IssueEventDetail,
    scope: "event:read",
    ..Endpoint::DETAIL
};

/// One event by its project, for events that no issue is known of.
pub const PROJECT_EVENT_DETAIL: Endpoint = Endpoint {
    paths: &["projects/{organization}/{project}/events/{event}/"],
    class: Class::EventDetail,
    scope: "project:read",
    ..Endpoint::DETAIL
};

/// Detail requests at once.
const DETAILS_AT_ONCE: usize = 8;

/// Fields that rows have without whole bodies (API §2.6); `event.type` is `type` in whole ones.
const SHORT: [&str; 14] = [
    "id",
    "eventID",
    "groupID",
    "projectID",
    "message",
    "title",
    "location",
    "culprit",
    "user",
    "tags",
    "platform",
    "dateCreated",
    "crashFile",
    "metadata",
];

/// A stream that is written from events.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// Events, or what lies inside them.
    pub output: &'a StreamOutput,
    /// What is older was written by earlier runs.
    pub start: Time,
}

impl Target<'_> {
    /// The way to its rows; none where the event itself is the row.
    fn steps(&self) -> Option<&'static [Step]> {
        match self.output.stream.source {
            Source::EventPart(steps) => Some(steps),
            _ => None,
        }
    }
}

/// Writes the events of one project, and what lies inside them.
#[derive(Debug)]
pub struct EventRecords<'a> {
    sync: &'a Sync,
    targets: Vec<Target<'a>>,
    project: &'a Project,
    project_id: String,
    project_slug: String,
    titles: HashMap<&'a str, &'a str>,
    /// Records of events need what only details have.
    needs_detail: bool,
    /// Rows of the list are older than what some of the targets want.
    starts_differ: bool,
    /// Something needs whole bodies.
    needs_whole: bool,
    odd: Cell<u64>,
}

impl<'a> EventRecords<'a> {
    /// For the events of `project`, whose changed issues are `issues`.
    pub fn new(sync: &'a Sync, targets: Vec<Target<'a>>, project: &'a Project, issues: &[&'a ChangedIssue]) -> Self {
        let titles = issues.iter().map(|issue| (issue.id.as_ref(), issue.title.as_ref())).collect();
        Self {
            sync,
            starts_differ: targets.iter().any(|target| target.start != targets[0].start),
            targets,
            project,
            project_id: quote(&project.id),
            project_slug: quote(&project.slug),
            titles,
            needs_detail: asks_for_details(sync),
            needs_whole: wants_whole_bodies(sync),
            odd: Cell::new(0),
        }
    }

    /// Writes rows; `issue` is the issue whose list they came from, if they did.
    pub async fn write(&self, rows: Vec<Option<Row<'_>>>, issue: Option<&str>) -> Result<(), WalkError> {
        let bytes = rows.iter().flatten().map(|row| row.raw().len()).sum();
        let mut batches: Vec<_> = self.targets.iter().map(|target| target.output.batch(bytes)).collect();
        let rows: Vec<Row<'_>> = rows.into_iter().filter_map(|row| self.keyed(row)).collect();
        if !self.needs_detail && !self.needs_whole {
            for row in &rows {
                self.push(&mut batches, row, None, issue);
            }
            return self.send(batches).await;
        }
        let mut with_details =
            stream::iter(rows).map(|row| async { (self.detail(&row, issue).await, row) }).buffered(DETAILS_AT_ONCE);
        while let Some((detail, row)) = with_details.next().await {
            let detail = detail?;
            let detail = detail.as_ref().and_then(|page| self.keyed(page.rows().next()?));
            self.push(&mut batches, &row, detail.as_ref(), issue);
        }
        drop(with_details);
        self.send(batches).await
    }

    async fn send(&self, batches: Vec<Batch<'_>>) -> Result<(), WalkError> {
        for batch in batches {
            batch.send(&self.sync.output).await?;
        }
        Ok(())
    }

    /// Counts something that was passed over, of whatever stream it would have been.
    pub fn skip(&self, reason: &str) {
        for target in &self.targets {
            target.output.skip(reason);
        }
    }

    /// A row that can be written: an object with the key. Others are counted.
    pub(super) fn keyed<'r>(&self, row: Option<Row<'r>>) -> Option<Row<'r>> {
        let row = row.filter(|row| row.text("eventID").is_some());
        self.odd.set(self.odd.get() + u64::from(row.is_none()));
        row
    }

    /// Whether rows have come that could not be written.
    pub(super) fn has_odd_rows(&self) -> bool {
        self.odd.get() > 0
    }

    /// An error, if rows have come that could not be written.
    pub(super) fn check(&self) -> Result<(), WalkError> {
        match self.odd.get() {
            0 => Ok(()),
            odd => {
                let detail = format!("{odd} rows that are no objects or have no eventID");
                let path = format!("projects/{}/{}/events/", self.sync.config.organization, self.project.slug);
                Err(ApiError::odd_rows(path, "project:read", &detail).into())
            }
        }
    }

    /// Adds the records of one event to the batches of the targets.
    fn push(&self, batches: &mut [Batch<'_>], row: &Row<'_>, detail: Option<&Row<'_>>, issue: Option<&str>) {
        let group = row.text("groupID");
        let issue = group.as_deref().or(issue);
        let time = Window::second_of(row.text("dateCreated").filter(|_| self.starts_differ).as_deref());
        for (target, batch) in self.targets.iter().zip(batches) {
            if time.is_some_and(|time| time < target.start) {
                continue;
            }
            match target.steps() {
                None => self.push_event(batch, row, detail, issue),
                Some(steps) => self.push_parts(batch, target.output, steps, (row, detail), issue),
            }
        }
    }

    fn push_event(&self, batch: &mut Batch<'_>, row: &Row<'_>, detail: Option<&Row<'_>>, issue: Option<&str>) {
        let title = issue.and_then(|issue| self.titles.get(issue));
        let issue = issue.map_or_else(|| "null".to_owned(), quote);
        let title = title.map_or_else(|| "null".to_owned(), |title| quote(title));
        let overrides = [
            ("project_id", self.project_id.as_str()),
            ("project_slug", self.project_slug.as_str()),
            ("issue_id", issue.as_str()),
            ("issue_title", title.as_str()),
        ];
        let as_configured = self.needs_detail || self.sync.config.fetch_event_details;
        let short = if as_configured || !self.needs_whole { None } else { short_form(row) };
        match short.as_deref().and_then(Row::scan) {
            Some(short) => batch.push(&short, &overrides),
            None => batch.push(detail.filter(|_| as_configured).unwrap_or(row), &overrides),
        }
    }

    /// Adds what lies inside one event.
    fn push_parts(
        &self,
        batch: &mut Batch<'_>,
        output: &StreamOutput,
        steps: &'static [Step],
        (row, detail): (&Row<'_>, Option<&Row<'_>>),
        issue: Option<&str>,
    ) {
        let body = detail.unwrap_or(row);
        if needs_whole_body(steps) && body.get("entries").is_none() {
            return output.skip("an event of which the server did not give the whole body");
        }
        let values = self.offered(row, issue);
        let odd = unpack(body, steps, &mut |raw, places| {
            let places = places.iter().map(|(name, at)| (*name, quote(&at.to_string()))).collect();
            if let Some(part) = Row::scan(raw) {
                children::push(output.stream, batch, &part, &values, places);
            }
        });
        for _ in 0..odd {
            output.skip("something inside an event that has another shape");
        }
    }

    /// What an event offers to those below it, as its record has it.
    fn offered(&self, row: &Row<'_>, issue: Option<&str>) -> PathValues {
        let offers = streams::find("events").map_or(&[][..], |events| events.offers);
        let value = |(name, field): &(&'static str, &'static str)| {
            let text = match *field {
                "project_id" => self.project.id.clone(),
                "issue_id" => issue?.to_owned(),
                field => row.text(field)?.into_owned(),
            };
            Some((*name, text))
        };
        offers.iter().filter_map(value).collect()
    }

    /// The event's detail, if something is wanted that the list's row does not have.
    async fn detail(&self, row: &Row<'_>, issue: Option<&str>) -> Result<Option<Page>, WalkError> {
        let lists_whole_bodies = || row.get("entries").is_some();
        let wanted = self.needs_detail || (self.needs_whole && !lists_whole_bodies());
        let Some(event) = row.text("eventID").filter(|_| wanted) else {
            return Ok(None);
        };
        let mut values = self.sync.values();
        values.push(("project", self.project.slug.clone()));
        values.push(("event", event.into_owned()));
        let group = row.text("groupID");
        let endpoint = match group.as_deref().or(issue) {
            Some(issue) => {
                values.push(("issue", issue.to_owned()));
                &ISSUE_EVENT_DETAIL
            }
            None => &PROJECT_EVENT_DETAIL,
        };
        match self.sync.client.get(&Request::new(endpoint, values)).await {
            Ok(page) => Ok(Some(page)),
            Err(error) if error.kind == ErrorKind::NotFound => {
                debug!("{error}");
                self.skip("details of an event that is gone or not yet indexed (404); its short form was written");
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// The row of a whole body as a list without whole bodies has it; `None` where it is one already.
fn short_form(row: &Row<'_>) -> Option<String> {
    row.get("entries")?;
    let mut short = String::from("{");
    for field in row.fields() {
        let name = match field.raw_name() {
            "type" => "event.type",
            name if SHORT.contains(&name) => name,
            _ => continue,
        };
        for part in ["\"", name, "\":", field.value(), ","] {
            short.push_str(part);
        }
    }
    short.pop();
    short.push('}');
    Some(short)
}

/// A selected field that only the detail of an event has.
///
/// A catalog that selects all of them, as Meltano's `events.*` makes it, does not ask for any in particular: there,
/// `fetch_event_details` decides whether they are worth a request per event.
fn wanted_detail(sync: &Sync, output: &StreamOutput) -> Option<&'static str> {
    let wildcard = EVENT_DETAIL_ONLY.iter().all(|field| output.selects(field)) && !sync.config.fetch_event_details;
    EVENT_DETAIL_ONLY.iter().copied().find(|field| output.selects(field) && !wildcard)
}

/// Whether each event costs a request of its own.
pub fn asks_for_details(sync: &Sync) -> bool {
    sync.output.stream("events").is_some_and(|output| wanted_detail(sync, output).is_some())
}

/// Says what a selected detail-only field costs, or that it stays empty.
pub fn warn_of_details(sync: &Sync, output: &StreamOutput) {
    if let Some(field) = wanted_detail(sync, output) {
        warn!("events.{field} is selected: only the detail of an event has it, which costs one request per event");
    } else if EVENT_DETAIL_ONLY.iter().any(|field| output.selects(field)) {
        let fields = EVENT_DETAIL_ONLY.join(", ");
        warn!(
            "the catalog selects {fields}, which cost one request per event; all together they stay empty without fetch_event_details"
        );
    }
}
