//! Lists that are split by project and count as one: how projects are divided among them, and how far all have come. Pure.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use crate::sentry::endpoints::MAX_PROJECT_IDS;
use crate::time::Time;

/// How far one of the lists has been written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SplitPosition {
    /// Nothing can be said: not begun, or its rows have no order.
    Unknown,
    /// Everything newer than this second.
    Down(Time),
    /// All of it.
    Whole,
}

/// Divides projects among lists so that each has about as many rows, going by a sample of the rows.
pub(crate) fn divide(seen: BTreeMap<&str, usize>, lists: usize) -> Vec<Vec<String>> {
    let mut seen: Vec<(&str, usize)> = seen.into_iter().collect();
    seen.sort_by_key(|(_, rows)| Reverse(*rows));
    let mut splits: Vec<(usize, Vec<String>)> = vec![(0, Vec::new()); lists.min(seen.len())];
    for (project, rows) in seen {
        if let Some((rows_so_far, split)) = splits.iter_mut().min_by_key(|(rows_so_far, _)| *rows_so_far) {
            *rows_so_far += rows.max(1);
            split.push(project.to_owned());
        }
    }
    let splits: Vec<Vec<String>> = splits.into_iter().map(|(_, split)| split).collect();
    if splits.iter().any(|split| split.len() > MAX_PROJECT_IDS) { Vec::new() } else { splits }
}

/// Everything newer than this second has been written of all lists: the position of the one that is furthest behind.
pub(crate) fn low_watermark(positions: &[SplitPosition]) -> Option<Time> {
    let down = |position: &SplitPosition| match position {
        SplitPosition::Unknown => None,
        SplitPosition::Down(time) => Some(*time),
        SplitPosition::Whole => Some(Time::MIN_UTC),
    };
    let all: Option<Vec<Time>> = positions.iter().map(down).collect();
    all?.into_iter().max().filter(|time| *time > Time::MIN_UTC)
}

/// Whether rows come newest first, and the last of their times.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Order {
    last: Option<Time>,
    broken: bool,
}

impl Order {
    /// Takes the times of more rows.
    pub(crate) fn add(&mut self, times: impl Iterator<Item = Time>) {
        for time in times {
            self.broken |= self.last.is_some_and(|last| time > last);
            self.last = Some(time);
        }
    }

    /// Everything newer than this has come.
    pub(crate) fn down_to(self) -> Option<Time> {
        self.last.filter(|_| !self.broken)
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    fn time(seconds: i64) -> Time {
        DateTime::from_timestamp(seconds, 0).expect("a time")
    }

    #[test]
    fn lists_side_by_side_have_come_as_far_as_the_slowest() {
        let down = |seconds| SplitPosition::Down(time(seconds));
        assert_eq!(low_watermark(&[down(5), down(9), SplitPosition::Whole]), Some(time(9)));
        assert_eq!(low_watermark(&[down(5), SplitPosition::Unknown]), None);
        assert_eq!(low_watermark(&[SplitPosition::Whole]), None);
    }

    #[test]
    fn rows_out_of_order_say_nothing_of_the_rest() {
        let mut ordered = Order::default();
        ordered.add([9, 9, 4].into_iter().map(time));
        assert_eq!(ordered.down_to(), Some(time(4)));
        ordered.add([5].into_iter().map(time));
        assert_eq!(ordered.down_to(), None);
    }

    #[test]
    fn big_projects_are_spread_over_the_lists() {
        let ids: Vec<String> = (0..6).map(|id| id.to_string()).collect();
        let seen = ids.iter().map(String::as_str).zip([50, 30, 10, 5, 3, 0]).collect();
        let splits = divide(seen, 2);
        assert_eq!(splits, [vec!["0".to_owned()], ["1", "2", "3", "4", "5"].map(str::to_owned).to_vec()]);
        assert!(divide(ids.iter().map(|id| (id.as_str(), 1)).collect(), 0).is_empty());
        let many: Vec<String> = (0..250).map(|id| id.to_string()).collect();
        assert!(divide(many.iter().map(|id| (id.as_str(), 0)).collect(), 2).is_empty(), "URLs have an end");
    }
}
