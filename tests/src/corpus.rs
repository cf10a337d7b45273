//! The real modules that `tests/scripts/fetch-corpora` downloaded, and those that `tests/scripts/build-corpora` built.

use crate::arch::{self, Architecture};
use anyhow::{Context, Result, bail, ensure};
use relobox::rng::Rng;
use relobox_needs::{Need, tool};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Returns the directory names of the corpora of all architectures; of those that are built, only if `RELOBOX_BUILT` is
/// set, since that takes long.
pub fn names() -> impl Iterator<Item = &'static str> {
    let built = std::env::var_os("RELOBOX_BUILT").is_some();
    arch::ALL.iter().flat_map(move |arch| arch.corpora.iter().chain(arch.built.iter().filter(move |_| built))).copied()
}

/// Returns the architecture of corpus `name`.
///
/// # Panics
/// If none has it.
pub fn architecture(name: &str) -> &'static Architecture {
    let of = arch::ALL.iter().find(|arch| arch.corpora.contains(&name) || arch.built.contains(&name));
    of.unwrap_or_else(|| panic!("which architecture is corpus {name} of?"))
}

/// The directory that contains the corpora.
pub use relobox_needs::corpora as root;

/// Returns the needs of a test that uses modules of corpus `name`.
pub fn needs(name: &str) -> [Need; 2] {
    [relobox_needs::corpus(name), tool("xz")]
}

/// Returns the needs of a test that uses modules of every corpus.
pub fn all() -> Vec<Need> {
    names().map(relobox_needs::corpus).chain([tool("xz")]).collect()
}

/// Returns how many modules of corpus `name` are taken, if `RELOBOX_MODULES` says so, such as `all,riscv64=300`, or else
/// `otherwise`.
///
/// # Errors
/// If a number in `RELOBOX_MODULES` is none.
pub fn limit(name: &str, otherwise: usize) -> Result<usize> {
    let text = std::env::var("RELOBOX_MODULES").unwrap_or_default();
    let mut limit = otherwise;
    for word in text.split(',').filter(|word| !word.is_empty()) {
        let (of, count) = word.split_once('=').unwrap_or((name, word));
        if of == name {
            let number = count.parse().with_context(|| format!("RELOBOX_MODULES: {word}"));
            limit = if count == "all" { usize::MAX } else { number? };
        }
    }
    Ok(limit)
}

/// A corpus: the modules of one kernel package, in an order that does not depend on the machine.
#[derive(Debug)]
pub struct Corpus {
    /// The name and version of the package.
    pub package: String,
    /// The directory `lib/modules` of the package.
    pub modules_dir: PathBuf,
    /// The modules, sorted by path.
    pub modules: Vec<Module>,
}

/// A module file, possibly compressed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Module {
    /// The path of the file.
    pub path: PathBuf,
}

impl Corpus {
    /// Opens corpus `name` below [`root`]. Returns `None` if it was not completely downloaded.
    ///
    /// # Errors
    ///
    /// If a directory cannot be read or contains no modules.
    pub fn open(name: &str) -> Result<Option<Corpus>> {
        Corpus::open_in(&root(), name)
    }

    /// Opens a corpus that is one of the test's needs.
    ///
    /// # Errors
    ///
    /// As [`Corpus::open`], or if the corpus is missing.
    pub fn get(name: &str) -> Result<Corpus> {
        Corpus::open(name)?.with_context(|| format!("no corpus {name} in {}", root().display()))
    }

    /// As [`Corpus::open`], below another directory.
    ///
    /// # Errors
    ///
    /// As [`Corpus::open`].
    pub fn open_in(root: &Path, name: &str) -> Result<Option<Corpus>> {
        let dir = root.join(name);
        // The script writes this file last, so that an interrupted download does not count.
        let Ok(package) = std::fs::read_to_string(dir.join("package")) else { return Ok(None) };
        let modules_dir = dir.join("lib/modules");
        let mut modules = Vec::new();
        collect(&modules_dir, &mut modules)?;
        modules.sort();
        ensure!(!modules.is_empty(), "{} holds no modules", modules_dir.display());
        Ok(Some(Corpus { package: package.trim().to_owned(), modules_dir, modules }))
    }

