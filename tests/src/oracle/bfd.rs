//! GNU ld, the linker of binutils.

use super::{Image, Job, tool};
use anyhow::{Context as _, Result};
use std::path::Path;
use std::process::Command;

/// Links `job`. Intermediate files are written to `dir`.
///
/// # Errors
/// If GNU ld is missing or fails, or its output cannot be read.
pub fn link(job: &Job, dir: &Path) -> Result<Image> {
    tool::link(prepare(job, dir)?, job)
}

/// Returns the command that [`link()`] runs, after writing its input files to `dir`. A benchmark can then time the
/// command alone.
///
/// # Errors
/// If the object cannot be rewritten, or a file cannot be written.
pub fn command(job: &Job, dir: &Path) -> Result<Command> {
    Ok(prepare(job, dir)?.command)
}

fn prepare(job: &Job, dir: &Path) -> Result<tool::Prepared> {
    let ld = job.arch.variant.gnu_ld;
    let (program, emulation) = ld.with_context(|| format!("GNU ld does not link for {:?}", job.arch))?;
    let mut command = Command::new(program);
    command.args(job.arch.variant.options.0).args(["-m", emulation, "--no-warn-rwx-segments", "--no-warn-mismatch"]);
    tool::prepare(command, "bfd", job, dir)
}

/// Returns whether the linker for `target` is installed.
pub fn available(target: super::Target) -> bool {
    target.variant.gnu_ld.is_some_and(|(ld, _)| Command::new(ld).arg("--version").output().is_ok())
}
