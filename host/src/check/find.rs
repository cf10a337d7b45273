//! Finds the files to check: those that are named, and in a tree those that depmod and modprobe would take.
//!
//! A *tree* is a directory like /lib/modules/VERSION: it contains modules.dep, modules.order, modules.builtin or a
//! directory `kernel`. If several files in a tree have the same module name, one of them counts: the one in modules.dep,
//! or, without modules.dep, the one that depmod would list (`updates` first, or according to depmod.d). The others are
//! shadowed and not checked. In a directory without a tree, every module is checked: modprobe knows none of them, and
//! they may be for several kernels.
//!
//! Symbolic links to modules and directories are followed, also out of the tree. No directory is read twice, so cycles
//! end. `build` and `source` are not followed, because they lead to the kernel's headers.

use super::depmod_d::{Depmod, Rank};
use crate::modprobe::depmod::DIRECTORIES;
use relobox_core::error::{Error, Result};
use relobox_core::limits;
use relobox_core::names;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ffi::OsStr;
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// The file of a module.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct File {
    /// The file's path.
    pub path: PathBuf,
    /// The index of its directory in [`Found::trees`]. `None` for a file that was named itself.
    pub tree: Option<usize>,
    /// Why the file cannot be checked: a broken link, or a line of modules.dep for a file that does not exist.
    pub missing: Option<String>,
}

/// A file that modprobe ignores because another one has the same module name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Shadowed {
    /// The path of the ignored file.
    pub path: PathBuf,
    /// The path of the file that is used instead.
    pub by: PathBuf,
}

/// The files that were found.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// The files to check, sorted by path.
    pub modules: Vec<File>,
    /// The directories that are trees, and the given directories with modules outside of all trees.
    pub trees: Vec<PathBuf>,
    /// The files that are ignored.
    pub shadowed: Vec<Shadowed>,
    /// Files that are checked although modprobe does not know them: modules.dep does not list them, or depmod is
    /// configured to exclude them.
    pub unlisted: Vec<PathBuf>,
    /// Symbolic links out of their tree, with their targets.
    pub links: Vec<(PathBuf, PathBuf)>,
    /// Other problems.
    pub warnings: Vec<String>,
}

/// Finds every module below `paths`. A path of a file is used whatever its name is. `depmod` are the directories of
/// depmod's configuration; if it is empty, those in the root directory of the tree are used.
///
/// # Errors
///
/// If a path, a directory below it, a modules.dep or a configuration file cannot be read.
pub fn find(paths: &[PathBuf], depmod: &[PathBuf]) -> Result<Found> {
    let mut found = Found::default();
    let mut walk = Walk::default();
    for path in paths {
        let meta = std::fs::metadata(path).map_err(Error::io(path))?;
        if meta.is_dir() {
            walk.tree(path)?;
        } else {
            found.modules.push(File { path: path.clone(), tree: None, missing: None });
        }
    }
    let named: HashSet<PathBuf> = found.modules.iter().map(|file| file.path.clone()).collect();
    let mut by_root: BTreeMap<PathBuf, Vec<File>> = BTreeMap::new();
    for (root, file) in walk.files {
        if !named.contains(&file.path) {
            by_root.entry(root).or_default().push(file);
        }
    }
    found.warnings = walk.warnings;
    for (root, mut files) in by_root {
        files.sort();
        files.dedup();
        for file in &mut files {
            file.tree = Some(found.trees.len());
        }
        found.links.extend(files.iter().filter_map(|file| out_of(&root, &file.path)));
        let listed = modules_dep(&root.join("modules.dep"))?;
        match listed {
            Some(listed) => found.by_modules_dep(&root, files, listed),
            None if !is_tree(&root) => found.modules.extend(files),
            None => found.by_depmod(&root, files, &configuration(&root, depmod)?),
        }
        found.trees.push(root);
    }
    found.modules.sort();
    found.modules.dedup();
    found.shadowed.sort();
    found.unlisted.sort();
    Ok(found)
}

