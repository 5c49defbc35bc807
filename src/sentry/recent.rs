//! Remembers the latest texts of a long sequence, as numbers. Its memory has a bound, so it forgets the earlier ones.

use std::collections::HashSet;

use crate::json::fingerprint::fingerprint;

/// Texts that are remembered at least, and twice as many at most. It is as many as a table of 1024 places takes. Rows repeat
/// within a page or two of each other, and a page has 100.
const LEAST: usize = 896;

/// The latest texts, in two halves. Half of them are forgotten at once, so no order has to be kept.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    newer: HashSet<u64>,
    older: HashSet<u64>,
}

impl Recent {
    /// Notes a text. Returns whether it is none of those that are remembered.
    pub(crate) fn is_new(&mut self, text: &str) -> bool {
        let key = fingerprint([text]);
        if self.older.contains(&key) || !self.newer.insert(key) {
            return false;
        }
        if self.newer.len() == LEAST {
            std::mem::swap(&mut self.newer, &mut self.older);
            self.newer.clear();
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_are_remembered_and_the_memory_has_a_bound() {
        let mut recent = Recent::default();
        let mut places = 0;
        for nth in 0..20 * LEAST {
            assert!(recent.is_new(&nth.to_string()));
            assert!(!recent.is_new(&nth.saturating_sub(LEAST - 1).to_string()), "{nth}");
            places = places.max(recent.newer.capacity() + recent.older.capacity());
        }
        assert!(places <= 2 * LEAST, "{places}");
        assert!(recent.is_new("0"), "it is forgotten");
    }
}
