//! A plugin's file, and the kinds of places where it may lie.

use cap_std::fs::File;
use relobox_core::digest::Digest;
use relobox_core::error::{Error, Result};
use relobox_core::files::{self, Kind};
use relobox_core::limits;
use sha2::{Digest as _, Sha256};
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// A plugin's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PluginFile {
    /// The file's name without the extension.
    pub name: String,
    /// The Wasm.
    pub wasm: Vec<u8>,
    /// The SHA-256 of the Wasm.
    pub digest: Digest,
    /// Where it lies.
    pub origin: Origin,
}

impl PluginFile {
    /// Wraps these bytes.
    #[must_use]
    pub fn new(name: String, wasm: Vec<u8>, origin: Origin) -> Self {
        let digest = Sha256::digest(&wasm).into();
        Self { name, wasm, digest, origin }
    }

    /// Reads a file that the user named.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be read, [`Error::Usage`] if it is not a regular file or larger than a guest may be.
    pub fn read(path: &Path) -> Result<Self> {
        let opened = File::from_std(files::open(path, Kind::Regular)?);
        Self::read_from(opened, path, Origin::File(path.to_owned()))
    }

    /// Reads an open file. `path` is for messages.
    ///
    /// # Errors
    /// As [`PluginFile::read`].
    pub(crate) fn read_from(file: File, path: &Path, origin: Origin) -> Result<Self> {
        if !file.metadata().map_err(Error::io(path))?.is_file() {
            return Err(Error::Usage(format!("{}: not a regular file", path.display())));
        }
        let mut wasm = Vec::new();
        file.take(limits::GUEST as u64 + 1).read_to_end(&mut wasm).map_err(Error::io(path))?;
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Self::new(name, wasm, origin))
    }
}

/// Where a plugin came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// It is built into this program.
    BuiltIn,
    /// A file in one of the system's directories.
    System(PathBuf),
    /// A file in the user's own directory.
    User(PathBuf),
    /// A file that the user named, or in a directory that the user named.
    File(PathBuf),
}

impl Origin {
    /// Returns a stable identifier of the kind of place, as in JSON.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::BuiltIn => "built-in",
            Self::System(_) => "system",
            Self::User(_) => "user",
            Self::File(_) => "given",
        }
    }

    /// Returns the path of the file; empty for a plugin that is built in.
    #[must_use]
    pub fn path(&self) -> &Path {
        match self {
            Self::BuiltIn => Path::new(""),
            Self::System(path) | Self::User(path) | Self::File(path) => path,
        }
    }
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::BuiltIn => f.write_str("built in"),
            file => write!(f, "{}", file.path().display()),
        }
    }
}
