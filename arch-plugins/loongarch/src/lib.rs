//! LoongArch, 64 and 32 bits.
//!
//! psABI: LoongArch ELF psABI, <https://github.com/loongson/la-abi-specs/blob/release/laelf.adoc>, chapter
//! "Relocations". The letters are those of its table "Variables used in relocation calculation", with P for its PC:
//! GOT is the address of the global offset table, G the offset in it of a slot.
//!
//! What to know of it:
//!
//! * Instructions are four bytes, little-endian as everything is. An immediate is named by where it lies: `S_5_20`
//!   has 20 bits from bit 5 up, `S2` says that it counts in words. The 21 and 26 bits of jumps lie in two pieces,
//!   the *high* one at bit 0, the low 16 bits at bit 10.
//! * A distant address takes two instructions, as in AArch64: `pcalau12i` gives the 4 KiB page, and an `addi`, load
//!   or store the low twelve bits. As in RISC-V these are *signed*, so the page is that of the address + 0x800. The
//!   psABI leaves this out for slots of the GOT (`GOT_PC_HI20`); linkers and kernels do not, and loads are signed
//!   there too. `lu12i.w` and `ori` make an absolute address (`ABS_HI20`): `ori` has no sign, and nothing is
//!   rounded.
//! * Four instructions reach everything. `lu32i.d` (`PCALA64_LO20`) and `lu52i.d` (`PCALA64_HI12`) give the upper
//!   half of what is added to `pcalau12i`'s page, so they belong to *its* place, 8 and 12 bytes before theirs: the
//!   four must be adjacent. The register's lower half is the sign-extended immediate, taken as unsigned. Where that
//!   has its bit 11 set, 2^32 is too much, and 2^32 are subtracted: `(S + A & 0x800) << 21`.
//! * Alone, `pcalau12i` reaches 2 GiB. Neither psABI nor linkers nor kernels check it, since it may be one of four.
//!   We do if no `PCALA64_LO20` of the same target stands two instructions on (see [`places`]).
//! * LA32 sign-extends an address in a word of 64 bits. It has `pcaddu12i` instead of `pcalau12i`, which adds to the place, not to its page. `PCADD_LO12` therefore does not name
//!   its target: its symbol marks the `pcaddu12i`, and its value is that of the relocation *there*.
//! * `CALL36` and `CALL30` are one relocation over two adjacent instructions. `jirl` has 16 signed bits: behind
//!   `pcaddu18i` it uses all of them, behind `pcaddu12i` ten, which have no sign.
//! * ABI version 0, of gcc 12 and binutils 2.38, computes every immediate with relocations of their own, which
//!   push, combine and pop numbers in the order of the file: see [`stack`]. Linux sorts the relocations of code
//!   before it looks at them, and spoils that; we do not sort.
//! * The distance of two labels is an `ADD` and a `SUB` at one place, since relaxation may change it. They go on
//!   from what is there, and half-way the word has overflowed, so it cannot be checked. `ADD_ULEB128` and
//!   `SUB_ULEB128` do the same to a number whose length stays as it is ([`uleb128`]).
//! * A linker may shorten code. `RELAX` permits it (we do not), `ALIGN` demands it: its padding is always too long.
//!   It is honoured where the code behind it happens to be aligned. Kernels honour none; they are compiled with
//!   `-mno-relax`.
//! * The kernel lies at 0x9000_0000_0020_0000, modules far above. Calls (`B26`) go through a PLT entry, which may
//!   use `$t1`; data is reached through slots for symbol plus addend. Both are as in Linux.
//! * `PCALA_LO12` on a `jirl`, with which linkers make calls of old medium code, is left to what the psABI says, as
//!   in Linux: it is for a 12-bit immediate. No module has one.
#![cfg_attr(target_arch = "wasm32", no_std)]

extern crate alloc;

pub mod places;
pub mod stack;
pub mod state;
#[cfg(test)]
mod tests;
pub mod uleb128;

use places::{low, lower_half};
use relobox_plugin::abi::{Machine, Slice, fault, loader, order, synthetic_kind};
use relobox_plugin::{
    Cx, DYNAMIC, Field, Hooks, Job, Plan, Remade, Site, TLS, Trouble, Value, architecture, code, lo12, page, slice,
};
use stack::{assert, binary, dup, if_else, not, pop, push, shift};
use state::State;
use uleb128::{ULEB, add};

