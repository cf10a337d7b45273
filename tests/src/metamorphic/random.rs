//! Numbers that look random: SplitMix64, as published by Steele, Lea and Flood.

/// A generator.
pub(super) struct Random(pub(super) u64);

impl Random {
    /// The next number.
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// One below `end`.
    pub(super) fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

    /// One of `low ..= high`.
    pub(super) fn between(&mut self, low: i64, high: i64) -> i64 {
        match (high.wrapping_sub(low) as u64).checked_add(1) {
            Some(count) => low.wrapping_add((self.next() % count) as i64),
            None => self.next() as i64,
        }
    }
}
