//! Random damage that is the same on every machine and in every run.

/// A small generator of random numbers (xorshift64*): good enough to spread damage, and never changes.
pub struct Random(u64);

impl Random {
    /// Starts at `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    /// The next number.
    pub fn word(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `end`, which is not 0.
    pub fn below(&mut self, end: usize) -> usize {
        (self.word() % end as u64) as usize
    }
}

/// One to eight changes: a bit flipped, a byte set, a word set to an extreme, a run copied from elsewhere.
pub fn mutate(bytes: &mut [u8], random: &mut Random) {
    if bytes.is_empty() {
        return;
    }
    for _ in 0..=random.below(8) {
        let at = random.below(bytes.len());
        match random.below(4) {
            0 => bytes[at] ^= 1 << random.below(8),
            1 => bytes[at] = random.word() as u8,
            2 => {
                let word = [0, 1, u64::MAX, 1 << 63, 1 << 31, 1 << 32, bytes.len() as u64][random.below(7)];
                let width = [1, 2, 4, 8][random.below(4)].min(bytes.len() - at);
                bytes[at..at + width].copy_from_slice(&word.to_le_bytes()[..width]);
            }
            _ => {
                let (from, len) = (random.below(bytes.len()), 1 + random.below(64));
                let len = len.min(bytes.len() - at).min(bytes.len() - from);
                bytes.copy_within(from..from + len, at);
            }
        }
    }
}
