//! Where PA-RISC's instructions hold their immediates.

use relobox_plugin::abi::{Slice, order};
use relobox_plugin::{Field, Value, slice};

const fn insn(slices: &'static [Slice]) -> Field {
    Field::insn(4, order::DATA, slices)
}

pub(crate) const WORD32: Field = Field::data(4);
pub(crate) const WORD64: Field = Field::data(8);
/// Bits 11 to 31, of `ldil` and `addil`.
pub(crate) const IMM21: Field =
    insn(&[slice(31, 0, 1), slice(20, 1, 11), slice(18, 14, 2), slice(13, 16, 5), slice(11, 12, 2)]);
/// Displacements: the sign is the lowest bit.
pub(crate) const IMM14: Field = insn(&[slice(13, 0, 1), slice(0, 1, 13)]);
pub(crate) const WORDS14: Field = insn(&[slice(13, 0, 1), slice(2, 3, 11)]);
pub(crate) const DOUBLES14: Field = insn(&[slice(13, 0, 1), slice(3, 4, 10)]);
/// The same in wide mode, of a value that `wide` has prepared.
pub(crate) const IMM16: Field = insn(&[slice(15, 0, 1), slice(0, 1, 15)]);
pub(crate) const WORDS16: Field = insn(&[slice(15, 0, 1), slice(2, 3, 13)]);
pub(crate) const DOUBLES16: Field = insn(&[slice(15, 0, 1), slice(3, 4, 12)]);
/// Branches, whose distances are counted in words.
pub(crate) const BRANCH12: Field = insn(&[slice(13, 0, 1), slice(12, 2, 1), slice(2, 3, 10)]);
pub(crate) const BRANCH17: Field = insn(&[slice(18, 0, 1), slice(13, 16, 5), slice(12, 2, 1), slice(2, 3, 10)]);
pub(crate) const BRANCH22: Field =
    insn(&[slice(23, 0, 1), slice(18, 21, 5), slice(13, 16, 5), slice(12, 2, 1), slice(2, 3, 10)]);

/// A displacement of 16 bits as wide mode's instructions hold it: bits 13 and 14 are other ones than the sign, or not.
pub(crate) fn wide(value: Value) -> Value {
    if value.sign_extend(16) == value && value.0 < 0 { Value(value.0 ^ 0x6000) } else { value }
}
