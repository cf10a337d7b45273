//! What relobox linked runs: types that no linker judges, since static linkers make no PLT and few know the offsets in
//! a table, do what they are for.
//!
//! A small program is assembled, linked by relobox at fixed addresses, with a function far away, and run by qemu-user.
//! Its exit code is 42, or the number of the check that failed. Needs `tests/scripts/install-oracles`.

use anyhow::{Context, Result, ensure};
use object::write::elf::{FileHeader, ProgramHeader, Writer};
use object::{Endianness, Object as _, ObjectSection as _, ObjectSymbol as _, RelocationFlags, elf};
use relobox_needs::{ExitCode, Need, test, tool};
use relobox_tests::arch::Target;
use relobox_tests::module_spec::{Linker as _, guest};
use relobox_tests::oracle::{Image, Job};
use relobox_tests::real::image;
use std::path::Path;
use std::process::Command;

/// The oldest LLVM whose assembler has all of these types.
const OLDEST: u32 = 20;
/// Where the program is; its sections are on pages of their own.
const BASE: u64 = 0x1000_0000;
const PAGE: u64 = 0x1000;

struct Program {
    target: &'static str,
    qemu: &'static str,
    assembler: &'static [&'static str],
    source: &'static str,
    /// Where the function `far` is, and what lies behind it.
    far: u64,
}

const RISCV: Program = Program {
    target: "riscv64",
    qemu: "qemu-riscv64-static",
    assembler: &["-triple=riscv64"],
    source: include_str!("executed/riscv.s"),
    far: 0x20_1000_0000,
};
const AARCH64: Program = Program {
    target: "aarch64",
    qemu: "qemu-aarch64-static",
    assembler: &["-triple=aarch64"],
    source: include_str!("executed/aarch64.s"),
    far: 0x20_1000_0000,
};
const PROGRAMS: [Program; 5] = [
    RISCV,
    Program {
        target: "riscv32",
        qemu: "qemu-riscv32-static",
        assembler: &["-triple=riscv32"],
        far: 0x7000_0000,
        ..RISCV
    },
    AARCH64,
    Program { target: "aarch64_be", qemu: "qemu-aarch64_be-static", assembler: &["-triple=aarch64_be"], ..AARCH64 },
    Program {
        target: "s390x",
        qemu: "qemu-s390x-static",
        assembler: &["-triple=s390x", "-mcpu=zEC12"],
        source: include_str!("executed/s390x.s"),
        far: 0x20_1000_0000,
    },
];

fn main() -> ExitCode {
    let llvm = || Need::new(format!("llvm llvm-mc of {OLDEST}"), relobox_needs::llvm("llvm-mc", OLDEST).map(drop));
    let of = |program: Program| {
        let needs = [llvm(), tool(program.qemu), tool("timeout")];
        test(program.target, move || runs(&program)).needs(needs)
    };
    relobox_needs::run(PROGRAMS.into_iter().map(of))
}

fn runs(program: &Program) -> Result<()> {
    let target = Target::named(program.target);
    let dir = tempfile::tempdir()?;
    let object = dir.path().join("program.o");
    let contents = assemble(program, &object, false)?;
    let file = object::File::parse(&*contents)?;
    all_are_there(target, &file)?;
    let mut sections = Vec::new();
    let mut next = BASE;
    for section in file.sections().filter(|section| section.size() != 0) {
        let object::SectionFlags::Elf { sh_flags, .. } = section.flags() else { continue };
        if sh_flags.0 & elf::SHF_ALLOC.0 != 0 {
            sections.push((section.name()?.to_owned(), u32::try_from(section.index().0)?, next));
            next = (next + section.size()).next_multiple_of(PAGE);
        }
    }
    // `farN` is 8 N bytes behind.
    let undefined = file.symbols().filter(|symbol| symbol.is_undefined()).filter_map(|symbol| symbol.name().ok());
    let numbered = undefined.filter_map(|name| Some((name.to_owned(), name.strip_prefix("far")?)));
    let value = |number: &str| number.parse().map_or(program.far, |n: u64| program.far + 8 * n);
    let symbols = numbered.map(|(name, number)| (name, value(number))).collect();
    let linked = image::link(&Job { object: &object, arch: target, sections, symbols })?;

    let far = assemble(program, &dir.path().join("far.o"), true)?;
    let far = object::File::parse(&*far)?;
    let far = far.section_by_name(".text").context("code")?.data()?;
    let path = dir.path().join("program");
    std::fs::write(&path, executable(target, &linked, program.far, far)?)?;
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    let status = Command::new("timeout").args(["60", program.qemu]).arg(&path).status()?;
    ensure!(status.code() == Some(42), "check {status} failed");
    Ok(())
}