const fn insn(width: u8, slices: &'static [Slice]) -> Field {
    Field::insn(width, order::LITTLE, slices)
}

const NOTHING: Field = Field::nothing();
const WORD6: Field = insn(1, &[slice(0, 0, 6)]);
const WORD8: Field = Field::data(1);
const WORD16: Field = Field::data(2);
const WORD24: Field = Field::data(3);
const WORD32: Field = Field::data(4);
const WORD64: Field = Field::data(8);
/// The instruction that a number on the stack is for.
const INSN: Field = WORD32;

// Immediates, by bit and length.
const S_10_5: Field = insn(4, &[slice(0, 10, 5)]);
const S_10_12: Field = insn(4, &[slice(0, 10, 12)]);
const S_10_16: Field = insn(4, &[slice(0, 10, 16)]);
const S_5_20: Field = insn(4, &[slice(0, 5, 20)]);
// The same, in words.
const OFFS16: Field = insn(4, &[slice(2, 10, 16)]);
const OFFS20: Field = insn(4, &[slice(2, 5, 20)]);
const OFFS21: Field = insn(4, &[slice(18, 0, 5), slice(2, 10, 16)]);
const OFFS26: Field = insn(4, &[slice(18, 0, 10), slice(2, 10, 16)]);
// The four parts of an address.
const LO12: Field = S_10_12;
const HI20: Field = insn(4, &[slice(12, 5, 20)]);
const LO20: Field = insn(4, &[slice(32, 5, 20)]);
const HI12: Field = insn(4, &[slice(52, 10, 12)]);
/// `pcaddu12i` and the `jirl` behind it.
const CALL30: Field = insn(8, &[slice(12, 5, 20), slice(2, 42, 10)]);
/// `pcaddu18i` and the `jirl` behind it.
const CALL36: Field = insn(8, &[slice(18, 5, 20), slice(2, 42, 16)]);

/// What holds for both machines.
const LOONGARCH: Machine = Machine {
    machine: 258,
    class: 64,
    order: order::LITTLE,
    flags_mask: 0,
    flags_value: 0,
    reserved: 0,
    base: 0xffff_8000_0200_8000,
    kernel: 0x9000_0000_0020_0000,
    // Of a branch; the rest reaches further, or everything through the GOT.
    reach: 0x0800_0000,
};

/// Linux's own tables, sized by the relocations that the kernel would have to do, which are none here, plus one. From
/// arch/loongarch/kernel/module-sections.c; those of ftrace hold two PLT entries.
const fn remade(name: &'static str, kind: u32, size: u64, align: u64) -> Remade {
    Remade { name, loaders: loader::CORE_INIT | loader::KINDS, kind, size, align }
}

