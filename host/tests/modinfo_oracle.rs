//! modinfo prints what kmod 34's prints: for modules of every corpus, for what is built in, and for kmod's own tests.
//!
//! `RELOBOX_ORACLES` is the number of modules of each corpus, evenly spaced; 60 if it is not set.

mod depmod_env;

use depmod_env::{KMOD, Module, Root, kmod_34, kmods, ours, run, sample};
use relobox_needs::{ExitCode, Test, corpora, corpus, test};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn main() -> ExitCode {
    let mut tests: Vec<Test> =
        vec![test!(options_do_what_kmods_do).needs([kmod_34()]), test!(kmods_own_tests_pass).needs([kmod_34()])];
    let there = std::fs::read_dir(corpora()).into_iter().flatten().flatten();
    let names = there.map(|entry| entry.file_name().to_string_lossy().into_owned());
    // What begins with a dot is the scripts' own.
    let names = names.filter(|name| !name.starts_with('.'));
    let names: BTreeSet<String> = names.chain(["amd64", "newest-amd64"].map(String::from)).collect();
    for name in names {
        let needs = [kmod_34(), corpus(&name)];
        tests.push(relobox_needs::test(format!("corpus_{name}"), move || corpus_agrees(&name)).needs(needs));
    }
    relobox_needs::run(tests)
}

/// Runs both with the same arguments.
fn agree(arguments: &[String]) {
    let (own, kmod) = (run(ours("modinfo").args(arguments)), run(kmods("modinfo").args(arguments)));
    let line = own.0.lines().zip(kmod.0.lines()).find(|(own, kmod)| own != kmod);
    let short: Vec<_> = arguments.iter().take(8).collect();
    assert!(own.0 == kmod.0, "modinfo {short:?}: {line:?}");
    assert_eq!((own.1, own.2), (kmod.1, kmod.2), "modinfo {short:?}");
}

fn modules(directory: &Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(directory).unwrap().flatten() {
        let path = entry.path();
        if entry.file_type().unwrap().is_dir() {
            modules(&path, found);
        } else if path.display().to_string().contains(".ko") {
            found.push(path.display().to_string());
        }
    }
}

fn corpus_agrees(name: &str) {
    let root = corpora().join(name);
    let mut found = Vec::new();
    modules(&root.join("lib/modules"), &mut found);
    found.sort();
    assert!(!found.is_empty());
    let most: usize = std::env::var("RELOBOX_ORACLES").ok().and_then(|most| most.parse().ok()).unwrap_or(60);
    let found: Vec<_> = found.iter().step_by(found.len().div_ceil(most.max(1))).cloned().collect();
    for some in found.chunks(500) {
        agree(some);
    }
    // What is built in, by names and aliases.
    for version in std::fs::read_dir(root.join("lib/modules")).unwrap().flatten() {
        let Ok(built_in) = std::fs::read_to_string(version.path().join("modules.builtin")) else { continue };
        let indices = Root::new();
        let version = version.file_name().to_string_lossy().into_owned();
        let below = format!("lib/modules/{version}");
        let depmod = run(kmods("depmod").arg("-b").arg(&root).arg("-o").arg(&indices.0).arg(&version));
        assert_eq!(depmod.2, Some(0), "{depmod:?}");
        let modinfo = root.join(&below).join("modules.builtin.modinfo");
        std::fs::copy(modinfo, indices.0.join(&below).join("modules.builtin.modinfo")).unwrap();
        let names = built_in.lines().filter_map(|line| Some(line.rsplit('/').next()?.split('.').next()?.to_owned()));
        let indexed = ["-b".into(), indices.0.display().to_string(), "-k".into(), version.clone()];
        agree(&indexed.into_iter().chain(names.take(400)).collect::<Vec<_>>());
    }
}

