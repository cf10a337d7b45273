//! LLVM's linker.

use super::{Image, Job, tool};
use anyhow::Result;
use std::path::Path;
use std::process::Command;

/// s390x needs this one; the other targets are older.
const OLDEST: u32 = 18;

/// Links `job`; `dir` takes the intermediate files.
pub fn link(job: &Job, dir: &Path) -> Result<Image> {
    let mut command = Command::new(tool::llvm("ld.lld", OLDEST)?);
    // Named by all targets' psABI, so that the first input need not decide.
    command.args(["-m", tool::gnu_ld(job.arch).1, "--threads=1"]);
    tool::link(command, "lld", job, dir)
}

/// Whether a recent enough one is installed.
pub fn available() -> bool {
    tool::llvm("ld.lld", OLDEST).is_ok()
}