architecture! {
    name: "loongarch",
    title: "LoongArch (LA64 and LA32), little-endian, RELA",
    psabi: "https://github.com/loongson/la-abi-specs/blob/release/laelf.adoc",
    machines: [LOONGARCH, Machine { class: 32, base: 0xc201_0000, kernel: 0xa020_0000, ..LOONGARCH }],
    addends: explicit,
    remade: [
        remade(".got", synthetic_kind::RODATA, 8, 64),
        remade(".plt", synthetic_kind::TEXT, 16, 64),
        remade(".plt.idx", synthetic_kind::RODATA, 8, 64),
        remade(".ftrace_trampoline", synthetic_kind::TEXT, 32, 4),
    ],
    decoding: "decoding.txt",
    state: State,
    letters: (cx, S, A, P, V; GOT = cx.got()?),
    rows: {
        R_LARCH_32             = 1:   S + A,         WORD32, either 32;
        R_LARCH_64             = 2:   S + A,         WORD64, unchecked;

        R_LARCH_SOP_PUSH_PCREL     = 22: push(S + A - P, cx)?, INSN, by_hand, pair place R_LARCH_SOP_POP_32_S_5_20;
        R_LARCH_SOP_PUSH_ABSOLUTE  = 23: push(S + A, cx)?,     INSN, by_hand, pair place R_LARCH_SOP_POP_32_U;
        R_LARCH_SOP_PUSH_DUP       = 24: dup(cx)?,             INSN, by_hand;
        R_LARCH_SOP_PUSH_GPREL     = 25: push(G(cx, A)?, cx)?, INSN, by_hand, needs TARGET_SLOT,
                                         pair place R_LARCH_SOP_POP_32_S_10_12;
        R_LARCH_SOP_PUSH_PLT_PCREL = 29: push(branch(cx, S + A - P, A) - P, cx)?, INSN, by_hand,
                                         needs TARGET_STUB | OUTSIDE, pair place R_LARCH_SOP_POP_32_S_0_10_10_16_S2;
        R_LARCH_SOP_ASSERT         = 30: assert(cx)?,          INSN, by_hand;
        R_LARCH_SOP_NOT            = 31: not(cx)?,             INSN, by_hand;
        R_LARCH_SOP_SUB            = 32: binary(|opr1, opr2| opr1 - opr2, cx)?,  INSN, by_hand;
        R_LARCH_SOP_SL             = 33: shift(|opr1, opr2| opr1 << opr2, cx)?,  INSN, by_hand;
        R_LARCH_SOP_SR             = 34: shift(|opr1, opr2| opr1 >> opr2, cx)?,  INSN, by_hand;
        R_LARCH_SOP_ADD            = 35: binary(|opr1, opr2| opr1 + opr2, cx)?,  INSN, by_hand;
        R_LARCH_SOP_AND            = 36: binary(|opr1, opr2| opr1 & opr2.0, cx)?, INSN, by_hand;
        R_LARCH_SOP_IF_ELSE        = 37: if_else(cx)?,         INSN, by_hand;
        R_LARCH_SOP_POP_32_S_10_5          = 38: pop(cx)?, S_10_5,  signed 5;
        R_LARCH_SOP_POP_32_U_10_12         = 39: pop(cx)?, S_10_12, unsigned 12;
        R_LARCH_SOP_POP_32_S_10_12         = 40: pop(cx)?, S_10_12, signed 12;
        R_LARCH_SOP_POP_32_S_10_16         = 41: pop(cx)?, S_10_16, signed 16;
        R_LARCH_SOP_POP_32_S_10_16_S2      = 42: pop(cx)?, OFFS16,  signed 18, align 4;
        R_LARCH_SOP_POP_32_S_5_20          = 43: pop(cx)?, S_5_20,  signed 20;
        R_LARCH_SOP_POP_32_S_0_5_10_16_S2  = 44: pop(cx)?, OFFS21,  signed 23, align 4;
        R_LARCH_SOP_POP_32_S_0_10_10_16_S2 = 45: pop(cx)?, OFFS26,  signed 28, align 4;
        R_LARCH_SOP_POP_32_U               = 46: pop(cx)?, WORD32,  unsigned 32;

        R_LARCH_ADD8           = 47:  V + S + A,     WORD8,  unchecked, pair place R_LARCH_SUB8;
        R_LARCH_ADD16          = 48:  V + S + A,     WORD16, unchecked, pair place R_LARCH_SUB16;
        R_LARCH_ADD24          = 49:  V + S + A,     WORD24, unchecked, pair place R_LARCH_SUB24;
        R_LARCH_ADD32          = 50:  V + S + A,     WORD32, unchecked, pair place R_LARCH_SUB32;
        R_LARCH_ADD64          = 51:  V + S + A,     WORD64, whole,     pair place R_LARCH_SUB64;
        R_LARCH_SUB8           = 52:  V - S - A,     WORD8,  unchecked, pair place R_LARCH_ADD8;
        R_LARCH_SUB16          = 53:  V - S - A,     WORD16, unchecked, pair place R_LARCH_ADD16;
        R_LARCH_SUB24          = 54:  V - S - A,     WORD24, unchecked, pair place R_LARCH_ADD24;
        R_LARCH_SUB32          = 55:  V - S - A,     WORD32, unchecked, pair place R_LARCH_ADD32;
        R_LARCH_SUB64          = 56:  V - S - A,     WORD64, whole,     pair place R_LARCH_ADD64;

        R_LARCH_B16            = 64:  S + A - P,     OFFS16, signed 18, align 4;
        R_LARCH_B21            = 65:  S + A - P,     OFFS21, signed 23, align 4;
        R_LARCH_B26            = 66:  S + A - P,     OFFS26, signed 28, align 4, else PLT(cx, A) - P,
                                      needs TARGET_STUB | OUTSIDE;
        R_LARCH_ABS_HI20       = 67:  S + A,         HI20,   unchecked, low R_LARCH_ABS64_LO20;
        R_LARCH_ABS_LO12       = 68:  S + A,         LO12,   unchecked, low R_LARCH_ABS_HI20;
        R_LARCH_ABS64_LO20     = 69:  S + A,         LO20,   unchecked, low R_LARCH_ABS64_HI12;
        R_LARCH_ABS64_HI12     = 70:  S + A,         HI12,   unchecked;
        R_LARCH_PCALA_HI20     = 71:  page(S + A + 0x800) - page(P), HI20, signed 32,
                                      else lower_half(page(S + A + 0x800) - page(P), cx),
                                      is pages round 12, low R_LARCH_PCALA64_LO20;
        R_LARCH_PCALA_LO12     = 72:  lo12(S + A),   LO12,   unchecked, low R_LARCH_PCALA_HI20;
        R_LARCH_PCALA64_LO20   = 73:  ((S + A + 0x800) & -0x1000) - ((P - 8) & -0x1000)
                                          + 0x8000_0000 - (((S + A) & 0x800) << 21),
                                      LO20, unchecked, low R_LARCH_PCALA64_HI12;
        R_LARCH_PCALA64_HI12   = 74:  ((S + A + 0x800) & -0x1000) - ((P - 12) & -0x1000)
                                          + 0x8000_0000 - (((S + A) & 0x800) << 21),
                                      HI12, unchecked;
        R_LARCH_GOT_PC_HI20    = 75:  page(GOT + G(cx, A)? + 0x800) - page(P), HI20, signed 32, needs TARGET_SLOT,
                                      is slot round 12, low R_LARCH_GOT64_PC_LO20;
        R_LARCH_GOT_PC_LO12    = 76:  lo12(GOT + G(cx, A)?), LO12, unchecked, needs TARGET_SLOT,
                                      low R_LARCH_GOT_PC_HI20;
        R_LARCH_GOT64_PC_LO20  = 77:  page(GOT + G(cx, A)? + 0x800) - page(P - 8)
                                          + 0x8000_0000 - (((GOT + G(cx, A)?) & 0x800) << 21),
                                      LO20, unchecked, needs TARGET_SLOT, low R_LARCH_GOT64_PC_HI12;
        R_LARCH_GOT64_PC_HI12  = 78:  page(GOT + G(cx, A)? + 0x800) - page(P - 12)
                                          + 0x8000_0000 - (((GOT + G(cx, A)?) & 0x800) << 21),
                                      HI12, unchecked, needs TARGET_SLOT;
        R_LARCH_GOT_HI20       = 79:  GOT + G(cx, A)?, HI20, unchecked, needs TARGET_SLOT, low R_LARCH_GOT64_LO20;
        R_LARCH_GOT_LO12       = 80:  GOT + G(cx, A)?, LO12, unchecked, needs TARGET_SLOT, low R_LARCH_GOT_HI20;
        R_LARCH_GOT64_LO20     = 81:  GOT + G(cx, A)?, LO20, unchecked, needs TARGET_SLOT, low R_LARCH_GOT64_HI12;
        R_LARCH_GOT64_HI12     = 82:  GOT + G(cx, A)?, HI12, unchecked, needs TARGET_SLOT;

        R_LARCH_32_PCREL       = 99:  S + A - P,     WORD32, signed 32;
        R_LARCH_ALIGN          = 102: align(A, P, cx)?, NOTHING, by_hand;
        R_LARCH_PCREL20_S2     = 103: S + A - P,     OFFS20, signed 22, align 4;
        R_LARCH_ADD6           = 105: V + S + A,     WORD6,  unchecked, pair place R_LARCH_SUB6;
        R_LARCH_SUB6           = 106: V - S - A,     WORD6,  unchecked, pair place R_LARCH_ADD6;
        R_LARCH_ADD_ULEB128    = 107: add(S + A, cx)?,    NOTHING, by_hand, needs ULEB, extra 10, of plus,
                                      pair place R_LARCH_SUB_ULEB128;
        R_LARCH_SUB_ULEB128    = 108: add(-(S + A), cx)?, NOTHING, by_hand, needs ULEB, extra 10, of minus,
                                      pair place R_LARCH_ADD_ULEB128;
        R_LARCH_64_PCREL       = 109: S + A - P,     WORD64, whole;
        R_LARCH_CALL36         = 110: S + A - P,     CALL36, signed 38, align 4, else PLT(cx, A) - P,
                                      needs TARGET_STUB | OUTSIDE, high 18;
        R_LARCH_CALL30         = 127: S + A - P,     CALL30, signed 32, align 4, else PLT(cx, A) - P,
                                      needs TARGET_STUB | OUTSIDE;
        R_LARCH_PCADD_HI20     = 128: S + A - P,     HI20,   signed 32, high 12, pair labelled R_LARCH_PCADD_LO12;
        R_LARCH_PCADD_LO12     = 129: low(S, cx)?,   LO12,   unchecked, is partner, pair label R_LARCH_PCADD_HI20;
        R_LARCH_GOT_PCADD_HI20 = 130: GOT + G(cx, A)? - P, HI20, signed 32, needs TARGET_SLOT, high 12,
                                      pair labelled R_LARCH_GOT_PCADD_LO12;
        R_LARCH_GOT_PCADD_LO12 = 131: low(S, cx)?,   LO12,   unchecked, is partner, pair label R_LARCH_GOT_PCADD_HI20;
    }
    ignored: {
        R_LARCH_NONE = 0,
        // Say what code is for, to linkers.
        R_LARCH_MARK_LA = 20,
        R_LARCH_MARK_PCREL = 21,
        // What a C++ linker throws away unused virtual functions by.
        R_LARCH_GNU_VTINHERIT = 57,
        R_LARCH_GNU_VTENTRY = 58,
        R_LARCH_RELAX = 100,
    }
    refused: {
        DYNAMIC => 3..=5 [R_LARCH_RELATIVE, R_LARCH_COPY, R_LARCH_JUMP_SLOT], 12 [R_LARCH_IRELATIVE];
        TLS =>
            6..=11 [R_LARCH_TLS_DTPMOD32, R_LARCH_TLS_DTPMOD64, R_LARCH_TLS_DTPREL32, R_LARCH_TLS_DTPREL64,
                R_LARCH_TLS_TPREL32, R_LARCH_TLS_TPREL64],
            13..=14 [R_LARCH_TLS_DESC32, R_LARCH_TLS_DESC64],
            26..=28 [R_LARCH_SOP_PUSH_TLS_TPREL, R_LARCH_SOP_PUSH_TLS_GOT, R_LARCH_SOP_PUSH_TLS_GD],
            83..=98 [R_LARCH_TLS_LE_HI20, R_LARCH_TLS_LE_LO12, R_LARCH_TLS_LE64_LO20, R_LARCH_TLS_LE64_HI12,
                R_LARCH_TLS_IE_PC_HI20, R_LARCH_TLS_IE_PC_LO12, R_LARCH_TLS_IE64_PC_LO20, R_LARCH_TLS_IE64_PC_HI12,
                R_LARCH_TLS_IE_HI20, R_LARCH_TLS_IE_LO12, R_LARCH_TLS_IE64_LO20, R_LARCH_TLS_IE64_HI12,
                R_LARCH_TLS_LD_PC_HI20, R_LARCH_TLS_LD_HI20, R_LARCH_TLS_GD_PC_HI20, R_LARCH_TLS_GD_HI20],
            111..=126 [R_LARCH_TLS_DESC_PC_HI20, R_LARCH_TLS_DESC_PC_LO12, R_LARCH_TLS_DESC64_PC_LO20,
                R_LARCH_TLS_DESC64_PC_HI12, R_LARCH_TLS_DESC_HI20, R_LARCH_TLS_DESC_LO12, R_LARCH_TLS_DESC64_LO20,
                R_LARCH_TLS_DESC64_HI12, R_LARCH_TLS_DESC_LD, R_LARCH_TLS_DESC_CALL, R_LARCH_TLS_LE_HI20_R,
                R_LARCH_TLS_LE_ADD_R, R_LARCH_TLS_LE_LO12_R, R_LARCH_TLS_LD_PCREL20_S2, R_LARCH_TLS_GD_PCREL20_S2,
                R_LARCH_TLS_DESC_PCREL20_S2],
            132..=139 [R_LARCH_TLS_IE_PCADD_HI20, R_LARCH_TLS_IE_PCADD_LO12, R_LARCH_TLS_LD_PCADD_HI20,
                R_LARCH_TLS_LD_PCADD_LO12, R_LARCH_TLS_GD_PCADD_HI20, R_LARCH_TLS_GD_PCADD_LO12,
                R_LARCH_TLS_DESC_PCADD_HI20, R_LARCH_TLS_DESC_PCADD_LO12];
        "was withdrawn from the psABI" => 101 [R_LARCH_DELETE], 104 [R_LARCH_CFA];
    }
}

