//! `--test`: tests with as few requests as possible whether each selected stream can be read. Writes no Singer message.

use anyhow::{Result, bail};
use chrono::{TimeDelta, Utc};
use reqwest::Url;

use crate::cli::Cli;
use crate::commands::check_report::{Check, Limit, Outcome, Report};
use crate::commands::ending::Ending;
use crate::commands::inputs::{Inputs, announce, runtime};
use crate::sentry::endpoint::{Endpoint, PathValues};
use crate::sentry::endpoints::{ISSUE_EVENTS, ORGANIZATION, PROJECT_EVENTS};
use crate::sentry::error::{ApiError, Tolerance};
use crate::sentry::limits::group::LimitGroup;
use crate::sentry::page::Page;
use crate::sentry::request::Request;
use crate::sentry::window::Window;
use crate::streams::{self, Source, Stream};
use crate::sync::issues::changed::{ChangedIssues, ScanScope};
use crate::sync::issues::scan::IssueScan;
use crate::sync::session::Session;
use crate::sync::session::error::SyncError;
use crate::sync::session::project::Project;
use crate::sync::session::tolerance::{describe, with_advice};
use crate::sync::tables::daily::smallest;
use crate::time::whole_second;

/// A larger difference between the clocks is reported.
const SKEW: TimeDelta = TimeDelta::seconds(30);
/// Time span of the issue list. The test asks whether the list can be read, not what is in it.
const RECENT: TimeDelta = TimeDelta::hours(1);

/// Groups of requests whose limits are shown.
const GROUPS: [LimitGroup; 5] = [
    LimitGroup::Default,
    LimitGroup::ProjectEvents,
    LimitGroup::ProjectIssues,
    LimitGroup::Releases,
    LimitGroup::Members,
];

