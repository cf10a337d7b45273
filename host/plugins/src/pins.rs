//! Pins: the digests of trusted plugins, in a text file that a person can read and compare.
//!
//! Each line has one pin: the SHA-256, the plugin's name, its machines as `machine/class/byte order`, and a comment.
//! Only the digest matters; the rest is for people. Lines that begin with `#` are comments, and are kept when the file
//! is edited.
//!
//! # Examples
//!
//! ```
//! use relobox_plugins::pins::{Pins, digest};
//! use std::path::Path;
//!
//! let sha256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
//! let text = format!("# Approved by the kernel team.\n{sha256} m68k 4/32/big # built from v1.2\n");
//! let mut pins = Pins::parse(Path::new("/etc/relobox/pins"), &text)?;
//!
//! let digest = digest(sha256).expect("64 hexadecimal digits");
//! assert!(pins.has(&digest));
//! assert_eq!(pins.iter().next().map(|pin| pin.comment.as_str()), Some("built from v1.2"));
//!
//! // A pin is removed by name or by the first digits of its digest.
//! assert_eq!(pins.remove("9f86d081884c").len(), 1);
//! assert!(!pins.has(&digest));
//! # Ok::<(), relobox_core::Error>(())
//! ```

use crate::index::Machines;
use crate::plugin_file::PluginFile;
use cap_std::ambient_authority;
use cap_std::fs::{Dir, DirBuilder, DirBuilderExt as _, MetadataExt as _};
use relobox_core::digest::Digest;
use relobox_core::error::{Error, Result};
use relobox_core::files::user_directory;
use relobox_core::text::Escaped;
use relobox_core::text::hex;
use relobox_core::{files, limits};
use rustix::fs::{FlockOperation, flock};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

/// The pin file for privileged use.
pub(crate) const SYSTEM: &str = "/etc/relobox/pins";

/// The comment at the start of a new file.
const HEADING: &str = "# Relocation plugins that are trusted. Written by 'relobox plugin pin'; see docs/plugins.md.
# SHA-256, name, machine/class/byte order, comment";

/// A pin: one trusted plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pin {
    /// SHA-256 of its Wasm.
    pub digest: Digest,
    /// The name of its file without the extension, or `-`.
    pub name: String,
    /// The machines of its section as `machine/class/byte order`, separated by commas, or `-`.
    pub machines: String,
    /// The comment.
    pub comment: String,
}

impl Pin {
    /// Creates the pin of a plugin. The plugin is not run.
    #[must_use]
    pub fn of(file: &PluginFile, comment: &str) -> Self {
        let machines = Machines::of_wasm(&file.wasm);
        let kinds: Vec<_> = machines.texts().collect();
        let clean = |text: &str| text.replace(|c: char| c.is_whitespace() || c.is_control() || c == '#', "_");
        let or_none = |text: String| if text.is_empty() { "-".to_owned() } else { text };
        Self {
            digest: file.digest,
            name: or_none(clean(&file.name)),
            machines: or_none(kinds.join(",")),
            comment: comment.split_whitespace().collect::<Vec<_>>().join(" "),
        }
    }

    fn parse(line: &str) -> Result<Self, &'static str> {
        let mut words = line.split_whitespace();
        let digest =
            words.next().and_then(digest).ok_or("it does not begin with a SHA-256 of 64 hexadecimal digits")?;
        let name = words.next().filter(|w| !w.starts_with('#')).ok_or("there is no name after the digest")?;
        let kinds = words.next().filter(|w| !w.starts_with('#')).ok_or("there are no machines after the name")?;
        if kinds != "-" && !kinds.split(',').all(is_kind) {
            return Err("its machines are not like 62/64/little,62/32/little");
        }
        let comment = words.collect::<Vec<_>>().join(" ");
        let comment = comment.strip_prefix('#').map(|c| c.trim_start().to_owned()).unwrap_or(comment);
        Ok(Self { digest, name: name.to_owned(), machines: kinds.to_owned(), comment })
    }
}

impl std::fmt::Display for Pin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} {}", hex(&self.digest), Escaped(&self.name), Escaped(&self.machines))?;
        if self.comment.is_empty() { Ok(()) } else { write!(f, " # {}", Escaped(&self.comment)) }
    }
}

