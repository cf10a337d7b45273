//! The conformance kit on plugins about which it was once wrong: `tests/kit-cases`, whose README describes each.

use relobox::built_in;
use relobox::guests::Plugin;
use relobox::kit::{ConformanceReport, Group, PluginUnderTest, Selection, run_checks};
use relobox::plugin_file::Origin;
use relobox::sandbox::Sandbox;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

fn cases() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("tests/kit-cases")
}

fn wasm(name: &str) -> PathBuf {
    let built = cases().join(format!("wasm/{name}.wasm"));
    if built.exists() { built } else { cases().join(format!("kept/{name}.wasm")) }
}

fn plugin(name: &str) -> Plugin {
    static SANDBOX: OnceLock<Sandbox> = OnceLock::new();
    let sandbox = SANDBOX.get_or_init(|| Sandbox::new(None).unwrap());
    let wasm = std::fs::read(wasm(name)).unwrap_or_else(|_| built_in::wasm_of(name).unwrap().to_vec());
    Plugin::describe(sandbox.load(name, &wasm).unwrap(), Origin::BuiltIn).unwrap()
}

fn report(name: &str, filter: Option<&str>, against: Option<&str>) -> ConformanceReport {
    let (plugin, against) = (plugin(name), against.map(plugin));
    let under_test = PluginUnderTest::new(&plugin);
    run_checks(&under_test, Selection { filter, against: against.as_ref(), names_only: false }, &mut |_, _| {})
}

fn failures(report: &ConformanceReport) -> Vec<String> {
    let failed = report.checks.iter().filter(|check| check.failed != 0);
    failed.flat_map(|c| c.failures.iter().map(|f| format!("{}: {}", c.full_name(), f.diagnostic))).collect()
}

/// Asserts that exactly these groups and checks fail.
fn fails(name: &str, wanted: &[(Group, &str)]) {
    let report = report(name, None, None);
    let mut failed: BTreeMap<(Group, &str), usize> = BTreeMap::new();
    report.checks.iter().filter(|c| c.failed != 0).for_each(|c| *failed.entry((c.group, &c.name)).or_default() += 1);
    for check in wanted {
        assert!(failed.contains_key(check), "{name}: {check:?} does not fail: {:#?}", failures(&report));
    }
    let rows: Vec<_> = wanted.iter().map(|(_, row)| *row).collect();
    let stray = failures(&report).into_iter().filter(|text| !rows.iter().any(|row| text.contains(row)));
    assert_eq!(stray.collect::<Vec<_>>(), [""; 0], "{name}");
}

#[test]
fn the_lock_matches_the_built_plugins() {
    let lock = std::fs::read_to_string(cases().join("wasm/lock")).unwrap();
    let sums: BTreeMap<_, _> = lock.lines().filter_map(|l| l.split_once("  ")).map(|(sum, file)| (file, sum)).collect();
    let variants = std::fs::read_to_string(cases().join("variants.txt")).unwrap();
    let names: Vec<_> = variants.lines().filter(|l| !l.starts_with('#')).filter_map(|l| l.split(' ').next()).collect();
    assert_eq!(sums.len(), names.len(), "run scripts/build-planted");
    for name in names {
        let wasm = std::fs::read(cases().join(format!("wasm/{name}.wasm"))).unwrap();
        let sum = relobox::text::hex(&Sha256::digest(&wasm));
        assert_eq!(sums.get(&*format!("{name}.wasm")), Some(&&*sum), "{name}: run scripts/build-planted");
    }
}

#[test]
fn a_field_with_a_hole_is_noticed() {
    let of_loongarch =
        [(Group::Description, "R_LARCH_B26"), (Group::Description, "R_LARCH_SOP_POP_32_S_0_10_10_16_S2")];
    fails("field-with-a-hole", &of_loongarch);
    fails("hole", &[(Group::Description, "R_KIT_BRANCH")]);
}

#[test]
fn low_bits_that_are_dropped_are_noticed() {
    fails("low-bits-dropped", &[(Group::Description, "R_TA_BRANCH16")]);
    fails("low-bits", &[(Group::Description, "R_KIT_NEAR")]);
}

#[test]
fn a_row_that_rounds_and_aligns_is_predicted() {
    fails("round-everywhere", &[(Group::Vectors, "R_KIT_BOTH")]);
}

