//! The unpacker under libFuzzer. An input is a packed file, or the text of a `relobox fuzz --unpack` input.
#![no_main]

use libfuzzer_sys::{fuzz_mutator, fuzz_target};
use relobox_fuzz::BytesInput;
use relobox_fuzz::engine::unpacker::UnpackerTarget;
use relobox_fuzz::target::FuzzTarget as _;
use std::sync::OnceLock;

/// The size of the shortest header: gzip's is 10 bytes, xz's 12, zstd's 6.
const HEADER: usize = 6;

fn target() -> &'static UnpackerTarget {
    static TARGET: OnceLock<UnpackerTarget> = OnceLock::new();
    TARGET.get_or_init(|| UnpackerTarget::new(Vec::new()).unwrap_or_else(|e| panic!("{e}")))
}

fn read(data: &[u8]) -> BytesInput {
    let text = std::str::from_utf8(data).ok().and_then(|text| target().read(text).ok());
    text.unwrap_or_else(|| data.to_vec().into())
}

fuzz_target!(|data: &[u8]| relobox_libfuzzer::execute(target(), &read(data)));

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let target = target();
    // An input that is shorter than any header would be refused at once, so begin with a seed.
    let mut file = match size < HEADER && !seed.is_multiple_of(4) {
        true => {
            let seeds = target.seeds();
            seeds[seed as usize % seeds.len()].clone()
        }
        false => read(&data[..size]),
    };
    relobox_libfuzzer::mutate(target, &mut file, None, seed);
    relobox_libfuzzer::give(file.as_ref(), data, size, max_size)
});