fn is_kind(text: &str) -> bool {
    let parts: Vec<_> = text.split('/').collect();
    matches!(parts[..], [machine, "32" | "64", "little" | "big"] if machine.parse::<u16>().is_ok())
}

/// Parses a SHA-256 of 64 hexadecimal digits.
#[must_use]
pub fn digest(text: &str) -> Option<Digest> {
    let mut out = Digest::default();
    if text.len() != 2 * out.len() || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    for (byte, digits) in out.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(out)
}

/// A line of a pin file.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Line {
    Pin(Pin),
    /// A comment or an empty line.
    Other(String),
}

/// A pin file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pins {
    path: PathBuf,
    lines: Vec<Line>,
}

impl Pins {
    /// Reads the pin files that apply: `given` if there is one. Otherwise the system's, and unless the use is
    /// `privileged`, the user's as well.
    ///
    /// # Errors
    /// [`Error::Usage`] if a file has an invalid line or other users may write it, [`Error::Io`] if it cannot be read
    /// or `given` does not exist.
    pub fn from_environment(privileged: bool, given: Option<&Path>) -> Result<Self> {
        let own = rustix::process::geteuid().as_raw();
        if let Some(path) = given {
            let missing = || Error::io(path)(rustix::io::Errno::NOENT.into());
            return Self::read(path, &[0, own])?.ok_or_else(missing);
        }
        let system = Path::new(SYSTEM);
        let empty = |path: &Path| Self { path: path.to_owned(), lines: Vec::new() };
        let pins = Self::read(system, &[0])?.unwrap_or_else(|| empty(system));
        let user = if privileged { None } else { user_file() };
        let Some(user) = user.filter(|path| owner(path).is_some_and(|uid| uid == own)) else { return Ok(pins) };
        let mut both = Self::read(&user, &[own])?.unwrap_or_else(|| empty(&user));
        both.lines.extend(pins.lines);
        Ok(both)
    }

    /// Returns the default file of `plugin pin`: the system's for root, otherwise the user's.
    ///
    /// # Errors
    /// [`Error::Usage`] if the user has no home directory.
    pub fn default_file() -> Result<PathBuf> {
        if rustix::process::geteuid().is_root() {
            return Ok(SYSTEM.into());
        }
        user_file().ok_or_else(|| Error::Usage("there is no home for a pin file; --file names one".into()))
    }

    /// Reads a pin file, which one of `owners` must own. Returns `None` if it does not exist.
    ///
    /// # Errors
    /// [`Error::Usage`] if it has an invalid line or other users may write it, [`Error::Io`] if it cannot be read.
    pub fn read(path: &Path, owners: &[u32]) -> Result<Option<Self>> {
        let text = match files::read_trusted(path, owners, limits::PINS) {
            Err(Error::Io { source, .. }) if source.kind() == ErrorKind::NotFound => return Ok(None),
            read => read?.map_err(|untrusted| not_used(&untrusted.path, &untrusted.why))?,
        };
        let text = String::from_utf8(text).map_err(|_| Error::Usage(format!("{}: not text", path.display())))?;
        Self::parse(path, &text).map(Some)
    }

    /// Parses a pin file. `path` is for messages.
    ///
    /// # Errors
    /// [`Error::Usage`] with the path, the line number and the reason if a line is invalid.
    pub fn parse(path: &Path, text: &str) -> Result<Self> {
        let line = |(n, line): (usize, &str)| match line.trim() {
            other if other.is_empty() || other.starts_with('#') => Ok(Line::Other(line.to_owned())),
            pin => match Pin::parse(pin) {
                Ok(pin) => Ok(Line::Pin(pin)),
                Err(why) => Err(Error::Usage(format!("{}:{}: not a pin: {why}", path.display(), n + 1))),
            },
        };
        let lines = text.lines().enumerate().map(line).collect::<Result<_>>()?;
        Ok(Self { path: path.to_owned(), lines })
    }

    /// Returns the path of the file, for messages.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the pins in the order of the file.
    pub fn iter(&self) -> impl Iterator<Item = &Pin> {
        self.lines.iter().filter_map(|line| if let Line::Pin(pin) = line { Some(pin) } else { None })
    }

    /// Returns whether the plugin with this digest is pinned.
    #[must_use]
    pub fn has(&self, digest: &Digest) -> bool {
        self.iter().any(|pin| pin.digest == *digest)
    }