fn options_do_what_kmods_do() {
    let root = sample(false, false);
    assert_eq!(run(kmods("depmod").arg("-b").arg(&root.0).arg("6.1.0")).2, Some(0));
    let at = root.0.display().to_string();
    let user = format!("{at}/lib/modules/6.1.0/kernel/sub/user.ko");
    root.write("text.ko", "this is no module at all");
    root.write("short.ko", "x");
    root.write("bare.ko", Module::default().bytes());
    root.write("parm.ko", Module::new(&[], &[], &["parm=no colon", "parmtype=a:int", "x", "=y"]).bytes());
    for line in [
        vec![user.as_str()],
        vec!["-0", &user],
        vec!["-p", &user],
        vec!["-0p", &user],
        vec!["-F", "alias", "user", "a", "c-d"],
        vec!["-n", "fs-a"],
        vec!["--modname", "fs-a"],
        vec!["-m", "a.ko"],
        vec!["in_it"],
        vec!["in-it", "other", "-F", "name"],
        vec!["-d", "in_it"],
        vec!["x-ray"],
        vec!["symbol:fc", "symbol:none", "nothing", "x[y"],
        vec![&format!("{at}/text.ko"), &format!("{at}/short.ko"), &format!("{at}/bare.ko")],
        vec![&format!("{at}/parm.ko")],
        vec!["-p", &format!("{at}/parm.ko")],
        vec![&format!("{at}/nothing.ko")],
        vec![],
        vec!["-Z"],
        vec!["-F"],
    ] {
        let base = ["-b", &at, "-k", "6.1.0"].map(str::to_owned);
        agree(&base.into_iter().chain(line.into_iter().map(str::to_owned)).collect::<Vec<_>>());
    }
}

/// The tests of kmod's testsuite/test-modinfo.c. docs/depmod.md has the table.
fn kmods_own_tests_pass() {
    let suite: PathBuf = Path::new(KMOD).join("source/testsuite");
    let pristine = suite.join("rootfs-pristine/test-modinfo");
    let expected = |name: &str| std::fs::read_to_string(pristine.join(format!("correct-{name}.txt"))).unwrap();
    let root = Root::new();
    // The entries that its source has, as the compiled module would.
    let of = |field: &str| format!("{field}={}", expected(field).trim_end());
    let entries = vec![of("author"), of("license"), "depends=".to_owned()];
    let module = Module { modinfo: entries, ..Module::default() }.bytes();
    root.write("mod-simple.ko", &module);
    for kind in ["sha1", "sha256", "pkcs7"] {
        let signature = std::fs::read(suite.join(format!("module-playground/dummy.{kind}"))).unwrap();
        root.write(&format!("mod-simple-{kind}.ko"), [&module[..], &signature].concat());
    }
    let path = |name: &str| root.0.join(name);
    for field in ["filename", "author", "license", "description", "parm", "depends"] {
        let (stdout, _, code) = run(ours("modinfo").args(["-F", field]).arg(path("mod-simple.ko")));
        let stdout = stdout.replace(&root.0.display().to_string(), "");
        // One of the files ends with an empty line that modinfo does not print.
        assert_eq!((stdout.trim_end(), code), (expected(field).trim_end(), Some(0)), "{field}");
    }
    for field in ["signer", "sig_key", "sig_hashalgo"] {
        let files = ["sha1", "sha256", "pkcs7"].map(|kind| path(&format!("mod-simple-{kind}.ko")));
        let (stdout, _, code) = run(ours("modinfo").args(["-F", field]).args(files));
        assert_eq!((stdout, code), (expected(&format!("{field}-openssl")), Some(0)), "{field}");
    }
    let run_in = |directory: &str, version: &str, arguments: &[&str]| {
        run(ours("modinfo").arg("-b").arg(pristine.join(directory)).args(["-k", version]).args(arguments)).0
    };
    assert_eq!(run_in("external", "4.4.4", &["-F", "filename", "mod-simple"]), expected("external"));
    assert_eq!(run_in("builtin", "6.11.0", &["intel_uncore"]), expected("builtin"));
}