impl Found {
    /// Returns whether one of [`Found::trees`] is a tree, and not just a directory with modules in it.
    pub(super) fn is_tree(&self, at: usize) -> bool {
        self.trees.get(at).is_some_and(|directory| is_tree(directory))
    }

    /// Chooses the files of a tree like modprobe.
    fn by_modules_dep(&mut self, root: &Path, files: Vec<File>, listed: HashMap<Vec<u8>, PathBuf>) {
        let there: HashSet<PathBuf> = files.iter().map(|file| file.path.clone()).collect();
        for file in files {
            match listed.get(&names::of_file_bytes(&file.path)).map(|path| root.join(path)) {
                Some(path) if path == file.path => self.modules.push(file),
                Some(by) => self.shadowed.push(Shadowed { path: file.path, by }),
                None => {
                    self.unlisted.push(file.path.clone());
                    self.modules.push(file);
                }
            }
        }
        for path in listed.into_values().map(|path| root.join(path)).filter(|path| !there.contains(path)) {
            let missing = (!path.exists()).then(|| "modules.dep lists it, but the file does not exist".to_owned());
            self.modules.push(File { path, tree: Some(self.trees.len()), missing });
        }
    }

    /// Chooses the files of a tree like depmod.
    fn by_depmod(&mut self, root: &Path, files: Vec<File>, depmod: &Depmod) {
        self.warnings.extend(depmod.warnings.iter().cloned());
        let kernel = std::fs::canonicalize(root).unwrap_or_else(|_| root.to_owned());
        let kernel = kernel.file_name().unwrap_or_default().to_string_lossy();
        let mut by_name: BTreeMap<Vec<u8>, Vec<(Rank, File)>> = BTreeMap::new();
        for file in files {
            match depmod.rank(&kernel, file.path.strip_prefix(root).unwrap_or(&file.path)) {
                Some(rank) => by_name.entry(names::of_file_bytes(&file.path)).or_default().push((rank, file)),
                None => {
                    self.unlisted.push(file.path.clone());
                    self.modules.push(file);
                }
            }
        }
        for mut files in by_name.into_values() {
            // The sort is stable, so the first of equal files by path is chosen.
            files.sort_by_key(|(rank, _)| std::cmp::Reverse(*rank));
            let mut files = files.into_iter();
            let Some((best, taken)) = files.next() else { continue };
            for (rank, File { path, .. }) in files {
                if rank == best {
                    let (path, by) = (path.display(), taken.path.display());
                    self.warnings.push(format!(
                        "{path}: {by} has the same module name, and depmod uses the first in the order of its directory"
                    ));
                }
                self.shadowed.push(Shadowed { path, by: taken.path.clone() });
            }
            self.modules.push(taken);
        }
    }
}

/// Reads modules.dep: the names of modules, and their files. The first line for a module counts. `None` without the
/// file.
fn modules_dep(path: &Path) -> Result<Option<HashMap<Vec<u8>, PathBuf>>> {
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(Error::io(path)(e)),
    };
    let mut text = Vec::new();
    file.take(limits::MODPROBE_INDEX + 1).read_to_end(&mut text).map_err(Error::io(path))?;
    if text.len() as u64 > limits::MODPROBE_INDEX {
        return Err(Error::Usage(format!("{}: more than {} bytes", path.display(), limits::MODPROBE_INDEX)));
    }
    let mut listed = HashMap::new();
    for line in text.split(|b| *b == b'\n').filter(|line| !line.starts_with(b"#")) {
        if let Some(colon) = line.iter().position(|b| *b == b':') {
            let path = Path::new(OsStr::from_bytes(&line[..colon]));
            listed.entry(names::of_file_bytes(path)).or_insert_with(|| path.to_owned());
        }
    }
    Ok(Some(listed))
}

/// Reads depmod's configuration. By default, it is in the root directory: ROOT for ROOT/lib/modules/VERSION and for
/// ROOT/usr/lib/modules/VERSION.
fn configuration(tree: &Path, given: &[PathBuf]) -> Result<Depmod> {
    if !given.is_empty() {
        return Depmod::read(given);
    }
    match root_of(&std::fs::canonicalize(tree).map_err(Error::io(tree))?) {
        Some(root) => Depmod::read(&DIRECTORIES.map(|directory| root.join(directory))),
        None => Ok(Depmod::default()),
    }
}

