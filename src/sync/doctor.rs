//! `--test`: asks the server for the least that shows whether each selected stream can be read. Writes no message.

use anyhow::Result;
use chrono::{TimeDelta, Utc};
use reqwest::Url;

use crate::sentry::endpoint::{Class, Endpoint, PathValues};
use crate::sentry::error::{ApiError, ErrorKind};
use crate::sentry::page::Page;
use crate::sentry::request::Request;
use crate::streams::{self, Source, Stream};
use crate::sync::event_list::{ISSUE_EVENTS, PROJECT_EVENTS};
use crate::sync::failure::WalkError;
use crate::sync::issue_list::{Found, Group};
use crate::sync::issues::IssueWalk;
use crate::sync::report::{Check, Limit, Outcome, Report};
use crate::sync::series::smallest;
use crate::sync::window::Window;
use crate::sync::{ORGANIZATION, Project, Sync};

/// A clock that is further off than this is worth a word.
const SKEW: TimeDelta = TimeDelta::seconds(30);
/// Issues are asked for over this time: whether the list can be had, not what is in it.
const RECENT: TimeDelta = TimeDelta::hours(1);

/// Classes of requests whose limits are shown.
const CLASSES: [Class; 5] =
    [Class::Default, Class::ProjectEvents, Class::ProjectIssues, Class::Releases, Class::Members];

