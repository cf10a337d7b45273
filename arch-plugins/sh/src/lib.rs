//! SuperH: SH-1 to SH-4A, little-endian and big-endian.
//!
//! psABI: none is in print. The types are those of binutils, <https://sourceware.org/git/?p=binutils-gdb.git>,
//! `include/elf/sh.h`; what they do, GNU ld shows and Linux tells in `arch/sh/kernel/module.c`. Formulas have the
//! letters that psABIs share: GOT is the address of the global offset table, and G the offset in it of the symbol's
//! slot. V is what the field holds before.
//!
//! What to know of it:
//!
//! * An instruction has 16 bits, in the byte order of the data. What does not fit stands in a *literal pool* between
//!   the functions: `mov.l @(disp,PC)` loads an address from there and `jsr` calls it. Nearly all relocations are words
//!   of such pools, at any even address, and of data, at any address.
//! * **Both addends count.** Relocations are RELA, but assemblers put the addend of a 32-bit word into the word, and 0
//!   into the relocation. GNU ld adds what stands in place (V) and ignores the relocation's addend; Linux adds both,
//!   and so do we. Types without a V in their formula overwrite what stands in place, as usual.
//! * PC is 4 bytes ahead. `bra` and `bsr` have 12 bits of halfwords; their assembler has -4 in the addend. Conditional
//!   branches have 8 bits with a sign; loads from the pool and `mova` have 8 bits without one, of halfwords (`mov.w`),
//!   or of words from PC *rounded down* to a multiple of 4.
//! * These short distances are relocated only if the assembler is to leave them to a linker that shortens code
//!   (`-relax`). Where their symbol is the start of their own section, the assembler has already written the distance,
//!   and says so with this symbol only: GNU ld leaves the field alone, and so do we.
//! * `-relax` also writes `USES`, `COUNT`, `ALIGN`, `CODE`, `DATA`, `LABEL` and `SWITCH`: what a linker must know
//!   before it moves code. Nothing moves here; code is right as it is.
//! * `movi20` of the SH-2A has an immediate of 20 bits: four in the first of its two halfwords, the others are the
//!   second. GNU ld only sets bits in the first, which is 0 before.
//! * `PLT32` is the distance of a call of position-independent code. It reaches everything, and `L` is `S`. `GOTPLT32`
//!   wants the slot for such a call to load from, which is the symbol's own.
//! * Types above 240 are SHmedia's, the 32-bit instructions of the SH-5: an immediate of 16 bits from bit 10 up. No
//!   binutils has them since 2.31, and no Linux runs there since 5.8, but its loader still knows the four that are
//!   here.
//! * Sums wrap at 32 bits. Linux checks nothing; the shorter fields, which it does not know, have the ranges of GNU ld,
//!   and odd distances are faults rather than cut.
#![cfg_attr(target_arch = "wasm32", no_std)]

extern crate alloc;

use relobox_plugin::abi::{Machine, Slice, order};
use relobox_plugin::{Cx, DYNAMIC, Field, TLS, Value, architecture, slice};

#[cfg(test)]
mod tests;

const BYTE8: Field = Field::data(1);
const HALF16: Field = Field::data(2);
const WORD32: Field = Field::data(4);

/// An instruction, in the byte order of the data.
const fn insn(slices: &'static [Slice]) -> Field {
    Field::insn(2, order::DATA, slices)
}
const DISP8: Field = insn(&[slice(1, 0, 8)]);
const DISP8L: Field = insn(&[slice(2, 0, 8)]);
const DISP12: Field = insn(&[slice(1, 0, 12)]);
const MOVI20: Field = Field::insn(4, order::MIDDLE, &[slice(0, 0, 16), slice(16, 20, 4)]);

/// The byte of an instruction that holds its immediate: all of it, or the lower half.
const fn low(slices: &'static [Slice]) -> Field {
    Field::insn(1, order::DATA, slices)
}
const IMM8W: Field = low(&[slice(1, 0, 8)]);
const IMM8L: Field = low(&[slice(2, 0, 8)]);
const IMM4: Field = low(&[slice(0, 0, 4)]);
const IMM4W: Field = low(&[slice(1, 0, 4)]);
const IMM4L: Field = low(&[slice(2, 0, 4)]);

