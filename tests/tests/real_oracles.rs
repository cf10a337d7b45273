//! What relobox makes of real modules is what GNU ld and lld make of them, at the same addresses and with the
//! same symbol values.
//!
//! Needs `tests/scripts/fetch-corpora` and `tests/scripts/install-oracles`, and `RELOBOX_ORACLES` set to
//! the number of modules to take from each corpus. `RELOBOX_SEED` takes others.

use anyhow::{Context, Result, ensure};
use object::elf;
use relobox_needs::{ExitCode, oracles, test};
use relobox_tests::corpus::{self, Corpus};
use relobox_tests::oracle::compare::{self, Agreement};
use relobox_tests::oracle::references::{self, ResolvedReferences};
use relobox_tests::oracle::{self, Image, Job, Target, bfd, layout, lld};
use relobox_tests::real::image;
use std::path::Path;

type Linker = fn(&Job, &Path) -> Result<Image>;
const LINKERS: [(&str, Linker); 2] = [("GNU ld", bfd::link), ("lld", lld::link)];

/// Beyond the reach of an `adrp`, an `auipc` and a `brasl`.
const FAR: u64 = 64 << 30;

fn main() -> ExitCode {
    let near = |name: &'static str| test(name, move || near(name)).needs(oracle::corpus(name));
    let far = [
        test!(arm64_beyond_branches).needs(oracle::corpus("arm64")),
        test!(arm64_far).needs(oracle::corpus("arm64")),
        test!(s390x_far_data).needs(oracle::corpus("s390x")),
        test!(s390x_far).needs([oracles()]).needs(corpus::needs("s390x")),
        test!(riscv64_far).needs([oracles()]).needs(corpus::needs("riscv64")),
    ];
    relobox_needs::run(corpus::NAMES.map(near).into_iter().chain(far))
}

/// Branches reach 128 MiB; 3 GiB away is beyond that and within an `adrp`.
fn arm64_beyond_branches() -> Result<()> {
    far("arm64", 3 << 30, &[elf::R_AARCH64_CALL26, elf::R_AARCH64_JUMP26], &LINKERS)
}

fn arm64_far() -> Result<()> {
    far("arm64", FAR, &[elf::R_AARCH64_CALL26, elf::R_AARCH64_JUMP26], &LINKERS)
}

fn s390x_far_data() -> Result<()> {
    far("s390x", FAR, &[elf::R_390_GOTENT], &LINKERS)
}

/// A static linker makes no PLT for an absolute symbol, so here the symbol's value alone is the judge.
fn s390x_far() -> Result<()> {
    far("s390x", FAR, &[elf::R_390_GOTENT, elf::R_390_PLT32DBL], &[])
}

/// As for s390x.
fn riscv64_far() -> Result<()> {
    far("riscv64", FAR, &[elf::R_RISCV_CALL, elf::R_RISCV_CALL_PLT, elf::R_RISCV_GOT_HI20], &[])
}

/// Everything is within reach of everything.
fn near(name: &str) -> Result<()> {
    let (corpus, count) = (Corpus::get(name)?, oracle::sample_size()?);
    let dir = tempfile::tempdir()?;
    let mut totals = [Agreement::default(), Agreement::default()];
    let sample = corpus.sample(seed(), count);
    for module in &sample {
        let elf = module.elf()?;
        let path = dir.path().join("module.ko");
        std::fs::write(&path, &elf)?;
        let target = Target::of(&elf)?;
        let job = layout::sequential(&path, &elf, layout::customary_base(target))?;
        judge(&module.name(), &job, &elf, &LINKERS, &mut totals, dir.path())?;
    }
    report(name, "near", sample.len(), &LINKERS, &totals)?;
    // x86-64 and MIPS have nothing indirect.
    let direct = name.contains("amd64") || name.contains("mips");
    let indirect: usize = totals.iter().map(|total| total.indirect).sum();
    ensure!(!direct || indirect == 0, "{name}: {indirect} fields are not equal");
    Ok(())
}

/// Symbols that only relocations of `types` refer to are `distance` away.
fn far(name: &str, distance: u64, types: &[elf::RelocationType], linkers: &[(&str, Linker)]) -> Result<()> {
    let (corpus, count) = (Corpus::get(name)?, oracle::sample_size()?);
    let dir = tempfile::tempdir()?;
    let mut totals = vec![Agreement::default(); linkers.len()];
    let mut resolved = ResolvedReferences::default();
    let sample = corpus.sample(seed(), count);
    for module in &sample {
        let elf = module.elf()?;
        let path = dir.path().join("module.ko");
        std::fs::write(&path, &elf)?;
        let target = Target::of(&elf)?;
        let mut job = layout::sequential(&path, &elf, layout::customary_base(target))?;
        let near = references::of_other_types(&elf, types)?;
        for symbol in job.symbols.iter_mut().filter(|symbol| !near.contains(&symbol.0)) {
            symbol.1 = symbol.1.wrapping_add(distance);
        }
        let ours = judge(&module.name(), &job, &elf, linkers, &mut totals, dir.path())?;
        let found = references::resolve_all(&elf, &job, &ours, types).with_context(|| module.name())?;
        resolved.direct += found.direct;
        resolved.indirect += found.indirect;
    }
    report(name, &format!("{distance:#x} away"), sample.len(), linkers, &totals)?;
    println!("{name}, {distance:#x} away: {} references lead directly, {} through", resolved.direct, resolved.indirect);
    ensure!(resolved.indirect > 0 || count < 10, "{name}: there was no such reference");
    Ok(())
}

/// Links `job` with relobox and all `linkers`, and notes what differs.
fn judge(
    name: &str,
    job: &Job,
    elf: &[u8],
    linkers: &[(&str, Linker)],
    totals: &mut [Agreement],
    dir: &Path,
) -> Result<Image> {
    let ours = image::link(job).with_context(|| format!("relobox: {name}"))?;
    for ((label, link), total) in linkers.iter().zip(totals) {
        let theirs = link(job, dir).with_context(|| format!("{label}: {name}"))?;
        total.add(name, compare::images(job, elf, &ours, &theirs)?);
    }
    Ok(ours)
}

fn report(name: &str, distance: &str, modules: usize, linkers: &[(&str, Linker)], totals: &[Agreement]) -> Result<()> {
    for ((label, _), total) in linkers.iter().zip(totals) {
        println!(
            "{name}, {distance}, {label}: {modules} modules, {} sections, {} bytes, {} fields lead to the same place \
             in another way, {} differences",
            total.sections,
            total.bytes,
            total.indirect,
            total.problems.len()
        );
    }
    for ((label, _), total) in linkers.iter().zip(totals) {
        let shown = total.problems.iter().take(30).cloned().collect::<Vec<_>>().join("\n");
        ensure!(total.problems.is_empty(), "{name}, {label}: {} differences\n{shown}", total.problems.len());
        ensure!(total.bytes > 0, "{name}, {label}: nothing was compared");
    }
    Ok(())
}

fn seed() -> u64 {
    std::env::var("RELOBOX_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1934)
}
