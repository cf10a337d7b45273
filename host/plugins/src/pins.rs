//! Pins: the plugins that are trusted, by their digests, in a file that a person can read and compare.
//!
//! One pin a line: the SHA-256, the plugin's name, the machines that it links as `machine/class/byte order`, and a
//! comment. The digest is what counts; the rest is for people. Lines that begin with `#` are theirs, and are kept.

use crate::index::Machines;
use crate::plugin_file::PluginFile;
use cap_std::ambient_authority;
use cap_std::fs::{Dir, DirBuilder, DirBuilderExt as _, MetadataExt as _};
use relobox_core::digest::Digest;
use relobox_core::error::{Error, Result};
use relobox_core::files::user_directory;
use relobox_core::text::Escaped;
use relobox_core::text::hex;
use relobox_core::text::order_of;
use relobox_core::{files, limits};
use rustix::fs::{FlockOperation, flock};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

/// The pins that count in privileged use.
pub const SYSTEM: &str = "/etc/relobox/pins";

/// What a new file begins with.
const HEADING: &str = "# Relocation plugins that are trusted. Written by 'relobox plugin pin'; see docs/plugins.md.
# SHA-256, name, machine/class/byte order, comment";

/// A plugin that is trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pin {
    /// SHA-256 of its Wasm.
    pub digest: Digest,
    /// What its file was called, or `-`.
    pub name: String,
    /// What it said it links, or `-`.
    pub machines: String,
    /// Whatever else there is to say.
    pub comment: String,
}

impl Pin {
    /// Of a plugin, which is not asked anything.
    #[must_use]
    pub fn of(file: &PluginFile, comment: &str) -> Self {
        let machines = Machines::of_wasm(&file.wasm);
        let kinds: Vec<_> =
            machines.iter().map(|m| format!("{}/{}/{}", m.machine, m.class, order_of(m.order))).collect();
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

/// A SHA-256 in 64 hexadecimal digits.
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
    /// A comment, or nothing.
    Other(String),
}

/// The plugins that are trusted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pins {
    path: PathBuf,
    lines: Vec<Line>,
}

impl Pins {
    /// Those that count: of `given`; else in `privileged` use the system's, and in other use the user's as well.
    pub fn from_environment(privileged: bool, given: Option<&Path>) -> Result<Self> {
        let own = rustix::process::geteuid().as_raw();
        if let Some(path) = given {
            let missing = || Error::io(path)(ErrorKind::NotFound.into());
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

    /// The file that `plugin pin` writes if none is named: root's is the system's.
    pub fn default_file() -> Result<PathBuf> {
        if rustix::process::geteuid().is_root() {
            return Ok(SYSTEM.into());
        }
        user_file().ok_or_else(|| Error::Usage("there is no home for a pin file; --file names one".into()))
    }

    /// Reads a file, which must belong to one of `owners`; `None` if there is none.
    pub fn read(path: &Path, owners: &[u32]) -> Result<Option<Self>> {
        let text = match files::read_trusted(path, owners, limits::PINS) {
            Err(Error::Io { source, .. }) if source.kind() == ErrorKind::NotFound => return Ok(None),
            read => read?.map_err(|untrusted| not_used(&untrusted.path, &untrusted.why))?,
        };
        let text = String::from_utf8(text).map_err(|_| Error::Usage(format!("{}: not text", path.display())))?;
        Self::parse(path, &text).map(Some)
    }

    /// Reads text; `path` is for messages.
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

    /// The file that they are of, for messages.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The pins, in the order of the file.
    pub fn iter(&self) -> impl Iterator<Item = &Pin> {
        self.lines.iter().filter_map(|line| if let Line::Pin(pin) = line { Some(pin) } else { None })
    }

    /// Whether this plugin is trusted.
    #[must_use]
    pub fn has(&self, digest: &Digest) -> bool {
        self.iter().any(|pin| pin.digest == *digest)
    }

    /// Adds a pin; one with the same digest is replaced.
    pub fn add(&mut self, pin: Pin) {
        let same = |line: &&mut Line| matches!(line, Line::Pin(old) if old.digest == pin.digest);
        match self.lines.iter_mut().find(same) {
            Some(line) => *line = Line::Pin(pin),
            None => self.lines.push(Line::Pin(pin)),
        }
    }

    /// Removes those of this name or digest.
    pub fn remove(&mut self, named: &str) -> Vec<Pin> {
        let gone = |line: &Line| matches!(line, Line::Pin(pin) if is_named(named, &pin.name, &pin.digest));
        let removed = self.iter().filter(|pin| is_named(named, &pin.name, &pin.digest)).cloned().collect();
        self.lines.retain(|line| !gone(line));
        removed
    }

    /// Changes the file at `path` as a whole, or not at all; nobody else changes it meanwhile.
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
        // The handle itself is only good for paths.
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

/// Whether a plugin's name or digest is `named`: the whole name, or the digest's first digits.
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

/// An error if somebody but `owners` may have written this: whoever can, decides what is trusted.
pub fn others_may_write(path: &Path, uid: u32, mode: u32, owners: &[u32]) -> Result<()> {
    match files::others_may_write(uid, mode, owners) {
        Some(why) => Err(not_used(path, &why)),
        None => Ok(()),
    }
}

/// That a file or directory is not used, because of `why` others may write it.
pub(crate) fn not_used(path: &Path, why: &str) -> Error {
    Error::Usage(format!("{}: others may write it: {why}; it is not used", path.display()))
}
