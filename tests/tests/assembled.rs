//! The oracles on objects made by gas: the targets for which there are no real modules, and the special
//! sections and symbols that linkers like to treat in their own way.
//!
//! Needs `tests/scripts/install-oracles`, and `RELOBOX_ORACLES` set.

use anyhow::{Context, Result, ensure};
use object::{Object as _, ObjectSection as _};
use relobox_needs::{ExitCode, test, tool};
use relobox_tests::oracle::{self, Image, Target, bfd, layout, linkers, lld};
use std::process::Command;

fn main() -> ExitCode {
    let of = |target, assembler| [linkers(&[target]), vec![tool(assembler)]].concat();
    relobox_needs::run([
        test!(riscv32).needs(of(Target::named("riscv32"), "riscv64-linux-gnu-as")),
        test!(mips_big_endian).needs(of(Target::named("mips"), "mips-linux-gnu-as")),
        test!(nothing_is_merged_dropped_or_moved).needs(of(Target::named("x86_64"), "x86_64-linux-gnu-as")),
    ])
}

fn riscv32() -> Result<()> {
    let source =
        ".text\n1: lui a0, %hi(there)\n addi a0, a0, %lo(there)\n call there\n.data\n .word there - 1b, there\n";
    both(&["riscv64-linux-gnu-as", "-march=rv32i", "-mabi=ilp32", "-mno-relax"], source, Target::named("riscv32"))
}

fn mips_big_endian() -> Result<()> {
    let source = ".text\n.set noreorder\n lui $4, %hi(there+0x8004)\n jal there\n addiu $4, $4, %lo(there+0x8004)\n\
                  .data\n .word there\n";
    both(&["mips-linux-gnu-as", "-32"], source, Target::named("mips"))
}

/// Mergeable strings, a group, a note, unwind information, an empty section, two sections of one name, an odd
/// symbol, an unresolved weak one: all stay where they are put.
fn nothing_is_merged_dropped_or_moved() -> Result<()> {
    let source = r#"
        .section .rodata.str1.1,"aMS",@progbits,1
        .asciz "same"
        .asciz "same"
        .section .gnu.linkonce.this_module,"aw"
        .quad there
        .section .note.gnu.property,"a",@note
        .long 4, 16, 5
        .asciz "GNU"
        .long 0xc0000002, 4, 3, 0
        .section .eh_frame,"a",@unwind
        .long 0
        .section .text.one,"axG",@progbits,signature,comdat
        call there
        .section .init.data,"aw"
        .section .data.twice,"aw",@progbits,unique,1
        .quad "odd name!"
        .section .data.twice,"aw",@progbits,unique,2
        .weak nowhere
        .quad nowhere, empty
        .section .empty,"aw"
        .globl empty
        empty:
    "#;
    both(&["x86_64-linux-gnu-as"], source, Target::named("x86_64"))
}

fn both(assembler: &[&str], source: &str, target: Target) -> Result<()> {
    let dir = tempfile::tempdir()?;
    let (input, path) = (dir.path().join("case.s"), dir.path().join("case.o"));
    std::fs::write(&input, source)?;
    let status = Command::new(assembler[0]).args(&assembler[1..]).arg(&input).arg("-o").arg(&path).status();
    ensure!(status.context("gas")?.success(), "gas refused the case");
    let elf = std::fs::read(&path)?;
    ensure!(Target::of(&elf)? == target, "{:?}", Target::of(&elf)?);
    let job = layout::sequential(&path, &elf, target.variant.base)?;
    let left = bfd::link(&job, dir.path())?;
    let right = lld::link(&job, dir.path())?;
    let inputs = |image: Image| image.sections.into_iter().filter(|section| section.input.is_some());
    let (left, right): (Vec<_>, Vec<_>) = (inputs(left).collect(), inputs(right).collect());
    ensure!(left == right, "{left:#x?}\n{right:#x?}");
    changed_only_by_relocations(&elf, &left)
}

/// Every section is there, with its size, and something was relocated.
fn changed_only_by_relocations(elf: &[u8], sections: &[oracle::Placed]) -> Result<()> {
    let file = object::File::parse(elf)?;
    let mut relocated = 0;
    for placed in sections {
        let index = object::SectionIndex(placed.input.context("input")? as usize);
        let section = file.section_by_index(index)?;
        let original = section.data()?;
        ensure!(original.len() == placed.bytes.len(), "{} changed its size", placed.name);
        if section.relocations().next().is_none() {
            ensure!(original == placed.bytes, "{} changed without a relocation", placed.name);
        }
        relocated += usize::from(original != placed.bytes);
    }
    ensure!(relocated > 0, "nothing was relocated");
    Ok(())
}