const _: () = assert!(
    places::R_LARCH_PCALA64_LO20 == types::R_LARCH_PCALA64_LO20
        && places::R_LARCH_PCADD_HI20 == types::R_LARCH_PCADD_HI20
        && places::R_LARCH_GOT_PCADD_HI20 == types::R_LARCH_GOT_PCADD_HI20
);

impl Hooks for State {
    fn need(&mut self, _: u16, site: &Site<'_>, plan: &mut Plan) {
        uleb128::measure(&mut self.lengths, site, plan);
    }

    fn plan(&mut self, job: &Job<'_>, plan: &mut Plan) {
        let entry = if job.header.class == 32 { 8 } else { 16 };
        plan.stubs(".relobox.plt", entry, entry as u64, 0);
    }

    fn begin(cx: &mut Cx<'_, Self>) {
        cx.state.places = None;
    }

    fn end(cx: &mut Cx<'_, Self>) {
        stack::end(cx);
    }
}

/// The offset in the GOT of the slot for the symbol plus `addend`. The psABI has no addend there; kernels do so.
#[allow(non_snake_case, reason = "the psABI's letter")]
#[inline(never)]
fn G(cx: &mut Cx<'_, State>, addend: Value) -> Result<Value, Trouble> {
    cx.slot_of(cx.relocation.symbol, addend)
}

