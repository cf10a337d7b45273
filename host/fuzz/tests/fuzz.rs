//! Tests of `relobox fuzz`: instrumentation does not change results, defects are found, and correct plugins have no
//! findings.
#![allow(missing_docs)]

use relobox_core::rng::Rng;
use relobox_fuzz::corpus::CorpusDir;
use relobox_fuzz::driver::{CampaignOptions, Summary, run_alone};
use relobox_fuzz::findings::bound_of;
use relobox_fuzz::instrument::instrument;
use relobox_fuzz::plugin::PluginTarget;
use relobox_fuzz::target::FuzzTarget as _;
use relobox_guests as built_in;
use relobox_kit::{TestCase, TestModule, run};
use relobox_link::guests::Plugin;
use relobox_link::sandbox::Sandbox;
use relobox_plugins::plugin_file::Origin;
use std::path::{Path, PathBuf};
use std::process::Command;

const TOY: &str = include_str!("../../../docs/examples/toy/toy.wat");

fn plugin(name: &str, wasm: &[u8]) -> Plugin {
    let guest = Sandbox::new(None).unwrap().load(name, wasm).unwrap();
    Plugin::describe(guest, Origin::BuiltIn).unwrap()
}

/// The toy plugin with one text replaced.
fn toy(from: &str, to: &str) -> Vec<u8> {
    assert!(TOY.contains(from), "{from}");
    wat::parse_str(TOY.replace(from, to)).unwrap()
}

/// A temporary directory, removed on drop.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("fuzz-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).unwrap();
        Self(dir)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn options(dir: &Path, executions: u64) -> CampaignOptions<'_> {
    CampaignOptions {
        seed: 1,
        time: None,
        executions: Some(executions),
        first: false,
        corpus: None,
        findings: dir,
        stop: std::sync::Arc::default(),
    }
}

fn fuzz(wasm: &[u8], dir: &Path, executions: u64) -> Summary {
    let plugin = plugin("toy", wasm);
    let target = PluginTarget::new(&plugin, wasm, None, true).unwrap();
    run_alone(&target, &options(dir, executions), |_| ()).unwrap()
}

#[test]
fn an_instrumented_guest_computes_the_same() {
    for (name, wasm) in built_in::plugins() {
        let plugin = plugin(name, wasm);
        let target = PluginTarget::new(&plugin, wasm, None, true).unwrap();
        let (instrumented, code) = target.instrumented();
        assert!(code.edges > 100 && code.comparisons > 10, "{name}");
        let mut rng = Rng::new(7);
        let mut linked = 0;
        for seed in target.seeds().into_iter().step_by(4) {
            let mut module = seed;
            for _ in 0..3 {
                let (ours, mut theirs) = (run(&plugin, &module).outcome, run(instrumented, &module));
                assert_eq!(ours, theirs.outcome, "{name}: {}", target.write(&module, &[]));
                // In the next job, the instance is reset, as while fuzzing.
                theirs.instance.take().expect("an instance").recycle();
                linked += usize::from(matches!(ours, relobox_kit::Outcome::Linked(_)));
                target.mutate(&mut module, None, &mut rng);
            }
        }
        assert!(linked > 5, "{name}: {linked}");
    }
}

#[test]
fn instrumentation_is_deterministic_and_its_memory_is_separate() {
    let wasm = wat::parse_str(TOY).unwrap();
    let (first, second) = (instrument(&wasm, true).unwrap(), instrument(&wasm, true).unwrap());
    assert_eq!(first.wasm, second.wasm);
    assert!(first.constants.contains(&32767), "{:?}", first.constants);
    // The ordinary sandbox rejects a guest with a second memory, so no original guest can access one.
    let error = Sandbox::new(None).unwrap().load("toy", &first.wasm).map(drop).unwrap_err();
    assert!(error.to_string().contains("memor"), "{error}");
    let named = toy("(memory (export \"memory\") 1)", "(memory (export \"memory\") (export \"relobox:counters\") 1)");
    assert!(instrument(&named, true).unwrap_err().to_string().contains("relobox:counters"));
}

#[test]
fn a_correct_plugin_has_no_findings() {
    let dir = Scratch::new("right");
    let summary = fuzz(&wat::parse_str(TOY).unwrap(), &dir.0, 6000);
    let details: Vec<_> = summary.findings.iter().map(|f| &f.detail).collect();
    assert!(details.is_empty(), "{details:?}");
    assert!(summary.progress.edges * 10 > summary.progress.all_edges * 7, "{:?}", summary.progress);
}

