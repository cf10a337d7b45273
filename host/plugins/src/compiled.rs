//! Plugins that were compiled when they were pinned: the directory `compiled` beside the pin file, which only its owner can write.
//!
//! The program that links for a kernel has no compiler. Each file is called as its plugin's SHA-256, and is what `wasmtime` made of
//! it; that of another version of relobox is refused where it is loaded.

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

/// Where the compiled code of a plugin is that `pins`, a file, has.
#[must_use]
pub fn path(pins: &Path, digest: &Digest) -> PathBuf {
    directory(pins).join(format!("{}.cwasm", hex(digest)))
}

/// The directory of all of it.
#[must_use]
pub fn directory(pins: &Path) -> PathBuf {
    pins.with_file_name("compiled")
}

/// Opens a pinned plugin's compiled code; `None` if it was not compiled.
///
/// # Errors
/// If it cannot be read, or others than root and this user could have written it.
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

/// The same, where a plugin that is not compiled cannot be used.
///
/// # Errors
/// As [`open`], and if there is none.
pub fn of_pin(pins: &Pins, plugin: &PluginFile) -> Result<OwnedFd> {
    open(pins, &plugin.digest)?.ok_or_else(|| {
        let (name, path) = (&plugin.name, path(pins.path(), &plugin.digest));
        Error::Usage(format!(
            "plugin {name} is pinned, and was not compiled: there is no {}; 'relobox plugin compile' makes it",
            path.display()
        ))
    })
}

/// Removes the compiled code of a plugin that is pinned no longer, if there is any.
pub fn forget(pins: &Path, digest: &Digest) {
    // Without its pin it is never used.
    let _ = std::fs::remove_file(path(pins, digest));
}

/// Keeps a pinned plugin's compiled code.
///
/// # Errors
/// If it cannot be written.
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