    /// Adds a pin. It replaces one with the same digest.
    pub fn add(&mut self, pin: Pin) {
        let same = |line: &&mut Line| matches!(line, Line::Pin(old) if old.digest == pin.digest);
        match self.lines.iter_mut().find(same) {
            Some(line) => *line = Line::Pin(pin),
            None => self.lines.push(Line::Pin(pin)),
        }
    }

    /// Removes the pins with this name or digest, and returns them.
    pub fn remove(&mut self, named: &str) -> Vec<Pin> {
        let gone = |line: &Line| matches!(line, Line::Pin(pin) if is_named(named, &pin.name, &pin.digest));
        let removed = self.iter().filter(|pin| is_named(named, &pin.name, &pin.digest)).cloned().collect();
        self.lines.retain(|line| !gone(line));
        removed
    }

    /// Edits the file at `path` as a whole, or not at all. A lock prevents that two processes edit it at once.
    ///
    /// # Errors
    /// Errors of `change`; as [`Pins::read`]; [`Error::Io`] if the file cannot be written.
    pub fn edit<T>(path: &Path, change: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if let Some(dir) = path.parent().filter(|dir| !dir.as_os_str().is_empty()) {
            let root = Path::new("/");
            let made = match dir.strip_prefix(root) {
                Ok(below) if below.as_os_str().is_empty() => Ok(()),
                Ok(below) => make(root, below),
                Err(_) => make(Path::new("."), dir),
            };
            made.map_err(Error::io(dir))?;
        }
        let (dir, name) = files::parent(path)?;
        // The handle of cap-std is opened with O_PATH, which cannot be locked.
        let lock = dir.open(".").map_err(Error::io(path))?;
        flock(&lock, FlockOperation::LockExclusive).map_err(|e| Error::io(path)(e.into()))?;
        let own = rustix::process::geteuid().as_raw();
        let new =
            || Self { path: path.to_owned(), lines: HEADING.lines().map(|l| Line::Other(l.to_owned())).collect() };
        let mut pins = Self::read(path, &[0, own])?.unwrap_or_else(new);
        let before = pins.clone();
        let changed = change(&mut pins)?;
        if pins != before {
            files::replace_in(&dir, name, path, files::PUBLIC & !0o022, |file| {
                file.write_all(pins.to_string().as_bytes()).and_then(|()| file.sync_all()).map_err(Error::io(path))
            })?;
        }
        Ok(changed)
    }
}

impl std::fmt::Display for Pins {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.lines.iter().try_for_each(|line| match line {
            Line::Pin(pin) => writeln!(f, "{pin}"),
            Line::Other(text) => writeln!(f, "{text}"),
        })
    }
}

/// Returns whether `named` is a plugin's whole name, or the first digits of its digest.
#[must_use]
pub fn is_named(named: &str, name: &str, digest: &Digest) -> bool {
    let digits = named.len() >= limits::DIGITS && named.bytes().all(|b| b.is_ascii_hexdigit());
    name == named || digits && hex(digest).starts_with(&named.to_ascii_lowercase())
}

fn user_file() -> Option<PathBuf> {
    user_directory("XDG_CONFIG_HOME", ".config").map(|dir| dir.join("pins"))
}

fn owner(path: &Path) -> Option<u32> {
    let (dir, name) = files::parent(path).ok()?;
    Some(dir.metadata(name).ok()?.uid())
}

fn make(root: &Path, below: &Path) -> std::io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true).mode(0o755);
    Dir::open_ambient_dir(root, ambient_authority())?.create_dir_with(below, &builder)
}

/// Checks that only `owners` may have written a file or directory with this owner and mode. Otherwise other users could
/// decide what is trusted.
///
/// # Errors
/// [`Error::Usage`] if other users may write it.
pub fn others_may_write(path: &Path, uid: u32, mode: u32, owners: &[u32]) -> Result<()> {
    match files::others_may_write(uid, mode, owners) {
        Some(why) => Err(not_used(path, &why)),
        None => Ok(()),
    }
}

/// Returns the error that a file or directory is not used, because other users may write it; `why` says how.
pub(crate) fn not_used(path: &Path, why: &str) -> Error {
    Error::Usage(format!("{}: other users may write it: {why}; it is not used", path.display()))
}
