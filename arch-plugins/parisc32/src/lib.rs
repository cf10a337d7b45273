//! PA-RISC (HP 9000), 32 bits, big-endian.
//!
//! psABI: Processor-Specific ELF for PA-RISC 1.43, which HP published;
//! <https://parisc.docs.kernel.org/en/latest/technical_documentation.html> has it. Its letters, and DP, which is what
//! %dp holds.
//!
//! What to know of it:
//!
//! * An instruction is a big-endian word, with its immediate scattered over it. The **sign is the lowest bit**. The
//!   21 bits of `ldil` and `addil` are cut into five pieces and put together in another order.
//! * An address is a left and a right half, chosen by the assembler's *field selectors*. L' is bits 11 and up, R' the
//!   11 bits below, which have no sign. LR' and RR' let several loads share one left half: **the addend, and it
//!   alone, is rounded to 8 KiB** for LR', and RR' has what that leaves of symbol and addend; a displacement of 14
//!   bits has room for both. `21L` and `14R` are LR' and RR', but L' and R' where the value is relative to the place
//!   or is a P', the address of a function for the use as a pointer.
//! * Branches count words from two instructions behind: `- 8`. They have 12 bits (8 KiB), 17 (256 KiB) or, from PA
//!   2.0 on, 22 (8 MiB). A `C` is an `F` that nobody checks.
//! * Out of reach, a call goes through a **stub**, `ldil` and `be`, which may change %r1. Linux puts a section's
//!   stubs before that section, since modules are larger than what 17 bits reach; we put them before some sections of
//!   together 128 KiB. *Millicode*, helpers of the compiler such as `$$divI`, are called in the same way.
//! * %dp is the **kernel's**, its symbol `$global$`, wherever a module lies. Code of libraries has a table in %r19,
//!   which somebody must load for it; in a kernel, nobody does.
//!
//! Linux checks branches only, and links fewer types. It lets `SEGREL32`, of unwind tables, and `SECREL32` be whole
//! addresses, and so do we; a linker subtracts where a segment or section starts. A P' is the address of the code.
//! Linux refuses a symbol with the value 0; we leave a weak one at that.
#![cfg_attr(target_arch = "wasm32", no_std)]

extern crate alloc;

use relobox_plugin::abi::{Machine, order};
use relobox_plugin::{
    Cx, DYNAMIC, Field, Hooks, Job, NearStubs, Plan, Site, TLS, Value, architecture, code, needs, slice,
};

#[cfg(test)]
mod tests;

const WORD32: Field = Field::data(4);
/// Bits 11 to 31, of `ldil` and `addil`.
const IMM21: Field = Field::insn(
    4,
    order::BIG,
    &[slice(31, 0, 1), slice(20, 1, 11), slice(18, 14, 2), slice(13, 16, 5), slice(11, 12, 2)],
);
const IMM14: Field = Field::insn(4, order::BIG, &[slice(13, 0, 1), slice(0, 1, 13)]);
/// Distances in words.
const BRANCH12: Field = Field::insn(4, order::BIG, &[slice(13, 0, 1), slice(12, 2, 1), slice(2, 3, 10)]);
const BRANCH17: Field =
    Field::insn(4, order::BIG, &[slice(18, 0, 1), slice(13, 16, 5), slice(12, 2, 1), slice(2, 3, 10)]);
const BRANCH22: Field = Field::insn(
    4,
    order::BIG,
    &[slice(23, 0, 1), slice(18, 21, 5), slice(13, 16, 5), slice(12, 2, 1), slice(2, 3, 10)],
);

