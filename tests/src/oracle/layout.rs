//! Plain address layouts, for tests that link a module without loading it.

use super::Job;
use crate::arch::Target;
use anyhow::{Context, Result};
use object::{Object as _, ObjectSection as _, ObjectSymbol as _, SectionFlags, elf as headers};
use std::path::Path;

/// The room, in bytes, for what a linker may append to a section of code. Without it, what two linkers append to
/// different sections could lie at one address, and the destination of a branch there would be ambiguous.
const ROOM_FOR_VENEERS: u64 = 1 << 16;

/// Builds a job for `elf`, stored in `path`. The allocated sections are placed one after the other from `base`, code
/// first as the kernel places it. The undefined symbols get addresses 16 bytes apart after them.
///
/// # Errors
/// If `elf` cannot be parsed.
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
    // A gap for what a linker puts after the module.
    next = next.next_multiple_of(1 << 16) + (1 << 20);
    let mut symbols = Vec::new();
    for symbol in file.symbols().filter(|symbol| symbol.is_undefined()) {
        let name = symbol.name().context("a symbol name")?;
        if !name.is_empty() {
            symbols.push((name.to_owned(), next));
            next += 16;
        }
    }
    // ELFv1 of PowerPC calls the code `.f` of a function `f`, and a kernel knows `f`.
    for (name, value) in symbols.clone() {
        if let Some(name) = name.strip_prefix('.') {
            symbols.retain(|symbol| symbol.0 != name);
            symbols.push((name.to_owned(), value));
        }
    }
    Ok(Job { object: path, arch: Target::of(elf)?, sections, symbols })
}
