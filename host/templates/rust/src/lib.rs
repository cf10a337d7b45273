//! @NAME@.
//!
//! psABI: where is it published? Put a link here, and into `psabi` below.
//!
//! What to know of it (this file is read by people who know other architectures; say first what is odd in this one):
//!
//! * Instructions are words of 32 bits in the byte order of the data.
//! * A branch holds its distance in words, from the branch itself, in the low 16 bits: it reaches ±128 KiB.
#![cfg_attr(target_arch = "wasm32", no_std)]

extern crate alloc;

use relobox_plugin::abi::{Machine, order};
use relobox_plugin::{Field, architecture, slice};

#[cfg(test)]
mod tests;

/// A word of data, in the module's byte order.
const @WORD@: Field = Field::data(@BYTES@);
/// The distance of a branch. A slice is (lowest bit of the value, lowest bit of the field, how many bits): the value's
/// bits 2 to 17 stand in the instruction's bits 0 to 15. A split field has several slices.
const DISTANCE16: Field = Field::insn(4, order::DATA, &[slice(2, 0, 16)]);

architecture! {
    name: "@NAME@",
    title: "@NAME@, @CLASS@ bits, @ORDER@-endian",
    psabi: "not published yet",
    machines: [Machine {
        machine: @MACHINE@,
        class: @CLASS@,
        order: order::@BIGORLITTLE@,
        // Files with e_flags & flags_mask == flags_value; other plugins may do the others.
        flags_mask: 0,
        flags_value: 0,
        reserved: 0,
        // Where modules and the kernel customarily lie, and how far apart they may be (0: anywhere).
        base: @BASE@,
        kernel: @KERNEL@,
        reach: 0x2_0000,
    }],
    // Addends in the relocation records (SHT_RELA). `in_place` or `either` for SHT_REL.
    addends: explicit,
    state: (),
    letters: (cx, S, A, P),
    // Type = number: formula, field, rule. What a row cannot say is a function of yours, called in its formula; then
    // `values: {}` and `pairs: {}` behind the rows tell the conformance kit what it means (see `architecture!`).
    rows: {
        R_@UPPER@_@WORD@   = 1: S + A,     @WORD@,     unchecked;
        R_@UPPER@_BRANCH16 = 2: S + A - P, DISTANCE16, signed 18, align 4;
    }
    ignored: { R_@UPPER@_NONE = 0 }
    refused: { R_@UPPER@_COPY = 3 "is for dynamic linking" }
}
