//! Prerequisites of the tests that ask oracles.

use super::job::Target;
use super::lld;
use super::tool::gnu_ld;
use crate::corpus;
use anyhow::{Context, Result};
use relobox_needs::Need;

/// Returns the number of modules that the oracle tests take from each corpus, as set in `RELOBOX_ORACLES`. If the
/// variable is not set, tests that need [`relobox_needs::oracles`] do not run.
///
/// # Errors
/// If the variable is not set, or is not a number.
pub fn sample_size() -> Result<usize> {
    let value = std::env::var("RELOBOX_ORACLES").context("RELOBOX_ORACLES is not set")?;
    value.parse().with_context(|| format!("RELOBOX_ORACLES is a number of modules, not {value}"))
}

/// Returns what a test needs that asks GNU ld and lld about objects for `targets`.
pub fn linkers(targets: &[Target]) -> Vec<Need> {
    let gnu = targets.iter().map(|target| relobox_needs::tool(gnu_ld(*target).0));
    [relobox_needs::oracles(), lld::need()].into_iter().chain(gnu).collect()
}

/// Returns what a test needs that asks GNU ld and lld about modules of corpus `name`.
pub fn corpus(name: &str) -> Vec<Need> {
    let targets: &[Target] = match name {
        _ if name.contains("amd64") => &[Target::X86_64],
        _ if name.contains("arm64") => &[Target::Aarch64],
        _ if name.contains("riscv64") => &[Target::Riscv64],
        _ if name.contains("s390x") => &[Target::S390x],
        _ if name.contains("mipsel") => &[Target::Mipsel],
        _ => panic!("which architecture is corpus {name} of?"),
    };
    linkers(targets).into_iter().chain(corpus::needs(name)).collect()
}

/// Returns what a test needs that asks GNU ld and lld about modules of every corpus.
pub fn every_corpus() -> Vec<Need> {
    let mut needs: Vec<Need> = corpus::NAMES.iter().flat_map(|name| corpus(name)).collect();
    needs.dedup();
    needs
}
