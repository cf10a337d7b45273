//! Fields, from a description's slices: which bits of a word a value goes to.
//!
//! Written apart from the plugins' SDK, so that neither judges itself.

use relobox_abi::{Slice, order};
use relobox_link::description::PluginRow;

/// A row's field in a module of one byte order.
#[derive(Clone, Copy, Debug)]
pub struct Field<'a> {
    /// Bytes at the place.
    pub width: usize,
    big: bool,
    slices: &'a [Slice],
}

/// The lowest `len` bits.
fn ones(len: u8) -> u64 {
    u64::MAX.checked_shr(u64::BITS.saturating_sub(len.into())).unwrap_or(0)
}

/// Shifts that forget what leaves the word, also where a description shifts it out altogether.
fn up(value: u64, bits: u8) -> u64 {
    value.checked_shl(bits.into()).unwrap_or(0)
}

fn down(value: u64, bits: u8) -> u64 {
    value.checked_shr(bits.into()).unwrap_or(0)
}

impl<'a> Field<'a> {
    /// The field of `row` where data is of `data_order`.
    #[must_use]
    pub fn of(row: &'a PluginRow, data_order: u8) -> Self {
        let its = if row.row.order == order::DATA { data_order } else { row.row.order };
        Self { width: row.row.width.into(), big: its == order::BIG, slices: &row.slices }
    }

    /// The word at the start of `place`; 0 if there is none.
    #[must_use]
    pub fn word(&self, place: &[u8]) -> u64 {
        let Some(bytes) = place.get(..self.width) else { return 0 };
        let push = |word, byte: &u8| up(word, 8) | u64::from(*byte);
        if self.big { bytes.iter().fold(0, push) } else { bytes.iter().rev().fold(0, push) }
    }

    /// `word` as it stands in memory; [`Field::width`] bytes of it count.
    #[must_use]
    pub fn bytes(&self, word: u64) -> [u8; 8] {
        let mut bytes = word.to_le_bytes();
        if self.big {
            bytes[..self.width.min(8)].reverse();
        }
        bytes
    }

    /// The bits of the word that the relocation owns.
    #[must_use]
    pub fn mask(&self) -> u64 {
        self.slices.iter().fold(0, |mask, s| mask | up(ones(s.len), s.field_bit))
    }

    /// The bits of the value that the field holds.
    #[must_use]
    pub fn holds(&self) -> u64 {
        self.slices.iter().fold(0, |mask, s| mask | up(ones(s.len), s.value_bit))
    }

    /// One past the highest of them.
    #[must_use]
    pub fn value_bits(&self) -> u32 {
        u64::BITS - self.holds().leading_zeros()
    }

    /// `word` with each slice set from the value that `source` names for it.
    #[must_use]
    pub fn insert(&self, word: u64, source: impl Fn(&Slice) -> i64) -> u64 {
        let set = |word, s: &Slice| word | up(down(source(s).cast_unsigned(), s.value_bit) & ones(s.len), s.field_bit);
        self.slices.iter().fold(word & !self.mask(), set)
    }

    /// The value whose bits stand in `word`; what the field does not hold is 0.
    #[must_use]
    pub fn extract(&self, word: u64) -> u64 {
        self.slices.iter().fold(0, |value, s| value | up(down(word, s.field_bit) & ones(s.len), s.value_bit))
    }

    /// The same with the sign of the highest bit: an addend that stands in place.
    #[must_use]
    pub fn signed(&self, word: u64) -> i64 {
        match self.value_bits() {
            0 => 0,
            bits => (self.extract(word) << (u64::BITS - bits)).cast_signed() >> (u64::BITS - bits),
        }
    }
}
