//! Records of events and of what is embedded in them: context fields, and the event's detail where the lists do not carry
//! what is wanted.

use std::cell::Cell;
use std::collections::{HashMap, HashSet};

use crate::json::row::Row;
use crate::json::text::quote;
use crate::output::stream::{Batch, StreamOutput};
use crate::sentry::endpoint::PathValues;
use crate::sentry::endpoints::{ISSUE_EVENT_DETAIL, PROJECT_EVENT_DETAIL};
use crate::sentry::error::ApiError;
use crate::sentry::page::Page;
use crate::sentry::request::Request;
use crate::sentry::window::Window;
use crate::streams::extract::{extract, needs_whole_body};
use crate::streams::{self, Step};
use crate::sync::events::body::{asks_for_details, short_form, wants_whole_bodies};
use crate::sync::events::task::Target;
use crate::sync::issues::changed::ChangedIssue;
use crate::sync::session::Session;
use crate::sync::session::drive::drive_in_order;
use crate::sync::session::error::SyncError;
use crate::sync::session::project::Project;
use crate::sync::session::tolerance::unless_gone;

/// Detail requests at once.
const DETAILS_AT_ONCE: usize = 8;

/// Writes the events of one project, and what is embedded in them.
#[derive(Debug)]
pub(crate) struct EventRecords<'a> {
    session: &'a Session,
    targets: Vec<Target<'a>>,
    project: &'a Project,
    project_id: String,
    project_slug: String,
    titles: HashMap<&'a str, &'a str>,
    /// Issues that earlier runs have left: their rows are wanted whatever their time.
    left: HashSet<&'a str>,
    /// Records of events need what only details have.
    needs_detail: bool,
    /// Rows of the list are older than what some of the targets want.
    starts_differ: bool,
    /// Something needs whole bodies.
    needs_whole: bool,
    malformed: Cell<u64>,
}

