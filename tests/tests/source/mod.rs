//! The repository's own source, to look at.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The repository's root.
pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a workspace").to_owned()
}

/// Directories of all packages of the workspace, relative to the root.
pub(crate) fn directories() -> impl Iterator<Item = String> {
    let mut found = Vec::new();
    for parent in ["", "arch-plugins", "host"] {
        for entry in std::fs::read_dir(repository().join(parent)).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.join("Cargo.toml").is_file() {
                let relative = path.strip_prefix(repository()).expect("inside").to_string_lossy().into_owned();
                found.push(relative);
            }
        }
    }
    assert!(found.len() > 8, "{found:?}");
    found.sort();
    found.into_iter()
}

/// What a package depends on; with `all`, also for its tests and its build script.
pub(crate) fn dependencies(directory: &str, all: bool) -> BTreeSet<String> {
    let manifest = repository().join(directory).join("Cargo.toml");
    let text = std::fs::read_to_string(&manifest).unwrap_or_else(|e| panic!("{}: {e}", manifest.display()));
    let mut wanted = false;
    let mut out = BTreeSet::new();
    for line in text.lines() {
        if let Some(header) = line.strip_prefix('[') {
            let header = header.trim_end_matches(']');
            let tests = header.ends_with("dev-dependencies") || header.ends_with("build-dependencies");
            wanted = header.ends_with("dependencies") && (all || !tests);
            continue;
        }
        let name = line.split([' ', '.', '=']).next().unwrap_or_default();
        if wanted && !name.is_empty() && !name.starts_with('#') {
            out.insert(name.to_owned());
        }
    }
    out
}

/// Every Rust file below a directory (or that one file), with its path from the root, and its text.
pub(crate) fn rust_files(root: &str) -> impl Iterator<Item = (String, String)> {
    let mut out = Vec::new();
    let mut waiting = vec![repository().join(root)];
    while let Some(path) = waiting.pop() {
        // Links lead to files that are read where they are.
        if path.is_symlink() {
            continue;
        }
        if path.is_dir() {
            if path.file_name().is_some_and(|name| name != "target") {
                waiting.extend(std::fs::read_dir(&path).expect("a directory").map(|e| e.expect("an entry").path()));
            }
        } else if path.extension().is_some_and(|e| e == "rs") {
            let relative = path.strip_prefix(repository()).expect("inside").to_string_lossy().into_owned();
            out.push((relative, std::fs::read_to_string(&path).expect("a source file")));
        }
    }
    assert!(!out.is_empty(), "{root} has no source");
    out.sort();
    out.into_iter()
}

/// Every source file of the crates under `host/`, as [`rust_files`] has them.
pub(crate) fn host_files() -> impl Iterator<Item = (String, String)> {
    let crates = directories().filter(|d| *d == "host" || d.starts_with("host/"));
    crates.collect::<Vec<_>>().into_iter().flat_map(|d| rust_files(&format!("{d}/src")).collect::<Vec<_>>())
}

/// A file without its comments and without its unit tests.
pub(crate) fn code(text: &str) -> String {
    let text = text.split("\n#[cfg(test)]\n").next().unwrap_or_default();
    let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.flat_map(|line| [line, "\n"]).collect()
}

/// The guests that the host ships.
pub(crate) fn guests() -> impl Iterator<Item = (String, Vec<u8>)> {
    let mut out = Vec::new();
    for entry in std::fs::read_dir(repository().join("host/guests")).expect("guests") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|e| e == "wasm") {
            let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
            out.push((name, std::fs::read(&path).expect("a guest")));
        }
    }
    assert!(out.len() >= 7, "{} guests", out.len());
    out.sort();
    out.into_iter()
}
