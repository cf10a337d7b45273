//! Addresses for a module that is not going anywhere: a plain layout, for tests that need some addresses.

use super::{Job, Target};
use anyhow::{Context, Result};
use object::{Object as _, ObjectSection as _, ObjectSymbol as _, SectionFlags, elf as headers};
use std::path::Path;

/// Where modules usually live on `target`.
pub fn customary_base(target: Target) -> u64 {
    match target {
        Target::X86_64 => 0xffff_ffff_c000_0000,
        Target::Aarch64 | Target::Aarch64Be => 0xffff_8000_0100_0000,
        Target::Riscv32 => 0x9000_0000,
        Target::Riscv64 => 0xffff_ffff_0100_0000,
        Target::S390x => 0x3ff_8000_0000,
        Target::Mips | Target::Mipsel => 0xc000_0000,
    }
}

/// What a linker may append to a section of code. Other sections there do it no harm, but what it appends to
/// them would be in the same place, and which of the two a branch leads to could not be told.
const ROOM_FOR_VENEERS: u64 = 1 << 16;

/// A job for `elf`, stored in `path`: its allocated sections one after the other from `base`, code first as
/// the kernel does it, and its undefined symbols 16 bytes apart behind them.
pub fn sequential<'a>(path: &'a Path, elf: &[u8], base: u64) -> Result<Job<'a>> {
    let file = object::File::parse(elf).context("the object")?;
    let mut sections = Vec::new();
    let mut next = base;
    for code in [true, false] {
        for section in file.sections() {
            let SectionFlags::Elf { sh_flags, .. } = section.flags() else { continue };
            let executable = sh_flags.0 & headers::SHF_EXECINSTR.0 != 0;
            if sh_flags.0 & headers::SHF_ALLOC.0 == 0 || executable != code {
                continue;
            }
            next = next.next_multiple_of(section.align().max(1));
            let name = section.name().context("a section name")?;
            sections.push((name.to_owned(), u32::try_from(section.index().0)?, next));
            next += section.size();
            if code {
                next += ROOM_FOR_VENEERS;
            }
        }
    }
    // A gap for what a linker puts behind the module.
    next = next.next_multiple_of(1 << 16) + (1 << 20);
    let mut symbols = Vec::new();
    for symbol in file.symbols().filter(|symbol| symbol.is_undefined()) {
        let name = symbol.name().context("a symbol name")?;
        if !name.is_empty() {
            symbols.push((name.to_owned(), next));
            next += 16;
        }
    }
    Ok(Job { object: path, arch: Target::of(elf)?, sections, symbols })
}
