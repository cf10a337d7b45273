//! A reset instance has the state of a new one: memories, globals, tables, fuel. What cannot be reset is not used again.
#![allow(missing_docs)]

use relobox_fuzz::engine::EngineTarget;
use relobox_fuzz::engine::unpacker::UnpackerTarget;
use relobox_fuzz::instrument::{Instrumented, instrument};
use relobox_fuzz::plugin::{ModuleInput, PluginTarget};
use relobox_fuzz::target::{Coverage, FuzzTarget};
use relobox_guests as built_in;
use relobox_kit::{Outcome, TestCase, TestModule, run};
use relobox_link::guests::Plugin;
use relobox_link::sandbox::{Guest, Instance, Sandbox};
use relobox_plugins::plugin_file::Origin;
use std::path::Path;

/// A guest with every way to write: each store, at the end of a unit and of the memory; fill, copy and init, over
/// several units and none; a global; growth.
const WRITER: &str = r#"(module
  (memory (export "memory") 2 8)
  (global $sp (mut i32) (i32.const 65536))
  (global $wide (mut i64) (i64.const -1))
  (data (i32.const 1000) "initial contents")
  (data $passive "passive")
  (func (export "relobox_abi") (result i32) (i32.const 3))
  (func (export "state") (result i32) (i32.add (global.get $sp) (i32.wrap_i64 (global.get $wide))))
  (func (export "size") (result i32) (memory.size))
  (func (export "grow") (result i32) (memory.grow (i32.const 1)))
  (func (export "trap") (param $at i32) (result i32)
    (global.set $sp (i32.const 1))
    (i32.store (local.get $at) (i32.const -1))
    (unreachable))
  (func (export "write") (param $at i32) (result i32)
    (i32.store (local.get $at) (i32.const -1))
    (i32.store8 offset=3000 (local.get $at) (i32.const -1))
    (i32.store16 offset=4095 (local.get $at) (i32.const -1))
    (i64.store offset=5000 (local.get $at) (i64.const -1))
    (i64.store8 offset=6000 (local.get $at) (i64.const -1))
    (i64.store16 offset=7000 (local.get $at) (i64.const -1))
    (i64.store32 offset=8191 (local.get $at) (i64.const -1))
    (i64.store (i32.const 131064) (i64.const -1))
    (global.set $sp (i32.sub (global.get $sp) (local.get $at)))
    (global.set $wide (i64.extend_i32_u (local.get $at)))
    (global.get $sp))
  (func (export "fill") (param $at i32) (param $len i32) (result i32)
    (memory.fill (local.get $at) (i32.const 0xa5) (local.get $len))
    (i32.const 0))
  (func (export "copy") (param $at i32) (param $len i32) (result i32)
    (memory.copy (local.get $at) (i32.const 1000) (local.get $len))
    (i32.const 0))
  (func (export "init") (param $at i32) (param $len i32) (result i32)
    (memory.init $passive (local.get $at) (i32.const 0) (local.get $len))
    (i32.const 0)))"#;

const MEMORY: usize = 16 << 20;
const FUEL: u64 = 1_000_000;

fn load(wat: &str) -> (Guest, Instrumented) {
    let instrumented = instrument(&wat::parse_str(wat).expect("it is Wasm"), true).expect("it can be instrumented");
    (instrumented.load(&Sandbox::for_fuzzing().expect("a sandbox"), "writer").expect("it can be loaded"), instrumented)
}

