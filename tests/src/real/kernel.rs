//! Uses relobox's command line to link a module at the addresses that it has in a running kernel.

use super::binary;
use crate::corpus::Module;
use crate::kernel_memory::{ByName, Run};
use anyhow::{Context, Result, ensure};
use object::{Object as _, ObjectSection as _};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A module linked at its addresses in a running kernel.
#[derive(Debug)]
pub struct PlacedModule {
    /// The path of the ELF file that relobox wrote.
    pub path: PathBuf,
    /// The addresses of its sections.
    pub addresses: ByName<u64>,
    /// The contents of its sections.
    pub contents: ByName<Vec<u8>>,
}

/// The source from which relobox reads the section addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SectionSource {
    /// The module's directory in /sys/module. It does not show the address of per-CPU data, which relobox must compute.
    /// A module that refers to an empty section, which the directory does not show either, needs
    /// [`SectionSource::File`].
    Directory,
    /// A text file with a line for each section, including per-CPU data.
    File,
}

/// Runs `relobox link MODULE --symbols kallsyms --sections S -o OUT.elf` in `dir`.
///
/// # Errors
/// If a file cannot be written, relobox fails, or its output cannot be read.
pub fn link(run: &Run, module: &Module, given: SectionSource, dir: &Path) -> Result<PlacedModule> {
    let name = module.name();
    let mut sections = run.dir.join(&name).join("sections");
    let empty = run.empty_sections(&name, &module.elf()?)?;
    if given == SectionSource::File || !empty.is_empty() {
        let mut text = String::new();
        for (section, address) in run.memory(&name)?.addresses.into_iter().chain(empty) {
            writeln!(text, "{section} {address:#x}")?;
        }
        if let Some(base) = run.per_cpu_base(&name, &module.elf()?)? {
            writeln!(text, ".data..percpu {base:#x}")?;
        }
        sections = dir.join(format!("{name}.sections"));
        std::fs::write(&sections, text)?;
    }
    let path = dir.join(format!("{name}.elf"));
    let mut command = Command::new(binary()?);
    command.arg("link").arg(&module.path).arg("--symbols").arg(run.dir.join("kallsyms"));
    command.arg("--sections").arg(sections).arg("-o").arg(&path);
    let output = command.output().context("relobox")?;
    ensure!(output.status.success(), "{}: {}", output.status, String::from_utf8_lossy(&output.stderr));
    let (addresses, contents) = read(&path)?;
    Ok(PlacedModule { path, addresses, contents })
}

/// Reads the addresses and contents of the allocated sections of a linked file.
fn read(path: &Path) -> Result<(ByName<u64>, ByName<Vec<u8>>)> {
    let bytes = std::fs::read(path)?;
    let (mut addresses, mut contents) = (ByName::new(), ByName::new());
    for section in object::File::parse(&*bytes).with_context(|| path.display().to_string())?.sections() {
        let object::SectionFlags::Elf { sh_flags, .. } = section.flags() else { continue };
        if sh_flags.0 & object::elf::SHF_ALLOC.0 != 0 {
            let name = section.name()?.to_owned();
            contents.insert(name.clone(), section.data()?.to_vec());
            addresses.insert(name, section.address());
        }
    }
    Ok((addresses, contents))
}
