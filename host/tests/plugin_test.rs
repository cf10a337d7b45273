//! Tests of `relobox plugin test`: the shipped plugins pass, and each group of checks finds a defective plugin.
//!
//! The defective plugins are the documentation's toy with a changed line, and the planted bugs of `tests/planted`.

use relobox::built_in;
use relobox::description::PluginRow;
use relobox::guests::Plugin;
use relobox::kit::{ConformanceReport, Group, PluginUnderTest, RowCoverage, Selection, run_checks};
use relobox::parallel;
use relobox::plugin_file::Origin;
use relobox::sandbox::Sandbox;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Mutex, OnceLock};

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn plugin(name: &str, wasm: &[u8]) -> Plugin {
    static SANDBOX: OnceLock<Sandbox> = OnceLock::new();
    let sandbox = SANDBOX.get_or_init(|| Sandbox::new(None).unwrap());
    Plugin::describe(sandbox.load(name, wasm).unwrap(), Origin::BuiltIn).unwrap()
}

fn report(plugin: &Plugin, filter: Option<&str>, against: Option<&Plugin>) -> ConformanceReport {
    let under_test = PluginUnderTest::new(plugin);
    run_checks(&under_test, Selection { filter, against, names_only: false }, &mut |_, _| {})
}

fn failures(report: &ConformanceReport) -> Vec<String> {
    let failed = report.checks.iter().filter(|check| check.failed != 0);
    failed.flat_map(|c| c.failures.iter().map(|f| format!("{}: {}", c.full_name(), f.diagnostic))).collect()
}

/// Compares the plugin's line in the table of docs/conformance.md. `RELOBOX_BLESS=1` writes it.
fn documented(name: &str, plugin: &Plugin, report: &ConformanceReport) {
    static PAGE: Mutex<()> = Mutex::new(());
    let _page = PAGE.lock().unwrap();
    let under_test = PluginUnderTest::new(plugin);
    let model = &under_test.model;
    let coverage: Vec<_> = under_test.writing_rows().map(|row| (row, report.coverage(model, row))).collect();
    let count = |wanted| coverage.iter().filter(|(_, coverage)| *coverage == wanted).count();
    let [predicted, decoded, entry, target, code] =
        [RowCoverage::Predicted, RowCoverage::Decoded, RowCoverage::Entry, RowCoverage::Target, RowCoverage::Code]
            .map(|coverage| count(Some(coverage)));
    let both = |row: &PluginRow| report.predicted.contains(&row.row.kind) && report.decoded.contains(&row.row.kind);
    let both = coverage.iter().filter(|(row, _)| both(row)).count();
    let others: Vec<_> =
        coverage.iter().filter(|(_, s)| s.is_none()).map(|(row, _)| format!("`{}`", row.name)).collect();
    let line = format!(
        "| `{name}` | {} | {predicted} | {both} | {decoded} | {entry} | {target} | {code} | {} |",
        coverage.len(),
        if others.is_empty() { "none".to_owned() } else { format!("{}: {}", others.len(), others.join(", ")) }
    );
    let path = repository().join("docs/conformance.md");
    let text = std::fs::read_to_string(&path).unwrap();
    if std::env::var_os("RELOBOX_BLESS").is_some() {
        let start = format!("| `{name}` |");
        let mut lines: Vec<&str> = text.lines().filter(|l| !l.starts_with(&start)).collect();
        let row = |l: &&str| l.starts_with("| `") && l.matches('|').count() == line.matches('|').count();
        // Behind the last row whose name is smaller; the table begins below its second line.
        let head = lines.iter().position(|l| l.starts_with("| plugin ")).unwrap() + 2;
        let before = lines[head..].iter().take_while(|l| row(l) && **l < line.as_str()).count();
        lines.insert(head + before, &line);
        std::fs::write(&path, lines.join("\n") + "\n").unwrap();
    } else {
        assert!(text.contains(&line), "docs/conformance.md lacks {line}");
    }
}

fn shipped(name: &str) {
    let plugin = plugin(name, built_in::wasm_of(name).unwrap());
    let report = report(&plugin, None, None);
    documented(name, &plugin, &report);
    assert_eq!(failures(&report), [""; 0]);
    let cases: usize = report.checks.iter().map(|check| check.cases).sum();
    println!(
        "{name}: {} checks, {cases} cases, bytes of {} types predicted",
        report.checks.len(),
        report.predicted.len()
    );
    assert!(cases > 3000 && report.predicted.union(&report.decoded).count() > 5);
}

/// On as many threads as there are processors; the first failure ends the test.
#[test]
fn every_shipped_plugin_passes() {
    let names: Vec<&str> = built_in::plugins().map(|(name, _)| name).collect();
    assert!(names.len() >= 5, "{names:?}");
    parallel::map(parallel::processors(), &names, |name| shipped(name));
}

