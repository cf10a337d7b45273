//! Arm, 32 bits: AArch32 with the instruction sets A32 ("Arm") and T32 ("Thumb").
//!
//! psABI: ELF for the Arm Architecture (AAELF32),
//! <https://github.com/ARM-software/abi-aa/blob/main/aaelf32/aaelf32.rst>, chapter "Relocation". `GOT` is its GOT_ORG,
//! the address of the global offset table, and `G` its GOT(S), the address of the symbol's entry. `Ai` is the
//! addend where an instruction holds it in another way than as a signed number.
//!
//! What to know of it:
//!
//! * Arm instructions are words. Thumb instructions are one halfword, or two: then the **first** halfword has the
//!   upper bits of the value. Read as a little-endian word, as fields here are, the first halfword is the lower one.
//! * **Byte order.** Linux's big-endian kernels since ARMv6 are BE8: data is big-endian, instructions are
//!   little-endian. An assembler writes both big-endian (BE32); `ld --be8` turns the instructions around, also for
//!   modules (`ld -r`), and sets EF_ARM_BE8. Big-endian objects without this flag are not modules of such a kernel,
//!   and are not linked.
//! * **Bit 0** of a code address selects Thumb, and a Thumb function's symbol is odd. The psABI takes the bit off and
//!   puts it back as `T`: `(S + A) | T`. Here, as in Linux, it stays in `S`. That is the same for even addends, and
//!   also right for the kernel's functions, whose type is not known. A Thumb branch has no place for it: `& -2`.
//! * **No interworking.** Linkers turn a call of the other instruction set into `blx`, or lead it through a veneer. A
//!   kernel is all Arm or all Thumb, and its loader refuses such calls; so do we. An Arm branch to Thumb code is not a
//!   multiple of 4.
//! * The program counter is 8 bytes ahead in Arm code, 4 in Thumb code. The assembler puts it into the addend. Thumb
//!   loads relative to it take it rounded down to 4 (`Pa` in the psABI).
//! * Addends stand in the instructions (REL). `movw` and `movt` hold halves of a value, but each the *whole* addend,
//!   as 16 bits with a sign: for `movt` the field is thus the low bits of `(S + A) >> 16`.
//! * `bl` and `b.w` have 24 bits: S, J1, J2 and 21 others. Bits 23 and 22 of the distance are J1 and J2 inverted where
//!   S is 0: the first Thumb `bl` had 22 bits, and J1 and J2 were 1 in both directions. `b<cond>.w` has J1 and J2 as
//!   they are, and in the other order.
//! * Loads and stores hold a magnitude, and a bit U that says whether it is added. `add` and `sub` are two opcodes;
//!   they hold eight bits, rotated right by an even number. An address takes up to three of these, the last of which
//!   may be a load: **group** relocations give the first its eight highest bits, the second the next eight, and so on.
//!   The sum is formed of the absolute value; by its sign all are `add` or all are `sub`.
//! * `b` and `bl` reach ±32 MiB, in Thumb ±16 MiB; modules lie in the 16 MiB below the kernel, or, if that is full,
//!   far away. What is out of reach is called through a veneer, which is `ldr pc` of the word behind it. (The kernel's
//!   own collect words behind a cache line of `ldr`; and the kernel takes one for the last word of the range, too.)
//! * An unresolved weak function is called as if it were the next instruction, as the psABI demands.
//! * `V4BX` marks a `bx` for processors without Thumb. Linkers change it on demand, Linux always: to `mov pc`.
//! * `TARGET1` is `ABS32` and `TARGET2` is `GOT_PREL`, as for all of Linux. `BASE_PREL` is for `_GLOBAL_OFFSET_TABLE_`
//!   alone.
//! * Linux handles few of these types: no GOT, no loads but `LDR_PC_G2`, no short Thumb branches. It does not check
//!   whether `REL32` overflows, and neither does the psABI.
//! * Erratum 657417 of Cortex-A8 (a Thumb branch on two pages) is mended by linkers of programs, not by kernels, nor
//!   here.
#![cfg_attr(target_arch = "wasm32", no_std)]

extern crate alloc;

use addends::{adr, adr_addend, alu, group, j1_j2, load, rotated, up_down, within};
use fields::*;
use relobox_plugin::abi::{
    Detail, Group, Machine, Relocation, detail, fault, group_flag, loader, order, symbol_flag, synthetic_kind,
};
use relobox_plugin::{
    Cx, DYNAMIC, Hooks, Job, Plan, Remade, Site, TLS, Table, Trouble, Value, architecture, code, needs,
};

