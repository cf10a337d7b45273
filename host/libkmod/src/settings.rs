//! The configuration of a context: modprobe.d, and what depmod and the kernel's command line add to it.

use crate::c::c_text;
use crate::log::{ERROR, Log, WARNING};
use crate::stamp::Stamps;
use relobox_core::files::{self, Kind};
use relobox_core::limits;
use relobox_core::names::underscored;
use relobox_modprobe::Config;
use relobox_modprobe::config::{DIRECTORIES, Line};
use std::collections::BTreeMap;
use std::ffi::{CStr, CString, OsString};
use std::path::{Path, PathBuf};

/// The lists of the configuration that a program can iterate over.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    Blacklists,
    Install,
    Remove,
    Aliases,
    Options,
    Softdeps,
    Weakdeps,
}

/// A line of the configuration as a program sees it.
pub(crate) struct Row {
    pub(crate) key: CString,
    pub(crate) value: Option<CString>,
}

/// The configuration, which does not change while a context lives.
pub(crate) struct Settings {
    pub(crate) config: Config,
    rows: [Vec<Row>; 7],
    read: Stamps,
}

const READING: &CStr = c"kmod_new";

impl Settings {
    /// Reads the files and directories in `paths`, or the usual directories, and what depmod has written into `root`. A
    /// file that cannot be read is left out, with a message.
    pub(crate) fn read(log: &Log, root: &Path, paths: Option<Vec<PathBuf>>) -> Self {
        let paths = paths.unwrap_or_else(|| DIRECTORIES.iter().map(PathBuf::from).collect());
        // Taken before the files are read, so that a change in the meantime is seen.
        let mut read = Stamps::of(paths.iter().cloned());
        let mut files: BTreeMap<OsString, PathBuf> = BTreeMap::new();
        for name in ["modules.softdep", "modules.weakdep"] {
            files.insert(name.into(), root.join(name));
        }
        for path in &paths {
            list(log, path, &mut files);
        }
        read.add(files.values().cloned());
        let mut config = Config::default();
        for path in files.values() {
            match files::read(path, Kind::Config, limits::MODPROBE_CONFIG) {
                Ok(text) => config.parse(&path.display().to_string(), &String::from_utf8_lossy(&text)),
                Err(error) if path.exists() => log.say(WARNING, READING, error),
                Err(_) => {}
            }
        }
        let line = files::read_text(Path::new("/proc/cmdline"), Kind::Regular, limits::MODPROBE_CONFIG);
        config.parse_command_line(&line.unwrap_or_default());
        for warning in &config.warnings {
            log.say(ERROR, READING, warning);
        }
        // Programs get blanks between options.
        for line in &mut config.options {
            line.value = line.value.replace('\t', " ");
        }
        Self { rows: rows(&config), config, read }
    }

    /// True if a file or directory of the configuration was changed since it was read.
    pub(crate) fn changed(&self) -> bool {
        self.read.changed()
    }

    pub(crate) fn rows(&self, which: Which) -> &[Row] {
        &self.rows[which as usize]
    }
}

/// The module of an `alias` line: its first word.
pub(crate) fn module_of(line: &Line) -> String {
    underscored(line.value.split_whitespace().next().unwrap_or_default())
}

/// Adds a file, or the `*.conf` files of a directory. The first of a name counts.
fn list(log: &Log, path: &Path, files: &mut BTreeMap<OsString, PathBuf>) {
    if !path.is_dir() {
        if let Some(name) = path.file_name().filter(|_| path.exists()) {
            files.entry(name.to_owned()).or_insert_with(|| path.to_owned());
        }
        return;
    }
    let entries = match std::fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) => return log.say(ERROR, READING, format_args!("{}: {error}", path.display())),
    };
    for name in entries.flatten().map(|entry| entry.file_name()) {
        let (bytes, file) = (name.as_encoded_bytes(), path.join(&name));
        if !bytes.starts_with(b".") && bytes.len() > b".conf".len() && bytes.ends_with(b".conf") && !file.is_dir() {
            files.entry(name).or_insert(file);
        }
    }
}

fn rows(config: &Config) -> [Vec<Row>; 7] {
    let key = |line: &Line| Row { key: c_text(&line.name), value: None };
    let both = |line: &Line| Row { value: Some(c_text(&line.value)), ..key(line) };
    let alias = |line: &Line| Row { value: Some(c_text(module_of(line))), ..key(line) };
    let words = |line: &Line| {
        let words: Vec<_> = line.value.split_whitespace().collect();
        Row { value: Some(c_text(words.join(" "))), ..key(line) }
    };
    let softdeps = config.softdeps.iter().map(|softdep| {
        let part = |name: &str, modules: &[String]| match modules {
            [] => None,
            modules => Some(format!("{name}: {}", modules.join(" "))),
        };
        let parts: Vec<_> = [part("pre", &softdep.pre), part("post", &softdep.post)].into_iter().flatten().collect();
        Row { key: c_text(&softdep.name), value: Some(c_text(parts.join(" "))) }
    });
    // In the order of `Which`.
    [
        config.blacklist.iter().map(key).collect(),
        config.install.iter().map(both).collect(),
        config.remove.iter().map(both).collect(),
        config.aliases.iter().map(alias).collect(),
        config.options.iter().map(both).collect(),
        softdeps.collect(),
        config.weakdeps.iter().map(words).collect(),
    ]
}
