//! MIPS, the 32-bit ABI (o32), both byte orders.
//!
//! psABI: System V Application Binary Interface, MIPS RISC Processor Supplement, 3rd edition, chapter
//! "Relocation", <https://refspecs.linuxfoundation.org/elf/mipsabi.pdf>. The types of release 6
//! (`PC21_S2` and up) are newer than it; they follow its notation.
//!
//! What to know of it:
//!
//! * Instructions are words in the byte order of the data. An immediate is the low half of its word.
//! * Relocations are REL: the addend is what stands in the field. A 32-bit address is made by two
//!   instructions, `lui` and one with a *signed* 16-bit immediate, and so is its addend, `AHL`: the
//!   `HI16` needs the low half that stands in the `LO16` to know the carry. They are paired by **file
//!   order**, not by offset: a `HI16` belongs to the next `LO16`, which must have the same symbol. Many
//!   `HI16` may share one `LO16` (273 have been seen), and a `LO16` may follow without a `HI16`.
//! * `26` is a jump within the 256 MB segment that holds the *delay slot*: the processor takes the top
//!   four bits from there. Kernels lie in KSEG0, modules in KSEG2: no jump reaches from one to the
//!   other. Modules are built with `-mlong-calls`, so that a `26` stays in its module.
//! * Branches count from the delay slot. The assembler puts the -4 into the addend: nothing to do here.
//! * Code that Linux loads is `-mno-abicalls -G 0`: `$gp` belongs to the kernel (it is the current
//!   thread), so there is neither a global offset table nor a small data area.
//! * RELA is legal, and then nothing is paired.
#![cfg_attr(target_arch = "wasm32", no_std)]

extern crate alloc;

use relobox_plugin::abi::{Machine, NONE, fault, group_flag, order};
use relobox_plugin::{Cx, DYNAMIC, Field, Hooks, Job, Plan, TLS, Trouble, Value, architecture, slice};

#[cfg(test)]
mod tests;

const WORD32: Field = Field::data(4);
/// The immediate of an instruction.
const IMM16: Field = Field::insn(4, order::DATA, &[slice(0, 0, 16)]);
/// The same, of `lui`: it holds the upper half of the value.
const UPPER16: Field = Field::insn(4, order::DATA, &[slice(16, 0, 16)]);
/// The target of `j` and `jal`.
const JUMP26: Field = Field::insn(4, order::DATA, &[slice(2, 0, 26)]);
/// Branches, and loads relative to PC, count in words ...
const WORDS16: Field = Field::insn(4, order::DATA, &[slice(2, 0, 16)]);
const WORDS19: Field = Field::insn(4, order::DATA, &[slice(2, 0, 19)]);
const WORDS21: Field = Field::insn(4, order::DATA, &[slice(2, 0, 21)]);
const WORDS26: Field = Field::insn(4, order::DATA, &[slice(2, 0, 26)]);
/// ... and `ldpc` in double words.
const DOUBLES18: Field = Field::insn(4, order::DATA, &[slice(3, 0, 18)]);

/// `e_flags`: EF_MIPS_ABI2 (n32), and EF_MIPS_ABI other than 0 and 0x1000 (o64, the EABIs).
const OTHER_ABI: u32 = 0x0000_0020 | 0x0000_e000;
/// `e_flags`: the file holds MIPS16e or microMIPS code.
const COMPRESSED: u32 = 0x0400_0000 | 0x0200_0000;

const fn machine(order: u8) -> Machine {
    Machine {
        machine: 8,
        class: 32,
        order,
        flags_mask: OTHER_ABI,
        flags_value: 0,
        reserved: 0,
        base: 0xc000_0000,
        kernel: 0x8010_0000,
        // HI16 and LO16 reach everything, and a 26 does not leave its module.
        reach: 0,
    }
}

