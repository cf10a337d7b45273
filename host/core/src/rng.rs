//! Pseudo-random numbers, the same on every machine and in every run.

/// The generator SplitMix64 of Steele, Lea and Flood. The sequence for a seed never changes.
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    /// Creates a generator from any seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Returns the next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Returns a number in `0..end`, or 0 if that range is empty.
    pub fn below(&mut self, end: usize) -> usize {
        (self.next_u64() % end.max(1) as u64) as usize
    }

    /// Returns a number in `low..=high`.
    pub fn between(&mut self, low: i64, high: i64) -> i64 {
        match high.wrapping_sub(low).cast_unsigned().checked_add(1) {
            Some(count) => low.wrapping_add((self.next_u64() % count).cast_signed()),
            None => self.next_u64().cast_signed(),
        }
    }

    /// Returns true with probability 1/`n`.
    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    /// Returns one of the elements, or `None` if there are none.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        from.get(self.below(from.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::Rng;

    #[test]
    fn the_sequence_is_the_published_one() {
        let mut rng = Rng::new(0);
        let numbers = [0xe220_a839_7b1d_cdaf, 0x6e78_9e6a_a1b9_65f4, 0x06c4_5d18_8009_454f];
        assert_eq!(numbers.map(|_: u64| rng.next_u64()), numbers);
    }

    #[test]
    fn choices_are_within_their_ranges() {
        let mut rng = Rng::new(7);
        for _ in 0..100 {
            assert!(rng.below(3) < 3 && (-2..=2).contains(&rng.between(-2, 2)));
        }
        rng.between(i64::MIN, i64::MAX);
        assert_eq!((rng.below(0), rng.pick(&[0u8; 0]), rng.pick(&[5]), rng.one_in(1)), (0, None, Some(&5), true));
    }
}