/// The program has every type that its architecture says is run.
fn all_are_there(target: Target, file: &object::File<'_>) -> Result<()> {
    let guest = guest::named(target.arch.name)?;
    let kinds: Vec<_> = file.sections().flat_map(|section| section.relocations()).map(|r| r.1.flags()).collect();
    for name in target.arch.executed {
        let row = guest.rows().iter().find(|row| row.name == *name).with_context(|| format!("no type {name}"))?;
        let there =
            kinds.iter().any(|flags| matches!(flags, RelocationFlags::Elf { r_type } if r_type.0 == row.row.kind));
        ensure!(there, "{name} is not in the program");
    }
    Ok(())
}

fn assemble(program: &Program, output: &Path, far: bool) -> Result<Vec<u8>> {
    let source = output.with_extension("s");
    std::fs::write(&source, if far { format!(".set FAR, 1\n{}", program.source) } else { program.source.to_owned() })?;
    let assembler = relobox_needs::llvm("llvm-mc", OLDEST).map_err(anyhow::Error::msg)?;
    let mut command = Command::new(assembler);
    command.args(program.assembler).args(["-filetype=obj", "-o"]).arg(output).arg(&source);
    ensure!(command.status()?.success(), "llvm-mc refused the program");
    Ok(std::fs::read(output)?)
}

/// Writes a program of two segments: all that was linked, and the function that is far away. It starts where the first
/// section does.
fn executable(target: Target, linked: &Image, far: u64, function: &[u8]) -> Result<Vec<u8>> {
    let mut near = Vec::new();
    for section in &linked.sections {
        let at = usize::try_from(section.address - BASE)?;
        near.resize(near.len().max(at + section.bytes.len()), 0);
        near[at..at + section.bytes.len()].copy_from_slice(&section.bytes);
    }
    // Memory that has no contents.
    near.resize(near.len().next_multiple_of(PAGE as usize) + 0x1_0000, 0);
    let variant = target.variant;
    let endian = if variant.order == relobox_abi::order::BIG { Endianness::Big } else { Endianness::Little };
    let mut bytes = Vec::new();
    let mut writer = Writer::new(endian, variant.class == 64, &mut bytes);
    writer.reserve_file_header();
    writer.reserve_program_headers(2);
    let segments = [(BASE, near.as_slice()), (far, function)];
    let places = segments.map(|(_, contents)| writer.reserve(contents.len() as u64, PAGE));
    let machine = elf::Machine(variant.machine);
    writer.write_file_header(&FileHeader {
        os_abi: elf::ELFOSABI_NONE,
        abi_version: 0,
        e_type: elf::ET_EXEC,
        e_machine: machine,
        e_entry: BASE,
        e_flags: elf::FileFlags(variant.e_flags),
    })?;
    writer.write_align_program_headers();
    for ((address, contents), place) in segments.iter().zip(places) {
        writer.write_program_header(&ProgramHeader {
            p_type: elf::PT_LOAD,
            p_flags: elf::PF_R | elf::PF_W | elf::PF_X,
            p_offset: place,
            p_vaddr: *address,
            p_paddr: *address,
            p_filesz: contents.len() as u64,
            p_memsz: contents.len() as u64,
            p_align: PAGE,
        });
    }
    for ((_, contents), place) in segments.iter().zip(places) {
        writer.pad_until(place);
        writer.write(contents);
    }
    Ok(bytes)
}
