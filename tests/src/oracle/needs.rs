//! Prerequisites of the tests that ask oracles.

use super::lld;
use crate::arch::Target;
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
    let gnu = targets.iter().filter_map(|target| target.variant.gnu_ld).map(|(ld, _)| relobox_needs::tool(ld));
    [relobox_needs::oracles(), lld::need()].into_iter().chain(gnu).collect()
}

/// Returns what a test needs that asks GNU ld and lld about modules of corpus `name`.
///
/// # Panics
/// If no architecture has it.
pub fn corpus(name: &str) -> Vec<Need> {
    let arch = corpus::architecture(name);
    let targets: Vec<Target> = arch.variants.iter().map(|variant| Target { arch, variant }).collect();
    linkers(&targets).into_iter().chain(corpus::needs(name)).collect()
}

/// Returns what a test needs that asks GNU ld and lld about modules of every corpus.
pub fn every_corpus() -> Vec<Need> {
    let mut needs: Vec<Need> = corpus::names().flat_map(corpus).collect();
    needs.dedup();
    needs
}