mod addends;
mod fields;
#[cfg(test)]
mod tests;

/// `e_flags`: instructions are little-endian, data is big-endian.
const BE8: u32 = 0x0080_0000;

const fn machine(order: u8, flags: u32) -> Machine {
    Machine {
        machine: 40,
        class: 32,
        order,
        flags_mask: flags,
        flags_value: flags,
        reserved: 0,
        base: 0xbf00_0000,
        kernel: 0xc010_0000,
        // The range of a `bl` in Arm code.
        reach: 0x0200_0000,
    }
}

/// Linux's own room for veneers, in arch/arm/kernel/module-plts.c: with nothing left to relocate, two for ftrace
/// remain, and a veneer's cache lines are two, of 64 bytes since ARMv7.
const fn remade(name: &'static str, kind: u32) -> Remade {
    Remade { name, loaders: loader::CORE_INIT | loader::KINDS, kind, size: 128, align: 64 }
}

architecture! {
    name: "arm",
    title: "Arm (AArch32: Arm and Thumb code), little-endian and BE8, REL (and RELA)",
    psabi: "https://github.com/ARM-software/abi-aa/blob/main/aaelf32/aaelf32.rst",
    machines: [machine(order::LITTLE, 0), machine(order::BIG, BE8)],
    addends: either,
    remade: [remade(".plt", synthetic_kind::TEXT), remade(".init.plt", synthetic_kind::INIT_TEXT)],
    details: [Detail {
        kind: types::R_ARM_V4BX, what: detail::STANDS, offset: 0, width: 4, order: order::LITTLE, effect: 0,
        reserved: 0, mask: 0x0fff_fff0, value: 0x012f_ff10, min: 0, max: 0,
    }],
    decoding: "decoding.txt",
    state: Veneers,
    letters: (cx, S, A, P; GOT = cx.got()?, G = entry(cx)?, Ai = held(cx)),
    rows: {
        R_ARM_ABS32             = 2:   S + A,       WORD32, unchecked;
        R_ARM_REL32             = 3:   S + A - P,   WORD32, unchecked;
        R_ARM_ABS16             = 5:   S + A,       HALF16, either 16;
        R_ARM_ABS8              = 8:   S + A,       BYTE8,  either 8;
        R_ARM_GOTOFF32          = 24:  S + A - GOT, WORD32, unchecked, needs GOT;
        R_ARM_BASE_PREL         = 25:  GOT + A - P, WORD32, unchecked, needs GOT;
        R_ARM_GOT_BREL          = 26:  G + A - GOT, WORD32, unchecked, needs SLOT;
        R_ARM_TARGET1           = 38:  S + A,       WORD32, unchecked;
        R_ARM_TARGET2           = 41:  G + A - P,   WORD32, unchecked, needs SLOT;
        R_ARM_PREL31            = 42:  S + A - P,   WORD31, signed 31;
        R_ARM_ABS32_NOI         = 55:  plain(S, cx) + A,     WORD32, unchecked;
        R_ARM_REL32_NOI         = 56:  plain(S, cx) + A - P, WORD32, unchecked;
        R_ARM_PLT32_ABS         = 94:  S + A,       WORD32, unchecked;
        R_ARM_GOT_ABS           = 95:  G + A,       WORD32, unchecked, needs SLOT;
        R_ARM_GOT_PREL          = 96:  G + A - P,   WORD32, unchecked, needs SLOT;

        R_ARM_PC24              = 1:   S + A - P,        IMM24, signed 26, align 4,
                                   else far(A, cx), needs TARGET_STUB | APART;
        R_ARM_PLT32             = 27:  S + A - P,        IMM24, signed 26, align 4,
                                   else far(A, cx), needs TARGET_STUB | APART;
        R_ARM_CALL              = 28:  S + A - P,        IMM24, signed 26, align 4,
                                   else far(A, cx), needs TARGET_STUB | APART;
        R_ARM_JUMP24            = 29:  S + A - P,        IMM24, signed 26, align 4,
                                   else far(A, cx), needs TARGET_STUB | APART;
        R_ARM_MOVW_ABS_NC       = 43:  S + A,            IMM16, unchecked;
        R_ARM_MOVT_ABS          = 44:  (S + A) >> 16,    IMM16, unchecked;
        R_ARM_MOVW_PREL_NC      = 45:  S + A - P,        IMM16, unchecked;
        R_ARM_MOVT_PREL         = 46:  (S + A - P) >> 16, IMM16, unchecked;
        R_ARM_ABS12             = 6:   load(S + Ai, 12, 0)?,       LDR12, unchecked;
        R_ARM_GOT_BREL12        = 97:  load(G + Ai - GOT, 12, 0)?, LDR12, unchecked, needs SLOT;
        R_ARM_GOTOFF12          = 98:  load(S + Ai - GOT, 12, 0)?, LDR12, unchecked, needs GOT;
        R_ARM_LDR_PC_G0         = 4:   load(S + Ai - P, 12, 0)?,   LDR12, unchecked;
        R_ARM_LDR_PC_G1         = 62:  load(S + Ai - P, 12, 1)?,   LDR12, unchecked;
        R_ARM_LDR_PC_G2         = 63:  load(S + Ai - P, 12, 2)?,   LDR12, unchecked;
        R_ARM_LDRS_PC_G0        = 64:  load(S + Ai - P, 8, 0)?,    LDRS8, unchecked;
        R_ARM_LDRS_PC_G1        = 65:  load(S + Ai - P, 8, 1)?,    LDRS8, unchecked;
        R_ARM_LDRS_PC_G2        = 66:  load(S + Ai - P, 8, 2)?,    LDRS8, unchecked;
        R_ARM_LDC_PC_G0         = 67:  load(S + Ai - P, 10, 0)?,   LDC8,  unchecked;
        R_ARM_LDC_PC_G1         = 68:  load(S + Ai - P, 10, 1)?,   LDC8,  unchecked;
        R_ARM_LDC_PC_G2         = 69:  load(S + Ai - P, 10, 2)?,   LDC8,  unchecked;
        R_ARM_ALU_PC_G0_NC      = 57:  group(S + Ai - P, 0, cx)?,  ALU12, unchecked;
        R_ARM_ALU_PC_G0         = 58:  alu(S + Ai - P, 0, cx)?,    ALU12, unchecked;
        R_ARM_ALU_PC_G1_NC      = 59:  group(S + Ai - P, 1, cx)?,  ALU12, unchecked;
        R_ARM_ALU_PC_G1         = 60:  alu(S + Ai - P, 1, cx)?,    ALU12, unchecked;
        R_ARM_ALU_PC_G2         = 61:  alu(S + Ai - P, 2, cx)?,    ALU12, unchecked;
        R_ARM_V4BX              = 40:  mov_pc(cx)?,                BX,    unchecked;

        R_ARM_THM_CALL          = 10:  j1_j2((thumb(S, cx)? + Ai - P) & -2), THM24, signed 25,
                                   else j1_j2(thm_far(Ai, cx)), needs THUMB;
        R_ARM_THM_JUMP24        = 30:  j1_j2((thumb(S, cx)? + Ai - P) & -2), THM24, signed 25,
                                   else j1_j2(thm_far(Ai, cx)), needs THUMB;
        R_ARM_THM_JUMP19        = 51:  (thumb(S, cx)? + Ai - P) & -2,        THM19, signed 21,
                                   else thm_far(Ai, cx), needs THUMB;
        R_ARM_THM_JUMP11        = 102: (S + A - P) & -2,           THM11, signed 12;
        R_ARM_THM_JUMP8         = 103: (S + A - P) & -2,           THM8,  signed 9;
        R_ARM_THM_JUMP6         = 52:  within((S + Ai - P) & -2, 0x7e, 2)?, THM6,  unchecked;
        R_ARM_THM_MOVW_ABS_NC   = 47:  S + A,             THM16, unchecked;
        R_ARM_THM_MOVT_ABS      = 48:  (S + A) >> 16,     THM16, unchecked;
        R_ARM_THM_MOVW_PREL_NC  = 49:  S + A - P,         THM16, unchecked;
        R_ARM_THM_MOVT_PREL     = 50:  (S + A - P) >> 16, THM16, unchecked;
        R_ARM_THM_ALU_PREL_11_0 = 53:  adr(S + Ai - (P & -4))?,          THM_ADR12, unchecked;
        R_ARM_THM_PC12          = 54:  load(S + Ai - (P & -4), 12, 0)?,  THM_LDR12, unchecked;
        R_ARM_THM_GOT_BREL12    = 131: within(G + Ai - GOT, 0xfff, 1)?,  THM12,     unchecked, needs SLOT;
        R_ARM_THM_ABS5          = 7:   within(S + Ai, 0x7c, 4)?,              THM5,     unchecked;
        R_ARM_THM_PC8           = 11:  within(S + Ai - (P & -4), 0x3fc, 4)?,  THM_PC8,  unchecked;
        R_ARM_THM_ALU_ABS_G0_NC = 132: S + Ai,         THM_IMM8, unchecked;
        R_ARM_THM_ALU_ABS_G1_NC = 133: (S + Ai) >> 8,  THM_IMM8, unchecked;
        R_ARM_THM_ALU_ABS_G2_NC = 134: (S + Ai) >> 16, THM_IMM8, unchecked;
        R_ARM_THM_ALU_ABS_G3    = 135: (S + Ai) >> 24, THM_IMM8, unchecked;
    }
    ignored: {
        R_ARM_NONE = 0,
        // Says that a load from the global offset table may be relaxed.
        R_ARM_GOTRELAX = 99,
        // What a C++ linker throws away unused virtual functions by.
        R_ARM_GNU_VTENTRY = 100,
        R_ARM_GNU_VTINHERIT = 101,
    }
    refused: {
        DYNAMIC =>
            12 [R_ARM_BREL_ADJ], 20..=23 [R_ARM_COPY, R_ARM_GLOB_DAT, R_ARM_JUMP_SLOT, R_ARM_RELATIVE],
            160 [R_ARM_IRELATIVE], 249..=255 [R_ARM_RXPC25, R_ARM_RSBREL32, R_ARM_THM_RPC22, R_ARM_RREL32,
                R_ARM_RABS32, R_ARM_RPC24, R_ARM_RBASE];
        "is relative to a static base in r9, which kernel code does not have" =>
            9 [R_ARM_SBREL32], 31 [R_ARM_BASE_ABS],
            35..=37 [R_ARM_LDR_SBREL_11_0_NC, R_ARM_ALU_SBREL_19_12_NC, R_ARM_ALU_SBREL_27_20_CK], 39 [R_ARM_SBREL31],
            70..=89 [R_ARM_ALU_SB_G0_NC, R_ARM_ALU_SB_G0, R_ARM_ALU_SB_G1_NC, R_ARM_ALU_SB_G1, R_ARM_ALU_SB_G2,
                R_ARM_LDR_SB_G0, R_ARM_LDR_SB_G1, R_ARM_LDR_SB_G2, R_ARM_LDRS_SB_G0, R_ARM_LDRS_SB_G1, R_ARM_LDRS_SB_G2,
                R_ARM_LDC_SB_G0, R_ARM_LDC_SB_G1, R_ARM_LDC_SB_G2, R_ARM_MOVW_BREL_NC, R_ARM_MOVT_BREL, R_ARM_MOVW_BREL,
                R_ARM_THM_MOVW_BREL_NC, R_ARM_THM_MOVT_BREL, R_ARM_THM_MOVW_BREL];
        TLS =>
            13 [R_ARM_TLS_DESC], 17..=19 [R_ARM_TLS_DTPMOD32, R_ARM_TLS_DTPOFF32, R_ARM_TLS_TPOFF32],
            90..=93 [R_ARM_TLS_GOTDESC, R_ARM_TLS_CALL, R_ARM_TLS_DESCSEQ, R_ARM_THM_TLS_CALL],
            104..=111 [R_ARM_TLS_GD32, R_ARM_TLS_LDM32, R_ARM_TLS_LDO32, R_ARM_TLS_IE32, R_ARM_TLS_LE32,
                R_ARM_TLS_LDO12, R_ARM_TLS_LE12, R_ARM_TLS_IE12GP],
            129..=130 [R_ARM_THM_TLS_DESCSEQ16, R_ARM_THM_TLS_DESCSEQ32];
        "calls code of the other instruction set, which kernels do not" => 15..=16 [R_ARM_XPC25, R_ARM_THM_XPC22];
        "is obsolete, and no assembler writes it" =>
            14 [R_ARM_THM_SWI8], 32..=34 [R_ARM_ALU_PCREL_7_0, R_ARM_ALU_PCREL_15_8, R_ARM_ALU_PCREL_23_15],
            128 [R_ARM_ME_TOO];
        "is private to a toolchain" =>
            112..=127 [R_ARM_PRIVATE_0, R_ARM_PRIVATE_1, R_ARM_PRIVATE_2, R_ARM_PRIVATE_3, R_ARM_PRIVATE_4,
                R_ARM_PRIVATE_5, R_ARM_PRIVATE_6, R_ARM_PRIVATE_7, R_ARM_PRIVATE_8, R_ARM_PRIVATE_9, R_ARM_PRIVATE_10,
                R_ARM_PRIVATE_11, R_ARM_PRIVATE_12, R_ARM_PRIVATE_13, R_ARM_PRIVATE_14, R_ARM_PRIVATE_15];
        "is for branches of Armv8.1-M, for which there is no Linux" =>
            136..=138 [R_ARM_THM_BF16, R_ARM_THM_BF12, R_ARM_THM_BF18];
        "is for function descriptors of FDPIC programs" =>
            161..=167 [R_ARM_GOTFUNCDESC, R_ARM_GOTOFFFUNCDESC, R_ARM_FUNCDESC, R_ARM_FUNCDESC_VALUE,
                R_ARM_TLS_GD32_FDPIC, R_ARM_TLS_LDM32_FDPIC, R_ARM_TLS_IE32_FDPIC];
    }
}

