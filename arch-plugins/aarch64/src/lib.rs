//! AArch64 (64-bit Arm, LP64).
//!
//! psABI: ELF for the Arm 64-bit Architecture (AAELF64),
//! <https://github.com/ARM-software/abi-aa/blob/main/aaelf64/aaelf64.rst>, chapter "Relocation". Operations are written
//! as in its section "Relocation operations": `GDAT(x)` is the entry of the GOT that holds x, `G(e)` the address of
//! entry e, `GOT` the table's.
//!
//! What to know of it:
//!
//! * An instruction is four bytes, **little-endian even on a big-endian kernel**; words of data follow the module.
//! * The program counter is the address of the instruction itself: no bias.
//! * A distant address takes two instructions. `adrp` gives the 4 KiB page, ±4 GiB away, and the
//!   `add`, load or store after it the low twelve bits. They are patched alone: low bits are not signed,
//!   so nothing carries. `Page(x)` is 4 KiB whatever pages the kernel uses.
//! * A load or store scales its twelve bits by its size: what is not aligned to it has bits lost.
//!   Kernels drop them; we refuse, as AAELF64 recommends.
//! * `adr` and `adrp` keep the low two bits of their immediate in bits 30:29.
//! * `movz`, `movn` and `movk` set 16 bits of a register; the assembler has chosen which. The checked
//!   signed forms need `movn` (which sets all other bits) for negative values and `movz` for the rest,
//!   so that linking may change the opcode. The `_NC` forms follow with `movk`.
//! * `b` and `bl` reach ±128 MiB. What lies farther is called through a veneer, which may use x16 and x17.
//! * A call to a weak symbol that nobody defines goes to the next instruction, as AAELF64 demands and linkers
//!   do. (A kernel's own loader aims it at a veneer for address 0, and cannot make that.) Only a branch
//!   that cannot reach 0 is asked whether it is one: nothing real is placed within 128 MiB of 0.
//!   Other references to such a symbol see 0, and are refused where 0 is out of reach.
//! * `ABS32` and `ABS16` hold either reading of a narrow number. Kernels take them as unsigned, and
//!   refuse the negative ones that we let pass.
//! * The GOT forms come from code compiled with `-fPIC` or for weak symbols. Kernels refuse them; we give each
//!   symbol a slot. AAELF64 wants no addend there, and linkers disagree on what one would mean.
//! * Erratum 843419 of Cortex-A53: an `adrp` in the last two words of a page may give a wrong address.
//!   See [`erratum`].
#![cfg_attr(target_arch = "wasm32", no_std)]

extern crate alloc;

use erratum::{ERRATUM, Erratum};
use fields::{ADR, ADRP, IMM26, INSN, insn};
use relobox_plugin::abi::{Machine, fault, loader, order, symbol_flag, synthetic_kind};
use relobox_plugin::{
    Cx, DYNAMIC, Field, Hooks, Job, Plan, Remade, Site, TLS, Trouble, Value, architecture, code, lo12, page, slice,
};

pub mod erratum;
mod fields;
#[cfg(test)]
mod tests;

const WORD16: Field = Field::data(2);
const WORD32: Field = Field::data(4);
const WORD64: Field = Field::data(8);
// Branches and literal loads count in instructions.
const IMM14: Field = insn(&[slice(2, 5, 14)]);
const IMM19: Field = insn(&[slice(2, 5, 19)]);
// The unsigned immediate of add, load and store; the last number is the size of what is accessed.
const IMM12: Field = insn(&[slice(0, 10, 12)]);
const IMM12_2: Field = insn(&[slice(1, 10, 12)]);
const IMM12_4: Field = insn(&[slice(2, 10, 12)]);
const IMM12_8: Field = insn(&[slice(3, 10, 12)]);
const IMM12_16: Field = insn(&[slice(4, 10, 12)]);
// One of the four 16-bit groups of a value, in a move.
const MOV_G0: Field = insn(&[slice(0, 5, 16)]);
const MOV_G1: Field = insn(&[slice(16, 5, 16)]);
const MOV_G2: Field = insn(&[slice(32, 5, 16)]);
const MOV_G3: Field = insn(&[slice(48, 5, 16)]);
// What tells `movz` (1) from `movn` (0).
const MOVZ: Field = insn(&[slice(0, 30, 1)]);

