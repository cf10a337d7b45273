//! LLVM's in-process linker, run as `llvm-jitlink -noexec`.
//!
//! It chooses section addresses itself, within a range that it is given, so its bytes are not compared. It is here as
//! the program whose task is closest to relobox's, for benchmarks. The time of the whole process counts, as for the
//! other linkers.

use super::{Job, neutral, tool};
use crate::arch::Target;
use anyhow::{Context, Result, ensure};
use relobox_needs::Need;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

/// The oldest version that knows the options used here.
const OLDEST: u32 = 18;

/// The size of the address range for the module. It exceeds the size of any module and costs nothing.
const SLAB: &str = "256Mb";

/// Returns whether it links files for `target`.
pub fn supports(target: Target) -> bool {
    target.variant.jitlink
}

/// Returns whether a recent enough version is installed.
pub fn available() -> bool {
    tool::llvm("llvm-jitlink", OLDEST).is_ok()
}

/// Returns what a test needs that links with it.
pub fn need() -> Need {
    Need::new(format!("llvm llvm-jitlink of {OLDEST}"), relobox_needs::llvm("llvm-jitlink", OLDEST).map(drop))
}

/// Returns the command that links `job`, after writing its files to `dir`. A benchmark can then time the command alone.
///
/// A plain run drops every section that no global symbol refers to: the ORC tables, the list of ftrace sites and a
/// dozen more, which hold most of a module's relocations. A global symbol for each section keeps them.
///
/// # Errors
/// If LLVM is missing, the object cannot be rewritten, or a file cannot be written.
pub fn command(job: &Job, dir: &Path) -> Result<Command> {
    ensure!(supports(job.arch), "llvm-jitlink does not link {:?}", job.arch);
    let object = std::fs::read(job.object).with_context(|| job.object.display().to_string())?;
    let (object_copy, arguments) = (dir.join("jitlink.o"), dir.join("jitlink.rsp"));
    std::fs::write(&object_copy, neutral::with_global_section_symbols(&object)?)?;
    let mut text = String::new();
    for (name, value) in &job.symbols {
        writeln!(text, "\"-abs={name}={value:#x}\"")?;
    }
    std::fs::write(&arguments, text)?;
    let base = job.sections.iter().map(|section| section.2).min().context("no section")?;
    let entry = job.sections.iter().map(|section| section.1).min().context("no section")?;
    let mut command = Command::new(tool::llvm("llvm-jitlink", OLDEST)?);
    command
        .args(["-noexec", "-no-process-syms", "-num-threads=0", "-slab-page-size=4096"])
        .arg(format!("-slab-address={base:#x}"))
        .arg(format!("-slab-allocate={SLAB}"))
        // The entry point only has to be a name that exists, since nothing is executed.
        .arg(format!("-entry=relobox_section_{entry}"))
        .arg(format!("@{}", arguments.display()))
        .arg(object_copy);
    Ok(command)
}

/// Links `job`.
///
/// # Errors
/// If the command cannot be prepared, or fails.
pub fn link(job: &Job, dir: &Path) -> Result<()> {
    tool::run(&mut command(job, dir)?)
}