// SHmedia's `movi` and `shori`.
const IMM_LOW16: Field = Field::insn(4, order::DATA, &[slice(0, 10, 16)]);
const IMM_MEDLOW16: Field = Field::insn(4, order::DATA, &[slice(16, 10, 16)]);

const fn machine(order: u8) -> Machine {
    Machine {
        machine: 42,
        class: 32,
        order,
        flags_mask: 0,
        flags_value: 0,
        reserved: 0,
        // P3, the addresses that are mapped page by page; the kernel is in P1, where memory begins at 0x0c00_0000.
        base: 0xc000_0000,
        kernel: 0x8c00_0000,
        // Distances wrap: everything is in reach.
        reach: 0,
    }
}

architecture! {
    name: "sh",
    title: "SuperH (SH-1 to SH-4A), little-endian and big-endian, RELA",
    psabi: "https://sourceware.org/git/?p=binutils-gdb.git;a=blob;f=include/elf/sh.h",
    machines: [machine(order::LITTLE), machine(order::BIG)],
    addends: explicit,
    decoding: "decoding.txt",
    state: (),
    letters: (cx, S, A, P, V; GOT = cx.got()?, G = cx.slot()?),
    rows: {
        R_SH_DIR32             = 1:   V + S + A,           WORD32, unchecked;
        R_SH_REL32             = 2:   V + S + A - P,       WORD32, unchecked, of relative;
        // What is left depends on where the section begins.
        R_SH_DIR8WPN           = 3:   V.sign_extend(9) + left(S + A - P - 4, cx), DISP8, signed 9, align 2, of slot;
        R_SH_IND12W            = 4:   S + A - P,           DISP12, signed 13,   align 2;
        R_SH_DIR8WPL           = 5:   V + left(S + A - (P & -4) - 4, cx), DISP8L, unsigned 10, align 4, of slot;
        R_SH_DIR8WPZ           = 6:   V + left(S + A - P - 4, cx), DISP8, unsigned 9, align 2, of slot;
        R_SH_DIR16             = 33:  S + A,               HALF16, either 16;
        R_SH_DIR8              = 34:  S + A,               BYTE8,  either 8;
        R_SH_DIR8UL            = 35:  S + A,               IMM8L,  unsigned 10, align 4;
        R_SH_DIR8UW            = 36:  S + A,               IMM8W,  unsigned 9,  align 2;
        R_SH_DIR8U             = 37:  S + A,               BYTE8,  unsigned 8;
        R_SH_DIR8SW            = 38:  S + A,               IMM8W,  signed 9,    align 2;
        R_SH_DIR8S             = 39:  S + A,               BYTE8,  signed 8;
        R_SH_DIR4UL            = 40:  S + A,               IMM4L,  unsigned 6,  align 4;
        R_SH_DIR4UW            = 41:  S + A,               IMM4W,  unsigned 5,  align 2;
        R_SH_DIR4U             = 42:  S + A,               IMM4,   unsigned 4;
        R_SH_GOT32             = 160: V + G + A,           WORD32, unchecked, needs SLOT, of slot;
        R_SH_PLT32             = 161: V + S + A - P,       WORD32, unchecked, of relative;
        R_SH_GOTOFF            = 166: V + S + A - GOT,     WORD32, unchecked, needs GOT,  of slot;
        R_SH_GOTPC             = 167: V + GOT + A - P,     WORD32, unchecked, needs GOT,  of slot;
        R_SH_GOTPLT32          = 168: V + G + A,           WORD32, unchecked, needs SLOT, of slot;
        R_SH_GOT20             = 201: G + A,               MOVI20, signed 20,   needs SLOT;
        R_SH_GOTOFF20          = 202: S + A - GOT,         MOVI20, signed 20,   needs GOT;
        R_SH_IMM_LOW16         = 246: S + A,               IMM_LOW16,    unchecked;
        R_SH_IMM_LOW16_PCREL   = 247: S + A - P,           IMM_LOW16,    unchecked;
        R_SH_IMM_MEDLOW16      = 248: S + A,               IMM_MEDLOW16, unchecked;
        R_SH_IMM_MEDLOW16_PCREL = 249: S + A - P,          IMM_MEDLOW16, unchecked;
    }
    ignored: {
        R_SH_NONE = 0,
        // What a C++ linker throws away unused virtual functions by.
        R_SH_GNU_VTINHERIT = 22,
        R_SH_GNU_VTENTRY = 23,
        // What a linker that shortens code must know: differences in it, the load for a call and how many use it,
        // places to align, where code and data begin, and labels.
        R_SH_SWITCH8 = 24,
        R_SH_SWITCH16 = 25,
        R_SH_SWITCH32 = 26,
        R_SH_USES = 27,
        R_SH_COUNT = 28,
        R_SH_ALIGN = 29,
        R_SH_CODE = 30,
        R_SH_DATA = 31,
        R_SH_LABEL = 32,
    }
    refused: {
        "is a displacement from gbr, which no tool writes or links" =>
            7..=9 [R_SH_DIR8BP, R_SH_DIR8W, R_SH_DIR8L];
        "is for the DSP, which kernel code does not use" =>
            10..=11 [R_SH_LOOP_START, R_SH_LOOP_END], 43..=44 [R_SH_PSHA, R_SH_PSHL];
        "is written by no assembler and linked by no linker" => 53 [R_SH_DIR16S];
        "is for SHmedia, the instructions of the SH-5, which Linux and linkers have given up" =>
            45..=51 [R_SH_DIR5U, R_SH_DIR6U, R_SH_DIR6S, R_SH_DIR10S, R_SH_DIR10SW, R_SH_DIR10SL, R_SH_DIR10SQ],
            169..=192 [R_SH_GOT_LOW16, R_SH_GOT_MEDLOW16, R_SH_GOT_MEDHI16, R_SH_GOT_HI16, R_SH_GOTPLT_LOW16,
                R_SH_GOTPLT_MEDLOW16, R_SH_GOTPLT_MEDHI16, R_SH_GOTPLT_HI16, R_SH_PLT_LOW16, R_SH_PLT_MEDLOW16,
                R_SH_PLT_MEDHI16, R_SH_PLT_HI16, R_SH_GOTOFF_LOW16, R_SH_GOTOFF_MEDLOW16, R_SH_GOTOFF_MEDHI16,
                R_SH_GOTOFF_HI16, R_SH_GOTPC_LOW16, R_SH_GOTPC_MEDLOW16, R_SH_GOTPC_MEDHI16, R_SH_GOTPC_HI16,
                R_SH_GOT10BY4, R_SH_GOTPLT10BY4, R_SH_GOT10BY8, R_SH_GOTPLT10BY8],
            242..=245 [R_SH_SHMEDIA_CODE, R_SH_PT_16, R_SH_IMMS16, R_SH_IMMU16],
            250..=255 [R_SH_IMM_MEDHI16, R_SH_IMM_MEDHI16_PCREL, R_SH_IMM_HI16, R_SH_IMM_HI16_PCREL, R_SH_64,
                R_SH_64_PCREL];
        DYNAMIC =>
            162..=165 [R_SH_COPY, R_SH_GLOB_DAT, R_SH_JMP_SLOT, R_SH_RELATIVE],
            193..=196 [R_SH_COPY64, R_SH_GLOB_DAT64, R_SH_JMP_SLOT64, R_SH_RELATIVE64];
        TLS =>
            144..=151 [R_SH_TLS_GD_32, R_SH_TLS_LD_32, R_SH_TLS_LDO_32, R_SH_TLS_IE_32, R_SH_TLS_LE_32,
                R_SH_TLS_DTPMOD32, R_SH_TLS_DTPOFF32, R_SH_TLS_TPOFF32];
        "is of FDPIC, an ABI for programs without an MMU" =>
            203..=208 [R_SH_GOTFUNCDESC, R_SH_GOTFUNCDESC20, R_SH_GOTOFFFUNCDESC, R_SH_GOTOFFFUNCDESC20, R_SH_FUNCDESC,
                R_SH_FUNCDESC_VALUE];
    }
}

/// What is left to add to a short distance: nothing if the symbol is the start of the section.
#[inline(never)]
fn left(distance: Value, cx: &Cx<'_, ()>) -> Value {
    if cx.value(cx.relocation.symbol) == Value::of(cx.section.address) { Value(0) } else { distance }
}
