//! Hexagon: Qualcomm's DSP, V5 and up, which runs Linux itself.
//!
//! psABI: Qualcomm Hexagon Application Binary Interface User Guide, 80-N2040-23, chapter "Object files",
//! <https://docs.qualcomm.com/doc/80-N2040-23/topic/object-files.html>. Formulas have its letters: GOT is the address
//! of the global offset table, and G the offset in it of the symbol's slot.
//!
//! What to know of it:
//!
//! * Instructions are four bytes, little-endian as everything is. Up to four form a *packet* and run at once. Bits 14
//!   and 15 of each say whether its packet ends there; immediates therefore lie around these bits, in up to four
//!   pieces. A word that has 0 there ends its packet as well, and holds two short instructions, a *duplex*.
//! * Distances count from the first word of the packet, not from the instruction. The assembler puts the difference
//!   into the addend: 4 behind an extender.
//! * An immediate of 32 bits takes two words of a packet: `immext` is an *extender*, which holds the upper 26 bits
//!   (`32_6_X`, `B32_PCREL_X`), and the instruction behind it holds the lower six. So much is the same for all, however
//!   long their immediates are without an extender, and neither scaled nor checked. The other types with an X differ in
//!   that length alone: what follows an extender is a `16_X`, `11_X` or `6_X` by its instruction, and *which* six bits
//!   of the word are meant can be read in the word only ([`operand`]). In a duplex it is the upper instruction that is
//!   extended.
//! * `r0.h = #HI(x)` and `r0.l = #LO(x)` each have 16 bits, and nothing carries from one to the other.
//! * `GPREL16` types address small data by the register `gp`. Kernels are compiled with `-G0`, and have none.
//! * `call` and `jump` have 22 bits, in words, and reach 8 MiB. Modules are further away from the kernel, and therefore
//!   are compiled with `-mlong-calls`. A call without it goes through a stub of one packet, which needs no register, as
//!   with lld; Linux refuses such a module.
//! * Linux links `B22_PCREL`, `HI16`, `LO16`, `32` and `32_PCREL`, and refuses extenders, also without need.
#![cfg_attr(target_arch = "wasm32", no_std)]

extern crate alloc;

pub mod operands;
#[cfg(test)]
mod tests;

use operands::operand;
use relobox_plugin::abi::{Machine, Slice, order};
use relobox_plugin::{Cx, DYNAMIC, Field, Hooks, Job, Plan, TLS, Value, architecture, code, slice};

const fn insn(slices: &'static [Slice]) -> Field {
    Field::insn(4, order::LITTLE, slices)
}

const WORD32: Field = Field::data(4);
const WORD16: Field = Field::data(2);
const WORD8: Field = Field::data(1);
/// An instruction whose own bits say where its immediate is.
const INSN: Field = insn(&[slice(0, 0, 32)]);
// Branches, which count in words; by the number of bits.
const B22: Field = insn(&[slice(2, 1, 13), slice(15, 16, 9)]);
const B15: Field = insn(&[slice(2, 1, 7), slice(9, 13, 1), slice(10, 16, 5), slice(15, 22, 2)]);
const B13: Field = insn(&[slice(2, 1, 11), slice(13, 13, 1), slice(14, 21, 1)]);
const B9: Field = insn(&[slice(2, 1, 7), slice(9, 20, 2)]);
const B7: Field = insn(&[slice(2, 3, 2), slice(4, 8, 5)]);
/// The lower six bits of all of these behind an extender, in bytes.
const BX: Field = insn(&[slice(0, 1, 6)]);
const B7X: Field = insn(&[slice(0, 3, 2), slice(2, 8, 4)]);
/// The extender's part.
const X26: Field = insn(&[slice(6, 0, 14), slice(20, 16, 12)]);
const LO16: Field = insn(&[slice(0, 0, 14), slice(14, 22, 2)]);
const HI16: Field = insn(&[slice(16, 0, 14), slice(30, 22, 2)]);

