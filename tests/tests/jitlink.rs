//! llvm-jitlink accepts kernel modules the way the benchmark runs it.
//!
//! Needs `tests/scripts/fetch-corpora`, `tests/scripts/install-oracles` and `RELOBOX_ORACLES`.

use anyhow::{Context, Result};
use relobox_tests::corpus::Corpus;
use relobox_tests::oracle::{self, jitlink, layout};

#[test]
fn links_x86_64_modules_of_every_size() -> Result<()> {
    check("amd64", &["amdgpu", "xfs", "dm_zero"])
}

#[test]
fn links_other_targets() -> Result<()> {
    check("arm64", &["xfs", "dm_zero"])?;
    check("riscv64", &["xfs", "dm_zero"])?;
    check("s390x", &["xfs", "dm_zero"])
}

fn check(name: &str, modules: &[&str]) -> Result<()> {
    let Some(corpus) = oracle::wanted().and_then(|_| Corpus::open(name).transpose()).transpose()? else {
        println!("skipped: RELOBOX_ORACLES is not set, or there is no corpus {name}");
        return Ok(());
    };
    let dir = tempfile::tempdir()?;
    for name in modules {
        let module = corpus.module(name).with_context(|| format!("no module {name}"))?;
        let elf = module.elf()?;
        let path = dir.path().join(format!("{name}.ko"));
        std::fs::write(&path, &elf)?;
        let target = oracle::Target::of(&elf)?;
        let job = layout::sequential(&path, &elf, layout::customary_base(target))?;
        jitlink::link(&job, dir.path()).with_context(|| format!("{target:?} {name}"))?;
    }
    Ok(())
}