/// The documentation's toy, with some texts replaced.
fn toy(changes: &[(&str, &str)]) -> Plugin {
    let mut text = std::fs::read_to_string(repository().join("docs/examples/toy/toy.wat")).unwrap();
    for (from, to) in changes {
        assert!(text.contains(from), "the toy has no {from:?}");
        text = text.replace(from, to);
    }
    plugin("toy", &wat::parse_str(text).unwrap())
}

/// Returns every group that has a failure, with the kind of the diagnostic.
fn failed_groups(report: &ConformanceReport) -> Vec<(Group, &'static str)> {
    let of = |c: &relobox::kit::Check| -> Vec<_> {
        c.failures.iter().map(|f| (c.group, f.diagnostic.kind.as_str())).collect()
    };
    report.checks.iter().flat_map(of).collect()
}

#[test]
fn the_toy_passes() {
    let report = report(&toy(&[]), None, None);
    assert_eq!(failures(&report), [""; 0]);
    assert_eq!(report.predicted.len(), 2);
}

#[test]
fn a_toy_with_a_changed_line_fails() {
    let slow = "(block $next
      (local.set $width (i64.extend_i32_u (local.get $index)))
      (block $slow (loop $on (br_if $slow (i64.eqz (local.get $width)))
        (local.set $width (i64.sub (local.get $width) (i64.const 1))) (br $on)))";
    // The defect, the changes that make it, the group that must find it, and the kind of the diagnostic.
    let wrong: [(&str, &[(&str, &str)], Group, &str); 14] = [
        ("refuses the smallest", &[("(i64.const -32768))", "(i64.const -32767))")], Group::Vectors, "refused"),
        (
            "takes one more",
            &[("(i64.gt_s (local.get $value) (i64.const 32767))", "(i64.gt_s (local.get $value) (i64.const 32768))")],
            Group::Vectors,
            "accepted",
        ),
        (
            "forgets the place",
            &[(
                "(i64.sub (local.get $value)\n                    (i64.add (i64.load (local.get $section)) (local.get $offset)))",
                "(local.get $value)",
            )],
            Group::Vectors,
            "refused",
        ),
        ("writes beside its field", &[("i32.store16 align=1", "i32.store align=1")], Group::Vectors, "misbehaved"),
        (
            "ignores addends in place",
            &[("(i32.const 1))   ;; group_flag IN_PLACE", "(i32.const 0))")],
            Group::Vectors,
            "bytes",
        ),
        (
            "does not look where the section ends",
            &[("(i64.gt_u (local.get $width) (i64.sub (local.get $len) (local.get $offset)))", "(i32.const 0)")],
            Group::Places,
            "misbehaved",
        ),
        (
            "does not look at all",
            &[
                ("(i64.gt_u (local.get $offset) (local.get $len))", "(i32.const 0)"),
                ("(i64.gt_u (local.get $width) (i64.sub (local.get $len) (local.get $offset)))", "(i32.const 0)"),
            ],
            Group::Places,
            "misbehaved",
        ),
        (
            "one symbol too many",
            &[("(i32.ge_u (local.get $symbol)", "(i32.gt_u (local.get $symbol)")],
            Group::Hostile,
            "accepted",
        ),
        (
            "takes any type",
            &[("(i32.ne (local.get $kind) (i32.const 2))", "(i32.const 0)")],
            Group::Hostile,
            "misbehaved",
        ),
        (
            "does not say which",
            &[("(call $fault (i32.const 5) (local.get $index)", "(call $fault (i32.const 5) (i32.const -1)")],
            Group::Hostile,
            "reason",
        ),
        ("another reason", &[("(call $fault (i32.const 5)", "(call $fault (i32.const 4)")], Group::Hostile, "reason"),
        ("a square", &[("(block $next", slow)], Group::Cost, "cost"),
        (
            "a range that its field cannot hold",
            &[("\"\\02\" \"\\00\" \"\\01\" \"\\10\" \"\\01\"", "\"\\02\" \"\\00\" \"\\01\" \"\\11\" \"\\01\"")],
            Group::Description,
            "description",
        ),
        (
            "adds what it was asked before, and does not say what it does",
            &[
                ("\"S + A - P\"", "\"X(S, A)  \""),
                (
                    "(i32.wrap_i64 (local.get $value))))))\n            (local.set $index",
                    "(i32.add (global.get $free) (i32.wrap_i64 (local.get $value))))\n                (global.set $free (i32.add (global.get $free) (i32.const 1))))))\n            (local.set $index",
                ),
            ],
            Group::Properties,
            "differs",
        ),
    ];
    let mut missed = Vec::new();
    for (what, changes, group, word) in wrong {
        let report = report(&toy(changes), None, None);
        let noticed = failed_groups(&report);
        if !noticed.contains(&(group, word)) {
            missed.push(format!("{what}: {noticed:?}"));
        }
        for failure in report.checks.iter().flat_map(|c| &c.failures) {
            let Some((oracle, module)) = &failure.reproducer else { continue };
            // A trap may need many relocations, and a plugin that overwrites its own job needs some.
            let small = failure.diagnostic.kind.as_str() == "misbehaved"
                || module.relocations() <= 6 && module.sections.iter().all(|s| s.bytes.len() <= 128);
            if !small {
                missed.push(format!("{what}: {oracle} of {module:?}"));
            }
        }
    }
    assert_eq!(missed, [""; 0]);
}

