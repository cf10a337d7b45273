//! Signatures are judged before a module is linked, and the policy decides: in insmod, modprobe, call, check and modinfo.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

mod signing;
mod test_env;

use relobox::isolate::{Checked, Linker, Options};
use relobox::kernel::Machine;
use relobox::keys::Keys;
use relobox::sealed::seal;
use relobox::signature::Verdict;
use relobox::{Error, kernels::sim::Sim};
use serde_json::Value;
use signing::{CERTIFICATE, OTHER, sign, signed};
use std::fs::File;
use std::os::fd::AsFd as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use test_env::{TestEnv, cache, compiled};

/// Directories of certificates: `keys` has the one of the tests' key, `others` another one.
fn environment(names: &[&str]) -> TestEnv {
    let w = TestEnv::new();
    w.samples(names);
    for (directory, name, bytes) in [("keys", "test.der", CERTIFICATE), ("others", "other.der", OTHER)] {
        std::fs::create_dir(w.directory.join(directory)).unwrap();
        std::fs::write(w.directory.join(directory).join(name), bytes).unwrap();
    }
    w
}

fn change(path: &Path) {
    // The machine's name in the comment of the compiler, or whatever: a byte that is no part of the signature.
    let mut bytes = std::fs::read(path).unwrap();
    let at = bytes.windows(5).rposition(|bytes| bytes == b"GCC: ").expect("the compiler's name");
    bytes[at] = b'X';
    std::fs::write(path, bytes).unwrap();
}

fn gzip(path: &Path) -> PathBuf {
    assert!(std::process::Command::new("gzip").arg("-k").arg(path).status().unwrap().success());
    path.with_extension("ko.gz")
}

#[test]
fn only_what_is_signed_gets_into_the_kernel() {
    let w = environment(&["hello", "math_provider"]);
    let require = |keys: &'static str| ["--signatures", "require", "--keys", keys];
    let insmod = |code, keys, module| w.fail(code, "insmod", &[&require(keys)[..], &[module]].concat());
    assert!(insmod(1, "keys", "hello.ko").starts_with("hello.ko: it is not signed"));
    // Before anything else is looked at: this is no ELF file.
    std::fs::write(w.directory.join("text.ko"), "text").unwrap();
    assert!(insmod(1, "keys", "text.ko").starts_with("text.ko: it is not signed"));
    sign(&w.directory.join("hello.ko"));
    let unknown = insmod(1, "others", "hello.ko");
    assert!(unknown.contains("for which there is no certificate"), "{unknown}");
    // The kernel was not even started.
    assert!(!w.socket.exists());
    let json = w.succeed("insmod", &[&require("keys")[..], &["hello.ko", "--json"]].concat());
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["signature"]["verified"], true);
    assert!(json["signature"]["certificate"].as_str().unwrap().ends_with("keys/test.der"), "{json}");
    w.succeed("rmmod", &["hello"]);
    let packed = gzip(&w.directory.join("hello.ko"));
    w.succeed("insmod", &[&require("keys")[..], &[packed.file_name().unwrap().to_str().unwrap()]].concat());
    w.succeed("rmmod", &["hello"]);
    change(&w.directory.join("hello.ko"));
    let changed = insmod(1, "keys", "hello.ko");
    assert!(changed.contains("does not verify it"), "{changed}");
    w.assert_empty();
    // Wrong words, and directories that are not there.
    insmod(2, "nowhere", "hello.ko");
    assert_eq!(w.relobox("insmod", &["--signatures", "maybe", "hello.ko"]).code, Some(2));
}

#[test]
fn warn_and_off_do_not_refuse() {
    let w = environment(&["hello"]);
    for (policy, warned) in [("warn", true), ("off", false)] {
        let outcome = w.relobox("insmod", &["--signatures", policy, "--keys", "keys", "hello.ko"]);
        assert_eq!(outcome.code, Some(0), "{outcome:?}");
        assert_eq!(outcome.stderr.contains("hello.ko: it is not signed"), warned, "{outcome:?}");
        w.succeed("rmmod", &["hello"]);
    }
    sign(&w.directory.join("hello.ko"));
    let outcome = w.relobox("insmod", &["--signatures", "warn", "--keys", "keys", "hello.ko"]);
    assert_eq!((outcome.code, &*outcome.stderr), (Some(0), ""));
}

