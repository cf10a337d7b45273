//! The corpus directory: one file for each input, named after the digest of its text.

use super::target::{Coverage, FuzzTarget};
use relobox_core::error::{Error, Result};
use relobox_core::files::{self, Kind};
use relobox_core::limits;
use sha2::{Digest as _, Sha256};
use std::path::{Path, PathBuf};

/// A corpus directory, or no directory: then nothing is read or written.
pub struct CorpusDir<'a>(Option<&'a Path>);

/// The file name extension of inputs.
const EXTENSION: &str = "case";

impl<'a> CorpusDir<'a> {
    /// Opens the directory, and creates it if it does not exist.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if the directory cannot be created.
    pub fn open(dir: Option<&'a Path>) -> Result<Self> {
        if let Some(dir) = dir {
            std::fs::create_dir_all(dir).map_err(Error::io(dir))?;
        }
        Ok(Self(dir))
    }

    /// Reads all inputs, in the order of their file names.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if a file cannot be read, [`Error::Usage`] if its text cannot be parsed.
    pub fn read<S: FuzzTarget>(&self, target: &S) -> Result<Vec<S::Input>> {
        let files = self.files()?;
        files.iter().map(|path| read(target, path)).collect()
    }

    fn files(&self) -> Result<Vec<PathBuf>> {
        self.0.map_or_else(|| Ok(Vec::new()), inputs_in)
    }

    /// Writes an input, unless the directory has it already.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if the file cannot be written.
    pub fn add<S: FuzzTarget>(&self, target: &S, input: &S::Input) -> Result<()> {
        let Some(dir) = self.0 else { return Ok(()) };
        let text = target.write(input, &[]);
        let path = dir.join(name(&text));
        if path.exists() {
            return Ok(());
        }
        // Other jobs read this directory, so the file must appear as a whole.
        files::write(&path, files::PUBLIC, text.as_bytes())
    }

    /// Keeps the fewest and smallest inputs that together cover all edges of the corpus, and removes the other files.
    /// Returns the number of inputs before and after.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if a file cannot be read or removed, [`Error::Usage`] if its text cannot be parsed.
    pub fn minimize<S: FuzzTarget>(&self, target: &S) -> Result<(usize, usize)> {
        let (count, _) = target.map_sizes();
        let mut inputs = Vec::new();
        for path in self.files()? {
            let input = read(target, &path)?;
            let (mut edges, mut none) = (vec![0; count.max(1)], [0; 0]);
            let coverage = Coverage { edges: &mut edges, comparisons: &mut none };
            let suspicion = target.execute(&input, coverage);
            let taken: Vec<usize> = (0..).zip(&edges).filter(|(_, c)| **c != 0).map(|(i, _)| i).collect();
            let size = target.write(&input, &[]).len();
            inputs.push((path, taken, size, suspicion.is_some()));
        }
        // Greedy choice: the input with the most new edges, then the smallest, then the first.
        let (mut taken, mut kept) = (vec![false; count.max(1)], vec![false; inputs.len()]);
        loop {
            let new = |edges: &[usize]| edges.iter().filter(|e| !taken[**e]).count();
            let best = (0..inputs.len())
                .filter(|i| !kept[*i])
                .max_by_key(|i| (new(&inputs[*i].1), std::cmp::Reverse(inputs[*i].2), std::cmp::Reverse(*i)));
            let Some(best) = best.filter(|i| new(&inputs[*i].1) != 0) else { break };
            kept[best] = true;
            inputs[best].1.iter().for_each(|e| taken[*e] = true);
        }
        for ((path, _, _, suspicious), _) in inputs.iter().zip(&kept).filter(|(_, kept)| !**kept) {
            // Suspicious inputs are always kept.
            if !suspicious {
                std::fs::remove_file(path).map_err(Error::io(path))?;
            }
        }
        Ok((inputs.len(), self.files()?.len()))
    }
}

/// Reads an input from a file.
///
/// # Errors
///
/// [`Error::Io`] if the file cannot be read, [`Error::Usage`] if its text cannot be parsed.
pub fn read<S: FuzzTarget>(target: &S, path: &Path) -> Result<S::Input> {
    target.read(&text(path)?).map_err(|what| Error::Usage(format!("{}: {what}", path.display())))
}

/// Reads the text of an input's file, up to [`limits::FUZZ_INPUT`] bytes.
///
/// # Errors
///
/// [`Error::Io`] if the file cannot be read, is too large, or is not text.
pub fn text(path: &Path) -> Result<String> {
    files::read_text(path, Kind::Regular, limits::FUZZ_INPUT)
}

/// Expands directories in `paths` to the inputs that they contain.
///
/// # Errors
///
/// [`Error::Io`] if a directory cannot be read.
pub fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in paths {
        match path.is_dir() {
            true => files.extend(inputs_in(path)?),
            false => files.push(path.clone()),
        }
    }
    Ok(files)
}

/// Reads the files of a directory that are not inputs, such as kernel modules. Files above [`limits::FUZZ_INPUT`] bytes
/// are left out, and a missing directory has none.
///
/// # Errors
///
/// [`Error::Io`] if the directory or a file cannot be read.
pub fn raw_files(dir: &Path) -> Result<Vec<Vec<u8>>> {
    let entries = match std::fs::read_dir(dir) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(Error::io(dir))?,
    };
    let mut paths: Vec<_> = entries.filter_map(|e| Some(e.ok()?.path())).collect();
    let small = |p: &PathBuf| std::fs::metadata(p).is_ok_and(|m| m.is_file() && m.len() <= limits::FUZZ_INPUT);
    paths.retain(|p| p.extension().is_none_or(|e| e != EXTENSION) && small(p));
    paths.sort();
    paths.iter().map(|path| files::read(path, Kind::Regular, limits::FUZZ_INPUT)).collect()
}

fn inputs_in(dir: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(dir).map_err(Error::io(dir))?;
    let mut paths: Vec<_> = entries.filter_map(|e| Some(e.ok()?.path())).collect();
    paths.retain(|p| p.extension().is_some_and(|e| e == EXTENSION));
    paths.sort();
    Ok(paths)
}

fn name(text: &str) -> String {
    format!("{}.{EXTENSION}", relobox_core::text::hex(&Sha256::digest(text.as_bytes())[..8]))
}