/// Linux up to 6.4: modules in the 128 MiB below the kernel (later: 2 GiB, of which they still take the nearest).
const fn machine(order: u8) -> Machine {
    Machine {
        machine: 183,
        class: 64,
        order,
        flags_mask: 0,
        flags_value: 0,
        reserved: 0,
        base: 0xffff_8000_0100_0000,
        kernel: 0xffff_8000_0800_0000,
        reach: 0x0800_0000,
    }
}

/// Linux's own room for branches that do not reach: sized by the relocations that the kernel would have to do, which
/// are none here, and then by ftrace's wishes. From arch/arm64/kernel/module-plts.c: an entry has 12 bytes, there is
/// one for nothing, and ftrace has two up to 6.3, later one.
const fn remade(name: &'static str, loaders: u32, kind: u32, entries: u64, align: u64) -> Remade {
    Remade { name, loaders, kind, size: entries * 12, align }
}

architecture! {
    name: "aarch64",
    title: "AArch64 (64-bit Arm), either byte order of data, RELA",
    psabi: "https://github.com/ARM-software/abi-aa/blob/main/aaelf64/aaelf64.rst",
    machines: [machine(order::LITTLE), machine(order::BIG)],
    addends: explicit,
    inputs: ["erratum_843419" = 0],
    remade: [
        remade(".plt", loader::CORE_INIT | loader::KINDS, synthetic_kind::TEXT, 1, 64),
        remade(".init.plt", loader::CORE_INIT | loader::KINDS, synthetic_kind::INIT_TEXT, 1, 64),
        remade(".text.ftrace_trampoline", loader::CORE_INIT, synthetic_kind::TEXT, 2, 4),
        remade(".text.ftrace_trampoline", loader::KINDS, synthetic_kind::TEXT, 1, 4),
        remade(".init.text.ftrace_trampoline", loader::KINDS, synthetic_kind::INIT_TEXT, 1, 4),
    ],
    decoding: "decoding.txt",
    state: Erratum,
    letters: (cx, S, A, P; GOT = cx.got()?),
    rows: {
        R_AARCH64_ABS64               = 257: S + A,     WORD64, unchecked;
        R_AARCH64_ABS32               = 258: S + A,     WORD32, either 32;
        R_AARCH64_ABS16               = 259: S + A,     WORD16, either 16;
        R_AARCH64_PREL64              = 260: S + A - P, WORD64, unchecked;
        R_AARCH64_PREL32              = 261: S + A - P, WORD32, signed 32;
        R_AARCH64_PREL16              = 262: S + A - P, WORD16, signed 16;
        R_AARCH64_PLT32               = 314: S + A - P, WORD32, signed 32, else veneer(cx, S + A, A),
                                             needs TARGET_STUB | APART;

        R_AARCH64_MOVW_UABS_G0        = 263: S + A,     MOV_G0, unsigned 16;
        R_AARCH64_MOVW_UABS_G0_NC     = 264: S + A,     MOV_G0, unchecked, low R_AARCH64_MOVW_UABS_G1_NC;
        R_AARCH64_MOVW_UABS_G1        = 265: S + A,     MOV_G1, unsigned 32;
        R_AARCH64_MOVW_UABS_G1_NC     = 266: S + A,     MOV_G1, unchecked, low R_AARCH64_MOVW_UABS_G2_NC;
        R_AARCH64_MOVW_UABS_G2        = 267: S + A,     MOV_G2, unsigned 48;
        R_AARCH64_MOVW_UABS_G2_NC     = 268: S + A,     MOV_G2, unchecked, low R_AARCH64_MOVW_UABS_G3;
        R_AARCH64_MOVW_UABS_G3        = 269: S + A,     MOV_G3, unchecked;
        R_AARCH64_MOVW_SABS_G0        = 270: movz_or_movn(S + A, 0, cx)?, MOV_G0, signed 17, of absolute;
        R_AARCH64_MOVW_SABS_G1        = 271: movz_or_movn(S + A, 1, cx)?, MOV_G1, signed 33, of absolute;
        R_AARCH64_MOVW_SABS_G2        = 272: movz_or_movn(S + A, 2, cx)?, MOV_G2, signed 49, of absolute;
        R_AARCH64_MOVW_PREL_G0        = 287: movz_or_movn(S + A - P, 0, cx)?, MOV_G0, signed 17, of relative;
        R_AARCH64_MOVW_PREL_G0_NC     = 288: S + A - P, MOV_G0, unchecked, low R_AARCH64_MOVW_PREL_G1_NC;
        R_AARCH64_MOVW_PREL_G1        = 289: movz_or_movn(S + A - P, 1, cx)?, MOV_G1, signed 33, of relative;
        R_AARCH64_MOVW_PREL_G1_NC     = 290: S + A - P, MOV_G1, unchecked, low R_AARCH64_MOVW_PREL_G2_NC;
        R_AARCH64_MOVW_PREL_G2        = 291: movz_or_movn(S + A - P, 2, cx)?, MOV_G2, signed 49, of relative;
        R_AARCH64_MOVW_PREL_G2_NC     = 292: S + A - P, MOV_G2, unchecked, low R_AARCH64_MOVW_PREL_G3;
        R_AARCH64_MOVW_PREL_G3        = 293: movz_or_movn(S + A - P, 3, cx)?, MOV_G3, unchecked, of relative;

        R_AARCH64_LD_PREL_LO19        = 273: S + A - P,             IMM19,    signed 21, align 4;
        R_AARCH64_ADR_PREL_LO21       = 274: S + A - P,             ADR,      signed 21;
        R_AARCH64_ADR_PREL_PG_HI21    = 275: page(S + A) - page(P), ADRP,     signed 33, needs ERRATUM;
        R_AARCH64_ADR_PREL_PG_HI21_NC = 276: page(S + A) - page(P), ADRP,     unchecked, needs ERRATUM;
        R_AARCH64_ADD_ABS_LO12_NC     = 277: lo12(S + A),           IMM12,    unchecked, low R_AARCH64_ADR_PREL_PG_HI21;
        R_AARCH64_LDST8_ABS_LO12_NC   = 278: lo12(S + A),           IMM12,    unchecked, low R_AARCH64_ADR_PREL_PG_HI21;
        R_AARCH64_LDST16_ABS_LO12_NC  = 284: lo12(S + A),           IMM12_2,  unchecked, align 2,
                                             low R_AARCH64_ADR_PREL_PG_HI21;
        R_AARCH64_LDST32_ABS_LO12_NC  = 285: lo12(S + A),           IMM12_4,  unchecked, align 4,
                                             low R_AARCH64_ADR_PREL_PG_HI21;
        R_AARCH64_LDST64_ABS_LO12_NC  = 286: lo12(S + A),           IMM12_8,  unchecked, align 8,
                                             low R_AARCH64_ADR_PREL_PG_HI21;
        R_AARCH64_LDST128_ABS_LO12_NC = 299: lo12(S + A),           IMM12_16, unchecked, align 16,
                                             low R_AARCH64_ADR_PREL_PG_HI21;

        R_AARCH64_TSTBR14             = 279: S + A - P, IMM14, signed 16, align 4;
        R_AARCH64_CONDBR19            = 280: S + A - P, IMM19, signed 21, align 4;
        R_AARCH64_JUMP26              = 282: S + A - P, IMM26, signed 28, align 4, else far(cx, S + A, A),
                                             needs TARGET_STUB | APART;
        R_AARCH64_CALL26              = 283: S + A - P, IMM26, signed 28, align 4, else far(cx, S + A, A),
                                             needs TARGET_STUB | APART;

        R_AARCH64_MOVW_GOTOFF_G0      = 300: movz_or_movn(G(cx, GDAT(S + A))? - GOT, 0, cx)?, MOV_G0,  signed 17,
                                             needs SLOT, of slot;
        R_AARCH64_MOVW_GOTOFF_G0_NC   = 301: G(cx, GDAT(S + A))? - GOT, MOV_G0,  unchecked,
                                             needs SLOT, low R_AARCH64_MOVW_GOTOFF_G1_NC;
        R_AARCH64_MOVW_GOTOFF_G1      = 302: movz_or_movn(G(cx, GDAT(S + A))? - GOT, 1, cx)?, MOV_G1,  signed 33,
                                             needs SLOT, of slot;
        R_AARCH64_MOVW_GOTOFF_G1_NC   = 303: G(cx, GDAT(S + A))? - GOT, MOV_G1,  unchecked,
                                             needs SLOT, low R_AARCH64_MOVW_GOTOFF_G2_NC;
        R_AARCH64_MOVW_GOTOFF_G2      = 304: movz_or_movn(G(cx, GDAT(S + A))? - GOT, 2, cx)?, MOV_G2,  signed 49,
                                             needs SLOT, of slot;
        R_AARCH64_MOVW_GOTOFF_G2_NC   = 305: G(cx, GDAT(S + A))? - GOT, MOV_G2,  unchecked,
                                             needs SLOT, low R_AARCH64_MOVW_GOTOFF_G3;
        R_AARCH64_MOVW_GOTOFF_G3      = 306: movz_or_movn(G(cx, GDAT(S + A))? - GOT, 3, cx)?, MOV_G3,  unchecked,
                                             needs SLOT, of slot;
        R_AARCH64_GOTREL64            = 307: S + A - GOT,               WORD64,  unchecked, needs GOT;
        R_AARCH64_GOTREL32            = 308: S + A - GOT,               WORD32,  signed 32, needs GOT;
        R_AARCH64_GOT_LD_PREL19       = 309: G(cx, GDAT(S + A))? - P,   IMM19,   signed 21, align 4, needs SLOT;
        R_AARCH64_LD64_GOTOFF_LO15    = 310: G(cx, GDAT(S + A))? - GOT, IMM12_8, unsigned 15, align 8, needs SLOT;
        R_AARCH64_ADR_GOT_PAGE        = 311: page(G(cx, GDAT(S + A))?) - page(P), ADRP,    signed 33,
                                             needs SLOT | ERRATUM;
        R_AARCH64_LD64_GOT_LO12_NC    = 312: lo12(G(cx, GDAT(S + A))?), IMM12_8, unchecked, align 8,
                                             needs SLOT, low R_AARCH64_ADR_GOT_PAGE;
        R_AARCH64_LD64_GOTPAGE_LO15   = 313: G(cx, GDAT(S + A))? - page(GOT), IMM12_8, unsigned 15, align 8, needs SLOT;
        R_AARCH64_GOTPCREL32          = 315: G(cx, GDAT(S))? + A - P,   WORD32,  signed 32, needs SLOT;
    }
    // Binutils' name for the second code of the null relocation; Linux means that one by NONE.
    ignored: { R_AARCH64_NONE = 0, R_AARCH64_NULL = 256 }
    refused: {
        "is the structure protection extension's, which a kernel does not have" =>
            316..=317 [R_AARCH64_PATCHINST, R_AARCH64_FUNCINIT64];
        TLS =>
            512..=573 [R_AARCH64_TLSGD_ADR_PREL21, R_AARCH64_TLSGD_ADR_PAGE21, R_AARCH64_TLSGD_ADD_LO12_NC,
                R_AARCH64_TLSGD_MOVW_G1, R_AARCH64_TLSGD_MOVW_G0_NC, R_AARCH64_TLSLD_ADR_PREL21,
                R_AARCH64_TLSLD_ADR_PAGE21, R_AARCH64_TLSLD_ADD_LO12_NC, R_AARCH64_TLSLD_MOVW_G1,
                R_AARCH64_TLSLD_MOVW_G0_NC, R_AARCH64_TLSLD_LD_PREL19, R_AARCH64_TLSLD_MOVW_DTPREL_G2,
                R_AARCH64_TLSLD_MOVW_DTPREL_G1, R_AARCH64_TLSLD_MOVW_DTPREL_G1_NC, R_AARCH64_TLSLD_MOVW_DTPREL_G0,
                R_AARCH64_TLSLD_MOVW_DTPREL_G0_NC, R_AARCH64_TLSLD_ADD_DTPREL_HI12, R_AARCH64_TLSLD_ADD_DTPREL_LO12,
                R_AARCH64_TLSLD_ADD_DTPREL_LO12_NC, R_AARCH64_TLSLD_LDST8_DTPREL_LO12,
                R_AARCH64_TLSLD_LDST8_DTPREL_LO12_NC, R_AARCH64_TLSLD_LDST16_DTPREL_LO12,
                R_AARCH64_TLSLD_LDST16_DTPREL_LO12_NC, R_AARCH64_TLSLD_LDST32_DTPREL_LO12,
                R_AARCH64_TLSLD_LDST32_DTPREL_LO12_NC, R_AARCH64_TLSLD_LDST64_DTPREL_LO12,
                R_AARCH64_TLSLD_LDST64_DTPREL_LO12_NC, R_AARCH64_TLSIE_MOVW_GOTTPREL_G1,
                R_AARCH64_TLSIE_MOVW_GOTTPREL_G0_NC, R_AARCH64_TLSIE_ADR_GOTTPREL_PAGE21,
                R_AARCH64_TLSIE_LD64_GOTTPREL_LO12_NC, R_AARCH64_TLSIE_LD_GOTTPREL_PREL19,
                R_AARCH64_TLSLE_MOVW_TPREL_G2, R_AARCH64_TLSLE_MOVW_TPREL_G1, R_AARCH64_TLSLE_MOVW_TPREL_G1_NC,
                R_AARCH64_TLSLE_MOVW_TPREL_G0, R_AARCH64_TLSLE_MOVW_TPREL_G0_NC, R_AARCH64_TLSLE_ADD_TPREL_HI12,
                R_AARCH64_TLSLE_ADD_TPREL_LO12, R_AARCH64_TLSLE_ADD_TPREL_LO12_NC, R_AARCH64_TLSLE_LDST8_TPREL_LO12,
                R_AARCH64_TLSLE_LDST8_TPREL_LO12_NC, R_AARCH64_TLSLE_LDST16_TPREL_LO12,
                R_AARCH64_TLSLE_LDST16_TPREL_LO12_NC, R_AARCH64_TLSLE_LDST32_TPREL_LO12,
                R_AARCH64_TLSLE_LDST32_TPREL_LO12_NC, R_AARCH64_TLSLE_LDST64_TPREL_LO12,
                R_AARCH64_TLSLE_LDST64_TPREL_LO12_NC, R_AARCH64_TLSDESC_LD_PREL19, R_AARCH64_TLSDESC_ADR_PREL21,
                R_AARCH64_TLSDESC_ADR_PAGE21, R_AARCH64_TLSDESC_LD64_LO12, R_AARCH64_TLSDESC_ADD_LO12,
                R_AARCH64_TLSDESC_OFF_G1, R_AARCH64_TLSDESC_OFF_G0_NC, R_AARCH64_TLSDESC_LDR, R_AARCH64_TLSDESC_ADD,
                R_AARCH64_TLSDESC_CALL, R_AARCH64_TLSLE_LDST128_TPREL_LO12, R_AARCH64_TLSLE_LDST128_TPREL_LO12_NC,
                R_AARCH64_TLSLD_LDST128_DTPREL_LO12, R_AARCH64_TLSLD_LDST128_DTPREL_LO12_NC],
            1028..=1031 [R_AARCH64_TLS_IMPDEF1, R_AARCH64_TLS_IMPDEF2, R_AARCH64_TLS_TPREL, R_AARCH64_TLSDESC];
        "is for pointers that are signed when a program starts" =>
            580..=597 [R_AARCH64_AUTH_ABS64, R_AARCH64_AUTH_MOVW_GOTOFF_G0, R_AARCH64_AUTH_MOVW_GOTOFF_G0_NC,
                R_AARCH64_AUTH_MOVW_GOTOFF_G1, R_AARCH64_AUTH_MOVW_GOTOFF_G1_NC, R_AARCH64_AUTH_MOVW_GOTOFF_G2,
                R_AARCH64_AUTH_MOVW_GOTOFF_G2_NC, R_AARCH64_AUTH_MOVW_GOTOFF_G3, R_AARCH64_AUTH_GOT_LD_PREL19,
                R_AARCH64_AUTH_LD64_GOTOFF_LO15, R_AARCH64_AUTH_ADR_GOT_PAGE, R_AARCH64_AUTH_LD64_GOT_LO12_NC,
                R_AARCH64_AUTH_LD64_GOTPAGE_LO15, R_AARCH64_AUTH_GOT_ADD_LO12_NC, R_AARCH64_AUTH_GOT_ADR_PREL_LO21,
                R_AARCH64_AUTH_TLSDESC_ADR_PAGE21, R_AARCH64_AUTH_TLSDESC_LD64_LO12, R_AARCH64_AUTH_TLSDESC_ADD_LO12],
            1041..=1044 [R_AARCH64_AUTH_RELATIVE, R_AARCH64_AUTH_GLOB_DAT, R_AARCH64_AUTH_TLSDESC,
                R_AARCH64_AUTH_IRELATIVE];
        DYNAMIC =>
            1024..=1027 [R_AARCH64_COPY, R_AARCH64_GLOB_DAT, R_AARCH64_JUMP_SLOT, R_AARCH64_RELATIVE],
            1032 [R_AARCH64_IRELATIVE];
    }
}

