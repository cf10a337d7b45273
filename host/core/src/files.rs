//! Files that the user names, and files that relobox writes.
//!
//! A path to read may be a pipe without a writer, an endless device, or a file of another user. At a path to write,
//! another user may have placed a link. So there is one way to read ([`read`], and [`read_trusted`] for files that are
//! trusted), which checks type, size and owner first. And there is one way to write ([`replace`]), which creates a
//! temporary file with an unpredictable name and then renames it.

use crate::error::{Error, Result};
use crate::limits;
use cap_std::ambient_authority;
use cap_std::fs::{Dir, MetadataExt as _, OpenOptions, OpenOptionsExt as _};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl, fstatfs, makedev};
use std::ffi::OsStr;
use std::fs::{File, FileType, Metadata};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// `f_type` of the file system of unnamed pipes (PIPEFS_MAGIC in linux/magic.h).
const PIPEFS: u64 = 0x5049_5045;

/// Mode of a file that others may read, as far as the umask allows.
pub const PUBLIC: u32 = 0o666;

/// Mode of a script.
pub const SCRIPT: u32 = 0o777;

/// Mode of a file that only its owner may read or write.
pub const PRIVATE: u32 = 0o600;

/// The types of file that may be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    Regular,
    /// A regular file or an unnamed pipe: `<(command)`, or `/dev/stdin` behind a `|`. A named pipe could have no
    /// writer, or any user as its writer.
    Pipe,
    /// A regular file or /dev/null, which is empty: a link to it disables a configuration file.
    Config,
}

impl Kind {
    fn check(self, path: &Path, meta: &Metadata, in_pipefs: impl FnOnce() -> bool) -> Result<()> {
        let kind = meta.file_type();
        let null = || kind.is_char_device() && meta.rdev() == makedev(1, 3);
        let good =
            kind.is_file() || self == Self::Pipe && kind.is_fifo() && in_pipefs() || self == Self::Config && null();
        let what = match self {
            Self::Pipe if kind.is_fifo() => "a named pipe; only '<(command)' and /dev/stdin can be read",
            _ => "not a regular file",
        };
        if good { Ok(()) } else { Err(Error::Usage(format!("{}: {what}", path.display()))) }
    }
}

/// Opens a file for reading. It never waits for the other end of a pipe, and opens no device.
///
/// # Errors
/// [`Error::Io`] if the file cannot be opened, [`Error::Usage`] if it is not of this `kind`.
pub fn open(path: &Path, kind: Kind) -> Result<File> {
    let meta = std::fs::metadata(path).map_err(Error::io(path))?;
    // A refused pipe is opened, too: otherwise its writer would wait for a reader forever.
    if !meta.file_type().is_fifo() {
        kind.check(path, &meta, || false)?;
    }
    let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits() as i32;
    let file = std::fs::OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(Error::io(path))?;
    // The path may lead to another file by now.
    let meta = file.metadata().map_err(Error::io(path))?;
    kind.check(path, &meta, || fstatfs(&file).is_ok_and(|fs| u64::try_from(fs.f_type) == Ok(PIPEFS)))?;
    if meta.file_type().is_fifo() {
        // A pipe's writer is there now, and may take its time.
        let waiting = fcntl_getfl(&file).and_then(|flags| fcntl_setfl(&file, flags - OFlags::NONBLOCK));
        waiting.map_err(|e| Error::io(path)(e.into()))?;
    }
    Ok(file)
}

/// Reads a file of at most `limit` bytes.
///
/// # Errors
/// As [`open`], and [`Error::Usage`] if the file is longer.
pub fn read(path: &Path, kind: Kind, limit: u64) -> Result<Vec<u8>> {
    read_all(open(path, kind)?, path, limit)
}

/// Reads a UTF-8 text file of at most `limit` bytes.
///
/// # Errors
/// As [`read`], and [`Error::Usage`] if the file is not UTF-8.
pub fn read_text(path: &Path, kind: Kind, limit: u64) -> Result<String> {
    let text = String::from_utf8(read(path, kind, limit)?);
    text.map_err(|_| Error::Usage(format!("{}: not text", path.display())))
}

/// Reads a whole file. Its reported length is not used: files in /proc have none, and a file may grow.
fn read_all(file: File, path: &Path, limit: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(Error::io(path))?;
    if bytes.len() as u64 > limit {
        return Err(Error::Usage(format!("{}: more than {limit} bytes", path.display())));
    }
    Ok(bytes)
}

/// Why a file is not trusted: a user who is not trusted may have written it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Untrusted {
    /// The file, or its directory.
    pub path: PathBuf,
    /// What lets others write it.
    pub why: String,
}