/// The row is a Thumb branch that may need a veneer.
const THUMB: u16 = needs::OWN;
/// Bytes of a veneer: `ldr pc`, and the word that it loads.
const VENEER: usize = 8;

/// The veneers of Thumb branches. Those of Arm branches are the usual stubs.
#[derive(Default)]
pub struct Veneers {
    thumb: Table,
}

impl Hooks for Veneers {
    fn need(&mut self, _: u16, site: &Site<'_>, _: &mut Plan) {
        let (r, section) = (site.relocation, site.group.section);
        if site.job.symbols.get(r.symbol as usize).is_some_and(|symbol| symbol.section != section) {
            self.thumb.want(site.job, r.symbol, addend_of(site.group, r, site.data));
        }
    }

    fn plan(&mut self, _: &Job<'_>, plan: &mut Plan) {
        plan.stubs(".relobox.veneers", VENEER, VENEER as u64, 0);
        let count = self.thumb.seal();
        let section = plan.text(".relobox.veneers.thumb", count * VENEER, VENEER as u64);
        self.thumb.lies_in(section, VENEER);
    }
}

/// The addend of a relocation whose instruction holds it in a way of its own.
fn addend_of(group: &Group, r: &Relocation, data: &[u8]) -> i64 {
    if group.flags & group_flag::IN_PLACE == 0 {
        return r.addend;
    }
    addend(r.kind, usize::try_from(r.offset).ok().and_then(|at| data.get(at..)).unwrap_or_default())
}

