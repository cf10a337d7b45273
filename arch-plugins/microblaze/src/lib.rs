//! MicroBlaze, both byte orders.
//!
//! psABI: MicroBlaze Processor Reference Guide, UG984, chapter "Application Binary Interface",
//! <https://docs.amd.com/r/en-US/ug984-vivado-microblaze-ref>, which does not list relocations; binutils does. Formulas
//! have the letters that all psABIs share: GOT is the address of the global offset table, and G the offset in it of the
//! slot for symbol plus addend. TEXT is where the section begins that holds the place.
//!
//! What to know of it:
//!
//! * Instructions are words in the byte order of the data. An immediate is the low half of its word.
//! * 32 bits take two words: `imm` holds the upper half of the immediate of the instruction behind it. One relocation
//!   is for both, at the place of the `imm`; its name has a 64 for the 64 bits that the two words have. Halves are put
//!   side by side: nothing carries. The assembler writes an `imm` before everything that has a symbol for an immediate.
//! * The field thus lies in two words, and in a number of 64 bits it lies elsewhere in either byte order (`both`).
//! * Distances count from the instruction, which is 4 behind its `imm`. That is not in the addend.
//! * What is only a word has a name with a 32. If it ends in LO, it is the low half of an instruction without an `imm`,
//!   whose 16 bits are signed, though a reader might expect half a pair.
//! * `32_SYM_OP_SYM` is a difference of two symbols of one section, which the assembler has computed: it names one of
//!   the two, for a linker that shortens the code between them. `NONE` and `64_NONE` say where such a linker must count
//!   anew.
//! * `TEXTREL` code has in r20 the start of its own section, which `TEXTPCREL_64` computes, instead of a table.
//! * GNU ld ignores the addend of `PLT_64`. Everything is in reach: calls go to the symbol itself.
//! * Linux links `32`, `64` and `64_PCREL`, takes `32_PCREL_LO` for nothing to do, and refuses what else patches. Small
//!   data has no base: modules are compiled without `-mxl-gp-opt`.
//! * Before EM_MICROBLAZE was assigned, objects had the number 0xbaab, which readers still know.
#![cfg_attr(target_arch = "wasm32", no_std)]

extern crate alloc;

use relobox_plugin::abi::{Machine, order};
use relobox_plugin::{Cx, DYNAMIC, Field, TLS, Value, architecture, slice};

#[cfg(test)]
mod tests;

const WORD32: Field = Field::data(4);
/// The immediate of one instruction.
const IMM16: Field = Field::insn(4, order::DATA, &[slice(0, 0, 16)]);
/// `imm`, and the instruction behind it: where their immediates lie, see [`both`].
const PAIR: Field = Field::data(8);

const fn machine(machine: u16, order: u8) -> Machine {
    Machine {
        machine,
        class: 32,
        order,
        flags_mask: 0,
        flags_value: 0,
        reserved: 0,
        // Behind 768 MiB of memory that the kernel maps.
        base: 0xf000_0000,
        kernel: 0xc000_0000,
        // Two halves reach everything.
        reach: 0,
    }
}

architecture! {
    name: "microblaze",
    title: "MicroBlaze, both byte orders, RELA",
    psabi: "https://docs.amd.com/r/en-US/ug984-vivado-microblaze-ref",
    machines: [
        machine(189, order::BIG), machine(189, order::LITTLE),
        machine(0xbaab, order::BIG), machine(0xbaab, order::LITTLE),
    ],
    addends: explicit,
    decoding: "decoding.txt",
    state: (),
    letters: (cx, S, A, P, V;
        GOT = cx.got()?, G = cx.slot_of(cx.relocation.symbol, A)?, TEXT = cx.address(0)),
    rows: {
        R_MICROBLAZE_32            = 1:  S + A,                          WORD32, unchecked;
        R_MICROBLAZE_32_PCREL      = 2:  S + A - P,                      WORD32, unchecked;
        R_MICROBLAZE_64_PCREL      = 3:  both(S + A - P - 4, V, cx),     PAIR,   whole;
        R_MICROBLAZE_32_PCREL_LO   = 4:  S + A - P,                      IMM16,  signed 16;
        R_MICROBLAZE_64            = 5:  both(S + A, V, cx),             PAIR,   whole, of absolute;
        R_MICROBLAZE_32_LO         = 6:  S + A,                          IMM16,  signed 16;
        R_MICROBLAZE_GOTPC_64      = 13: both(GOT + A - P - 4, V, cx),   PAIR,   whole, needs GOT, of slot;
        R_MICROBLAZE_GOT_64        = 14: both(G, V, cx),                 PAIR,   whole, needs TARGET_SLOT, of slot;
        R_MICROBLAZE_PLT_64        = 15: both(S + A - P - 4, V, cx),     PAIR,   whole;
        R_MICROBLAZE_GOTOFF_64     = 19: both(S + A - GOT, V, cx),       PAIR,   whole, needs GOT, of slot;
        R_MICROBLAZE_GOTOFF_32     = 20: S + A - GOT,                    WORD32, unchecked, needs GOT;
        R_MICROBLAZE_TEXTPCREL_64  = 30: both(TEXT + A - P - 4, V, cx),  PAIR,   whole;
        R_MICROBLAZE_TEXTREL_64    = 31: both(S + A - TEXT, V, cx),      PAIR,   whole;
        R_MICROBLAZE_TEXTREL_32_LO = 32: S + A - TEXT,                   IMM16,  unchecked;
    }
    ignored: {
        R_MICROBLAZE_NONE = 0,
        R_MICROBLAZE_64_NONE = 9,
        R_MICROBLAZE_32_SYM_OP_SYM = 10,
        // What a C++ linker throws away unused virtual functions by.
        R_MICROBLAZE_GNU_VTINHERIT = 11,
        R_MICROBLAZE_GNU_VTENTRY = 12,
    }
    refused: {
        "is relative to a base of small data, which a kernel does not have: compile without -mxl-gp-opt" =>
            7..=8 [R_MICROBLAZE_SRO32, R_MICROBLAZE_SRW32];
        DYNAMIC =>
            16..=18 [R_MICROBLAZE_REL, R_MICROBLAZE_JUMP_SLOT, R_MICROBLAZE_GLOB_DAT], 21 [R_MICROBLAZE_COPY];
        TLS =>
            22..=29 [R_MICROBLAZE_TLS, R_MICROBLAZE_TLSGD, R_MICROBLAZE_TLSLD, R_MICROBLAZE_TLSDTPMOD32,
                R_MICROBLAZE_TLSDTPREL32, R_MICROBLAZE_TLSDTPREL64, R_MICROBLAZE_TLSGOTTPREL32,
                R_MICROBLAZE_TLSTPREL32];
    }
}

/// Two words with the halves of `value`: the first of them is the upper or the lower half of `words`.
#[inline(never)]
fn both(value: Value, words: Value, cx: &Cx<'_, ()>) -> Value {
    const BIG: Field = Field::insn(8, order::BIG, &[slice(16, 32, 16), slice(0, 0, 16)]);
    const LITTLE: Field = Field::insn(8, order::LITTLE, &[slice(16, 0, 16), slice(0, 32, 16)]);
    let field = if cx.job.big_endian() { &BIG } else { &LITTLE };
    Value(field.insert(words.bits(), value.0) as i64)
}
