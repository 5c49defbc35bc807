//! Choices that look random and are the same for the same seed.

/// A seeded generator (`SplitMix64`).
pub struct Dice(u64);

impl Dice {
    /// Starts from a seed. Neighbouring seeds have nothing in common.
    pub const fn new(seed: u64) -> Self {
        Self(mix(seed ^ 0x6a75_6467_6500_0000))
    }

    /// The next number.
    pub const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// A number from `least` to `most`, both included.
    pub const fn from(&mut self, least: u64, most: u64) -> u64 {
        least + self.next() % (most - least + 1)
    }

    /// The same as a length.
    pub fn size(&mut self, least: usize, most: usize) -> usize {
        usize::try_from(self.from(least as u64, most as u64)).expect("between two lengths")
    }

    /// True in so many of a hundred cases.
    pub const fn chance(&mut self, percent: u64) -> bool {
        self.next() % 100 < percent
    }

    /// One of several.
    pub fn pick<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[self.size(0, choices.len() - 1)].clone()
    }
}

const fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}
