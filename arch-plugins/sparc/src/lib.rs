//! SPARC: V9 with 64-bit addresses (sparc64), V8 and V8+ with 32-bit addresses (sparc32).
//!
//! psABIs: SPARC Compliance Definition 2.4.1, chapter "Relocation", <https://sparc.org/technical-documents/>; System V
//! Application Binary Interface, SPARC Processor Supplement, for 32 bits. Newer types are in Oracle Solaris 11 Linkers
//! and Libraries Guide, "Relocation Sections". The letters are theirs: GOT is the address of the global offset table, G
//! the offset in it of the symbol's slot, O a second addend.
//!
//! What to know of it:
//!
//! * Everything is big-endian, and instructions are words. An operand is `simm13`, 13 bits with a sign, or fewer.
//! * `sethi` sets bits 10 to 31 of a register and clears all others. The low half takes 10 of the 13 bits of a second
//!   instruction, so that it has no sign and high halves need no rounding: `HI22`, `LO10`. Bits 10 to 12 of the operand
//!   are 0; linkers and Linux leave them alone, and so do we.
//! * Addresses of 64 bits come in the order of code models. `medlow`, which is Linux's, has them below 4 GiB: `HI22`
//!   and `LO10`, unchecked. `medmid`: below 16 TiB, `H44`, `M44`, `L44`. `medany`: `HH22`, `HM10`, `LM22`, `LO10`.
//!   `H34` and `L44` reach 16 GiB.
//! * Of the **topmost 4 GiB**, `sethi` sets the bits that are 0, and `xor` with a negative `simm13` turns all the
//!   others over: `HIX22`, `LOX10`, whose upper three bits are always 1. `GOTDATA` does so, too, if the distance is
//!   negative.
//! * `OLO10` is a low half and another offset, which together are one operand. The **second addend** is in the upper 24
//!   bits of the 32 that `r_info` has for the type; the type is the low 8. (GNU `as -64` makes one of each `%lo(x) +
//!   n`.)
//! * Distances count in words from the branch itself. `call` has 30 bits: all of 32-bit memory, 2 GiB to either side in
//!   64 bits. Branches have 22, 19, 16 (`bpr`) or 10 bits (`cbcond`); the last two kinds are in two pieces.
//! * The instruction behind a branch is executed first. A linker may move it, Linux and we do not.
//! * `UA` types are words at any address, which old processors do not store in one piece.
//! * `GOTDATA_OP` types are a load from the GOT that a linker may turn into an addition. We do not: the load, which
//!   `GOTDATA_OP` itself marks, stays, and the offset is that of a slot.
//! * A static linker needs no procedure linkage table: `L` is `S`, in `WPLT30` and others.
//! * Undefined symbols of type `STT_REGISTER` are no symbols. They say which of %g2, %g3, %g6 and %g7 a module uses.
//! * Files that say EM_SPARC32PLUS are of V8+: 32-bit code with V9's instructions.
//!
//! Linux knows `32`, `UA32`, `DISP32`, `WDISP30`, `WDISP22`, `HI22` and `LO10`, in 64 bits also `64`, `UA64`, `WDISP19`
//! and `OLO10`, and checks nothing. On sparc64 all modules lie below 4 GiB, and it stops if one does not.
#![cfg_attr(target_arch = "wasm32", no_std)]

extern crate alloc;

use relobox_plugin::abi::{Machine, Slice, order};
use relobox_plugin::{Cx, DYNAMIC, Field, TLS, Value, architecture, slice};

#[cfg(test)]
mod tests;

const fn insn(slices: &'static [Slice]) -> Field {
    Field::insn(4, order::BIG, slices)
}

const BYTE8: Field = Field::data(1);
const HALF16: Field = Field::data(2);
const WORD32: Field = Field::data(4);
const XWORD64: Field = Field::data(8);
const IMM5: Field = insn(&[slice(0, 0, 5)]);
const IMM6: Field = insn(&[slice(0, 0, 6)]);
const IMM7: Field = insn(&[slice(0, 0, 7)]);
const IMM10: Field = insn(&[slice(0, 0, 10)]);
const IMM11: Field = insn(&[slice(0, 0, 11)]);
const IMM12: Field = insn(&[slice(0, 0, 12)]);
const SIMM13: Field = insn(&[slice(0, 0, 13)]);
const IMM22: Field = insn(&[slice(0, 0, 22)]);
/// Parts of an address, by their lowest bits.
const BITS10: Field = insn(&[slice(10, 0, 22)]);
const BITS12: Field = insn(&[slice(12, 0, 22)]);
const BITS22: Field = insn(&[slice(22, 0, 22)]);
const BITS42: Field = insn(&[slice(42, 0, 22)]);
const MID12: Field = insn(&[slice(12, 0, 10)]);
const MID32: Field = insn(&[slice(32, 0, 10)]);
/// Distances in words.
const DISP10: Field = insn(&[slice(2, 5, 8), slice(10, 19, 2)]);
const DISP16: Field = insn(&[slice(2, 0, 14), slice(16, 20, 2)]);
const DISP19: Field = insn(&[slice(2, 0, 19)]);
const DISP22: Field = insn(&[slice(2, 0, 22)]);
const DISP30: Field = insn(&[slice(2, 0, 30)]);

