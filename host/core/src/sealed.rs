//! A sealed copy of a module's file.

use crate::diagnostic::Diagnostic;
use crate::error::{Error, Result};
use crate::files::{self, Kind};
use crate::{limits, memfd};
use std::io::{ErrorKind, Read as _, Seek as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

/// Copies the file at `path` to a sealed memfd, so that what is checked and what is loaded are the same bytes. Also
/// returns whether its contents are compressed.
///
/// # Errors
/// [`Error::Io`] if the file cannot be read, [`Error::Usage`] if it is not a regular file, [`Error::Module`] if it has
/// more than [`limits::FILE`] bytes.
pub fn seal(path: &Path) -> Result<(OwnedFd, bool)> {
    let io = |error| Error::io(path)(error);
    let file = files::open(path, Kind::Regular)?;
    let mut magic = [0; 6];
    let packed = file.read_exact_at(&mut magic, 0).is_ok() && is_packed(&magic);
    let length = checked_length(&path.display().to_string(), file.metadata().map_err(io)?.len())?;
    let mut copy = memfd::create("relobox-module").map_err(io)?;
    if std::io::copy(&mut file.take(length), &mut copy).map_err(io)? != length {
        let cut = std::io::Error::new(ErrorKind::UnexpectedEof, "the file became shorter while it was read");
        return Err(io(cut));
    }
    copy.rewind().map_err(io)?;
    Ok((memfd::seal(copy).map_err(io)?, packed))
}

/// Returns `len` if it is at most [`limits::FILE`] bytes. `name` is for messages.
///
/// # Errors
/// [`Error::Module`] if it is larger.
pub fn checked_length(name: &str, len: u64) -> Result<u64> {
    let most = limits::FILE;
    if len > most {
        let text = format!("the file has {len} bytes, and the limit is {most}");
        return Err(Diagnostic::new("too-large", name, text).into());
    }
    Ok(len)
}

/// Returns whether a file that begins with these bytes is compressed in a way that modules are: .gz, .xz or .zst.
#[must_use]
pub fn is_packed(magic: &[u8; 6]) -> bool {
    matches!(magic, [0x1f, 0x8b, ..] | [0xfd, b'7', b'z', b'X', b'Z', 0] | [0x28, 0xb5, 0x2f, 0xfd, ..])
        // A zstd stream may begin with a skippable frame.
        || matches!(magic, [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..])
}
