//! The cheapest way to get a project's events. Pure: numbers in, a way and its reason out.
//!
//! Any server can list events by issue or by project, and the union is the same; the price is not.

use crate::config::Sampling;
use crate::sampling::keep;

/// Rows of a sample that may wait in memory for the end of a project's list.
const SAMPLE_IN_MEMORY: u64 = 10_000;

/// What is known of an issue before its events are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangedIssue {
    /// Issue id.
    pub id: Box<str>,
    /// Title, for records that came by the issue.
    pub title: Box<str>,
    /// Events in the window; `None` where the server does not say.
    pub events: Option<u64>,
    /// Events in its whole life; `None` where the server does not say.
    pub lifetime: Option<u64>,
    /// Whether project event lists hold its events: error issues only (API §2.7).
    pub is_error: bool,
}

/// How the server charges for event lists.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prices {
    /// Rows on a page.
    pub page: u64,
    /// Pages of issue events per second.
    pub issue_pages_per_second: f64,
    /// Pages of project events per second.
    pub project_pages_per_second: f64,
    /// Whether project event lists honour a window; without, they would have to be read from the newest on.
    pub project_windows: bool,
}

/// How a project's error events are listed. Issues of other kinds are always listed one by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// One list for the project.
    ByProject,
    /// One list per issue.
    ByIssue,
    /// One list per issue, of which only a sample is read.
    SampleByIssue,
}

impl Way {
    /// The name under which the state remembers it.
    pub fn name(self) -> &'static str {
        match self {
            Self::ByProject => "project",
            Self::ByIssue => "issue",
            Self::SampleByIssue => "sample",
        }
    }

    /// The way of that name.
    pub fn named(name: &str) -> Option<Self> {
        [Self::ByProject, Self::ByIssue, Self::SampleByIssue].into_iter().find(|way| way.name() == name)
    }
}

/// A way and why it was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The way.
    pub way: Way,
    /// For the debug log.
    pub reason: String,
}

/// Chooses for one project. `full` says that whole bodies are wanted.
pub fn choose(issues: &[&ChangedIssue], sampling: &Sampling, full: bool, prices: Prices) -> Decision {
    let decide = |way, reason: &str| Decision { way, reason: reason.to_owned() };
    if sampling.max_per_project.is_some() {
        return decide(Way::ByProject, "max_events_per_project takes the newest events of the project");
    }
    if let Some(fraction) = sampling.fraction.filter(|fraction| *fraction < 1.0) {
        return choose_sample(issues, sampling, fraction, full, prices);
    }
    if !prices.project_windows {
        return decide(Way::ByIssue, "this server's project event lists know no window");
    }
    if full {
        return decide(Way::ByIssue, "whole bodies are cheapest by issue");
    }
    let errors = issues.iter().filter(|issue| issue.is_error);
    if errors.clone().any(|issue| issue.events.is_none()) {
        return decide(Way::ByIssue, "the number of events is not known");
    }
    let counts = || errors.clone().filter_map(|issue| issue.events);
    let by_project = pages(counts().sum(), prices.page);
    let by_issue: u64 = counts().map(|count| pages(count, prices.page)).sum();
    compare(by_project, by_issue, prices)
}

/// A sample is drawn per issue, with the server's help for big ones; where issues are many and small, one list for the
/// project costs less, and the sample is drawn here, if it is small enough to be kept in memory until the list ends.
fn choose_sample(issues: &[&ChangedIssue], sampling: &Sampling, fraction: f64, full: bool, prices: Prices) -> Decision {
    let by_issue = |reason: String| Decision { way: Way::SampleByIssue, reason };
    let errors: Vec<&ChangedIssue> = issues.iter().copied().filter(|issue| issue.is_error).collect();
    if full || !prices.project_windows || errors.iter().any(|issue| issue.events.is_none()) {
        return by_issue("a sample is drawn per issue".to_owned());
    }
    let counts = || errors.iter().filter_map(|issue| issue.events);
    let kept = |n: u64| keep(n, fraction, sampling.min_per_issue, sampling.max_per_issue, 0);
    if counts().map(kept).sum::<u64>() > SAMPLE_IN_MEMORY {
        return by_issue("the project's sample is too big to be drawn from one list".to_owned());
    }
    let pages_by_issue = |n: u64| pages(if n > prices.page { kept(n) } else { n }, prices.page);
    let decision = compare(pages(counts().sum(), prices.page), counts().map(pages_by_issue).sum(), prices);
    match decision.way {
        Way::ByProject => decision,
        _ => by_issue(decision.reason),
    }
}

