//! ARC: Synopsys' ARCompact (ARC 600, ARC 700) and ARCv2 (ARC EM, ARC HS), little-endian and big-endian.
//!
//! psABI: Synopsys DesignWare ARCv2 System V ABI Supplement, which is not in print; its types and formulas are in
//! binutils, <https://sourceware.org/git/?p=binutils-gdb.git>, `include/elf/arc-reloc.def`. Formulas have the letters
//! that psABIs share: GOT is the address of the global offset table, and G the offset in it of the symbol's slot.
//!
//! What to know of it:
//!
//! * An instruction has one or two halfwords, and behind it there may be a *long immediate* of 32 bits. Code is made of
//!   halfwords: of each 32-bit word of it, the halfword with the **upper bits comes first**, in little-endian files as
//!   well ("middle-endian", ME). Data has ordinary words, which is why there are two types each: `32` and `32_ME`.
//! * Distances count from PCL, which is the address of the *instruction*, rounded down to a multiple of 4. The place of
//!   a long immediate is 4 bytes behind that address: hence `(P - 4) & -4`. In data, `32_PCREL` counts from the place
//!   itself. ARC's own tables write P for all of these.
//! * Branches: `b` and `bl` have 25 bits; with a condition 21; `bl_s` 13. `bl` goes to multiples of 4 (W), `b` to
//!   halfwords (H). The bits are in three parts: the lowest nine or ten at the top of the word, the next ten from bit 6
//!   up, and the highest four at the bottom.
//! * Modules lie in the 256 MiB below the kernel, and `bl` reaches 16 MiB: they are compiled with `-mlong-calls`. A
//!   call through a PLT (`bl foo@plt`) goes through an entry, `j` with a long immediate, where its target is too far
//!   away.
//! * `N` types are the negative: A - S. `W` types drop the two lowest bits.
//! * `GOTPC` is the distance of the table from PCL, whatever the symbol is; assemblers write it for the symbol
//!   `_GLOBAL_OFFSET_TABLE_`, with the addend 0, which GNU ld ignores. In a slot for `GOTPC32`, GNU ld counts the
//!   addend twice; assemblers write none.
//! * `NPS_CMEM16` is of the NPS-400: the lower half of an address in the memory at 0x57f0_0000.
//! * Code with small data (`SDA`) counts from gp, and `jli` from a register; kernels set up neither.
//! * Sums wrap at 32 bits. Linux links `32`, `32_ME` and `32_PCREL`, and checks nothing.
#![cfg_attr(target_arch = "wasm32", no_std)]

extern crate alloc;

use relobox_plugin::abi::{Machine, Slice, order};
use relobox_plugin::{Cx, DYNAMIC, Field, Hooks, Job, Plan, TLS, Value, architecture, code, slice};

#[cfg(test)]
mod tests;

const BYTE8: Field = Field::data(1);
const HALF16: Field = Field::data(2);
const WORD24: Field = Field::data(3);
const WORD32: Field = Field::data(4);

/// A word of code: two halfwords, the upper one first.
const fn insn(slices: &'static [Slice]) -> Field {
    Field::insn(4, order::MIDDLE, slices)
}
const LIMM: Field = insn(&[slice(0, 0, 32)]);
const LOW16: Field = insn(&[slice(0, 0, 16)]);
const DISP21H: Field = insn(&[slice(1, 17, 10), slice(11, 6, 10)]);
const DISP21W: Field = insn(&[slice(2, 18, 9), slice(11, 6, 10)]);
const DISP25H: Field = insn(&[slice(1, 17, 10), slice(11, 6, 10), slice(21, 0, 4)]);
const DISP25W: Field = insn(&[slice(2, 18, 9), slice(11, 6, 10), slice(21, 0, 4)]);
const DISP13: Field = Field::insn(2, order::DATA, &[slice(2, 0, 11)]);

const fn machine(machine: u16, order: u8) -> Machine {
    Machine {
        machine,
        class: 32,
        order,
        flags_mask: 0,
        flags_value: 0,
        reserved: 0,
        base: 0x7000_0000,
        kernel: 0x8000_0000,
        // Calls have long immediates, and distances wrap.
        reach: 0,
    }
}

