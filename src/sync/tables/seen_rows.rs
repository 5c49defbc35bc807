//! Which rows of a list have come, so that each is written once, and what proves that none was hidden. Pure.
//!
//! A list of so many rows that has shown as many different ones has shown all of them, if it did not change meanwhile.

use std::collections::HashSet;

use crate::json::fingerprint::fingerprint;
use crate::time::Time;

/// Readings in a row that may bring nothing new before rows of one time are given up.
const MOST_BARREN: u32 = 3;
/// Readings of rows of one time at most.
const MOST_READINGS: u32 = 30;

/// The rows of one list, over all its readings.
#[derive(Debug, Default)]
pub(crate) struct SeenRows {
    /// Keys of earlier readings, as fingerprints.
    earlier: HashSet<u64>,
    /// Keys of this reading.
    reading: HashSet<u64>,
    /// Rows of this reading.
    rows: usize,
    /// Whether a row came twice in this reading, and the newest time of those that did.
    twice: bool,
    twice_at: Option<Time>,
}

impl SeenRows {
    /// Begins another reading of the same list.
    pub(crate) fn read_again(&mut self) {
        self.earlier.extend(self.reading.drain());
        (self.rows, self.twice, self.twice_at) = (0, false, None);
    }

    /// Begins to read a list that has only rows of the last reading and rows that were not read yet.
    pub(crate) fn read_on(&mut self) {
        self.earlier = std::mem::take(&mut self.reading);
        (self.rows, self.twice, self.twice_at) = (0, false, None);
    }

    /// Notes a row with its key and time. Returns whether it is new. `repeated` says that the page before had it.
    pub(crate) fn note(&mut self, key: &str, time: Option<Time>, repeated: bool) -> bool {
        // The writer refuses rows without a key, and says so.
        if key.is_empty() {
            return !repeated;
        }
        let key = fingerprint([key]);
        let first = self.reading.insert(key);
        if !repeated {
            self.rows += 1;
            if !first {
                (self.twice, self.twice_at) = (true, self.twice_at.max(time));
            }
        }
        first && !self.earlier.contains(&key)
    }

    /// Whether a row came twice in this reading. Then another was hidden, or rows have moved.
    pub(crate) fn has_twice(&self) -> bool {
        self.twice
    }

    /// The newest time of the rows that came twice.
    pub(crate) fn twice_at(&self) -> Option<Time> {
        self.twice_at
    }

    /// The keys of this reading.
    pub(crate) fn keys(&self) -> &HashSet<u64> {
        &self.reading
    }
}

/// Adds up readings of a list whose rows come in another order in each, until they have shown all rows.
#[derive(Debug, Default)]
pub(crate) struct AddedUp {
    keys: HashSet<u64>,
    rows: usize,
    agreeing: u32,
    barren: u32,
    readings: u32,
}

impl AddedUp {
    /// Takes a reading over.
    pub(crate) fn add(&mut self, seen: &SeenRows) {
        self.readings += 1;
        let before = self.keys.len();
        self.keys.extend(&seen.reading);
        self.barren = if self.keys.len() > before { 0 } else { self.barren + 1 };
        if seen.rows == self.rows && self.keys.len() <= self.rows {
            self.agreeing += 1;
        } else {
            // The list has changed. Rows that are gone do not stand for others.
            self.keys.clone_from(&seen.reading);
            (self.rows, self.agreeing) = (seen.rows, 1);
        }
    }

    /// Whether all rows are known: two readings found the list as long as it was, and all together they have shown as many
    /// different rows.
    pub(crate) fn is_whole(&self) -> bool {
        self.agreeing >= 2 && self.keys.len() == self.rows
    }

    /// Whether more readings are not worth it.
    pub(crate) fn is_hopeless(&self) -> bool {
        self.barren >= MOST_BARREN || self.readings >= MOST_READINGS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl AddedUp {
        fn is_whole_with(&mut self, seen: &SeenRows) -> bool {
            self.add(seen);
            self.is_whole()
        }
    }

    fn reading(keys: impl IntoIterator<Item = u32>) -> SeenRows {
        let mut seen = SeenRows::default();
        for key in keys {
            seen.note(&key.to_string(), None, false);
        }
        seen
    }

    #[test]
    fn readings_add_up_to_as_many_rows_as_the_list_has() {
        let mut sum = AddedUp::default();
        assert!(!sum.is_whole_with(&reading([1, 2, 2])));
        assert!(!sum.is_whole_with(&reading([2, 1, 1])));
        assert!(sum.is_whole_with(&reading([3, 2, 3])));
    }

    #[test]
    fn a_row_that_goes_does_not_stand_for_one_that_was_hidden() {
        let mut sum = AddedUp::default();
        // Row 1 goes after the first page was read, and pulls row 4 over the boundary.
        assert!(!sum.is_whole_with(&reading([1, 2, 3, 5])));
        assert!(!sum.is_whole_with(&reading([2, 3, 4, 5])));
        assert!(sum.is_whole_with(&reading([2, 3, 4, 5])));
    }

    #[test]
    fn rows_that_never_come_are_given_up() {
        let mut sum = AddedUp::default();
        let mut readings = 0;
        while !sum.is_hopeless() {
            assert!(!sum.is_whole_with(&reading([1, 1])));
            readings += 1;
        }
        assert!(readings <= 5);
    }

    #[test]
    fn a_row_is_new_once_and_one_that_comes_twice_is_noticed() {
        let mut seen = SeenRows::default();
        assert!(seen.note("1", None, false) && !seen.note("1", None, true) && !seen.has_twice());
        assert!(!seen.note("1", None, false) && seen.has_twice());
        seen.read_again();
        assert!(!seen.note("1", None, false) && seen.note("2", None, false) && !seen.has_twice());
    }
}
