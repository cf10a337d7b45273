//! PowerPC, 32 bits: big-endian as Linux runs it, and little-endian.
//!
//! psABIs: System V Application Binary Interface, PowerPC Processor Supplement, chapter "Relocation",
//! <https://refspecs.linuxfoundation.org/elf/elfspec_ppc.pdf>; what begins with `EMB` is of the Embedded ABI, `REL16`,
//! `PLTSEQ` and `PLTCALL` are GNU's. The letters are the psABI's: GOT is the address of the global offset table, G the
//! offset in it of the symbol's slot, L the address of the symbol's entry in the procedure linkage table.
//!
//! What to know of it:
//!
//! * An instruction is a word in the byte order of the data. An immediate is its low half, and the place is that half:
//!   two bytes into the word on a big-endian machine. Branches are patched as words.
//! * An address takes two instructions, `lis` and one with a low half. Most low halves have a sign, and then the high
//!   half is rounded: `HA`. It is not (`HI`) for `ori`, whose half has none.
//! * The type does not say what an immediate is: a 16-bit number is one with its sign (`li`, offsets of loads), one
//!   without (`ori`, `cmplwi`), or data. GNU ld looks at the instruction; we admit either.
//! * `bl` reaches 32 MiB, `bc` 32 KiB. Their absolute forms (`ba`, `bca`) reach as far from 0, to either side.
//! * Modules lie in a segment of 256 MB below the kernel, so that nearly all calls of it go through an **entry**, which
//!   makes the address in r12 and jumps there. Linux puts entries into the module's `.plt` and `.init.plt`.
//! * A conditional branch has a bit `y` that turns the processor's guess around, which is that branches backward are
//!   taken: it goes by the sign of the field, also in `bca`. `BRTAKEN` and `BRNTAKEN` say what is right. GNU ld sets
//!   the bit in branches that ask no condition, too, where the psABI wants a 0.
//! * There are two PLTs of position-independent code. In the older one, `PLTREL24` calls code in a writable table, and
//!   `LOCAL24PC` an instruction in front of the GOT to find that (refused). In the newer one the addend of `PLTREL24`
//!   is not for the branch, but says which table r30 points to: it is ignored.
//! * `PLT16` halves load the address of a function from a slot, for `-mlongcall`. Code that finds the slot from r30 is
//!   turned into `lis`, as in programs that GNU ld links statically.
//! * Small data is reached from r13 and r2 in 16 bits: r2 is Linux's current thread, and r13 is anything.
//! * 32-bit processors have no loads of doublewords, and so there are no types for their immediates.
//! * Sums wrap at 32 bits.
//!
//! Linux's loader knows `ADDR32`, `ADDR16_LO`, `_HI` and `_HA`, `REL24` and `REL32`, and checks nothing.
#![cfg_attr(target_arch = "wasm32", no_std)]

extern crate alloc;

use branches::{Entries, L, WORD32, hinted, insn, lis, local};
use relobox_plugin::abi::{Machine, order};
use relobox_plugin::{DYNAMIC, Field, TLS, Value, architecture, slice};

mod branches;
#[cfg(test)]
mod tests;

const WORD30: Field = insn(4, &[slice(2, 2, 30)]);
const LO16: Field = Field::data(2);
const HI16: Field = insn(2, &[slice(16, 0, 16)]);
const BD14: Field = insn(4, &[slice(2, 2, 14)]);
const LI24: Field = insn(4, &[slice(2, 2, 24)]);
/// Of `addpcis`.
const DX16: Field = insn(4, &[slice(16, 0, 1), slice(17, 16, 5), slice(22, 6, 10)]);

const fn machine(order: u8) -> Machine {
    Machine {
        machine: 20,
        class: 32,
        order,
        flags_mask: 0,
        flags_value: 0,
        reserved: 0,
        base: 0xb000_0000,
        kernel: 0xc000_0000,
        reach: 0x200_0000,
    }
}

