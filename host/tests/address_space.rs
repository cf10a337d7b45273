//! Where address space is limited (`ulimit -v`), that is said: it is no guest's fault, and no plugin's.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

mod test_env;

use std::process::{Command, Output};
use test_env::{TestEnv, cache};

/// Runs relobox with `ulimit OPTION KIB`.
fn limited(w: &TestEnv, option: &str, kib: u64, args: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit \"$0\" \"$1\" && shift && exec \"$@\"", option, &kib.to_string()]);
    command
        .arg(env!("CARGO_BIN_EXE_relobox"))
        .args(args)
        .current_dir(&w.directory)
        .env("RELOBOX_CACHE", cache())
        .env("RELOBOX_ALL_IN_ONE", "1");
    let Output { status, stdout, stderr } = command.output().unwrap();
    (status.code(), String::from_utf8_lossy(&stdout).into_owned() + &String::from_utf8_lossy(&stderr))
}

#[test]
fn too_little_address_space_is_an_ordinary_error() {
    let w = TestEnv::new();
    w.sample("hello");
    assert!(Command::new("gzip").arg("-k").arg(w.directory.join("hello.ko")).status().unwrap().success());
    let socket = w.socket.to_str().unwrap();
    let commands: &[&[&str]] = &[
        &["link", "hello.ko", "--symbols", "none"],
        &["link", "hello.ko.gz"],
        &["check", "."],
        &["inspect", "hello.ko"],
        &["plugin", "test", "x86_64"],
        &["fuzz", "x86_64", "--executions", "10", "--out", "findings"],
        &["insmod", "--kernel", "sim", "--socket", socket, "hello.ko"],
        &["insmod", "--kernel", "vet", "hello.ko"],
        &["__linker", "--prove"],
    ];
    std::fs::write(w.directory.join("none"), "ffffffff81000000 T _text\n").unwrap();
    // 100 MiB, not quite one linear memory, not quite two, and not quite what is said to be needed.
    for kib in [100 << 10, 4 << 20, 8 << 20, (9 << 20) - 1] {
        for args in commands {
            let (code, said) = limited(&w, "-v", kib, args);
            assert_eq!(code, Some(2), "{kib} KiB, {args:?}: {said}");
            assert!(said.contains("(ulimit -v), and each link takes 9 GiB of it"), "{kib} KiB, {args:?}: {said}");
            assert!(!said.contains("trapped") && !said.contains("usable guest"), "{args:?}: {said}");
        }
    }
    assert!(!w.directory.join("relobox-failures").exists() && !w.directory.join("findings").exists());
    // What is said to be needed is enough.
    for (args, expected) in [(commands[1], 1), (commands[3], 0), (commands[8], 0)] {
        let (code, said) = limited(&w, "-v", 9 << 20, args);
        assert_eq!(code, Some(expected), "{args:?}: {said}");
        assert!(!said.contains("ulimit"), "{said}");
    }
    // A limit that nothing here needs is not blamed.
    let (code, said) = limited(&w, "-v", 64 << 20, &["inspect", "hello.ko"]);
    assert_eq!(code, Some(0), "{said}");
}

#[test]
fn too_little_data_is_an_ordinary_error() {
    let w = TestEnv::new();
    let large = ".globl f\nf: ret\n.data\n.fill 60000000,1,1\n";
    std::fs::write(w.directory.join("large.s"), large).unwrap();
    let done = Command::new("cc").current_dir(&w.directory).args(["-c", "large.s", "-o", "large.ko"]).status().unwrap();
    assert!(done.success());
    // The program itself takes some 12 MiB.
    for kib in [40 << 10, 50 << 10] {
        let (code, said) = limited(&w, "-d", kib, &["link", "large.ko"]);
        assert_eq!(code, Some(2), "{kib} KiB: {said}");
        assert!(said.contains("the data of this process is limited to"), "{said}");
    }
}
