//! The memory of a running kernel's modules, as `tests/scripts/kernel-memory` copied it out.
//!
//! Between relocation and the copy, the kernel patched code (x86-64: alternatives, retpolines, ftrace, jump labels,
//! static calls), sorted tables, and the module ran. [`compare()`] separates the differing bytes that this explains
//! from those that it does not.

mod compare;
mod patches;
mod tables;

pub use compare::{Comparison, Difference, SectionReport, compare};
pub use patches::Reason;

use crate::corpus::{self, Corpus};
use crate::oracle;
use anyhow::{Context, Result, ensure};
use object::{Object as _, ObjectSection as _, ObjectSymbol as _};
use relobox_needs::Need;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Section contents or addresses, keyed by section name.
pub type ByName<T> = BTreeMap<String, T>;

/// Returns the directory that holds the copies.
pub use relobox_needs::kernel_memory_root as root;

/// The package whose modules were loaded when the memory was copied.
const CORPUS: &str = "cloud-amd64";

/// Lists what a test on the copies needs: the linkers, the modules, and two copies of the modules' kernel, one with
/// modules that kmod loaded and one with modules that relobox's device loaded.
pub fn needs() -> Vec<Need> {
    let line = |file: PathBuf| std::fs::read_to_string(file).ok().map(|text| text.trim().to_owned());
    let modules = corpus::root().join(CORPUS).join("lib/modules");
    let dirs = root().read_dir().into_iter().flatten().flatten().map(|run| run.path());
    let runs: Vec<PathBuf> = dirs.filter(|dir| dir.join("kallsyms").is_file()).collect();
    let fits = |dir: &&PathBuf| line(dir.join("version")).is_some_and(|version| modules.join(version).is_dir());
    let tools = runs.iter().filter(fits).map(|dir| line(dir.join("with")).unwrap_or_else(|| "stock".to_owned()));
    let made: BTreeSet<String> = tools.collect();
    let of = |(tool, command): (&str, &str)| {
        let others =
            if runs.is_empty() { "" } else { "; the copies here are of other kernels than the corpus, or by another" };
        let met = made.contains(tool).then_some(()).ok_or_else(|| format!("{command}{others}"));
        Need::new(format!("kernel-memory {tool}"), met)
    };
    let copies = [("stock", "tests/scripts/kernel-memory"), ("device", "tests/scripts/kernel-memory --with device")];
    oracle::corpus(CORPUS).into_iter().chain(copies.map(of)).collect()
}

/// Returns the copies of kernel memory whose modules are in the corpus, and that corpus.
///
/// # Errors
/// If the corpus or the copies cannot be read.
pub fn inputs() -> Result<(Vec<Run>, Corpus)> {
    let corpus = Corpus::get(CORPUS)?;
    let mut runs = Run::all()?;
    runs.retain(|run| corpus.modules_dir.join(&run.version).is_dir());
    ensure!(!runs.is_empty(), "no copy of a kernel's memory, or of another kernel than the corpus");
    Ok((runs, corpus))
}

/// One run of a kernel.
#[derive(Debug)]
pub struct Run {
    /// The directory of this run. It holds the kernel's `kallsyms`.
    pub dir: PathBuf,
    /// The kernel's version, as `uname -r` prints it.
    pub version: String,
    /// The tool that loaded the modules: `stock` for kmod, or the backend of `relobox insmod --kernel`.
    pub tool: String,
    /// The symbols of the kernel and of all its modules.
    pub symbols: Vec<KernelSymbol>,
    /// The names of the modules whose memory was copied, sorted.
    pub modules: Vec<String>,
}

/// A line of /proc/kallsyms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KernelSymbol {
    /// The symbol's address.
    pub address: u64,
    /// The type letter, as `nm` prints it.
    pub kind: char,
    /// The symbol's name.
    pub name: String,
    /// The module that defines the symbol; `None` for the kernel itself.
    pub module: Option<String>,
}