architecture! {
    name: "arc",
    title: "ARC (ARCompact, ARCv2), little-endian and big-endian, RELA",
    psabi: "https://sourceware.org/git/?p=binutils-gdb.git;a=blob;f=include/elf/arc-reloc.def",
    machines: [
        machine(195, order::LITTLE),
        machine(93, order::LITTLE),
        machine(195, order::BIG),
        machine(93, order::BIG),
    ],
    addends: explicit,
    decoding: "decoding.txt",
    state: Entries,
    letters: (cx, S, A, P; GOT = cx.got()?, G = cx.slot()?),
    rows: {
        R_ARC_8          = 1:   S + A,                        BYTE8,   either 8;
        R_ARC_16         = 2:   S + A,                        HALF16,  either 16;
        R_ARC_24         = 3:   S + A,                        WORD24,  either 24;
        R_ARC_32         = 4:   S + A,                        WORD32,  unchecked;
        R_ARC_N8         = 8:   A - S,                        BYTE8,   either 8;
        R_ARC_N16        = 9:   A - S,                        HALF16,  either 16;
        R_ARC_N24        = 10:  A - S,                        WORD24,  either 24;
        R_ARC_N32        = 11:  A - S,                        WORD32,  unchecked;
        R_ARC_S21H_PCREL = 14:  S + A - (P & -4),             DISP21H, signed 21, align 2;
        R_ARC_S21W_PCREL = 15:  S + A - (P & -4),             DISP21W, signed 21, align 4;
        R_ARC_S25H_PCREL = 16:  S + A - (P & -4),             DISP25H, signed 25, align 2;
        R_ARC_S25W_PCREL = 17:  S + A - (P & -4),             DISP25W, signed 25, align 4;
        R_ARC_S13_PCREL  = 25:  S + A - (P & -4),             DISP13,  signed 13, align 4;
        R_ARC_W          = 26:  (S + A) & -4,                 WORD32,  unchecked;
        R_ARC_32_ME      = 27:  S + A,                        LIMM,    unchecked;
        R_ARC_N32_ME     = 28:  A - S,                        LIMM,    unchecked;
        R_ARC_W_ME       = 31:  (S + A) & -4,                 LIMM,    unchecked;
        R_ARC_32_PCREL   = 49:  S + A - P,                    WORD32,  unchecked;
        R_ARC_PC32       = 50:  S + A - ((P - 4) & -4),       LIMM,    unchecked;
        R_ARC_GOTPC32    = 51:  GOT + G + A - ((P - 4) & -4), LIMM,    unchecked, needs SLOT;
        R_ARC_PLT32      = 52:  S + A - ((P - 4) & -4),       LIMM,    unchecked;
        R_ARC_GOTOFF     = 57:  S + A - GOT,                  LIMM,    unchecked, needs GOT;
        R_ARC_GOTPC      = 58:  GOT + A - ((P - 4) & -4),     LIMM,    unchecked, needs GOT;
        R_ARC_GOT32      = 59:  G + A,                        WORD32,  unchecked, needs SLOT;
        R_ARC_S21W_PCREL_PLT = 60: S + A - (P & -4), DISP21W, signed 21, align 4, else L(cx, A) - (P & -4),
                               needs TARGET_STUB;
        R_ARC_S25H_PCREL_PLT = 61: S + A - (P & -4), DISP25H, signed 25, align 2, else L(cx, A) - (P & -4),
                               needs TARGET_STUB;
        R_ARC_S25W_PCREL_PLT = 76: S + A - (P & -4), DISP25W, signed 25, align 4, else L(cx, A) - (P & -4),
                               needs TARGET_STUB;
        R_ARC_S21H_PCREL_PLT = 77: S + A - (P & -4), DISP21H, signed 21, align 2, else L(cx, A) - (P & -4),
                               needs TARGET_STUB;
        R_ARC_NPS_CMEM16 = 78:  S + A - 0x57f0_0000,          LOW16,   unsigned 16;
    }
    ignored: { R_ARC_NONE = 0 }
    refused: {
        "is of small data, whose base register kernels do not set up" =>
            12 [R_ARC_SDA],
            18..=24 [R_ARC_SDA32, R_ARC_SDA_LDST, R_ARC_SDA_LDST1, R_ARC_SDA_LDST2, R_ARC_SDA16_LD, R_ARC_SDA16_LD1,
                R_ARC_SDA16_LD2],
            30 [R_ARC_SDA32_ME], 45 [R_ARC_SDA_12], 48 [R_ARC_SDA16_ST2];
        "is an offset in a section that a linker has put together" =>
            13 [R_ARC_SECTOFF], 29 [R_ARC_SECTOFF_ME],
            35..=44 [R_AC_SECTOFF_U8, R_AC_SECTOFF_U8_1, R_AC_SECTOFF_U8_2, R_AC_SECTOFF_S9, R_AC_SECTOFF_S9_1,
                R_AC_SECTOFF_S9_2, R_ARC_SECTOFF_ME_1, R_ARC_SECTOFF_ME_2, R_ARC_SECTOFF_1, R_ARC_SECTOFF_2];
        "is of the table for jli, whose base register kernels do not set up" => 63 [R_ARC_JLI_SECTOFF];
        "is between an assembler's passes" => 105 [R_ARC_32_ME_S];
        DYNAMIC => 53..=56 [R_ARC_COPY, R_ARC_GLOB_DAT, R_ARC_JMP_SLOT, R_ARC_RELATIVE];
        TLS =>
            66..=75 [R_ARC_TLS_DTPMOD, R_ARC_TLS_DTPOFF, R_ARC_TLS_TPOFF, R_ARC_TLS_GD_GOT, R_ARC_TLS_GD_LD,
                R_ARC_TLS_GD_CALL, R_ARC_TLS_IE_GOT, R_ARC_TLS_DTPOFF_S9, R_ARC_TLS_LE_S9, R_ARC_TLS_LE_32];
    }
}

/// Entries for calls through a PLT that do not reach their targets.
#[derive(Default)]
pub struct Entries;

/// Bytes of one: an instruction, and a long immediate.
const ENTRY: usize = 4 + 4;

impl Hooks for Entries {
    fn plan(&mut self, _: &Job<'_>, plan: &mut Plan) {
        plan.stubs(".relobox.plt", ENTRY, 4, 0);
    }
}

/// The address of an entry that goes on to the symbol plus `addend`, or that sum if somebody has planned none.
#[allow(non_snake_case, reason = "the psABI's letter")]
#[cold]
fn L(cx: &mut Cx<'_, Entries>, addend: Value) -> Value {
    let (target, big) = (cx.value(cx.relocation.symbol) + addend.0, cx.job.big_endian());
    let Some(entry) = cx.stub_of(addend) else { return target };
    code! { entry.bytes, big;
        LIMM(0x2020_0f80) // j target
        LIMM(0, target)
    }
    entry.address
}