/// Reads a regular file that one of `owners` owns and no other user can write. The same must hold for its directory,
/// unless that is like /tmp, where only the owner of a file can replace it. A symbolic link that leads out of the
/// directory is not followed.
///
/// # Errors
/// As [`read`]. The inner error says how others could have written the file.
pub fn read_trusted(path: &Path, owners: &[u32], limit: u64) -> Result<Result<Vec<u8>, Untrusted>> {
    match open_trusted(path, owners)? {
        Ok(file) => read_all(file, path, limit).map(Ok),
        Err(untrusted) => Ok(Err(untrusted)),
    }
}

/// Opens a file that [`read_trusted`] would read.
///
/// # Errors
/// As [`open`]. The inner error says how others could have written the file.
pub fn open_trusted(path: &Path, owners: &[u32]) -> Result<Result<File, Untrusted>> {
    let (dir, name) = parent(path)?;
    let regular = |meta: &cap_std::fs::Metadata| match meta.is_file() {
        true => Ok(()),
        false => Err(Error::Usage(format!("{}: not a regular file", path.display()))),
    };
    let meta = dir.metadata(name).map_err(Error::io(path))?;
    // As in `open`: the writer of a refused pipe must not wait.
    if !cap_std::fs::FileTypeExt::is_fifo(&meta.file_type()) {
        regular(&meta)?;
    }
    let file = dir.open_with(name, &reading()).map_err(Error::io(path))?;
    let meta = file.metadata().map_err(Error::io(path))?;
    regular(&meta)?;
    if let Some(why) = others_may_write(meta.uid(), meta.mode(), owners) {
        return Ok(Err(Untrusted { path: path.to_owned(), why }));
    }
    let (uid, mode) = dir.dir_metadata().map(|meta| (meta.uid(), meta.mode())).map_err(Error::io(path))?;
    if mode & 0o1000 == 0
        && let Some(why) = others_may_write(uid, mode, owners)
    {
        return Ok(Err(Untrusted { path: directory_of(path).to_owned(), why }));
    }
    Ok(Ok(file.into_std()))
}

/// Returns why users other than `owners` may write a file of this owner and mode, or `None` if they may not.
#[must_use]
pub fn others_may_write(uid: u32, mode: u32, owners: &[u32]) -> Option<String> {
    match () {
        () if !owners.contains(&uid) => Some(format!("it belongs to user {uid}")),
        () if mode & 0o022 != 0 => Some(format!("its mode is {:04o}", mode & 0o7777)),
        () => None,
    }
}

/// Returns options to read relative to a directory handle, without waiting for the other end of a pipe.
pub fn reading() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).custom_flags((OFlags::NONBLOCK | OFlags::NOCTTY).bits() as i32);
    options
}

/// Returns the directory of a path's last component.
fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Opens the directory of a file. Also returns the file's name in it.
///
/// # Errors
/// If the path has no file name, or the directory cannot be opened.
pub fn parent(path: &Path) -> Result<(Dir, &OsStr)> {
    let name = path.file_name().ok_or_else(|| Error::Usage(format!("{}: not the name of a file", path.display())))?;
    let dir = Dir::open_ambient_dir(directory_of(path), ambient_authority()).map_err(Error::io(path))?;
    Ok((dir, name))
}

/// Writes a file as a whole, or not at all; see [`replace`].
///
/// # Errors
/// [`Error::Io`] if the file cannot be written, [`Error::Usage`] if the path is neither a file nor a stream.
pub fn write(path: &Path, mode: u32, bytes: &[u8]) -> Result<()> {
    replace(path, mode, |file| file.write_all(bytes).map_err(Error::io(path)))
}

/// Writes a file as a whole, or not at all. A new file replaces an existing one. It also replaces a symbolic link,
/// whose target stays as it is. Terminals, /dev/null, pipes of this user and descriptors (/dev/stdout, `>(command)`)
/// are written to directly.
///
/// # Errors
/// Errors of `write`. [`Error::Io`] if the file cannot be created, [`Error::Usage`] if the path is neither a file nor a
/// stream.
pub fn replace(path: &Path, mode: u32, write: impl FnOnce(&mut File) -> Result<()>) -> Result<()> {
    if let Some(mut file) = stream(path)? {
        return write(&mut file);
    }
    let (dir, name) = parent(path)?;
    replace_in(&dir, name, path, mode, write)
}

