//! A made-up architecture with what the conformance kit once missed, or complained of without a reason: fields in parts,
//! shifted formulas, a rounded and aligned pair in one field, parts of absolute GOT addresses, a formula that nobody can
//! read, and stubs that depend on where they are. In both classes and both byte orders.
//!
//! README.md beside this crate says what its variants are.
#![no_std]

extern crate alloc;

use relobox_plugin::abi::{Machine, Slice, fault, order, symbol_flag};
use relobox_plugin::{Cx, DYNAMIC, Field, Hooks, Job, Plan, Table, Trouble, Value, architecture, put_address, slice};

const WORD32: Field = Field::data(4);
const WORD64: Field = Field::data(8);
const LOW16: Field = Field::insn(4, order::DATA, &[slice(0, 8, 16)]);
const HIGH20: Field = Field::insn(4, order::DATA, &[slice(12, 5, 20)]);
const LOW12: Field = Field::insn(4, order::DATA, &[slice(0, 10, 12)]);
const WHOLE: [Slice; 2] = [slice(2, 10, 12), slice(14, 0, 10)];
/// Bit 14 goes nowhere.
const HOLE: [Slice; 2] = [slice(2, 10, 12), slice(15, 0, 10)];
const BRANCH: Field = Field::insn(4, order::DATA, if cfg!(feature = "hole") { &HOLE } else { &WHOLE });
const ALL: [Slice; 1] = [slice(0, 0, 12)];
/// Bit 0 goes nowhere.
const EVEN: [Slice; 1] = [slice(1, 0, 11)];
const NEAR: Field = Field::insn(2, order::DATA, if cfg!(feature = "low_bits") { &EVEN } else { &ALL });
/// Two instructions in one: the upper half, rounded, and what is below.
const BOTH: Field = Field::insn(8, order::DATA, &[slice(12, 0, 18), slice(2, 36, 10)]);
const MIXED: Field = Field::insn(4, order::DATA, &[slice(2, 0, 20)]);

const fn machine(class: u8, order: u8) -> Machine {
    Machine {
        machine: 0x7e57,
        class,
        order,
        flags_mask: 0,
        flags_value: 0,
        reserved: 0,
        base: 0x4000_0000,
        kernel: 0x5000_0000,
        reach: 0x0080_0000,
    }
}

architecture! {
    name: "kit-case",
    title: "A made-up machine, for the conformance kit",
    psabi: "none",
    machines: [machine(64, order::LITTLE), machine(64, order::BIG), machine(32, order::LITTLE), machine(32, order::BIG)],
    addends: explicit,
    state: Tables,
    letters: (cx, S, A, P),
    rows: {
        R_KIT_32       = 1:  S + A,                   WORD32, unchecked;
        R_KIT_64       = 2:  S + A,                   WORD64, unchecked;
        R_KIT_TOP16    = 3:  (S + A) >> 16,           LOW16,  unchecked;
        R_KIT_PC_TOP16 = 4:  (S + A - P) >> 16,       LOW16,  unchecked;
        R_KIT_MIDDLE   = 5:  (S + A) >> 8 & 0xffff,   LOW16,  unchecked;
        R_KIT_BRANCH   = 6:  S + A - P,               BRANCH, signed 24, align 4, else stub(cx, S + A) - P;
        R_KIT_NEAR     = 7:  S + A - P,               NEAR,   signed 12;
        R_KIT_BOTH     = 8:  rounded(S + A - P),      BOTH,   signed 30, align 4, is relative round 12;
        R_KIT_MIXED    = 9:  mixed(cx, S + A - P)?,   MIXED,  signed 22, align 4;
        R_KIT_GOT_HI20 = 10: G(cx, S)? + A,           HIGH20, unchecked;
        R_KIT_GOT_LO12 = 11: G(cx, S)? + A,           LOW12,  unchecked;
        R_KIT_GOT_HI16 = 12: (G(cx, S)? + A) >> 16,   LOW16,  unchecked;
        R_KIT_GOT_PC   = 13: G(cx, S)? + A - P,       WORD32, unchecked;
    }
    ignored: { R_KIT_NONE = 0 }
    refused: { DYNAMIC => 20 [R_KIT_COPY]; }
}

/// Bytes of a stub, and entries that a table begins with and that are for nothing.
const STUB: usize = 16;
const HEADER: usize = if cfg!(feature = "renumbered") { 2 } else { 0 };

/// A GOT with an entry for each symbol, and a stub for each target. Where entries stand is what variants differ in, so
/// that they are counted here.
#[derive(Default)]
pub struct Tables {
    got: Table,
    slots: usize,
    stubs: Table,
    targets: usize,
}

/// Where number `number` of `count` stands.
fn place(number: usize, count: usize) -> usize {
    HEADER + if cfg!(feature = "renumbered") { count - 1 - number } else { number }
}