/// The memory of one module.
#[derive(Debug, Default)]
pub struct Memory {
    /// The address of every section that was ever in the kernel's memory, including sections that have been freed.
    pub addresses: ByName<u64>,
    /// The contents of the sections that were still there.
    pub contents: ByName<Vec<u8>>,
}

impl Run {
    /// Reads all runs below [`root`]. The list is empty if the script was never run.
    ///
    /// # Errors
    /// If a run's files cannot be read or parsed.
    pub fn all() -> Result<Vec<Run>> {
        let Ok(entries) = std::fs::read_dir(root()) else { return Ok(Vec::new()) };
        let mut dirs = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
        dirs.sort();
        dirs.into_iter().filter(|dir| dir.join("kallsyms").exists()).map(Run::open).collect()
    }

    fn open(dir: PathBuf) -> Result<Run> {
        let version = std::fs::read_to_string(dir.join("version")).context("version")?.trim().to_owned();
        let tool = std::fs::read_to_string(dir.join("with")).map_or("stock".to_owned(), |text| text.trim().to_owned());
        let text = std::fs::read_to_string(dir.join("kallsyms")).context("kallsyms")?;
        let symbols = text.lines().map(kernel_symbol).collect::<Option<Vec<_>>>().context("kallsyms")?;
        ensure!(symbols.iter().any(|symbol| symbol.address != 0), "kallsyms has no addresses: kptr_restrict?");
        let mut modules = Vec::new();
        for entry in std::fs::read_dir(&dir)? {
            let entry = entry?;
            if entry.path().join("mem").is_dir() {
                modules.push(entry.file_name().to_string_lossy().into_owned());
            }
        }
        modules.sort();
        Ok(Run { dir, version, tool, symbols, modules })
    }

    /// Reads the memory of `module`.
    ///
    /// # Errors
    /// If the copy has no such module, or its files cannot be read or parsed.
    pub fn memory(&self, module: &str) -> Result<Memory> {
        let dir = self.dir.join(module);
        let mut memory = Memory::default();
        for (name, path) in files(&dir.join("sections"))? {
            let text = std::fs::read_to_string(&path)?;
            let digits = text.trim().trim_start_matches("0x");
            let address = u64::from_str_radix(digits, 16).with_context(|| path.display().to_string())?;
            memory.addresses.insert(name, address);
        }
        for (name, path) in files(&dir.join("mem"))? {
            memory.contents.insert(name, std::fs::read(&path)?);
        }
        Ok(memory)
    }

    /// Returns the entries of `module` in /proc/kallsyms in a form that does not depend on the load address: name,
    /// letter, section and offset. The offset of a per-CPU symbol is relative to the per-CPU section. A symbol that
    /// lies in no section keeps its value.
    ///
    /// # Errors
    /// If the memory of the module or the file `elf` cannot be read.
    pub fn names(&self, module: &str, elf: &[u8]) -> Result<Vec<(String, char, String, u64)>> {
        let file = object::File::parse(elf)?;
        let memory = self.memory(module)?;
        let mut places = Vec::new();
        for section in file.sections() {
            let name = section.name()?;
            let address = match name {
                ".data..percpu" => self.per_cpu_base(module, elf)?,
                _ => memory.addresses.get(name).copied(),
            };
            places.extend(address.map(|start| (start, section.size(), name)));
        }
        let mut names = Vec::new();
        for symbol in self.symbols.iter().filter(|symbol| symbol.module.as_deref() == Some(module)) {
            // A symbol may stand at the end of a section. A section that starts there takes precedence.
            let inside = |&(start, size, _): &(u64, u64, &str)| (start..=start + size).contains(&symbol.address);
            let place = places.iter().copied().filter(inside).max_by_key(|(start, _, _)| *start);
            let (start, _, section) = place.unwrap_or_default();
            names.push((symbol.name.clone(), symbol.kind, section.to_owned(), symbol.address - start));
        }
        names.sort();
        Ok(names)
    }

