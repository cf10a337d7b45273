//! Files that are given by name, and files that are made.
//!
//! What is read may be a pipe that nothing is written to, a device without an end, or somebody else's. What is written may
//! go where another user can put a link first. So there is one way to read ([`read`], and [`read_trusted`] for what is
//! believed), which asks for type, size and owner before it believes in a file; and one way to write ([`replace`]), which
//! makes a file of its own, under a name that cannot be foreseen, and then gives it its name.

use crate::error::{Error, Result};
use crate::limits;
use cap_std::ambient_authority;
use cap_std::fs::{Dir, MetadataExt as _, OpenOptions, OpenOptionsExt as _};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl, fstatfs, makedev};
use std::ffi::OsStr;
use std::fs::{File, FileType, Metadata};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// `f_type` of the file system that pipes without a name are in (PIPEFS_MAGIC of linux/magic.h).
const PIPEFS: u64 = 0x5049_5045;

/// Mode of a file that others may read, as far as the umask lets them.
pub const PUBLIC: u32 = 0o666;

/// Mode of a script.
pub const SCRIPT: u32 = 0o777;

/// Mode of a file that is its owner's alone.
pub const PRIVATE: u32 = 0o600;

/// What a file that is read may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    Regular,
    /// That, or a pipe without a name: `<(command)`, or `/dev/stdin` behind a `|`. One with a name could have no writer, or
    /// anybody as its writer.
    Pipe,
    /// A regular file, or /dev/null, which is empty: a link to that hides a configuration file.
    Config,
}

impl Kind {
    fn check(self, path: &Path, meta: &Metadata, in_pipefs: impl FnOnce() -> bool) -> Result<()> {
        let kind = meta.file_type();
        let null = || kind.is_char_device() && meta.rdev() == makedev(1, 3);
        let good =
            kind.is_file() || self == Self::Pipe && kind.is_fifo() && in_pipefs() || self == Self::Config && null();
        let what = match self {
            Self::Pipe if kind.is_fifo() => "a pipe with a name; '<(command)' and /dev/stdin can be read",
            _ => "not a regular file",
        };
        if good { Ok(()) } else { Err(Error::Usage(format!("{}: {what}", path.display()))) }
    }
}

/// Opens a file to read it; never waits for a pipe's other end, and opens no device, which could do something.
///
/// # Errors
/// If it cannot be opened ([`Error::Io`]), or is not of this kind ([`Error::Usage`]).
pub fn open(path: &Path, kind: Kind) -> Result<File> {
    let meta = std::fs::metadata(path).map_err(Error::io(path))?;
    // A pipe is opened even if it is refused, or its writer would wait for a reader for ever.
    if !meta.file_type().is_fifo() {
        kind.check(path, &meta, || false)?;
    }
    let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits() as i32;
    let file = std::fs::OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(Error::io(path))?;
    // It may be another one by now.
    let meta = file.metadata().map_err(Error::io(path))?;
    kind.check(path, &meta, || fstatfs(&file).is_ok_and(|fs| u64::try_from(fs.f_type) == Ok(PIPEFS)))?;
    if meta.file_type().is_fifo() {
        // Its writer is there, and may take its time.
        let waiting = fcntl_getfl(&file).and_then(|flags| fcntl_setfl(&file, flags - OFlags::NONBLOCK));
        waiting.map_err(|e| Error::io(path)(e.into()))?;
    }
    Ok(file)
}

/// Reads a file of at most `limit` bytes.
///
/// # Errors
/// As [`open`]; and [`Error::Usage`] if it is longer.
pub fn read(path: &Path, kind: Kind, limit: u64) -> Result<Vec<u8>> {
    read_all(open(path, kind)?, path, limit)
}

/// The same of text, which must be UTF-8.
///
/// # Errors
/// As [`read`]; and [`Error::Usage`] if it is no text.
pub fn read_text(path: &Path, kind: Kind, limit: u64) -> Result<String> {
    let text = String::from_utf8(read(path, kind, limit)?);
    text.map_err(|_| Error::Usage(format!("{}: not text", path.display())))
}

/// Its length is not asked: files in /proc have none, and it may grow.
fn read_all(file: File, path: &Path, limit: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(Error::io(path))?;
    if bytes.len() as u64 > limit {
        return Err(Error::Usage(format!("{}: more than {limit} bytes", path.display())));
    }
    Ok(bytes)
}

/// Why a file is not believed: others than those who are trusted may have written it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Untrusted {
    /// The file, or its directory.
    pub path: PathBuf,
    /// What lets others write it.
    pub why: String,
}

