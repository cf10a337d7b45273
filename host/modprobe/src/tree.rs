//! A directory of modules with the indices that depmod wrote, in their text form.

use super::glob::{alias_name, matches};
use super::{Place, read_text};
use relobox_core::error::Result;
use relobox_core::limits;
use relobox_core::names::{of_file, underscored};
use std::cell::OnceCell;
use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// The directory of the modules of kernel `version`, below `dirname`. The two are joined as text, as in kmod: an empty
/// `dirname` is the root directory.
#[must_use]
pub fn directory(dirname: &OsStr, version: &str) -> PathBuf {
    let mut directory = dirname.to_owned();
    directory.push("/lib/modules/");
    directory.push(version);
    directory.into()
}

/// Patterns, and the modules that they stand for.
#[derive(Default)]
struct Aliases {
    /// By the text before the first wildcard: the number of the line, the rest of the pattern, the module.
    lines: HashMap<String, Vec<(usize, String, String)>>,
}

impl Aliases {
    /// Takes pairs of a pattern and a module. Patterns with unmatched brackets are left out, as in depmod.
    fn new<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> Self {
        let mut lines: HashMap<_, Vec<_>> = HashMap::new();
        for (number, (pattern, module)) in pairs.enumerate() {
            if let Some(mut start) = alias_name(pattern) {
                let rest = start.split_off(start.find(['*', '?', '[']).unwrap_or(start.len()));
                lines.entry(start).or_default().push((number, rest, underscored(module)));
            }
        }
        Self { lines }
    }

    /// The modules that `alias` stands for, each once, in the order of their lines.
    fn find(&self, alias: &str) -> Vec<String> {
        let mut found: Vec<&(usize, String, String)> = Vec::new();
        for (start, rest) in (0..=alias.len()).filter_map(|end| alias.split_at_checked(end)) {
            found.extend(self.lines.get(start).into_iter().flatten().filter(|(_, pattern, _)| matches(pattern, rest)));
        }
        found.sort_unstable();
        let mut seen = HashSet::new();
        found.into_iter().map(|(_, _, module)| module.clone()).filter(|module| seen.insert(module.clone())).collect()
    }
}

/// A directory such as /lib/modules/6.1.0. Each index is read when it is first needed.
pub struct Tree {
    root: PathBuf,
    /// By module name: the path of the module, and the paths of what it needs, as in modules.dep.
    modules: HashMap<String, (String, String)>,
    /// The time at which modules.dep was changed last. `None` if it does not exist.
    written: Option<(i64, i64)>,
    aliases: OnceCell<Aliases>,
    symbols: OnceCell<Aliases>,
    built_in: OnceCell<HashSet<String>>,
    built_in_aliases: OnceCell<Aliases>,
    /// Lines of modules.dep that cannot be parsed.
    pub warnings: Vec<String>,
}

impl Tree {
    /// Reads modules.dep in `root`. If it does not exist, the files are those in modules.order. A directory that does
    /// not exist has no modules.
    ///
    /// # Errors
    /// If an index cannot be read or is larger than [`limits::MODPROBE_INDEX`].
    pub fn open(root: &Path) -> Result<Self> {
        let root = &absolute(root);
        let (mut modules, mut warnings) = (HashMap::new(), Vec::new());
        let path = root.join("modules.dep");
        let text = read_text(&path, limits::MODPROBE_INDEX)?;
        let written = text.as_ref().and_then(|_| changed(&path));
        for (number, line) in (1..).zip(text.as_deref().unwrap_or_default().lines()) {
            match line.split_once(':') {
                Some((path, needs)) => {
                    modules.entry(of_file(path)).or_insert_with(|| (path.to_owned(), needs.to_owned()));
                }
                None if line.trim().is_empty() || line.starts_with('#') => {}
                None => {
                    let place = Place { file: path.display().to_string().into(), line: number };
                    warnings.push(format!("{place}: the line does not have the form 'MODULE: NEEDS'; it is ignored"));
                }
            }
        }
        if text.is_none() && root.is_dir() {
            warnings.push(format!(
                "{}: the file does not exist, so dependencies are read from the modules",
                path.display()
            ));
            let order = read_text(&root.join("modules.order"), limits::MODPROBE_INDEX)?.unwrap_or_default();
            for path in order.lines().filter(|path| !path.is_empty()) {
                // modules.order has the names that the build used. The files may have been compressed since.
                let packed = ["", ".xz", ".zst", ".gz"].map(|ending| format!("{path}{ending}"));
                let found = packed.into_iter().find(|path| root.join(path).is_file());
                modules
                    .entry(of_file(path))
                    .or_insert_with(|| (found.unwrap_or_else(|| path.to_owned()), String::new()));
            }
        }
        Ok(Self {
            root: root.to_owned(),
            modules,
            written,
            aliases: OnceCell::new(),
            symbols: OnceCell::new(),
            built_in: OnceCell::new(),
            built_in_aliases: OnceCell::new(),
            warnings,
        })
    }