    /// Returns the module with this name; dashes and underscores are equivalent.
    pub fn module(&self, name: &str) -> Option<&Module> {
        let wanted = name.replace('-', "_");
        self.modules.iter().find(|module| module.name() == wanted)
    }

    /// Chooses `count` different modules by `seed`, or all of them if there are fewer. The choice is the same on every
    /// machine with the same package. The modules are in the order of the corpus.
    pub fn sample(&self, seed: u64, count: usize) -> Vec<&Module> {
        let mut order: Vec<usize> = (0..self.modules.len()).collect();
        let mut rng = Rng::new(seed);
        let count = count.min(order.len());
        for at in 0..count {
            let left = order.len() - at;
            order.swap(at, at + rng.below(left));
        }
        order.truncate(count);
        order.sort_unstable();
        order.into_iter().map(|at| &self.modules[at]).collect()
    }
}

impl Module {
    /// Returns the name by which the kernel knows the module: the file name up to the first dot, with underscores for
    /// dashes.
    pub fn name(&self) -> String {
        let file = self.path.file_name().unwrap_or_default().to_string_lossy();
        file.split('.').next().unwrap_or_default().replace('-', "_")
    }

    /// Reads the module as ELF. Compressed modules are unpacked by the usual command, because relobox's own unpacker is
    /// under test.
    ///
    /// # Errors
    ///
    /// If the file cannot be read or unpacked.
    pub fn elf(&self) -> Result<Vec<u8>> {
        let tool = match self.path.extension().and_then(|suffix| suffix.to_str()) {
            Some("ko") => return std::fs::read(&self.path).with_context(|| self.path.display().to_string()),
            Some("xz") => "xz",
            Some("gz") => "gzip",
            Some("zst") => "zstd",
            _ => bail!("{} is not a module", self.path.display()),
        };
        let output = Command::new(tool).arg("-dc").arg(&self.path).output().with_context(|| tool.to_owned())?;
        ensure!(output.status.success(), "{tool} -dc {}: {}", self.path.display(), output.status);
        Ok(output.stdout)
    }
}

fn collect(dir: &Path, into: &mut Vec<Module>) -> Result<()> {
    for entry in std::fs::read_dir(dir).with_context(|| dir.display().to_string())? {
        let entry = entry?;
        let kind = entry.file_type()?;
        let path = entry.path();
        if kind.is_dir() {
            collect(&path, into)?;
        } else if kind.is_file() && is_module(&path) {
            into.push(Module { path });
        }
    }
    Ok(())
}

fn is_module(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    [".ko", ".ko.xz", ".ko.gz", ".ko.zst"].iter().any(|suffix| name.ends_with(suffix))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn corpus(count: usize) -> Corpus {
        let modules = (0..count).map(|at| Module { path: format!("m{at:04}.ko").into() }).collect();
        Corpus { package: String::new(), modules_dir: PathBuf::new(), modules }
    }

    #[test]
    fn a_sample_is_reproducible_sorted_and_without_repeats() {
        let corpus = corpus(100);
        let sample = corpus.sample(7, 30);
        assert_eq!(sample, corpus.sample(7, 30));
        assert_ne!(sample, corpus.sample(8, 30));
        assert_eq!(sample.len(), 30);
        assert!(sample.windows(2).all(|pair| pair[0] < pair[1]));
        assert_eq!(corpus.sample(1, 1000).len(), 100);
    }

    #[test]
    fn names_match_the_kernel() {
        let module = Module { path: "kernel/drivers/md/dm-mod.ko.xz".into() };
        assert_eq!(module.name(), "dm_mod");
    }
}