/// Makes the move at the place a `movz`, or a `movn` if `x` is negative, and gives the value whose
/// group `group` such an instruction holds: for `movn` that group is inverted.
#[inline(never)]
fn movz_or_movn(x: Value, group: u32, cx: &mut Cx<'_, Erratum>) -> Result<Value, Trouble> {
    let negative = x.0 < 0;
    cx.put(&MOVZ, cx.relocation.offset, Value(i64::from(!negative)))?;
    // The bits above the group, which the rule looks at, stay; so does all of what is out of range, for the message.
    let fits = group == 3 || x.sign_extend(16 * group + 17) == x;
    Ok(if negative && fits { Value(x.0 ^ 0xffff << (16 * group)) } else { x })
}

/// Bytes of a veneer: at most four instructions. An `adrp` comes first, and so never in the last words of a page.
const VENEER: usize = 16;

impl Hooks for Erratum {
    fn start(&mut self, job: &Job<'_>) {
        self.on = job.input("erratum_843419").is_some_and(|on| on != 0);
    }

    fn need(&mut self, _: u16, site: &Site<'_>, plan: &mut Plan) {
        self.adrp(site, plan);
    }

    fn plan(&mut self, _: &Job<'_>, plan: &mut Plan) {
        self.free = plan.stubs(".relobox.veneers", VENEER, VENEER as u64, self.spare);
    }

