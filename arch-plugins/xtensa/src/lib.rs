//! Xtensa: Cadence's configurable processors, little-endian and big-endian.
//!
//! psABI: none is in print. The types are those of binutils, <https://sourceware.org/git/?p=binutils-gdb.git>,
//! `include/elf/xtensa.h`; the instructions are in Cadence's Xtensa Instruction Set Architecture Summary. V is what the
//! field holds before.
//!
//! What to know of it:
//!
//! * An instruction has 24 bits, or 16 (density option), at any address. Its lowest four bits are `op0`, which says
//!   what it is and how long: from 8 up it is short, and 14 and 15 are bundles (FLIX), of which each processor has its
//!   own.
//! * **Big-endian instructions are the same fields in reverse order**: `op0` is in the upper half of the first byte. A
//!   field that is `at` bits from one end in little-endian code is as far from the other end in big-endian code. (All
//!   but the parts of a half byte in `beqz.n` and `bnez.n`, which do not change places.)
//! * The type does not say what a field is: `SLOT0_OP` is about the operand of the instruction at the place that is a
//!   distance, whichever that is. So the instruction is read; see `operand.rs`.
//!
//! | instruction | distance | counts from | |
//! |---|---|---|---|
//! | `l32r` | 16 bits of words | P + 3, rounded down to 4 | backwards only: upper bits are ones |
//! | `call0`, `call4`, `call8`, `call12` | 18 bits of words | P rounded down to 4, + 4 | with a sign |
//! | `j` | 18 bits | P + 4 | with a sign |
//! | `beqz`, `bnez`, `bltz`, `bgez` | 12 bits | P + 4 | with a sign |
//! | other branches | 8 bits | P + 4 | with a sign |
//! | `loop`, `loopnez`, `loopgtz` | 8 bits | P + 4 | forwards only |
//! | `beqz.n`, `bnez.n` | 6 bits, in two parts | P + 4 | forwards only |
//!
//! * Addresses come from *literals*, words before the function, which `l32r` loads. Nearly all other relocations are
//!   `32` of such literals and of data. What stands in place is added to them (V), as GNU ld and Linux do.
//! * `call4`, `call8` and `call12` rotate the register window, and leave two bits of the return address for that. The
//!   other two come from the address that is returned from: such a call must stay in its GiB.
//! * The assembler writes relocations of *all* distances, also of those that it has resolved itself, because linkers
//!   may move code (`.xt.prop` says where); `DIFF`, `PDIFF`, `NDIFF` and `ASM_EXPAND` are for that as well.
//!   Nothing moves here, and they hold already.
//! * Linux patches `l32r` and calls only, and leaves other instructions alone. We patch those that are known, which
//!   comes to the same, and refuse others: a distance in a bundle cannot be found without the processor's
//!   configuration.
//! * `PLT` is a literal with the address of an entry in a PLT; Linux takes it for `32`. GNU ld overwrites what is in
//!   place.
//! * Modules lie in the 256 MiB before the kernel and are compiled with `-mlongcalls`. Sums wrap at 32 bits.
//! * `OP0` to `OP2` are from before bundles: operand 0, 1 or 2, which again is the one that is a distance.
#![cfg_attr(target_arch = "wasm32", no_std)]

extern crate alloc;

use operand::distance;
use relobox_plugin::abi::{Machine, order};
use relobox_plugin::{DYNAMIC, Field, TLS, architecture};

mod operand;
#[cfg(test)]
mod tests;

const WORD32: Field = Field::data(4);
/// A short instruction, or the beginning of a longer one.
const INSN: Field = Field::data(2);

const fn machine(machine: u16, order: u8) -> Machine {
    Machine {
        machine,
        class: 32,
        order,
        flags_mask: 0,
        flags_value: 0,
        reserved: 0,
        base: 0xc000_0000,
        kernel: 0xd000_3000,
        // Calls load their targets, and distances wrap.
        reach: 0,
    }
}