/// Reads a regular file that must belong to one of `owners`, as must its directory, and that nobody else may write. In a
/// directory like /tmp, where only the owner can put another file in its place, the directory's owner does not matter. A
/// link that leads out of the directory is not followed.
///
/// # Errors
/// As [`read`]. The inner one: others may have written it.
pub fn read_trusted(path: &Path, owners: &[u32], limit: u64) -> Result<Result<Vec<u8>, Untrusted>> {
    match open_trusted(path, owners)? {
        Ok(file) => read_all(file, path, limit).map(Ok),
        Err(untrusted) => Ok(Err(untrusted)),
    }
}

/// Opens what [`read_trusted`] reads.
///
/// # Errors
/// As [`open`]. The inner one: others may have written it.
pub fn open_trusted(path: &Path, owners: &[u32]) -> Result<Result<File, Untrusted>> {
    let (dir, name) = parent(path)?;
    let regular = |meta: &cap_std::fs::Metadata| match meta.is_file() {
        true => Ok(()),
        false => Err(Error::Usage(format!("{}: not a regular file", path.display()))),
    };
    let meta = dir.metadata(name).map_err(Error::io(path))?;
    // As above: whoever writes into a pipe is let go.
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

/// Why others than `owners` may write something of this owner and mode.
#[must_use]
pub fn others_may_write(uid: u32, mode: u32, owners: &[u32]) -> Option<String> {
    match () {
        () if !owners.contains(&uid) => Some(format!("it belongs to user {uid}")),
        () if mode & 0o022 != 0 => Some(format!("its mode is {:04o}", mode & 0o7777)),
        () => None,
    }
}

/// To read through a directory's handle, without waiting for a pipe's other end.
pub fn reading() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).custom_flags((OFlags::NONBLOCK | OFlags::NOCTTY).bits() as i32);
    options
}

/// The directory that a path's last name is in.
fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// The directory of a file, open, and the file's name in it.
///
/// # Errors
/// If the path has no such name, or the directory cannot be opened.
pub fn parent(path: &Path) -> Result<(Dir, &OsStr)> {
    let name = path.file_name().ok_or_else(|| Error::Usage(format!("{}: not the name of a file", path.display())))?;
    let dir = Dir::open_ambient_dir(directory_of(path), ambient_authority()).map_err(Error::io(path))?;
    Ok((dir, name))
}

/// Writes a whole file or none; see [`replace`].
///
/// # Errors
/// If it cannot be written.
pub fn write(path: &Path, mode: u32, bytes: &[u8]) -> Result<()> {
    replace(path, mode, |file| file.write_all(bytes).map_err(Error::io(path)))
}

/// Writes a whole file or none. It is a new file, and takes the place of one that is there, also of a link: what that led to
/// stays as it is. A terminal, /dev/null, a pipe of one's own, and a descriptor (/dev/stdout, `>(command)`) are written to
/// as they are.
///
/// # Errors
/// What `write` says, and if the file cannot be made, or what is there is none of these.
pub fn replace(path: &Path, mode: u32, write: impl FnOnce(&mut File) -> Result<()>) -> Result<()> {
    if let Some(mut file) = stream(path)? {
        return write(&mut file);
    }
    let (dir, name) = parent(path)?;
    replace_in(&dir, name, path, mode, write)
}

/// The same of `name` in an open directory, where nothing but files belongs; `path` is for messages.
///
/// # Errors
/// What `write` says, and if the file cannot be made.
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

/// A new file, and its name: never a link's target, nor a file that was there.
fn fresh(dir: &Dir, mode: u32) -> std::io::Result<(File, String)> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(mode);
    loop {
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(std::io::Error::other)?;
        let name = format!("{TEMPORARY}{:016x}", u64::from_ne_bytes(random));
        match dir.open_with(&name, &options) {
            // Somebody guessed it, or had the same luck.
            Err(e) if e.kind() == ErrorKind::AlreadyExists => {}
            file => return Ok((file?.into_std(), name)),
        }
    }
}

/// How the names of temporary files begin; 16 hexadecimal digits follow.
const TEMPORARY: &str = ".relobox-";

/// Whether a file of this name is one that was being written when its writer was killed.
pub fn is_temporary(name: &str) -> bool {
    let digits = name.strip_prefix(TEMPORARY).unwrap_or_default();
    digits.len() == 16 && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// What is to be written to as it is, open.
fn stream(path: &Path) -> Result<Option<File>> {
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

/// Whether a link stands for a descriptor of this process, by links of its own user or root.
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

/// Refuses to write onto what is read: by whatever names and links, it is one file.
///
/// # Errors
/// [`Error::Usage`] if `output` is one of `inputs`.
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

/// A user's directory for relobox: in `variable`, or in `default` of the home. As XDG has it, a relative one is none.
pub fn user_directory(variable: &str, default: &str) -> Option<PathBuf> {
    let var = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    Some(var(variable).or_else(|| Some(var("HOME")?.join(default)))?.join("relobox"))
}