const fn machine(machine: u16, class: u8) -> Machine {
    let wide = class == 64;
    Machine {
        machine,
        class,
        order: order::BIG,
        flags_mask: 0,
        flags_value: 0,
        reserved: 0,
        // 64 bits: below 4 GiB, behind the kernel. 32 bits: in vmalloc's area.
        base: if wide { 0x1000_0000 } else { 0xfe60_0000 },
        kernel: if wide { 0x0040_4000 } else { 0xf000_4000 },
        // A `call` wraps in 32 bits.
        reach: if wide { 0x8000_0000 } else { 0 },
    }
}

architecture! {
    name: "sparc",
    title: "SPARC V9 (64 bits), V8 and V8+ (32 bits), big-endian, RELA",
    psabi: "https://sparc.org/technical-documents/",
    machines: [machine(43, 64), machine(2, 32), machine(18, 32)],
    addends: explicit,
    kind_mask: 0xff,
    decoding: "decoding.txt",
    state: (),
    letters: (cx, S, A, P; GOT = cx.got()?, G = cx.slot()?, Z = cx.size()),
    rows: {
        R_SPARC_8         = 1:  S + A,       BYTE8,   either 8;
        R_SPARC_16        = 2:  S + A,       HALF16,  either 16;
        R_SPARC_32        = 3:  S + A,       WORD32,  either 32;
        R_SPARC_DISP8     = 4:  S + A - P,   BYTE8,   signed 8;
        R_SPARC_DISP16    = 5:  S + A - P,   HALF16,  signed 16;
        R_SPARC_DISP32    = 6:  S + A - P,   WORD32,  signed 32;
        R_SPARC_WDISP30   = 7:  S + A - P,   DISP30,  signed 32, align 4;
        R_SPARC_WDISP22   = 8:  S + A - P,   DISP22,  signed 24, align 4;
        R_SPARC_HI22      = 9:  S + A,       BITS10,  either 32;
        R_SPARC_22        = 10: S + A,       IMM22,   either 22;
        R_SPARC_13        = 11: S + A,       SIMM13,  signed 13;
        R_SPARC_LO10      = 12: S + A,       IMM10,   unchecked, low R_SPARC_HI22;
        R_SPARC_GOT10     = 13: G + A,       IMM10,   unchecked, needs SLOT, low R_SPARC_GOT22;
        R_SPARC_GOT13     = 14: G + A,       SIMM13,  signed 13, needs SLOT;
        R_SPARC_GOT22     = 15: G + A,       BITS10,  unchecked, needs SLOT;
        R_SPARC_PC10      = 16: S + A - P,   IMM10,   unchecked, low R_SPARC_PC22;
        R_SPARC_PC22      = 17: S + A - P,   BITS10,  either 32;
        R_SPARC_WPLT30    = 18: S + A - P,   DISP30,  signed 32, align 4;
        R_SPARC_UA32      = 23: S + A,       WORD32,  either 32;
        R_SPARC_PLT32     = 24: S + A,       WORD32,  either 32;
        R_SPARC_HIPLT22   = 25: S + A,       BITS10,  unchecked;
        R_SPARC_LOPLT10   = 26: S + A,       IMM10,   unchecked, low R_SPARC_HIPLT22;
        R_SPARC_PCPLT32   = 27: S + A - P,   WORD32,  signed 32;
        R_SPARC_PCPLT22   = 28: S + A - P,   BITS10,  either 32;
        R_SPARC_PCPLT10   = 29: S + A - P,   IMM10,   unchecked, low R_SPARC_PCPLT22;
        R_SPARC_10        = 30: S + A,       IMM10,   signed 10;
        R_SPARC_11        = 31: S + A,       IMM11,   signed 11;
        R_SPARC_64        = 32: S + A,       XWORD64, whole;
        R_SPARC_OLO10     = 33: lo10(S + A) + second_addend(cx), SIMM13, signed 13;
        R_SPARC_HH22      = 34: S + A,       BITS42,  whole;
        R_SPARC_HM10      = 35: S + A,       MID32,   whole, low R_SPARC_HH22;
        R_SPARC_LM22      = 36: S + A,       BITS10,  unchecked, low R_SPARC_HM10;
        R_SPARC_PC_HH22   = 37: S + A - P,   BITS42,  whole;
        R_SPARC_PC_HM10   = 38: S + A - P,   MID32,   whole, low R_SPARC_PC_HH22;
        R_SPARC_PC_LM22   = 39: S + A - P,   BITS10,  unchecked, low R_SPARC_PC_HM10;
        R_SPARC_WDISP16   = 40: S + A - P,   DISP16,  signed 18, align 4;
        R_SPARC_WDISP19   = 41: S + A - P,   DISP19,  signed 21, align 4;
        R_SPARC_7         = 43: S + A,       IMM7,    unsigned 7;
        R_SPARC_5         = 44: S + A,       IMM5,    unsigned 5;
        R_SPARC_6         = 45: S + A,       IMM6,    unsigned 6;
        R_SPARC_DISP64    = 46: S + A - P,   XWORD64, whole;
        R_SPARC_PLT64     = 47: S + A,       XWORD64, whole;
        R_SPARC_HIX22     = 48: -S - A - 1,  BITS10,  unsigned 32;
        R_SPARC_LOX10     = 49: ((S + A) & 0x3ff) + 0x1c00, SIMM13, unchecked, low R_SPARC_HIX22;
        R_SPARC_H44       = 50: S + A,       BITS22,  unsigned 44;
        R_SPARC_M44       = 51: S + A,       MID12,   unchecked, low R_SPARC_H44;
        R_SPARC_L44       = 52: S + A,       IMM12,   unchecked, low R_SPARC_M44;
        R_SPARC_UA64      = 54: S + A,       XWORD64, whole;
        R_SPARC_UA16      = 55: S + A,       HALF16,  either 16;
        R_SPARC_GOTDATA_HIX22    = 80: folded(S + A - GOT), BITS10, either 32, needs GOT;
        R_SPARC_GOTDATA_LOX10    = 81: lo10_or_turned(S + A - GOT), SIMM13, unchecked, needs GOT;
        R_SPARC_GOTDATA_OP_HIX22 = 82: folded(G + A), BITS10, unchecked, needs SLOT;
        R_SPARC_GOTDATA_OP_LOX10 = 83: lo10_or_turned(G + A), SIMM13, unchecked, needs SLOT;
        R_SPARC_H34       = 85: S + A,       BITS12,  unsigned 34;
        R_SPARC_SIZE32    = 86: Z + A,       WORD32,  either 32;
        R_SPARC_SIZE64    = 87: Z + A,       XWORD64, whole;
        R_SPARC_WDISP10   = 88: S + A - P,   DISP10,  signed 12, align 4;
    }
    ignored: {
        R_SPARC_NONE = 0,
        R_SPARC_GOTDATA_OP = 84,
        // What a C++ linker throws away unused virtual functions by.
        R_SPARC_GNU_VTINHERIT = 250,
        R_SPARC_GNU_VTENTRY = 251,
    }
    refused: {
        DYNAMIC =>
            19..=22 [R_SPARC_COPY, R_SPARC_GLOB_DAT, R_SPARC_JMP_SLOT, R_SPARC_RELATIVE], 53 [R_SPARC_REGISTER],
            248..=249 [R_SPARC_JMP_IREL, R_SPARC_IRELATIVE];
        "is for little-endian data, which kernels do not have" => 252 [R_SPARC_REV32];
        "is reserved" => 42 [R_SPARC_UNUSED_42];
        TLS =>
            56..=79 [R_SPARC_TLS_GD_HI22, R_SPARC_TLS_GD_LO10, R_SPARC_TLS_GD_ADD, R_SPARC_TLS_GD_CALL,
                R_SPARC_TLS_LDM_HI22, R_SPARC_TLS_LDM_LO10, R_SPARC_TLS_LDM_ADD, R_SPARC_TLS_LDM_CALL,
                R_SPARC_TLS_LDO_HIX22, R_SPARC_TLS_LDO_LOX10, R_SPARC_TLS_LDO_ADD, R_SPARC_TLS_IE_HI22,
                R_SPARC_TLS_IE_LO10, R_SPARC_TLS_IE_LD, R_SPARC_TLS_IE_LDX, R_SPARC_TLS_IE_ADD, R_SPARC_TLS_LE_HIX22,
                R_SPARC_TLS_LE_LOX10, R_SPARC_TLS_DTPMOD32, R_SPARC_TLS_DTPMOD64, R_SPARC_TLS_DTPOFF32,
                R_SPARC_TLS_DTPOFF64, R_SPARC_TLS_TPOFF32, R_SPARC_TLS_TPOFF64];
    }
}

/// The ten low bits, which have no sign.
const fn lo10(x: Value) -> Value {
    Value(x.0 & 0x3ff)
}

/// O: what r_info has beside the type, which is a number of 24 bits with a sign.
fn second_addend(cx: &Cx<'_, ()>) -> Value {
    Value((cx.relocation.kind as i32 >> 8).into())
}

/// A distance, with all bits turned over if it is negative.
const fn folded(x: Value) -> Value {
    Value(x.0 ^ x.0 >> 63)
}

/// The operand that turns them back, and has the ten low ones.
const fn lo10_or_turned(x: Value) -> Value {
    Value(x.0 & 0x3ff | x.0 >> 63 & 0x1c00)
}
