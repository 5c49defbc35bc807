//! The plan against every other plan, and against the arithmetic of known organizations.

use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::*;

const UNLIMITED: CostModel =
    CostModel { page: 100, ceiling: 10.0, issue_rate: None, project_bucket: None, project_windows: true };
const BUCKET: Budget = Budget { limit: 60, window: 60.0, left: 60, rest: 30.0, each: 0.05 };
const SAAS: CostModel = CostModel { ceiling: 40.0, issue_rate: Some(40.0), project_bucket: Some(BUCKET), ..UNLIMITED };
const KEEP_ALL: Sampling =
    Sampling { fraction: None, max_per_project: None, min_per_issue: 5, max_per_issue: 100, seed: 0, shaped: false };

fn issues(counts: &[u64]) -> Vec<ChangedIssue> {
    let issue = |events: &u64| ChangedIssue {
        id: "1".into(),
        title: "".into(),
        events: Some(*events),
        lifetime: Some(*events),
        last_seen: None,
        is_error: true,
        since: None,
    };
    counts.iter().map(issue).collect()
}

fn cost_of(counts: &[u64], sampling: &Sampling, full: bool, model: &CostModel) -> PathCost {
    let issues = issues(counts);
    path_cost(&issues.iter().collect::<Vec<_>>(), sampling, full, model)
}

fn plain(counts: &[u64], model: &CostModel) -> PathCost {
    cost_of(counts, &KEEP_ALL, false, model)
}

/// Time and requests of a plan, reckoned in the plainest way.
fn cost(costs: &[PathCost], paths: &[AccessPath], model: &CostModel) -> (f64, u64) {
    let pages = |by_project: bool| -> u64 {
        let chosen = costs.iter().zip(paths).filter(|(_, path)| (**path == AccessPath::ByProject) == by_project);
        chosen.filter_map(|(cost, _)| if by_project { cost.by_project } else { cost.by_issue }).sum()
    };
    let (project, issue) = (pages(true), pages(false));
    let bucket = model.project_bucket.map_or(0.0, |bucket| bucket.seconds(project));
    let shared = model.issue_rate.map_or(0.0, |rate| number(issue) / rate);
    ((number(project + issue) / model.ceiling).max(shared).max(bucket), project + issue)
}

#[test]
fn without_limits_fewest_requests_win() {
    let costs = [plain(&[5; 50], &UNLIMITED), plain(&[1000], &UNLIMITED), plain(&[150, 150], &UNLIMITED)];
    assert_eq!(costs[0], PathCost { by_project: Some(3), by_issue: Some(50), issue_path: AccessPath::ByIssue });
    assert_eq!(choose(&costs, &UNLIMITED), [AccessPath::ByProject; 3], "a tie goes to one list");
}

#[test]
fn a_bucket_takes_its_window_at_once_and_the_rest_with_the_next_ones() {
    let near = |requests, seconds: f64| (BUCKET.seconds(requests) - seconds).abs() < 1e-9;
    assert!(near(0, 0.0) && near(60, 3.0) && near(61, 30.05) && near(120, 33.0) && near(121, 90.05));
    let slow = Budget { each: 2.0, ..BUCKET };
    assert!((slow.seconds(120) - 240.0).abs() < 1e-9, "requests take longer than their window");
}

/// 20 projects of 50 issues of 50 events, 40 requests a second: an issue takes one page, a project 26, which have a row in
/// common each.
#[test]
fn the_slow_bucket_takes_a_share_while_the_fast_one_works() {
    let costs = vec![plain(&[50; 50], &SAAS); 20];
    let paths = choose(&costs, &SAAS);
    let (seconds, requests) = cost(&costs, &paths, &SAAS);
    // All by issue: 1000 / 40 = 25 s. Two projects fit into the running window: (18 * 50 + 2 * 26) / 40 = 23.8 s.
    assert_eq!((requests, paths.iter().filter(|path| **path == AccessPath::ByProject).count()), (952, 2));
    assert!((seconds - 23.8).abs() < 1e-9, "{seconds}");
    // At 10 requests a second the next window comes in time for two more, but not the one after it.
    let slow = CostModel { ceiling: 10.0, ..SAAS };
    let (seconds, requests) = cost(&costs, &choose(&costs, &slow), &slow);
    assert_eq!((requests, seconds), (16 * 50 + 4 * 26, 90.4));
}

/// 10 projects of 1000 issues of 5 events: a project takes 51 pages, its issues 1000.
#[test]
fn many_small_issues_go_by_project_even_if_that_is_slow() {
    let costs = vec![plain(&[5; 1000], &SAAS); 10];
    let (seconds, requests) = cost(&costs, &choose(&costs, &SAAS), &SAAS);
    // By hand: 6 projects are 306 pages in 6 windows; the other four are 4000 / 40 = 100 s.
    let by_hand = (0..=10_u64).map(|n| BUCKET.seconds(51 * n).max(number((10 - n) * 1000 + 51 * n) / 40.0));
    let best = by_hand.fold(f64::MAX, f64::min);
    assert!(seconds <= best + 1e-9, "{seconds} against {best}, {requests} requests");
}

