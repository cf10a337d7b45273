//! The indices that depmod has written.

use crate::errno::of_io;
use crate::handles::lock;
use crate::log::{Log, WARNING};
use crate::stamp::Stamps;
use relobox_core::files::{self, Kind};
use relobox_core::limits;
use relobox_core::names::{of_file, underscored};
use relobox_modprobe::Tree;
use relobox_modprobe::glob::alias_name;
use rustix::io::Errno;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// The files of a tree that are read, and those that depmod writes along with them for kmod.
const FILES: [&str; 10] = [
    "modules.dep",
    "modules.alias",
    "modules.symbols",
    "modules.builtin",
    "modules.builtin.modinfo",
    "modules.dep.bin",
    "modules.alias.bin",
    "modules.symbols.bin",
    "modules.builtin.bin",
    "modules.builtin.alias.bin",
];

/// The indices of one directory.
pub(crate) struct Index {
    root: PathBuf,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    tree: Option<Tree>,
    /// The files as they were before they were read.
    read: Stamps,
    /// True from `kmod_load_resources` on: the files are not looked at again.
    kept: bool,
}

impl Index {
    pub(crate) fn of(root: &Path) -> Self {
        Self { root: root.to_owned(), open: Mutex::default() }
    }

    fn now(&self) -> Stamps {
        Stamps::of(FILES.map(|name| self.root.join(name)))
    }

    /// Reads the indices and keeps them.
    ///
    /// # Errors
    /// If modules.dep does not exist, or cannot be read.
    pub(crate) fn load(&self, log: &Log) -> Result<(), Errno> {
        let mut open = lock(&self.open);
        if open.kept {
            return Ok(());
        }
        let read = self.now();
        std::fs::metadata(self.root.join("modules.dep")).map_err(|error| of_io(&error))?;
        let tree = Tree::open(&self.root).map_err(|_| Errno::INVAL)?;
        for warning in &tree.warnings {
            log.say(WARNING, c"kmod_load_resources", warning);
        }
        *open = Open { tree: Some(tree), read, kept: true };
        Ok(())
    }

    /// Forgets the indices.
    pub(crate) fn unload(&self) {
        *lock(&self.open) = Open::default();
    }

    /// True if the files that [`load`](Self::load) has read were changed since.
    pub(crate) fn changed(&self) -> bool {
        let open = lock(&self.open);
        open.kept && open.read.changed()
    }

    /// Asks the indices: as they are kept, or as the files are now. `None` if there are none.
    pub(crate) fn ask<T>(&self, question: impl FnOnce(&Tree) -> T) -> Option<T> {
        let mut open = lock(&self.open);
        if !open.kept && (open.tree.is_none() || open.read.changed()) {
            let read = self.now();
            *open = Open { tree: Tree::open(&self.root).ok(), read, kept: false };
        }
        open.tree.as_ref().map(question)
    }

    /// The file `name` as text.
    ///
    /// # Errors
    /// If it cannot be read.
    pub(crate) fn text(&self, name: &str) -> Result<String, Errno> {
        let path = self.root.join(name);
        std::fs::metadata(&path).map_err(|error| of_io(&error))?;
        let bytes = files::read(&path, Kind::Config, limits::MODPROBE_INDEX).map_err(|_| Errno::INVAL)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// The modules that export a symbol; `alias` is `symbol:NAME`.
    pub(crate) fn by_symbol(&self, alias: &str) -> Vec<String> {
        let text = self.text("modules.symbols").unwrap_or_default();
        let found = aliases(&text).into_iter().filter(|(key, _)| key == alias);
        found.map(|(_, module)| underscored(&module)).collect()
    }

    /// An index as kmod prints it: a line for each value, in the order of the keys.
    ///
    /// # Errors
    /// `ENOSYS` if there is no such index, as kmod has it; `ENOENT` if there is none of this number.
    pub(crate) fn dump(&self, number: u32) -> Result<String, Errno> {
        let file = |name| self.text(name).map_err(|_| Errno::NOSYS);
        let built_in = |text: &str| {
            let alias = |line: &str| {
                let (key, pattern) = line.split_once('=')?;
                Some((alias_name(pattern)?, underscored(key.strip_suffix(".alias")?)))
            };
            text.split('\0').filter_map(alias).collect()
        };
        let (prefix, pairs): (_, Vec<(String, String)>) = match number {
            0 => {
                let key = |line: &str| Some((of_file(line.split_once(':')?.0), line.to_owned()));
                ("", file("modules.dep")?.lines().filter_map(key).collect())
            }
            1 => ("alias ", aliases(&file("modules.alias")?)),
            2 => ("alias ", aliases(&file("modules.symbols")?)),
            3 => ("", built_in(&file("modules.builtin.modinfo")?)),
            4 => ("", file("modules.builtin")?.lines().map(|line| (of_file(line), String::new())).collect()),
            _ => return Err(Errno::NOENT),
        };
        let mut sorted: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (key, value) in pairs {
            let values = sorted.entry(key).or_default();
            if !values.contains(&value) {
                values.push(value);
            }
        }
        let lines = sorted.iter().flat_map(|(key, values)| values.iter().map(move |value| (key, value)));
        Ok(lines.map(|(key, value)| format!("{prefix}{key} {value}\n")).collect())
    }
}

/// Lines `alias PATTERN MODULE`.
fn aliases(text: &str) -> Vec<(String, String)> {
    let line = |line: &str| {
        let (key, module) = line.strip_prefix("alias ")?.trim_end().rsplit_once(' ')?;
        Some((alias_name(key)?, module.to_owned()))
    };
    text.lines().filter_map(line).collect()
}
