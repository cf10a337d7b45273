//! Replays the fuzzing corpus of every shipped plugin: no case is suspicious, and each is linked or refused as
//! recorded. `RELOBOX_BLESS=1` records the current outcomes.

use relobox_fuzz::plugin::PluginTarget;
use relobox_fuzz::target::FuzzTarget as _;
use relobox_guests as built_in;
use relobox_kit::{Expected, TestCase};
use relobox_link::guests::Plugin;
use relobox_link::sandbox::Sandbox;
use relobox_plugins::plugin_file::Origin;
use std::path::{Path, PathBuf};

/// The cases of a plugin, sorted by name.
fn cases(plugin: &str) -> Vec<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fuzz-corpus").join(plugin);
    let entries = std::fs::read_dir(&dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display()));
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    paths
}

#[test]
fn the_corpus_has_the_recorded_outcomes() {
    let bless = std::env::var_os("RELOBOX_BLESS").is_some();
    let sandbox = Sandbox::new(None).expect("a sandbox");
    for (name, wasm) in built_in::plugins() {
        let guest = sandbox.load(name, wasm).expect(name);
        let plugin = Plugin::describe(guest, Origin::BuiltIn).expect(name);
        let target = PluginTarget::new(&plugin, wasm, None, false).expect(name);
        let (mut linked, mut refused) = (0, 0);
        for path in cases(name) {
            let text = std::fs::read_to_string(&path).expect("a case");
            let mut test_case: TestCase = text.parse().unwrap_or_else(|e| panic!("{}: {e}", path.display()));
            if bless {
                test_case.expected = Expected::of(&target.outcome(&test_case.module));
                std::fs::write(&path, test_case.to_string()).expect("a case");
            }
            assert_eq!(target.replay(&test_case), None, "{}", path.display());
            match test_case.expected {
                Some(Expected::Linked { .. }) => linked += 1,
                Some(Expected::Refused(_)) => refused += 1,
                None => panic!("{}: nothing is expected of it", path.display()),
            }
        }
        // The inputs with which fuzzing starts if there is no corpus.
        let seeds = target.seeds();
        seeds
            .iter()
            .for_each(|module| assert_eq!(target.reproduce(module, None), None, "{}", target.write(module, &[])));
        println!("{name}: {} seeds; {linked} cases linked, {refused} refused", seeds.len());
        assert!(linked > 0 && refused > 5, "{name}: {linked} cases linked, {refused} refused");
    }
}
