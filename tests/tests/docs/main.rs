//! The documentation is held to the code: what is generated is current, what is claimed is tried.
//!
//! `RELOBOX_BLESS=1 cargo test -p relobox-tests --test docs` writes what is generated; without it, a
//! difference is a failure.

mod abi;
mod book;
mod facts;
mod header;
mod limits;
mod pages;
mod support;
mod words;

use std::path::{Path, PathBuf};

/// A file of the repository.
fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name)
}

fn read(name: &str) -> String {
    std::fs::read_to_string(path(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}

/// The file holds exactly `wanted`; or, when blessing, it does from now on.
fn hold(name: &str, wanted: &str) {
    if std::env::var_os("RELOBOX_BLESS").is_some() {
        return std::fs::write(path(name), wanted).unwrap_or_else(|e| panic!("{name}: {e}"));
    }
    let have = std::fs::read_to_string(path(name)).unwrap_or_default();
    let line = have
        .lines()
        .zip(wanted.lines())
        .position(|(a, b)| a != b)
        .map_or_else(|| have.lines().count().min(wanted.lines().count()) + 1, |line| line + 1);
    assert!(have == wanted, "{name} is stale at line {line}: RELOBOX_BLESS=1 cargo test -p relobox-tests --test docs");
}
