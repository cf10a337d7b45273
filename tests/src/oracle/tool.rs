//! Runs a linker.

use super::{Image, Job, neutral::Neutral, script};
use anyhow::{Context, Error, Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A linker's command for a job, with its input files written.
pub(super) struct Prepared {
    /// The command. Running it includes no work but the linker's own.
    pub(super) command: Command,
    label: &'static str,
    neutral: Neutral,
    output: PathBuf,
}

/// Adds the common options to `command`, and the input files, which are written to `dir`.
pub(super) fn prepare(mut command: Command, label: &'static str, job: &Job, dir: &Path) -> Result<Prepared> {
    let object = std::fs::read(job.object).with_context(|| job.object.display().to_string())?;
    let neutral = Neutral::of(&object).with_context(|| job.object.display().to_string())?;
    let at = |suffix: &str| dir.join(format!("{label}.{suffix}"));
    std::fs::write(at("o"), &neutral.bytes)?;
    std::fs::write(at("lds"), script::write(job, &neutral)?)?;
    command
        .args(["-static", "--no-relax", "-e", "0", "--build-id=none", "-n", "--no-check-sections"])
        .args(["-z", "norelro", "-z", "notext", "-z", "noexecstack", "--discard-none", "--no-gc-sections"])
        .arg("-T")
        .arg(at("lds"))
        .arg("-o")
        .arg(at("elf"))
        .arg(at("o"));
    Ok(Prepared { command, label, neutral, output: at("elf") })
}

/// Runs the prepared command for `job` and reads its output.
pub(super) fn link(mut prepared: Prepared, job: &Job) -> Result<Image> {
    run(&mut prepared.command)?;
    let context = || format!("{} on {}", prepared.label, job.object.display());
    Image::read(&prepared.output, &job.sections, &prepared.neutral).with_context(context)
}

/// Runs `command`. If it fails, its output becomes the error message.
pub(super) fn run(command: &mut Command) -> Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().with_context(|| format!("{program} (tests/scripts/install-oracles installs it)"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let lines: Vec<&str> = said.lines().take(20).collect();
        bail!("{program}: {}\n{}", output.status, lines.join("\n"));
    }
    Ok(())
}

/// Returns the path of the newest installed LLVM `tool` of version `oldest` or newer.
pub(super) fn llvm(tool: &str, oldest: u32) -> Result<PathBuf> {
    relobox_needs::llvm(tool, oldest).map_err(Error::msg)
}