    fn end(cx: &mut Cx<'_, Self>) {
        erratum::mend(cx, |kind| <Arch as relobox_plugin::Architecture>::needs(kind) & ERRATUM != 0);
    }
}

/// The entry in the GOT that holds `address`.
#[allow(non_snake_case, reason = "the psABI's name")]
fn GDAT(address: Value) -> Value {
    address
}

/// The address of the symbol's entry in the GOT, which gets filled in.
#[allow(non_snake_case, reason = "the psABI's letter")]
#[inline(never)]
fn G(cx: &mut Cx<'_, Erratum>, entry: Value) -> Result<Value, Trouble> {
    let addend = entry - cx.value(cx.relocation.symbol).0;
    if addend.0 != 0 {
        return Err(Trouble { value: addend.0, ..Trouble::new(fault::OTHER, "a GOT slot's relocation has an addend") });
    }
    Ok(cx.slot()? + cx.got()?.0)
}

/// The distance to go for a branch that cannot reach its target: to the next instruction, to a veneer, or
/// to the target itself, which the rule then refuses.
#[cold]
fn far(cx: &mut Cx<'_, Erratum>, target: Value, addend: Value) -> Value {
    const MISSING: u16 = symbol_flag::UNDEFINED | symbol_flag::WEAK;
    let symbol = cx.relocation.symbol;
    let missing = cx.job.symbols.get(symbol as usize).is_some_and(|s| s.flags & MISSING == MISSING);
    if missing && cx.value(symbol) == Value(0) {
        return Value(4);
    }
    if target.0 & 3 != 0 {
        // No instruction is there, and the way through a veneer would hide that.
        return target - cx.address(cx.relocation.offset);
    }
    veneer(cx, target, addend)
}

