//! Lists that are read abreast and count as one: how projects are divided among them, and how far all have come. Pure.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use crate::time::Time;

/// More project ids than this make the URL too long.
pub const MAX_PROJECT_IDS: usize = 100;

/// How far one of the lists that are read abreast has been written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Nothing can be said: not begun, or its rows have no order.
    Unknown,
    /// Everything newer than this second.
    Down(Time),
    /// All of it.
    Whole,
}

/// Divides projects among lists so that each has about as many rows, going by a sample of the rows.
pub fn divide(seen: BTreeMap<&str, usize>, lists: usize) -> Vec<Vec<String>> {
    let mut seen: Vec<(&str, usize)> = seen.into_iter().collect();
    seen.sort_by_key(|(_, rows)| Reverse(*rows));
    let mut parts: Vec<(usize, Vec<String>)> = vec![(0, Vec::new()); lists.min(seen.len())];
    for (project, rows) in seen {
        if let Some((load, part)) = parts.iter_mut().min_by_key(|(load, _)| *load) {
            *load += rows.max(1);
            part.push(project.to_owned());
        }
    }
    let parts: Vec<Vec<String>> = parts.into_iter().map(|(_, part)| part).collect();
    if parts.iter().any(|part| part.len() > MAX_PROJECT_IDS) { Vec::new() } else { parts }
}

/// How far the whole has been written: as far as the list that is furthest behind.
pub fn reached(depths: &[Depth]) -> Option<Time> {
    let down = |depth: &Depth| match depth {
        Depth::Unknown => None,
        Depth::Down(time) => Some(*time),
        Depth::Whole => Some(Time::MIN_UTC),
    };
    let all: Option<Vec<Time>> = depths.iter().map(down).collect();
    all?.into_iter().max().filter(|time| *time > Time::MIN_UTC)
}

/// Whether rows come newest first, and the last of their times.
#[derive(Debug, Clone, Copy, Default)]
pub struct Order {
    last: Option<Time>,
    broken: bool,
}

impl Order {
    /// Takes the times of more rows.
    pub fn add(&mut self, times: impl Iterator<Item = Time>) {
        for time in times {
            self.broken |= self.last.is_some_and(|last| time > last);
            self.last = Some(time);
        }
    }

    /// Everything newer than this has come.
    pub fn down_to(self) -> Option<Time> {
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
        let down = |seconds| Depth::Down(time(seconds));
        assert_eq!(reached(&[down(5), down(9), Depth::Whole]), Some(time(9)));
        assert_eq!(reached(&[down(5), Depth::Unknown]), None);
        assert_eq!(reached(&[Depth::Whole]), None);
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
        let parts = divide(seen, 2);
        assert_eq!(parts, [vec!["0".to_owned()], ["1", "2", "3", "4", "5"].map(str::to_owned).to_vec()]);
        assert!(divide(ids.iter().map(|id| (id.as_str(), 1)).collect(), 0).is_empty());
        let many: Vec<String> = (0..250).map(|id| id.to_string()).collect();
        assert!(divide(many.iter().map(|id| (id.as_str(), 0)).collect(), 2).is_empty(), "URLs have an end");
    }
}
