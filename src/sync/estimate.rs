//! What a sync would cost: requests, time and records per stream, from the few requests that tell it. Writes nothing.
//!
//! Asks for the first page of each list, and for the whole issue list, which says how many events there are and where.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use anyhow::Result;
use serde_json::{Value, json};

use crate::cli::Format;
use crate::json::row::Row;
use crate::sentry::endpoint::{Endpoint, Rows};
use crate::sentry::request::PAGE_ROWS;
use crate::streams::{self, Source, Stream, TimeFilter};
use crate::sync::event_rows::asks_for_details;
use crate::sync::issue_list::{Found, Group};
use crate::sync::issues::IssueWalk;
use crate::sync::output::StreamOutput;
use crate::sync::passes::Pass;
use crate::sync::plan::{ChangedIssue, Load, Prices, Way, choose, pages};
use crate::sync::series::smallest;
use crate::sync::starts::stream_start;
use crate::sync::window::Window;
use crate::sync::{Project, Sync, events, ways};

/// What one stream would cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cost {
    /// Requests.
    pub requests: u64,
    /// Records.
    pub records: u64,
    /// There may be more of both: not all of the list was looked at.
    pub at_least: bool,
}

/// What a sync would cost.
#[derive(Debug, Default)]
pub struct Estimate {
    /// Slug of the organization.
    pub organization: String,
    /// Selected streams, in order.
    pub streams: Vec<(&'static str, Cost)>,
    /// Requests per second over everything.
    pub rate: f64,
    /// Time for all, in seconds, with what the server's own limits add.
    pub seconds: f64,
    /// Requests that it took to know this.
    pub asked: u64,
}

/// Asks the server and reckons.
pub async fn estimate(sync: &Sync) -> Result<Estimate> {
    let (projects, _) = sync.projects().await?;
    let mut costs: BTreeMap<&'static str, Cost> = BTreeMap::new();
    let count = projects.len() as u64;
    costs.insert("projects", Cost { requests: pages(count, PAGE_ROWS as u64), records: count, at_least: false });
    let queries = sync.queries.iter().filter(|query| query.failure.is_none()).map(|query| query.stream);
    for stream in streams::all().chain(queries).filter(|stream| stream.tap_stream_id != "projects") {
        let Source::Endpoint(endpoint) = &stream.source else { continue };
        if !sync.wants(stream.tap_stream_id) {
            continue;
        }
        match stream.parent {
            // One request for each row of the parent, as far as those are known.
            Some(parent) => {
                let parent = costs.get(parent).copied().unwrap_or_default();
                let at_least = parent.at_least || endpoint.rows != Rows::Object;
                costs.insert(stream.tap_stream_id, Cost { requests: parent.records, at_least, ..parent });
            }
            None => first_page(sync, stream, endpoint, &mut costs).await?,
        }
    }
    let mut seconds = 0.0_f64;
    if sync.wants("issues") || sync.wants("events") {
        let (of_issues, by_server) = issues_and_events(sync, &projects).await?;
        costs.extend(of_issues);
        seconds = by_server;
    }
    let selected = sync.output.streams().map(|output| output.stream.tap_stream_id);
    let streams: Vec<_> = selected.filter_map(|name| Some((name, *costs.get(name)?))).collect();
    let rate = sync.config.client.rate_limit;
    let requests: u64 = streams.iter().map(|(_, cost)| cost.requests).sum();
    let asked = sync.client.costs.total().requests;
    let organization = sync.config.organization.clone();
    Ok(Estimate { organization, seconds: seconds.max(number(requests) / rate), streams, rate, asked })
}

/// A root stream by its first page, and the children that are its rows.
async fn first_page(
    sync: &Sync,
    stream: &'static Stream,
    endpoint: &'static Endpoint,
    costs: &mut BTreeMap<&'static str, Cost>,
) -> Result<()> {
    let mut request = sync.request(endpoint, sync.values());
    if stream.time_filter == TimeFilter::StartEnd
        && let Some(output) = sync.output.stream(stream.tap_stream_id)
    {
        let end = crate::time::whole_second(sync.client.server_now());
        for (name, value) in (Window { start: stream_start(sync, output).await, end }).query() {
            request = request.with(name, value);
        }
    }
    let request = smallest(sync, stream, request);
    let page = sync.client.get(&request).await.map_err(|error| sync.fatal(error.into()))?;
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

/// Issues and what is read for them, and the time that the server's limits make of events.
async fn issues_and_events(sync: &Sync, projects: &[Project]) -> Result<(Vec<(&'static str, Cost)>, f64)> {
    let before = sync.client.costs.total().requests;
    let pass = Pass::to_now(sync, projects).await;
    let mut walk = IssueWalk::new(sync, projects);
    let (mut issues, mut changed) = (Cost::default(), Found::default());
    for (start, group) in pass.groups() {
        let looked_at = Group { emit: BTreeSet::new(), detect: &group.emit | &group.detect };
        let window = Window { start, end: pass.end };
        walk.group(&looked_at, window, &mut changed).await.map_err(|error| sync.fatal(error))?;
        let written = group.emit.iter().filter_map(|project| changed.since(start, project));
        issues.records += written.map(|issues| issues.len() as u64).sum::<u64>();
    }
    issues.requests = sync.client.costs.total().requests - before;
    if sync.config.fetch_issue_details {
        issues.requests += issues.records;
    }
    let prices = ways::prices(sync, walk.knows_windows());
    let mut seconds = 0.0;
    let mut costs = vec![("issues", issues)];
    for follower in pass.followers() {
        let of_project = |project: &Project| changed.since(follower.start(sync, &project.id), &project.id);
        let found: Vec<Vec<&ChangedIssue>> =
            projects.iter().filter_map(of_project).map(|issues| events::in_order(issues)).collect();
        if follower.is_events() {
            let (cost, by_server) = events_of(sync, &found, &prices);
            // One list serves them all; how much lies inside the events is not known.
            costs.extend(follower.outputs().iter().enumerate().map(|(nth, output)| {
                let inside = output.stream.parent.is_some();
                let requests = if nth == 0 { cost.requests } else { 0 };
                (output.stream.tap_stream_id, Cost { requests, at_least: cost.at_least || inside, ..cost })
            }));
            seconds = by_server;
        } else {
            let requests = found.iter().map(|issues| issues.len() as u64).sum();
            let of_output = |output: &&StreamOutput| {
                (output.stream.tap_stream_id, Cost { requests, records: requests, at_least: true })
            };
            costs.extend(follower.outputs().iter().map(of_output));
        }
    }
    Ok((costs, seconds))
}

fn events_of(sync: &Sync, issues: &[Vec<&ChangedIssue>], prices: &Prices) -> (Cost, f64) {
    let loads: Vec<Load> =
        issues.iter().map(|issues| ways::load_of(sync, issues, None, prices.project_windows)).collect();
    let all = || issues.iter().flatten();
    let (mut by_project, mut by_issue) = (0, 0);
    for (load, way) in loads.iter().zip(choose(&loads, prices)) {
        match way {
            Way::ByProject => by_project += load.by_project.unwrap_or(1),
            Way::ByIssue | Way::SampleByIssue => by_issue += load.by_issue.unwrap_or(1),
        }
    }
    by_issue += issues.iter().map(|issues| pages_of_others(sync, issues, prices)).sum::<u64>();
    let records: u64 = issues.iter().map(|issues| ways::expected(sync, issues.iter())).sum();
    let at_least = all().any(|issue| issue.events.is_none());
    let mut requests = by_project + by_issue;
    if asks_for_details(sync) {
        requests += records;
    }
    let bucket = prices.project_bucket.map_or(0.0, |bucket| bucket.seconds(by_project));
    (Cost { requests, records, at_least }, bucket)
}

/// Issues that are no errors have lists of their own, which are left alone where the project's maximum is reached before.
fn pages_of_others(sync: &Sync, issues: &[&ChangedIssue], prices: &Prices) -> u64 {
    let errors: u64 = issues.iter().filter(|issue| issue.is_error).filter_map(|issue| issue.events).sum();
    if sync.config.sampling.max_per_project.is_some_and(|most| errors >= most) {
        return 0;
    }
    issues.iter().filter(|issue| !issue.is_error).map(|issue| pages(issue.events.unwrap_or(1), prices.page)).sum()
}

impl Estimate {
    fn total(&self) -> Cost {
        let mut total = Cost::default();
        for (_, cost) in &self.streams {
            total.requests += cost.requests;
            total.records += cost.records;
            total.at_least |= cost.at_least;
        }
        total
    }

    /// The text for this format.
    pub fn print(&self, format: Format) -> String {
        match format {
            Format::Text => self.to_text(),
            Format::Json => format!("{:#}\n", self.to_json()),
            Format::Markdown => self.to_markdown(),
        }
    }

    /// A table for people.
    fn to_text(&self) -> String {
        let mut text = format!("{}\n\n", self.organization);
        let _ = writeln!(text, "{:<20} {:>12} {:>10} {:>12}", "stream", "requests", "minutes", "records");
        for [name, requests, minutes, records] in self.rows() {
            let _ = writeln!(text, "{name:<20} {requests:>12} {minutes:>10} {records:>12}");
        }
        let (rate, asked) = (self.rate, self.asked);
        let _ = writeln!(text, "\nAt {rate} requests a second, within the server's limits. Asked {asked} times.");
        if self.total().at_least {
            text += "+ at least: only the first page of the list was looked at.\n";
        }
        text
    }

    /// Name, requests, minutes and records of each stream and of all.
    fn rows(&self) -> Vec<[String; 4]> {
        let row = |name: &str, cost: &Cost, seconds: f64| {
            let mark = if cost.at_least { "+" } else { "" };
            let (requests, records) = (format!("{}{mark}", cost.requests), format!("{}{mark}", cost.records));
            [name.to_owned(), requests, format!("{:.1}", seconds / 60.0), records]
        };
        let streams = self.streams.iter().map(|(name, cost)| row(name, cost, number(cost.requests) / self.rate));
        streams.chain([row("all", &self.total(), self.seconds)]).collect()
    }

    fn to_markdown(&self) -> String {
        let mut text = String::from("| Stream | Requests | Minutes | Records |\n| --- | ---: | ---: | ---: |\n");
        for row in self.rows() {
            let _ = writeln!(text, "| {} |", row.join(" | "));
        }
        text
    }

    /// The same for programs.
    fn to_json(&self) -> Value {
        let cost = |cost: &Cost| json!({"requests": cost.requests, "records": cost.records, "at_least": cost.at_least});
        let streams = self.streams.iter().map(|(name, of)| ((*name).to_owned(), cost(of)));
        let streams: serde_json::Map<String, Value> = streams.collect();
        json!({
            "organization": self.organization, "streams": streams, "all": cost(&self.total()), "seconds": self.seconds, "rate": self.rate, "asked": self.asked,
        })
    }
}

#[expect(clippy::cast_precision_loss, reason = "numbers of requests are far below 2^52")]
fn number(count: u64) -> f64 {
    count as f64
}
