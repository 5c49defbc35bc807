use proptest::prelude::*;

use super::*;

fn issues(count: u64) -> Vec<(String, u64)> {
    (1..=count).map(|id| ((id * 7).to_string(), 10)).collect()
}

fn resumed(kept: &Frontier, issues: &[(String, u64)]) -> IssueProgress {
    IssueProgress::resume(kept, issues.iter().map(|(id, events)| Listed { id, events: *events }))
}

/// What an interrupted run knows after the state has been written and read.
fn stored(progress: &IssueProgress) -> Frontier {
    let text = serde_json::to_string(&progress.kept()).expect("a frontier can be written");
    serde_json::from_str(&text).expect("a frontier can be read")
}

proptest! {
    #[test]
    fn what_is_done_up_to_the_first_open_issue_is_kept_and_nothing_is_invented(
        order in Just((0_usize..120).collect::<Vec<_>>()).prop_shuffle(),
        stop in 0_usize..120,
    ) {
        let all = issues(120);
        let mut progress = resumed(&Frontier::default(), &all);
        let done: BTreeSet<usize> = order.into_iter().take(stop).collect();
        for at in &done {
            progress.finish(&all[*at].0);
        }
        let kept = stored(&progress);
        prop_assert!(kept.ranges.len() <= MOST_RANGES);
        let next = resumed(&kept, &all);
        let first_open = (0..120).find(|at| !done.contains(at)).unwrap_or(120);
        for (at, (id, _)) in all.iter().enumerate() {
            let left = if at < first_open { Left::Nothing } else { Left::Everything };
            prop_assert_eq!(next.left(id), left, "issue {}", id);
        }
    }

    #[test]
    fn a_range_that_grew_is_read_again_and_no_more_than_a_few_others(grown in 0_usize..2000) {
        let mut all = issues(2000);
        let mut progress = resumed(&Frontier::default(), &all);
        for (id, _) in &all {
            progress.finish(id);
        }
        all[grown].1 += 1;
        let next = resumed(&stored(&progress), &all);
        let again = all.iter().filter(|(id, _)| next.left(id) == Left::Everything).count();
        prop_assert_eq!(next.left(&all[grown].0), Left::Everything);
        prop_assert!(again <= 4 * 2000 / MOST_RANGES, "{} issues are read again", again);
    }
}

#[test]
fn what_was_done_beyond_a_range_that_grew_is_kept_once_the_range_is_read() {
    let mut all = issues(100);
    let mut progress = resumed(&Frontier::default(), &all);
    for (id, _) in &all[..90] {
        progress.finish(id);
    }
    all[3].1 += 5;
    let mut next = resumed(&stored(&progress), &all);
    let again: Vec<&String> = all.iter().map(|(id, _)| id).filter(|id| next.left(id) == Left::Everything).collect();
    let (grown, rest) = again.split_at(again.len() - 10);
    for id in grown {
        next.finish(id);
    }
    let last = resumed(&stored(&next), &all);
    let open: Vec<&String> = all.iter().map(|(id, _)| id).filter(|id| last.left(id) != Left::Nothing).collect();
    assert_eq!(open, rest);
}

#[test]
fn a_long_issue_stands_beside_the_frontier() {
    let all = issues(300);
    let until = Time::default();
    let mut progress = resumed(&Frontier::default(), &all);
    progress.advance_to("7", until);
    for (id, _) in &all[1..250] {
        progress.finish(id);
    }
    let mut next = resumed(&stored(&progress), &all);
    assert_eq!((next.left("7"), next.long_issues()), (Left::Until(until), 1));
    assert_eq!((next.left("14"), next.left(&all[249].0)), (Left::Nothing, Left::Nothing));
    assert_eq!(next.left(&all[250].0), Left::Everything);
    next.finish("7");
    assert_eq!(resumed(&stored(&next), &all).left("7"), Left::Nothing);
}

#[test]
fn a_long_issue_beyond_the_frontier_is_continued() {
    let all = issues(20);
    let mut progress = resumed(&Frontier::default(), &all);
    progress.advance_to("70", Time::default());
    let next = resumed(&stored(&progress), &all);
    assert_eq!((next.left("7"), next.left("70")), (Left::Everything, Left::Until(Time::default())));
}

#[test]
fn a_long_issue_that_grew_is_read_from_its_beginning() {
    let mut all = issues(9);
    let mut progress = resumed(&Frontier::default(), &all);
    progress.advance_to("7", Time::default());
    all[0].1 += 1;
    assert_eq!(resumed(&stored(&progress), &all).left("7"), Left::Everything);
}

#[test]
fn a_ninth_long_issue_holds_the_frontier_up() {
    let all = issues(12);
    let mut progress = resumed(&Frontier::default(), &all);
    for (id, _) in &all[..9] {
        progress.advance_to(id, Time::default());
    }
    let kept = stored(&progress);
    assert_eq!(kept.long.len(), MOST_LONG);
    assert_eq!(kept.ranges.last().map(|range| range.to.as_str()), Some("56"));
    assert_eq!(resumed(&kept, &all).left("63"), Left::Everything);
}

#[test]
fn an_issue_that_is_merged_into_a_done_one_has_it_read_again() {
    let mut all = issues(40);
    let mut progress = resumed(&Frontier::default(), &all);
    for (id, _) in &all[..20] {
        progress.finish(id);
    }
    let (_, merged) = all.remove(30);
    all[4].1 += merged;
    assert_eq!(resumed(&stored(&progress), &all).left("35"), Left::Everything);
}
