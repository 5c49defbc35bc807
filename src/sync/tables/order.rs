//! The order of a list that comes newest first, as far as its rows have shown it. Pure.
//!
//! Servers of some ages sort by another time than the replication key. So a list has one or two orders that it may come
//! in. Each counts until two rows break it. What is said of the list holds for all that are left.

use crate::json::row::Row;
use crate::sentry::window::Window;
use crate::streams::Stream;
use crate::time::Time;

/// The times that a row may be sorted by, each in whole seconds. Absent where it cannot be read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct RowTimes {
    /// The replication key.
    pub(crate) key: Option<Time>,
    /// The field that some servers sort by, or the replication key where the row has no such time.
    sorted: Option<Time>,
}

impl RowTimes {
    /// Reads the times of a row.
    pub(crate) fn of(stream: &Stream, row: &Row<'_>) -> Self {
        let read = |field: Option<&str>| field.and_then(|field| Window::second_of(row.text(field).as_deref()));
        let key = read(stream.replication_key());
        Self { key, sorted: read(stream.sorted_by).or(key) }
    }

    /// The later of both.
    pub(crate) fn latest(self) -> Option<Time> {
        self.key.max(self.sorted)
    }

    /// The earlier one of both, and the later one if they differ. `None` for a row without times.
    pub(crate) fn span(self) -> Option<(Time, Option<Time>)> {
        let (latest, key) = (self.latest()?, self.key.or(self.sorted)?);
        let earliest = key.min(self.sorted.unwrap_or(key));
        Some((earliest, Some(latest).filter(|latest| *latest != earliest)))
    }

    /// Whether one of the times is in the window. A row without times is taken to be.
    pub(crate) fn lies_in(self, window: Window) -> bool {
        self.latest().is_none() || [self.key, self.sorted].into_iter().flatten().any(|time| window.contains(time))
    }
}

/// The order of one list.
#[derive(Debug, Clone)]
pub(crate) struct ListOrder {
    last: RowTimes,
    by_key: bool,
    by_sorted: bool,
}

impl ListOrder {
    /// Of a list of which no row was seen.
    pub(crate) fn new() -> Self {
        Self { last: RowTimes::default(), by_key: true, by_sorted: true }
    }

    /// The list is read on from an earlier row. An order that was broken stays so.
    pub(crate) fn restart(&mut self) {
        self.last = RowTimes::default();
    }

    /// The times of the last row that was seen.
    pub(crate) fn last(&self) -> RowTimes {
        self.last
    }

    /// Looks at the next row of the list.
    pub(crate) fn observe(&mut self, times: RowTimes) {
        let falls =
            |last: Option<Time>, time: Option<Time>| last.is_none_or(|last| time.is_none_or(|time| time <= last));
        self.by_key &= falls(self.last.key, times.key);
        self.by_sorted &= falls(self.last.sorted, times.sorted);
        self.last = RowTimes { key: times.key.or(self.last.key), sorted: times.sorted.or(self.last.sorted) };
    }

    /// Whether no order is left that the list may come in.
    pub(crate) fn is_broken(&self) -> bool {
        !self.by_key && !self.by_sorted
    }

    /// Every row after this one in the list is from this second or older. Absent if the order does not prove it.
    pub(crate) fn watermark(&self, times: RowTimes) -> Option<Time> {
        match (self.by_key, self.by_sorted) {
            (true, true) => times.latest(),
            (true, false) => times.key,
            (false, true) => times.sorted,
            (false, false) => None,
        }
    }

    /// The same for the last row that was seen.
    pub(crate) fn low_watermark(&self) -> Option<Time> {
        self.watermark(self.last)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn times(key: i64, sorted: i64) -> RowTimes {
        let time = |seconds| Time::from_timestamp(seconds, 0);
        RowTimes { key: time(key), sorted: time(sorted) }
    }

    proptest! {
        /// Rows are created and released at any later time, and the server sorts by either. A mark that holds for every
        /// order that is left never leaves out a row that comes after it.
        #[test]
        fn no_row_after_a_mark_is_newer_than_the_mark(rows in prop::collection::vec((0_i64..50, 0_i64..20), 0..40), by_key: bool) {
            let mut rows: Vec<(i64, i64)> = rows.into_iter().map(|(key, later)| (key, key + later)).collect();
            rows.sort_by_key(|(key, sorted)| std::cmp::Reverse(if by_key { *key } else { *sorted }));
            let mut order = ListOrder::new();
            for (nth, (key, sorted)) in rows.iter().enumerate() {
                order.observe(times(*key, *sorted));
                prop_assert!(!order.is_broken());
                let mark = order.low_watermark().expect("an order is left").timestamp();
                for (key, sorted) in &rows[nth + 1..] {
                    prop_assert!(*key <= mark && (by_key || *sorted <= mark));
                }
            }
        }
    }

    #[test]
    fn an_order_by_neither_time_is_broken_and_proves_nothing() {
        let mut order = ListOrder::new();
        for (key, sorted) in [(5, 5), (9, 9)] {
            order.observe(times(key, sorted));
        }
        assert!(order.is_broken());
        assert_eq!(order.low_watermark(), None);
    }

    #[test]
    fn a_row_is_in_a_window_by_either_time() {
        let window = Window {
            start: Time::from_timestamp(10, 0).expect("a time"),
            end: Time::from_timestamp(20, 0).expect("a time"),
        };
        assert!(times(5, 12).lies_in(window) && times(12, 25).lies_in(window) && RowTimes::default().lies_in(window));
        assert!(!times(5, 25).lies_in(window) && !times(5, 5).lies_in(window));
    }
}
