//! LLVM's linker.

use super::{Image, Job, tool};
use anyhow::Result;
use relobox_needs::Need;
use std::path::{Path, PathBuf};
use std::process::Command;

/// s390x needs this one; the other targets are older.
const OLDEST: u32 = 18;

/// Links `job`; `dir` takes the intermediate files.
pub fn link(job: &Job, dir: &Path) -> Result<Image> {
    tool::link(prepare(job, dir)?, job)
}

/// The command that [`link()`] runs, its files written to `dir`, for those who want to time only that.
pub fn command(job: &Job, dir: &Path) -> Result<Command> {
    Ok(prepare(job, dir)?.command)
}

fn prepare(job: &Job, dir: &Path) -> Result<tool::Prepared> {
    let mut command = Command::new(program()?);
    // The emulations have GNU ld's names, so that the first input need not decide.
    command.args(["-m", tool::gnu_ld(job.arch).1]);
    tool::prepare(command, "lld", job, dir)
}

/// The newest one that is installed.
pub fn program() -> Result<PathBuf> {
    tool::llvm("ld.lld", OLDEST)
}

/// Whether a recent enough one is installed.
pub fn available() -> bool {
    program().is_ok()
}

/// What a test needs that links with it.
pub fn need() -> Need {
    Need::new(format!("llvm ld.lld of {OLDEST}"), relobox_needs::llvm("ld.lld", OLDEST).map(drop))
}