/// What was learned on the way and is needed further on.
#[derive(Default)]
struct Known {
    /// By stream, the values that its first row offers to children; none where the stream has no rows.
    offers: Vec<(&'static str, PathValues)>,
    project: Option<Project>,
}

/// Examines everything that a sync would need. An error means that there is nobody to ask.
pub async fn examine(sync: &Sync) -> Result<Report> {
    let mut report = Report::of(sync);
    match sync.client.get(&Request::new(&ORGANIZATION, sync.values())).await {
        Ok(page) => report.region = other_region(sync, &page),
        // What else can be read will show.
        Err(error) if error.kind == ErrorKind::Forbidden => {}
        Err(error) => return Err(sync.fatal(error.into())),
    }
    let skew = sync.client.server_now().signed_duration_since(Utc::now());
    report.skew = (skew.abs() > SKEW).then_some(skew);
    let mut known = Known::default();
    for stream in streams::all().chain(sync.queries.iter().map(|query| query.stream)) {
        // The project list is what most others begin with.
        if sync.wants(stream.tap_stream_id) || stream.tap_stream_id == "projects" {
            let outcome = match test(sync, stream, &mut known).await {
                Ok(outcome) => outcome,
                Err(WalkError::Api(error)) => Outcome::Fails(said(sync, &error)),
                Err(WalkError::Stop(error)) => return Err(error),
            };
            if sync.output.stream(stream.tap_stream_id).is_some() {
                report.checks.push(Check { stream: stream.tap_stream_id, outcome });
            }
        }
    }
    let limits = CLASSES.iter().filter_map(|class| Some((class.what(), sync.client.room(*class)?)));
    report.limits = limits.filter(|(_, room)| room.seen).map(|(what, room)| Limit::of(what, &room)).collect();
    Ok(report)
}

/// What is wrong and what to do about it.
fn said(sync: &Sync, error: &ApiError) -> String {
    match error.kind {
        ErrorKind::NotFound => format!("{error}: this server does not have it"),
        _ => format!("{error}; {}", sync.advice(error)),
    }
}

/// The address that the organization's data is at, where it is not the one that is configured.
fn other_region(sync: &Sync, page: &Page) -> Option<String> {
    let region = page.rows().flatten().find_map(|row| Some(row.object("links")?.text("regionUrl")?.into_owned()))?;
    let url = Url::parse(&region).ok()?;
    (url.host_str() != sync.config.client.base_url.host_str()).then_some(region)
}

async fn test(sync: &Sync, stream: &'static Stream, known: &mut Known) -> Result<Outcome, WalkError> {
    let nothing = |what: &str| Ok(Outcome::Untested(format!("there is no {what} to try it with")));
    match (&stream.source, stream.parent) {
        (Source::Endpoint(endpoint), None) => {
            let request = smallest(sync, stream, sync.request(endpoint, sync.values()));
            let page = sync.client.get(&request).await?;
            known.note(sync, stream, &page, Vec::new());
            Ok(Outcome::Works)
        }
        (Source::Endpoint(endpoint), Some(parent)) => {
            let Some(values) = known.offered(sync, parent) else { return nothing(&one_of(parent)) };
            let page = first_page(sync, endpoint, values.clone()).await?;
            known.note(sync, stream, &page, values);
            Ok(Outcome::Works)
        }
        (Source::ParentRow(embeds), parent) => {
            let parent = parent.unwrap_or_default();
            let Some(values) = known.offered(sync, parent) else { return nothing(&one_of(parent)) };
            for embed in *embeds {
                first_page(sync, &embed.endpoint, values.clone()).await?;
            }
            Ok(Outcome::Works)
        }
        (Source::Issues, _) => {
            let Some(project) = &known.project else { return nothing("project") };
            issues(sync, project).await
        }
        (Source::Events | Source::EventPart(_), _) => {
            let Some(project) = &known.project else { return nothing("project") };
            events(sync, project).await
        }
    }
}

async fn first_page(sync: &Sync, endpoint: &'static Endpoint, values: PathValues) -> Result<Page, ApiError> {
    sync.client.get(&sync.request(endpoint, values)).await
}

/// `projects` are rows of one `project` each.
fn one_of(stream: &str) -> String {
    stream.strip_suffix('s').unwrap_or(stream).to_owned()
}

/// The issue list, in whichever form this server has it.
async fn issues(sync: &Sync, project: &Project) -> Result<Outcome, WalkError> {
    let projects = [project.clone()];
    let group = Group { emit: [].into(), detect: [project.id.clone()].into() };
    let end = crate::time::whole_second(sync.client.server_now());
    let mut found = Found::default();
    IssueWalk::new(sync, &projects).group(&group, Window { start: end - RECENT, end }, &mut found).await?;
    match found.failed.into_values().next() {
        Some(error) => Err(error.into()),
        None => Ok(Outcome::Works),
    }
}

/// Both kinds of event lists: the plan for a sync may need either.
async fn events(sync: &Sync, project: &Project) -> Result<Outcome, WalkError> {
    let mut values = sync.values();
    values.push(("project", project.slug.clone()));
    let page = first_page(sync, &PROJECT_EVENTS, values).await?;
    let Some(issue) = page.rows().flatten().find_map(|row| Some(row.text("groupID")?.into_owned())) else {
        return Ok(Outcome::Untested(format!("the project {} has no event to try it with", project.slug)));
    };
    let mut values = sync.values();
    values.push(("issue", issue));
    first_page(sync, &ISSUE_EVENTS, values).await?;
    Ok(Outcome::Works)
}

impl Known {
    fn note(&mut self, sync: &Sync, stream: &'static Stream, page: &Page, above: PathValues) {
        let row = page.rows().flatten().find(|row| !sync.leaves_out(stream, row));
        let Some(row) = row else { return };
        if stream.tap_stream_id == "projects"
            && let (Some(id), Some(slug)) = (row.text("id"), row.text("slug"))
        {
            self.project = Some(Project { id: id.into_owned(), slug: slug.into_owned() });
        }
        let value = |(name, field): &(&'static str, &str)| Some((*name, row.text(field)?.into_owned()));
        let offered = above.into_iter().chain(stream.offers.iter().filter_map(value)).collect();
        self.offers.push((stream.tap_stream_id, offered));
    }

    /// The values for a child's path; none where the parent has no rows.
    fn offered(&self, sync: &Sync, parent: &str) -> Option<PathValues> {
        let (_, offered) = self.offers.iter().find(|(stream, _)| *stream == parent)?;
        Some(sync.values().into_iter().chain(offered.clone()).collect())
    }
}
