//! The cheapest access paths to the events of many projects. Pure: numbers in, access paths out.
//!
//! Any server can list events by issue or by project, and the union is the same. The cost is not.

use crate::config::Sampling;
use crate::sync::events::sampling::keep;
use crate::sync::issues::changed::ChangedIssue;

/// Rows of a sample that may wait in memory for the end of a project's list.
const SAMPLE_IN_MEMORY: u64 = 10_000;

/// How fast event lists can be asked for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct CostModel {
    /// Rows on a page.
    pub(crate) page: u64,
    /// Requests per second over everything.
    pub(crate) ceiling: f64,
    /// Pages of issue events per second, if the server limits them.
    pub(crate) issue_rate: Option<f64>,
    /// The bucket of project event lists, if the server limits them.
    pub(crate) project_bucket: Option<Budget>,
    /// Whether project event lists honour a window; without, they would have to be read from the newest on.
    pub(crate) project_windows: bool,
}

/// A bucket with a fixed window. Times are seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Budget {
    /// Requests per window.
    pub(crate) limit: u64,
    /// Length of the window.
    pub(crate) window: f64,
    /// Requests left in the window that is running.
    pub(crate) left: u64,
    /// Time until it ends.
    pub(crate) rest: f64,
    /// Time that one request takes, divided by those that may fly at once.
    pub(crate) each: f64,
}

impl Budget {
    /// How long this many requests take.
    pub(crate) fn seconds(&self, requests: u64) -> f64 {
        let Some(later) = requests.checked_sub(self.left).filter(|later| *later > 0) else {
            return number(requests) * self.each;
        };
        let full = (later - 1) / self.limit.max(1);
        let last = later - full * self.limit.max(1);
        let first = self.rest.max(number(self.left) * self.each);
        let window = self.window.max(number(self.limit) * self.each);
        first + number(full) * window + number(last) * self.each
    }
}

/// How a project's error events are listed: its access path. Issues of other kinds are always listed one by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AccessPath {
    /// One list for the project.
    ByProject,
    /// One list per issue.
    ByIssue,
    /// One list per issue, of which only a sample is read.
    SampleByIssue,
}

impl AccessPath {
    /// The name under which the state remembers it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::ByProject => "project",
            Self::ByIssue => "issue",
            Self::SampleByIssue => "sample",
        }
    }

    /// The access path of that name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        [Self::ByProject, Self::ByIssue, Self::SampleByIssue].into_iter().find(|path| path.name() == name)
    }
}

/// What each access path of a project costs, in requests. At least one is possible.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PathCost {
    /// One list for the project, where that is possible.
    pub(crate) by_project: Option<u64>,
    /// One list for each issue, where that is possible.
    pub(crate) by_issue: Option<u64>,
    /// The access path that is meant by `by_issue`.
    pub(crate) issue_path: AccessPath,
}

impl PathCost {
    fn path(&self, by_project: bool) -> AccessPath {
        if by_project { AccessPath::ByProject } else { self.issue_path }
    }
}

/// What each access path costs for a project's error events. `full` says that whole bodies are wanted.
pub(crate) fn path_cost(issues: &[&ChangedIssue], sampling: &Sampling, full: bool, model: &CostModel) -> PathCost {
    let errors = || issues.iter().filter(|issue| issue.is_error);
    let counts: Option<Vec<u64>> = errors().map(|issue| issue.events).collect();
    let most = sampling.max_per_project.unwrap_or(u64::MAX);
    let by_project = counts.as_ref().map(|counts| pages(counts.iter().sum::<u64>().min(most), model.page));
    if sampling.max_per_project.is_some() {
        // The newest events of the project: no other list has them in that order.
        return PathCost { by_project: by_project.or(Some(1)), by_issue: None, issue_path: AccessPath::ByIssue };
    }
    let fraction = sampling.fraction.filter(|fraction| *fraction < 1.0);
    let issue_path = if fraction.is_some() { AccessPath::SampleByIssue } else { AccessPath::ByIssue };
    let kept = |n: u64| keep(n, fraction.unwrap_or(1.0), sampling.min_per_issue, sampling.max_per_issue, 0);
    let asked = |n: u64| if fraction.is_some() && n > model.page { kept(n) } else { n };
    let by_issue = counts.as_ref().map(|counts| counts.iter().map(|n| pages(asked(*n), model.page)).sum());
    let held = counts.iter().flatten().map(|n| kept(*n)).sum::<u64>();
    let too_big = fraction.is_some() && held > SAMPLE_IN_MEMORY;
    // Whole bodies are fastest by issue (API §2.6), and servers that ignore the form have details by issue.
    let possible = model.project_windows && !full && !too_big;
    PathCost { by_project: by_project.filter(|_| possible), by_issue: by_issue.or(Some(1)), issue_path }
}

/// Chooses an access path for every project, so that all are done soon.
///
/// Issue lists and project lists draw on different buckets, which work side by side. The bucket of project lists is slow.
/// So projects are looked at in the order of what each request to it saves, and a project goes there if the whole is then
/// done sooner, or as soon with fewer requests. This is greedy: ARCHITECTURE.md says what the best plan would save.
pub(crate) fn choose(costs: &[PathCost], model: &CostModel) -> Vec<AccessPath> {
    let mut paths: Vec<AccessPath> = costs.iter().map(|cost| cost.path(cost.by_issue.is_none())).collect();
    let fixed: u64 = costs.iter().filter(|cost| cost.by_issue.is_none()).filter_map(|cost| cost.by_project).sum();
    let mut best = Plan { by_project: fixed, by_issue: costs.iter().filter_map(|cost| cost.by_issue).sum() };
    let both = costs.iter().enumerate().filter_map(|(at, cost)| Some((at, cost.by_project?, cost.by_issue?)));
    let mut open: Vec<(usize, u64, u64)> = both.collect();
    let saved = |(_, pages, saves): &(usize, u64, u64)| number(*saves) / number((*pages).max(1));
    open.sort_by(|a, b| saved(b).total_cmp(&saved(a)));
    for (at, pages, saves) in open {
        let other = Plan { by_project: best.by_project + pages, by_issue: best.by_issue - saves };
        if other.is_better_than(&best, model) {
            (best, paths[at]) = (other, AccessPath::ByProject);
        }
    }
    paths
}

/// Requests of a plan, by the bucket that they draw on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Plan {
    by_project: u64,
    by_issue: u64,
}

impl Plan {
    fn requests(self) -> u64 {
        self.by_project + self.by_issue
    }

    /// How long it takes.
    fn seconds(self, model: &CostModel) -> f64 {
        let bucket = model.project_bucket.map_or(0.0, |bucket| bucket.seconds(self.by_project));
        let shared = model.issue_rate.map_or(0.0, |rate| number(self.by_issue) / rate);
        (number(self.requests()) / model.ceiling).max(shared).max(bucket)
    }

    /// Whether it is done sooner, or as soon with no more requests.
    fn is_better_than(self, other: &Self, model: &CostModel) -> bool {
        let sooner = other.seconds(model) - self.seconds(model);
        sooner > EQUAL || (sooner >= -EQUAL && self.requests() <= other.requests())
    }
}

/// Times that differ by no more than this are equal, in seconds.
const EQUAL: f64 = 1e-9;

#[expect(clippy::cast_precision_loss, reason = "numbers of requests are far below 2^52")]
fn number(count: u64) -> f64 {
    count as f64
}

/// Requests for a list of `rows`: at least one. Each page after the first begins with the last row of the one before.
pub(crate) fn pages(rows: u64, page: u64) -> u64 {
    1 + rows.saturating_sub(page).div_ceil((page - 1).max(1))
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