fn compare(by_project: u64, by_issue: u64, prices: Prices) -> Decision {
    #[expect(clippy::cast_precision_loss, reason = "numbers of pages are far below 2^52")]
    let seconds = |pages: u64, rate: f64| pages as f64 / rate;
    let project_seconds = seconds(by_project, prices.project_pages_per_second);
    let issue_seconds = seconds(by_issue, prices.issue_pages_per_second);
    let reason = format!(
        "by project {by_project} requests in {project_seconds:.1} s, by issue {by_issue} in {issue_seconds:.1} s"
    );
    let by_project_wins = match project_seconds.total_cmp(&issue_seconds) {
        std::cmp::Ordering::Less => true,
        std::cmp::Ordering::Greater => false,
        std::cmp::Ordering::Equal => by_project <= by_issue,
    };
    Decision { way: if by_project_wins { Way::ByProject } else { Way::ByIssue }, reason }
}

/// Requests for a list of `rows`: at least one.
fn pages(rows: u64, page: u64) -> u64 {
    rows.div_ceil(page).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SELF_HOSTED: Prices =
        Prices { page: 100, issue_pages_per_second: 10.0, project_pages_per_second: 10.0, project_windows: true };
    const SAAS: Prices = Prices { project_pages_per_second: 1.0, ..SELF_HOSTED };

    fn issues(counts: &[u64]) -> Vec<ChangedIssue> {
        let issue = |events: &u64| ChangedIssue {
            id: "1".into(),
            title: "".into(),
            events: Some(*events),
            lifetime: Some(*events),
            is_error: true,
        };
        counts.iter().map(issue).collect()
    }

    fn refs(issues: &[ChangedIssue]) -> Vec<&ChangedIssue> {
        issues.iter().collect()
    }

    fn sampling(fraction: Option<f64>, max_per_project: Option<u64>) -> Sampling {
        Sampling { fraction, max_per_project, min_per_issue: 5, max_per_issue: 100, seed: 0, shaped: false }
    }

    #[test]
    fn without_limits_fewest_requests_win() {
        let way = |counts: &[u64]| choose(&refs(&issues(counts)), &sampling(None, None), false, SELF_HOSTED).way;
        assert_eq!(way(&[5; 50]), Way::ByProject);
        assert_eq!(way(&[1000]), Way::ByProject, "a tie goes to one list");
    }

    #[test]
    fn where_project_lists_are_slow_many_small_issues_still_go_by_project() {
        let way = |counts: &[u64]| choose(&refs(&issues(counts)), &sampling(None, None), false, SAAS).way;
        assert_eq!(way(&[5; 50]), Way::ByProject, "3 s against 5 s");
        assert_eq!(way(&[1000; 3]), Way::ByIssue, "30 s against 3 s");
    }

    #[test]
    fn sampling_and_old_servers_decide_before_the_price() {
        let load = issues(&[5; 50]);
        assert_eq!(
            choose(&refs(&load), &sampling(Some(0.1), None), false, SELF_HOSTED).way,
            Way::ByProject,
            "3 requests against 50"
        );
        let big = issues(&[1000; 5]);
        assert_eq!(
            choose(&refs(&big), &sampling(Some(0.1), None), false, SELF_HOSTED).way,
            Way::SampleByIssue,
            "5 against 50"
        );
        assert_eq!(choose(&refs(&load), &sampling(Some(0.1), Some(10)), false, SELF_HOSTED).way, Way::ByProject);
        assert_eq!(choose(&refs(&load), &sampling(Some(1.0), None), false, SELF_HOSTED).way, Way::ByProject);
        let old = Prices { project_windows: false, ..SELF_HOSTED };
        assert_eq!(choose(&refs(&load), &sampling(None, None), false, old).way, Way::ByIssue);
    }
}
