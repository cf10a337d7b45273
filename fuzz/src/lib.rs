//! What the targets share: a guest's own counters as libFuzzer's, and the subject's oracles as its crashes.
//!
//! Nothing here is compiled with coverage of its own: what counts edges is the guest, rewritten by
//! [`relobox::fuzz::instrument`], so any toolchain will do.

use relobox::fuzz::target::{Coverage, FuzzTarget};
use relobox::rng::Rng;
use std::sync::Mutex;

/// Edges and comparisons that libFuzzer may see; more than the largest guest has.
const COUNTERS: usize = 1 << 16;

/// Where libFuzzer looks for counters that are not its compiler's, on Linux.
#[used]
#[allow(unsafe_code, reason = "libFuzzer finds counters by their section")]
#[unsafe(link_section = "__libfuzzer_extra_counters")]
static mut EXTRA: [u8; COUNTERS] = [0; COUNTERS];

/// One execution at a time writes the counters.
static BUSY: Mutex<()> = Mutex::new(());

/// Runs one input. What an oracle says, and the original guest bears out, ends the process.
pub fn execute<S: FuzzTarget>(target: &S, input: &S::Input) {
    let (edges, comparisons) = target.map_sizes();
    assert!(edges + comparisons <= COUNTERS, "{} counts more than there is room for", target.name());
    let suspicion = {
        let _alone = BUSY.lock();
        #[allow(unsafe_code, reason = "the counters are libFuzzer's")]
        // SAFETY: libFuzzer reads and clears the counters between executions only, and nobody else here refers to them.
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

/// Changes an input as `relobox fuzz` does; the same seed makes the same change.
pub fn mutate<S: FuzzTarget>(target: &S, input: &mut S::Input, other: Option<&S::Input>, seed: u32) {
    target.mutate(input, other, &mut Rng::new(seed.into()));
}

/// Puts `bytes` into libFuzzer's buffer, if they fit; its new length.
pub fn give(bytes: &[u8], data: &mut [u8], size: usize, max_size: usize) -> usize {
    match data.get_mut(..bytes.len()).filter(|_| bytes.len() <= max_size) {
        Some(room) => {
            room.copy_from_slice(bytes);
            bytes.len()
        }
        None => size,
    }
}
