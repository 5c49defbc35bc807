//! Lists that are split by project and count as one: how projects are divided among them, and how far all have come. Pure.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use chrono::DateTime;

use crate::sentry::endpoints::MAX_PROJECT_IDS;
use crate::sentry::request::PAGE_ROWS;
use crate::time::Time;

/// The server counts no further (API §1.3).
const MOST_HITS: usize = 1000;

/// How far one of the lists has been written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SplitPosition {
    /// Nothing can be said: not begun, or its cursors do not say.
    Unknown,
    /// Everything whose key is newer than this: the time that the list is sorted by.
    Down(Time),
    /// All of it.
    Whole,
}

/// How many lists are worth it for so many rows, where so many requests at once use the rate. Each costs about half a page.
pub(crate) fn lists_for(hits: Option<u64>, at_once: usize) -> usize {
    match usize::try_from(hits.unwrap_or(0)).unwrap_or(usize::MAX) {
        MOST_HITS.. if at_once > 1 => at_once * 2, // so that lists of unlike lengths level out
        hits => at_once.min(hits.div_ceil(PAGE_ROWS).saturating_sub(1) / 2),
    }
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

/// What is sure of a page's rows, going by the cursor of the next page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PageKeys {
    /// No row has an older key than this, in whole seconds: the time that the list is sorted by.
    pub(crate) down_to: Time,
    /// No row has this very key.
    pub(crate) all_newer: bool,
}

impl PageKeys {
    /// Reads the cursor of the next page: the key of its first row in milliseconds, and how many rows of that key were on
    /// pages before (API §1.3). `None` for cursors of other kinds.
    pub(crate) fn of_cursor(next: &str) -> Option<Self> {
        let mut parts = next.split(':');
        let milliseconds: f64 = parts.next()?.parse().ok()?;
        let all_newer = parts.next()?.parse::<u64>().ok()? == 0;
        // Lists that count rows or pages have small numbers in this place.
        let is_time = (FIRST_TIME..LAST_TIME).contains(&milliseconds);
        #[expect(clippy::cast_possible_truncation, reason = "it is in range")]
        let seconds = (milliseconds / 1000.0).ceil() as i64;
        is_time.then(|| Some(Self { down_to: DateTime::from_timestamp(seconds, 0)?, all_newer }))?
    }
}

/// The year 2001, in milliseconds. Sentry is younger.
const FIRST_TIME: f64 = 978_307_200_000.0;
/// The year 9999.
const LAST_TIME: f64 = 253_370_764_800_000.0;

#[cfg(test)]
mod tests {
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
    fn cursors_say_how_far_a_list_is_where_they_are_times() {
        let keys = |seconds, all_newer| Some(PageKeys { down_to: time(seconds), all_newer });
        assert_eq!(PageKeys::of_cursor("1541430000000:3:0"), keys(1_541_430_000, false));
        assert_eq!(PageKeys::of_cursor("1541430000000.0:0:0"), keys(1_541_430_000, true));
        assert_eq!(PageKeys::of_cursor("1541430000001:0:0"), keys(1_541_430_001, true));
        for cursor in ["0:100:0", "100:1:0", "cD0yMDI2", "x:1:0", "-1:0:0", "NaN:0:0", "1541430000000"] {
            assert_eq!(PageKeys::of_cursor(cursor), None, "{cursor}");
        }
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
