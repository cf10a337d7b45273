//! Overflow rules.

use crate::Value;
use relobox_abi::rule;

/// What a field admits: a range of values and the multiple that they must be.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// See [`rule`].
    pub kind: u8,
    /// How many bits the range speaks of: 1 to 64.
    pub bits: u8,
    /// The value must be a multiple of this; a power of two.
    pub align: u8,
}

impl Rule {
    /// The smallest admitted value.
    #[inline(always)]
    #[must_use]
    pub const fn min(&self) -> i64 {
        match self.kind {
            rule::SIGNED | rule::EITHER => i64::MIN >> (64 - self.bits as u32),
            rule::UNSIGNED => 0,
            _ => i64::MIN,
        }
    }

    /// The largest admitted value; with 64 bits, ranges other than signed admit everything.
    #[inline(always)]
    #[must_use]
    pub const fn max(&self) -> i64 {
        match self.kind {
            rule::SIGNED => i64::MAX >> (64 - self.bits as u32),
            rule::UNSIGNED | rule::EITHER if self.bits < 63 => (1 << self.bits) - 1,
            _ => i64::MAX,
        }
    }

    /// Whether `value` is in range.
    #[inline(always)]
    #[must_use]
    pub const fn in_range(&self, value: Value) -> bool {
        if self.kind == rule::NONE || self.bits >= 64 {
            return true;
        }
        match self.kind {
            // One shift and one comparison instead of two comparisons.
            rule::SIGNED => value.sign_extend(self.bits as u32).0 == value.0,
            rule::UNSIGNED => value.0 as u64 >> self.bits == 0,
            _ => value.0 >= self.min() && value.0 <= self.max(),
        }
    }

    /// Whether `value` is a multiple of `align`.
    #[inline(always)]
    #[must_use]
    pub const fn aligned(&self, value: Value) -> bool {
        self.align <= 1 || value.0 & (self.align as i64 - 1) == 0
    }
}
