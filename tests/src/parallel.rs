//! Runs a test for many things at a time.

use anyhow::Result;
use std::fmt::Debug;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

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
    let (next, failed) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(|| {
                while let Some(item) = items.get(next.fetch_add(1, Ordering::SeqCst)) {
                    if let Err(error) = test(item) {
                        let line = format!("{:?}: {error:#}", name(item));
                        failed.lock().unwrap_or_else(PoisonError::into_inner).push(line);
                    }
                }
            });
        }
    });
    failed.into_inner().unwrap_or_else(PoisonError::into_inner)
}