#[test]
fn defects_are_found_and_replayed() {
    let wrong = [
        // A range twice as large, and one that is too large by one.
        ("(i64.const 32767))) (then", "(i64.const 65535))) (then", "accepted"),
        ("(i64.const 32767))) (then", "(i64.const 32768))) (then", "accepted"),
        // A place across the end of the section.
        ("(local.set $width (i64.const 4))", "(local.set $width (i64.const 3))", "accepted"),
        // The symbol index is not checked.
        ("(if (i32.ge_u (local.get $symbol) (i32.load offset=52 (local.get $job)))", "(if (i32.const 0)", "accepted"),
        // A constant that random mutation would not hit.
        (
            "(local.set $value (i64.add\n",
            "(if (i64.eq (i64.load offset=8 (local.get $relocation)) (i64.const 0x1234567)) (then (unreachable)))\n
             (local.set $value (i64.add\n",
            "trap",
        ),
    ];
    let right = plugin("toy", &wat::parse_str(TOY).unwrap());
    let right_wasm = wat::parse_str(TOY).unwrap();
    let right = PluginTarget::new(&right, &right_wasm, None, false).unwrap();
    for (i, (from, to, oracle)) in wrong.into_iter().enumerate() {
        let wasm = toy(from, to);
        let dir = Scratch::new(&format!("wrong-{i}"));
        let summary = fuzz(&wasm, &dir.0, 8_000);
        let found = summary.findings.iter().find(|f| f.oracle == oracle || oracle == "accepted" && f.oracle == "bytes");
        let found = found.unwrap_or_else(|| panic!("{to}: {:?}", summary.findings));
        let text = std::fs::read_to_string(&found.path).unwrap();
        let test_case: TestCase = text.parse().unwrap();
        // The module is small, and the defect shows only with this plugin.
        assert!(test_case.module.relocations() <= 2, "{text}");
        let plugin = plugin("toy", &wasm);
        let target = PluginTarget::new(&plugin, &wasm, None, false).unwrap();
        assert!(target.replay(&test_case).is_some(), "{text}");
        assert_eq!(right.replay(&test_case), None, "{text}");
    }
}

#[test]
fn excessive_fuel_is_found_and_replayed_with_its_bound() {
    let right_wasm = wat::parse_str(TOY).unwrap();
    let right = plugin("toy", &right_wasm);
    let right = PluginTarget::new(&right, &right_wasm, None, false).unwrap();
    // A relocation of the toy takes some seventy units of fuel. With this bit set in its addend it takes ten times as
    // many.
    let slow = "(block $next
      (if (i64.ne (i64.and (i64.load offset=8 (local.get $relocation)) (i64.const 0x800)) (i64.const 0)) (then
        (local.set $width (i64.const 100))
        (block $slow (loop $on (br_if $slow (i64.eqz (local.get $width)))
          (local.set $width (i64.sub (local.get $width) (i64.const 1))) (br $on)))))";
    let wasm = toy("(block $next", slow);
    let dir = Scratch::new("dear");
    let summary = fuzz(&wasm, &dir.0, 12_000);
    let found = summary.findings.iter().find(|f| f.oracle == "fuel").expect("a finding");
    let text = std::fs::read_to_string(&found.path).unwrap();
    let bound = bound_of(&text).expect("a bound");
    assert!(text.contains(&format!("but the bound for its records is {bound}")), "{text}");
    let test_case: TestCase = text.parse().unwrap();
    let slow = plugin("toy", &wasm);
    let target = PluginTarget::new(&slow, &wasm, None, false).unwrap();
    let took = run(&slow, &test_case.module).fuel;
    // The bound in the file counts, not a bound measured with the current plugin.
    let says = |target: &PluginTarget<'_>, bound| target.replay_within(&test_case, bound).map(|s| (s.oracle, s.bound));
    assert_eq!(says(&target, Some(bound)), Some(("fuel", Some(bound))));
    assert_eq!(says(&target, Some(took - 1)), Some(("fuel", Some(took - 1))));
    assert_eq!(says(&target, Some(took)), None);
    assert_eq!(says(&right, Some(bound)), None);
}

#[test]
fn the_same_seed_does_the_same() {
    let dir = Scratch::new("seed");
    let wasm = wat::parse_str(TOY).unwrap();
    let [first, second] = [(); 2].map(|()| fuzz(&wasm, &dir.0, 3000).progress);
    assert_eq!(
        (first.executions, first.edges, first.corpus),
        (second.executions, second.edges, second.corpus),
        "{first:?} {second:?}"
    );
}

#[test]
fn a_second_plugin_that_differs_is_found() {
    let right = wat::parse_str(TOY).unwrap();
    // The second plugin drops eight bits of the value.
    let other =
        toy("(i32.wrap_i64 (local.get $value))))", "(i32.wrap_i64 (i64.shl (local.get $value) (i64.const 8)))))");
    let (plugin, other) = (plugin("toy", &right), plugin("other", &other));
    let target = PluginTarget::new(&plugin, &right, Some(&other), true).unwrap();
    let dir = Scratch::new("against");
    let summary = run_alone(&target, &CampaignOptions { first: true, ..options(&dir.0, 20_000) }, |_| ()).unwrap();
    assert_eq!(summary.findings.first().map(|f| f.oracle.as_str()), Some("against"));
}

#[test]
fn a_minimised_corpus_covers_the_same_edges() {
    let (dir, corpus) = (Scratch::new("corpus-out"), Scratch::new("corpus"));
    let wasm = wat::parse_str(TOY).unwrap();
    let plugin = plugin("toy", &wasm);
    let target = PluginTarget::new(&plugin, &wasm, None, true).unwrap();
    let options = CampaignOptions { corpus: Some(&corpus.0), ..options(&dir.0, 3000) };
    let before = run_alone(&target, &options, |_| ()).unwrap().progress;
    let (all, left) = CorpusDir::open(Some(&corpus.0)).unwrap().minimize(&target).unwrap();
    assert!(all >= before.corpus && left * 2 < all, "{left} of {all}");
    let options = CampaignOptions { executions: Some(1), ..options };
    let after = run_alone(&target, &options, |_| ()).unwrap().progress;
    assert!(after.edges + 2 >= before.edges, "{after:?} {before:?}");
}

fn relobox(args: &[&str]) -> (Option<i32>, String) {
    let out = Command::new(env!("CARGO_BIN_EXE_relobox-fuzz")).args(args).output().unwrap();
    (out.status.code(), String::from_utf8_lossy(&[out.stdout, out.stderr].concat()).into_owned())
}

#[test]
fn the_exit_code_tells_findings() {
    let dir = Scratch::new("command");
    let path = |name: &str| dir.0.join(name).to_string_lossy().into_owned();
    let (good, bad, out) = (path("good.wasm"), path("bad.wasm"), path("out"));
    std::fs::write(&good, wat::parse_str(TOY).unwrap()).unwrap();
    std::fs::write(&bad, toy("(i64.const 32767))) (then", "(i64.const 65535))) (then")).unwrap();
    let (sarif, junit) = (path("fuzz.sarif"), path("fuzz.xml"));
    let (code, text) = relobox(&[&good, "--executions", "2000", "--out", &out]);
    assert_eq!(code, Some(0), "{text}");
    let reports = ["--sarif", &sarif, "--junit", &junit];
    let (code, text) =
        relobox(&[&[bad.as_str(), "--executions", "9000", "--first", "--out", &out], &reports[..]].concat());
    assert_eq!(code, Some(1), "{text}");
    assert!(std::fs::read_to_string(&sarif).unwrap().contains("\"ruleId\": \"accepted\""));
    assert!(std::fs::read_to_string(&junit).unwrap().contains("<failure"));
    let file = std::fs::read_dir(&out).unwrap().next().unwrap().unwrap().path();
    let file = file.to_string_lossy();
    assert_eq!(relobox(&[&bad, "--replay", &file]).0, Some(1));
    assert_eq!(relobox(&[&good, "--replay", &file]).0, Some(0));
    assert_eq!(relobox(&[&path("nothing.wasm")]).0, Some(2));
    let not_wasm = path("not.wasm");
    std::fs::write(&not_wasm, b"nonsense").unwrap();
    assert_eq!(relobox(&[&not_wasm, "--executions", "1"]).0, Some(3));
}

#[test]
fn jobs_exchange_through_a_broker() {
    let dir = Scratch::new("jobs");
    let path = |name: &str| dir.0.join(name).to_string_lossy().into_owned();
    let (bad, out, port) = (path("bad.wasm"), path("out"), (20_000 + std::process::id() % 20_000).to_string());
    std::fs::write(&bad, toy("(i64.const 32767))) (then", "(i64.const 65535))) (then")).unwrap();
    let args = [&bad, "--jobs", "2", "--executions", "9000", "--broker-port", &port, "--out", &out];
    let (code, text) = relobox(&args);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("accepted: R_TOY_PC16"), "{text}");
}

/// Two brokers, as on two machines: a job of the second keeps an input of a client of the first that it could not have
/// found itself. The condition is an addend whose product is a certain number, which no sequence of improvements leads
/// to.
#[test]
fn what_one_brokers_client_has_crosses_to_the_other() {
    let (addend, factor) = (0x1234_5678_9abc_def1u64, 0x9e37_79b9_7f4a_7c15u64);
    let secret = format!(
        "(if (i64.eq (i64.mul (i64.load offset=8 (local.get $relocation)) (i64.const {factor:#x})) (i64.const {:#x}))
           (then (global.set $free (global.get $free))))
         (local.set $value (i64.add\n",
        addend.wrapping_mul(factor)
    );
    let dir = Scratch::new("brokers");
    let path = |name: &str| dir.0.join(name).to_string_lossy().into_owned();
    let (guest, out) = (path("toy.wasm"), path("out"));
    let wasm = toy("(local.set $value (i64.add\n", &secret);
    std::fs::write(&guest, &wasm).unwrap();
    // The client's corpus is the one input with the addend.
    let plugin = plugin("toy", &wasm);
    let target = PluginTarget::new(&plugin, &wasm, None, true).unwrap();
    let with_addend = |module: &mut TestModule| {
        let r = module.sections.iter_mut().flat_map(|s| &mut s.relocations).find(|r| r.kind == 1)?;
        r.addend = addend.cast_signed();
        Some(())
    };
    let seeds = target.seeds().into_iter();
    let mut module =
        seeds.filter(|module| !module.sections[0].in_place).find(|module| module.relocations() == 1).unwrap();
    with_addend(&mut module.0).unwrap();
    assert!(matches!(run(&plugin, &module).outcome, relobox_kit::Outcome::Linked(_)));
    CorpusDir::open(Some(&dir.0.join("client"))).unwrap().add(&target, &module).unwrap();

    let ports = [0, 1].map(|n| (42_000 + n * 10_000 + std::process::id() % 10_000).to_string());
    let start = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_relobox-fuzz"));
        command.args([&guest, "--out", &out, "--time", "120s"]).args(args);
        command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
        Ended(command.spawn().unwrap())
    };
    let here = path("here");
    let there = path("there");
    let _here = start(&["--jobs", "2", "--broker-port", &ports[0], "--corpus", &here]);
    wait("the first broker", || std::fs::read_dir(&here).is_ok_and(|files| files.count() > 3));
    let join = format!("127.0.0.1:{}", ports[0]);
    let _there = start(&["--jobs", "2", "--broker-port", &ports[1], "--join", &join, "--corpus", &there]);
    wait("the second broker", || std::fs::read_dir(&there).is_ok_and(|files| files.count() > 3));
    let has = |corpus: &str| {
        let files = std::fs::read_dir(corpus).into_iter().flatten().flatten();
        let texts: Vec<_> = files.filter_map(|file| std::fs::read_to_string(file.path()).ok()).collect();
        texts.iter().any(|text| text.contains(&format!("addend {}", addend)))
    };
    assert!(!has(&here) && !has(&there));
    let _client = start(&["--job", &ports[0], "--corpus", &path("client")]);
    wait("the first machine's jobs", || has(&here));
    wait("the second machine's jobs", || has(&there));
}

/// A process that gets SIGTERM on drop.
struct Ended(std::process::Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let id = rustix::process::Pid::from_child(&self.0);
        let _ = rustix::process::kill_process(id, rustix::process::Signal::TERM);
        let _ = self.0.wait();
    }
}

/// Waits until the condition holds, and fails after a long time.
fn wait(what: &str, until: impl Fn() -> bool) {
    let start = std::time::Instant::now();
    while !until() {
        assert!(start.elapsed().as_secs() < 90, "{what} never came");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}
