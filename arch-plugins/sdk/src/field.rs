//! Fields: which bits of a value lie where in an instruction or a word of data.
//!
//! Everything here is `inline(always)` over constants, so that a row of the table compiles to the
//! same few shifts and masks that one would write by hand.

use relobox_abi::{Slice, order};

/// Some bytes at the place, and which of their bits the relocation owns.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Bytes: 0 (nothing), 1, 2, 3, 4 or 8.
    pub width: u8,
    /// Byte order; see [`order`]. Instructions often have their own.
    pub order: u8,
    /// The bits, in any sequence; together they must not overlap.
    pub slices: &'static [Slice],
}

/// `len` bits of the value from `value_bit` up go to `field_bit` up.
#[must_use]
pub const fn slice(value_bit: u8, field_bit: u8, len: u8) -> Slice {
    Slice { value_bit, field_bit, len, reserved: 0 }
}

#[inline(always)]
const fn ones(len: u8) -> u64 {
    if len == 0 { 0 } else { u64::MAX >> (64 - len as u32) }
}

impl Field {
    /// A whole word of data, in the module's byte order; `width` in bytes: 1, 2, 3, 4 or 8.
    ///
    /// # Panics
    /// With another width: a compile error, since fields are constants.
    ///
    /// ```
    /// # use relobox_plugin::Field;
    /// const WORD24: Field = Field::data(3);
    /// assert_eq!(WORD24.mask(), 0xff_ffff);
    /// ```
    /// ```compile_fail,E0080
    /// # use relobox_plugin::Field;
    /// const WORD40: Field = Field::data(5);
    /// # let _ = WORD40;
    /// ```
    #[must_use]
    pub const fn data(width: u8) -> Self {
        let slices: &[Slice] = match width {
            1 => &const { [slice(0, 0, 8)] },
            2 => &const { [slice(0, 0, 16)] },
            3 => &const { [slice(0, 0, 24)] },
            4 => &const { [slice(0, 0, 32)] },
            8 => &const { [slice(0, 0, 64)] },
            _ => panic!("a word of data has 1, 2, 3, 4 or 8 bytes"),
        };
        Self { width, order: order::DATA, slices }
    }

    /// Part of an instruction of `width` bytes in byte order `order`.
    ///
    /// # Panics
    /// If the slices overlap, or leave the instruction or the value: a compile error, since fields are constants.
    ///
    /// ```compile_fail,E0080
    /// # use relobox_plugin::{Field, abi::order, slice};
    /// const OVERLAPPING: Field = Field::insn(4, order::LITTLE, &[slice(0, 0, 12), slice(12, 11, 4)]);
    /// # let _ = OVERLAPPING;
    /// ```
    #[must_use]
    pub const fn insn(width: u8, order: u8, slices: &'static [Slice]) -> Self {
        crate::verify::field(width, order, slices);
        Self { width, order, slices }
    }

    /// No bytes at all: for rows whose window plan declares.
    #[must_use]
    pub const fn nothing() -> Self {
        Self { width: 0, order: order::DATA, slices: &[] }
    }

    /// The bits of the field that the relocation owns.
    #[inline(always)]
    #[must_use]
    pub const fn mask(&self) -> u64 {
        let (mut mask, mut i) = (0, 0);
        while i < self.slices.len() {
            mask |= ones(self.slices[i].len) << self.slices[i].field_bit;
            i += 1;
        }
        mask
    }

    /// One past the highest value bit that the field can hold.
    #[inline(always)]
    #[must_use]
    pub const fn value_bits(&self) -> u32 {
        let (mut top, mut i) = (0, 0);
        while i < self.slices.len() {
            let end = self.slices[i].value_bit as u32 + self.slices[i].len as u32;
            top = if end > top { end } else { top };
            i += 1;
        }
        top
    }

    #[inline(always)]
    const fn big(&self, data_big: bool) -> bool {
        match self.order {
            order::LITTLE => false,
            order::BIG => true,
            _ => data_big,
        }
    }

    /// Exchanges the halves of a word that was read in one piece, or will be written so, if their order is not that of
    /// its bytes.
    #[inline(always)]
    const fn halves(&self, word: u64, data_big: bool) -> u64 {
        if self.order == order::MIDDLE && !data_big { (word as u32).rotate_left(16) as u64 } else { word }
    }

