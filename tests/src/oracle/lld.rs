//! LLVM's linker, lld.

use super::{Image, Job, tool};
use anyhow::{Context, Result};
use relobox_needs::Need;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The oldest version that links for s390x. The other targets have been supported for longer.
const OLDEST: u32 = 18;

/// Links `job`. Intermediate files are written to `dir`.
///
/// # Errors
/// If lld is missing or fails, or its output cannot be read.
pub fn link(job: &Job, dir: &Path) -> Result<Image> {
    tool::link(prepare(job, dir)?, job)
}

/// Returns the command that [`link()`] runs, after writing its input files to `dir`. A benchmark can then time the
/// command alone.
///
/// # Errors
/// If lld is missing, the object cannot be rewritten, or a file cannot be written.
pub fn command(job: &Job, dir: &Path) -> Result<Command> {
    Ok(prepare(job, dir)?.command)
}

fn prepare(job: &Job, dir: &Path) -> Result<tool::Prepared> {
    let mut command = Command::new(program()?);
    // The emulations have the same names as in GNU ld. With one, lld need not infer the target from the first input.
    let emulation = job.arch.variant.lld.with_context(|| format!("lld does not link for {:?}", job.arch))?;
    command.args(["-m", emulation]).args(job.arch.variant.options.1);
    tool::prepare(command, "lld", job, dir)
}

/// Returns the newest version of lld that is installed.
///
/// # Errors
/// If none is recent enough.
pub fn program() -> Result<PathBuf> {
    tool::llvm("ld.lld", OLDEST)
}

/// Returns whether a recent enough version is installed.
pub fn available() -> bool {
    program().is_ok()
}

/// Returns what a test needs that links with lld.
pub fn need() -> Need {
    Need::new(format!("llvm ld.lld of {OLDEST}"), relobox_needs::llvm("ld.lld", OLDEST).map(drop))
}
