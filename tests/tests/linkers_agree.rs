//! Do the oracles agree with each other on real modules? Where two independent linkers do, relobox has
//! no excuse; where they do not, the difference is listed here, so that it is not taken for a bug.
//!
//! Needs `tests/scripts/fetch-corpora` and `tests/scripts/install-oracles`, and `RELOBOX_ORACLES` set to
//! the number of modules to take from each corpus.

use anyhow::{Context, Result, ensure};
use relobox_needs::{ExitCode, test};
use relobox_tests::corpus::{self, Corpus};
use relobox_tests::oracle::compare::{self, Agreement};
use relobox_tests::oracle::{self, Target, bfd, layout, lld};

fn main() -> ExitCode {
    let of = |name: &'static str| test(name, move || check(name)).needs(oracle::corpus(name));
    // There is nothing to compare where only one of them knows the architecture.
    let both = |name: &&str| {
        let variants = corpus::architecture(name).variants;
        variants.iter().any(|v| v.gnu_ld.is_some() && v.lld.is_some())
    };
    relobox_needs::run(corpus::names().filter(both).map(of))
}

fn check(name: &str) {
    if let Err(error) = compare(name) {
        panic!("{name}: {error:#}");
    }
}

fn compare(name: &str) -> Result<()> {
    let (count, corpus) = (oracle::sample_size()?, Corpus::get(name)?);
    let dir = tempfile::tempdir()?;
    let dir = dir.path();
    let (mut modules, mut total) = (0, Agreement::default());
    for module in corpus.sample(2002, count) {
        let elf = module.elf()?;
        let path = dir.join("module.ko");
        std::fs::write(&path, &elf)?;
        let target = Target::of(&elf)?;
        let job = layout::sequential(&path, &elf, target.variant.base)?;
        let context = || module.name();
        let left = bfd::link(&job, dir).with_context(context)?;
        let right = lld::link(&job, dir).with_context(context)?;
        modules += 1;
        total.add(&module.name(), compare::images(&job, &elf, &left, &right)?);
    }
    println!(
        "{name}: {modules} modules, {} sections, {} bytes, {} fields that lead to the same place in different ways",
        total.sections, total.bytes, total.indirect
    );
    let shown = total.problems.iter().take(30).cloned().collect::<Vec<_>>().join("\n");
    ensure!(total.problems.is_empty(), "{} differences, GNU ld and lld\n{shown}", total.problems.len());
    Ok(())
}
