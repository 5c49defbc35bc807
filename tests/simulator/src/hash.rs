//! Numbers that look random and are the same in every run.

/// Mixes one number thoroughly (the finalizer of `SplitMix64`).
pub(crate) const fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// Mixes two numbers. Their order matters.
pub(crate) const fn mix2(a: u64, b: u64) -> u64 {
    mix(mix(a) ^ b)
}

/// Reduces a hash to an index below `len`. Returns 0 if `len` is 0.
pub(crate) fn index(hash: u64, len: usize) -> usize {
    usize::try_from(hash.checked_rem(len as u64).unwrap_or(0)).expect("smaller than a usize")
}

/// Chooses an element by a hash.
pub(crate) fn pick<T: Copy>(hash: u64, choices: &[T]) -> T {
    choices[index(hash, choices.len())]
}

/// A small seeded generator.
pub(crate) struct Rng(u64);

impl Rng {
    /// Starts from a seed.
    pub(crate) const fn new(seed: u64) -> Self {
        Self(mix(seed))
    }

    /// The next number.
    pub(crate) const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(1);
        mix(self.0)
    }

    /// A number below `bound`. Returns 0 if `bound` is not positive.
    pub(crate) fn below(&mut self, bound: i64) -> i64 {
        let Ok(bound) = u64::try_from(bound) else {
            return 0;
        };
        i64::try_from(self.next().checked_rem(bound).unwrap_or(0)).expect("smaller than an i64")
    }

    /// A fraction from 0 up to, not including, 1.
    pub(crate) fn fraction(&mut self) -> f64 {
        let numerator = u32::try_from(self.next() >> 32).expect("32 bits");
        f64::from(numerator) / (f64::from(u32::MAX) + 1.0)
    }
}
