//! The planted plugins, `tests/planted/`: a correct one for each architecture, and one for each bug.
//!
//! Each bug is real (its case shows it) and narrow (the plain case of its architecture does not). Whether the
//! conformance kit and the fuzzer find them is another question, which `docs/planted-bugs.md` answers.
//!
//! `RELOBOX_BLESS=1` writes into every case what the correct plugin answers.

use relobox::guests::{Guests, Plugin};
use relobox::kit::{Expected, Outcome, PluginUnderTest, Relocation, Section, Selection, Symbol, TestCase, TestModule};
use relobox::kit::{run, run_checks};
use relobox::plugin_file::Origin;
use relobox::sandbox::Sandbox;
use relobox_tests::mutants::{FINDERS, Mutant};
use relobox_tests::planted::{Bug, PlantedBugs};
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("planted")
}

/// All plugins, by name.
fn plugins(planted: &PlantedBugs) -> BTreeMap<String, Plugin> {
    let sandbox = Sandbox::new(None).expect("a sandbox");
    let names = planted.plugins.iter().map(|p| &p.name).chain(planted.bugs.iter().map(|b| &b.name));
    let plugin = |name: &String| {
        let wasm = std::fs::read(root().join(format!("wasm/{name}.wasm"))).unwrap_or_else(|e| panic!("{name}: {e}"));
        let guest = sandbox.load(name, &wasm).unwrap_or_else(|e| panic!("{name}: {e}"));
        let plugin = Plugin::describe(guest, Origin::File(root())).unwrap_or_else(|e| panic!("{name}: {e}"));
        (name.clone(), plugin)
    };
    names.map(plugin).collect()
}

