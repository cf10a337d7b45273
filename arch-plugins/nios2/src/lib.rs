//! Nios II of Altera (Intel), release 1 of its instruction set, little-endian.
//!
//! psABI: Nios II Processor Reference Guide, NII-PRG, chapter "Application Binary Interface", section "Relocation",
//! <https://www.intel.com/content/www/us/en/docs/programmable/683836/current/relocation.html>. Formulas have its
//! letters: GOT is the address of the global offset table, which code knows as `_gp_got`, and G the offset in it of the
//! symbol's slot.
//!
//! What to know of it:
//!
//! * Instructions are words, and immediates straddle the middle: 16 bits from bit 6 up. A `call` has 26 bits there,
//!   shorter ones begin there, too; only the operation of a `cache` instruction (`CACHE_OPX`) lies higher.
//! * A distance counts from the next instruction, in bytes: S + A - 4 - P. A branch reaches 32 KiB.
//! * An address takes two instructions. `orhi` and `ori` put halves side by side (`HI16`); behind `orhi` may also stand
//!   an `addi`, a load or a store, whose immediate is signed (`HIADJ16`, rounded up, and those with HA). `LO16` is for
//!   both.
//! * `call` jumps within the 256 MB segment that it is in: the processor keeps the upper four bits. Modules lie among
//!   the kernel's own memory, for that reason. Beyond it, a `CALL26` goes through a stub, which needs the register
//!   `at`. If the code uses that itself (`.set noat`), the type is `CALL26_NOAT`, and the call must reach. Linux
//!   refuses both.
//! * `UJMP`, `CJMP` and `CALLR` are pairs of `orhi` and `ori` in front of a `jmp` or `callr` through `at`: what
//!   assemblers make of a branch whose target is far away, for a linker that might shorten it. `ALIGN` is for such a
//!   linker, as well.
//! * Data is added to: `BFD_RELOC_32` goes on from what the word holds, with Linux as with GNU ld. (GNU ld does so with
//!   instructions, too, whose fields are zero before.)
//! * Slots are for symbols, and have no addends. `CALL16` and its sisters are loads of a function's address, for which
//!   a dynamic linker may wait until the first call.
//! * `GPREL` needs `gp`, which kernel code does not have: it is compiled with `-G0` or `-mgpopt=none`.
//! * Release 2 (`-march=r2`) has the same types for other fields, and more of its own. Its objects are of another
//!   machine, by `e_flags`, and not linked.
//! * Linux links `BFD_RELOC_32`, `PCREL16`, `CALL26`, `HI16`, `LO16` and `HIADJ16`.
#![cfg_attr(target_arch = "wasm32", no_std)]

extern crate alloc;

use relobox_plugin::abi::{Machine, Slice, order};
use relobox_plugin::{Cx, DYNAMIC, Field, Hooks, Job, Plan, TLS, Value, architecture, code, ha, slice};

#[cfg(test)]
mod tests;

const fn insn(slices: &'static [Slice]) -> Field {
    Field::insn(4, order::LITTLE, slices)
}

const WORD32: Field = Field::data(4);
const WORD16: Field = Field::data(2);
const WORD8: Field = Field::data(1);
const INSN: Field = insn(&[slice(0, 0, 32)]);
const IMM16: Field = insn(&[slice(0, 6, 16)]);
const UPPER16: Field = insn(&[slice(16, 6, 16)]);
const IMM26: Field = insn(&[slice(2, 6, 26)]);
const IMM8: Field = insn(&[slice(0, 6, 8)]);
const IMM6: Field = insn(&[slice(0, 6, 6)]);
const IMM5: Field = insn(&[slice(0, 6, 5)]);
const OPX5: Field = insn(&[slice(0, 22, 5)]);
/// `orhi`, and the `ori` behind it.
const BOTH: Field = Field::insn(8, order::LITTLE, &[slice(16, 6, 16), slice(0, 38, 16)]);

