//! Which events of a set are kept. Pure and deterministic: the same events give the same sample in every run.

use std::collections::BinaryHeap;

/// How many of an issue's `n` events to keep: `floor(n·fraction)`, raised to `least`, cut at `most`, never more than `n`.
///
/// `least` is a promise about the issue, not about each run. Earlier runs have kept that many of the `earlier` events, or
/// all of them. So only what is missing is added.
pub(crate) fn keep(n: u64, fraction: f64, least: u64, most: u64, earlier: u64) -> u64 {
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "counts of events are far below 2^52, and the fraction is between 0 and 1"
    )]
    let share = (n as f64 * fraction).floor() as u64;
    let still_missing = least.saturating_sub(earlier);
    share.max(still_missing).min(most).min(n)
}

/// The priority of an event. The smallest are kept. A 64-bit FNV-1a hash with a final mix.
pub(crate) fn priority(seed: u64, event_id: &str) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64 ^ seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    for byte in event_id.bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^ (hash >> 33)
}

/// Keeps the events with the smallest priorities of all that were offered, `most` at a time.
#[derive(Debug)]
pub(crate) struct Sample {
    most: usize,
    offered: u64,
    kept: BinaryHeap<(u64, String)>,
}

impl Sample {
    /// Keeps at most `most` rows in memory.
    pub(crate) fn new(most: u64) -> Self {
        Self { most: usize::try_from(most).unwrap_or(usize::MAX), offered: 0, kept: BinaryHeap::new() }
    }

    /// Offers a row.
    pub(crate) fn offer(&mut self, priority: u64, row: &str) {
        self.offered += 1;
        let beaten = self.kept.len() >= self.most && self.kept.peek().is_some_and(|(worst, _)| *worst <= priority);
        if beaten {
            return;
        }
        self.kept.push((priority, row.to_owned()));
        if self.kept.len() > self.most {
            self.kept.pop();
        }
    }

    /// How many rows were offered.
    pub(crate) fn offered(&self) -> u64 {
        self.offered
    }

    /// The `k` best rows, best first.
    pub(crate) fn into_rows(self, k: u64) -> Vec<String> {
        let mut rows: Vec<String> = self.kept.into_sorted_vec().into_iter().map(|(_, row)| row).collect();
        rows.truncate(usize::try_from(k).unwrap_or(usize::MAX));
        rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_documented_numbers_come_out() {
        assert_eq!(keep(5000, 0.1, 5, 100, 0), 100, "cut at the maximum per issue");
        assert_eq!(keep(500, 0.1, 5, 100, 0), 50);
        assert_eq!(keep(20, 0.1, 5, 100, 0), 5, "raised to the minimum");
        assert_eq!(keep(3, 0.1, 5, 100, 0), 3, "never more than there are");
        assert_eq!(keep(20, 0.1, 5, 100, 3), 2, "three were kept before");
        assert_eq!(keep(3, 0.1, 5, 100, 1000), 0, "the promise was kept long ago");
        assert_eq!(keep(7, 1.0, 5, 100, 0), 7);
    }

    proptest! {
        #[test]
        fn a_sample_is_a_subset_with_bounds(n in 0_u64..5000, fraction in 0.0..=1.0_f64, least in 0_u64..50, extra in 1_u64..100, earlier in 0_u64..100) {
            let most = least + extra;
            let k = keep(n, fraction, least, most, earlier);
            prop_assert!(k <= n && k <= most);
            prop_assert!(k + earlier >= least.min(n + earlier));
        }

        #[test]
        fn the_same_rows_are_kept_in_whatever_order_they_come(mut ids in prop::collection::hash_set("[0-9a-f]{8}", 1..60), k in 1_u64..20, seed: u64) {
            let ids: Vec<String> = ids.drain().collect();
            let sample = |ids: &mut dyn Iterator<Item = &String>| {
                let mut sample = Sample::new(k);
                for id in ids { sample.offer(priority(seed, id), id); }
                sample.into_rows(k)
            };
            let forward = sample(&mut ids.iter());
            prop_assert_eq!(&forward, &sample(&mut ids.iter().rev()));
            prop_assert_eq!(forward.len(), ids.len().min(usize::try_from(k).expect("small")));
        }
    }

    #[test]
    fn another_seed_gives_another_sample() {
        let order = |seed| {
            let mut ids: Vec<u32> = (0..100).collect();
            ids.sort_by_key(|id| priority(seed, &id.to_string()));
            ids
        };
        assert_ne!(order(0)[..10], order(1)[..10]);
        assert_eq!(order(7), order(7));
    }
}
