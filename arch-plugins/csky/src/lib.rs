//! C-SKY: ABIv2 (CK801 to CK860) and ABIv1 (CK510, CK610), little-endian and big-endian.
//!
//! psABI: C-SKY V2 CPU Applications Binary Interface Standards Manual, section 4.4,
//! <https://github.com/c-sky/csky-doc>. Formulas have its letters: GOT is the address of the global offset table, and G
//! the offset in it of the symbol's slot, in bytes. V is what the field holds before.
//!
//! What to know of it:
//!
//! * Code is made of halfwords in the byte order of the data. An instruction has one or two of them, and the halfword
//!   with the **upper bits comes first**, in little-endian files as well. Words of data are ordinary words.
//! * ABIv1 and ABIv2 are two instruction sets with one table of types; `e_flags` says which. In ABIv1, all instructions
//!   have 16 bits, and distances count from the next instruction: hence the 2. In ABIv2, they count from the
//!   instruction itself, whatever its length. The psABI has the 2 in the addend, and in both; no assembler writes it.
//! * BY2 counts halfwords, with a sign. BY4 counts words *forwards* and is for what lies in a **literal pool** behind a
//!   function: `lrw` loads an address from there, `jmpi` and `jsri` jump to one. The processor adds, and then rounds
//!   down to a multiple of 4. An instruction of ABIv2 may lie between two words: hence `P & -4`, which GNU ld leaves
//!   out, so that such an instruction reads the word before the one that is meant. Pools hold `ADDR32`.
//! * `lrw16`, `flrws` and `flrwd` have their bits in two parts. `bloop` has two targets, each with a type; GNU ld
//!   writes the `IMM4BY4` of the second over the first.
//! * `movih` and `ori` put halves side by side (`ADDR_HI16`, `ADDR_LO16`), and nothing carries.
//! * `JSR` types mark a `jsri`, whose word in the pool has a relocation of its own. If a `bsr` reaches the target, the
//!   `jsri` becomes one, as with GNU ld, and otherwise stays, since the call is right as it is. But the CK810 is not to
//!   run `jsri`: it becomes `lrw r26`, of the same word, and `jsr r26`, which overwrites a `nop` that the assembler has
//!   put behind for this; that GNU ld means to do as well.
//! * `bsr` has 26 bits and reaches 64 MiB. Modules lie 1 GiB above the kernel, and are compiled to call by `jsri`; a
//!   `bsr` without reach goes through a stub, `jmpi` with the word behind it.
//! * Position-independent code has the table in `gb` (r28). `GOTPC` is the table's distance from a label. Assemblers
//!   name the label by section and offset, and GNU ld takes that section for the one of the place; the psABI's
//!   formula, GOT + A - P, is another. `PLT` types load a function's address from its slot.
//! * `DOFFSET` and `TOFFSET` count from the start of `.data` or `.text` of a whole program, which is in a register that
//!   kernel code uses otherwise.
//! * Linux links `ADDR32`, `PCREL32`, `ADDR_HI16` and `ADDR_LO16`. It never makes a `bsr` of a `jsri`, leaves that of
//!   ABIv1 alone, and refuses `bsr` to other symbols.
//! * Before EM_CSKY was assigned, objects had 39, the number of M-CORE, from which ABIv1 descends. M-CORE's own have no
//!   ABI in `e_flags`.
#![cfg_attr(target_arch = "wasm32", no_std)]

extern crate alloc;

use relobox_plugin::abi::{Machine, Slice, fault, order, rule};
use relobox_plugin::{Cx, DYNAMIC, Field, Hooks, Job, Plan, Rule, TLS, Trouble, Value, architecture, code, slice};

#[cfg(test)]
mod tests;

const WORD32: Field = Field::data(4);