/// The distance to the target's veneer, which gets filled in; to the target itself, which the rule
/// then refuses, where there is none or it would not reach.
#[cold]
fn veneer(cx: &mut Cx<'_, Erratum>, target: Value, addend: Value) -> Value {
    let place = cx.address(cx.relocation.offset);
    let Some(stub) = cx.stub_of(addend) else { return target - place };
    let pages = page(target) - page(stub.address);
    if pages.sign_extend(33) == pages {
        code! { stub.bytes, false;
            ADRP(0x9000_0010, pages)   // adrp x16, target
            IMM12(0x9100_0210, target) // add x16, x16, :lo12:target
            INSN(0xd61f_0200)          // br x16
        }
    } else if target.sign_extend(49) == target {
        // All of the 48-bit address space and its mirror at the top, which is all the code there is in Linux.
        let (mov, operand) = if target.0 < 0 { (0x9280_0010, Value(!target.0)) } else { (0xd280_0010, target) };
        code! { stub.bytes, false;
            MOV_G0(mov, operand)        // movn or movz x16, #...
            MOV_G1(0xf2a0_0010, target) // movk x16, #..., lsl 16
            MOV_G2(0xf2c0_0010, target) // movk x16, #..., lsl 32
            INSN(0xd61f_0200)           // br x16
        }
    } else {
        return target - place;
    }
    stub.address - place
}
