//! LLVM's in-process linker, run as `llvm-jitlink -noexec`.
//!
//! It chooses section addresses itself, inside a range that it is given, so its bytes are not compared:
//! it is here because it is the nearest thing to relobox in what it does, and so the one to be timed
//! against. The whole process counts, as for the other linkers.

use super::{Job, Target, neutral, tool};
use anyhow::{Context, Result, ensure};
use relobox_needs::Need;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

/// Flags known from this version on.
const OLDEST: u32 = 18;

/// Room for the module: more than any module needs, and it costs nothing.
const SLAB: &str = "256Mb";

/// Whether `target` is one it links; MIPS is not.
pub fn supports(target: Target) -> bool {
    !matches!(target, Target::Mips | Target::Mipsel)
}

/// Whether a recent enough one is installed.
pub fn available() -> bool {
    tool::llvm("llvm-jitlink", OLDEST).is_ok()
}

/// What a test needs that links with it.
pub fn need() -> Need {
    Need::new(format!("llvm llvm-jitlink of {OLDEST}"), relobox_needs::llvm("llvm-jitlink", OLDEST).map(drop))
}

/// The command that links `job`, its files written to `dir`, so that only running it need be timed.
///
/// A plain run drops every section that no global symbol leads to: the ORC tables, the list of ftrace
/// sites and a dozen more, which is most of a module's relocations. A symbol per section keeps them.
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
        // Only a name that exists: nothing runs.
        .arg(format!("-entry=relobox_section_{entry}"))
        .arg(format!("@{}", arguments.display()))
        .arg(object_copy);
    Ok(command)
}

/// Links `job`.
pub fn link(job: &Job, dir: &Path) -> Result<()> {
    tool::run(&mut command(job, dir)?)
}
