//! Gives each project its access path. Collects what the plan needs: what is known of the server, and what an interrupted
//! run has begun.

use chrono::TimeDelta;
use tracing::debug;

use crate::sentry::dialect::Capability;
use crate::sentry::endpoints::PROJECT_EVENTS;
use crate::sentry::limits::group::LimitGroup;
use crate::sentry::request::Request;
use crate::sentry::window::Window;
use crate::singer::progress::Partition;
use crate::sync::events::body::wants_whole_bodies;
use crate::sync::events::plan::{AccessPath, Budget, CostModel, PathCost, choose, path_cost};
use crate::sync::events::sampling::keep;
use crate::sync::events::task::EventTask;
use crate::sync::issues::changed::ChangedIssue;
use crate::sync::session::Session;

/// Requests that a plan must be able to save before one is spent on knowing the server better.
const WORTH_A_QUESTION: u64 = 20;

/// Decides for all projects. Progress of an interrupted run is kept only if the access path is the same.
pub(crate) async fn decide(session: &Session, tasks: &mut [EventTask<'_>]) {
    let cost = |task: &EventTask<'_>| cost_of(session, &task.issues, begun(session, &task.partition));
    let costs: Vec<PathCost> = tasks.iter().map(cost).collect();
    let saved = |cost: &PathCost| Some(cost.by_issue?.saturating_sub(cost.by_project?));
    if costs.iter().filter_map(saved).sum::<u64>() >= WORTH_A_QUESTION {
        learn_the_bucket(session, tasks).await;
    }
    if let Some(output) = session.output.stream("events") {
        output.expect(tasks.iter().map(|task| expected(session, task.issues.iter())).sum());
    }
    let model = cost_model(session);
    debug!("events are planned with {model:?}");
    for ((task, cost), path) in tasks.iter_mut().zip(&costs).zip(choose(&costs, &model)) {
        let requests =
            |pages: Option<u64>| pages.map_or("not possible".to_owned(), |pages| format!("{pages} requests"));
        let (project, issue) = (requests(cost.by_project), requests(cost.by_issue));
        debug!("events of project {}: {path:?}; by project {project}, by issue {issue}", task.project.slug);
        task.path = path;
        if task.partition.access_path.as_deref() != Some(path.name()) {
            task.partition = Partition { access_path: Some(path.name().to_owned()), ..Partition::default() };
        }
    }
}

/// Records that will be made of these issues' events, as far as the server counts them.
pub(crate) fn expected<'a>(session: &Session, issues: impl Iterator<Item = &'a &'a ChangedIssue>) -> u64 {
    let sampling = &session.config.sampling;
    let fraction = sampling.fraction.filter(|fraction| *fraction < 1.0);
    let kept =
        |n: u64| fraction.map_or(n, |fraction| keep(n, fraction, sampling.min_per_issue, sampling.max_per_issue, 0));
    let records = issues.map(|issue| kept(issue.events.unwrap_or(1))).sum();
    sampling.max_per_project.map_or(records, |most| most.min(records))
}

/// What each access path costs for these issues of a project. A path that was begun is the only choice.
pub(crate) fn cost_of(session: &Session, issues: &[&ChangedIssue], begun: Option<AccessPath>) -> PathCost {
    let (sampling, model) = (&session.config.sampling, cost_model(session));
    // Whole bodies that are only needed for embedded rows are listed like short rows, if that costs no more requests.
    let apart = wants_whole_bodies(session) && model.project_bucket.is_some();
    let cost = path_cost(issues, sampling, session.config.fetch_event_details || apart, &model);
    match begun {
        Some(AccessPath::ByProject) => PathCost { by_project: cost.by_project.or(Some(1)), by_issue: None, ..cost },
        Some(path) => PathCost { by_project: None, by_issue: cost.by_issue.or(Some(1)), issue_path: path },
        None => cost,
    }
}

/// The access path that an interrupted run has begun. Samples are not continued, but drawn anew.
fn begun(session: &Session, partition: &Partition) -> Option<AccessPath> {
    let path = partition.access_path.as_deref().and_then(AccessPath::named)?;
    (!session.config.sampling.is_on() && path != AccessPath::SampleByIssue).then_some(path)
}

/// What event lists cost on this server, by what its answers have shown so far (API §1.4, §1.7).
pub(crate) fn cost_model(session: &Session) -> CostModel {
    let (client, ceiling) = (&session.client, session.config.client.rate_limit);
    let quota = |group| client.quota(group).filter(|_| client.is_limited());
    let latency = client.latency().as_secs_f64();
    CostModel {
        page: if client.is_limited() && wants_whole_bodies(session) { 10 } else { 100 },
        ceiling,
        issue_rate: quota(LimitGroup::Default).map(|quota| f64::from(quota.limit) / quota.window),
        project_bucket: quota(LimitGroup::ProjectEvents).map(|quota| Budget {
            limit: quota.limit.into(),
            window: quota.window,
            left: quota.left.into(),
            rest: quota.rest,
            each: (latency / f64::from(quota.concurrency)).max(1.0 / ceiling),
        }),
        project_windows: client.dialect.supports(Capability::ListWindows),
    }
}

/// The plan depends on the bucket of project lists, and servers differ. Unless an answer has shown its numbers already,
/// asks for one second of one project's events.
async fn learn_the_bucket(session: &Session, tasks: &[EventTask<'_>]) {
    let client = &session.client;
    let is_known = client.quota(LimitGroup::ProjectEvents).is_some_and(|quota| quota.seen);
    let Some(task) = tasks.first().filter(|_| client.is_limited() && !is_known) else { return };
    let request = Request::new(&PROJECT_EVENTS, session.values_of(task.project));
    let request = request.within(Window { start: task.end - TimeDelta::seconds(1), end: task.end });
    if let Err(error) = client.get(&Request { fail_on_429: true, ..request }).await {
        debug!("{error}; events are planned with what is known of sentry.io");
    }
}