impl Hooks for Tables {
    fn plan(&mut self, job: &Job<'_>, plan: &mut Plan) {
        for r in job.relocations {
            let outside = job
                .symbols
                .get(r.symbol as usize)
                .is_some_and(|s| s.section == 0 || s.flags & symbol_flag::UNDEFINED != 0);
            match r.kind {
                types::R_KIT_GOT_HI20 | types::R_KIT_GOT_LO12 | types::R_KIT_GOT_HI16 | types::R_KIT_GOT_PC => {
                    self.got.want(job, r.symbol, 0);
                }
                types::R_KIT_BRANCH if outside => self.stubs.want(job, r.symbol, r.addend),
                _ => {}
            }
        }
        let with_header = |count: usize| if count == 0 { 0 } else { count + HEADER };
        (self.slots, self.targets) = (self.got.seal(), self.stubs.seal());
        let word = usize::from(job.header.class / 8);
        self.got.lies_in(plan.rodata(".kit.got", with_header(self.slots) * 8, 8), word);
        self.stubs.lies_in(plan.text(".kit.stubs", with_header(self.targets) * STUB, STUB as u64), STUB);
    }
}

/// The address of the symbol's slot, which gets filled in.
#[allow(non_snake_case, reason = "the psABIs' letter")]
fn G(cx: &mut Cx<'_, Tables>, value: Value) -> Result<Value, Trouble> {
    const NO_SLOT: Trouble = Trouble::unpaired("no slot was planned for it");
    let (job, count) = (cx.job, cx.state.slots);
    let number = cx.state.got.number(cx.relocation.symbol, 0).ok_or(NO_SLOT)?;
    let slot = cx.state.got.entry(cx.synthetic, place(number, count)).ok_or(NO_SLOT)?;
    let value = if cfg!(feature = "wrong_entry") && number == 1 { value + 8 } else { value };
    put_address(&job, slot.bytes, value);
    let address = match number {
        // The entry of another symbol.
        1 if cfg!(feature = "wrong_slot") => cx.state.got.entry(cx.synthetic, place(0, count)).ok_or(NO_SLOT)?.address,
        _ => slot.address,
    };
    let wrong = cfg!(feature = "got_part") && cx.relocation.kind == types::R_KIT_GOT_HI20;
    Ok(address + if wrong { 0x1000 } else { 0 })
}

/// The stub that leads to `value`, which gets filled in, or `value` itself if there is none.
#[cold]
fn stub(cx: &mut Cx<'_, Tables>, value: Value) -> Value {
    if value.0 & 3 != 0 {
        return value;
    }
    let (job, big, count) = (cx.job, cx.job.big_endian(), cx.state.targets);
    let Some(number) = cx.state.stubs.number(cx.relocation.symbol, cx.relocation.addend) else { return value };
    let Some(stub) = cx.state.stubs.entry(cx.synthetic, place(number, count)) else { return value };
    let (here, entry) = (stub.address, stub.bytes);
    let to = if cfg!(feature = "wrong_stub") && number == 1 { value + 4 } else { value };
    if cfg!(feature = "literal") {
        WORD32.set_word(entry, big, 0x5800_0050);
        WORD32.set_word(&mut entry[4..], big, 0xd61f_0200);
        put_address(&job, &mut entry[8..], to);
    } else {
        // Two instructions that add to where they are.
        let away = to - here;
        WORD32.set_word(entry, big, 0x1a00_0000 | (away.bits() >> 12 & 0xff_ffff));
        WORD32.set_word(&mut entry[4..], big, 0x6b00_0000 | (away.bits() & 0xfff));
        WORD32.set_word(&mut entry[8..], big, away.bits() >> 36);
        WORD32.set_word(&mut entry[12..], big, 0x4c00_0000);
    }
    if cfg!(feature = "wrong_branch") && number == 1 {
        // The stub of another symbol.
        return cx.state.stubs.entry(cx.synthetic, place(0, count)).map_or(here, |stub| stub.address);
    }
    here
}

/// The upper half with the carry of the lower one, which has a sign, and the lower one as it is.
fn rounded(value: Value) -> Value {
    let sum = value + 0x800;
    if cfg!(feature = "round_everywhere") { sum } else { Value(sum.0 & !0xfff | value.0 & 0xfff) }
}

/// Bits 4 to 7 are the other way round in backward branches.
fn mixed(_: &mut Cx<'_, Tables>, value: Value) -> Result<Value, Trouble> {
    const OUT: Trouble = Trouble::new(fault::OUT_OF_RANGE, "");
    let refused = match value.0 {
        -0x20_0000 => cfg!(feature = "edge_low"),
        value => cfg!(feature = "half_range") && !(-0x10_0000..0x10_0000).contains(&value),
    };
    if refused {
        return Err(OUT);
    }
    let value = match value.0 {
        0x20_0000 if cfg!(feature = "edge_high") => -0x20_0000,
        value => value,
    };
    Ok(Value(if value < 0 { value ^ 0xf0 } else { value }))
}