/// An instruction of 32 bits: two halfwords, the upper one first.
const fn insn(slices: &'static [Slice]) -> Field {
    Field::insn(4, order::MIDDLE, slices)
}
const INSN32: Field = insn(&[slice(0, 0, 32)]);
const DISP26: Field = insn(&[slice(1, 0, 26)]);
const DISP18: Field = insn(&[slice(1, 0, 18)]);
const DISP16: Field = insn(&[slice(1, 0, 16)]);
const POOL16: Field = insn(&[slice(2, 0, 16)]);
const POOL8F: Field = insn(&[slice(2, 4, 4), slice(6, 21, 4)]);
const END12: Field = insn(&[slice(1, 0, 12)]);
const END4: Field = insn(&[slice(1, 12, 4)]);
const UPPER16: Field = insn(&[slice(16, 0, 16)]);
const LOWER16: Field = insn(&[slice(0, 0, 16)]);
const SLOT12: Field = insn(&[slice(2, 0, 12)]);
const SLOT18: Field = insn(&[slice(2, 0, 18)]);

/// An instruction of 16 bits.
const fn short(slices: &'static [Slice]) -> Field {
    Field::insn(2, order::DATA, slices)
}
const INSN16: Field = short(&[slice(0, 0, 16)]);
const DISP11: Field = short(&[slice(1, 0, 11)]);
const DISP10: Field = short(&[slice(1, 0, 10)]);
const POOL8: Field = short(&[slice(2, 0, 8)]);
const POOL7: Field = short(&[slice(2, 0, 5), slice(7, 8, 2)]);

/// Bits of `e_flags`: the ABI, and the processor.
const ABI: u32 = 0xf000_0000;
const ABI_V1: u32 = 0x1000_0000;
const ABI_V2: u32 = 0x2000_0000;
const PROCESSOR: u32 = 0x1f;
const CK810: u32 = 8;

const fn machine(machine: u16, order: u8, flags_mask: u32, flags_value: u32) -> Machine {
    Machine {
        machine,
        class: 32,
        order,
        flags_mask,
        flags_value,
        reserved: 0,
        // Behind the 1 GiB of memory that the kernel maps.
        base: 0xc000_8000,
        kernel: 0x8000_0000,
        // Of `bsr`.
        reach: 0x0400_0000,
    }
}

