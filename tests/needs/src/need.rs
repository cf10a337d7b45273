//! Needs of a test, and whether they are met.

use crate::require::Require;
use std::ffi::OsString;
use std::fmt;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// A need of a test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    name: String,
    missing: Option<String>,
}

/// Prints what is missing and how to get it.
impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "needs {}", self.name)?;
        self.missing.as_ref().map_or(Ok(()), |missing| write!(f, ": {missing}"))
    }
}

impl Need {
    /// Makes a need called `name`. If it is not met, the error says in a few words what is missing and how to get it.
    ///
    /// # Panics
    ///
    /// If `RELOBOX_REQUIRE` could not name it: the first word of the name must be a program of [`crate::tool`] or one
    /// of the kinds in `names.rs`.
    pub fn new(name: impl Into<String>, met: Result<(), String>) -> Need {
        let name = name.into();
        assert!(Require::knows(&name), "a need of a new kind: {name}");
        Need { name, missing: met.err() }
    }

    /// Returns the name that `RELOBOX_REQUIRE` uses.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns whether the need is met.
    pub fn is_met(&self) -> bool {
        self.missing.is_none()
    }
}

/// Returns the need of running as root.
pub fn root() -> Need {
    let is_root = std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0);
    Need::new("root", is_root.then_some(()).ok_or_else(|| "run the tests as root".to_owned()))
}

/// Returns the need of `RELOBOX_ORACLES=N`, which asks for comparisons with other linkers on N modules of each corpus.
pub fn oracles() -> Need {
    let set = std::env::var_os("RELOBOX_ORACLES").is_some();
    Need::new("oracles", set.then_some(()).ok_or_else(|| "set RELOBOX_ORACLES to a number of modules".to_owned()))
}

/// Returns the need of the modules of one kernel package, which `tests/scripts/fetch-corpora` fetches; or, if its name
/// begins with `built-`, `tests/scripts/build-corpora` builds.
pub fn corpus(name: &str) -> Need {
    // The script writes this file last.
    let there = corpora().join(name).join("package").is_file();
    let missing = || match name.strip_prefix("built-") {
        Some(target) => format!("tests/scripts/build-corpora {target}"),
        None => format!("tests/scripts/fetch-corpora {name}"),
    };
    Need::new(format!("corpus {name}"), there.then_some(()).ok_or_else(missing))
}

/// Returns the need of kmod 34, which `tests/scripts/fetch-kmod` fetches.
pub fn kmod() -> Need {
    // The script writes this file last.
    let there = kmod_root().join("complete").is_file();
    Need::new("kmod-34", there.then_some(()).ok_or_else(|| "tests/scripts/fetch-kmod".to_owned()))
}

/// Returns the directory of kmod 34: its programs in `bin`, its sources in `source`.
pub fn kmod_root() -> PathBuf {
    PathBuf::from("/usr/local/lib/relobox-oracles/kmod")
}

/// Returns the directory of all corpora: `RELOBOX_CORPORA`, or `target/corpora` of this repository.
pub fn corpora() -> PathBuf {
    directory("RELOBOX_CORPORA", "corpora")
}

/// Returns the directory of the copies of kernel memory: `RELOBOX_KERNEL_MEMORY`, or `target/kernel-memory` of this
/// repository.
pub fn kernel_memory_root() -> PathBuf {
    directory("RELOBOX_KERNEL_MEMORY", "kernel-memory")
}

/// The directory of the programs that are installed: `RELOBOX_PROGRAMS`, or `target/programs` of this repository.
pub fn programs_root() -> PathBuf {
    directory("RELOBOX_PROGRAMS", "programs")
}

/// The programs that are installed, built by `scripts/build-programs`, and not before the guests that are in them.
pub fn programs() -> Need {
    let changed = |path: &Path| std::fs::metadata(path).and_then(|meta| meta.modified()).ok();
    let guests = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../host/guests"));
    let locks = guests.into_iter().flatten().flatten().map(|entry| entry.path());
    let newest =
        locks.filter(|path| path.extension().is_some_and(|e| e == "lock")).filter_map(|path| changed(&path)).max();
    let fresh = |name: &&str| changed(&programs_root().join(name)) > newest;
    let there = ["relobox-kmod", "relobox-linker"].iter().all(fresh);
    Need::new("programs", there.then_some(()).ok_or_else(|| "scripts/build-programs".to_owned()))
}

/// Returns the need of a shared library in [`programs_root`] that `script` builds: it has to be newer than all files
/// below `sources`.
pub fn library(name: &str, script: &str, sources: PathBuf) -> Need {
    let changed = |path: &Path| std::fs::metadata(path).and_then(|meta| meta.modified()).ok();
    let (mut newest, mut open) = (None, vec![sources]);
    while let Some(directory) = open.pop() {
        for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() { open.push(path) } else { newest = newest.max(changed(&path)) }
        }
    }
    let fresh = changed(&programs_root().join(name)) > newest;
    Need::new(format!("programs {name}"), fresh.then_some(()).ok_or_else(|| script.to_owned()))
}

fn directory(variable: &str, name: &str) -> PathBuf {
    let usual = || OsString::from(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target").join(name));
    std::env::var_os(variable).unwrap_or_else(usual).into()
}