/// Runs a job in an instance, and returns whether the next job gets the same instance. If so, it must be as new.
fn reused(guest: &Guest, what: &str, job: impl FnOnce(&mut Instance)) -> bool {
    let mut new = guest.instantiate(MEMORY, FUEL).expect("an instance");
    let jobs = new.jobs();
    let (memory, fuel) = (new.memory().to_vec(), new.fuel_used());
    let (counters, state, size) = (new.counters().to_vec(), new.call("state", ()), new.call("size", ()));
    job(&mut new);
    assert!(new.counters() != counters, "{what}: nothing was counted");
    new.recycle();
    let mut next = guest.instantiate(MEMORY, FUEL).expect("an instance");
    assert!(next.memory() == memory, "{what}: the memory differs");
    assert!(next.counters() == counters, "{what}: the counters differ");
    assert_eq!(next.fuel_used(), fuel, "{what}");
    assert_eq!(next.call("state", ()).ok(), state.ok(), "{what}");
    assert_eq!(next.call("size", ()).ok(), size.ok(), "{what}");
    let reused = next.jobs() == jobs + 1;
    next.recycle();
    reused
}

#[test]
fn everything_that_a_guest_writes_is_reset() {
    let (guest, _) = load(WRITER);
    // Around the ends of units and of pages, and both ends of the memory.
    let places = [0u32, 1, 505, 508, 511, 512, 1000, 1021, 65_530, 65_536, 120_000, 122_869];
    for at in places {
        assert!(reused(&guest, &format!("stores at {at}"), |i| assert!(i.call("write", (at,)).is_ok())));
        for len in [0u32, 1, 7, 16, 511, 512, 513, 1024, 9000, 131_072 - at] {
            for name in ["fill", "copy"] {
                let len = if name == "copy" { len.min(130_000) } else { len };
                assert!(reused(&guest, &format!("{name} of {len} at {at}"), |i| {
                    let _ = i.call(name, (at, len));
                }));
            }
        }
        assert!(reused(&guest, &format!("init at {at}"), |i| assert!(i.call("init", (at, 7u32)).is_ok())));
    }
    // Writes that trap, some after others that did not.
    for at in [131_065u32, 131_072, 1 << 24, u32::MAX - 8191, u32::MAX] {
        assert!(reused(&guest, &format!("stores at {at}"), |i| assert!(i.call("write", (at,)).is_err())));
        assert!(reused(&guest, &format!("fill at {at}"), |i| assert!(i.call("fill", (at, 600u32)).is_err())));
        assert!(reused(&guest, &format!("fill of {at}"), |i| assert!(i.call("fill", (8u32, at)).is_err())));
    }
    assert!(reused(&guest, "a trap", |i| assert!(i.call("trap", (700u32,)).is_err())));
    assert!(reused(&guest, "no fuel", |i| while i.call("write", (512u32,)).is_ok() {}));
}

#[test]
fn an_instance_that_has_grown_is_not_used_again() {
    let (guest, _) = load(WRITER);
    assert!(reused(&guest, "nothing", |i| assert!(i.call("state", ()).is_ok())));
    assert!(!reused(&guest, "growth", |i| assert_eq!(i.call("grow", ()).ok(), Some(2))));
    assert!(!reused(&guest, "growth, and a trap", |i| {
        assert_eq!(i.call("grow", ()).ok(), Some(2));
        assert!(i.call("trap", (0u32,)).is_err());
    }));
    // A smaller limit than its memory.
    guest.instantiate(MEMORY, FUEL).expect("an instance").recycle();
    assert!(guest.instantiate(65_536, FUEL).is_err());
}

#[test]
fn guests_with_other_state_are_not_reset() {
    let with = |more: &str| {
        let wat = format!("{}\n{more})", WRITER.trim_end().strip_suffix(')').expect("an end"));
        load(&wat)
    };
    assert!(with("").1.marks.is_some());
    for more in [
        "(start $go) (func $go (i32.store (i32.const 0) (i32.const 1)))",
        "(table 2 funcref) (elem $e func 0) (func (table.init $e (i32.const 0) (i32.const 0) (i32.const 1)))",
        "(table 2 funcref) (func (table.copy (i32.const 0) (i32.const 1) (i32.const 1)))",
        "(elem $e func 0) (func (elem.drop $e))",
        "(data $d \"d\") (func (data.drop $d))",
    ] {
        let (guest, instrumented) = with(more);
        assert_eq!(instrumented.marks, None, "{more}");
        guest.instantiate(MEMORY, FUEL).expect("an instance").recycle();
        assert_eq!(guest.instantiate(MEMORY, FUEL).expect("an instance").jobs(), 0, "{more}");
    }
    let named = WRITER.replace("\"size\"", "\"relobox:global:0\"");
    assert!(instrument(&wat::parse_str(named).expect("it is Wasm"), true).is_err());
}

