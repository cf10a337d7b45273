//! A module tree with a configuration, as files that kmod and relobox read.

use anyhow::{Context as _, Result};
use object::write::{Object, Symbol, SymbolSection};
use object::{Architecture, BinaryFormat, Endianness, SectionKind, SymbolFlags, SymbolKind, SymbolScope};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

/// A module tree, a configuration, a kernel, and what is asked about them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scenario {
    /// The number that it was made from.
    pub seed: u64,
    /// The kernel's release.
    pub version: &'static str,
    /// The modules of the tree.
    pub modules: Vec<Module>,
    /// The names of built-in modules, with their aliases.
    pub built_in: Vec<(String, Vec<String>)>,
    /// The configuration: the files, by directory. The last directory is not one, but a single file.
    pub files: Vec<File>,
    /// The kernel's command line.
    pub command_line: String,
    /// The loaded modules, each with its use count.
    pub live: Vec<(String, u32)>,
    /// What is asked.
    pub queries: Vec<Query>,
}

/// A module of the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Module {
    /// The name, as the kernel writes it.
    pub name: String,
    /// The path of the file in the tree.
    pub path: String,
    /// The names of the modules whose symbols it uses.
    pub uses: Vec<String>,
    /// What .modinfo has besides the license: `alias=…`, `softdep=…`.
    pub info: Vec<String>,
    /// True if the file was removed after depmod had seen it.
    pub missing: bool,
}

/// A file of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// One of [`DIRECTORIES`].
    pub directory: &'static str,
    /// The name of the file.
    pub name: String,
    /// What it is.
    pub kind: Kind,
}

/// The directories of a configuration, in the order in which they are given. The last one is a file.
pub const DIRECTORIES: [&str; 4] = ["conf.etc", "conf.run", "conf.lib", "m-single"];

/// What is at the end of a command, in front of the parameters that kmod appends.
pub const COMMAND_END: &str = " @";

/// The kind of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Lines, and what ends each.
    Text(Vec<Line>, &'static str),
    /// A link to this.
    Link(&'static str),
    /// A directory with a file in it.
    Directory,
}

/// A line of a configuration file. It is printed as the concatenation of its parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The command, and what is before and after it.
    pub command: String,
    /// The first argument.
    pub name: String,
    /// What separates it from the rest.
    pub gap: String,
    /// The rest.
    pub rest: Vec<u8>,
}

/// What modprobe is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// `--show-depends`.
    Depends,
    /// `--dry-run --verbose`.
    DryRun,
    /// `--resolve-alias`.
    Resolve,
    /// `--remove --dry-run --verbose`.
    Remove,
}

/// A call of modprobe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// What to do.
    pub mode: Mode,
    /// `--use-blacklist`.
    pub blacklist: bool,
    /// `--ignore-install`.
    pub ignore: bool,
    /// The name, and the module's parameters.
    pub words: Vec<String>,
}

impl Scenario {
    /// The directories of the configuration that exist.
    pub fn config(&self) -> impl Iterator<Item = &'static str> {
        DIRECTORIES.into_iter().filter(|directory| self.files.iter().any(|file| file.directory == *directory))
    }

    /// The directory of the modules.
    #[must_use]
    pub fn tree(&self, root: &Path) -> std::path::PathBuf {
        root.join("lib/modules").join(self.version)
    }

    /// Writes everything to `root`, and lets depmod index the modules.
    ///
    /// # Errors
    /// If a file cannot be written, or depmod fails.
    pub fn write(&self, root: &Path) -> Result<()> {
        let tree = self.tree(root);
        for module in &self.modules {
            let path = tree.join(&module.path);
            fs::create_dir_all(path.parent().context("a directory")?)?;
            fs::write(path, module.bytes())?;
        }
        fs::create_dir_all(&tree)?;
        let built_in: String = self.built_in.iter().map(|(name, _)| format!("kernel/x/{name}.ko\n")).collect();
        fs::write(tree.join("modules.builtin"), built_in)?;
        let mut info = String::new();
        for (name, aliases) in &self.built_in {
            info += &format!("{name}.license=GPL\0");
            aliases.iter().for_each(|alias| info += &format!("{name}.alias={alias}\0"));
        }
        // Some parts of a kernel could never be modules, and have names all the same.
        fs::write(tree.join("modules.builtin.modinfo"), info + "core_part.license=GPL\0core_part.alias=core-alias\0")?;
        fs::write(tree.join("modules.order"), "")?;
        super::programs::depmod(root, self.version)?;
        for module in self.modules.iter().filter(|module| module.missing) {
            fs::remove_file(tree.join(&module.path))?;
        }
        for file in &self.files {
            file.write(root)?;
        }
        fs::write(root.join("cmdline"), &self.command_line)?;
        for (name, count) in &self.live {
            let directory = root.join("module").join(name);
            fs::create_dir_all(&directory)?;
            fs::write(directory.join("initstate"), "live\n")?;
            fs::write(directory.join("refcnt"), format!("{count}\n"))?;
        }
        Ok(fs::create_dir_all(root.join("module"))?)
    }
}

impl Module {
    /// An object file with what depmod reads of a module.
    fn bytes(&self) -> Vec<u8> {
        let mut object = Object::new(BinaryFormat::Elf, Architecture::X86_64, Endianness::Little);
        let mut section = |name: &str, text: String| {
            let id = object.add_section(Vec::new(), name.into(), SectionKind::ReadOnlyData);
            object.append_section_data(id, text.as_bytes(), 1);
        };
        let info: String = self.info.iter().map(|info| format!("{info}\0")).collect();
        section(".modinfo", format!("license=GPL\0{info}"));
        section("__ksymtab_strings", format!("sym_{}\0", self.name));
        for used in &self.uses {
            object.add_symbol(Symbol {
                name: format!("sym_{used}").into_bytes(),
                value: 0,
                size: 0,
                kind: SymbolKind::Unknown,
                scope: SymbolScope::Unknown,
                weak: false,
                section: SymbolSection::Undefined,
                flags: SymbolFlags::None,
            });
        }
        object.write().expect("a module")
    }
}

impl File {
    fn write(&self, root: &Path) -> Result<()> {
        // The single file is not in a directory.
        let path = root.join(self.directory).join(&self.name);
        fs::create_dir_all(path.parent().context("a directory")?)?;
        let path = if self.name.is_empty() { root.join(self.directory) } else { path };
        match &self.kind {
            Kind::Text(lines, end) => {
                let bytes: Vec<u8> =
                    lines.iter().flat_map(|line| [line.bytes(), end.as_bytes().to_vec()].concat()).collect();
                fs::write(path, bytes)?;
            }
            Kind::Link(to) => symlink(to, path)?,
            Kind::Directory => {
                fs::create_dir_all(&path)?;
                fs::write(path.join("nested.conf"), "options alpha nested=1\n")?;
            }
        }
        Ok(())
    }
}

impl Line {
    fn bytes(&self) -> Vec<u8> {
        [self.command.as_bytes(), self.name.as_bytes(), self.gap.as_bytes(), &self.rest].concat()
    }
}