architecture! {
    name: "hexagon",
    title: "Hexagon (Qualcomm DSP), little-endian, RELA",
    psabi: "https://docs.qualcomm.com/doc/80-N2040-23/topic/object-files.html",
    machines: [Machine {
        machine: 164,
        class: 32,
        order: order::LITTLE,
        flags_mask: 0,
        flags_value: 0,
        reserved: 0,
        // Above the memory, here of 512 MiB.
        base: 0xe000_0000,
        kernel: 0xc000_0000,
        // Of a call; the rest reaches everything.
        reach: 0x0080_0000,
    }],
    addends: explicit,
    decoding: "decoding.txt",
    state: Stubs,
    letters: (cx, S, A, P, V; GOT = cx.got()?, G = cx.slot()?),
    rows: {
        R_HEX_B22_PCREL     = 1:  S + A - P,   B22,    signed 24, align 4, else stub(cx, A) - P,
                                  needs TARGET_STUB | OUTSIDE;
        R_HEX_B15_PCREL     = 2:  S + A - P,   B15,    signed 17, align 4;
        R_HEX_B7_PCREL      = 3:  S + A - P,   B7,     signed 9,  align 4;
        R_HEX_LO16          = 4:  S + A,       LO16,   unchecked, low R_HEX_HI16;
        R_HEX_HI16          = 5:  S + A,       HI16,   unchecked;
        R_HEX_32            = 6:  S + A,       WORD32, unchecked;
        R_HEX_16            = 7:  S + A,       WORD16, unchecked;
        R_HEX_8             = 8:  S + A,       WORD8,  unchecked;
        R_HEX_B13_PCREL     = 14: S + A - P,   B13,    signed 15, align 4;
        R_HEX_B9_PCREL      = 15: S + A - P,   B9,     signed 11, align 4;
        R_HEX_32_PCREL      = 31: S + A - P,   WORD32, unchecked;
        R_HEX_PLT_B22_PCREL = 36: S + A - P,   B22,    signed 24, align 4, else stub(cx, A) - P,
                                  needs TARGET_STUB | OUTSIDE;
        // Extenders, and what is extended.
        R_HEX_B32_PCREL_X   = 16: S + A - P,   X26, unchecked;
        R_HEX_32_6_X        = 17: S + A,       X26, unchecked;
        R_HEX_B22_PCREL_X   = 18: S + A - P,   BX,  unchecked, low R_HEX_B32_PCREL_X;
        R_HEX_B15_PCREL_X   = 19: S + A - P,   BX,  unchecked, low R_HEX_B32_PCREL_X;
        R_HEX_B13_PCREL_X   = 20: S + A - P,   BX,  unchecked, low R_HEX_B32_PCREL_X;
        R_HEX_B9_PCREL_X    = 21: S + A - P,   BX,  unchecked, low R_HEX_B32_PCREL_X;
        R_HEX_B7_PCREL_X    = 22: S + A - P,   B7X, unchecked, low R_HEX_B32_PCREL_X;
        R_HEX_6_PCREL_X     = 65: operand(S + A - P, V)?, INSN, unchecked, low R_HEX_B32_PCREL_X;
        R_HEX_16_X          = 23: operand(S + A, V)?, INSN, unchecked, low R_HEX_32_6_X;
        R_HEX_12_X          = 24: operand(S + A, V)?, INSN, unchecked, low R_HEX_32_6_X;
        R_HEX_11_X          = 25: operand(S + A, V)?, INSN, unchecked, low R_HEX_32_6_X;
        R_HEX_10_X          = 26: operand(S + A, V)?, INSN, unchecked, low R_HEX_32_6_X;
        R_HEX_9_X           = 27: operand(S + A, V)?, INSN, unchecked, low R_HEX_32_6_X;
        R_HEX_8_X           = 28: operand(S + A, V)?, INSN, unchecked, low R_HEX_32_6_X;
        R_HEX_7_X           = 29: operand(S + A, V)?, INSN, unchecked, low R_HEX_32_6_X;
        R_HEX_6_X           = 30: operand(S + A, V)?, INSN, unchecked, low R_HEX_32_6_X;
        // Position-independent code.
        R_HEX_GOTREL_LO16   = 37: S + A - GOT, LO16,   unchecked, needs GOT, low R_HEX_GOTREL_HI16;
        R_HEX_GOTREL_HI16   = 38: S + A - GOT, HI16,   unchecked, needs GOT;
        R_HEX_GOTREL_32     = 39: S + A - GOT, WORD32, unchecked, needs GOT;
        R_HEX_GOT_LO16      = 40: G + A,       LO16,   unchecked, needs SLOT, low R_HEX_GOT_HI16;
        R_HEX_GOT_HI16      = 41: G + A,       HI16,   unchecked, needs SLOT;
        R_HEX_GOT_32        = 42: G + A,       WORD32, unchecked, needs SLOT;
        R_HEX_GOTREL_32_6_X = 66: S + A - GOT, X26,    unchecked, needs GOT;
        R_HEX_GOTREL_16_X   = 67: operand(S + A - GOT, V)?, INSN, unchecked, needs GOT, of slot,
                                  low R_HEX_GOTREL_32_6_X;
        R_HEX_GOTREL_11_X   = 68: operand(S + A - GOT, V)?, INSN, unchecked, needs GOT, of slot,
                                  low R_HEX_GOTREL_32_6_X;
        R_HEX_GOT_32_6_X    = 69: G + A,       X26,    unchecked, needs SLOT;
        R_HEX_GOT_16_X      = 70: operand(G + A, V)?, INSN, unchecked, needs SLOT, of slot, low R_HEX_GOT_32_6_X;
        R_HEX_GOT_11_X      = 71: operand(G + A, V)?, INSN, unchecked, needs SLOT, of slot, low R_HEX_GOT_32_6_X;
    }
    ignored: {
        R_HEX_NONE = 0,
    }
    refused: {
        "is relative to gp, which kernel code does not have: compile with -G0" =>
            9..=12 [R_HEX_GPREL16_0, R_HEX_GPREL16_1, R_HEX_GPREL16_2, R_HEX_GPREL16_3];
        "is for a linker's own trampolines" => 13 [R_HEX_HL16];
        DYNAMIC => 32..=35 [R_HEX_COPY, R_HEX_GLOB_DAT, R_HEX_JMP_SLOT, R_HEX_RELATIVE];
        "is an offset in a global offset table of 64 KiB, which no assembler writes" => 43 [R_HEX_GOT_16];
        TLS =>
            44..=64 [R_HEX_DTPMOD_32, R_HEX_DTPREL_LO16, R_HEX_DTPREL_HI16, R_HEX_DTPREL_32, R_HEX_DTPREL_16,
                R_HEX_GD_PLT_B22_PCREL, R_HEX_GD_GOT_LO16, R_HEX_GD_GOT_HI16, R_HEX_GD_GOT_32, R_HEX_GD_GOT_16,
                R_HEX_IE_LO16, R_HEX_IE_HI16, R_HEX_IE_32, R_HEX_IE_GOT_LO16, R_HEX_IE_GOT_HI16, R_HEX_IE_GOT_32,
                R_HEX_IE_GOT_16, R_HEX_TPREL_LO16, R_HEX_TPREL_HI16, R_HEX_TPREL_32, R_HEX_TPREL_16],
            72..=93 [R_HEX_DTPREL_32_6_X, R_HEX_DTPREL_16_X, R_HEX_DTPREL_11_X, R_HEX_GD_GOT_32_6_X, R_HEX_GD_GOT_16_X,
                R_HEX_GD_GOT_11_X, R_HEX_IE_32_6_X, R_HEX_IE_16_X, R_HEX_IE_GOT_32_6_X, R_HEX_IE_GOT_16_X,
                R_HEX_IE_GOT_11_X, R_HEX_TPREL_32_6_X, R_HEX_TPREL_16_X, R_HEX_TPREL_11_X, R_HEX_LD_PLT_B22_PCREL,
                R_HEX_LD_GOT_LO16, R_HEX_LD_GOT_HI16, R_HEX_LD_GOT_32, R_HEX_LD_GOT_16, R_HEX_LD_GOT_32_6_X,
                R_HEX_LD_GOT_16_X, R_HEX_LD_GOT_11_X],
            95..=98 [R_HEX_GD_PLT_B22_PCREL_X, R_HEX_GD_PLT_B32_PCREL_X, R_HEX_LD_PLT_B22_PCREL_X,
                R_HEX_LD_PLT_B32_PCREL_X];
        "is for iconst(), a constant that another linker moves to the lowest addresses" =>
            94 [R_HEX_23_REG], 99 [R_HEX_27_REG];
    }
}

/// Stubs for calls that do not reach their targets.
#[derive(Default)]
pub struct Stubs;

/// Bytes of one: a packet of two words.
const STUB: usize = 8;

impl Hooks for Stubs {
    fn plan(&mut self, _: &Job<'_>, plan: &mut Plan) {
        plan.stubs(".relobox.plt", STUB, STUB as u64, 0);
    }
}

/// Where a call goes that is out of reach: the stub, or the symbol plus `addend` if there is none, or nothing to run
/// there.
#[cold]
fn stub(cx: &mut Cx<'_, Stubs>, addend: Value) -> Value {
    let target = cx.value(cx.relocation.symbol) + addend;
    let Some(stub) = cx.stub_of(addend).filter(|_| target & 3 == Value(0)) else { return target };
    let distance = target - stub.address;
    code! { stub.bytes, false;
        X26(0x0000_4000, distance) // { immext(#distance)
        BX(0x5800_c000, distance)  //   jump #distance }
    }
    stub.address
}
