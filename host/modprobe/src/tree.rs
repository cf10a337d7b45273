//! A directory of modules with the indices that depmod wrote, in their text form.

use super::glob::{alias_name, matches};
use super::{Place, read_text};
use relobox_core::error::{Error, Result};
use relobox_core::limits;
use relobox_core::names::{of_file, underscored};
use std::cell::OnceCell;
use std::collections::{HashMap, HashSet};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// A directory such as /lib/modules/6.1.0. Each index is read when it is first needed.
pub struct Tree {
    root: PathBuf,
    /// By module name: the path of the module, and the paths of what it needs, as in modules.dep.
    modules: HashMap<String, (String, String)>,
    /// The time at which modules.dep was changed last. `None` if it does not exist.
    written: Option<(i64, i64)>,
    aliases: OnceCell<String>,
    symbols: OnceCell<HashMap<String, Vec<String>>>,
    built_in: OnceCell<HashSet<String>>,
    built_in_aliases: OnceCell<Vec<(String, String)>>,
    /// Lines of modules.dep that cannot be parsed.
    pub warnings: Vec<String>,
}

impl Tree {
    /// Reads modules.dep in `root`. If it does not exist, the files are those in modules.order.
    ///
    /// # Errors
    /// If `root` is not a directory, or an index cannot be read or is larger than [`limits::MODPROBE_INDEX`].
    pub fn open(root: &Path) -> Result<Self> {
        if !root.is_dir() {
            let text = "no such directory; choose one with --dirname and --set-version";
            return Err(Error::Usage(format!("{}: {text}", root.display())));
        }
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
        if text.is_none() {
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
        let text = self.text(&self.aliases, "modules.alias")?;
        let names = alias_lines(text).filter(|(pattern, _)| matches(&alias_name(pattern), alias));
        Ok(once_each(names.map(|(_, module)| underscored(module))))
    }

    /// The modules that export a symbol, according to modules.symbols.
    ///
    /// # Errors
    /// If modules.symbols cannot be read or is larger than [`limits::MODPROBE_INDEX`].
    pub(crate) fn by_symbol(&self, symbol: &str) -> Result<&[String]> {
        let symbols = match self.symbols.get() {
            Some(symbols) => symbols,
            None => {
                let text = self.file("modules.symbols")?;
                let mut symbols: HashMap<String, Vec<String>> = HashMap::new();
                for (alias, module) in alias_lines(&text) {
                    if let Some(symbol) = alias.strip_prefix("symbol:") {
                        symbols.entry(symbol.to_owned()).or_default().push(underscored(module));
                    }
                }
                self.symbols.get_or_init(|| symbols)
            }
        };
        Ok(symbols.get(symbol).map_or(&[], Vec::as_slice))
    }

    /// True if a module is part of the kernel, according to modules.builtin and modules.builtin.modinfo.
    ///
    /// # Errors
    /// If one of them cannot be read or is larger than [`limits::MODPROBE_INDEX`].
    pub fn built_in(&self, name: &str) -> Result<bool> {
        let all = match self.built_in.get() {
            Some(all) => all,
            None => {
                // Some built-in parts have a name, but could never be built as a module.
                let parts = self.built_in_aliases()?.iter().map(|(_, part)| part.clone());
                let all = self.file("modules.builtin")?.lines().map(of_file).chain(parts).collect();
                self.built_in.get_or_init(|| all)
            }
        };
        Ok(all.contains(name))
    }

    /// The built-in modules that an alias stands for, according to modules.builtin.modinfo.
    ///
    /// # Errors
    /// If modules.builtin.modinfo cannot be read or is larger than [`limits::MODPROBE_INDEX`].
    pub fn built_in_by_alias(&self, alias: &str) -> Result<Vec<String>> {
        let names = self.built_in_aliases()?.iter().filter(|(pattern, _)| matches(pattern, alias));
        Ok(once_each(names.map(|(_, name)| name.clone())))
    }

    /// Reads `NAME.alias=PATTERN` from modules.builtin.modinfo. Returns pairs of pattern and name.
    fn built_in_aliases(&self) -> Result<&[(String, String)]> {
        if let Some(all) = self.built_in_aliases.get() {
            return Ok(all);
        }
        let text = self.file("modules.builtin.modinfo")?;
        let aliases = text.split('\0').filter_map(|line| {
            let (key, pattern) = line.split_once('=')?;
            Some((alias_name(pattern), underscored(key.strip_suffix(".alias")?)))
        });
        let all = aliases.collect();
        Ok(self.built_in_aliases.get_or_init(|| all))
    }

    fn file(&self, name: &str) -> Result<String> {
        Ok(read_text(&self.root.join(name), limits::MODPROBE_INDEX)?.unwrap_or_default())
    }

    fn text<'a>(&self, cell: &'a OnceCell<String>, name: &str) -> Result<&'a str> {
        if let Some(text) = cell.get() {
            return Ok(text);
        }
        let text = self.file(name)?;
        Ok(cell.get_or_init(|| text))
    }
}

/// Removes duplicates; the first of each stays in place.
fn once_each(names: impl Iterator<Item = String>) -> Vec<String> {
    let mut seen = HashSet::new();
    names.filter(|name| seen.insert(name.clone())).collect()
}

/// The time at which the file's inode was changed last: seconds and nanoseconds.
fn changed(path: &Path) -> Option<(i64, i64)> {
    std::fs::metadata(path).ok().map(|meta| (meta.ctime(), meta.ctime_nsec()))
}

/// Parses lines of the form `alias PATTERN MODULE`.
fn alias_lines(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.lines().filter_map(|line| line.strip_prefix("alias ")?.trim_end().rsplit_once(' '))
}