/// Returns the root directory that a tree is in: ROOT for ROOT/lib/modules/VERSION and ROOT/usr/lib/modules/VERSION.
#[must_use]
pub fn root_of(tree: &Path) -> Option<PathBuf> {
    let above = |path: &Path, name: &str| path.parent().filter(|_| path.ends_with(name)).map(Path::to_owned);
    let root = above(&above(tree.parent()?, "modules")?, "lib")?;
    Some(above(&root, "usr").unwrap_or(root))
}

/// The path, and its target if that is outside of `root`.
fn out_of(root: &Path, path: &Path) -> Option<(PathBuf, PathBuf)> {
    let (real, root) = (std::fs::canonicalize(path).ok()?, std::fs::canonicalize(root).ok()?);
    (!real.starts_with(root)).then(|| (path.to_owned(), real))
}

/// The state of a walk through directories.
#[derive(Default)]
struct Walk {
    /// The modules, each with its tree.
    files: Vec<(PathBuf, File)>,
    /// The tree, device and inode of each directory that was read. A tree can have a link into another.
    seen: HashSet<(Option<PathBuf>, u64, u64)>,
    warnings: Vec<String>,
}

impl Walk {
    /// Walks below `given`. Directories come before links to them, so that a path without links is preferred.
    fn tree(&mut self, given: &Path) -> Result<()> {
        let mut open = vec![(given.to_owned(), None::<PathBuf>)];
        let mut links: BTreeSet<(PathBuf, Option<PathBuf>)> = BTreeSet::new();
        loop {
            let ((directory, root), by_link) = match open.pop() {
                Some(next) => (next, false),
                None => match links.pop_first() {
                    Some(next) => (next, true),
                    None => return Ok(()),
                },
            };
            let meta = std::fs::metadata(&directory).map_err(Error::io(&directory))?;
            if !self.seen.insert((root.clone(), meta.dev(), meta.ino())) {
                if by_link {
                    let text = "a link to a directory that was read already; it is not followed";
                    self.warnings.push(format!("{}: {text}", directory.display()));
                }
                continue;
            }
            let root = root.or_else(|| is_tree(&directory).then(|| directory.clone()));
            let entries = std::fs::read_dir(&directory).map_err(Error::io(&directory))?;
            for entry in entries {
                let entry = entry.map_err(Error::io(&directory))?;
                let (path, kind) = (entry.path(), entry.file_type().map_err(Error::io(&directory))?);
                let headers = kind.is_symlink() && matches!(entry.file_name().as_bytes(), b"build" | b"source");
                if headers {
                    continue;
                }
                if kind.is_dir() {
                    open.push((path, root.clone()));
                    continue;
                }
                let missing = match std::fs::metadata(&path) {
                    Ok(meta) if meta.is_dir() => {
                        links.insert((path, root.clone()));
                        continue;
                    }
                    Ok(_) => None,
                    Err(error) => Some(broken(&path, &error)),
                };
                if names::is_module_file(&path) {
                    let tree = root.clone().unwrap_or_else(|| given.to_owned());
                    self.files.push((tree, File { path, tree: None, missing }));
                }
            }
        }
    }
}

fn is_tree(directory: &Path) -> bool {
    let marks = ["modules.dep", "modules.order", "modules.builtin"];
    marks.iter().any(|name| directory.join(name).is_file()) || directory.join("kernel").is_dir()
}

/// Explains why the target of a link cannot be read.
fn broken(path: &Path, error: &std::io::Error) -> String {
    let target = std::fs::read_link(path).unwrap_or_default();
    match error.kind() {
        std::io::ErrorKind::NotFound => format!("a link to {}, which does not exist", target.display()),
        _ => format!("a link to {}: {error}", target.display()),
    }
}
