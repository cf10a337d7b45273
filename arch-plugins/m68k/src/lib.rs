//! m68k: Motorola 68000 to 68060, and ColdFire.
//!
//! psABI: System V Application Binary Interface, Motorola 68000 Processor Family Supplement, AT&T 1990, which is in print
//! only; <https://m680x0.github.io/doc/abi.html> tells how Linux departs from it. Formulas have the letters that all
//! psABIs share: GOT is the address of the global offset table, G the offset in it of the symbol's slot, and L is the
//! address of the symbol's entry in the procedure linkage table.
//!
//! What to know of it:
//!
//! * Everything is big-endian. An instruction is a 16-bit opcode and extension words behind it, at an even address and no
//!   more: a 32-bit field in code is as often at 2 modulo 4 as at 0.
//! * A field of 8 bits is the low half of a 16-bit word, and so lies at an odd address: an immediate byte, or the
//!   displacement of a short branch in its opcode or of an indexed operand in its brief extension word.
//! * Distances count from the *word behind the opcode*, which is where PC is while the processor reads extension words.
//!   That is mostly the place itself. The assembler's addend tells the rest: -1 for a short branch, whose field is the
//!   byte before; 1 in a brief extension word; 2 behind a full one, which PC points at.
//! * Branches have 8, 16 or, from the 68020 on, 32 bits. In the opcode's byte, 0 says that 16 bits follow and -1 that 32
//!   do, so that a short branch goes neither to the next instruction nor to one at an odd address: who asks for it by
//!   hand gets another instruction, from any linker.
//! * The same type patches numbers with a sign and without: an absolute address of 16 bits (`foo.w`) is sign-extended by
//!   the processor, `move.w #foo` is not extended at all.
//! * `GOT32` and its shorter sisters are distances of the symbol's *slot* from the place, what x86-64 calls GOTPCREL; the
//!   ones with an O are offsets in the table, for code that has its address in `%a5`. That address is had by a `GOT32` of
//!   the symbol `_GLOBAL_OFFSET_TABLE_`, which then is the table and no slot.
//! * GNU ld ignores the addend of an offset in the table; assemblers write none.
//! * `PLT` types are calls of position-independent code. A 32-bit one reaches everything, and `L` is `S`. One of 16 bits
//!   goes through an entry, `jmp`, where the symbol is too far away. Nothing in a kernel has the address from which the
//!   types with an O count.
//! * Sums wrap at 32 bits.
//! * Linux takes REL and RELA, and links `32` and `PC32`: modules are compiled without `-fpic`, for a 68020 at least. The
//!   places of `.m68k_fixup` are patched when a module is loaded; nothing to do here.
#![cfg_attr(target_arch = "wasm32", no_std)]

extern crate alloc;

use relobox_plugin::abi::{Machine, order};
use relobox_plugin::{Cx, DYNAMIC, Field, Hooks, Job, Plan, TLS, Trouble, Value, architecture, code};

#[cfg(test)]
mod tests;

const BYTE8: Field = Field::data(1);
const WORD16: Field = Field::data(2);
const LONG32: Field = Field::data(4);

architecture! {
    name: "m68k",
    title: "m68k (Motorola 68000 family, ColdFire), big-endian, RELA and REL",
    psabi: "https://m680x0.github.io/doc/abi.html",
    machines: [Machine {
        machine: 4,
        class: 32,
        order: order::BIG,
        flags_mask: 0,
        flags_value: 0,
        reserved: 0,
        // Behind a gap of 8 MiB above the memory, here of 256 MiB.
        base: 0x1080_0000,
        kernel: 0x1000,
        // Distances wrap: everything is in reach.
        reach: 0,
    }],
    addends: either,
    decoding: "decoding.txt",
    state: Entries,
    letters: (cx, S, A, P; GOT = cx.got()?, G = slot(cx)?),
    rows: {
        R_68K_32     = 1:  S + A,           LONG32, unchecked;
        R_68K_16     = 2:  S + A,           WORD16, either 16;
        R_68K_8      = 3:  S + A,           BYTE8,  either 8;
        R_68K_PC32   = 4:  S + A - P,       LONG32, unchecked;
        R_68K_PC16   = 5:  S + A - P,       WORD16, signed 16;
        R_68K_PC8    = 6:  S + A - P,       BYTE8,  signed 8;
        R_68K_GOT32  = 7:  G + GOT + A - P, LONG32, unchecked, needs SLOT;
        R_68K_GOT16  = 8:  G + GOT + A - P, WORD16, signed 16, needs SLOT;
        R_68K_GOT8   = 9:  G + GOT + A - P, BYTE8,  signed 8,  needs SLOT;
        R_68K_GOT32O = 10: G + A,           LONG32, unchecked, needs SLOT;
        R_68K_GOT16O = 11: G + A,           WORD16, signed 16, needs SLOT;
        R_68K_GOT8O  = 12: G + A,           BYTE8,  signed 8,  needs SLOT;
        R_68K_PLT32  = 13: S + A - P,       LONG32, unchecked;
        R_68K_PLT16  = 14: S + A - P,       WORD16, signed 16, else entry(cx, S) + A - P, needs STUB;
        R_68K_PLT8   = 15: S + A - P,       BYTE8,  signed 8;
    }
    ignored: {
        R_68K_NONE = 0,
        // What a C++ linker throws away unused virtual functions by.
        R_68K_GNU_VTINHERIT = 23,
        R_68K_GNU_VTENTRY = 24,
    }
    refused: {
        "is an offset in a procedure linkage table, whose address kernel code does not have" =>
            16..=18 [R_68K_PLT32O, R_68K_PLT16O, R_68K_PLT8O];
        DYNAMIC => 19..=22 [R_68K_COPY, R_68K_GLOB_DAT, R_68K_JMP_SLOT, R_68K_RELATIVE];
        TLS =>
            25..=42 [R_68K_TLS_GD32, R_68K_TLS_GD16, R_68K_TLS_GD8, R_68K_TLS_LDM32, R_68K_TLS_LDM16, R_68K_TLS_LDM8,
                R_68K_TLS_LDO32, R_68K_TLS_LDO16, R_68K_TLS_LDO8, R_68K_TLS_IE32, R_68K_TLS_IE16, R_68K_TLS_IE8,
                R_68K_TLS_LE32, R_68K_TLS_LE16, R_68K_TLS_LE8, R_68K_TLS_DTPMOD32, R_68K_TLS_DTPREL32, R_68K_TLS_TPREL32];
    }
}

/// Entries for calls that do not reach their targets.
#[derive(Default)]
pub struct Entries;

/// Bytes of one: an opcode, and the target.
const ENTRY: usize = 2 + 4;

impl Hooks for Entries {
    fn plan(&mut self, _: &Job<'_>, plan: &mut Plan) {
        plan.stubs(".relobox.plt", ENTRY, 2, 0);
    }
}

/// `G`: the offset of the symbol's slot; 0 where the table itself is meant.
fn slot(cx: &mut Cx<'_, Entries>) -> Result<Value, Trouble> {
    let distance = cx.relocation.kind < types::R_68K_GOT32O;
    if distance && cx.job.symbol_name(cx.relocation.symbol) == Entries::GOT.as_bytes() {
        return Ok(Value(0));
    }
    cx.slot()
}

/// `L`: the address of the symbol's entry, which is filled in; `S` if somebody has planned none.
fn entry(cx: &mut Cx<'_, Entries>, symbol: Value) -> Value {
    let Some(entry) = cx.stub() else { return symbol };
    code! { entry.bytes, true;
        WORD16(0x4ef9) LONG32(0, symbol) // jmp symbol
    }
    entry.address
}