    /// Reads the whole word at the start of `place`, which has at least `width` bytes.
    #[inline(always)]
    #[must_use]
    pub fn word(&self, place: &[u8], data_big: bool) -> u64 {
        macro_rules! read {
            ($ty:ty) => {{
                let Some(bytes) = place.first_chunk::<{ size_of::<$ty>() }>() else { return 0 };
                (if self.big(data_big) { <$ty>::from_be_bytes(*bytes) } else { <$ty>::from_le_bytes(*bytes) }) as u64
            }};
        }
        match self.width {
            1 => read!(u8),
            2 => read!(u16),
            3 => {
                let Some(&[a, b, c]) = place.first_chunk() else { return 0 };
                let word = if self.big(data_big) { [0, a, b, c] } else { [0, c, b, a] };
                u64::from(u32::from_be_bytes(word))
            }
            4 => self.halves(read!(u32), data_big),
            8 => read!(u64),
            _ => 0,
        }
    }

    /// Writes the whole word at the start of `place`.
    #[inline(always)]
    pub fn set_word(&self, place: &mut [u8], data_big: bool, word: u64) {
        let word = self.halves(word, data_big);
        macro_rules! write {
            ($ty:ty) => {{
                let Some(bytes) = place.first_chunk_mut::<{ size_of::<$ty>() }>() else { return };
                *bytes = if self.big(data_big) { (word as $ty).to_be_bytes() } else { (word as $ty).to_le_bytes() };
            }};
        }
        match self.width {
            1 => write!(u8),
            2 => write!(u16),
            3 => {
                let Some(bytes) = place.first_chunk_mut::<3>() else { return };
                let [_, a, b, c] = (word as u32).to_be_bytes();
                *bytes = if self.big(data_big) { [a, b, c] } else { [c, b, a] };
            }
            4 => write!(u32),
            8 => write!(u64),
            _ => {}
        }
    }

    /// `word` with the field's bits cleared, then set from `value`.
    #[inline(always)]
    #[must_use]
    pub const fn insert(&self, word: u64, value: i64) -> u64 {
        let (mut word, mut i) = (word & !self.mask(), 0);
        while i < self.slices.len() {
            let s = self.slices[i];
            word |= ((value as u64 >> s.value_bit) & ones(s.len)) << s.field_bit;
            i += 1;
        }
        word
    }

    /// The value whose bits stand in `word`; bits that the field does not hold are 0.
    #[inline(always)]
    #[must_use]
    pub const fn extract(&self, word: u64) -> u64 {
        let (mut value, mut i) = (0, 0);
        while i < self.slices.len() {
            let s = self.slices[i];
            value |= ((word >> s.field_bit) & ones(s.len)) << s.value_bit;
            i += 1;
        }
        value
    }

    /// Writes `value` at the start of `place`, leaving the other bits as they are.
    #[inline(always)]
    pub fn put(&self, place: &mut [u8], data_big: bool, value: i64) {
        let word = if self.mask() == ones(self.width * 8) { 0 } else { self.word(place, data_big) };
        self.set_word(place, data_big, self.insert(word, value));
    }

    /// The addend that stands in place, sign-extended from the field's highest value bit.
    #[inline(always)]
    #[must_use]
    pub fn addend(&self, place: &[u8], data_big: bool) -> i64 {
        if self.width == 0 {
            return 0;
        }
        let shift = 64 - self.value_bits();
        ((self.extract(self.word(place, data_big)) << shift) as i64) >> shift
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_in_the_order_of_their_bits() {
        const FIELD: Field = Field::insn(4, order::MIDDLE, &[slice(0, 4, 24)]);
        for (big, expected) in [(true, [0xfa, 0xbc, 0xde, 0xff]), (false, [0xbc, 0xfa, 0xff, 0xde])] {
            let mut place = [0xff; 4];
            FIELD.put(&mut place, big, 0xab_cdef);
            assert_eq!(place, expected);
            assert_eq!(FIELD.word(&place, big), 0xfabc_deff);
            assert_eq!(FIELD.extract(FIELD.word(&place, big)), 0xab_cdef);
        }
    }

    #[test]
    fn three_bytes_in_either_order() {
        const FIELD: Field = Field::insn(3, order::DATA, &[slice(1, 4, 20)]);
        for (big, expected) in [(true, [0x9a, 0xbc, 0xdf, 0xff]), (false, [0xdf, 0xbc, 0x9a, 0xff])] {
            let mut place = [0xff; 4];
            FIELD.put(&mut place, big, 0x9_abcd << 1);
            assert_eq!(place, expected);
            assert_eq!(FIELD.extract(FIELD.word(&place, big)), 0x9_abcd << 1);
        }
    }
}