#[test]
fn modprobe_and_call_ask_too() {
    let w = environment(&["hello"]);
    let tree = w.directory.join("lib/modules").join(relobox_release(&w));
    std::fs::create_dir_all(&tree).unwrap();
    std::fs::rename(w.directory.join("hello.ko"), tree.join("hello.ko")).unwrap();
    std::fs::write(tree.join("modules.dep"), "hello.ko:\n").unwrap();
    let modprobe = ["-d", ".", "--signatures", "require", "--keys", "keys", "hello"];
    let refused = w.relobox("modprobe", &modprobe);
    assert!(refused.code == Some(1) && refused.stderr.contains("it is not signed"), "{refused:?}");
    sign(&tree.join("hello.ko"));
    w.succeed("modprobe", &modprobe);
    w.compile("probe", "int answer(void) { return 42; }");
    let call = ["--signatures", "require", "--keys", "keys", "probe.ko"];
    assert!(w.fail(1, "call", &call).contains("it is not signed"));
    sign(&w.directory.join("probe.ko"));
    assert!(w.succeed("call", &call).ends_with("returned 42\n"));
}

/// The release of the simulated kernel.
fn relobox_release(w: &TestEnv) -> String {
    w.succeed("sim", &["start"]);
    w.client().list().unwrap().release
}

fn linker() -> Linker {
    let machine = Some(Machine { name: "x86_64".into(), machine: 62, class: 64, order: 1 });
    let program = env!("CARGO_BIN_EXE_relobox").into();
    Linker::start(&Options { program, compiled, cache: Some(cache()), machine, ..Options::default() }).unwrap()
}

fn check(linker: &Linker, path: &Path, keys: &Keys) -> relobox::Result<Checked> {
    let (file, packed) = seal(path)?;
    linker.check("m.ko", file, packed, keys)
}

fn bytes(file: &Checked) -> Vec<u8> {
    let file = File::from(file.file.try_clone().unwrap());
    let mut bytes = vec![0; file.metadata().unwrap().len() as usize];
    file.read_exact_at(&mut bytes, 0).unwrap();
    bytes
}

#[test]
fn a_process_without_rights_judges_and_what_it_judged_is_linked() {
    let w = environment(&["hello"]);
    let path = w.directory.join("hello.ko");
    sign(&path);
    let (linker, mut keys) = (linker(), Keys::read(&[w.directory.join("keys")], None, true).unwrap());
    let checked = check(&linker, &path, &keys).unwrap();
    assert!(checked.verdict.is_verified() && bytes(&checked) == std::fs::read(&path).unwrap(), "{:?}", checked.verdict);
    let unpacked = check(&linker, &gzip(&path), &keys).unwrap();
    assert!(unpacked.verdict.is_verified() && bytes(&unpacked) == std::fs::read(&path).unwrap());
    w.succeed("sim", &["start"]);
    let mut kernel = Sim::connect(&w.socket).unwrap();
    assert_eq!(linker.insmod(&mut kernel, "hello.ko", unpacked.file.as_fd(), "").unwrap().name, "hello");
    // What is no certificate, and what the kernel says, explain an unknown key.
    keys.files = vec![("/keys/notes".into(), b"notes".to_vec())];
    keys.kernel = b"1 I-- 1 perm 1f030000 0 0 asymmetri Me: 00: X509.ecdsa 00 []\n".to_vec();
    match check(&linker, &path, &keys).unwrap().verdict {
        Verdict::UnknownKey { unusable, in_kernel: None, .. } => assert!(unusable[0].starts_with("/keys/notes (")),
        other => panic!("{other:?}"),
    }
    // A damaged stream is a fault of the module, not of the process.
    std::fs::write(w.directory.join("bad.ko.gz"), [0x1f, 0x8b, 8, 0, 0, 0, 0]).unwrap();
    let damaged = check(&linker, &w.directory.join("bad.ko.gz"), &keys).unwrap_err();
    assert!(matches!(damaged, Error::Reported(_)), "{damaged}");
    for odd in [&b""[..], b"~Module signature appended~\n", &[0; 40]] {
        std::fs::write(w.directory.join("odd.ko"), odd).unwrap();
        assert!(!check(&linker, &w.directory.join("odd.ko"), &keys).unwrap().verdict.is_verified());
    }
}

