//! Debian's modules, damaged: each links, or is refused in so many words, as in `hostile_modules.rs`.
//!
//! Needs `tests/scripts/fetch-corpora`, and `RELOBOX_ORACLES` set.

mod verdict;

use anyhow::Result;
use relobox_needs::{ExitCode, oracles, test};
use relobox_tests::corpus::{self, Corpus};
use verdict::{mutations, report};

fn main() -> ExitCode {
    let of = |name: &'static str| test(name, move || damaged(name)).needs([oracles()]).needs(corpus::needs(name));
    relobox_needs::run(corpus::names().map(of))
}

fn damaged(name: &str) -> Result<()> {
    let corpus = Corpus::get(name)?;
    let files = corpus.sample(2002, 3).into_iter().map(|module| Ok((module.name(), module.elf()?)));
    report(&mutations(&files.collect::<Result<Vec<_>>>()?));
    Ok(())
}
