//! Random choices, all from one seed.

use libafl_bolts::rands::{Rand as _, StdRand};

/// A generator that can be asked for more than numbers.
pub struct Dice<'a>(pub &'a mut StdRand);

impl Dice<'_> {
    /// One of `0..n`; 0 if there is none.
    pub fn below(&mut self, n: usize) -> usize {
        self.0.below_or_zero(n)
    }

    /// True once in `n`.
    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    /// Any of 64 bits.
    pub fn any(&mut self) -> u64 {
        self.0.next()
    }

    /// One of these.
    pub fn pick<'b, T>(&mut self, from: &'b [T]) -> Option<&'b T> {
        from.get(self.below(from.len()))
    }

    /// A number at which code goes wrong: small, a power of two or close to one, a constant of the code, anything.
    pub fn number(&mut self, constants: &[i64]) -> i64 {
        let near = self.below(5) as i64 - 2;
        match self.below(8) {
            0 => near,
            1 | 2 => (1i64 << self.below(64)).wrapping_add(near),
            3 => (1i64 << self.below(64)).wrapping_neg().wrapping_add(near),
            4 | 5 => self.pick(constants).copied().unwrap_or(0).wrapping_add(near * i64::from(self.below(2) as u8)),
            6 => self.below(0x1_0000) as i64,
            _ => self.any().cast_signed() >> self.below(64),
        }
    }
}