/// With this machine's kernel, the answer comes before the kernel is asked.
#[test]
fn this_machines_kernel_is_not_asked() {
    let w = environment(&["hello"]);
    let insmod = || {
        let args = ["insmod", "--kernel", "vet", "--signatures", "require", "--keys", "keys", "hello.ko", "--json"];
        let outcome: test_env::Outcome = w.command_of(&args).output().unwrap().into();
        let error: Value = serde_json::from_str(&outcome.stdout).unwrap_or_else(|_| panic!("{outcome:?}"));
        assert_ne!(outcome.code, Some(0));
        error.to_string()
    };
    assert!(insmod().contains(r#""kind":"unsigned""#), "{}", insmod());
    sign(&w.directory.join("hello.ko"));
    // Its symbols are those of the simulated kernel, or this user may not load modules.
    assert!(!insmod().contains("sign"), "{}", insmod());
    change(&w.directory.join("hello.ko"));
    assert!(insmod().contains(r#""kind":"bad-signature""#), "{}", insmod());
    // Others may have written these.
    let key = w.directory.join("keys/test.der");
    std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o666)).unwrap();
    assert!(insmod().contains("other users may write it"), "{}", insmod());
}

#[test]
fn check_gives_a_reason() {
    let w = environment(&["hello", "math_provider", "counter"]);
    sign(&w.directory.join("hello.ko"));
    sign(&w.directory.join("counter.ko"));
    change(&w.directory.join("counter.ko"));
    let check = |policy: &str, code| {
        let modules = ["hello.ko", "math_provider.ko", "counter.ko"];
        let args = [&["check", "--json", "--no-symbols", "--signatures", policy, "--keys", "keys"][..], &modules];
        let outcome: test_env::Outcome = w.command_of(&args.concat()).output().unwrap().into();
        assert_eq!(outcome.code, Some(code), "{outcome:?}");
        serde_json::from_str::<Value>(&outcome.stdout).unwrap()
    };
    let kinds = |report: &Value| {
        let reasons = report["reasons"].as_array().unwrap().iter();
        let mut kinds: Vec<_> = reasons.map(|reason| reason["kind"].as_str().unwrap().to_owned()).collect();
        kinds.sort();
        kinds
    };
    let report = check("require", 1);
    assert_eq!((kinds(&report), &report["linked"]), (vec!["bad-signature".into(), "unsigned".into()], &1.into()));
    assert_eq!(report["verified"], 1);
    let report = check("warn", 0);
    assert_eq!((&report["linked"], &report["verified"]), (&3.into(), &1.into()));
    assert_eq!(report["warnings"].as_array().unwrap().len(), 2, "{report}");
    let report = check("off", 0);
    assert!(report.get("verified").is_none() && report["warnings"].as_array().unwrap().is_empty());
}

#[test]
fn modinfo_says_it_if_asked() {
    let w = environment(&["hello"]);
    let path = w.directory.join("hello.ko");
    let modinfo = |args: &[&str]| {
        let outcome: test_env::Outcome = w.command_of(&[&["modinfo"], args].concat()).output().unwrap().into();
        assert_eq!(outcome.code, Some(0), "{outcome:?}");
        outcome.stdout
    };
    let asked = ["--signatures", "warn", "--keys", "keys"];
    let with = modinfo(&[&asked[..], &["hello.ko"]].concat());
    let said: Vec<_> = with.lines().filter(|line| line.starts_with("sig_verified:")).collect();
    assert_eq!(said, ["sig_verified:   no, it is not signed"]);
    // All else is as it was.
    assert_eq!(with.replace("sig_verified:   no, it is not signed\n", ""), modinfo(&["hello.ko"]));
    sign(&path);
    gzip(&path);
    for file in ["hello.ko", "hello.ko.gz"] {
        let field = modinfo(&[&asked[..], &["-F", "sig_verified", file]].concat());
        assert!(field.starts_with("yes, signed with key ") && field.contains("keys/test.der"), "{field}");
        let other = modinfo(&["--signatures=require", "--keys=others", "-F", "sig_verified", file]);
        assert!(other.starts_with("no, signed with key "), "{other}");
    }
    assert!(!modinfo(&["hello.ko"]).contains("sig_verified"));
    assert_eq!(modinfo(&["--signatures", "off", "hello.ko"]), modinfo(&["hello.ko"]));
    let wrong: test_env::Outcome = w.command_of(&["modinfo", "--signatures", "x", "hello.ko"]).output().unwrap().into();
    assert!(wrong.code == Some(1) && wrong.stderr.contains("'x' is none of off, warn, require"), "{wrong:?}");
}

/// The helper of these tests.
#[test]
fn a_signed_module_ends_as_linux_expects() {
    let module = signed(b"module");
    assert!(module.starts_with(b"module\x30") && module.ends_with(b"~Module signature appended~\n"));
}
