//! Native code of pinned plugins, in the directory `compiled` beside the pin file. Only its owner can write it.
//!
//! The program that links for a kernel has no compiler. The name of each file is the SHA-256 of its plugin, and its
//! contents are what wasmtime compiled. If another version of wasmtime compiled it, it is refused when it is loaded.

use crate::pins::{Pins, not_used};
use crate::plugin_file::PluginFile;
use cap_std::ambient_authority;
use cap_std::fs::{Dir, DirBuilder, DirBuilderExt as _};
use relobox_core::digest::Digest;
use relobox_core::error::{Error, Result};
use relobox_core::files;
use relobox_core::text::hex;
use std::io::{ErrorKind, Write as _};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

/// Returns the path of the native code of a plugin that is pinned in the file `pins`.
#[must_use]
pub fn path(pins: &Path, digest: &Digest) -> PathBuf {
    directory(pins).join(format!("{}.cwasm", hex(digest)))
}

/// Returns the directory of all native code.
#[must_use]
pub fn directory(pins: &Path) -> PathBuf {
    pins.with_file_name("compiled")
}

/// Opens a pinned plugin's native code. Returns `None` if it was not compiled.
///
/// # Errors
/// [`Error::Io`] if it cannot be read, [`Error::Usage`] if users other than root and this one could have written it.
pub fn open(pins: &Pins, digest: &Digest) -> Result<Option<OwnedFd>> {
    let path = path(pins.path(), digest);
    let own = rustix::process::geteuid().as_raw();
    match files::open_trusted(&path, &[0, own]) {
        Err(Error::Io { source, .. }) if source.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
        Ok(Ok(file)) => Ok(Some(file.into())),
        Ok(Err(untrusted)) => Err(not_used(&untrusted.path, &untrusted.why)),
    }
}

/// As [`open`], for a plugin that must be compiled.
///
/// # Errors
/// As [`open`], and [`Error::Usage`] if it was not compiled.
pub fn of_pin(pins: &Pins, plugin: &PluginFile) -> Result<OwnedFd> {
    open(pins, &plugin.digest)?.ok_or_else(|| {
        let (name, path) = (&plugin.name, path(pins.path(), &plugin.digest));
        Error::Usage(format!(
            "plugin {name} is pinned but not compiled: there is no {}; 'relobox plugin compile' creates it",
            path.display()
        ))
    })
}

/// Removes the native code of a plugin that is no longer pinned, if there is any.
pub fn forget(pins: &Path, digest: &Digest) {
    // Without its pin it is never used, so an error does not matter.
    let _ = std::fs::remove_file(path(pins, digest));
}

/// Writes a pinned plugin's native code.
///
/// # Errors
/// [`Error::Io`] if it cannot be written.
pub fn keep(pins: &Path, digest: &Digest, code: &[u8]) -> Result<()> {
    let (directory, path) = (directory(pins), path(pins, digest));
    let parent = directory.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let parent = Dir::open_ambient_dir(parent, ambient_authority()).map_err(Error::io(parent))?;
    let name = directory.file_name().unwrap_or_default();
    match parent.create_dir_with(name, DirBuilder::new().mode(0o700)) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(Error::io(&directory)(error)),
        _ => {}
    }
    let dir = parent.open_dir(name).map_err(Error::io(&directory))?;
    let file = path.file_name().unwrap_or_default();
    files::replace_in(&dir, file, &path, files::PRIVATE, |file| file.write_all(code).map_err(Error::io(&path)))
}