architecture! {
    name: "parisc32",
    title: "PA-RISC, 32 bits, RELA",
    psabi: "https://parisc.docs.kernel.org/en/latest/technical_documentation.html",
    machines: [Machine {
        machine: 15,
        class: 32,
        order: order::BIG,
        flags_mask: 0,
        flags_value: 0,
        reserved: 0,
        // Below the kernel, behind what the first page and DMA keep.
        base: 0x0100_0000,
        kernel: 0x1010_0000,
        // Calls have stubs, and data is reached by its whole address.
        reach: 0,
    }],
    addends: explicit,
    inputs: ["&$global$" = 0x1060_0000],
    decoding: "decoding.txt",
    state: Calls,
    letters: (cx, S, A, P; DP = cx.state.dp),
    rows: {
        R_PARISC_DIR32     = 1:   S + A,                                         WORD32,   unchecked;
        R_PARISC_DIR21L    = 2:   S + ((A + 0x1000) & -0x2000),                    IMM21,    unchecked;
        R_PARISC_DIR17R    = 3:   (S & 0x7ff) + A - ((A + 0x1000) & -0x2000),      BRANCH17, signed 19, align 4,
                                  low R_PARISC_DIR21L;
        R_PARISC_DIR17F    = 4:   S + A,                                         BRANCH17, signed 19, align 4;
        R_PARISC_DIR14R    = 6:   (S & 0x7ff) + A - ((A + 0x1000) & -0x2000),      IMM14,    signed 14,
                                  low R_PARISC_DIR21L;
        R_PARISC_DIR14F    = 7:   S + A,                                         IMM14,    signed 14;
        R_PARISC_PCREL12F  = 8:   S + A - P - 8,                                 BRANCH12, signed 14, align 4;
        R_PARISC_PCREL32   = 9:   S + A - P - 8,                                 WORD32,   unchecked;
        R_PARISC_PCREL21L  = 10:  S + A - P - 8,                                 IMM21,    unchecked;
        R_PARISC_PCREL17R  = 11:  (S + A - P - 8) & 0x7ff,                       BRANCH17, signed 19, align 4,
                                  low R_PARISC_PCREL21L;
        R_PARISC_PCREL17F  = 12:  S + A - P - 8,                                 BRANCH17, signed 19, align 4,
                                  else L(cx, S + A) - P - 8, needs CALL;
        R_PARISC_PCREL17C  = 13:  S + A - P - 8,                                 BRANCH17, unchecked, align 4;
        R_PARISC_PCREL14R  = 14:  (S + A - P - 8) & 0x7ff,                       IMM14,    signed 14,
                                  low R_PARISC_PCREL21L;
        R_PARISC_PCREL14F  = 15:  S + A - P - 8,                                 IMM14,    signed 14;
        R_PARISC_DPREL21L  = 18:  S - DP + ((A + 0x1000) & -0x2000),               IMM21,    unchecked;
        R_PARISC_DPREL14R  = 22:  ((S - DP) & 0x7ff) + A - ((A + 0x1000) & -0x2000), IMM14,    signed 14,
                                  low R_PARISC_DPREL21L;
        R_PARISC_DPREL14F  = 23:  S + A - DP,                                    IMM14,    signed 14;
        R_PARISC_SECREL32  = 41:  S + A,                                         WORD32,   unchecked;
        R_PARISC_SEGREL32  = 49:  S + A,                                         WORD32,   unchecked;
        R_PARISC_PLABEL32  = 65:  S + A,                                         WORD32,   unchecked;
        R_PARISC_PLABEL21L = 66:  S + A,                                         IMM21,    unchecked;
        R_PARISC_PLABEL14R = 70:  (S + A) & 0x7ff,                               IMM14,    signed 14,
                                  low R_PARISC_PLABEL21L;
        R_PARISC_PCREL22C  = 73:  S + A - P - 8,                                 BRANCH22, unchecked, align 4;
        R_PARISC_PCREL22F  = 74:  S + A - P - 8,                                 BRANCH22, signed 24, align 4,
                                  else L(cx, S + A) - P - 8, needs CALL;
    }
    ignored: {
        R_PARISC_NONE = 0,
        // From where `SEGREL32` counts for a linker.
        R_PARISC_SEGBASE = 48,
        // What a C++ linker throws away unused virtual functions by.
        R_PARISC_GNU_VTENTRY = 232,
        R_PARISC_GNU_VTINHERIT = 233,
    }
    refused: {
        "is relative to %r19, for which a module has no table: compile without -fpic" =>
            26 [R_PARISC_DLTREL21L], 30..=31 [R_PARISC_DLTREL14R, R_PARISC_DLTREL14F],
            34 [R_PARISC_DLTIND21L], 38..=39 [R_PARISC_DLTIND14R, R_PARISC_DLTIND14F],
            57..=58 [R_PARISC_LTOFF_FPTR32, R_PARISC_LTOFF_FPTR21L], 62 [R_PARISC_LTOFF_FPTR14R];
        "counts from an address that another relocation sets, which no assembler writes" =>
            40 [R_PARISC_SETBASE], 42..=44 [R_PARISC_BASEREL21L, R_PARISC_BASEREL17R, R_PARISC_BASEREL17F],
            46..=47 [R_PARISC_BASEREL14R, R_PARISC_BASEREL14F], 107..=108 [R_PARISC_BASEREL14WR, R_PARISC_BASEREL14DR];
        "is an offset in a program's procedure linkage table" =>
            50 [R_PARISC_PLTOFF21L], 54..=55 [R_PARISC_PLTOFF14R, R_PARISC_PLTOFF14F],
            115..=119 [R_PARISC_PLTOFF14WR, R_PARISC_PLTOFF14DR, R_PARISC_PLTOFF16F, R_PARISC_PLTOFF16WF,
                R_PARISC_PLTOFF16DF];
        "is for 64-bit code" =>
            19..=20 [R_PARISC_DPREL14WR, R_PARISC_DPREL14DR], 64 [R_PARISC_FPTR64], 72 [R_PARISC_PCREL64],
            75..=80 [R_PARISC_PCREL14WR, R_PARISC_PCREL14DR, R_PARISC_PCREL16F, R_PARISC_PCREL16WF, R_PARISC_PCREL16DF,
                R_PARISC_DIR64],
            83..=88 [R_PARISC_DIR14WR, R_PARISC_DIR14DR, R_PARISC_DIR16F, R_PARISC_DIR16WF, R_PARISC_DIR16DF,
                R_PARISC_GPREL64],
            91..=96 [R_PARISC_DLTREL14WR, R_PARISC_DLTREL14DR, R_PARISC_GPREL16F, R_PARISC_GPREL16WF,
                R_PARISC_GPREL16DF, R_PARISC_LTOFF64],
            99..=104 [R_PARISC_DLTIND14WR, R_PARISC_DLTIND14DR, R_PARISC_LTOFF16F, R_PARISC_LTOFF16WF,
                R_PARISC_LTOFF16DF, R_PARISC_SECREL64],
            112 [R_PARISC_SEGREL64], 120 [R_PARISC_LTOFF_FPTR64],
            123..=127 [R_PARISC_LTOFF_FPTR14WR, R_PARISC_LTOFF_FPTR14DR, R_PARISC_LTOFF_FPTR16F,
                R_PARISC_LTOFF_FPTR16WF, R_PARISC_LTOFF_FPTR16DF];
        DYNAMIC => 128..=130 [R_PARISC_COPY, R_PARISC_IPLT, R_PARISC_EPLT];
        TLS =>
            153..=154 [R_PARISC_TPREL32, R_PARISC_TPREL21L], 158 [R_PARISC_TPREL14R], 162 [R_PARISC_LTOFF_TP21L],
            166..=167 [R_PARISC_LTOFF_TP14R, R_PARISC_LTOFF_TP14F], 216 [R_PARISC_TPREL64],
            219..=224 [R_PARISC_TPREL14WR, R_PARISC_TPREL14DR, R_PARISC_TPREL16F, R_PARISC_TPREL16WF,
                R_PARISC_TPREL16DF, R_PARISC_LTOFF_TP64],
            227..=231 [R_PARISC_LTOFF_TP14WR, R_PARISC_LTOFF_TP14DR, R_PARISC_LTOFF_TP16F, R_PARISC_LTOFF_TP16WF,
                R_PARISC_LTOFF_TP16DF],
            234..=245 [R_PARISC_TLS_GD21L, R_PARISC_TLS_GD14R, R_PARISC_TLS_GDCALL, R_PARISC_TLS_LDM21L,
                R_PARISC_TLS_LDM14R, R_PARISC_TLS_LDMCALL, R_PARISC_TLS_LDO21L, R_PARISC_TLS_LDO14R,
                R_PARISC_TLS_DTPMOD32, R_PARISC_TLS_DTPMOD64, R_PARISC_TLS_DTPOFF32, R_PARISC_TLS_DTPOFF64];
    }
}

