//! MIPS, the ABI with 64-bit addresses (n64) and its sister with 32-bit addresses (n32), both byte orders.
//!
//! psABI: 64-bit ELF Object File Specification, chapter "Relocation", <https://irix7.com/techpubs/007-4658-001.pdf>; of
//! n32: MIPSpro N32 ABI Handbook, 007-2816. The types of release 6 (`PC21_S2` and up) are newer, in the same notation.
//!
//! What to know of it:
//!
//! * Instructions are words in the byte order of the data. An immediate is the low half of its word.
//! * **A relocation of n64 has up to three types.** Its `r_info` is not a number, but the symbol's index (a word in the
//!   byte order of the data) and four bytes: a second, special symbol, then the third, the second and the first type.
//!   What the first type computes is the addend of the second, which has no symbol, and so on; the last one's field is
//!   written. Here they are one number, with the first type lowest: `0x05_1807` is `GPREL16`, `SUB`, `HI16`, of which
//!   `.cpsetup` is made. Those that assemblers write have rows and names of their own, others are unknown. (Linux reads
//!   the first type, and no more.)
//! * n32 says the same with several relocations at one offset. Of these, code without `$gp` needs none: refused.
//! * An address takes up to four instructions with 16 bits each: `HIGHEST`, `HIGHER`, `HI16`, `LO16`. As all immediates
//!   have a sign, each part makes up for those below it: `HIGHEST` is rounded by 0x8000_8000_8000. Where all addresses
//!   are sign-extended words (`-msym32`: the kernel in CKSEG0, modules in CKSEG2), code has the lower two alone; so
//!   neither of these is checked. n32's addresses are sign-extended, too, also in a `64`.
//! * `26` is a jump within the 256 MB segment that holds the *delay slot*: the processor takes all bits above it from
//!   there. No jump leads from CKSEG2 to CKSEG0. Modules are built with `-mlong-calls`, so that a `26` stays in its
//!   module. (Linux compares bits 28 to 31 alone; linkers compare all, and so do we.)
//! * Branches count from the delay slot. The assembler puts the -4 into the addend: nothing to do here.
//! * `SUB` is S - A, so that the assembler's `%neg(x)` alone is x; it negates what another type has computed.
//! * Code that Linux loads is `-mno-abicalls -G 0`: `$gp` belongs to the kernel (it is the current thread), so there is
//!   neither a global offset table nor a small data area.
//! * Relocations are RELA. REL is legal: then the halves are paired in file order, as in o32 (see mips32), and all else
//!   has for an addend what its field holds, `HIGHER` without what might carry from below. (No assembler writes that,
//!   and Linux refuses `64`, `HIGHER` and `HIGHEST` there.)
//! * Compilers and assemblers work around errata (R4000, R10000, VR4120, 24K); a loader changes nothing for them.
#![cfg_attr(target_arch = "wasm32", no_std)]

extern crate alloc;

use relobox_plugin::abi::{Fault, Machine, NONE, fault, order};
use relobox_plugin::{DYNAMIC, Field, Hooks, Job, Plan, TLS, architecture, slice};

#[cfg(test)]
mod tests;

const WORD32: Field = Field::data(4);
const DOUBLE64: Field = Field::data(8);
/// The immediate of an instruction.
const IMM16: Field = Field::insn(4, order::DATA, &[slice(0, 0, 16)]);
/// The same, of `lui`: it holds the upper half of the value.
const UPPER16: Field = Field::insn(4, order::DATA, &[slice(16, 0, 16)]);
/// The two above it.
const HIGHER16: Field = Field::insn(4, order::DATA, &[slice(32, 0, 16)]);
const HIGHEST16: Field = Field::insn(4, order::DATA, &[slice(48, 0, 16)]);
/// The target of `j` and `jal`.
const JUMP26: Field = Field::insn(4, order::DATA, &[slice(2, 0, 26)]);
/// Branches, and loads relative to PC, count in words ...
const WORDS16: Field = Field::insn(4, order::DATA, &[slice(2, 0, 16)]);
const WORDS19: Field = Field::insn(4, order::DATA, &[slice(2, 0, 19)]);
const WORDS21: Field = Field::insn(4, order::DATA, &[slice(2, 0, 21)]);
const WORDS26: Field = Field::insn(4, order::DATA, &[slice(2, 0, 26)]);
/// ... and `ldpc` in double words.
const DOUBLES18: Field = Field::insn(4, order::DATA, &[slice(3, 0, 18)]);