/// What earlier tests found and later tests need.
#[derive(Default)]
struct Known {
    /// By stream, the child context of its first row. A stream without rows has none.
    contexts: Vec<(&'static str, PathValues)>,
    project: Option<Project>,
}

/// Prints whether a sync would work, for each organization.
pub(crate) fn run(cli: &Cli, mut print: impl FnMut(&str) -> Result<()>) -> Result<Ending> {
    let (runtime, mut failures) = (runtime()?, Vec::new());
    for session in Inputs::read(cli)?.silent_sessions(&runtime)? {
        announce(&session);
        let report = runtime.block_on(examine(&session));
        let report = report.map_err(|error| with_advice(&session, error).into_anyhow())?;
        print(&report.render(cli.format))?;
        failures.extend(report.failures());
    }
    if failures.is_empty() {
        return Ok(Ending::Complete);
    }
    bail!("a sync would fail: {}", failures.join("; "))
}

/// Examines everything that a sync needs. An error means that the test cannot go on.
async fn examine(session: &Session) -> Result<Report, SyncError> {
    let mut report = Report::of(&session.config);
    match session.client.get(&Request::new(&ORGANIZATION, session.values())).await {
        Ok(page) => report.region = other_region(session, &page),
        // The tests of the streams show what can be read.
        Err(error) if error.tolerance() == Tolerance::Hidden => {}
        Err(error) => return Err(error.into()),
    }
    let skew = session.client.server_now().signed_duration_since(Utc::now());
    report.skew = (skew.abs() > SKEW).then_some(skew);
    let mut known = Known::default();
    for stream in streams::all().chain(session.queries.iter().map(|query| query.stream)) {
        // Most other streams need a project.
        if session.wants(stream.tap_stream_id) || stream.tap_stream_id == "projects" {
            let outcome = match test(session, stream, &mut known).await {
                Err(SyncError::Api(error)) => Outcome::Fails(describe(session, &error)),
                outcome => outcome?,
            };
            if session.output.stream(stream.tap_stream_id).is_some() {
                report.checks.push(Check { stream: stream.tap_stream_id, outcome });
            }
        }
    }
    let limits = GROUPS.iter().filter_map(|group| Some((group.what(), session.client.quota(*group)?)));
    report.limits = limits.filter(|(_, quota)| quota.seen).map(|(what, quota)| Limit::of(what, &quota)).collect();
    Ok(report)
}

/// The address of the region that holds the organization's data, if it is not the configured one.
fn other_region(session: &Session, page: &Page) -> Option<String> {
    let region = page.rows().flatten().find_map(|row| Some(row.object("links")?.text("regionUrl")?.into_owned()))?;
    let url = Url::parse(&region).ok()?;
    (url.host_str() != session.config.client.base_url.host_str()).then_some(region)
}

async fn test(session: &Session, stream: &'static Stream, known: &mut Known) -> Result<Outcome, SyncError> {
    let nothing = |what: &str| Ok(Outcome::Untested(format!("there is no {what} to try it with")));
    match (&stream.source, stream.parent) {
        (Source::Endpoint(endpoint), None) => {
            let request = smallest(session, stream, session.scope.request(endpoint, session.values()));
            let page = session.client.get(&request).await?;
            known.note(session, stream, &page, Vec::new());
            Ok(Outcome::Works)
        }
        (Source::Endpoint(endpoint), Some(parent)) => {
            let Some(values) = known.context(session, parent) else { return nothing(&one_of(parent)) };
            let page = first_page(session, endpoint, values.clone()).await?;
            known.note(session, stream, &page, values);
            Ok(Outcome::Works)
        }
        (Source::ParentRow(embeds), parent) => {
            let parent = parent.unwrap_or_default();
            let Some(values) = known.context(session, parent) else { return nothing(&one_of(parent)) };
            for embed in *embeds {
                first_page(session, &embed.endpoint, values.clone()).await?;
            }
            Ok(Outcome::Works)
        }
        (Source::Issues, _) => {
            let Some(project) = &known.project else { return nothing("project") };
            issues(session, project).await
        }
        (Source::Events | Source::EventPart(_), _) => {
            let Some(project) = &known.project else { return nothing("project") };
            events(session, project).await
        }
    }
}

async fn first_page(session: &Session, endpoint: &'static Endpoint, values: PathValues) -> Result<Page, ApiError> {
    session.client.get(&session.scope.request(endpoint, values)).await
}

/// The name of one row: `project` for `projects`.
fn one_of(stream: &str) -> String {
    stream.strip_suffix('s').unwrap_or(stream).to_owned()
}

/// Tests the issue list, in the form that this server has.
async fn issues(session: &Session, project: &Project) -> Result<Outcome, SyncError> {
    let projects = [project.clone()];
    let scope = ScanScope { emit: [].into(), detect: [project.id.clone()].into() };
    let end = whole_second(session.client.server_now());
    let mut found = ChangedIssues::default();
    IssueScan::new(session, &projects).scan(&scope, Window { start: end - RECENT, end }, &mut found).await?;
    match found.failed.into_values().next() {
        Some(error) => Err(error.into()),
        None => Ok(Outcome::Works),
    }
}

/// Tests the event list of a project and that of an issue: a sync may choose either access path.
async fn events(session: &Session, project: &Project) -> Result<Outcome, SyncError> {
    let page = first_page(session, &PROJECT_EVENTS, session.values_of(project)).await?;
    let Some(issue) = page.rows().flatten().find_map(|row| Some(row.text("groupID")?.into_owned())) else {
        return Ok(Outcome::Untested(format!("the project {} has no event to try it with", project.slug)));
    };
    let mut values = session.values();
    values.push(("issue", issue));
    first_page(session, &ISSUE_EVENTS, values).await?;
    Ok(Outcome::Works)
}

impl Known {
    fn note(&mut self, session: &Session, stream: &'static Stream, page: &Page, context: PathValues) {
        let row = page.rows().flatten().find(|row| !session.scope.leaves_out(stream, row));
        let Some(row) = row else { return };
        if stream.tap_stream_id == "projects"
            && let (Some(id), Some(slug)) = (row.text("id"), row.text("slug"))
        {
            self.project = Some(Project { id: id.into_owned(), slug: slug.into_owned(), has_access: true });
        }
        let value = |(name, field): &(&'static str, &str)| Some((*name, row.text(field)?.into_owned()));
        let values = context.into_iter().chain(stream.child_context.iter().filter_map(value)).collect();
        self.contexts.push((stream.tap_stream_id, values));
    }

    /// Values for the path of a child; `None` if the parent has no rows.
    fn context(&self, session: &Session, parent: &str) -> Option<PathValues> {
        let (_, values) = self.contexts.iter().find(|(stream, _)| *stream == parent)?;
        Some(session.values().into_iter().chain(values.clone()).collect())
    }
}
