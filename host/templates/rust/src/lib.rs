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

use relobox_plugin::abi::{Machine, group_flag, order, symbol_flag};
use relobox_plugin::{
    BySymbol, ByTarget, Cx, Field, Hooks, Job, Plan, Trouble, Value, architecture, slice,
};

#[cfg(test)]
mod tests;

/// A word of data, in the module's byte order.
const @WORD@: Field = Field::data(@BYTES@);
/// The distance of a branch. A slice is (lowest bit of the value, lowest bit of the field, how many bits): the value's
/// bits 2 to 17 stand in the instruction's bits 0 to 15.
const DISTANCE16: Field = Field::insn(4, order::DATA, &[slice(2, 0, 16)]);
/// The distance of a load, in a split field: its low 11 bits in bits 0 to 10, the next 5 in bits 21 to 25.
const SPLIT16: Field = Field::insn(4, order::DATA, &[slice(0, 0, 11), slice(11, 21, 5)]);

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
    state: Entries,
    letters: (cx, S, A, P),
    // Type = number: formula, field, rule. What a row cannot say is a function of yours, called in its formula; then
    // `values: {}` and `pairs: {}` behind the rows tell the conformance kit what it means (see `architecture!`).
    rows: {
        R_@UPPER@_@WORD@   = 1: S + A,             @WORD@,     unchecked;
        R_@UPPER@_BRANCH16 = 2: S + A - P,         DISTANCE16, signed 18, align 4, else stub(cx, S, A) - P;
        R_@UPPER@_LOAD16   = 4: S + A - P,         SPLIT16,    signed 16;
        R_@UPPER@_GOT16    = 5: G(cx, S)? + A - P, SPLIT16,    signed 16;
    }
    ignored: { R_@UPPER@_NONE = 0 }
    refused: { R_@UPPER@_COPY = 3 "is for dynamic linking" }
}

/// What the module's own code leads through: a slot for each symbol of the GOT, a stub for each far target.
#[derive(Default)]
pub struct Entries {
    slots: BySymbol,
    got: Option<usize>,
    targets: ByTarget,
    stubs: Option<usize>,
}

/// Bytes of a slot.
const SLOT: usize = @BYTES@;
/// Bytes of a stub: an instruction that jumps to the address in the word behind it. Made up, as the machine is.
const STUB: usize = 16;
/// The stub's instruction.
const JUMP: u64 = 0x7e57_0008;

impl Hooks for Entries {
    /// Addresses are not known yet: there is room for whatever may be needed.
    fn plan(&mut self, job: &Job<'_>, data: &[u8], plan: &mut Plan) {
        for group in job.groups {
            let section = job.sections.get(group.section as usize).map_or(&[][..], |s| {
                let at = s.data.at as usize;
                data.get(at..at.saturating_add(s.data.len as usize)).unwrap_or_default()
            });
            for r in job.relocations_of(group) {
                // What is wrong with a relocation is for its row to say.
                let Some(symbol) = job.symbols.get(r.symbol as usize) else { continue };
                let Some(place) = section.get(r.offset as usize..).filter(|place| place.len() >= 4) else { continue };
                // What the module defines is near: it is smaller than a branch's reach, or the branch is refused.
                let elsewhere = symbol.flags & (symbol_flag::UNDEFINED | symbol_flag::ABSOLUTE) != 0;
                match r.kind {
                    types::R_@UPPER@_GOT16 => self.slots.want(r.symbol, job.symbols.len()),
                    types::R_@UPPER@_BRANCH16 if elsewhere => {
                        let in_place = group.flags & group_flag::IN_PLACE != 0;
                        let addend = if in_place { DISTANCE16.addend(place, job.big_endian()) } else { r.addend };
                        self.targets.want(r.symbol, addend);
                    }
                    _ => {}
                }
            }
        }
        self.got = plan.rodata(".relobox.got", self.slots.count() * SLOT, 16);
        self.stubs = plan.text(".relobox.stubs", self.targets.seal() * STUB, 16);
    }
}

/// The symbol's slot in the GOT, filled in: G + GOT in the psABI's letters.
#[allow(non_snake_case, reason = "the psABI's letter")]
fn G(cx: &mut Cx<'_, Entries>, symbol: Value) -> Result<Value, Trouble> {
    const NONE: Trouble = Trouble::unpaired("no GOT slot was planned for it");
    let (big, number) = (cx.job.big_endian(), cx.state.slots.number(cx.relocation.symbol).ok_or(NONE)?);
    let got = cx.state.got.and_then(|index| cx.synthetic.get_mut(index)).ok_or(NONE)?;
    @WORD@.put(got.contents.get_mut(number * SLOT..).ok_or(NONE)?, big, symbol.0);
    Ok(Value::of(got.address) + (number * SLOT) as i64)
}

/// The stub for a target that is out of reach, filled in; the target itself, which the rule then refuses, if there is none.
#[cold]
fn stub(cx: &mut Cx<'_, Entries>, symbol: Value, addend: Value) -> Value {
    let (big, target) = (cx.job.big_endian(), symbol + addend.0);
    let number = cx.state.targets.number(cx.relocation.symbol, addend.0);
    let section = cx.state.stubs.and_then(|index| cx.synthetic.get_mut(index));
    let (Some(number), Some(section)) = (number, section) else { return target };
    let Some(stub) = section.contents.get_mut(number * STUB..) else { return target };
    DISTANCE16.set_word(stub, big, JUMP);
    @WORD@.put(&mut stub[8..], big, target.0);
    Value::of(section.address) + (number * STUB) as i64
}
