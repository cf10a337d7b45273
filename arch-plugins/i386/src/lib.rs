//! i386: 32-bit x86.
//!
//! psABI: System V Application Binary Interface, Intel386 Architecture Processor Supplement, version 1.1,
//! <https://gitlab.com/x86-psABIs/i386-ABI>, chapter "Relocation", whose letters the formulas have: GOT is the address of
//! the global offset table, G the address of the symbol's slot in it, L the address of its PLT entry, Z the symbol's size.
//!
//! What to know of it:
//!
//! * Instructions have any length and any alignment, and so have places. An immediate or a displacement is a whole
//!   little-endian word: no bit slices at all.
//! * Relocations are REL: the addend is what stands in the field. A displacement counts from the *end* of the
//!   instruction, so that a call's field holds -4 before.
//! * Addresses have 32 bits and wrap: a 32-bit field reaches everything, and cannot overflow. Only the fields of 8 and
//!   16 bits have a range. A 16-bit distance may also be read without a sign: 16-bit code wraps at 64 KiB.
//! * `PLT32` marks a call of position-independent code. A kernel has no PLT: `L` is `S`.
//! * Nothing is relative to the instruction pointer but branches. Code compiled with `-fPIC` asks a small function for its
//!   return address, adds the distance to the table (`GOTPC`), and keeps the sum in a register, mostly `%ebx`. From there
//!   it reaches the module's own data (`GOTOFF`), and the slots of everything else (`GOT32`, and its relaxable sister).
//! * Whether a `GOT32` is counted from the table or is an address, the instruction before the field says: with a register
//!   in its operand that holds GOT, or without any. ModRM is the byte before the field where there is no SIB byte; mod = 0
//!   and r/m = 5 is an operand without a register. `lea` then wants the distance all the same. An assembler writes no
//!   `mov` with opcode 0xa1 there, which has no ModRM.
//! * Linux also takes modules with `e_machine` 6, which once meant the 80486 and now means Intel's MCUs: the types are the
//!   same.
//! * Linux links `32`, `PC32` and `PLT32`, checks nothing, since nothing can overflow, and does not mind an undefined
//!   `_GLOBAL_OFFSET_TABLE_` that nothing refers to. The other types, which it refuses, are done as linkers do them.
#![cfg_attr(target_arch = "wasm32", no_std)]

extern crate alloc;

use relobox_plugin::abi::{Machine, order};
use relobox_plugin::{Cx, DYNAMIC, Field, TLS, Value, architecture};

#[cfg(test)]
mod tests;

const WORD8: Field = Field::data(1);
const WORD16: Field = Field::data(2);
const WORD32: Field = Field::data(4);

const fn machine(machine: u16) -> Machine {
    Machine {
        machine,
        class: 32,
        order: order::LITTLE,
        flags_mask: 0,
        flags_value: 0,
        reserved: 0,
        base: 0xf800_0000,
        kernel: 0xc100_0000,
        // Distances wrap: everything is in reach.
        reach: 0,
    }
}

architecture! {
    name: "i386",
    title: "i386 (IA-32, 32-bit x86), little-endian, REL",
    psabi: "https://gitlab.com/x86-psABIs/i386-ABI",
    machines: [machine(3), machine(6)],
    addends: in_place,
    decoding: "decoding.txt",
    state: (),
    letters: (cx, S, A, P; GOT = cx.got()?, G = cx.got()? + cx.slot()?, Z = cx.size()),
    rows: {
        R_386_32     = 1:  S + A,                 WORD32, unchecked;
        R_386_PC32   = 2:  S + A - P,             WORD32, unchecked;
        R_386_GOT32  = 3:  G + A - held(cx, GOT), WORD32, unchecked, needs SLOT, of slot;
        R_386_PLT32  = 4:  S + A - P,             WORD32, unchecked;
        R_386_GOTOFF = 9:  S + A - GOT,           WORD32, unchecked, needs GOT;
        R_386_GOTPC  = 10: GOT + A - P,           WORD32, unchecked, needs GOT;
        R_386_16     = 20: S + A,                 WORD16, either 16;
        R_386_PC16   = 21: S + A - P,             WORD16, either 16;
        R_386_8      = 22: S + A,                 WORD8,  either 8;
        R_386_PC8    = 23: S + A - P,             WORD8,  signed 8;
        R_386_SIZE32 = 38: Z + A,                 WORD32, unchecked;
        R_386_GOT32X = 43: G + A - held(cx, GOT), WORD32, unchecked, needs SLOT, of slot;
    }
    ignored: {
        R_386_NONE = 0,
        // What a C++ linker throws away unused virtual functions by.
        R_386_GNU_VTINHERIT = 250,
        R_386_GNU_VTENTRY = 251,
    }
    refused: {
        DYNAMIC => 5..=8 [R_386_COPY, R_386_GLOB_DAT, R_386_JUMP_SLOT, R_386_RELATIVE], 42 [R_386_IRELATIVE];
        "is Solaris's own" => 11 [R_386_32PLT];
        TLS =>
            14..=19 [R_386_TLS_TPOFF, R_386_TLS_IE, R_386_TLS_GOTIE, R_386_TLS_LE, R_386_TLS_GD, R_386_TLS_LDM],
            24..=37 [R_386_TLS_GD_32, R_386_TLS_GD_PUSH, R_386_TLS_GD_CALL, R_386_TLS_GD_POP, R_386_TLS_LDM_32,
                R_386_TLS_LDM_PUSH, R_386_TLS_LDM_CALL, R_386_TLS_LDM_POP, R_386_TLS_LDO_32, R_386_TLS_IE_32,
                R_386_TLS_LE_32, R_386_TLS_DTPMOD32, R_386_TLS_DTPOFF32, R_386_TLS_TPOFF32],
            39..=41 [R_386_TLS_GOTDESC, R_386_TLS_DESC_CALL, R_386_TLS_DESC];
        "is used by Intel's compilers alone, and published nowhere" => 200 [R_386_USED_BY_INTEL_200];
    }
}

/// What the register holds that the instruction before the field adds to it: `got`, or nothing if it has no register.
fn held(cx: &Cx<'_, ()>, got: Value) -> Value {
    const LEA: u8 = 0x8d;
    let at = cx.relocation.offset as usize;
    match at.checked_sub(2).and_then(|start| cx.data.get(start..at)) {
        Some([opcode, modrm]) if modrm & 0xc7 == 5 && *opcode != LEA => Value(0),
        _ => got,
    }
}
