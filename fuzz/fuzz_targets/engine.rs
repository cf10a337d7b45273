//! The engine under libFuzzer. An input is a binary file, or the text of a `relobox fuzz --engine` input.
#![no_main]

use libfuzzer_sys::{fuzz_mutator, fuzz_target};
use relobox_fuzz::engine::EngineTarget;
use std::sync::OnceLock;

/// The size of the ELF header in class 64.
const HEADER: usize = 64;

fn target() -> &'static EngineTarget {
    static TARGET: OnceLock<EngineTarget> = OnceLock::new();
    TARGET.get_or_init(|| EngineTarget::new(Vec::new()).unwrap_or_else(|e| panic!("{e}")))
}

fuzz_target!(|data: &[u8]| relobox_libfuzzer::execute(target(), &relobox_libfuzzer::read_file(target(), data)));

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    relobox_libfuzzer::mutate_file(target(), HEADER, (data, size, max_size), seed)
});
