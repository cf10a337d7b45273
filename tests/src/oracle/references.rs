//! Resolves the references of a module to undefined symbols.

use super::destination::Destination;
use super::resolve::resolve;
use super::{Image, Job};
use anyhow::{Context, Result, ensure};
use object::{Object as _, ObjectSection as _, ObjectSymbol as _, RelocationFlags, RelocationTarget, elf};
use std::collections::{BTreeMap, BTreeSet};

/// The number of references that have the correct destination.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ResolvedReferences {
    /// References that lead there directly.
    pub direct: usize,
    /// References that lead there through something that the linker made.
    pub indirect: usize,
}

/// Resolves every reference to an undefined symbol that has one of `types`. Its destination must be the symbol's value.
///
/// # Errors
/// If `elf` cannot be parsed, or a reference has another destination.
pub fn resolve_all(elf: &[u8], job: &Job, image: &Image, types: &[elf::RelocationType]) -> Result<ResolvedReferences> {
    let values: BTreeMap<&str, u64> = job.symbols.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    let file = object::File::parse(elf)?;
    let mut resolved = ResolvedReferences::default();
    for section in file.sections() {
        let index = u32::try_from(section.index().0)?;
        if image.section(index).is_none() {
            continue;
        }
        for (offset, relocation) in section.relocations() {
            let RelocationFlags::Elf { r_type } = relocation.flags() else { continue };
            let RelocationTarget::Symbol(symbol) = relocation.target() else { continue };
            let symbol = file.symbol_by_index(symbol)?;
            if !types.contains(&r_type) || !symbol.is_undefined() {
                continue;
            }
            let name = symbol.name()?;
            let place = || format!("{}+{offset:#x} to {name}", section.name().unwrap_or_default());
            let end = resolve(job.arch, image, index, offset).with_context(place)?;
            let expected = values.get(name).with_context(place)?;
            ensure!(end.address() == *expected, "{}: {end:x?}, not {expected:#x}", place());
            match end {
                Destination::Direct(_) => resolved.direct += 1,
                Destination::Indirect(_) => resolved.indirect += 1,
            }
        }
    }
    Ok(resolved)
}

/// Returns the undefined symbols to which relocations of types other than `types` refer. Such a symbol must have a
/// value near the module.
///
/// # Errors
/// If `elf` cannot be parsed.
pub fn of_other_types(elf: &[u8], types: &[elf::RelocationType]) -> Result<BTreeSet<String>> {
    let file = object::File::parse(elf)?;
    let mut names = BTreeSet::new();
    for (_, relocation) in file.sections().flat_map(|section| section.relocations().collect::<Vec<_>>()) {
        let RelocationFlags::Elf { r_type } = relocation.flags() else { continue };
        let RelocationTarget::Symbol(symbol) = relocation.target() else { continue };
        let symbol = file.symbol_by_index(symbol)?;
        if !types.contains(&r_type) && symbol.is_undefined() {
            names.insert(symbol.name()?.to_owned());
        }
    }
    Ok(names)
}
