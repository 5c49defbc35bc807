//! `--plan`: estimates with few requests what a sync would cost per stream, in requests, time and records. Writes no
//! Singer message.
//!
//! Asks for the first page of each list, and for the whole issue list, which says how many events each issue has.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;

use crate::cli::Cli;
use crate::commands::ending::Ending;
use crate::commands::inputs::{Inputs, runtime};
use crate::commands::plan_report::{Cost, Estimate, number};
use crate::json::row::Row;
use crate::output::stream::StreamOutput;
use crate::sentry::endpoint::{Endpoint, Rows};
use crate::sentry::request::PAGE_ROWS;
use crate::sentry::window::Window;
use crate::streams::{self, Source, Stream, TimeFilter};
use crate::sync::changes::bookmarks::ProjectSet;
use crate::sync::changes::window::SyncWindow;
use crate::sync::events::body::asks_for_details;
use crate::sync::events::plan::{AccessPath, CostModel, PathCost, choose, pages};
use crate::sync::events::planner::{cost_model, cost_of, expected};
use crate::sync::events::task::by_id;
use crate::sync::issues::changed::{ChangedIssue, ChangedIssues, ScanScope};
use crate::sync::issues::scan::IssueScan;
use crate::sync::session::Session;
use crate::sync::session::error::SyncError;
use crate::sync::session::project::Project;
use crate::sync::session::starts::stream_start;
use crate::sync::session::tolerance::with_advice;
use crate::sync::tables::daily::smallest;
use crate::sync::tables::projects::read_projects;
use crate::time::whole_second;

/// Prints what a sync would cost, for each organization.
pub(crate) fn run(cli: &Cli, mut print: impl FnMut(&str) -> Result<()>) -> Result<Ending> {
    let runtime = runtime()?;
    for session in Inputs::read(cli)?.silent_sessions(&runtime)? {
        let estimate = runtime.block_on(estimate(&session));
        let estimate = estimate.map_err(|error| with_advice(&session, error).into_anyhow())?;
        print(&estimate.render(cli.format))?;
    }
    Ok(Ending::Complete)
}

/// Asks the server and estimates the cost of a sync.
async fn estimate(session: &Session) -> Result<Estimate, SyncError> {
    let (mut projects, _) = read_projects(session).await?;
    projects.retain(|project| !session.scope.is_hidden(project));
    let mut costs: BTreeMap<&'static str, Cost> = BTreeMap::new();
    let count = projects.len() as u64;
    costs.insert("projects", Cost { requests: pages(count, PAGE_ROWS as u64), records: count, at_least: false });
    let queries = session.queries.iter().filter(|query| query.failure.is_none()).map(|query| query.stream);
    for stream in streams::all().chain(queries).filter(|stream| stream.tap_stream_id != "projects") {
        let Source::Endpoint(endpoint) = &stream.source else { continue };
        if !session.wants(stream.tap_stream_id) {
            continue;
        }
        match stream.parent {
            // One request for each row of the parent that is known.
            Some(parent) => {
                let parent = costs.get(parent).copied().unwrap_or_default();
                let at_least = parent.at_least || endpoint.rows != Rows::Object;
                costs.insert(stream.tap_stream_id, Cost { requests: parent.records, at_least, ..parent });
            }
            None => first_page(session, stream, endpoint, &mut costs).await?,
        }
    }
    let mut seconds = 0.0_f64;
    if session.wants("issues") || session.wants("events") {
        let (of_issues, by_server) = issues_and_events(session, &projects).await?;
        costs.extend(of_issues);
        seconds = by_server;
    }
    let selected = session.output.streams().map(|output| output.stream.tap_stream_id);
    let streams: Vec<_> = selected.filter_map(|name| Some((name, *costs.get(name)?))).collect();
    let rate = session.config.client.rate_limit;
    let requests: u64 = streams.iter().map(|(_, cost)| cost.requests).sum();
    let asked = session.client.costs.total().requests;
    let organization = session.config.organization.clone();
    Ok(Estimate { organization, seconds: seconds.max(number(requests) / rate), streams, rate, asked })
}

