//! The demonstration does what it says, notices when something does not, and cleans up.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

mod test_env;

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use test_env::{Outcome, TestEnv, cache};

fn demo(w: &TestEnv, path: &str, args: &[&str]) -> Outcome {
    let mut demo = Command::new(env!("CARGO_BIN_EXE_relobox"));
    demo.env("TMPDIR", w.directory.join("tmp")).env("RELOBOX_CACHE", cache()).env("PATH", path);
    demo.arg("demo").args(args).output().unwrap().into()
}

fn env() -> (TestEnv, String) {
    let w = TestEnv::new();
    std::fs::create_dir(w.directory.join("tmp")).unwrap();
    (w, std::env::var("PATH").unwrap())
}

fn left(w: &TestEnv) -> Vec<std::path::PathBuf> {
    std::fs::read_dir(w.directory.join("tmp")).unwrap().map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn every_step_does_what_it_should_and_nothing_stays() {
    let (w, path) = env();
    let outcome = demo(&w, &path, &[]);
    assert_eq!((outcome.code, &*outcome.stderr), (Some(0), ""), "{}", outcome.stdout);
    for said in [
        "1. Modules",
        "hello: hello, Roman Zippel",
        "guest loops (loops/loops.wasm): used up its fuel",
        "7. A crash",
        "All 2",
    ] {
        assert!(outcome.stdout.contains(said), "{said}: {}", outcome.stdout);
    }
    assert!(!outcome.stdout.contains("WRONG") && !outcome.stdout.contains('\x1b'));
    assert!(left(&w).is_empty(), "{:?}", left(&w));
}

#[test]
fn a_step_that_goes_otherwise_is_noticed() {
    let (w, path) = env();
    // A compiler that makes a module that succeeds, where one that fails should be.
    let cc = w.directory.join("bin").join("cc");
    std::fs::create_dir(cc.parent().unwrap()).unwrap();
    let script = "#!/bin/sh\nPATH=${PATH#*:}\ncase \"$*\" in *failing.c*) exec cc $(echo \"$@\" | \
                  sed s/failing.c/hello.c/);; esac\nexec cc \"$@\"\n";
    std::fs::write(&cc, script).unwrap();
    std::fs::set_permissions(&cc, std::fs::Permissions::from_mode(0o755)).unwrap();
    let outcome = demo(&w, &format!("{}:{path}", cc.parent().unwrap().display()), &[]);
    assert_eq!(outcome.code, Some(1), "{}", outcome.stdout);
    assert!(outcome.stdout.contains("WRONG: relobox insmod failing.ko: exit code 0, expected 1"), "{}", outcome.stdout);
    assert!(!outcome.stdout.contains("All 2"));
    assert!(left(&w).is_empty());
}

#[test]
fn without_a_compiler_it_says_so() {
    let (w, _) = env();
    let outcome = demo(&w, "/nowhere", &[]);
    assert_eq!(outcome.code, Some(2));
    assert!(outcome.stderr.contains("apt install gcc"), "{}", outcome.stderr);
    assert!(left(&w).is_empty());
}

#[test]
fn what_is_kept_can_be_used() {
    let (w, path) = env();
    let outcome = demo(&w, &path, &["--keep"]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stdout);
    let [directory] = &left(&w)[..] else { panic!("{:?}", left(&w)) };
    assert!(outcome.stdout.contains(&format!("The modules are in {}.", directory.display())));
    let module = directory.join("hello.ko");
    assert!(w.succeed("insmod", &[Path::to_str(&module).unwrap()]).starts_with("hello: live"));
}