architecture! {
    name: "ppc32",
    title: "PowerPC, 32 bits, both byte orders, RELA",
    psabi: "https://refspecs.linuxfoundation.org/elf/elfspec_ppc.pdf",
    machines: [machine(order::BIG), machine(order::LITTLE)],
    addends: explicit,
    decoding: "decoding.txt",
    state: Entries,
    letters: (cx, S, A, P; GOT = cx.got()?, G = cx.slot()?),
    rows: {
        R_PPC_ADDR32          = 1:   S + A,     WORD32, unchecked;
        R_PPC_ADDR24          = 2:   S + A,     LI24,   signed 26, align 4;
        R_PPC_ADDR16          = 3:   S + A,     LO16,   either 16;
        R_PPC_ADDR16_LO       = 4:   S + A,     LO16,   unchecked, low R_PPC_ADDR16_HA;
        R_PPC_ADDR16_HI       = 5:   S + A,     HI16,   unchecked;
        R_PPC_ADDR16_HA       = 6:   S + A,     HI16,   unchecked, high 16;
        R_PPC_ADDR14          = 7:   S + A,     BD14,   signed 16, align 4;
        R_PPC_ADDR14_BRTAKEN  = 8:   hinted(S + A, 1, cx)?,     BD14, signed 16, align 4, of absolute;
        R_PPC_ADDR14_BRNTAKEN = 9:   hinted(S + A, 0, cx)?,     BD14, signed 16, align 4, of absolute;
        R_PPC_REL24           = 10:  S + A - P, LI24,   signed 26, align 4,
                                     else L(S, A, cx) - P, needs TARGET_STUB | OUTSIDE;
        R_PPC_REL14           = 11:  S + A - P, BD14,   signed 16, align 4,
                                     else L(S, A, cx) - P, needs TARGET_STUB | OUTSIDE;
        R_PPC_REL14_BRTAKEN   = 12:  hinted(S + A - P, 1, cx)?, BD14, signed 16, align 4,
                                     else hinted(L(S, A, cx) - P, 1, cx)?, needs TARGET_STUB | OUTSIDE, of relative;
        R_PPC_REL14_BRNTAKEN  = 13:  hinted(S + A - P, 0, cx)?, BD14, signed 16, align 4,
                                     else hinted(L(S, A, cx) - P, 0, cx)?, needs TARGET_STUB | OUTSIDE, of relative;
        R_PPC_GOT16           = 14:  G + A,     LO16,   signed 16, needs SLOT;
        R_PPC_GOT16_LO        = 15:  G + A,     LO16,   unchecked, needs SLOT, low R_PPC_GOT16_HA;
        R_PPC_GOT16_HI        = 16:  G + A,     HI16,   unchecked, needs SLOT;
        R_PPC_GOT16_HA        = 17:  G + A,     HI16,   unchecked, needs SLOT, high 16;
        R_PPC_PLTREL24        = 18:  S - P,     LI24,   signed 26, align 4,
                                     else L(S, Value(0), cx) - P, needs STUB | OUTSIDE;
        R_PPC_LOCAL24PC       = 23:  local(S + A - P, cx)?, LI24, signed 26, align 4, is relative;
        R_PPC_UADDR32         = 24:  S + A,     WORD32, unchecked;
        R_PPC_UADDR16         = 25:  S + A,     LO16,   either 16;
        R_PPC_REL32           = 26:  S + A - P, WORD32, unchecked;
        // Both reach everything: L is S.
        R_PPC_PLT32           = 27:  S + A,     WORD32, unchecked;
        R_PPC_PLTREL32        = 28:  S + A - P, WORD32, unchecked;
        R_PPC_PLT16_LO        = 29:  GOT + G,   LO16,   unchecked, needs SLOT, low R_PPC_PLT16_HA;
        R_PPC_PLT16_HI        = 30:  GOT + G,   HI16,   unchecked, needs SLOT;
        R_PPC_PLT16_HA        = 31:  lis(GOT + G, cx), HI16, unchecked, needs SLOT, window -2, 6, 1, high 16;
        R_PPC_ADDR30          = 37:  S + A - P, WORD30, unchecked, align 4;
        R_PPC_EMB_NADDR32     = 101: A - S,     WORD32, unchecked;
        R_PPC_EMB_NADDR16     = 102: A - S,     LO16,   signed 16;
        R_PPC_EMB_NADDR16_LO  = 103: A - S,     LO16,   unchecked;
        R_PPC_EMB_NADDR16_HI  = 104: A - S,     HI16,   unchecked;
        R_PPC_EMB_NADDR16_HA  = 105: A - S,     HI16,   unchecked, high 16;
        R_PPC_REL16DX_HA      = 246: S + A - P, DX16,   unchecked, high 16;
        R_PPC_REL16           = 249: S + A - P, LO16,   signed 16;
        R_PPC_REL16_LO        = 250: S + A - P, LO16,   unchecked, low R_PPC_REL16_HA;
        R_PPC_REL16_HI        = 251: S + A - P, HI16,   unchecked;
        R_PPC_REL16_HA        = 252: S + A - P, HI16,   unchecked, high 16;
    }
    ignored: {
        R_PPC_NONE = 0,
        // Names a symbol that is needed.
        R_PPC_EMB_MRKREF = 110,
        // Which instructions a linker may shorten, if what they call is near.
        R_PPC_PLTSEQ = 119,
        R_PPC_PLTCALL = 120,
        // What a C++ linker throws away unused virtual functions by.
        R_PPC_GNU_VTINHERIT = 253,
        R_PPC_GNU_VTENTRY = 254,
    }
    refused: {
        DYNAMIC =>
            19..=22 [R_PPC_COPY, R_PPC_GLOB_DAT, R_PPC_JMP_SLOT, R_PPC_RELATIVE], 248 [R_PPC_IRELATIVE];
        "is relative to r13 or r2, which point to no small data in a kernel: compile with -msdata=none" =>
            32 [R_PPC_SDAREL16], 106..=109 [R_PPC_EMB_SDAI16, R_PPC_EMB_SDA2I16, R_PPC_EMB_SDA2REL, R_PPC_EMB_SDA21],
            116 [R_PPC_EMB_RELSDA];
        "is an offset in a section that a linker has put together" =>
            33..=36 [R_PPC_SECTOFF, R_PPC_SECTOFF_LO, R_PPC_SECTOFF_HI, R_PPC_SECTOFF_HA],
            111..=114 [R_PPC_EMB_RELSEC16, R_PPC_EMB_RELST_LO, R_PPC_EMB_RELST_HI, R_PPC_EMB_RELST_HA];
        TLS =>
            67..=96 [R_PPC_TLS, R_PPC_DTPMOD32, R_PPC_TPREL16, R_PPC_TPREL16_LO, R_PPC_TPREL16_HI, R_PPC_TPREL16_HA,
                R_PPC_TPREL32, R_PPC_DTPREL16, R_PPC_DTPREL16_LO, R_PPC_DTPREL16_HI, R_PPC_DTPREL16_HA, R_PPC_DTPREL32,
                R_PPC_GOT_TLSGD16, R_PPC_GOT_TLSGD16_LO, R_PPC_GOT_TLSGD16_HI, R_PPC_GOT_TLSGD16_HA, R_PPC_GOT_TLSLD16,
                R_PPC_GOT_TLSLD16_LO, R_PPC_GOT_TLSLD16_HI, R_PPC_GOT_TLSLD16_HA, R_PPC_GOT_TPREL16,
                R_PPC_GOT_TPREL16_LO, R_PPC_GOT_TPREL16_HI, R_PPC_GOT_TPREL16_HA, R_PPC_GOT_DTPREL16,
                R_PPC_GOT_DTPREL16_LO, R_PPC_GOT_DTPREL16_HI, R_PPC_GOT_DTPREL16_HA, R_PPC_TLSGD, R_PPC_TLSLD];
        "is not written by any assembler" => 115 [R_PPC_EMB_BIT_FLD];
        "patches VLE code, which kernels do not load" =>
            216..=233 [R_PPC_VLE_REL8, R_PPC_VLE_REL15, R_PPC_VLE_REL24, R_PPC_VLE_LO16A, R_PPC_VLE_LO16D,
                R_PPC_VLE_HI16A, R_PPC_VLE_HI16D, R_PPC_VLE_HA16A, R_PPC_VLE_HA16D, R_PPC_VLE_SDA21,
                R_PPC_VLE_SDA21_LO, R_PPC_VLE_SDAREL_LO16A, R_PPC_VLE_SDAREL_LO16D, R_PPC_VLE_SDAREL_HI16A,
                R_PPC_VLE_SDAREL_HI16D, R_PPC_VLE_SDAREL_HA16A, R_PPC_VLE_SDAREL_HA16D, R_PPC_VLE_ADDR20];
        "is relative to a table of contents, which is AIX's" => 255 [R_PPC_TOC16];
    }
}