impl<'a> EventRecords<'a> {
    /// For the events of `project`, whose changed issues are `issues`.
    pub(crate) fn new(
        session: &'a Session,
        targets: Vec<Target<'a>>,
        project: &'a Project,
        issues: &[&'a ChangedIssue],
    ) -> Self {
        let titles = issues.iter().map(|issue| (issue.id.as_ref(), issue.title.as_ref())).collect();
        Self {
            session,
            starts_differ: targets.iter().any(|target| target.start != targets[0].start),
            targets,
            project,
            project_id: quote(&project.id),
            project_slug: quote(&project.slug),
            titles,
            left: issues.iter().filter(|issue| issue.since.is_some()).map(|issue| issue.id.as_ref()).collect(),
            needs_detail: asks_for_details(session),
            needs_whole: wants_whole_bodies(session),
            malformed: Cell::new(0),
        }
    }

    /// Writes rows; `issue` is the issue whose list they came from, if they did.
    pub(crate) async fn write(&self, rows: Vec<Option<Row<'_>>>, issue: Option<&str>) -> Result<(), SyncError> {
        let bytes = rows.iter().flatten().map(|row| row.raw().len()).sum();
        let mut batches: Vec<_> = self.targets.iter().map(|target| target.output.batch(bytes)).collect();
        let rows = rows.into_iter().filter_map(|row| self.keyed(row));
        if self.needs_detail || self.needs_whole {
            let with_details =
                rows.map(|row| async move { Ok::<_, SyncError>((self.detail(&row, issue).await?, row)) });
            let push = |(detail, row): (Option<Page>, Row<'_>)| {
                let detail = detail.as_ref().and_then(|page| self.keyed(page.rows().next()?));
                self.push(&mut batches, &row, detail.as_ref(), issue);
            };
            drive_in_order(DETAILS_AT_ONCE, with_details, push).await?;
        } else {
            rows.for_each(|row| self.push(&mut batches, &row, None, issue));
        }
        for batch in batches {
            self.session.output.send(batch).await?;
        }
        Ok(())
    }

    /// Counts something that was passed over, of whatever stream it would have been.
    pub(crate) fn skip(&self, reason: &str) {
        for target in &self.targets {
            target.output.skip(reason);
        }
    }

    /// Whether something was passed over for this reason already.
    pub(crate) fn has_skipped(&self, reason: &str) -> bool {
        self.targets.iter().any(|target| target.output.has_skipped(reason))
    }

    /// A row that can be written: an object with the key. Others are counted.
    pub(crate) fn keyed<'r>(&self, row: Option<Row<'r>>) -> Option<Row<'r>> {
        let row = row.filter(|row| row.text("eventID").is_some());
        self.malformed.set(self.malformed.get() + u64::from(row.is_none()));
        row
    }

    /// Whether rows have come that could not be written.
    pub(crate) fn has_malformed_rows(&self) -> bool {
        self.malformed.get() > 0
    }

    /// An error, if rows have come that could not be written.
    pub(crate) fn check(&self) -> Result<(), SyncError> {
        match self.malformed.get() {
            0 => Ok(()),
            malformed => {
                let detail = format!("{malformed} rows that are no objects or have no eventID");
                let path = format!("projects/{}/{}/events/", self.session.config.organization, self.project.slug);
                Err(ApiError::malformed(path, "project:read", detail).into())
            }
        }
    }

    /// Adds the records of one event to the batches of the targets.
    fn push(&self, batches: &mut [Batch<'_>], row: &Row<'_>, detail: Option<&Row<'_>>, issue: Option<&str>) {
        let group = row.text("groupID");
        let issue = group.as_deref().or(issue);
        let filters = self.starts_differ && issue.is_none_or(|issue| !self.left.contains(issue));
        let time = Window::second_of(row.text("dateCreated").filter(|_| filters).as_deref());
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
        let as_configured = self.needs_detail || self.session.config.fetch_event_details;
        let short = if as_configured || !self.needs_whole { None } else { short_form(row) };
        match short.as_deref().and_then(Row::scan) {
            Some(short) => batch.push(&short, &overrides),
            None => batch.push(detail.filter(|_| as_configured).unwrap_or(row), &overrides),
        }
    }

    /// Adds what is embedded in one event.
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
            output.skip("an event of which the server did not give the whole body");
            return;
        }
        let context = self.child_context(row, issue);
        let malformed = extract(body, steps, &mut |raw, places| {
            let places = places.iter().map(|(name, at)| (*name, quote(&at.to_string()))).collect();
            if let Some(part) = Row::scan(raw) {
                batch.push_derived(&part, &context, places);
            }
        });
        for _ in 0..malformed {
            output.skip("something inside an event that has another shape");
        }
    }

    /// What an event gives to the streams below it, as its record has it.
    fn child_context(&self, row: &Row<'_>, issue: Option<&str>) -> PathValues {
        let names = streams::find("events").map_or(&[][..], |events| events.child_context);
        let value = |(name, field): &(&'static str, &'static str)| {
            let text = match *field {
                "project_id" => self.project.id.clone(),
                "issue_id" => issue?.to_owned(),
                field => row.text(field)?.into_owned(),
            };
            Some((*name, text))
        };
        names.iter().filter_map(value).collect()
    }

    /// The event's detail, if something is wanted that the list's row does not have.
    async fn detail(&self, row: &Row<'_>, issue: Option<&str>) -> Result<Option<Page>, SyncError> {
        let lists_whole_bodies = || row.get("entries").is_some();
        let wanted = self.needs_detail || (self.needs_whole && !lists_whole_bodies());
        let Some(event) = row.text("eventID").filter(|_| wanted) else {
            return Ok(None);
        };
        let mut values = self.session.values_of(self.project);
        values.push(("event", event.into_owned()));
        let group = row.text("groupID");
        let endpoint = match group.as_deref().or(issue) {
            Some(issue) => {
                values.push(("issue", issue.to_owned()));
                &ISSUE_EVENT_DETAIL
            }
            None => &PROJECT_EVENT_DETAIL,
        };
        let page = self.session.client.get(&Request::new(endpoint, values)).await;
        unless_gone(page.map_err(SyncError::from), || {
            self.skip("details of an event that is gone or not yet indexed (404); its short form was written");
        })
    }
}