/// A stub, if the call leaves its section.
const CALL: u16 = needs::OWN;
/// Bytes of a stub.
const STUB: usize = 2 * 4;
/// Bytes of code before which its stubs lie: half of what 17 bits reach. The stubs take the rest at most.
const NEAR: u64 = 0x2_0000;

/// What %dp holds, and where stubs are.
#[derive(Default)]
pub struct Calls {
    dp: Value,
    stubs: NearStubs,
}

impl Hooks for Calls {
    const GOT: &'static str = "";

    fn start(&mut self, job: &Job<'_>) {
        self.stubs.divide(job, NEAR);
    }

    fn need(&mut self, _: u16, site: &Site<'_>, _: &mut Plan) {
        let (from, r) = (site.group.section, site.relocation);
        if site.job.symbols.get(r.symbol as usize).is_some_and(|s| s.section != from) {
            self.stubs.want(from, r.symbol, r.addend);
        }
    }

    fn plan(&mut self, _: &Job<'_>, plan: &mut Plan) {
        self.stubs.make(plan, STUB);
    }

    fn begin(cx: &mut Cx<'_, Self>) {
        cx.state.dp = Value::of(cx.job.input("&$global$").unwrap_or_default());
    }
}

/// Where a call goes that does not reach `target`: to its stub, which is filled in. A section's calls of itself have
/// none.
#[allow(non_snake_case, reason = "the psABIs' customary letter")]
#[inline(never)]
fn L(cx: &mut Cx<'_, Calls>, target: Value) -> Value {
    let (section, r) = (cx.group.section, cx.relocation);
    let stub = cx.state.stubs.of(cx.synthetic, section, r.symbol, r.addend);
    // A branch drops the lowest bits of its target, which are a privilege level.
    let Some(stub) = stub.filter(|_| target & 3 == Value(0)) else { return target };
    code! { stub.bytes, true;
        IMM21(0x2020_0000, target)            // ldil L'target, %r1
        BRANCH17(0xe020_2002, target & 0x7ff) // be,n R'target(%sr4, %r1)
    }
    stub.address
}
