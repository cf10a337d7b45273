//! Finds the files with a kernel's symbols where distributions put them.
//!
//! A kernel of release V that lies in a root directory R (`/`, or a directory into which packages were unpacked) has up
//! to two such files. Module.symvers lists what is exported, with CRCs; System.map has addresses. For the running
//! kernel, /proc/kallsyms has the addresses that are really in use.

pub use crate::check::root_of;

use crate::symbols::SymbolFileError;
use crate::text::decoded;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// The symbols of the running kernel.
const KALLSYMS: &str = "/proc/kallsyms";

/// Where a kernel's files are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The kernel's release.
    pub release: Option<String>,
    /// Its tree, a directory like /lib/modules/VERSION.
    pub tree: Option<PathBuf>,
    /// Directories that may be the one in which the kernel was built.
    pub directories: Vec<PathBuf>,
}

/// The files that were found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// The files to read, in this order.
    pub files: Vec<PathBuf>,
    /// Files that cannot be used, and why not.
    pub unusable: Vec<(PathBuf, String)>,
    /// The places that were tried first and have no such file.
    pub missing: Vec<PathBuf>,
}

impl Found {
    /// Explains where symbols were searched, or `None` if nothing was.
    #[must_use]
    pub fn explain(&self) -> Option<String> {
        let unusable = self.unusable.iter().map(|(path, why)| format!("{}: {why}", path.display()));
        let missing = self.missing.iter().map(|path| format!("there is no {}", path.display()));
        let all: Vec<_> = unusable.chain(missing).collect();
        (!all.is_empty()).then(|| all.join("; "))
    }
}

/// What is wanted of a kernel's symbols.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// The addresses in use, if the kernel is running.
    Addresses,
    /// The names. The addresses matter less than that the same file gives the same answer.
    Names,
}

/// Searches the files of a kernel.
#[must_use]
pub fn search(place: &Place, wanted: Wanted) -> Found {
    let tree = place.tree.as_ref().map(|tree| std::fs::canonicalize(tree).unwrap_or_else(|_| tree.clone()));
    let root = match &tree {
        Some(tree) => root_of(tree),
        None => Some(PathBuf::from("/")),
    };
    let installed = root.as_ref().zip(place.release.as_ref());
    let tree = tree.or_else(|| Some(installed?.0.join("lib/modules").join(installed?.1)));
    let running = installed.is_some_and(|(root, release)| root == Path::new("/") && is_running(release));
    let (mut exports, mut addresses) = (Vec::new(), Vec::new());
    for directory in place.directories.iter().chain(&tree).filter(|d| is_build(d)) {
        exports.push(directory.join("Module.symvers"));
        addresses.push(directory.join("System.map"));
    }
    let build = tree.as_ref().map(|tree| build_of(tree, root.as_deref()));
    exports.extend(build.iter().map(|build| build.join("Module.symvers")));
    if let Some((root, release)) = installed {
        let named = |directory: &str, name: &str| root.join(directory).join(format!("{name}{release}"));
        exports.push(named("usr/src", "linux-headers-").join("Module.symvers"));
        exports.push(named("usr/src/kernels", "").join("Module.symvers"));
        exports.extend(["gz", "xz", "zst"].map(|kind| named("boot", "symvers-").with_added_extension(kind)));
        addresses.push(named("usr/lib/debug/boot", "System.map-"));
        addresses.push(named("boot", "System.map-"));
    }
    if let Some(tree) = &tree {
        exports.extend(["Module.symvers", "symvers.gz", "symvers.xz", "symvers.zst"].map(|name| tree.join(name)));
        addresses.push(tree.join("System.map"));
    }
    addresses.extend(build.iter().map(|build| build.join("System.map")));
    if running {
        let at = if wanted == Wanted::Addresses { 0 } else { addresses.len() };
        addresses.insert(at, PathBuf::from(KALLSYMS));
    }
    let mut found = Found::default();
    for candidates in [addresses, exports] {
        let first = candidates.first().cloned();
        match candidates.into_iter().find(|path| path.is_file() && found.is_usable(path, place)) {
            Some(path) => found.files.push(path),
            None => found.missing.extend(first.filter(|first| !first.is_file())),
        }
    }
    found
}

/// Returns where a module's kernel is: in the root directory that has the module in lib/modules, or in this system.
#[must_use]
pub fn place_of(module: &Path, release: Option<&[u8]>) -> Place {
    let release = release.map(decoded);
    let real = std::fs::canonicalize(module).unwrap_or_default();
    let tree = real.ancestors().find(|d| d.parent().is_some_and(|up| up.ends_with("lib/modules")));
    // A module for another kernel may lie in a tree, too.
    let tree = tree.filter(|tree| release.as_ref().is_none_or(|release| tree.ends_with(release)));
    let name = |tree: &Path| Some(decoded(tree.file_name()?.as_encoded_bytes()));
    Place { release: release.or_else(|| tree.and_then(name)), tree: tree.map(Path::to_owned), directories: Vec::new() }
}

impl Found {
    /// Returns whether a file has symbols, and notes why it does not.
    fn is_usable(&mut self, path: &Path, place: &Place) -> bool {
        let mut start = Vec::new();
        let read = std::fs::File::open(path).and_then(|file| file.take(4096).read_to_end(&mut start));
        let why = match read {
            Err(error) => Some(error.to_string()),
            Ok(_) if start.starts_with(SymbolFileError::PLACEHOLDER) => {
                Some(SymbolFileError::Placeholder(place.release.clone().unwrap_or_default()).to_string())
            }
            Ok(_) if path == Path::new(KALLSYMS) && hides(&start) => Some(SymbolFileError::Hidden.to_string()),
            Ok(_) => None,
        };
        self.unusable.extend(why.iter().map(|why| (path.to_owned(), why.clone())));
        why.is_none()
    }
}

/// Whether the first lines of /proc/kallsyms have only zeros. The first symbols of a kernel may be at 0, but not all of
/// the first hundred.
fn hides(start: &[u8]) -> bool {
    let addresses = start.split(|b| *b == b'\n').filter_map(|line| line.split(|b| *b == b' ').next());
    addresses.flatten().all(|b| *b == b'0')
}

/// Returns whether a directory is one in which a kernel was built.
fn is_build(directory: &Path) -> bool {
    ["Module.symvers", ".config"].iter().all(|name| directory.join(name).is_file())
}

/// The directory behind the link `build` of a tree, with an absolute target taken from the tree's root directory.
fn build_of(tree: &Path, root: Option<&Path>) -> PathBuf {
    let link = tree.join("build");
    match (std::fs::read_link(&link), root) {
        (Ok(target), Some(root)) if target.is_absolute() => root.join(target.strip_prefix("/").unwrap_or(&target)),
        _ => link,
    }
}

fn is_running(release: &str) -> bool {
    rustix::system::uname().release().to_bytes() == release.as_bytes()
}
