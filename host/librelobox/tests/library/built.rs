//! What the tests build: programs in C, and what they link.

use anyhow::{Context as _, Result, ensure};
use relobox_needs::{Need, programs_root};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The library, built after its sources.
pub(crate) fn library() -> Need {
    let changed = |path: &Path| std::fs::metadata(path).and_then(|meta| meta.modified()).ok();
    let sources = sources().into_iter().filter_map(|path| changed(&path)).max();
    let fresh = changed(&directory().join("librelobox.so.1")) > sources;
    Need::new("programs librelobox.so.1", fresh.then_some(()).ok_or_else(|| "scripts/build-librelobox".to_owned()))
}

fn sources() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![here("src")];
    while let Some(directory) = open.pop() {
        for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() { open.push(path) } else { found.push(path) }
        }
    }
    found
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

/// Runs a command that has to succeed. Returns what it printed.
pub(crate) fn ran(command: &mut Command) -> Result<String> {
    let Output { status, stdout, stderr } = command.output().with_context(|| format!("{command:?}"))?;
    let (stdout, stderr) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    ensure!(status.success(), "{command:?}: {status}\n{stdout}{stderr}");
    Ok(stdout.into_owned())
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
