//! Code that all targets share: the counters of a guest become libFuzzer's counters, and findings become crashes.
//!
//! Nothing here needs coverage from the compiler, since the guest is instrumented by [`relobox_fuzz::instrument`]. So
//! any toolchain will do.

use relobox::rng::Rng;
use relobox_fuzz::BytesInput;
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

/// Reads an input of a target whose inputs are files: as `relobox fuzz` writes it, or the file itself.
pub fn read_file<S: FuzzTarget<Input = BytesInput>>(target: &S, data: &[u8]) -> BytesInput {
    let text = std::str::from_utf8(data).ok().and_then(|text| target.read(text).ok());
    text.unwrap_or_else(|| data.to_vec().into())
}

/// Mutates the file in libFuzzer's buffer, and returns its new length. A file that is shorter than `header` bytes would be
/// refused at once, so most of these are replaced by a seed.
pub fn mutate_file<S: FuzzTarget<Input = BytesInput>>(
    target: &S,
    header: usize,
    (data, size, max_size): (&mut [u8], usize, usize),
    seed: u32,
) -> usize {
    let mut file = match size < header && !seed.is_multiple_of(4) {
        true => {
            let seeds = target.seeds();
            seeds[seed as usize % seeds.len()].clone()
        }
        false => read_file(target, &data[..size]),
    };
    mutate(target, &mut file, None, seed);
    give(file.as_ref(), data, size, max_size)
}