/// `e_flags`: EF_MIPS_ABI2 (n32).
const N32: u32 = 0x0000_0020;
/// `e_flags`: EF_MIPS_ABI, which names the other ABIs (o32, o64, the EABIs).
const OTHER_ABI: u32 = 0x0000_f000;
/// `e_flags`: the file holds MIPS16e or microMIPS code.
const COMPRESSED: u32 = 0x0400_0000 | 0x0200_0000;

const fn machine(class: u8, order: u8) -> Machine {
    let upper = if class == 64 { 0xffff_ffff_0000_0000 } else { 0 };
    Machine {
        machine: 8,
        class,
        order,
        flags_mask: OTHER_ABI | N32,
        flags_value: if class == 64 { 0 } else { N32 },
        reserved: 0,
        base: upper | 0xc000_0000,
        kernel: upper | 0x8010_0000,
        // HI16 and LO16 reach both, and a 26 does not leave its module.
        reach: 0,
    }
}

architecture! {
    name: "mips64",
    title: "MIPS n64 and n32, both byte orders, RELA (and REL)",
    psabi: "https://irix7.com/techpubs/007-4658-001.pdf",
    machines: [
        machine(64, order::LITTLE), machine(64, order::BIG), machine(32, order::LITTLE), machine(32, order::BIG),
    ],
    addends: either,
    sign_extends: true,
    decoding: "decoding.txt",
    state: Refusals,
    // The type of a low half is one above that of its high half.
    letters: (cx, S, A, P; AHL = cx.with_low(A, cx.relocation.kind + 1, &IMM16)?),
    rows: {
        R_MIPS_16           = 1:      S + A,                              IMM16,     signed 16;
        R_MIPS_32           = 2:      S + A,                              WORD32,    unchecked;
        R_MIPS_26           = 4:      S + A - ((P + 4) & -0x1000_0000).0, JUMP26,    unsigned 28, align 4;
        R_MIPS_HI16         = 5:      S + AHL,          UPPER16,   unchecked, high 16, pair next R_MIPS_LO16;
        R_MIPS_LO16         = 6:      S + A,                              IMM16,     unchecked, low R_MIPS_HI16;
        R_MIPS_PC16         = 10:     S + A - P,                          WORDS16,   signed 18, align 4;
        R_MIPS_64           = 18:     S + A,                              DOUBLE64,  whole;
        R_MIPS_SUB          = 24:     S - A,                              DOUBLE64,  whole;
        R_MIPS_HIGHER       = 28:     S + A + 0x8000_8000,                HIGHER16,  whole;
        R_MIPS_HIGHEST      = 29:     S + A + 0x8000_8000_8000,           HIGHEST16, whole;
        R_MIPS_PC21_S2      = 60:     S + A - P,                          WORDS21,   signed 23, align 4;
        R_MIPS_PC26_S2      = 61:     S + A - P,                          WORDS26,   signed 28, align 4;
        R_MIPS_PC18_S3      = 62:     S + A - (P & -8).0,                 DOUBLES18, signed 21, align 8;
        R_MIPS_PC19_S2      = 63:     S + A - P,                          WORDS19,   signed 21, align 4;
        R_MIPS_PCHI16       = 64:     S + AHL - P,      UPPER16,   signed 32, high 16, pair next R_MIPS_PCLO16;
        R_MIPS_PCLO16       = 65:     S + A - P,                          IMM16,     unchecked, low R_MIPS_PCHI16;
        R_MIPS_PC32         = 248:    S + A - P,                          WORD32,    signed 32;
        R_MIPS_GNU_REL16_S2 = 250:    S + A - P,                          WORDS16,   signed 18, align 4;
        // Two types in one.
        R_MIPS_SUB_HI16     = 0x0518: S - A + 0x8000,                     UPPER16,   whole;
        R_MIPS_SUB_LO16     = 0x0618: S - A,                              IMM16,     whole;
        R_MIPS_SUB_HIGHER   = 0x1c18: S - A + 0x8000_8000,                HIGHER16,  whole;
        R_MIPS_SUB_HIGHEST  = 0x1d18: S - A + 0x8000_8000_8000,           HIGHEST16, whole;
        R_MIPS_PC32_64      = 0x12f8: S + A - P,                          DOUBLE64,  whole;
    }
    ignored: {
        R_MIPS_NONE = 0,
        // Says which function a `jalr` calls, so that a linker may make it a branch.
        R_MIPS_JALR = 37,
        // What a C++ linker throws away unused virtual functions by.
        R_MIPS_GNU_VTINHERIT = 253,
        R_MIPS_GNU_VTENTRY = 254,
    }
    refused: {
        DYNAMIC =>
            3 [R_MIPS_REL32], 36 [R_MIPS_RELGOT], 51 [R_MIPS_GLOB_DAT], 126..=127 [R_MIPS_COPY, R_MIPS_JUMP_SLOT],
            0x1203 [R_MIPS_REL32_64];
        "is relative to $gp, which is the kernel's own: compile with -G 0" => 7..=8 [R_MIPS_GPREL16, R_MIPS_LITERAL];
        "is relative to $gp, which is the kernel's own: compile with -mno-abicalls" =>
            12 [R_MIPS_GPREL32], 0x120c [R_MIPS_GPREL32_64],
            0x05_1807 [R_MIPS_GPREL16_SUB_HI16], 0x06_1807 [R_MIPS_GPREL16_SUB_LO16];
        "needs a global offset table, which a kernel does not have: compile with -mno-abicalls" =>
            9 [R_MIPS_GOT16], 11 [R_MIPS_CALL16],
            19..=23 [R_MIPS_GOT_DISP, R_MIPS_GOT_PAGE, R_MIPS_GOT_OFST, R_MIPS_GOT_HI16, R_MIPS_GOT_LO16],
            30..=31 [R_MIPS_CALL_HI16, R_MIPS_CALL_LO16];
        "is reserved" => 13..=15 [R_MIPS_UNUSED1, R_MIPS_UNUSED2, R_MIPS_UNUSED3];
        "is not written by any assembler" =>
            16..=17 [R_MIPS_SHIFT5, R_MIPS_SHIFT6], 33..=35 [R_MIPS_REL16, R_MIPS_ADD_IMMEDIATE, R_MIPS_PJUMP];
        "inserts an instruction, which moves the code behind it" => 25..=26 [R_MIPS_INSERT_A, R_MIPS_INSERT_B];
        "deletes an instruction, which moves the code behind it" => 27 [R_MIPS_DELETE];
        "is for IRIX's profiling tools" => 32 [R_MIPS_SCN_DISP];
        TLS =>
            38..=50 [R_MIPS_TLS_DTPMOD32, R_MIPS_TLS_DTPREL32, R_MIPS_TLS_DTPMOD64, R_MIPS_TLS_DTPREL64, R_MIPS_TLS_GD,
                R_MIPS_TLS_LDM, R_MIPS_TLS_DTPREL_HI16, R_MIPS_TLS_DTPREL_LO16, R_MIPS_TLS_GOTTPREL, R_MIPS_TLS_TPREL32,
                R_MIPS_TLS_TPREL64, R_MIPS_TLS_TPREL_HI16, R_MIPS_TLS_TPREL_LO16];
        "patches MIPS16e code, which kernels do not load" =>
            100..=113 [R_MIPS16_26, R_MIPS16_GPREL, R_MIPS16_GOT16, R_MIPS16_CALL16, R_MIPS16_HI16, R_MIPS16_LO16,
                R_MIPS16_TLS_GD, R_MIPS16_TLS_LDM, R_MIPS16_TLS_DTPREL_HI16, R_MIPS16_TLS_DTPREL_LO16,
                R_MIPS16_TLS_GOTTPREL, R_MIPS16_TLS_TPREL_HI16, R_MIPS16_TLS_TPREL_LO16, R_MIPS16_PC16_S1];
        "patches microMIPS code, which kernels do not load" =>
            133..=142 [R_MICROMIPS_26_S1, R_MICROMIPS_HI16, R_MICROMIPS_LO16, R_MICROMIPS_GPREL16, R_MICROMIPS_LITERAL,
                R_MICROMIPS_GOT16, R_MICROMIPS_PC7_S1, R_MICROMIPS_PC10_S1, R_MICROMIPS_PC16_S1, R_MICROMIPS_CALL16],
            145..=157 [R_MICROMIPS_GOT_DISP, R_MICROMIPS_GOT_PAGE, R_MICROMIPS_GOT_OFST, R_MICROMIPS_GOT_HI16,
                R_MICROMIPS_GOT_LO16, R_MICROMIPS_SUB, R_MICROMIPS_HIGHER, R_MICROMIPS_HIGHEST, R_MICROMIPS_CALL_HI16,
                R_MICROMIPS_CALL_LO16, R_MICROMIPS_SCN_DISP, R_MICROMIPS_JALR, R_MICROMIPS_HI0_LO16],
            162..=166 [R_MICROMIPS_TLS_GD, R_MICROMIPS_TLS_LDM, R_MICROMIPS_TLS_DTPREL_HI16,
                R_MICROMIPS_TLS_DTPREL_LO16, R_MICROMIPS_TLS_GOTTPREL],
            169..=170 [R_MICROMIPS_TLS_TPREL_HI16, R_MICROMIPS_TLS_TPREL_LO16],
            172..=177 [R_MICROMIPS_GPREL7_S2, R_MICROMIPS_PC23_S2, R_MICROMIPS_PC21_S1, R_MICROMIPS_PC26_S1,
                R_MICROMIPS_PC18_S3, R_MICROMIPS_PC19_S2];
        "is for exception tables, which kernel code does not have" => 249 [R_MIPS_EH];
    }
}

