//! Which way each project's events are listed: what the plan needs to know of the server, and what an interrupted run
//! has begun.

use tracing::debug;

use crate::sampling::keep;
use crate::sentry::endpoint::Class;
use crate::sentry::request::Request;
use crate::singer::progress::Part;
use crate::sync::Sync;
use crate::sync::event_list::PROJECT_EVENTS;
use crate::sync::events::Work;
use crate::sync::plan::{Budget, ChangedIssue, Load, Prices, Way, choose, load};
use crate::sync::unpack::wants_whole_bodies;
use crate::sync::window::Window;

/// Requests that a plan must be able to save before one is spent on knowing the server better.
const WORTH_A_QUESTION: u64 = 20;

/// Decides for all projects. What an interrupted run did counts only on the way that it went.
pub async fn decide(sync: &Sync, work: &mut [Work<'_>], knows_windows: bool) {
    let loads: Vec<Load> =
        work.iter().map(|work| load_of(sync, &work.issues, begun(sync, &work.part), knows_windows)).collect();
    let saved = |load: &Load| Some(load.by_issue?.saturating_sub(load.by_project?));
    if loads.iter().filter_map(saved).sum::<u64>() >= WORTH_A_QUESTION {
        learn_the_bucket(sync, work).await;
    }
    if let Some(output) = sync.output.stream("events") {
        output.expect(work.iter().map(|work| expected(sync, work.issues.iter())).sum());
    }
    let prices = prices(sync, knows_windows);
    debug!("events are planned with {prices:?}");
    for ((work, load), way) in work.iter_mut().zip(&loads).zip(choose(&loads, &prices)) {
        let requests = |load: Option<u64>| load.map_or("not possible".to_owned(), |load| format!("{load} requests"));
        let (project, issue) = (requests(load.by_project), requests(load.by_issue));
        debug!("events of project {}: {way:?}; by project {project}, by issue {issue}", work.project.slug);
        work.way = way;
        if work.part.way.as_deref() != Some(way.name()) {
            work.part = Part { way: Some(way.name().to_owned()), ..Part::default() };
        }
    }
}

/// Records that will be made of these issues' events, as far as the server counts them.
pub fn expected<'a>(sync: &Sync, issues: impl Iterator<Item = &'a &'a ChangedIssue>) -> u64 {
    let sampling = &sync.config.sampling;
    let fraction = sampling.fraction.filter(|fraction| *fraction < 1.0);
    let kept =
        |n: u64| fraction.map_or(n, |fraction| keep(n, fraction, sampling.min_per_issue, sampling.max_per_issue, 0));
    let records = issues.map(|issue| kept(issue.events.unwrap_or(1))).sum();
    sampling.max_per_project.map_or(records, |most| most.min(records))
}

/// What each way costs for these issues of a project; a way that was begun is the only one.
pub fn load_of(sync: &Sync, issues: &[&ChangedIssue], begun: Option<Way>, knows_windows: bool) -> Load {
    let (sampling, prices) = (&sync.config.sampling, prices(sync, knows_windows));
    // Whole bodies that are only taken apart go the way of short rows where that costs no more requests.
    let apart = wants_whole_bodies(sync) && prices.project_bucket.is_some();
    let load = load(issues, sampling, sync.config.fetch_event_details || apart, &prices);
    match begun {
        Some(Way::ByProject) => Load { by_project: load.by_project.or(Some(1)), by_issue: None, ..load },
        Some(way) => Load { by_project: None, by_issue: load.by_issue.or(Some(1)), issue_way: way },
        None => load,
    }
}

/// The way that an interrupted run has begun, if it is gone on with: samples are drawn anew.
fn begun(sync: &Sync, part: &Part) -> Option<Way> {
    let way = part.way.as_deref().and_then(Way::named)?;
    (!sync.config.sampling.is_on() && way != Way::SampleByIssue).then_some(way)
}

/// What event lists cost on this server, by what its answers have shown so far (API §1.4, §1.7).
pub fn prices(sync: &Sync, project_windows: bool) -> Prices {
    let (limited, ceiling) = (sync.client.is_limited(), sync.config.client.rate_limit);
    let shared = sync.client.room(Class::Default).filter(|_| limited);
    let project = sync.client.room(Class::ProjectEvents).filter(|_| limited);
    let latency = sync.client.latency().as_secs_f64();
    let budget = project.map(|room| Budget {
        limit: room.limit.into(),
        window: room.window,
        left: room.left.into(),
        rest: room.rest,
        each: (latency / f64::from(room.concurrency)).max(1.0 / ceiling),
    });
    Prices {
        page: if limited && wants_whole_bodies(sync) { 10 } else { 100 },
        ceiling,
        issue_rate: shared.map(|room| f64::from(room.limit) / room.window),
        project_bucket: budget,
        project_windows,
    }
}

/// The bucket of project lists decides the plan, and servers differ: asks for one second of one project's events, unless
/// an answer has told its numbers already.
async fn learn_the_bucket(sync: &Sync, work: &[Work<'_>]) {
    let unknown = sync.client.is_limited() && !sync.client.room(Class::ProjectEvents).is_some_and(|room| room.seen);
    let Some(work) = work.first().filter(|_| unknown) else { return };
    let mut values = sync.values();
    values.push(("project", work.project.slug.clone()));
    let mut request = Request { takes_no: true, ..Request::new(&PROJECT_EVENTS, values) };
    for (name, value) in (Window { start: work.end - chrono::TimeDelta::seconds(1), end: work.end }).query() {
        request = request.with(name, value);
    }
    if let Err(error) = sync.client.get(&request).await {
        debug!("{error}; events are planned with what is known of sentry.io");
    }
}