#[test]
fn the_range_of_an_unparsed_formula_is_checked() {
    for name in ["edge-low", "edge-high", "half-range"] {
        fails(name, &[(Group::Vectors, "R_KIT_MIXED")]);
    }
}

#[test]
fn a_part_of_a_got_address_is_checked() {
    fails("got-part", &[(Group::Slots, "R_KIT_GOT_HI20")]);
}

#[test]
fn right_plugins_pass() {
    for name in
        ["arm-shift-movt", "loongarch-absolute-got", "stock-template-a", "stock-template-b", "right", "right-literal"]
    {
        let report = report(name, None, None);
        assert_eq!(failures(&report), [""; 0], "{name}");
        assert!(report.predicted.len() > 1, "{name}");
    }
    let report = report("right", None, None);
    for row in [3, 4, 5, 8] {
        assert!(report.predicted.contains(&row), "the bytes of type {row} are not predicted");
    }
    for row in [10, 11, 12, 13] {
        assert!(report.resolved.contains(&row), "type {row} is not resolved");
    }
}

#[test]
fn two_right_plugins_agree() {
    for (one, other) in [
        ("stock-template-a", "stock-template-b"),
        ("stock-template-b", "stock-template-a"),
        ("right", "right-renumbered"),
        ("right-renumbered", "right"),
        ("right-literal", "right-literal-renumbered"),
        // The stubs have different instructions.
        ("right", "right-literal-renumbered"),
        ("right-literal", "right-renumbered"),
    ] {
        let report = report(one, None, Some(other));
        assert_eq!(failures(&report), [""; 0], "{one} against {other}");
        let asked: usize = report.checks.iter().filter(|c| c.group == Group::Against).map(|c| c.cases).sum();
        assert!(asked > 500, "{one} against {other}: {asked} cases");
    }
}

#[test]
fn a_wrong_target_still_differs() {
    for (one, other, row) in [
        ("right", "wrong-slot", "R_KIT_GOT_PC"),
        ("right", "wrong-slot", "R_KIT_GOT_LO12"),
        ("right", "wrong-entry", "R_KIT_GOT_PC"),
        ("right", "wrong-entry", "R_KIT_GOT_HI20"),
        ("right", "wrong-stub", "R_KIT_BRANCH"),
        ("right", "wrong-branch", "R_KIT_BRANCH"),
        ("right-literal", "wrong-stub", "R_KIT_BRANCH"),
        ("right-literal", "wrong-literal", "R_KIT_BRANCH"),
        ("right", "wrong-literal-branch", "R_KIT_BRANCH"),
    ] {
        let report = report(one, Some(&format!("slots/{row}")), Some(other));
        let noticed = report.checks.iter().any(|c| c.group == Group::Against && c.failed != 0);
        assert!(noticed, "{one} against {other}, {row}");
    }
}

fn relobox(args: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_relobox")).args(args).output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

#[test]
fn a_plugin_for_another_machine_is_one_usage_error() {
    let right = wasm("right").display().to_string();
    for args in [&["plugin", "test", &right, "--against", "x86_64"][..], &["fuzz", &right, "--against", "x86_64"]] {
        let (code, said) = relobox(args);
        assert_eq!(code, Some(2), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(said.contains("plugin x86_64 is for another machine than kit-case"), "{said}");
    }
}

/// One cause is one finding and names its row. Here, one of two relocations changes bytes that the other reads.
#[test]
fn overlapping_uleb_is_one_finding() {
    let dir = std::env::temp_dir().join(format!("relobox-uleb-{}", std::process::id()));
    let (uleb, out) = (wasm("loongarch-absolute-got").display().to_string(), dir.display().to_string());
    let (code, said) = relobox(&["fuzz", &uleb, "--out", &out, "--executions", "60000"]);
    assert_eq!(code, Some(1), "{said}");
    let found: Vec<_> = said.lines().filter(|line| line.starts_with("window: ")).collect();
    assert_eq!(found.len(), 1, "{said}");
    assert!(found[0].starts_with("window: R_LARCH_ADD_ULEB128 or R_LARCH_SUB_ULEB128: "), "{said}");
    std::fs::remove_dir_all(dir).unwrap();
}
