//! Runs a test for many things at a time.

use anyhow::Result;
use relobox::parallel::{map, processors};
use std::fmt::Debug;

/// Runs `test` for each of `items`, named by `name`, on as many threads as there are processors. Returns a line for each
/// that failed.
///
/// # Panics
/// If `test` does.
pub fn failures<T: Sync, N: Debug>(
    items: &[T],
    name: impl Fn(&T) -> N + Sync,
    test: impl Fn(&T) -> Result<()> + Sync,
) -> Vec<String> {
    let failure = |item: &T| test(item).err().map(|error| format!("{:?}: {error:#}", name(item)));
    map(processors(), items, failure).into_iter().flatten().collect()
}
