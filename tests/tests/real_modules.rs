//! Every module of every corpus links: nothing that Debian ships is rejected.
//!
//! Needs `tests/scripts/fetch-corpora`, and `RELOBOX_ORACLES` set. `RELOBOX_MODULES` limits how many modules of
//! each corpus are taken, or of one of them: `all,riscv64=300`.

use anyhow::{Result, ensure};
use relobox_needs::{ExitCode, oracles, test};
use relobox_tests::corpus::{self, Corpus};
use relobox_tests::real::dry;

/// Threads for each corpus; the tests of other corpora run beside it.
const THREADS: usize = 1;

fn main() -> ExitCode {
    let of =
        |name: &'static str| test(name, move || every_module_links(name)).needs([oracles()]).needs(corpus::needs(name));
    relobox_needs::run(corpus::names().map(of))
}

fn every_module_links(name: &str) -> Result<()> {
    let corpus = Corpus::get(name)?;
    let sample = corpus.sample(64, corpus::limit(name, usize::MAX)?);
    let counts = dry::link_all(&sample, THREADS)?;
    println!(
        "{name}: {} of {} modules, {} linked, {} rejected, {} relocations, {} bytes of GOT, PLT and veneers",
        sample.len(),
        corpus.modules.len(),
        counts.linked,
        counts.rejected.len(),
        counts.relocations,
        counts.synthetic
    );
    ensure!(counts.linked + counts.rejected.len() == sample.len(), "{name}: some modules were lost");
    ensure!(counts.relocations > sample.len(), "{name}: hardly any relocation");
    let shown = counts.rejected.iter().take(30).cloned().collect::<Vec<_>>().join("\n");
    ensure!(counts.rejected.is_empty(), "{name}: {} rejected\n{shown}", counts.rejected.len());
    Ok(())
}