/// What is refused before any relocation is looked at.
#[derive(Default)]
pub struct Refusals;

impl Hooks for Refusals {
    fn plan(&mut self, job: &Job<'_>, plan: &mut Plan) {
        let mut refuse = |symbol, text| plan.findings.push_of_module(fault::OTHER, NONE, symbol, text);
        if job.header.elf_flags & COMPRESSED != 0 {
            // A pointer to such a function would need its lowest bit set.
            refuse(NONE, "the module has MIPS16e or microMIPS code, which kernels do not load");
        }
        for (i, symbol) in (0..).zip(job.symbols) {
            // Only undefined symbols have names here.
            if matches!(symbol.name.len, 3 | 8 | 14)
                && matches!(job.symbol_name(i), b"_gp" | b"_gp_disp" | b"__gnu_local_gp")
            {
                refuse(i, "code that sets up $gp, which is the kernel's own: compile with -mno-abicalls");
            }
        }
        for group in job.groups.iter().filter(|_| job.header.class == 32) {
            for two in job.relocations_of(group).windows(2) {
                let [first, then] = two else { continue };
                if (first.offset, then.symbol) == (then.offset, 0) && composed(first.kind, then.kind) {
                    let (section, offset) = (group.section, then.offset);
                    let (kind, relocation, symbol) = (fault::OTHER, NONE, NONE);
                    let fault = Fault { kind, relocation, section, symbol, offset, ..Default::default() };
                    plan.findings.push(fault, "two relocations of n32 are composed here, which is not supported");
                }
            }
        }
    }
}

/// What n32 composes of two relocations, of the first types that are not refused anyway.
const fn composed(first: u32, then: u32) -> bool {
    use types::*;
    match first {
        R_MIPS_SUB => matches!(then, R_MIPS_HI16 | R_MIPS_LO16 | R_MIPS_HIGHER | R_MIPS_HIGHEST),
        R_MIPS_PC32 => then == R_MIPS_64,
        _ => false,
    }
}
