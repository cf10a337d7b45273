//! References that go through something the linker made lead to the symbol that the module named.
//!
//! Needs `tests/scripts/fetch-corpora arm64 s390x` and `tests/scripts/install-oracles`, and
//! `RELOBOX_ORACLES` set to the number of modules to take.

use anyhow::{Context, Result, ensure};
use object::elf;
use relobox_needs::{ExitCode, test};
use relobox_tests::corpus::Corpus;
use relobox_tests::oracle::{self, Image, Job, Target, bfd, layout, lld, references};
use std::path::Path;

fn main() -> ExitCode {
    relobox_needs::run([
        test!(aarch64_veneers).needs(oracle::corpus("arm64")),
        test!(s390x_got_entries).needs(oracle::corpus("s390x")),
    ])
}

type Linker = fn(&Job, &Path) -> Result<Image>;

/// Branches reach 128 MiB; 3 GiB away is beyond that and within an `adrp`, 64 GiB beyond both.
fn aarch64_veneers() -> Result<()> {
    let types = [elf::R_AARCH64_CALL26, elf::R_AARCH64_JUMP26];
    check("arm64", 3 << 30, &types, &[("bfd", bfd::link), ("lld", lld::link)])?;
    check("arm64", 64 << 30, &types, &[("bfd", bfd::link), ("lld", lld::link)])
}

fn s390x_got_entries() -> Result<()> {
    check("s390x", 0, &[elf::R_390_GOTENT], &[("bfd", bfd::link), ("lld", lld::link)])
}

fn check(name: &str, distance: u64, types: &[elf::RelocationType], linkers: &[(&str, Linker)]) -> Result<()> {
    let (count, corpus) = (oracle::sample_size()?, Corpus::get(name)?);
    let dir = tempfile::tempdir()?;
    let mut through = vec![0; linkers.len()];
    for module in corpus.sample(27, count) {
        let elf = module.elf()?;
        let path = dir.path().join("module.ko");
        std::fs::write(&path, &elf)?;
        let target = Target::of(&elf)?;
        let mut job = layout::sequential(&path, &elf, target.variant.base)?;
        // Only what nothing but branches refers to can be far away.
        let near = references::of_other_types(&elf, types)?;
        for symbol in job.symbols.iter_mut().filter(|symbol| !near.contains(&symbol.0)) {
            symbol.1 += distance;
        }
        for ((label, link), through) in linkers.iter().zip(&mut through) {
            let image = link(&job, dir.path()).with_context(|| module.name())?;
            let resolved = references::resolve_all(&elf, &job, &image, types);
            *through += resolved.with_context(|| format!("{label}: {}", module.name()))?.indirect;
        }
    }
    for ((label, _), through) in linkers.iter().zip(through) {
        println!("{name} {distance:#x} {label}: {through} references through the linker's own sections");
        ensure!(through > 0 || count < 10, "{label}: there was no such reference");
    }
    Ok(())
}
