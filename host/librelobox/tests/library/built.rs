//! What the tests build: programs in C, and what they link.

use anyhow::{Context as _, Result};
use relobox_needs::{Need, programs_root, ran};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The library, built after its sources.
pub(crate) fn library() -> Need {
    relobox_needs::library("librelobox.so.1", "scripts/build-librelobox", here("src"))
}

pub(crate) fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The directory of the library.
pub(crate) fn directory() -> PathBuf {
    std::fs::canonicalize(programs_root()).unwrap_or_else(|_| programs_root())
}

/// Compiles a program with the library. `options` are for the compiler.
pub(crate) fn compile(source: &Path, options: &[&str], to: &Path) -> Result<PathBuf> {
    let program = to.join(source.file_stem().context("a name")?);
    let mut cc = Command::new("cc");
    cc.args(["-std=c11", "-D_GNU_SOURCE", "-O1", "-g", "-Wall", "-Wextra", "-Werror"]).args(options);
    cc.arg("-I").arg(directory().join("include")).arg(source).arg("-o").arg(&program);
    ran(cc.arg("-L").arg(directory()).arg("-lrelobox"))?;
    Ok(program)
}

/// A program that uses the library.
pub(crate) fn with_library(program: &Path) -> Command {
    let mut command = Command::new(program);
    // Nothing is recorded.
    command.env("LD_LIBRARY_PATH", directory()).env("RELOBOX_STATE", "");
    command
}

/// An object, and files of symbols for it.
pub(crate) struct Sample {
    pub(crate) directory: tempfile::TempDir,
}

impl Sample {
    /// Compiles tests/c/sample.c, as kernels are compiled.
    pub(crate) fn new() -> Result<Self> {
        let sample = Self { directory: tempfile::tempdir()? };
        let mut cc = Command::new("cc");
        cc.args(["-O1", "-ffreestanding", "-fno-pic", "-mcmodel=kernel", "-fno-stack-protector"]);
        cc.args(["-fno-asynchronous-unwind-tables", "-fcf-protection=none", "-c"]).arg(here("tests/c/sample.c"));
        ran(cc.arg("-o").arg(sample.object()))?;
        std::fs::write(sample.system_map(), "ffffffff81000000 T _text\nffffffff81234550 T printk\n")?;
        std::fs::write(sample.at("no.map"), "this is no map\n")?;
        Ok(sample)
    }

    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn object(&self) -> PathBuf {
        self.at("sample.o")
    }

    pub(crate) fn system_map(&self) -> PathBuf {
        self.at("System.map")
    }
}
