//! x86-64.
//!
//! psABI: System V Application Binary Interface, AMD64 Architecture Processor Supplement,
//! <https://gitlab.com/x86-psABIs/x86-64-ABI>, chapter "Relocation", whose letters the formulas have: GOT is
//! the table's address, G the offset in it of the symbol's slot, Z the symbol's size.
//!
//! What to know of it:
//!
//! * Instructions have any length and any alignment, and so have places. An immediate or a
//!   displacement is a whole little-endian word: no bit slices at all.
//! * A displacement counts from the *end* of the instruction. The compiler puts the distance from the
//!   place to that end (-4, or less with an immediate behind) into the addend: nothing to do here.
//! * Kernel code lives in the top 2 GiB, so a 32-bit word that the processor sign-extends (`32S`:
//!   displacements, `mov $imm32, %r64`) reaches it, and one that it zero-extends (`32`) does not.
//! * `PLT32` marks a call. A kernel has no PLT: it is `PC32`.
//! * Kernels demand that a place is zero before: a module that was relocated once must not be again.
//! * Kernels do not check that `PC32` and `PLT32` fit. We do: what does not fit calls into nowhere.
//! * The GOT forms (`GOTPCREL` and its relaxable sisters) come from code compiled with `-fPIC`.
//!   Kernels up to 6.11 refuse them; we give each symbol a slot, as a linker does.
#![cfg_attr(target_arch = "wasm32", no_std)]

extern crate alloc;

use relobox_plugin::abi::{Machine, order};
use relobox_plugin::{DYNAMIC, Field, TLS, architecture};

#[cfg(test)]
mod tests;

const WORD8: Field = Field::data(1);
const WORD16: Field = Field::data(2);
const WORD32: Field = Field::data(4);
const WORD64: Field = Field::data(8);

architecture! {
    name: "x86_64",
    title: "x86-64 (AMD64, Intel 64), little-endian, RELA",
    psabi: "https://gitlab.com/x86-psABIs/x86-64-ABI",
    machines: [Machine {
        machine: 62,
        class: 64,
        order: order::LITTLE,
        flags_mask: 0,
        flags_value: 0,
        reserved: 0,
        base: 0xffff_ffff_c000_0000,
        kernel: 0xffff_ffff_8100_0000,
        reach: 0x8000_0000,
    }],
    addends: explicit,
    zero_places: true,
    decoding: "decoding.txt",
    state: (),
    letters: (cx, S, A, P; GOT = cx.got()?, G = cx.slot()?, Z = cx.size()),
    rows: {
        R_X86_64_64             = 1:  S + A,           WORD64, unchecked;
        R_X86_64_PC32           = 2:  S + A - P,       WORD32, signed 32;
        R_X86_64_PLT32          = 4:  S + A - P,       WORD32, signed 32;
        R_X86_64_GOTPCREL       = 9:  G + GOT + A - P, WORD32, signed 32, needs SLOT;
        R_X86_64_32             = 10: S + A,           WORD32, unsigned 32;
        R_X86_64_32S            = 11: S + A,           WORD32, signed 32;
        R_X86_64_16             = 12: S + A,           WORD16, either 16;
        R_X86_64_PC16           = 13: S + A - P,       WORD16, signed 16;
        R_X86_64_8              = 14: S + A,           WORD8,  either 8;
        R_X86_64_PC8            = 15: S + A - P,       WORD8,  signed 8;
        R_X86_64_PC64           = 24: S + A - P,       WORD64, unchecked;
        R_X86_64_GOTOFF64       = 25: S + A - GOT,     WORD64, unchecked, needs GOT;
        R_X86_64_GOTPC32        = 26: GOT + A - P,     WORD32, signed 32, needs GOT;
        R_X86_64_GOT64          = 27: G + A,           WORD64, unchecked, needs SLOT;
        R_X86_64_GOTPCREL64     = 28: G + GOT + A - P, WORD64, unchecked, needs SLOT;
        R_X86_64_GOTPC64        = 29: GOT + A - P,     WORD64, unchecked, needs GOT;
        R_X86_64_SIZE32         = 32: Z + A,           WORD32, unsigned 32;
        R_X86_64_SIZE64         = 33: Z + A,           WORD64, unchecked;
        R_X86_64_GOTPCRELX      = 41: G + GOT + A - P, WORD32, signed 32, needs SLOT;
        R_X86_64_REX_GOTPCRELX  = 42: G + GOT + A - P, WORD32, signed 32, needs SLOT;
    }
    ignored: { R_X86_64_NONE = 0 }
    refused: {
        "is an offset from a GOT register that kernel code does not have" => 3 [R_X86_64_GOT32];
        DYNAMIC => 5..=8 [R_X86_64_COPY, R_X86_64_GLOB_DAT, R_X86_64_JUMP_SLOT, R_X86_64_RELATIVE];
        TLS => 16..=23 [
            R_X86_64_DTPMOD64, R_X86_64_DTPOFF64, R_X86_64_TPOFF64, R_X86_64_TLSGD, R_X86_64_TLSLD, R_X86_64_DTPOFF32,
            R_X86_64_GOTTPOFF, R_X86_64_TPOFF32
        ];
    }
}