    /// The path of the directory.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The names of all modules.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.modules.keys().map(String::as_str)
    }

    /// The path of a module's file.
    #[must_use]
    pub fn path(&self, name: &str) -> Option<PathBuf> {
        self.modules.get(name).map(|(path, _)| self.root.join(path))
    }

    /// The modules that a module needs according to modules.dep, in the order of loading.
    #[must_use]
    pub fn needs(&self, name: &str) -> Vec<String> {
        let Some((_, needs)) = self.modules.get(name) else { return Vec::new() };
        // depmod writes the nearest dependency first.
        needs.split_whitespace().rev().map(of_file).collect()
    }

    /// True if modules.dep may not know what this file needs: it does not list the file, or is older than the file. The
    /// time of the last change of the inode counts, because many copies keep the time of modification.
    #[must_use]
    pub fn stale(&self, name: &str, path: &Path) -> bool {
        !self.lists(name, path) || changed(path) > self.written
    }

    /// True if modules.dep has a line for this file.
    #[must_use]
    pub fn lists(&self, name: &str, path: &Path) -> bool {
        self.written.is_some() && self.path(name).as_deref() == Some(path)
    }

    /// The modules that an alias stands for, according to modules.alias.
    ///
    /// # Errors
    /// If modules.alias cannot be read or is larger than [`limits::MODPROBE_INDEX`].
    pub fn by_alias(&self, alias: &str) -> Result<Vec<String>> {
        Ok(self.index(&self.aliases, "modules.alias", alias_line)?.find(alias))
    }

    /// The modules that export a symbol, according to modules.symbols. `alias` is `symbol:NAME`.
    ///
    /// # Errors
    /// If modules.symbols cannot be read or is larger than [`limits::MODPROBE_INDEX`].
    pub(crate) fn by_symbol(&self, alias: &str) -> Result<Vec<String>> {
        Ok(self.index(&self.symbols, "modules.symbols", alias_line)?.find(alias))
    }

    /// The built-in modules that an alias stands for, according to modules.builtin.modinfo.
    ///
    /// # Errors
    /// If modules.builtin.modinfo cannot be read or is larger than [`limits::MODPROBE_INDEX`].
    pub fn built_in_by_alias(&self, alias: &str) -> Result<Vec<String>> {
        Ok(self.index(&self.built_in_aliases, "modules.builtin.modinfo", modinfo_line)?.find(alias))
    }

    /// True if a module is part of the kernel, according to modules.builtin.
    ///
    /// # Errors
    /// If modules.builtin cannot be read or is larger than [`limits::MODPROBE_INDEX`].
    pub fn built_in(&self, name: &str) -> Result<bool> {
        if self.built_in.get().is_none() {
            let _ = self.built_in.set(self.file("modules.builtin")?.lines().map(of_file).collect());
        }
        Ok(self.built_in.get().is_some_and(|all| all.contains(name)))
    }

    /// The index in the file `name`, read once. `pair` takes the pattern and the module from a line.
    fn index<'a>(
        &self,
        index: &'a OnceCell<Aliases>,
        name: &str,
        pair: fn(&str) -> Option<(&str, &str)>,
    ) -> Result<&'a Aliases> {
        if index.get().is_none() {
            let text = self.file(name)?;
            let _ = index.set(Aliases::new(text.split(['\n', '\0']).filter_map(pair)));
        }
        Ok(index.get_or_init(Aliases::default))
    }

    fn file(&self, name: &str) -> Result<String> {
        Ok(read_text(&self.root.join(name), limits::MODPROBE_INDEX)?.unwrap_or_default())
    }
}

/// The path from the root directory. Nothing else of it is changed, as in kmod.
pub(crate) fn absolute(path: &Path) -> PathBuf {
    std::env::current_dir().unwrap_or_default().join(path)
}

/// The time at which the file's inode was changed last: seconds and nanoseconds.
fn changed(path: &Path) -> Option<(i64, i64)> {
    std::fs::metadata(path).ok().map(|meta| (meta.ctime(), meta.ctime_nsec()))
}

/// Parses a line of the form `alias PATTERN MODULE`.
fn alias_line(line: &str) -> Option<(&str, &str)> {
    line.strip_prefix("alias ")?.trim_end().rsplit_once(' ')
}

/// Parses a line of the form `MODULE.alias=PATTERN`.
fn modinfo_line(line: &str) -> Option<(&str, &str)> {
    let (key, pattern) = line.split_once('=')?;
    Some((pattern, key.strip_suffix(".alias")?))
}
