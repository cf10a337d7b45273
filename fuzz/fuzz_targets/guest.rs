//! A guest under libFuzzer: one program for all targets, since linking it is most of the work of building one.
//!
//! `RELOBOX_FUZZ_GUEST` names the target: `engine`, `unpack`, or a plugin, a built-in one or a file. Otherwise the
//! program's own name does: `engine`, `unpack` or `plugin_NAME`.
#![no_main]

use libfuzzer_sys::{fuzz_mutator, fuzz_target};
use relobox::built_in;
use relobox::guests::Plugin;
use relobox::plugin_file::Origin;
use relobox::sandbox::Sandbox;
use relobox_fuzz::engine::EngineTarget;
use relobox_fuzz::engine::unpacker::UnpackerTarget;
use relobox_fuzz::plugin::PluginTarget;
use relobox_fuzz::target::FuzzTarget as _;
use relobox_libfuzzer::{execute, give, mutate, mutate_file, read_file};
use std::sync::OnceLock;

/// The size of the ELF header in class 64.
const ELF_HEADER: usize = 64;

/// The size of the shortest header of a packed file: gzip's is 10 bytes, xz's 12, zstd's 6.
const PACKED_HEADER: usize = 6;

enum Guest {
    /// An input is a binary file, or the text of a `relobox fuzz --engine` input.
    Engine(EngineTarget),
    /// An input is a packed file, or the text of a `relobox fuzz --unpack` input.
    Unpacker(UnpackerTarget),
    /// An input is the text of a test case, as in the corpus of `relobox fuzz`.
    Plugin(Box<PluginTarget<'static>>),
}

fn chosen() -> String {
    let own = std::env::args().next().unwrap_or_default();
    let own = own.rsplit('/').next().unwrap_or_default();
    let own = own.strip_prefix("plugin_").unwrap_or(own).to_owned();
    std::env::var("RELOBOX_FUZZ_GUEST").unwrap_or(own)
}

fn guest() -> &'static Guest {
    static GUEST: OnceLock<Guest> = OnceLock::new();
    GUEST.get_or_init(|| match chosen().as_str() {
        "engine" => Guest::Engine(EngineTarget::new(Vec::new()).unwrap_or_else(|e| panic!("{e}"))),
        "unpack" => Guest::Unpacker(UnpackerTarget::new(Vec::new()).unwrap_or_else(|e| panic!("{e}"))),
        name => Guest::Plugin(Box::new(plugin(name))),
    })
}

fn plugin(name: &str) -> PluginTarget<'static> {
    let wasm = match built_in::wasm_of(name) {
        Some(wasm) => wasm.to_vec(),
        None => std::fs::read(name).unwrap_or_else(|e| panic!("RELOBOX_FUZZ_GUEST: {name}: {e}")),
    };
    let sandbox = Sandbox::new(None).expect("a sandbox");
    let guest = sandbox.load(name, &wasm).unwrap_or_else(|e| panic!("{e}"));
    let plugin = Plugin::describe(guest, Origin::BuiltIn).unwrap_or_else(|e| panic!("{e}"));
    let plugin: &'static Plugin = Box::leak(Box::new(plugin));
    PluginTarget::new(plugin, &wasm, None, true).unwrap_or_else(|e| panic!("{e}"))
}

fuzz_target!(|data: &[u8]| match guest() {
    Guest::Engine(target) => execute(target, &read_file(target, data)),
    Guest::Unpacker(target) => execute(target, &read_file(target, data)),
    Guest::Plugin(target) => {
        if let Some(module) = std::str::from_utf8(data).ok().and_then(|text| target.read(text).ok()) {
            execute(&**target, &module);
        }
    }
});

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let target = match guest() {
        Guest::Engine(target) => return mutate_file(target, ELF_HEADER, (data, size, max_size), seed),
        Guest::Unpacker(target) => return mutate_file(target, PACKED_HEADER, (data, size, max_size), seed),
        Guest::Plugin(target) => &**target,
    };
    let read = std::str::from_utf8(&data[..size]).ok().and_then(|text| target.read(text).ok());
    // An input that is not a test case is replaced by a seed.
    let mut module = match read {
        Some(module) => module,
        None => {
            let seeds = target.seeds();
            seeds[seed as usize % seeds.len()].clone()
        }
    };
    mutate(target, &mut module, None, seed);
    give(target.write(&module, &[]).as_bytes(), data, size, max_size)
});
