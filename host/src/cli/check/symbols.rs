//! Which symbol files are for which kernel: those of `--symbols`, or those that are found where distributions put them.

use relobox::check::Kernel;
use relobox::guests::Guests;
use relobox::open::unpacked;
use relobox::symbol_search::{self, Place, Wanted};
use relobox::symbols::Symbols;
use relobox::{Error, Result};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

/// The symbol files of a kernel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct SymbolFiles {
    pub(super) files: Vec<PathBuf>,
    /// Whether they were searched, and not given with `--symbols`.
    pub(super) searched: bool,
    /// What was searched without success.
    pub(super) not_found: Option<String>,
}

/// Finds the files of each kernel. `given` are those of `--symbols`: `FILE` or `RELEASE=FILE`.
///
/// A file that is given is for the kernel that its path names. One whose path names no kernel is for all kernels that no
/// other file is for. `search` is false if no file is to be searched.
pub(super) fn choose(
    kernels: &[Kernel],
    given: &[PathBuf],
    search: bool,
    warnings: &mut Vec<String>,
) -> Result<Vec<SymbolFiles>> {
    let mut chosen = vec![SymbolFiles::default(); kernels.len()];
    let mut general = Vec::new();
    for path in given {
        let (path, of) = kernels_of(kernels, path)?;
        match of.is_empty() {
            true => general.push(path),
            false => of.into_iter().for_each(|kernel| chosen[kernel].files.push(path.clone())),
        }
    }
    let without: Vec<usize> = (0..kernels.len()).filter(|kernel| chosen[*kernel].files.is_empty()).collect();
    for path in general.iter().filter(|_| kernels.len() > 1) {
        let names: Vec<_> = without.iter().map(|kernel| name(&kernels[*kernel])).collect();
        let names = if names.is_empty() { "no kernel".to_owned() } else { names.join(", ") };
        let path = path.display();
        warnings.push(format!(
            "{path}: the path names none of the kernels; it is used for {names} (RELEASE=FILE names one)"
        ));
    }
    for kernel in without {
        chosen[kernel].files.clone_from(&general);
        if !search || !general.is_empty() {
            continue;
        }
        let Kernel { release, tree, directories, first, .. } = kernels[kernel].clone();
        // Directories and files in a tree can be named without the tree.
        let tree = tree.or_else(|| symbol_search::place_of(&first, release.as_ref().map(String::as_bytes)).tree);
        let found = symbol_search::search(&Place { release, tree, directories }, Wanted::Names);
        let not_found = if found.files.is_empty() { found.explain() } else { None };
        chosen[kernel] = SymbolFiles { files: found.files, searched: true, not_found };
    }
    Ok(chosen)
}

/// Reads the symbols of a kernel. A file that was searched and cannot be used is left out, with a warning.
pub(super) fn read(guests: &Guests, chosen: &mut SymbolFiles, warnings: &mut Vec<String>) -> Result<Symbols> {
    let mut symbols = Symbols::new();
    let mut used = Vec::new();
    for file in std::mem::take(&mut chosen.files) {
        match symbols.read_file(&file, |bytes| unpacked(guests, &file, bytes), |_| true) {
            Ok(()) => used.push(file),
            Err(error) if chosen.searched => warnings.push(format!("{error}; it is not used")),
            Err(error) => return Err(error),
        }
    }
    chosen.files = used;
    Ok(symbols)
}

/// The name of a kernel in a message.
pub(super) fn name(kernel: &Kernel) -> String {
    match (&kernel.release, &kernel.tree) {
        (Some(release), _) => release.clone(),
        (None, Some(tree)) => tree.display().to_string(),
        (None, None) => "an unknown release".to_owned(),
    }
}

/// Returns a path of `--symbols`, and the indices of the kernels that it names.
fn kernels_of(kernels: &[Kernel], given: &Path) -> Result<(PathBuf, Vec<usize>)> {
    if let [only] = kernels
        && only.release.as_ref().is_none_or(|release| after_release(given, release).is_none())
    {
        return Ok((given.to_owned(), Vec::new()));
    }
    let all = |test: &dyn Fn(&Kernel) -> bool| (0..kernels.len()).filter(|at| test(&kernels[*at])).collect::<Vec<_>>();
    let named = |kernel: &Kernel| kernel.release.as_ref().and_then(|release| after_release(given, release));
    if let Some(path) = kernels.iter().find_map(named) {
        return Ok((path, all(&|kernel| named(kernel).is_some())));
    }
    let real = std::fs::canonicalize(given).map_err(Error::io(given))?;
    let canonical = |path: &Path| std::fs::canonicalize(path).ok();
    let in_tree = all(&|kernel| {
        let directories = kernel.tree.iter().chain(&kernel.directories);
        directories.filter_map(|d| canonical(d)).any(|directory| real.starts_with(directory))
    });
    let root = |kernel: &Kernel| symbol_search::root_of(&canonical(kernel.tree.as_ref()?)?);
    let in_root = all(&|kernel| root(kernel).is_some_and(|root| root != Path::new("/") && real.starts_with(root)));
    let in_name = all(&|kernel| {
        let names = |path: &Path, release: &str| path.iter().any(|part| names_release(part, release));
        kernel.release.as_ref().is_some_and(|release| names(given, release) || names(&real, release))
    });
    // A root directory may have several kernels, and then the file's name decides.
    let both: Vec<usize> = in_root.iter().copied().filter(|kernel| in_name.contains(kernel)).collect();
    let candidates = [in_tree, both, in_root, in_name];
    Ok((given.to_owned(), candidates.into_iter().find(|of| !of.is_empty()).unwrap_or_default()))
}

/// The file in `RELEASE=FILE`.
fn after_release(given: &Path, release: &str) -> Option<PathBuf> {
    let file = given.as_os_str().as_bytes().strip_prefix(release.as_bytes())?.strip_prefix(b"=")?;
    Some(OsStr::from_bytes(file).into())
}

/// Whether a component of a path is `RELEASE` or `NAME-RELEASE`, perhaps with the extension of a compressed file.
fn names_release(part: &OsStr, release: &str) -> bool {
    let part = part.as_bytes();
    let part = [".gz", ".xz", ".zst"].iter().find_map(|end| part.strip_suffix(end.as_bytes())).unwrap_or(part);
    let before = part.strip_suffix(release.as_bytes());
    // `linux-headers-6.1-cloud-amd64` names `6.1-cloud-amd64`, and not another kernel called `amd64`.
    before.is_some_and(|before| before.is_empty() || before.ends_with(b"-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_a_release_at_its_end() {
        let names = |part: &str| names_release(part.as_ref(), "6.1.0-56-amd64");
        assert!(names("6.1.0-56-amd64") && names("System.map-6.1.0-56-amd64") && names("symvers-6.1.0-56-amd64.xz"));
        assert!(!names("6.1.0-56-amd64-old") && !names("x6.1.0-56-amd64") && !names("6.1.0-56-cloud-amd64"));
        assert_eq!(after_release("6.1=a=b".as_ref(), "6.1"), Some("a=b".into()));
        assert_eq!(after_release("6.10=a".as_ref(), "6.1"), None);
    }
}
