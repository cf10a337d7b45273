//! Shell scripts that users run are free of what shellcheck knows.

use relobox_needs::{ExitCode, test, tool};
use std::path::{Path, PathBuf};
use std::process::Command;

fn main() -> ExitCode {
    relobox_needs::run([test!(shellcheck_finds_nothing).needs([tool("shellcheck")])])
}

/// Every file below a directory that begins with a shell's `#!`.
fn scripts(dir: &Path, into: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display())) {
        let path = entry.unwrap().path();
        if path.is_dir() {
            scripts(&path, into);
        } else if std::fs::read_to_string(&path).is_ok_and(|text| text.starts_with("#!/bin/sh")) {
            into.push(path);
        }
    }
}

fn shellcheck_finds_nothing() {
    let mut found = Vec::new();
    for dir in ["../initramfs", "../packaging", "templates"] {
        scripts(&Path::new(env!("CARGO_MANIFEST_DIR")).join(dir), &mut found);
    }
    assert!(found.len() >= 11, "{found:?}");
    let output = Command::new("shellcheck").args(["-s", "sh"]).args(&found).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}