    /// Returns the files below /sys/module for `module`, by file name. The map is empty for a copy that has none.
    ///
    /// # Errors
    /// If a file cannot be read.
    pub fn sysfs(&self, module: &str) -> Result<ByName<String>> {
        let dir = self.dir.join(module).join("sysfs");
        if !dir.is_dir() {
            return Ok(ByName::new());
        }
        files(&dir)?.into_iter().map(|(name, path)| Ok((name, std::fs::read_to_string(path)?))).collect()
    }

    /// Iterates over the name and value of every exported symbol. These resolve the undefined symbols of a module.
    ///
    /// The letter alone does not identify an export: most exports of a module have a lower-case letter. An entry in the
    /// export table identifies it. In the kernel itself a private name of one file can be an export of another file, so
    /// the letter must be upper case as well.
    pub fn exports(&self) -> impl Iterator<Item = (&str, u64)> {
        let entries = self
            .symbols
            .iter()
            .filter_map(|symbol| Some((symbol.name.strip_prefix("__ksymtab_")?, symbol.module.as_deref())));
        let exported: BTreeSet<(&str, Option<&str>)> = entries.collect();
        let all = self.symbols.iter();
        let wanted = all.filter(move |symbol| {
            let global = symbol.module.is_some() || symbol.kind.is_ascii_uppercase();
            global && exported.contains(&(&symbol.name, symbol.module.as_deref()))
        });
        wanted.map(|symbol| (symbol.name.as_str(), symbol.address))
    }

    /// Returns the offset of `module`'s per-CPU data, or `None` if the module has none. /sys/module does not show the
    /// offset, so it is computed from any symbol in the section.
    ///
    /// # Errors
    /// If the file `elf` cannot be read.
    pub fn per_cpu_base(&self, module: &str, elf: &[u8]) -> Result<Option<u64>> {
        let file = object::File::parse(elf)?;
        file.section_by_name(".data..percpu").map_or(Ok(None), |section| self.start_of(module, &file, &section))
    }

    /// Returns the addresses of `module`'s empty sections, which /sys/module does not list either. Code may still refer
    /// to an address in one, such as that of a lock class in a kernel without lock checking.
    ///
    /// # Errors
    /// If the file `elf` cannot be read.
    pub fn empty_sections(&self, module: &str, elf: &[u8]) -> Result<ByName<u64>> {
        let file = object::File::parse(elf)?;
        let mut found = ByName::new();
        for section in file.sections().filter(|section| section.size() == 0) {
            if let Some(start) = self.start_of(module, &file, &section)? {
                found.insert(section.name()?.to_owned(), start);
            }
        }
        Ok(found)
    }

    /// Computes the start of a section of `module` from any symbol in the section that has a unique name.
    fn start_of(&self, module: &str, file: &object::File, section: &object::Section) -> Result<Option<u64>> {
        let mut names = BTreeMap::<&str, usize>::new();
        for symbol in file.symbols() {
            *names.entry(symbol.name()?).or_default() += 1;
        }
        let inside = file.symbols().filter(|symbol| symbol.section_index() == Some(section.index()));
        for symbol in inside {
            let name = symbol.name()?;
            let mut known = self.symbols.iter().filter(|known| known.module.as_deref() == Some(module));
            if let Some(known) = known.find(|known| names[name] == 1 && !name.is_empty() && known.name == name) {
                return Ok(Some(known.address.wrapping_sub(symbol.address())));
            }
        }
        Ok(None)
    }
}

fn kernel_symbol(line: &str) -> Option<KernelSymbol> {
    let mut words = line.split_whitespace();
    Some(KernelSymbol {
        address: u64::from_str_radix(words.next()?, 16).ok()?,
        kind: words.next()?.chars().next()?,
        name: words.next()?.to_owned(),
        module: words.next().map(|word| word.trim_matches(['[', ']']).to_owned()),
    })
}

fn files(dir: &Path) -> Result<Vec<(String, PathBuf)>> {
    let entries = std::fs::read_dir(dir).with_context(|| dir.display().to_string())?;
    let named = entries.map(|entry| {
        let entry = entry?;
        Ok((entry.file_name().to_string_lossy().into_owned(), entry.path()))
    });
    named.collect()
}