/// The addend that the instruction at `place` holds.
#[inline(never)]
fn addend(kind: u32, place: &[u8]) -> i64 {
    use types::*;
    let bits = |field: &relobox_plugin::Field| field.addend(place, false);
    match kind {
        R_ARM_THM_CALL | R_ARM_THM_JUMP24 => j1_j2(Value(bits(&THM24))).0,
        R_ARM_THM_JUMP19 => bits(&THM19),
        R_ARM_LDRS_PC_G0..=R_ARM_LDRS_PC_G2 => up_down(bits(&LDRS8), 8),
        R_ARM_LDC_PC_G0..=R_ARM_LDC_PC_G2 => up_down(bits(&LDC8), 10),
        R_ARM_ALU_PC_G0_NC..=R_ARM_ALU_PC_G2 => rotated(bits(&ALU12)),
        R_ARM_THM_ALU_PREL_11_0 => adr_addend(bits(&THM_ADR12)),
        R_ARM_THM_PC12 => up_down(bits(&THM_LDR12), 12),
        R_ARM_THM_GOT_BREL12 => bits(&THM12) & 0xfff,
        R_ARM_THM_ABS5 => bits(&THM5) & 0x7f,
        R_ARM_THM_ALU_ABS_G0_NC..=R_ARM_THM_ALU_ABS_G3 => bits(&THM_IMM8) & 0xff,
        // -4, which is nearly all that there is, and what is not negative.
        R_ARM_THM_JUMP6 => ((bits(&THM6) + 4) & 0x7f) - 4,
        R_ARM_THM_PC8 => ((bits(&THM_PC8) + 4) & 0x3ff) - 4,
        _ => up_down(bits(&LDR12), 12),
    }
}