/// Estimates a root stream from its first page, and the child streams that are made of its rows.
async fn first_page(
    session: &Session,
    stream: &'static Stream,
    endpoint: &'static Endpoint,
    costs: &mut BTreeMap<&'static str, Cost>,
) -> Result<(), SyncError> {
    let mut request = session.scope.request(endpoint, session.values());
    if stream.time_filter == TimeFilter::StartEnd
        && let Some(output) = session.output.stream(stream.tap_stream_id)
    {
        let end = whole_second(session.client.server_now());
        request = request.within(Window { start: stream_start(session, output), end });
    }
    let request = smallest(session, stream, request);
    let page = session.client.get(&request).await?;
    let at_least = page.next.is_some() || stream.time_filter == TimeFilter::Days;
    let records = page.len() as u64;
    costs.insert(stream.tap_stream_id, Cost { requests: 1, records, at_least });
    for child in streams::children(stream.tap_stream_id) {
        if let Source::ParentRow(embeds) = &child.source {
            let lists =
                |row: &Row<'_>| embeds.iter().filter(|embed| row.integer(embed.count) != Some(0)).count() as u64;
            let requests = page.rows().flatten().map(|row| lists(&row)).sum();
            costs.insert(child.tap_stream_id, Cost { requests, records, at_least });
        }
    }
    Ok(())
}

/// Estimates issues and what is read for each of them. Also returns the seconds that events take under the server's
/// limits.
async fn issues_and_events(
    session: &Session,
    projects: &[Project],
) -> Result<(Vec<(&'static str, Cost)>, f64), SyncError> {
    let before = session.client.costs.total().requests;
    let window = SyncWindow::to_now(session, ProjectSet { read: projects, hidden: &[] });
    let mut scan = IssueScan::new(session, projects);
    let (mut issues, mut changed) = (Cost::default(), ChangedIssues::default());
    for (start, scope) in window.scan_scopes() {
        let looked_at = ScanScope { emit: BTreeSet::new(), detect: &scope.emit | &scope.detect };
        scan.scan(&looked_at, Window { start, end: window.end }, &mut changed).await?;
        let written = scope.emit.iter().filter_map(|project| changed.since(start, project));
        issues.records += written.map(|issues| issues.len() as u64).sum::<u64>();
    }
    issues.requests = session.client.costs.total().requests - before;
    if session.config.fetch_issue_details {
        issues.requests += issues.records;
    }
    let model = cost_model(session);
    let mut seconds = 0.0;
    let mut costs = vec![("issues", issues)];
    for dependent in &window.dependents {
        let of_project = |project: &Project| changed.since(dependent.start(&project.id), &project.id);
        let found: Vec<Vec<&ChangedIssue>> =
            projects.iter().filter_map(of_project).map(|issues| by_id(issues, &[])).collect();
        if dependent.is_events() {
            let (cost, by_server) = events_of(session, &found, &model);
            // All of them are read with the requests of the first. How many rows the events embed is not known.
            costs.extend(dependent.outputs().enumerate().map(|(nth, output)| {
                let embedded = output.stream.parent.is_some();
                let requests = if nth == 0 { cost.requests } else { 0 };
                (output.stream.tap_stream_id, Cost { requests, at_least: cost.at_least || embedded, ..cost })
            }));
            seconds = by_server;
        } else {
            let requests = found.iter().map(|issues| issues.len() as u64).sum();
            let of_output = |output: &StreamOutput| {
                (output.stream.tap_stream_id, Cost { requests, records: requests, at_least: true })
            };
            costs.extend(dependent.outputs().map(of_output));
        }
    }
    Ok((costs, seconds))
}

fn events_of(session: &Session, issues: &[Vec<&ChangedIssue>], model: &CostModel) -> (Cost, f64) {
    let costs: Vec<PathCost> = issues.iter().map(|issues| cost_of(session, issues, None)).collect();
    let all = || issues.iter().flatten();
    let (mut by_project, mut by_issue) = (0, 0);
    for (cost, path) in costs.iter().zip(choose(&costs, model)) {
        match path {
            AccessPath::ByProject => by_project += cost.by_project.unwrap_or(1),
            AccessPath::ByIssue | AccessPath::SampleByIssue => by_issue += cost.by_issue.unwrap_or(1),
        }
    }
    by_issue += issues.iter().map(|issues| pages_of_others(session, issues, model)).sum::<u64>();
    let records: u64 = issues.iter().map(|issues| expected(session, issues.iter())).sum();
    let at_least = all().any(|issue| issue.events.is_none());
    let mut requests = by_project + by_issue;
    if asks_for_details(session) {
        requests += records;
    }
    let bucket = model.project_bucket.map_or(0.0, |bucket| bucket.seconds(by_project));
    (Cost { requests, records, at_least }, bucket)
}

/// Pages of the event lists of issues that are no errors: each has its own. They are not read if the errors reach
/// `max_events_per_project`.
fn pages_of_others(session: &Session, issues: &[&ChangedIssue], model: &CostModel) -> u64 {
    let errors: u64 = issues.iter().filter(|issue| issue.is_error).filter_map(|issue| issue.events).sum();
    if session.config.sampling.max_per_project.is_some_and(|most| errors >= most) {
        return 0;
    }
    issues.iter().filter(|issue| !issue.is_error).map(|issue| pages(issue.events.unwrap_or(1), model.page)).sum()
}
