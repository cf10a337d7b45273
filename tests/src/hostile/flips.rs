//! Random damage that is reproducible from a seed.

use relobox::rng::Rng;

/// Applies one to eight changes: flips a bit, sets a byte, sets a word to an extreme value, or copies a run of bytes.
pub fn mutate(bytes: &mut [u8], rng: &mut Rng) {
    if bytes.is_empty() {
        return;
    }
    for _ in 0..=rng.below(8) {
        let at = rng.below(bytes.len());
        match rng.below(4) {
            0 => bytes[at] ^= 1 << rng.below(8),
            1 => bytes[at] = rng.next_u64() as u8,
            2 => {
                let word = [0, 1, u64::MAX, 1 << 63, 1 << 31, 1 << 32, bytes.len() as u64][rng.below(7)];
                let width = [1, 2, 4, 8][rng.below(4)].min(bytes.len() - at);
                bytes[at..at + width].copy_from_slice(&word.to_le_bytes()[..width]);
            }
            _ => {
                let (from, len) = (rng.below(bytes.len()), 1 + rng.below(64));
                let len = len.min(bytes.len() - at).min(bytes.len() - from);
                bytes.copy_within(from..from + len, at);
            }
        }
    }
}
