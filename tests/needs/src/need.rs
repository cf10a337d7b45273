//! What a test may need, and whether it is there.

use crate::require::Require;
use std::ffi::OsString;
use std::fmt;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// Something that a test needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    name: String,
    missing: Option<String>,
}

/// What is missing, and what to do about it.
impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "needs {}", self.name)?;
        self.missing.as_ref().map_or(Ok(()), |missing| write!(f, ": {missing}"))
    }
}

impl Need {
    /// A need called `name`; if it is not met, what is missing and what to do, in a few words.
    ///
    /// # Panics
    ///
    /// If `RELOBOX_REQUIRE` could not ask for it: the first word of the name must be a program of [`crate::tool`] or
    /// one of the kinds in `names.rs`.
    pub fn new(name: impl Into<String>, met: Result<(), String>) -> Need {
        let name = name.into();
        assert!(Require::knows(&name), "a need of a new kind: {name}");
        Need { name, missing: met.err() }
    }

    /// As `RELOBOX_REQUIRE` calls it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it is there.
    pub fn is_met(&self) -> bool {
        self.missing.is_none()
    }
}

/// A process with all rights.
pub fn root() -> Need {
    let is_root = std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0);
    Need::new("root", is_root.then_some(()).ok_or_else(|| "run the tests as root".to_owned()))
}

/// `RELOBOX_ORACLES=N`: other linkers and real modules are asked for, N modules of each corpus.
pub fn oracles() -> Need {
    let set = std::env::var_os("RELOBOX_ORACLES").is_some();
    Need::new("oracles", set.then_some(()).ok_or_else(|| "set RELOBOX_ORACLES to a number of modules".to_owned()))
}

/// The modules of one kernel package, fetched by `tests/scripts/fetch-corpora`.
pub fn corpus(name: &str) -> Need {
    // Written last by the script.
    let there = corpora().join(name).join("package").is_file();
    let missing = || format!("tests/scripts/fetch-corpora {name}");
    Need::new(format!("corpus {name}"), there.then_some(()).ok_or_else(missing))
}

/// The directory of all corpora: `RELOBOX_CORPORA`, or `target/corpora` of this repository.
pub fn corpora() -> PathBuf {
    directory("RELOBOX_CORPORA", "corpora")
}

/// The directory of the copies of a kernel's memory: `RELOBOX_KERNEL_MEMORY`, or `target/kernel-memory` of this
/// repository.
pub fn kernel_memory_root() -> PathBuf {
    directory("RELOBOX_KERNEL_MEMORY", "kernel-memory")
}

/// The directory of the programs that are installed: `RELOBOX_PROGRAMS`, or `target/programs` of this repository.
pub fn programs_root() -> PathBuf {
    directory("RELOBOX_PROGRAMS", "programs")
}

/// The programs that are installed, built by `scripts/build-programs`.
pub fn programs() -> Need {
    let there = ["relobox-kmod", "relobox-linker"].iter().all(|name| programs_root().join(name).is_file());
    Need::new("programs", there.then_some(()).ok_or_else(|| "scripts/build-programs".to_owned()))
}

fn directory(variable: &str, name: &str) -> PathBuf {
    let usual = || OsString::from(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target").join(name));
    std::env::var_os(variable).unwrap_or_else(usual).into()
}
