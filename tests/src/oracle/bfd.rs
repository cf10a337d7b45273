//! GNU ld, the linker of binutils.

use super::{Image, Job, tool};
use anyhow::Result;
use std::path::Path;
use std::process::Command;

/// Links `job`; `dir` takes the intermediate files.
pub fn link(job: &Job, dir: &Path) -> Result<Image> {
    tool::link(prepare(job, dir)?, job)
}

/// The command that [`link()`] runs, its files written to `dir`, for those who want to time only that.
pub fn command(job: &Job, dir: &Path) -> Result<Command> {
    Ok(prepare(job, dir)?.command)
}

fn prepare(job: &Job, dir: &Path) -> Result<tool::Prepared> {
    let (program, emulation) = tool::gnu_ld(job.arch);
    let mut command = Command::new(program);
    command.args(["-m", emulation, "--no-warn-rwx-segments", "--no-warn-mismatch"]);
    tool::prepare(command, "bfd", job, dir)
}

/// Whether the linker for `target` is installed.
pub fn available(target: super::Target) -> bool {
    Command::new(tool::gnu_ld(target).0).arg("--version").output().is_ok()
}
