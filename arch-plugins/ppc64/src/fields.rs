//! Fields that the table and its stubs have in common.

use relobox_plugin::abi::{Slice, order};
use relobox_plugin::{Field, slice};

pub(crate) const fn insn(width: u8, slices: &'static [Slice]) -> Field {
    Field::insn(width, order::DATA, slices)
}

pub(crate) const WORD32: Field = Field::data(4);
pub(crate) const WORD64: Field = Field::data(8);
/// The immediates of whole instructions.
pub(crate) const SI16: Field = insn(4, &[slice(0, 0, 16)]);
pub(crate) const SI16_HI: Field = insn(4, &[slice(16, 0, 16)]);
