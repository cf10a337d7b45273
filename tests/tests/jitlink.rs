//! llvm-jitlink accepts kernel modules the way the benchmark runs it.
//!
//! Needs `tests/scripts/fetch-corpora amd64`, `tests/scripts/install-oracles` and `RELOBOX_ORACLES`.

use anyhow::{Context, Result};
use relobox_tests::corpus::Corpus;
use relobox_tests::oracle::{self, jitlink, layout};

#[test]
fn links_modules_of_every_size() -> Result<()> {
    let Some(corpus) = oracle::wanted().and_then(|_| Corpus::open("amd64").transpose()).transpose()? else {
        println!("skipped: RELOBOX_ORACLES is not set, or there is no corpus amd64");
        return Ok(());
    };
    let dir = tempfile::tempdir()?;
    for name in ["amdgpu", "xfs", "dm_zero"] {
        let module = corpus.module(name).with_context(|| format!("no module {name}"))?;
        let elf = module.elf()?;
        let path = dir.path().join(format!("{name}.ko"));
        std::fs::write(&path, &elf)?;
        let base = layout::customary_base(oracle::Target::X86_64);
        let job = layout::sequential(&path, &elf, base)?;
        jitlink::link(&job, dir.path()).with_context(|| name.to_owned())?;
    }
    Ok(())
}
