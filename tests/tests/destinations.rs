//! References that go through something the linker made lead to the symbol that the module named.
//!
//! Needs `tests/scripts/fetch-corpora arm64 s390x` and `tests/scripts/install-oracles`, and
//! `RELOBOX_ORACLES` set to the number of modules to take.

use anyhow::{Context, Result, ensure};
use object::{Object as _, ObjectSection as _, ObjectSymbol as _, RelocationFlags, RelocationTarget, elf};
use relobox_tests::corpus::Corpus;
use relobox_tests::oracle::follow::{self, Destination};
use relobox_tests::oracle::{self, Image, Job, Target, bfd, layout, lld};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

type Linker = fn(&Job, &Path) -> Result<Image>;

/// Branches reach 128 MiB; 3 GiB away is beyond that and within an `adrp`, 64 GiB beyond both.
#[test]
fn aarch64_veneers() -> Result<()> {
    let types = [elf::R_AARCH64_CALL26, elf::R_AARCH64_JUMP26];
    check("arm64", 3 << 30, &types, &[("bfd", bfd::link), ("lld", lld::link)])?;
    check("arm64", 64 << 30, &types, &[("bfd", bfd::link), ("lld", lld::link)])
}

#[test]
fn s390x_got_entries() -> Result<()> {
    check("s390x", 0, &[elf::R_390_GOTENT], &[("bfd", bfd::link), ("lld", lld::link)])
}

fn check(name: &str, distance: u64, types: &[elf::RelocationType], linkers: &[(&str, Linker)]) -> Result<()> {
    let Some(count) = oracle::wanted() else {
        println!("skipped: RELOBOX_ORACLES is not set");
        return Ok(());
    };
    let Some(corpus) = Corpus::open(name)? else {
        println!("skipped: no corpus {name}");
        return Ok(());
    };
    let dir = tempfile::tempdir()?;
    let mut through = vec![0; linkers.len()];
    for module in corpus.sample(27, count) {
        let elf = module.elf()?;
        let path = dir.path().join("module.ko");
        std::fs::write(&path, &elf)?;
        let target = Target::of(&elf)?;
        let mut job = layout::sequential(&path, &elf, layout::customary_base(target))?;
        // Only what nothing but branches refers to can be far away.
        let near = referred_to_otherwise(&elf, types)?;
        for symbol in job.symbols.iter_mut().filter(|symbol| !near.contains(&symbol.0)) {
            symbol.1 += distance;
        }
        for ((label, link), through) in linkers.iter().zip(&mut through) {
            let image = link(&job, dir.path()).with_context(|| module.name())?;
            *through +=
                references(target, &elf, &job, &image, types).with_context(|| format!("{label}: {}", module.name()))?;
        }
    }
    for ((label, _), through) in linkers.iter().zip(through) {
        println!("{name} {distance:#x} {label}: {through} references through the linker's own sections");
        ensure!(through > 0 || count < 10, "{label}: there was nothing to follow");
    }
    Ok(())
}

/// Follows every reference of one of `types` to an undefined symbol; returns how many were indirect.
fn references(target: Target, elf: &[u8], job: &Job, image: &Image, types: &[elf::RelocationType]) -> Result<usize> {
    let values: BTreeMap<&str, u64> = job.symbols.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    let file = object::File::parse(elf)?;
    let mut through = 0;
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
            let end = follow::of(target, image, index, offset).with_context(place)?;
            let expected = values[name];
            ensure!(end.address() == expected, "{}: {end:x?}, not {expected:#x}", place());
            through += usize::from(matches!(end, Destination::Through(_)));
        }
    }
    Ok(through)
}

/// The undefined symbols that relocations of other types than `types` refer to.
fn referred_to_otherwise(elf: &[u8], types: &[elf::RelocationType]) -> Result<BTreeSet<String>> {
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