fn planted(name: &str) -> PathBuf {
    repository().join("tests/planted/wasm").join(format!("{name}.wasm"))
}

#[test]
fn planted_bugs_are_found() {
    let read = |name: &str| plugin(name, &std::fs::read(planted(name)).unwrap());
    for right in ["riscv", "aarch64", "i386", "mips", "ppc32", "arm64-got"] {
        assert_eq!(failures(&report(&read(right), None, None)), [""; 0], "{right}");
    }
    for (name, group) in [
        ("lo16-order", Group::Pairs),
        ("lo16-shared", Group::Pairs),
        ("lui-carry", Group::Pairs),
        ("missing-carry", Group::Pairs),
        ("unpaired-lo12", Group::Pairs),
        ("stale-hi20", Group::Pairs),
        ("sub6-neighbours", Group::Pairs),
        ("stale-got", Group::Slots),
        ("got-half", Group::Slots),
        ("got-addend", Group::Slots),
        ("range-edge", Group::Vectors),
        ("hi20-sign", Group::Vectors),
        ("be-half", Group::Vectors),
        ("addend-lost", Group::Vectors),
        ("branch-overflow", Group::Vectors),
        ("misaligned-load", Group::Vectors),
        ("movw-truncated", Group::Vectors),
        ("offset-straddles", Group::Places),
        ("offset-unchecked", Group::Places),
        ("symbol-unchecked", Group::Hostile),
        ("quadratic-veneers", Group::Cost),
    ] {
        let report = report(&read(name), Some(group.as_str()), None);
        assert!(failed_groups(&report).iter().any(|(g, _)| *g == group), "{name}: {:?}", failures(&report));
    }
    // The plugin's description has the same mistake, so only a second plugin can find it.
    let (half, right) = (read("half-range"), read("riscv"));
    assert_eq!(failures(&report(&half, Some("vectors"), None)), [""; 0]);
    let against = report(&half, Some("vectors"), Some(&right));
    assert!(failed_groups(&against).contains(&(Group::Against, "differs")));
}

fn relobox(dir: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_relobox")).args(args).current_dir(dir).output().unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn the_command() {
    let dir = std::env::temp_dir().join(format!("relobox-plugin-test-{}", std::process::id()));
    std::fs::create_dir(&dir).unwrap();
    let wrong = planted("lo16-order").display().to_string();
    let right = planted("mips").display().to_string();

    let passed = relobox(&dir, &["plugin", "test", "x86_64", "--filter", "vectors/R_X86_64_PC", "--record", "cases"]);
    assert_eq!(passed.status.code(), Some(0), "{}", text(&passed));
    assert!(text(&passed).contains("\npassed: "));
    let test_case =
        relobox(&dir, &["plugin", "test", "x86_64", "--filter", "recorded", "--vectors", "cases", "--json"]);
    let report: serde_json::Value = serde_json::from_slice(&test_case.stdout).unwrap();
    assert!(report["cases"].as_u64().unwrap() > 300 && report["passed"] == true, "{}", text(&test_case));

    let args = ["plugin", "test", &wrong, "--filter", "pairs", "--failures", "out", "--junit", "j.xml", "--json"];
    let failed = relobox(&dir, &args);
    assert_eq!(failed.status.code(), Some(1));
    let report: serde_json::Value = serde_json::from_slice(&failed.stdout).unwrap();
    let failure = &report["checks"][0]["failures"][0];
    assert_eq!(failure["wrong"], "accepted", "{}", text(&failed));
    let file = failure["file"].as_str().unwrap();
    assert!(failure["replay"].as_str().unwrap().ends_with(&format!("--replay {file}")));
    assert!(std::fs::read_to_string(dir.join("j.xml")).unwrap().contains(" type=\"accepted\""));
    let again = relobox(&dir, &["plugin", "test", &wrong, "--replay", file]);
    assert_eq!(again.status.code(), Some(1), "{}", text(&again));
    assert_eq!(relobox(&dir, &["plugin", "test", &right, "--replay", file]).status.code(), Some(0));

    let list = relobox(&dir, &["plugin", "test", &right, "--list"]);
    assert!(text(&list).contains("  vectors/R_MIPS_HI16") && list.status.code() == Some(0), "{}", text(&list));
    for bad in [&["nobody"][..], &[&*right, "--filter", "nobody"], &[&*right, "--replay", "j.xml"]] {
        let bad = relobox(&dir, &[&["plugin", "test"], bad].concat());
        assert_eq!(bad.status.code(), Some(2), "{}", text(&bad));
    }
    std::fs::write(dir.join("not.wasm"), "no").unwrap();
    assert_eq!(relobox(&dir, &["plugin", "test", "./not.wasm"]).status.code(), Some(3));
    std::fs::remove_dir_all(dir).unwrap();
}
