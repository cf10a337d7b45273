//! Bit fields as a description's slices define them: which bits of a word hold which bits of a value.
//!
//! The kit does not share this code with the plugins' SDK, so that each can find errors of the other.

use relobox_abi::{Slice, order};
use relobox_link::description::PluginRow;

/// The field of a row, in a module of one byte order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field<'a> {
    /// The width of the field in bytes.
    pub width: usize,
    big: bool,
    /// Whether the first of two halfwords has the upper bits, although the bytes are little-endian.
    halves: bool,
    slices: &'a [Slice],
}

/// Returns a mask of the lowest `len` bits.
fn ones(len: u8) -> u64 {
    u64::MAX.checked_shr(u64::BITS.saturating_sub(len.into())).unwrap_or(0)
}

/// Shifts whose result is 0 where a description shifts by 64 bits or more.
fn up(value: u64, bits: u8) -> u64 {
    value.checked_shl(bits.into()).unwrap_or(0)
}

fn down(value: u64, bits: u8) -> u64 {
    value.checked_shr(bits.into()).unwrap_or(0)
}

/// Reads a word of at most 8 bytes.
pub(crate) fn read(bytes: &[u8], big: bool) -> u64 {
    let push = |word: u64, byte: &u8| word << 8 | u64::from(*byte);
    if big { bytes.iter().fold(0, push) } else { bytes.iter().rev().fold(0, push) }
}

/// Returns the low `width` bytes of a word in memory order; `width` is at most 8.
pub(crate) fn write(word: u64, width: usize, big: bool) -> Vec<u8> {
    if big { word.to_be_bytes()[8 - width..].to_vec() } else { word.to_le_bytes()[..width].to_vec() }
}

impl<'a> Field<'a> {
    /// Makes the field of `row` for a module of byte order `data_order` (see [`order`]).
    #[must_use]
    pub(crate) fn of(row: &'a PluginRow, data_order: u8) -> Self {
        let as_data = matches!(row.row.order, order::DATA | order::MIDDLE);
        let big = (if as_data { data_order } else { row.row.order }) == order::BIG;
        let halves = row.row.order == order::MIDDLE && row.row.width == 4 && !big;
        Self { width: row.row.width.into(), big, halves, slices: &row.slices }
    }

    /// Reads the word at the start of `place`, or 0 if `place` is shorter than the field.
    #[must_use]
    pub(crate) fn word(&self, place: &[u8]) -> u64 {
        let Some(bytes) = place.get(..self.width) else { return 0 };
        let word = read(bytes, self.big);
        if self.halves { (word << 16 | word >> 16) & 0xffff_ffff } else { word }
    }

    /// Returns `word` in memory order; only the first [`Field::width`] bytes are part of the field.
    #[must_use]
    pub(crate) fn bytes(&self, word: u64) -> [u8; 8] {
        let word = if self.halves { (word << 16 | word >> 16 & 0xffff) & 0xffff_ffff } else { word };
        let mut bytes = word.to_le_bytes();
        if self.big {
            bytes[..self.width.min(8)].reverse();
        }
        bytes
    }

    /// Returns the bits of the word that belong to the field.
    #[must_use]
    pub(crate) fn mask(&self) -> u64 {
        self.slices.iter().fold(0, |mask, s| mask | up(ones(s.len), s.field_bit))
    }

    /// Returns the bits of the value that the field stores.
    #[must_use]
    pub(crate) fn stored_bits(&self) -> u64 {
        self.slices.iter().fold(0, |mask, s| mask | up(ones(s.len), s.value_bit))
    }

    /// Returns the number of the highest value bit that the field stores, plus one.
    #[must_use]
    pub(crate) fn value_bits(&self) -> u32 {
        u64::BITS - self.stored_bits().leading_zeros()
    }

    /// Sets each slice of `word` from the value that `source` returns for it.
    #[must_use]
    pub(crate) fn insert(&self, word: u64, source: impl Fn(&Slice) -> i64) -> u64 {
        let set = |word, s: &Slice| word | up(down(source(s).cast_unsigned(), s.value_bit) & ones(s.len), s.field_bit);
        self.slices.iter().fold(word & !self.mask(), set)
    }

    /// Reads the value from `word`; bits that the field does not store are 0.
    #[must_use]
    pub(crate) fn extract(&self, word: u64) -> u64 {
        self.slices.iter().fold(0, |value, s| value | up(down(word, s.field_bit) & ones(s.len), s.value_bit))
    }

    /// Reads the value, sign-extended from the highest bit that the field stores, as for an addend in place.
    #[must_use]
    pub(crate) fn signed(&self, word: u64) -> i64 {
        match self.value_bits() {
            0 => 0,
            bits => (self.extract(word) << (u64::BITS - bits)).cast_signed() >> (u64::BITS - bits),
        }
    }
}