/// `Ai`: the same of the relocation at hand.
#[inline(never)]
fn held(cx: &Cx<'_, Veneers>) -> Value {
    Value(addend_of(cx.group, cx.relocation, cx.data))
}

/// `G`: the address of the symbol's entry in the global offset table.
#[inline(never)]
fn entry(cx: &mut Cx<'_, Veneers>) -> Result<Value, Trouble> {
    Ok(cx.slot()? + cx.got()?.0)
}

/// Whether the symbol is a function, and not just a label.
fn is_function(cx: &Cx<'_, Veneers>) -> bool {
    const FUNC: u8 = 2;
    cx.job.symbols.get(cx.relocation.symbol as usize).is_some_and(|s| s.info & 15 == FUNC)
}

/// `S` without the Thumb bit.
#[inline(never)]
fn plain(symbol: Value, cx: &Cx<'_, Veneers>) -> Value {
    if is_function(cx) { symbol & -2 } else { symbol }
}

/// `S`, which a Thumb branch goes to: a label may be anything, but a function says what it is.
#[inline(never)]
fn thumb(symbol: Value, cx: &Cx<'_, Veneers>) -> Result<Value, Trouble> {
    const ARM: Trouble =
        Trouble::new(fault::OTHER, "a Thumb branch to an Arm function: kernels have one instruction set");
    if is_function(cx) && symbol.0 & 1 == 0 { Err(ARM) } else { Ok(symbol) }
}

