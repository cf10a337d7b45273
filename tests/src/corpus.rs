//! The real modules that `tests/scripts/fetch-corpora` fetched.

use anyhow::{Context, Result, bail, ensure};
use relobox::rng::Rng;
use relobox_needs::{Need, tool};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Every corpus that the script knows, by its directory name.
pub const NAMES: [&str; 6] = ["cloud-amd64", "amd64", "arm64", "s390x", "riscv64", "mipsel-4kc-malta"];

/// The directory that holds the corpora.
pub use relobox_needs::corpora as root;

/// What a test needs that takes modules of corpus `name`.
pub fn needs(name: &str) -> [Need; 2] {
    [relobox_needs::corpus(name), tool("xz")]
}

/// What a test needs that takes modules of every corpus.
pub fn all() -> Vec<Need> {
    NAMES.iter().map(|name| relobox_needs::corpus(name)).chain([tool("xz")]).collect()
}

/// One corpus: the modules of one kernel package, in an order that every machine agrees on.
#[derive(Debug)]
pub struct Corpus {
    /// The package and its version, as the fetching script recorded them.
    pub package: String,
    /// Where the modules are: `lib/modules` of the package.
    pub modules_dir: PathBuf,
    /// Sorted by path.
    pub modules: Vec<Module>,
}

/// One module file, maybe compressed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Module {
    /// The file.
    pub path: PathBuf,
}

impl Corpus {
    /// Opens corpus `name` below [`root`]; `None` if it was never completely fetched.
    pub fn open(name: &str) -> Result<Option<Corpus>> {
        Corpus::open_in(&root(), name)
    }

    /// Opens a corpus that the test said it needs.
    pub fn get(name: &str) -> Result<Corpus> {
        Corpus::open(name)?.with_context(|| format!("no corpus {name} in {}", root().display()))
    }

    /// As [`Corpus::open`], below a directory of the caller's choice.
    pub fn open_in(root: &Path, name: &str) -> Result<Option<Corpus>> {
        let dir = root.join(name);
        // Written last by the script, so that an interrupted fetch does not count.
        let Ok(package) = std::fs::read_to_string(dir.join("package")) else { return Ok(None) };
        let modules_dir = dir.join("lib/modules");
        let mut modules = Vec::new();
        collect(&modules_dir, &mut modules)?;
        modules.sort();
        ensure!(!modules.is_empty(), "{} holds no modules", modules_dir.display());
        Ok(Some(Corpus { package: package.trim().to_owned(), modules_dir, modules }))
    }

    /// The module with this name, dashes and underscores being the same.
    pub fn module(&self, name: &str) -> Option<&Module> {
        let wanted = name.replace('-', "_");
        self.modules.iter().find(|module| module.name() == wanted)
    }

    /// `count` different modules chosen by `seed`: the same ones on every machine that has the same
    /// package, in the corpus' order. All of them if there are fewer.
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
    /// The name the kernel knows it by: no directory, nothing from the first dot on, underscores for dashes.
    pub fn name(&self) -> String {
        let file = self.path.file_name().unwrap_or_default().to_string_lossy();
        file.split('.').next().unwrap_or_default().replace('-', "_")
    }

    /// The module as ELF. A compressed one goes through the usual command, since relobox's own unpacking
    /// is one of the things under test.
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
    fn names_are_the_kernels() {
        let module = Module { path: "kernel/drivers/md/dm-mod.ko.xz".into() };
        assert_eq!(module.name(), "dm_mod");
    }
}
