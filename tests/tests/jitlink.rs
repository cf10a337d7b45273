//! llvm-jitlink accepts kernel modules the way the benchmark runs it.
//!
//! Needs `tests/scripts/fetch-corpora`, `tests/scripts/install-oracles` and `RELOBOX_ORACLES`.

use anyhow::{Context, Result};
use relobox_needs::{ExitCode, oracles, test};
use relobox_tests::arch::{self, Architecture};
use relobox_tests::corpus::{self, Corpus};
use relobox_tests::oracle::{self, jitlink, layout};

fn main() -> ExitCode {
    let of = |name| [oracles(), jitlink::need()].into_iter().chain(corpus::needs(name));
    relobox_needs::run([
        test!(links_x86_64_modules_of_every_size).needs(of("amd64")),
        test!(links_other_targets).needs(others().into_iter().flat_map(of)),
    ])
}

fn links_x86_64_modules_of_every_size() -> Result<()> {
    check("amd64", &["amdgpu", "xfs", "dm_zero"])
}

/// The corpora of the other architectures that it knows.
fn others() -> Vec<&'static str> {
    let of = |arch: &&Architecture| arch.variants[0].jitlink && arch.name != "x86_64";
    arch::ALL.iter().copied().filter(of).filter_map(|arch| arch.corpora.first().copied()).collect()
}

fn links_other_targets() -> Result<()> {
    others().into_iter().try_for_each(|name| check(name, &["xfs", "dm_zero"]))
}

fn check(name: &str, modules: &[&str]) -> Result<()> {
    let corpus = Corpus::get(name)?;
    let dir = tempfile::tempdir()?;
    for name in modules {
        let module = corpus.module(name).with_context(|| format!("no module {name}"))?;
        let elf = module.elf()?;
        let path = dir.path().join(format!("{name}.ko"));
        std::fs::write(&path, &elf)?;
        let target = oracle::Target::of(&elf)?;
        let job = layout::sequential(&path, &elf, target.variant.base)?;
        jitlink::link(&job, dir.path()).with_context(|| format!("{target:?} {name}"))?;
    }
    Ok(())
}