/// `mov pc` in the place of `bx`: both have the same condition and register.
#[inline(never)]
fn mov_pc(cx: &mut Cx<'_, Veneers>) -> Result<Value, Trouble> {
    let (offset, bx) = (cx.relocation.offset, 0x012f_ff10);
    match cx.word(&INSN, offset)? {
        word if word & 0x0fff_fff0 == bx => Ok(Value(0x1a_0f00)),
        word => Err(Trouble { value: word as i64, ..Trouble::new(fault::BAD_INSTRUCTION, "is not a bx") }),
    }
}

/// The distance to go for an Arm branch that cannot reach its target.
#[cold]
fn far(addend: Value, cx: &mut Cx<'_, Veneers>) -> Value {
    let (place, target) = (cx.address(cx.relocation.offset), cx.value(cx.relocation.symbol) + addend.0);
    if missing(cx) {
        // To the next instruction.
        return Value(-4);
    }
    // Not an instruction, or a Thumb one: a veneer would hide that.
    let big = cx.job.big_endian();
    let Some(stub) = cx.stub_of(addend).filter(|_| target.0 & 3 == 0) else { return target - place };
    code! { stub.bytes, big;
        INSN(0xe51f_f004)     // ldr pc, [pc, #-4]
        WORD32(0, target + 8) // where the branch would be
    }
    stub.address - place - 8
}

/// The same for a Thumb branch.
#[cold]
fn thm_far(addend: Value, cx: &mut Cx<'_, Veneers>) -> Value {
    let (place, target) = (cx.address(cx.relocation.offset), cx.value(cx.relocation.symbol) + addend.0);
    if missing(cx) {
        return Value(0);
    }
    let (symbol, big) = (cx.relocation.symbol, cx.job.big_endian());
    let stub = cx.state.thumb.of(cx.synthetic, symbol, addend.0);
    let Some(stub) = stub else { return (target - place) & -2 };
    code! { stub.bytes, big;
        INSN(0xf000_f8df)                      // ldr.w pc, [pc, #0]
        WORD32(0, Value((target + 4).0 | 1))   // Thumb code
    }
    stub.address - place - 4
}

/// Whether the symbol is weak, and nobody defines it. Nothing real lies within reach of 0.
fn missing(cx: &Cx<'_, Veneers>) -> bool {
    const MISSING: u16 = symbol_flag::UNDEFINED | symbol_flag::WEAK;
    let symbol = cx.relocation.symbol;
    cx.value(symbol) == Value(0) && cx.job.symbols.get(symbol as usize).is_some_and(|s| s.flags & MISSING == MISSING)
}