fn test_case(name: &str) -> TestCase {
    let path = root().join(format!("cases/{name}.case"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    text.parse().unwrap_or_else(|e| panic!("{}: {e:?}", path.display()))
}

/// What `plugin` answers; `None` if it misbehaves.
fn answer(plugin: &Plugin, module: &TestModule) -> Option<Expected> {
    Expected::of(&run(plugin, module).outcome)
}

/// The correct plugin's answer is the one that stands in the case, or is put there.
fn hold(name: &str, plugin: &Plugin) -> TestCase {
    let mut test_case = test_case(name);
    let actual = answer(plugin, &test_case.module);
    assert!(actual.is_some(), "{name}: the correct plugin misbehaves");
    if std::env::var_os("RELOBOX_BLESS").is_some() && actual != test_case.expected {
        test_case.expected = actual;
        let path = root().join(format!("cases/{name}.case"));
        let text = std::fs::read_to_string(&path).expect("the case");
        let input = text.split("\nexpected ").next().unwrap_or_default().trim_end();
        let whole = test_case.to_string();
        let answer = whole.find("\nexpected ").map_or("", |at| &whole[at..]);
        std::fs::write(&path, format!("{input}{answer}")).expect("to write the case");
        return test_case;
    }
    assert_eq!(actual, test_case.expected, "{name}: RELOBOX_BLESS=1 to record what comes now");
    test_case
}

#[test]
fn what_is_kept_is_what_was_built() {
    let lock = std::fs::read_to_string(root().join("wasm/lock")).expect("a lock");
    let sums: BTreeMap<_, _> = lock.lines().filter_map(|l| l.split_once("  ")).map(|(sum, file)| (file, sum)).collect();
    let planted = PlantedBugs::read();
    let names = planted.plugins.iter().map(|p| &p.name).chain(planted.bugs.iter().map(|b| &b.name));
    let mut wanted = BTreeSet::new();
    for file in names.map(|name| format!("{name}.wasm")) {
        let wasm = std::fs::read(root().join("wasm").join(&file)).unwrap_or_else(|e| panic!("{file}: {e}"));
        let sum = relobox::text::hex(&Sha256::digest(&wasm));
        assert_eq!(sums.get(&*file), Some(&&*sum), "{file}: run scripts/build-planted");
        wanted.insert(file);
    }
    assert_eq!(sums.len(), wanted.len(), "the lock has others");
    let there = std::fs::read_dir(root().join("wasm")).expect("a directory").count();
    assert_eq!(there, wanted.len() + 1, "scripts/build-planted does not build all that is there");
}

#[test]
fn there_are_enough_and_each_says_what_it_is() {
    let planted = PlantedBugs::read();
    assert!(planted.bugs.len() >= 12, "{} bugs", planted.bugs.len());
    let plugins = plugins(&planted);
    for Bug { name, twin, .. } in &planted.bugs {
        let (buggy, correct) = (&plugins[name].about, &plugins[twin].about);
        assert_eq!((&buggy.name, &buggy.machines), (&correct.name, &correct.machines), "{name}");
        assert_eq!(buggy.rows.len(), correct.rows.len(), "{name}");
    }
}

#[test]
fn the_page_has_the_list() {
    let page = root().join("../../docs/planted-bugs.md");
    let text = std::fs::read_to_string(&page).expect("the page");
    let (before, rest) = text.split_once("<!-- list -->\n").expect("a mark");
    let (_, after) = rest.split_once("<!-- /list -->").expect("a mark");
    let wanted = format!("{before}<!-- list -->\n{}<!-- /list -->{after}", PlantedBugs::read().table());
    if std::env::var_os("RELOBOX_BLESS").is_some() {
        return std::fs::write(&page, wanted).expect("to write the page");
    }
    assert!(text == wanted, "RELOBOX_BLESS=1 to list what is planted now");
}

/// Whether two answers say the same of the module; what plugins make beside it is their own affair.
fn alike(one: Option<&Expected>, other: Option<&Expected>) -> bool {
    match (one, other) {
        (Some(Expected::Linked { sections: one, .. }), Some(Expected::Linked { sections: other, .. })) => one == other,
        (one, other) => one == other,
    }
}

/// The correct ones are: they answer as the shipped plugins do, which other linkers have judged.
#[test]
fn the_correct_plugins_agree_with_those_that_are_shipped() {
    let planted = PlantedBugs::read();
    let guests = Guests::new(Sandbox::new(None).expect("a sandbox"), &[]).expect("guests");
    let plugins = plugins(&planted);
    let mut judged = 0;
    for twin in ["riscv", "aarch64", "mips"] {
        let bugs = planted.bugs.iter().filter(|bug| bug.twin == twin).map(|bug| bug.name.clone());
        for name in bugs.chain([format!("plain-{twin}")]) {
            let TestModule { machine, class, order, elf_flags, .. } = test_case(&name).module;
            let (shipped, _) =
                guests.plugin_for(machine, class, order, elf_flags).expect("a plugin").expect("a plugin");
            let module = test_case(&name).module;
            let (own, its) = (answer(&plugins[twin], &module), answer(shipped, &module));
            assert!(alike(own.as_ref(), its.as_ref()), "{name}: {own:?}, and the shipped plugin says {its:?}");
            judged += 1;
        }
    }
    assert!(judged > 12);
}

/// On a plain module, a plugin with a bug and its correct twin do the same.
#[test]
fn a_bug_does_not_show_in_a_plain_module() {
    let planted = PlantedBugs::read();
    let plugins = plugins(&planted);
    for twin in &planted.plugins {
        let plain = hold(&format!("plain-{}", twin.name), &plugins[&twin.name]);
        let linked = matches!(plain.expected, Some(Expected::Linked { .. }));
        assert!(linked, "{}: the plain module is refused: {:?}", twin.name, plain.expected);
        for bug in planted.bugs.iter().filter(|bug| bug.twin == twin.name) {
            assert_eq!(answer(&plugins[&bug.name], &plain.module), plain.expected, "{}", bug.name);
        }
    }
}

/// Real: one small module is enough.
#[test]
fn each_bug_shows_in_its_case() {
    let planted = PlantedBugs::read();
    let plugins = plugins(&planted);
    for bug in planted.bugs.iter().filter(|bug| bug.name != "quadratic-veneers") {
        let module = hold(&bug.name, &plugins[&bug.twin]);
        assert_ne!(answer(&plugins[&bug.name], &module.module), module.expected, "{}", bug.name);
        // A judge that has only the plugin's own description sees it too, unless that is wrong or silent.
        let judged = |name: &str| {
            let under_test = PluginUnderTest::new(&plugins[name]);
            under_test
                .model
                .check(&module.module, &under_test.run(&module.module).outcome)
                .map_err(|diagnostic| diagnostic.to_string())
        };
        assert_eq!(judged(&bug.twin), Ok(()), "{}", bug.twin);
        assert_eq!(judged(&bug.name).is_ok(), bug.against, "{}: {:?}", bug.name, judged(&bug.name));
    }
}

/// As many calls as there are functions to call.
fn calls(count: u32) -> TestModule {
    let base = 0xffff_8000_0110_0000;
    let relocations = (0..count).map(|i| Relocation { offset: u64::from(i) * 4, kind: 283, symbol: i + 1, addend: 0 });
    let function = |i: u32| Symbol {
        name: format!("f{i}"),
        value: 0xffff_8000_0800_0000 + u64::from(i) * 16,
        info: 0x10,
        flags: relobox_abi::symbol_flag::UNDEFINED,
        ..Symbol::default()
    };
    TestModule {
        machine: 183,
        class: 64,
        order: relobox_abi::order::LITTLE,
        sections: vec![Section {
            name: ".text".to_owned(),
            address: base,
            align: 4,
            flags: relobox_abi::section_flag::EXEC,
            bytes: [0, 0, 0, 0x94].repeat(count as usize),
            relocations: relocations.collect(),
            ..Section::default()
        }],
        symbols: (0..count).map(function).collect(),
        synthetic: base + 0x100_0000,
        ..TestModule::default()
    }
}

/// That one shows in how much it costs.
#[test]
fn twice_the_calls_are_twice_the_fuel_only_where_nobody_counts_in_squares() {
    let planted = PlantedBugs::read();
    let plugins = plugins(&planted);
    let fuel = |name: &str, count: u32| {
        let run = run(&plugins[name], &calls(count));
        assert!(matches!(run.outcome, Outcome::Linked(_)), "{name}: {:?}", run.outcome);
        run.fuel
    };
    let growth = |name: &str| fuel(name, 2000) as f64 / fuel(name, 1000) as f64;
    assert!(growth("arm64-got") < 2.5, "{}", growth("arm64-got"));
    assert!(growth("quadratic-veneers") > 3.0, "{}", growth("quadratic-veneers"));
    assert_eq!(answer(&plugins["arm64-got"], &calls(20)), answer(&plugins["quadratic-veneers"], &calls(20)));
    // And a module as large as real ones are is stopped.
    let large = |name: &str| run(&plugins[name], &calls(40_000)).outcome;
    assert!(matches!(large("arm64-got"), Outcome::Linked(_)));
    assert!(matches!(large("quadratic-veneers"), Outcome::GuestError(_)));
}

/// The conformance kit finds every one, those that the description does not contradict with a second plugin; in the
/// correct ones it finds nothing.
/// Every shipped plugin has mutants, and each changes one place of its source.
#[test]
fn mutants_are_of_the_sources_as_they_are() {
    let all = Mutant::all();
    for mutant in &all {
        assert!(FINDERS.contains(&&*mutant.found) && !mutant.what.is_empty(), "{mutant:?}");
        mutant.source(&root().join("../..")).unwrap_or_else(|e| panic!("{e:#}"));
    }
    let names: BTreeSet<_> = all.iter().map(|mutant| &mutant.name).collect();
    assert_eq!(names.len(), all.len(), "two mutants have one name");
    for arch in relobox_tests::arch::ALL {
        let name = arch.name;
        assert!(all.iter().any(|mutant| mutant.plugin == name), "{name} has no mutant");
    }
}

#[test]
fn the_conformance_kit_finds_them() {
    let planted = PlantedBugs::read();
    let plugins = plugins(&planted);
    let failed = |name: &str, wanted: Selection<'_>| -> Vec<String> {
        let under_test = PluginUnderTest::new(&plugins[name]);
        let report = run_checks(&under_test, wanted, &mut |_, _| {});
        report.checks.into_iter().filter(|check| check.failed != 0).map(|check| check.name).collect()
    };
    for twin in &planted.plugins {
        assert_eq!(failed(&twin.name, Selection::default()), [""; 0], "{}", twin.name);
    }
    for bug in &planted.bugs {
        let group = format!("{}/", bug.kit);
        let wanted = match bug.kit.as_str() {
            "against" => Selection { against: Some(&plugins[&bug.twin]), ..Selection::default() },
            _ => Selection { filter: Some(&group), ..Selection::default() },
        };
        assert_ne!(failed(&bug.name, wanted), [""; 0], "{}", bug.name);
    }
}