#[test]
fn sampling_and_old_servers_decide_before_the_price() {
    let sampling = |fraction, max_per_project| Sampling { fraction, max_per_project, ..KEEP_ALL };
    let path = |counts: &[u64], sampling: Sampling, full, model: &CostModel| {
        choose(&[cost_of(counts, &sampling, full, model)], model)[0]
    };
    let (small, big) = ([5; 50], [1000; 5]);
    assert_eq!(
        path(&small, sampling(Some(0.1), None), false, &UNLIMITED),
        AccessPath::ByProject,
        "3 requests against 50"
    );
    assert_eq!(path(&big, sampling(Some(0.1), None), false, &UNLIMITED), AccessPath::SampleByIssue, "5 against 50");
    assert_eq!(path(&small, sampling(Some(0.1), Some(10)), false, &UNLIMITED), AccessPath::ByProject);
    assert_eq!(path(&small, sampling(Some(1.0), None), false, &UNLIMITED), AccessPath::ByProject);
    assert_eq!(path(&small, KEEP_ALL, true, &UNLIMITED), AccessPath::ByIssue, "whole bodies");
    let old = CostModel { project_windows: false, ..UNLIMITED };
    assert_eq!(path(&small, KEEP_ALL, false, &old), AccessPath::ByIssue);
    assert_eq!(path(&[20_000; 9], sampling(Some(0.9), None), false, &UNLIMITED), AccessPath::SampleByIssue);
}

fn any_cost() -> impl Strategy<Value = PathCost> {
    (prop::option::weighted(0.8, 1_u64..40), prop::option::weighted(0.9, 1_u64..200)).prop_map(
        |(by_project, by_issue)| {
            let by_project = by_project.or(by_issue.is_none().then_some(1));
            PathCost { by_project, by_issue, issue_path: AccessPath::ByIssue }
        },
    )
}

/// Time and requests of the best of all plans.
fn best(costs: &[PathCost], model: &CostModel) -> (f64, u64) {
    let plans = (0_u32..1 << costs.len()).map(|plan| {
        let paths = costs.iter().enumerate().map(|(at, cost)| {
            let wanted = plan >> at & 1 == 1;
            cost.path((wanted || cost.by_issue.is_none()) && cost.by_project.is_some())
        });
        cost(costs, &paths.collect::<Vec<_>>(), model)
    });
    plans.min_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1))).expect("a plan")
}

proptest! {
    #[test]
    fn a_plan_is_never_slower_than_lists_of_issues_alone(
        costs in prop::collection::vec(any_cost(), 1..20), ceiling in 1.0..80.0_f64, limit in 1_u64..80,
        left in 0_u64..80, rest in 0.0..60.0_f64, each in 0.001..0.5_f64,
    ) {
        let bucket = Budget { limit, window: 60.0, left: left.min(limit), rest, each };
        let model = CostModel { ceiling, issue_rate: Some(40.0), project_bucket: Some(bucket), ..UNLIMITED };
        let by_issue: Vec<_> = costs.iter().map(|cost| cost.path(cost.by_issue.is_none())).collect();
        let (seconds, _) = cost(&costs, &choose(&costs, &model), &model);
        prop_assert!(seconds <= cost(&costs, &by_issue, &model).0 + EQUAL);
    }

    #[test]
    fn without_limits_no_other_plan_is_better(
        costs in prop::collection::vec(any_cost(), 1..9), ceiling in 1.0..80.0_f64,
    ) {
        let model = CostModel { ceiling, ..UNLIMITED };
        prop_assert_eq!(cost(&costs, &choose(&costs, &model), &model), best(&costs, &model));
    }
}

/// Organizations of sentry.io with a few projects of any size: the greedy choice against the best of all plans.
#[test]
fn over_many_organizations_the_best_plans_would_save_little() {
    let mut rng = StdRng::seed_from_u64(7);
    let (mut chosen, mut possible) = (0.0, 0.0);
    for _ in 0..300 {
        let mut project = || {
            let issues = 2_f64.powf(rng.random_range(0.0..10.0)).ceil();
            let pages = (issues * 2_f64.powf(rng.random_range(-6.0..2.0))).ceil();
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small whole numbers")]
            let (by_project, by_issue) = (Some(pages as u64), Some(issues as u64));
            PathCost { by_project, by_issue, issue_path: AccessPath::ByIssue }
        };
        let costs: Vec<PathCost> = (0..8).map(|_| project()).collect();
        chosen += cost(&costs, &choose(&costs, &SAAS), &SAAS).0;
        possible += best(&costs, &SAAS).0;
    }
    assert!(chosen <= possible * 1.05, "{chosen:.0} s against {possible:.0} s");
}
