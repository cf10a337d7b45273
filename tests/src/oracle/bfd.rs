//! GNU ld, the linker of binutils.

use super::{Image, Job, tool};
use anyhow::Result;
use std::path::Path;
use std::process::Command;

/// Links `job`; `dir` takes the intermediate files.
pub fn link(job: &Job, dir: &Path) -> Result<Image> {
    let (program, emulation) = tool::gnu_ld(job.arch);
    let mut command = Command::new(program);
    command.args(["-m", emulation, "--no-warn-rwx-segments", "--no-warn-mismatch"]);
    tool::link(command, "bfd", job, dir)
}

/// Whether the linker for `target` is installed.
pub fn available(target: super::Target) -> bool {
    Command::new(tool::gnu_ld(target).0).arg("--version").output().is_ok()
}
