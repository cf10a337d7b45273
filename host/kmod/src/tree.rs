//! The files of a tree of modules, and of depmod's configuration.

use relobox_core::{limits, names};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{DirEntry, Metadata};
use std::io;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// Directories that lead to the kernel's headers.
const HEADERS: [&str; 2] = ["build", "source"];

/// The module files in directories, in the order in which the directories have them.
#[derive(Debug, Default)]
pub(crate) struct Listed {
    pub(crate) files: Vec<PathBuf>,
    /// What could not be looked at.
    pub(crate) problems: Vec<String>,
}

impl Listed {
    /// Adds the files below a directory.
    ///
    /// # Errors
    /// If the directory itself cannot be read.
    pub(crate) fn add(&mut self, directory: &Path) -> io::Result<()> {
        let entries = std::fs::read_dir(directory)?;
        let mut above = vec![identity(&directory.metadata()?)];
        self.walk(entries, &mut above);
        Ok(())
    }

    /// `above` are the directory itself and those that lead to it. A link to one of them is not followed.
    fn walk(&mut self, entries: std::fs::ReadDir, above: &mut Vec<(u64, u64)>) {
        for entry in entries.flatten() {
            if HEADERS.iter().any(|name| entry.file_name() == *name) || self.files.len() >= limits::TREE {
                continue;
            }
            match self.look(&entry, above) {
                Ok(()) => {}
                Err(error) => self.problems.push(format!("{}: {error}", entry.path().display())),
            }
        }
    }

    fn look(&mut self, entry: &DirEntry, above: &mut Vec<(u64, u64)>) -> io::Result<()> {
        let (path, kind) = (entry.path(), entry.file_type()?);
        let is_directory = match kind {
            kind if kind.is_file() => false,
            kind if kind.is_dir() => true,
            _ => match path.metadata()? {
                meta if meta.is_file() => false,
                meta if meta.is_dir() => true,
                _ => return Err(io::Error::other("unsupported file type")),
            },
        };
        if !is_directory {
            if names::is_module_file(&path) {
                self.files.push(path);
            }
            return Ok(());
        }
        let own = identity(&path.metadata()?);
        if above.contains(&own) || above.len() >= limits::TREE_DEPTH {
            return Err(io::Error::other("a link to a directory above it, or too deep"));
        }
        let entries = std::fs::read_dir(&path)?;
        above.push(own);
        self.walk(entries, above);
        above.pop();
        Ok(())
    }
}

fn identity(meta: &Metadata) -> (u64, u64) {
    (meta.dev(), meta.ino())
}

/// A path of these bytes.
pub(crate) fn path_of(bytes: Vec<u8>) -> PathBuf {
    OsString::from_vec(bytes).into()
}

/// True if no module below a directory is newer than its modules.dep.
///
/// # Errors
/// If there is no modules.dep, or the directory cannot be read.
pub(crate) fn is_current(directory: &Path) -> io::Result<bool> {
    let changed = |path: &Path| path.metadata().map(|meta| meta.mtime());
    let (written, mut listed) = (changed(&directory.join("modules.dep"))?, Listed::default());
    listed.add(directory)?;
    Ok(listed.files.iter().all(|file| changed(file).is_ok_and(|time| time <= written)))
}

/// The files of the configuration: the given ones, and `*.conf` in the given directories, in the order of their names.
/// A file hides those of the same name in later places.
pub(crate) fn configuration(paths: &[PathBuf]) -> Vec<PathBuf> {
    let mut files: BTreeMap<OsString, PathBuf> = BTreeMap::new();
    let mut add = |path: PathBuf| {
        if let Some(name) = path.file_name() {
            files.entry(name.to_owned()).or_insert(path);
        }
    };
    for path in paths {
        match std::fs::read_dir(path) {
            Ok(entries) => {
                let hidden = |path: &Path| path.file_name().is_some_and(|n| n.as_encoded_bytes().starts_with(b"."));
                let conf = |path: &Path| path.extension().is_some_and(|end| end == "conf");
                entries
                    .flatten()
                    .map(|entry| entry.path())
                    .filter(|path| conf(path) && !hidden(path) && !path.is_dir() && path.exists())
                    .for_each(&mut add);
            }
            Err(_) if path.is_file() => add(path.clone()),
            Err(_) => {}
        }
    }
    files.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_tree_is_walked_once() {
        let root = std::env::temp_dir().join(format!("relobox-tree-{}", std::process::id()));
        let write = |name: &str| {
            let path = root.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        };
        let files =
            ["a/x.ko", "a/b/y.ko.xz", "a/no.txt", "build/z.ko", "etc/a.conf", "etc/.b.conf", "etc/c", "run/a.conf"];
        files.into_iter().for_each(write);
        symlink("..", root.join("a/up")).unwrap();
        symlink("a/x.ko", root.join("link.ko")).unwrap();
        let mut listed = Listed::default();
        listed.add(&root).unwrap();
        let mut found: Vec<_> = listed.files.iter().map(|path| path.strip_prefix(&root).unwrap()).collect();
        found.sort();
        assert_eq!(found, ["a/b/y.ko.xz", "a/x.ko", "link.ko"].map(Path::new));
        assert_eq!(listed.problems.len(), 1);
        assert!(is_current(&root).is_err());
        write("modules.dep");
        assert!(is_current(&root).unwrap());
        let files = configuration(&[root.join("etc"), root.join("run"), root.join("none"), root.join("a/no.txt")]);
        assert_eq!(files, [root.join("etc/a.conf"), root.join("a/no.txt")]);
        std::fs::remove_dir_all(&root).unwrap();
    }
}