/// The PLT entry for the symbol plus `addend`, or their sum, where there is none or no instruction.
#[cold]
#[allow(non_snake_case, reason = "the psABI's name")]
fn PLT(cx: &mut Cx<'_, State>, addend: Value) -> Value {
    let (target, class) = (cx.value(cx.relocation.symbol) + addend, cx.job.header.class);
    let Some(stub) = cx.stub_of(addend).filter(|_| target & 3 == Value(0)) else { return target };
    if class == 32 {
        code! { stub.bytes, false;
            HI20(0x1400_000d, target)         // lu12i.w $t1, target
            OFFS16(0x4c00_01a0, lo12(target)) // jirl    $zero, $t1, %abs_lo12(target)
        }
    } else {
        code! { stub.bytes, false;
            HI20(0x1400_000d, target)         // lu12i.w $t1, target
            LO20(0x1600_000d, target)         // lu32i.d $t1, %abs64_lo20(target)
            HI12(0x0300_01ad, target)         // lu52i.d $t1, $t1, %abs64_hi12(target)
            OFFS16(0x4c00_01a0, lo12(target)) // jirl    $zero, $t1, %abs_lo12(target)
        }
    }
    stub.address
}

/// Where a branch over `distance` goes to: as far as it reaches itself, otherwise to the PLT.
#[inline(never)]
fn branch(cx: &mut Cx<'_, State>, distance: Value, addend: Value) -> Value {
    if distance.sign_extend(28) == distance { cx.value(cx.relocation.symbol) + addend } else { PLT(cx, addend) }
}

/// Whether the code behind padding is where a linker would move it. Without a symbol, `padding` is its length; with
/// one, its low byte is the alignment as a power of two, the rest how many bytes that is worth, if there is a limit.
#[inline(never)]
fn align(padding: Value, place: Value, cx: &mut Cx<'_, State>) -> Result<(), Trouble> {
    const RELAXED: Trouble =
        Trouble::new(fault::REJECTED, "needs linker relaxation, which kernels do not do: compile with -mno-relax");
    let (align, most) = match cx.relocation.symbol {
        0 => (padding.bits().checked_add(1).and_then(u64::checked_next_power_of_two), 0),
        _ => (1u64.checked_shl(padding.bits() as u32 & 0xff), padding.bits() >> 8),
    };
    let align = align.ok_or(RELAXED)?;
    let behind =
        place.bits().wrapping_add(if cx.relocation.symbol == 0 { padding.bits() } else { align.wrapping_sub(4) });
    let aligned = behind & (align - 1) == 0;
    let dispensable = most != 0 && place.bits().wrapping_neg() & (align - 1) > most;
    if aligned || dispensable { Ok(()) } else { Err(RELAXED) }
}
