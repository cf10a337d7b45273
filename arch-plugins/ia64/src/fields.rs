//! The fields of data, which may be big-endian in a file that is little-endian.

use relobox_plugin::abi::order;
use relobox_plugin::{Field, slice};

pub(crate) const MSB32: Field = Field::insn(4, order::BIG, &[slice(0, 0, 32)]);
pub(crate) const LSB32: Field = Field::insn(4, order::LITTLE, &[slice(0, 0, 32)]);
pub(crate) const MSB64: Field = Field::insn(8, order::BIG, &[slice(0, 0, 64)]);
pub(crate) const LSB64: Field = Field::insn(8, order::LITTLE, &[slice(0, 0, 64)]);
/// Two words, or an instruction in a bundle: written by hand.
pub(crate) const BUNDLE: Field = Field::nothing();
