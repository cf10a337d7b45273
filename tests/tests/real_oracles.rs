//! What relobox makes of real modules is what GNU ld and lld make of them, at the same addresses and with the
//! same symbol values.
//!
//! Needs `tests/scripts/fetch-corpora` and `tests/scripts/install-oracles`, and `RELOBOX_ORACLES` set to
//! the number of modules to take from each corpus. `RELOBOX_SEED` takes others.

use anyhow::{Context, Result, ensure};
use object::elf;
use relobox_needs::{ExitCode, oracles, test};
use relobox_tests::arch::{self, Far};
use relobox_tests::corpus::{self, Corpus};
use relobox_tests::oracle::compare::{self, Agreement};
use relobox_tests::oracle::references::{self, ResolvedReferences};
use relobox_tests::oracle::{self, Image, Job, Target, bfd, layout, lld};
use relobox_tests::real::image;
use std::path::Path;

/// GNU ld makes the table of contents of ELFv1 itself, wherever `.toc` is and whatever `.TOC.` is given: its fields count
/// from elsewhere. Golden vectors judge them.
const NOT_COMPARED: &[&str] = &["built-powerpc64v1"];

type Linker = fn(&Job, &Path) -> Result<Image>;

/// Returns the linkers that know the machine of a corpus, whose modules are all for one.
fn linkers_of(corpus: &Corpus) -> Result<Vec<(&'static str, Linker)>> {
    let target = Target::of(&corpus.modules.first().context("a module")?.elf()?)?;
    let ld = target.variant.gnu_ld.map(|_| ("GNU ld", bfd::link as Linker));
    let lld = target.variant.lld.map(|_| ("lld", lld::link as Linker));
    Ok(ld.into_iter().chain(lld).collect())
}

fn main() -> ExitCode {
    let near = |name: &'static str| test(name, move || near(name)).needs(oracle::corpus(name));
    let all = arch::ALL.iter().flat_map(|arch| {
        arch.corpora.first().into_iter().flat_map(|corpus| arch.far.iter().map(move |far| (*corpus, far)))
    });
    let far = all.map(|(name, f)| {
        let needs =
            if f.linkers { oracle::corpus(name) } else { corpus::needs(name).into_iter().chain([oracles()]).collect() };
        test(format!("{name}, types {:?} {:#x} away", f.types, f.distance), move || far(name, f)).needs(needs)
    });
    let compared = corpus::names().filter(|name| !NOT_COMPARED.contains(name));
    relobox_needs::run(compared.map(near).chain(far))
}

/// Everything is within reach of everything.
fn near(name: &str) -> Result<()> {
    let (corpus, count) = (Corpus::get(name)?, oracle::sample_size()?);
    let dir = tempfile::tempdir()?;
    let linkers = linkers_of(&corpus)?;
    let mut totals = vec![Agreement::default(); linkers.len()];
    let sample = corpus.sample(seed(), count);
    for module in &sample {
        let elf = module.elf()?;
        let path = dir.path().join("module.ko");
        std::fs::write(&path, &elf)?;
        let target = Target::of(&elf)?;
        let job = layout::sequential(&path, &elf, target.variant.base)?;
        judge(&module.name(), &job, &elf, &linkers, &mut totals, dir.path())?;
    }
    report(name, "near", sample.len(), &linkers, &totals)?;
    let direct = corpus::architecture(name).variants.iter().all(|variant| variant.direct);
    let indirect: usize = totals.iter().map(|total| total.indirect).sum();
    ensure!(!direct || indirect == 0, "{name}: {indirect} fields are not equal");
    Ok(())
}

/// Symbols to which only some types refer are far away. Where linkers cannot do the same (a static linker makes no PLT
/// for an absolute symbol), the symbol's value alone is the judge.
fn far(name: &str, &Far { distance, types, linkers }: &Far) -> Result<()> {
    let types: Vec<_> = types.iter().map(|kind| elf::RelocationType(*kind)).collect();
    let (corpus, count) = (Corpus::get(name)?, oracle::sample_size()?);
    let (types, linkers) = (types.as_slice(), if linkers { linkers_of(&corpus)? } else { Vec::new() });
    let dir = tempfile::tempdir()?;
    let mut totals = vec![Agreement::default(); linkers.len()];
    let mut resolved = ResolvedReferences::default();
    let sample = corpus.sample(seed(), count);
    for module in &sample {
        let elf = module.elf()?;
        let path = dir.path().join("module.ko");
        std::fs::write(&path, &elf)?;
        let target = Target::of(&elf)?;
        let mut job = layout::sequential(&path, &elf, target.variant.base)?;
        let near = references::of_other_types(&elf, types)?;
        for symbol in job.symbols.iter_mut().filter(|symbol| !near.contains(&symbol.0)) {
            symbol.1 = symbol.1.wrapping_add(distance);
        }
        let ours = judge(&module.name(), &job, &elf, &linkers, &mut totals, dir.path())?;
        let found = references::resolve_all(&elf, &job, &ours, types).with_context(|| module.name())?;
        resolved.direct += found.direct;
        resolved.indirect += found.indirect;
    }
    report(name, &format!("{distance:#x} away"), sample.len(), &linkers, &totals)?;
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
