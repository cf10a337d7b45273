//! Fields of instructions that the table and the erratum's veneers both write.

use relobox_plugin::abi::{Slice, order};
use relobox_plugin::{Field, slice};

/// Instructions are little-endian, whatever the data is.
pub(crate) const fn insn(slices: &'static [Slice]) -> Field {
    Field::insn(4, order::LITTLE, slices)
}

/// A whole instruction.
pub(crate) const INSN: Field = insn(&[slice(0, 0, 32)]);
/// Of `b` and `bl`: they count in instructions.
pub(crate) const IMM26: Field = insn(&[slice(2, 0, 26)]);
/// Of `adr`: bytes.
pub(crate) const ADR: Field = insn(&[slice(0, 29, 2), slice(2, 5, 19)]);
/// Of `adrp`: pages.
pub(crate) const ADRP: Field = insn(&[slice(12, 29, 2), slice(14, 5, 19)]);
