//! The unpacker under libFuzzer. An input is a packed file, or the text of a `relobox fuzz --unpack` input.
#![no_main]

use libfuzzer_sys::{fuzz_mutator, fuzz_target};
use relobox_fuzz::engine::unpacker::UnpackerTarget;
use std::sync::OnceLock;

/// The size of the shortest header: gzip's is 10 bytes, xz's 12, zstd's 6.
const HEADER: usize = 6;

fn target() -> &'static UnpackerTarget {
    static TARGET: OnceLock<UnpackerTarget> = OnceLock::new();
    TARGET.get_or_init(|| UnpackerTarget::new(Vec::new()).unwrap_or_else(|e| panic!("{e}")))
}

fuzz_target!(|data: &[u8]| relobox_libfuzzer::execute(target(), &relobox_libfuzzer::read_file(target(), data)));

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    relobox_libfuzzer::mutate_file(target(), HEADER, (data, size, max_size), seed)
});
