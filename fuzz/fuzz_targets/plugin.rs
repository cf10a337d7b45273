//! A relocation plugin under libFuzzer. An input is the text of a test case, as in the corpus of `relobox fuzz`.
//!
//! `RELOBOX_FUZZ_PLUGIN` names the plugin: a built-in one or a file. Otherwise the rest of the program's name behind
//! `plugin_` does, so that one program can serve several targets under several names.
#![no_main]

use libfuzzer_sys::{fuzz_mutator, fuzz_target};
use relobox::built_in;
use relobox::guests::Plugin;
use relobox::plugin_file::Origin;
use relobox::sandbox::Sandbox;
use relobox_fuzz::plugin::PluginTarget;
use relobox_fuzz::target::FuzzTarget as _;
use std::sync::OnceLock;

fn chosen() -> String {
    let own = std::env::args().next().unwrap_or_default();
    let own = own.rsplit('/').next().and_then(|name| name.strip_prefix("plugin_")).map(str::to_owned);
    std::env::var("RELOBOX_FUZZ_PLUGIN").ok().or(own).unwrap_or_else(|| "x86_64".to_owned())
}

fn target() -> &'static PluginTarget<'static> {
    static TARGET: OnceLock<PluginTarget<'static>> = OnceLock::new();
    TARGET.get_or_init(|| {
        let name = chosen();
        let wasm = match built_in::wasm_of(&name) {
            Some(wasm) => wasm.to_vec(),
            None => std::fs::read(&name).unwrap_or_else(|e| panic!("{name}: {e}")),
        };
        let sandbox = Sandbox::new(None).expect("a sandbox");
        let guest = sandbox.load(&name, &wasm).unwrap_or_else(|e| panic!("{e}"));
        let plugin = Plugin::describe(guest, Origin::BuiltIn).unwrap_or_else(|e| panic!("{e}"));
        let plugin: &'static Plugin = Box::leak(Box::new(plugin));
        PluginTarget::new(plugin, &wasm, None, true).unwrap_or_else(|e| panic!("{e}"))
    })
}

fuzz_target!(|data: &[u8]| {
    if let Some(module) = std::str::from_utf8(data).ok().and_then(|text| target().read(text).ok()) {
        relobox_libfuzzer::execute(target(), &module);
    }
});

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let target = target();
    let read = std::str::from_utf8(&data[..size]).ok().and_then(|text| target.read(text).ok());
    // An input that is not a test case is replaced by a seed.
    let mut module = match read {
        Some(module) => module,
        None => {
            let seeds = target.seeds();
            seeds[seed as usize % seeds.len()].clone()
        }
    };
    relobox_libfuzzer::mutate(target, &mut module, None, seed);
    relobox_libfuzzer::give(target.write(&module, &[]).as_bytes(), data, size, max_size)
});