architecture! {
    name: "mips32",
    title: "MIPS o32, both byte orders, REL (and RELA)",
    psabi: "https://refspecs.linuxfoundation.org/elf/mipsabi.pdf",
    machines: [machine(order::LITTLE), machine(order::BIG)],
    addends: either,
    decoding: "decoding.txt",
    state: Refusals,
    // The type of a low half is one above that of its high half.
    letters: (cx, S, A, P; AHL = cx.with_low(A, cx.relocation.kind + 1, &IMM16)?),
    rows: {
        R_MIPS_16           = 1:   S + A,               IMM16,     signed 16;
        R_MIPS_32           = 2:   S + A,               WORD32,    unchecked;
        R_MIPS_26           = 4:   jump(cx, S, A, P)?,  JUMP26,    unsigned 28, align 4;
        R_MIPS_HI16         = 5:   S + AHL,             UPPER16,   unchecked, high 16, pair next R_MIPS_LO16;
        R_MIPS_LO16         = 6:   S + A,               IMM16,     unchecked, low R_MIPS_HI16;
        R_MIPS_PC16         = 10:  S + A - P,           WORDS16,   signed 18, align 4;
        R_MIPS_PC21_S2      = 60:  S + A - P,           WORDS21,   signed 23, align 4;
        R_MIPS_PC26_S2      = 61:  S + A - P,           WORDS26,   signed 28, align 4;
        R_MIPS_PC18_S3      = 62:  S + A - (P & -8).0,  DOUBLES18, signed 21, align 8;
        R_MIPS_PC19_S2      = 63:  S + A - P,           WORDS19,   signed 21, align 4;
        R_MIPS_PCHI16       = 64:  S + AHL - P,         UPPER16,   unchecked, high 16, pair next R_MIPS_PCLO16;
        R_MIPS_PCLO16       = 65:  S + A - P,           IMM16,     unchecked, low R_MIPS_PCHI16;
        R_MIPS_PC32         = 248: S + A - P,           WORD32,    unchecked;
        R_MIPS_GNU_REL16_S2 = 250: S + A - P,           WORDS16,   signed 18, align 4;
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
            3 [R_MIPS_REL32], 36 [R_MIPS_RELGOT], 51 [R_MIPS_GLOB_DAT], 126..=127 [R_MIPS_COPY, R_MIPS_JUMP_SLOT];
        "is relative to $gp, which is the kernel's own: compile with -G 0" => 7..=8 [R_MIPS_GPREL16, R_MIPS_LITERAL];
        "needs a global offset table, which a kernel does not have: compile with -mno-abicalls" =>
            9 [R_MIPS_GOT16], 11 [R_MIPS_CALL16],
            19..=23 [R_MIPS_GOT_DISP, R_MIPS_GOT_PAGE, R_MIPS_GOT_OFST, R_MIPS_GOT_HI16, R_MIPS_GOT_LO16],
            30..=31 [R_MIPS_CALL_HI16, R_MIPS_CALL_LO16];
        "is relative to $gp, which is the kernel's own: compile with -mno-abicalls" => 12 [R_MIPS_GPREL32];
        "is reserved" => 13..=15 [R_MIPS_UNUSED1, R_MIPS_UNUSED2, R_MIPS_UNUSED3];
        "is not written by any assembler" =>
            16..=17 [R_MIPS_SHIFT5, R_MIPS_SHIFT6], 33..=35 [R_MIPS_REL16, R_MIPS_ADD_IMMEDIATE, R_MIPS_PJUMP];
        "is for 64-bit addresses" => 18 [R_MIPS_64], 28..=29 [R_MIPS_HIGHER, R_MIPS_HIGHEST];
        "is a part of the compound relocations of the 64-bit ABIs" => 24 [R_MIPS_SUB];
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
            if matches!(symbol.name.len, 8 | 14) && matches!(job.symbol_name(i), b"_gp_disp" | b"__gnu_local_gp") {
                refuse(i, "code that sets up $gp, which is the kernel's own: compile with -mno-abicalls");
            }
        }
    }
}

/// Where in its 256 MB segment a jump goes.
#[allow(non_snake_case, reason = "the psABI's letters")]
fn jump(cx: &mut Cx<'_, Refusals>, S: Value, A: Value, P: Value) -> Result<Value, Trouble> {
    const SEGMENT: u32 = 0x1000_0000;
    let section = cx.job.symbols.get(cx.relocation.symbol as usize).is_some_and(|s| s.info & 15 == 3);
    let in_place = cx.group.flags & group_flag::IN_PLACE != 0;
    // In place there are 28 bits. From a section's start they count up; from a symbol, both ways.
    let addend = if in_place && section { A & i64::from(SEGMENT - 1) } else { A };
    let target = (S + addend).bits() as u32;
    let first = (P + 4).bits() as u32 & !(SEGMENT - 1);
    let value = target.wrapping_sub(first);
    if value >= SEGMENT {
        let (kind, min) = (fault::OUT_OF_RANGE, i64::from(first));
        let text = "a jump stays in its 256 MB segment: compile with -mlong-calls";
        return Err(Trouble { kind, value: i64::from(target), min, max: min + i64::from(SEGMENT - 4), text });
    }
    Ok(Value(i64::from(value)))
}
