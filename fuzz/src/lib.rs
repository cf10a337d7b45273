//! Code that all targets share: the counters of a guest become libFuzzer's counters, and findings become crashes.
//!
//! Nothing here needs coverage from the compiler, since the guest is instrumented by [`relobox_fuzz::instrument`]. So
//! any toolchain will do.

use relobox::rng::Rng;
use relobox_fuzz::target::{Coverage, FuzzTarget};
use std::sync::Mutex;

/// The number of counter bytes that libFuzzer sees; no guest has more.
const COUNTERS: usize = 1 << 16;

/// The section in which libFuzzer looks for additional counters, on Linux.
#[used]
#[allow(unsafe_code, reason = "libFuzzer finds counters by their section")]
#[unsafe(link_section = "__libfuzzer_extra_counters")]
static mut EXTRA: [u8; COUNTERS] = [0; COUNTERS];

/// Only one execution at a time may write the counters.
static BUSY: Mutex<()> = Mutex::new(());

/// Runs one input. A suspicion that reproduces on the original guest ends the process.
pub fn execute<S: FuzzTarget>(target: &S, input: &S::Input) {
    let (edges, comparisons) = target.map_sizes();
    assert!(edges + comparisons <= COUNTERS, "{} counts more than there is room for", target.name());
    let suspicion = {
        let _alone = BUSY.lock();
        #[allow(unsafe_code, reason = "the counters are libFuzzer's")]
        // SAFETY: libFuzzer reads and clears the counters only between executions, and no other code here refers to
        // them.
        let counters: &mut [u8] = unsafe { std::slice::from_raw_parts_mut((&raw mut EXTRA).cast(), COUNTERS) };
        let (edges, comparisons) = counters[..edges + comparisons].split_at_mut(edges);
        target.execute(input, Coverage { edges, comparisons })
    };
    let Some(suspicion) = suspicion else { return };
    let Some(found) = target.reproduce(input, Some(suspicion.oracle)) else { return };
    let remarks = [format!("oracle {}", found.oracle), format!("about {}", found.about), found.detail.clone()];
    eprintln!("{}", target.write(input, &remarks));
    panic!("{}: {}: {}", target.name(), found.oracle, found.detail);
}

/// Mutates an input as `relobox fuzz` does; the same seed makes the same change.
pub fn mutate<S: FuzzTarget>(target: &S, input: &mut S::Input, other: Option<&S::Input>, seed: u32) {
    target.mutate(input, other, &mut Rng::new(seed.into()));
}

/// Copies `bytes` into libFuzzer's buffer if they fit, and returns the length of the input.
pub fn give(bytes: &[u8], data: &mut [u8], size: usize, max_size: usize) -> usize {
    match data.get_mut(..bytes.len()).filter(|_| bytes.len() <= max_size) {
        Some(room) => {
            room.copy_from_slice(bytes);
            bytes.len()
        }
        None => size,
    }
}
