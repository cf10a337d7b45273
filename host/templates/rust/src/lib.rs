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
use relobox_plugin::{Cx, DYNAMIC, Field, Hooks, Job, Plan, Value, architecture, code, put_address, slice};

#[cfg(test)]
mod tests;

/// A word of data, in the module's byte order.
const @WORD@: Field = Field::data(@BYTES@);
/// The distance of a branch. A slice is (lowest bit of the value, lowest bit of the field, how many bits): the value's
/// bits 2 to 17 stand in the instruction's bits 0 to 15.
const DISTANCE16: Field = Field::insn(4, order::DATA, &[slice(2, 0, 16)]);
/// The distance of a load, in a split field: its low 11 bits in bits 0 to 10, the next 5 in bits 21 to 25.
const SPLIT16: Field = Field::insn(4, order::DATA, &[slice(0, 0, 11), slice(11, 21, 5)]);
/// A whole instruction.
const INSN: Field = Field::insn(4, order::DATA, &[slice(0, 0, 32)]);

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
    // Addends in the records (`explicit`, SHT_RELA), in the fields (`in_place`, SHT_REL), or in both ways, for the
    // example; most psABIs have one.
    addends: either,
    state: Stubs,
    // The psABI's letters; behind the semicolon, those that need more than a relocation and its symbol.
    letters: (cx, S, A, P; GOT = cx.got()?, G = cx.slot()?),
    // Type = number: formula, field, rule, and what it needs before there are addresses. What a row cannot say is a
    // function of yours, called in its formula; then `is`, `of` and `pair` tell the conformance kit what it means (see
    // `architecture!`).
    rows: {
        R_@UPPER@_@WORD@   = 1: S + A,           @WORD@,     unchecked;
        R_@UPPER@_BRANCH16 = 2: S + A - P,       DISTANCE16, signed 18, align 4, else stub(cx, A) - P,
                                needs TARGET_STUB | OUTSIDE;
        R_@UPPER@_LOAD16   = 4: S + A - P,       SPLIT16,    signed 16;
        R_@UPPER@_GOT16    = 5: G + GOT + A - P, SPLIT16,    signed 16, needs SLOT;
    }
    ignored: { R_@UPPER@_NONE = 0 }
    refused: { DYNAMIC => 3 [R_@UPPER@_COPY]; }
}

/// Nothing that is kept from one relocation to the next.
#[derive(Default)]
pub struct Stubs;

/// Bytes of a stub: an instruction that jumps to the address in the words behind it. Made up, as the machine is.
const STUB: usize = 16;

impl Hooks for Stubs {
    /// Addresses are not known yet: there is room for whatever rows need.
    fn plan(&mut self, _: &Job<'_>, plan: &mut Plan) {
        plan.stubs(".relobox.stubs", STUB, STUB as u64, 0);
    }
}

/// The stub for the symbol plus `addend`, which is out of reach, filled in; their sum, which the rule then refuses, if
/// there is none.
#[cold]
fn stub(cx: &mut Cx<'_, Stubs>, addend: Value) -> Value {
    let (job, target) = (cx.job, cx.value(cx.relocation.symbol) + addend.0);
    let Some(stub) = cx.stub_of(addend) else { return target };
    code! { stub.bytes, job.big_endian();
        INSN(0x7e57_0008) // jmp [.+8]
    }
    put_address(&job, &mut stub.bytes[8..], target);
    stub.address
}