architecture! {
    name: "xtensa",
    title: "Xtensa, little-endian and big-endian, RELA",
    psabi: "https://sourceware.org/git/?p=binutils-gdb.git;a=blob;f=include/elf/xtensa.h",
    machines: [
        machine(94, order::LITTLE),
        machine(0xabc7, order::LITTLE),
        machine(94, order::BIG),
        machine(0xabc7, order::BIG),
    ],
    addends: explicit,
    decoding: "decoding.txt",
    state: (),
    letters: (cx, S, A, P, V),
    rows: {
        R_XTENSA_32       = 1:  V + S + A,           WORD32, unchecked;
        R_XTENSA_PLT      = 6:  V + S + A,           WORD32, unchecked;
        R_XTENSA_OP0      = 8:  distance(S + A, cx), INSN,   by_hand, window 0, 3, 1;
        R_XTENSA_OP1      = 9:  distance(S + A, cx), INSN,   by_hand, window 0, 3, 1;
        R_XTENSA_OP2      = 10: distance(S + A, cx), INSN,   by_hand, window 0, 3, 1;
        R_XTENSA_32_PCREL = 14: S + A - P,           WORD32, unchecked;
        R_XTENSA_SLOT0_OP = 20: distance(S + A, cx), INSN,   by_hand, window 0, 3, 1;
    }
    ignored: {
        R_XTENSA_NONE = 0,
        // An `l32r` and a `callx` that a linker may make a `call`, or must.
        R_XTENSA_ASM_EXPAND = 11,
        R_XTENSA_ASM_SIMPLIFY = 12,
        // What a C++ linker throws away unused virtual functions by.
        R_XTENSA_GNU_VTINHERIT = 15,
        R_XTENSA_GNU_VTENTRY = 16,
        // Differences that hold as long as no code is moved.
        R_XTENSA_DIFF8 = 17,
        R_XTENSA_DIFF16 = 18,
        R_XTENSA_DIFF32 = 19,
        R_XTENSA_PDIFF8 = 57,
        R_XTENSA_PDIFF16 = 58,
        R_XTENSA_PDIFF32 = 59,
        R_XTENSA_NDIFF8 = 60,
        R_XTENSA_NDIFF16 = 61,
        R_XTENSA_NDIFF32 = 62,
    }
    refused: {
        "is of a bundle of instructions, whose format only the processor's configuration says" =>
            21..=34 [R_XTENSA_SLOT1_OP, R_XTENSA_SLOT2_OP, R_XTENSA_SLOT3_OP, R_XTENSA_SLOT4_OP, R_XTENSA_SLOT5_OP,
                R_XTENSA_SLOT6_OP, R_XTENSA_SLOT7_OP, R_XTENSA_SLOT8_OP, R_XTENSA_SLOT9_OP, R_XTENSA_SLOT10_OP,
                R_XTENSA_SLOT11_OP, R_XTENSA_SLOT12_OP, R_XTENSA_SLOT13_OP, R_XTENSA_SLOT14_OP];
        "is of absolute literals or halves of an address, which Linux's processors do not have" =>
            35..=49 [R_XTENSA_SLOT0_ALT, R_XTENSA_SLOT1_ALT, R_XTENSA_SLOT2_ALT, R_XTENSA_SLOT3_ALT,
                R_XTENSA_SLOT4_ALT, R_XTENSA_SLOT5_ALT, R_XTENSA_SLOT6_ALT, R_XTENSA_SLOT7_ALT, R_XTENSA_SLOT8_ALT,
                R_XTENSA_SLOT9_ALT, R_XTENSA_SLOT10_ALT, R_XTENSA_SLOT11_ALT, R_XTENSA_SLOT12_ALT,
                R_XTENSA_SLOT13_ALT, R_XTENSA_SLOT14_ALT];
        DYNAMIC => 2..=5 [R_XTENSA_RTLD, R_XTENSA_GLOB_DAT, R_XTENSA_JMP_SLOT, R_XTENSA_RELATIVE];
        TLS =>
            50..=56 [R_XTENSA_TLSDESC_FN, R_XTENSA_TLSDESC_ARG, R_XTENSA_TLS_DTPOFF, R_XTENSA_TLS_TPOFF,
                R_XTENSA_TLS_FUNC, R_XTENSA_TLS_ARG, R_XTENSA_TLS_CALL];
    }
}
