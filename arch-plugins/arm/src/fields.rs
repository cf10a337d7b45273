//! The fields of data, Arm and Thumb instructions.

use relobox_plugin::abi::{Slice, order};
use relobox_plugin::{Field, slice};

pub(crate) const BYTE8: Field = Field::data(1);
pub(crate) const HALF16: Field = Field::data(2);
pub(crate) const WORD32: Field = Field::data(4);
/// The highest bit belongs to somebody else.
pub(crate) const WORD31: Field = Field::insn(4, order::DATA, &[slice(0, 0, 31)]);

/// A word of code: an Arm instruction, or two halfwords of Thumb.
pub(crate) const fn insn(slices: &'static [Slice]) -> Field {
    Field::insn(4, order::LITTLE, slices)
}
/// A Thumb instruction of one halfword.
pub(crate) const fn half(slices: &'static [Slice]) -> Field {
    Field::insn(2, order::LITTLE, slices)
}

pub(crate) const INSN: Field = insn(&[slice(0, 0, 32)]);
pub(crate) const IMM24: Field = insn(&[slice(2, 0, 24)]);
pub(crate) const IMM16: Field = insn(&[slice(0, 0, 12), slice(12, 16, 4)]);
// Of loads and stores: a magnitude, and U.
pub(crate) const LDR12: Field = insn(&[slice(0, 0, 12), slice(12, 23, 1)]);
pub(crate) const LDRS8: Field = insn(&[slice(0, 0, 4), slice(4, 8, 4), slice(8, 23, 1)]);
pub(crate) const LDC8: Field = insn(&[slice(2, 0, 8), slice(10, 23, 1)]);
// Of `add` and `sub`: eight bits and their rotation, and of the opcode the bits for `sub` and for `add`.
pub(crate) const ALU12: Field = insn(&[slice(0, 0, 12), slice(12, 22, 2)]);
// Of `bx`: all but condition and register.
pub(crate) const BX: Field = insn(&[slice(0, 4, 24)]);
// S is bit 10 of the first halfword, J1 and J2 are bits 13 and 11 of the second.
pub(crate) const THM24: Field =
    insn(&[slice(1, 16, 11), slice(12, 0, 10), slice(22, 27, 1), slice(23, 29, 1), slice(24, 10, 1)]);
pub(crate) const THM19: Field =
    insn(&[slice(1, 16, 11), slice(12, 0, 6), slice(18, 29, 1), slice(19, 27, 1), slice(20, 10, 1)]);
pub(crate) const THM16: Field = insn(&[slice(0, 16, 8), slice(8, 28, 3), slice(11, 10, 1), slice(12, 0, 4)]);
pub(crate) const THM12: Field = insn(&[slice(0, 16, 12)]);
pub(crate) const THM_LDR12: Field = insn(&[slice(0, 16, 12), slice(12, 7, 1)]);
// Of `adr.w`: two bits of the opcode are set for `sub`.
pub(crate) const THM_ADR12: Field =
    insn(&[slice(0, 16, 8), slice(8, 28, 3), slice(11, 10, 1), slice(12, 5, 1), slice(13, 7, 1)]);
pub(crate) const THM11: Field = half(&[slice(1, 0, 11)]);
pub(crate) const THM8: Field = half(&[slice(1, 0, 8)]);
pub(crate) const THM6: Field = half(&[slice(1, 3, 5), slice(6, 9, 1)]);
pub(crate) const THM5: Field = half(&[slice(2, 6, 5)]);
pub(crate) const THM_PC8: Field = half(&[slice(2, 0, 8)]);
pub(crate) const THM_IMM8: Field = half(&[slice(0, 0, 8)]);