architecture! {
    name: "csky",
    title: "C-SKY, ABIv2 and ABIv1, little-endian and big-endian, RELA",
    psabi: "https://github.com/c-sky/csky-doc",
    machines: [
        machine(252, order::LITTLE, ABI, ABI_V2), machine(252, order::BIG, ABI, ABI_V2),
        machine(252, order::LITTLE, ABI, ABI_V1), machine(252, order::BIG, ABI, ABI_V1),
        machine(39, order::LITTLE, ABI, ABI_V2), machine(39, order::BIG, ABI, ABI_V2),
        machine(39, order::LITTLE, ABI, ABI_V1), machine(39, order::BIG, ABI, ABI_V1),
        // Among those of ABIv2; told apart for the tests, since `jsri` is another matter.
        machine(252, order::LITTLE, ABI | PROCESSOR, ABI_V2 | CK810),
    ],
    addends: explicit,
    decoding: "decoding.txt",
    state: Stubs,
    letters: (cx, S, A, P, V; GOT = cx.got()?, G = cx.slot()?),
    rows: {
        R_CKCORE_ADDR32             = 1:  S + A,                    WORD32,  unchecked;
        R_CKCORE_PCREL32            = 5:  S + A - P,                WORD32,  unchecked;
        // ABIv1.
        R_CKCORE_PCREL_IMM8BY4      = 2:  S + A - ((P + 2) & -4),    POOL8,   unsigned 10, align 4;
        R_CKCORE_PCREL_IMM11BY2     = 3:  S + A - P - 2,            DISP11,  signed 12,   align 2;
        R_CKCORE_PCREL_JSR_IMM11BY2 = 6:  jsri16(S + A - P - 2, V), INSN16,  unchecked;
        // ABIv2.
        R_CKCORE_PCREL_IMM26BY2     = 19: S + A - P,                DISP26,  signed 27,   align 2, else L(cx, A) - P,
                                          needs TARGET_STUB | OUTSIDE;
        R_CKCORE_PCREL_IMM16BY2     = 20: S + A - P,                DISP16,  signed 17,   align 2;
        R_CKCORE_PCREL_IMM16BY4     = 21: S + A - (P & -4),         POOL16,  unsigned 18, align 4;
        R_CKCORE_PCREL_IMM10BY2     = 22: S + A - P,                DISP10,  signed 11,   align 2;
        R_CKCORE_ADDR_HI16          = 24: S + A,                    UPPER16, unchecked;
        R_CKCORE_ADDR_LO16          = 25: S + A,                    LOWER16, unchecked, low R_CKCORE_ADDR_HI16;
        R_CKCORE_PCREL_JSR_IMM26BY2 = 40: jsri(S + A - P, V, cx)?,  INSN32,  unchecked, window 0, 8, 1;
        R_CKCORE_PCREL_IMM18BY2     = 43: S + A - P,                DISP18,  signed 19,   align 2;
        R_CKCORE_PCREL_IMM7BY4      = 50: S + A - (P & -4),         POOL7,   unsigned 9,  align 4;
        R_CKCORE_PCREL_FLRW_IMM8BY4 = 59: S + A - (P & -4),         POOL8F,  unsigned 10, align 4;
        R_CKCORE_PCREL_BLOOP_IMM4BY4  = 63: S + A - P,              END4,    signed 5,    align 2;
        R_CKCORE_PCREL_BLOOP_IMM12BY4 = 64: S + A - P,              END12,   signed 13,   align 2;
        // Position-independent code.
        R_CKCORE_GOTOFF             = 13: S + A - GOT,              WORD32,  unchecked, needs GOT;
        R_CKCORE_GOTPC              = 14: GOT - S - A,              WORD32,  unchecked, needs GOT;
        R_CKCORE_GOT32              = 15: G + A,                    WORD32,  unchecked, needs SLOT;
        R_CKCORE_PLT32              = 16: G + A,                    WORD32,  unchecked, needs SLOT;
        R_CKCORE_GOTPC_HI16         = 26: GOT - S - A,              UPPER16, unchecked, needs GOT;
        R_CKCORE_GOTPC_LO16         = 27: GOT - S - A,              LOWER16, unchecked, needs GOT,
                                          low R_CKCORE_GOTPC_HI16;
        R_CKCORE_GOTOFF_HI16        = 28: S + A - GOT,              UPPER16, unchecked, needs GOT;
        R_CKCORE_GOTOFF_LO16        = 29: S + A - GOT,              LOWER16, unchecked, needs GOT,
                                          low R_CKCORE_GOTOFF_HI16;
        R_CKCORE_GOT12              = 30: G + A,                    SLOT12,  unsigned 14, align 4, needs SLOT;
        R_CKCORE_GOT_HI16           = 31: G + A,                    UPPER16, unchecked, needs SLOT;
        R_CKCORE_GOT_LO16           = 32: G + A,                    LOWER16, unchecked, needs SLOT,
                                          low R_CKCORE_GOT_HI16;
        R_CKCORE_PLT12              = 33: G + A,                    SLOT12,  unsigned 14, align 4, needs SLOT;
        R_CKCORE_PLT_HI16           = 34: G + A,                    UPPER16, unchecked, needs SLOT;
        R_CKCORE_PLT_LO16           = 35: G + A,                    LOWER16, unchecked, needs SLOT,
                                          low R_CKCORE_PLT_HI16;
        R_CKCORE_GOT_IMM18BY4       = 48: G + A,                    SLOT18,  unsigned 20, align 4, needs SLOT;
        R_CKCORE_PLT_IMM18BY4       = 49: G + A,                    SLOT18,  unsigned 20, align 4, needs SLOT;
    }
    ignored: {
        R_CKCORE_NONE = 0,
        // What a C++ linker throws away unused virtual functions by.
        R_CKCORE_GNU_VTINHERIT = 7,
        R_CKCORE_GNU_VTENTRY = 8,
        R_CKCORE_CALLGRAPH = 61,
    }
    refused: {
        "is for loopt of the M-CORE, which C-SKY does not have" => 4 [R_CKCORE_PCREL_IMM4BY2];
        DYNAMIC =>
            9..=12 [R_CKCORE_RELATIVE, R_CKCORE_COPY, R_CKCORE_GLOB_DAT, R_CKCORE_JUMP_SLOT],
            62 [R_CKCORE_IRELATIVE];
        "is written by no assembler, and linked by no linker" =>
            17..=18 [R_CKCORE_ADDRGOT, R_CKCORE_ADDRPLT],
            36..=39 [R_CKCORE_ADDRGOT_HI16, R_CKCORE_ADDRGOT_LO16, R_CKCORE_ADDRPLT_HI16, R_CKCORE_ADDRPLT_LO16];
        "is relative to the start of a program's .text or .data, which kernel code has in no register" =>
            41..=42 [R_CKCORE_TOFFSET_LO16, R_CKCORE_DOFFSET_LO16],
            44..=46 [R_CKCORE_DOFFSET_IMM18, R_CKCORE_DOFFSET_IMM18BY2, R_CKCORE_DOFFSET_IMM18BY4];
        "is written by no assembler, and the psABI and GNU ld do not agree on it" =>
            23 [R_CKCORE_PCREL_IMM10BY4], 47 [R_CKCORE_GOTOFF_IMM18];
        TLS =>
            51..=58 [R_CKCORE_TLS_LE32, R_CKCORE_TLS_IE32, R_CKCORE_TLS_GD32, R_CKCORE_TLS_LDM32, R_CKCORE_TLS_LDO32,
                R_CKCORE_TLS_DTPMOD32, R_CKCORE_TLS_DTPOFF32, R_CKCORE_TLS_TPOFF32];
        "is between the steps of a linker" => 60 [R_CKCORE_NOJSRI];
    }
}