/// Writes the file `name` in an open directory, which contains only regular files, as a whole or not at all. `path` is
/// for messages.
///
/// # Errors
/// Errors of `write`, and [`Error::Io`] if the file cannot be created.
pub fn replace_in(
    dir: &Dir,
    name: impl AsRef<Path>,
    path: &Path,
    mode: u32,
    write: impl FnOnce(&mut File) -> Result<()>,
) -> Result<()> {
    let (mut file, temporary) = fresh(dir, mode).map_err(Error::io(path))?;
    let written = write(&mut file).and_then(|()| dir.rename(&temporary, dir, name).map_err(Error::io(path)));
    if written.is_err() {
        let _ = dir.remove_file(&temporary);
    }
    written
}

/// Creates a new file with a random name, and never opens an existing file or the target of a link.
fn fresh(dir: &Dir, mode: u32) -> std::io::Result<(File, String)> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(mode);
    loop {
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(std::io::Error::other)?;
        let name = format!("{TEMPORARY}{:016x}", u64::from_ne_bytes(random));
        match dir.open_with(&name, &options) {
            // The name is taken, by chance or because another user guessed it.
            Err(e) if e.kind() == ErrorKind::AlreadyExists => {}
            file => return Ok((file?.into_std(), name)),
        }
    }
}

/// The prefix of temporary file names; 16 hexadecimal digits follow.
const TEMPORARY: &str = ".relobox-";

/// Returns whether a file of this name is left over from a writer that was killed.
pub fn is_temporary(name: &str) -> bool {
    let digits = name.strip_prefix(TEMPORARY).unwrap_or_default();
    digits.len() == 16 && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// Opens `path` if it must be written to directly.
fn stream(path: &Path) -> Result<Option<File>> {
    if path == Path::new("/dev/stdout") {
        // Opening a pipe anew would wait for a reader, and a file would be written from its start.
        let own = std::io::stdout().as_fd().try_clone_to_owned().map_err(Error::io(path))?;
        return Ok(Some(own.into()));
    }
    let meta = match std::fs::symlink_metadata(path) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        meta => meta.map_err(Error::io(path))?,
    };
    let refused = |what: String| Err(Error::Usage(format!("{}: {what}", path.display())));
    let kind: FileType = meta.file_type();
    if kind.is_file() || kind.is_symlink() && !is_descriptor(path) {
        return Ok(None);
    }
    if kind.is_fifo() && !is_own(meta.uid()) {
        return refused(format!("a pipe of user {}", meta.uid()));
    }
    if !kind.is_symlink() && !kind.is_fifo() && !kind.is_char_device() {
        return refused("neither a regular file nor a stream".to_owned());
    }
    let flags = OFlags::NOCTTY.bits() as i32;
    let file = std::fs::OpenOptions::new().write(true).custom_flags(flags).open(path).map_err(Error::io(path))?;
    Ok(Some(file))
}

/// Returns whether a path leads to a descriptor of this process through links of this user or root.
fn is_descriptor(path: &Path) -> bool {
    let Ok(descriptors) = std::fs::canonicalize("/proc/self/fd") else { return false };
    let mut path = path.to_owned();
    for _ in 0..limits::LINKS {
        let dir = directory_of(&path).to_owned();
        if std::fs::canonicalize(&dir).is_ok_and(|dir| dir == descriptors) {
            return true;
        }
        match std::fs::symlink_metadata(&path) {
            Ok(meta) if meta.file_type().is_symlink() && is_own(meta.uid()) => {}
            _ => return false,
        }
        let Ok(target) = std::fs::read_link(&path) else { return false };
        path = dir.join(target);
    }
    false
}

fn is_own(uid: u32) -> bool {
    uid == 0 || uid == rustix::process::geteuid().as_raw()
}

/// Checks that `output` is none of the `inputs`, whatever their names and links are.
///
/// # Errors
/// [`Error::Usage`] if `output` is the same file as one of `inputs`.
pub fn apart<'a>(output: &Path, inputs: impl IntoIterator<Item = &'a Path>) -> Result<()> {
    let file = |path: &Path| {
        let meta = std::fs::metadata(path).ok()?;
        meta.is_file().then(|| (meta.dev(), meta.ino()))
    };
    let Some(own) = file(output) else { return Ok(()) };
    match inputs.into_iter().find(|input| file(input) == Some(own)) {
        Some(input) => {
            let (output, input) = (output.display(), input.display());
            Err(Error::Usage(format!("{output}: it is the same file as {input}, which is read; nothing was written")))
        }
        None => Ok(()),
    }
}

/// Returns a user's directory for relobox: `variable`, or `default` in the home directory, with `relobox` appended. A
/// relative path is ignored, as the XDG specification requires.
pub fn user_directory(variable: &str, default: &str) -> Option<PathBuf> {
    let var = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    Some(var(variable).or_else(|| Some(var("HOME")?.join(default)))?.join("relobox"))
}