architecture! {
    name: "nios2",
    title: "Nios II, release 1, little-endian, RELA",
    psabi: "https://www.intel.com/content/www/us/en/docs/programmable/683836/current/relocation.html",
    machines: [Machine {
        machine: 113,
        class: 32,
        order: order::LITTLE,
        // EF_NIOS2_ARCH_R2.
        flags_mask: 1,
        flags_value: 0,
        reserved: 0,
        base: 0xc800_0000,
        kernel: 0xc000_0000,
        // A segment.
        reach: 0x1000_0000,
    }],
    addends: explicit,
    decoding: "decoding.txt",
    state: Stubs,
    letters: (cx, S, A, P, V; GOT = cx.got()?, G = cx.slot()?),
    rows: {
        R_NIOS2_S16          = 1:  S + A,         IMM16,   signed 16;
        R_NIOS2_U16          = 2:  S + A,         IMM16,   unsigned 16;
        R_NIOS2_PCREL16      = 3:  S + A - 4 - P, IMM16,   signed 16;
        R_NIOS2_CALL26       = 4:  S + A - (P & -0x1000_0000).0, IMM26, unsigned 28, align 4,
                                   else stub(cx, A) - (P & -0x1000_0000).0, needs TARGET_STUB | OUTSIDE;
        R_NIOS2_IMM5         = 5:  S + A,         IMM5,    either 5;
        R_NIOS2_CACHE_OPX    = 6:  S + A,         OPX5,    either 5;
        R_NIOS2_IMM6         = 7:  S + A,         IMM6,    either 6;
        R_NIOS2_IMM8         = 8:  S + A,         IMM8,    either 8;
        R_NIOS2_HI16         = 9:  S + A,         UPPER16, unchecked;
        R_NIOS2_LO16         = 10: S + A,         IMM16,   unchecked, low R_NIOS2_HIADJ16;
        R_NIOS2_HIADJ16      = 11: S + A,         UPPER16, unchecked, high 16;
        R_NIOS2_BFD_RELOC_32 = 12: V + S + A,     WORD32,  unchecked;
        R_NIOS2_BFD_RELOC_16 = 13: S + A,         WORD16,  either 16;
        R_NIOS2_BFD_RELOC_8  = 14: S + A,         WORD8,   either 8;
        R_NIOS2_UJMP         = 18: S + A,         BOTH,    unchecked;
        R_NIOS2_CJMP         = 19: S + A,         BOTH,    unchecked;
        R_NIOS2_CALLR        = 20: S + A,         BOTH,    unchecked;
        R_NIOS2_CALL26_NOAT  = 41: S + A - (P & -0x1000_0000).0, IMM26, unsigned 28, align 4;
        R_NIOS2_PCREL_LO     = 26: S + A - P,     IMM16,   unchecked, low R_NIOS2_PCREL_HA;
        R_NIOS2_PCREL_HA     = 27: S + A - P,     UPPER16, unchecked, high 16;
        R_NIOS2_GOT16        = 22: G,             IMM16,   signed 16, needs SLOT;
        R_NIOS2_CALL16       = 23: G,             IMM16,   signed 16, needs SLOT;
        R_NIOS2_GOTOFF_LO    = 24: S + A - GOT,   IMM16,   unchecked, needs GOT, low R_NIOS2_GOTOFF_HA;
        R_NIOS2_GOTOFF_HA    = 25: S + A - GOT,   UPPER16, unchecked, needs GOT, high 16;
        R_NIOS2_GOTOFF       = 40: S + A - GOT,   WORD32,  unchecked, needs GOT;
        R_NIOS2_GOT_LO       = 42: G,             IMM16,   unchecked, needs SLOT, low R_NIOS2_GOT_HA;
        R_NIOS2_GOT_HA       = 43: G,             UPPER16, unchecked, needs SLOT, high 16;
        R_NIOS2_CALL_LO      = 44: G,             IMM16,   unchecked, needs SLOT, low R_NIOS2_CALL_HA;
        R_NIOS2_CALL_HA      = 45: G,             UPPER16, unchecked, needs SLOT, high 16;
    }
    ignored: {
        R_NIOS2_NONE = 0,
        // What a C++ linker throws away unused virtual functions by.
        R_NIOS2_GNU_VTINHERIT = 16,
        R_NIOS2_GNU_VTENTRY = 17,
        R_NIOS2_ALIGN = 21,
    }
    refused: {
        "is relative to gp, which kernel code does not have: compile with -mgpopt=none" => 15 [R_NIOS2_GPREL];
        TLS =>
            28..=35 [R_NIOS2_TLS_GD16, R_NIOS2_TLS_LDM16, R_NIOS2_TLS_LDO16, R_NIOS2_TLS_IE16, R_NIOS2_TLS_LE16,
                R_NIOS2_TLS_DTPMOD, R_NIOS2_TLS_DTPREL, R_NIOS2_TLS_TPREL];
        DYNAMIC => 36..=39 [R_NIOS2_COPY, R_NIOS2_GLOB_DAT, R_NIOS2_JUMP_SLOT, R_NIOS2_RELATIVE];
        "is for code of release 2 in a file of release 1" =>
            64..=76 [R_NIOS2_R2_S12, R_NIOS2_R2_I10_1_PCREL, R_NIOS2_R2_T1I7_1_PCREL, R_NIOS2_R2_T1I7_2,
                R_NIOS2_R2_T2I4, R_NIOS2_R2_T2I4_1, R_NIOS2_R2_T2I4_2, R_NIOS2_R2_X1I7_2, R_NIOS2_R2_X2L5,
                R_NIOS2_R2_F1I5_2, R_NIOS2_R2_L5I4X1, R_NIOS2_R2_T1X1I6, R_NIOS2_R2_T1X1I6_2];
    }
}

/// Stubs for calls into another segment.
#[derive(Default)]
pub struct Stubs;

/// Bytes of one.
const STUB: usize = 12;

impl Hooks for Stubs {
    const GOT: &'static str = "_gp_got";

    fn plan(&mut self, _: &Job<'_>, plan: &mut Plan) {
        plan.stubs(".relobox.plt", STUB, 4, 0);
    }
}

/// Where a call goes that is out of reach: the stub, or the symbol plus `addend` if there is none, or nothing to run
/// there.
#[cold]
fn stub(cx: &mut Cx<'_, Stubs>, addend: Value) -> Value {
    let target = cx.value(cx.relocation.symbol) + addend;
    let Some(stub) = cx.stub_of(addend).filter(|_| target & 3 == Value(0)) else { return target };
    code! { stub.bytes, false;
        UPPER16(0x0040_0034, ha(target, 16)) // orhi at, r0, %hiadj(target)
        IMM16(0x0840_0004, target)           // addi at, at, %lo(target)
        INSN(0x0800_683a)                    // jmp  at
    }
    stub.address
}