/// Whether a branch with so many bits of distance, in bytes, reaches.
const fn reaches(distance: Value, bits: u8) -> bool {
    let branch = Rule { kind: rule::SIGNED, bits, align: 2 };
    branch.in_range(distance) && branch.aligned(distance)
}

/// What becomes of `jsri` in ABIv1.
fn jsri16(distance: Value, insn: Value) -> Value {
    let distance = distance.narrow();
    let near = insn.bits() >> 8 == 0x7f && reaches(distance, 12);
    if near { Value(DISP11.insert(0xf800, distance.0) as i64) } else { insn }
}

/// What becomes of `jsri` in ABIv2.
#[inline(never)]
fn jsri(distance: Value, insn: Value, cx: &mut Cx<'_, Stubs>) -> Result<Value, Trouble> {
    const NO_ROOM: Trouble = Trouble::new(fault::BAD_INSTRUCTION, "a CK810's jsri needs a nop behind it");
    let distance = distance.narrow();
    if insn.bits() >> 16 != 0xeae0 {
        return Ok(insn);
    }
    if reaches(distance, 27) {
        return Ok(Value(DISP26.insert(0xe000_0000, distance.0) as i64));
    }
    if cx.job.header.elf_flags & (ABI | PROCESSOR) != ABI_V2 | CK810 {
        return Ok(insn);
    }
    let behind = cx.relocation.offset.wrapping_add(4);
    // lsli r0, r0, 0
    if cx.word(&INSN32, behind)? != 0xc400_4820 {
        return Err(NO_ROOM);
    }
    cx.set_word(&INSN32, behind, 0xe8fa_0000)?; // jsr r26
    Ok(Value(LOWER16.insert(0xea9a_0000, insn.0) as i64)) // lrw r26, the same word
}

/// Stubs for `bsr` without reach.
#[derive(Default)]
pub struct Stubs;

/// Bytes of one: an instruction, and its word.
const STUB: usize = 4 + 4;

impl Hooks for Stubs {
    fn plan(&mut self, _: &Job<'_>, plan: &mut Plan) {
        plan.stubs(".relobox.plt", STUB, 4, 0);
    }
}

/// Where a call goes that is out of reach: the stub, or the symbol plus `addend` if there is none, or nothing to run
/// there.
#[allow(non_snake_case, reason = "the psABI's letter")]
#[cold]
fn L(cx: &mut Cx<'_, Stubs>, addend: Value) -> Value {
    let (target, big) = (cx.value(cx.relocation.symbol) + addend, cx.job.big_endian());
    let Some(stub) = cx.stub_of(addend).filter(|_| target & 1 == Value(0)) else { return target };
    code! { stub.bytes, big;
        INSN32(0xeac0_0001) // jmpi [target]
        WORD32(0, target)
    }
    stub.address
}