fn files(name: &str) -> Vec<String> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fuzz-corpus").join(name);
    let mut paths: Vec<_> = std::fs::read_dir(dir).expect("a corpus").map(|e| e.expect("an entry").path()).collect();
    paths.sort();
    paths.into_iter().map(|path| std::fs::read_to_string(path).expect("a case")).collect()
}

/// Outcome, fuel and counters of a job.
fn result(plugin: &Plugin, module: &TestModule, recycle: bool) -> (Outcome, u64, Vec<u8>, u64) {
    let mut run = run(plugin, module);
    let mut instance = run.instance.take().expect("an instance");
    let (counters, jobs) = (instance.counters().to_vec(), instance.jobs());
    if recycle {
        instance.recycle();
    }
    (run.outcome, run.fuel, counters, jobs)
}

/// Compiling them takes most of the time; `an_instrumented_guest_computes_the_same` has all plugins.
const SOME: [&str; 3] = ["ia64", "riscv64", "x86_64"];

#[test]
fn plugins_do_the_same_in_a_reset_instance() {
    for (name, wasm) in built_in::plugins().filter(|(name, _)| SOME.contains(name)) {
        let guest = Sandbox::new(None).expect("a sandbox").load(name, wasm).expect(name);
        let plugin = Plugin::describe(guest, Origin::BuiltIn).expect(name);
        let target = PluginTarget::new(&plugin, wasm, None, true).expect(name);
        let (instrumented, code) = target.instrumented();
        assert!(code.marks.is_some(), "{name}: its instances cannot be reset");
        let cases = files(name).into_iter().map(|text| text.parse::<TestCase>().expect("a case").module);
        let modules: Vec<_> =
            cases.chain(target.seeds().into_iter().step_by(4).map(|ModuleInput(module)| module)).collect();
        let new: Vec<_> = modules.iter().map(|module| result(instrumented, module, false)).collect();
        let mut reused = 0;
        for (module, new) in modules.iter().zip(&new) {
            let old = result(instrumented, module, true);
            assert_eq!((&old.0, old.1), (&new.0, new.1), "{name}: {}", target.write(&ModuleInput(module.clone()), &[]));
            assert!(old.2 == new.2, "{name}: {}", target.write(&ModuleInput(module.clone()), &[]));
            assert_eq!(new.3, 0);
            reused += usize::from(old.3 != 0);
        }
        assert!(reused * 2 > modules.len(), "{name}: {reused} of {} jobs in a reset instance", modules.len());
    }
}

/// The coverage of each input must not depend on the inputs before it.
fn covers_the_same<S: FuzzTarget>(target: &S) {
    let (edges, comparisons) = target.map_sizes();
    let coverage = |input: &S::Input| {
        let (mut e, mut c) = (vec![0; edges], vec![0; comparisons]);
        let found = target.execute(input, Coverage { edges: &mut e, comparisons: &mut c });
        (found, e, c)
    };
    let inputs: Vec<_> =
        files(target.name()).iter().step_by(4).map(|text| target.read(text).expect("an input")).collect();
    let forward: Vec<_> = inputs.iter().map(&coverage).collect();
    let backward: Vec<_> = inputs.iter().rev().map(&coverage).collect();
    assert!(forward.iter().eq(backward.iter().rev()), "{}", target.name());
}

#[test]
fn engine_and_unpacker_do_the_same_in_a_reset_instance() {
    covers_the_same(&EngineTarget::new(Vec::new()).expect("the engine"));
    covers_the_same(&UnpackerTarget::new(Vec::new()).expect("the unpacker"));
}
