//! Event records: context fields, and the event's detail where the lists do not carry what is wanted.

use std::cell::Cell;
use std::collections::HashMap;

use futures_util::stream::{self, StreamExt};
use tracing::{debug, warn};

use crate::json::row::Row;
use crate::json::text::quote;
use crate::sentry::endpoint::{Class, Endpoint};
use crate::sentry::error::{ApiError, ErrorKind};
use crate::sentry::page::Page;
use crate::sentry::request::Request;
use crate::streams::EVENT_DETAIL_ONLY;
use crate::sync::output::StreamOutput;
use crate::sync::plan::ChangedIssue;
use crate::sync::walk::WalkError;
use crate::sync::{Project, Sync};

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

/// Writes the events of one project.
#[derive(Debug)]
pub struct EventRecords<'a> {
    sync: &'a Sync,
    output: &'a StreamOutput,
    project: &'a Project,
    project_id: String,
    project_slug: String,
    titles: HashMap<&'a str, &'a str>,
    needs_detail: bool,
    odd: Cell<u64>,
}

impl<'a> EventRecords<'a> {
    /// For the events of `project`, whose changed issues are `issues`.
    pub fn new(sync: &'a Sync, output: &'a StreamOutput, project: &'a Project, issues: &[&'a ChangedIssue]) -> Self {
        let titles = issues.iter().map(|issue| (issue.id.as_ref(), issue.title.as_ref())).collect();
        Self {
            sync,
            output,
            project,
            project_id: quote(&project.id),
            project_slug: quote(&project.slug),
            titles,
            needs_detail: wanted_detail(sync, output).is_some(),
            odd: Cell::new(0),
        }
    }

    /// Writes rows; `issue` is the issue whose list they came from, if they did.
    pub async fn write(&self, rows: Vec<Option<Row<'_>>>, issue: Option<&str>) -> Result<(), WalkError> {
        let mut batch = self.output.batch(rows.iter().flatten().map(|row| row.raw().len()).sum());
        let rows: Vec<Row<'_>> = rows.into_iter().filter_map(|row| self.keyed(row)).collect();
        if !self.needs_detail && !self.sync.config.fetch_event_details {
            for row in &rows {
                self.push(&mut batch, row, issue);
            }
            return Ok(batch.send(&self.sync.output).await?);
        }
        let mut with_details =
            stream::iter(rows).map(|row| async { (self.detail(&row, issue).await, row) }).buffered(DETAILS_AT_ONCE);
        while let Some((detail, row)) = with_details.next().await {
            match detail? {
                Some(detail) => {
                    for row in detail.rows().filter_map(|row| self.keyed(row)) {
                        self.push(&mut batch, &row, issue);
                    }
                }
                None => self.push(&mut batch, &row, issue),
            }
        }
        drop(with_details);
        Ok(batch.send(&self.sync.output).await?)
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

    fn push(&self, batch: &mut crate::sync::output::Batch<'_>, row: &Row<'_>, issue: Option<&str>) {
        let group = row.text("groupID");
        let issue = group.as_deref().or(issue);
        let title = issue.and_then(|issue| self.titles.get(issue));
        let issue = issue.map_or_else(|| "null".to_owned(), quote);
        let title = title.map_or_else(|| "null".to_owned(), |title| quote(title));
        let overrides = [
            ("project_id", self.project_id.as_str()),
            ("project_slug", self.project_slug.as_str()),
            ("issue_id", issue.as_str()),
            ("issue_title", title.as_str()),
        ];
        batch.push(row, &overrides);
    }

    /// The event's detail, if something is wanted that the list's row does not have.
    async fn detail(&self, row: &Row<'_>, issue: Option<&str>) -> Result<Option<Page>, WalkError> {
        let lists_whole_bodies = || row.get("entries").is_some();
        let wanted = self.needs_detail || (self.sync.config.fetch_event_details && !lists_whole_bodies());
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
                self.output
                    .skip("details of an event that is gone or not yet indexed (404); its short form was written");
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }
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
