//! The plugins of this machine: the search path, and the choice among them. See `docs/plugins.md`.

use crate::index::Machines;
use crate::pins::is_named;
use crate::pins::{Pins, others_may_write};
use crate::plugin_file::Origin;
use crate::plugin_file::PluginFile;
use cap_std::ambient_authority;
use cap_std::fs::{Dir, MetadataExt as _};
use relobox_core::diagnostic::Diagnostic;
pub use relobox_core::digest::Digest;
use relobox_core::error::{Error, Result};
use relobox_core::files::user_directory;
use relobox_core::kernel::Machine;
use relobox_core::text::hex;
use relobox_core::{files, limits};
use relobox_guests::{Entry, catalogue};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// The system's plugin directories.
pub(crate) const SYSTEM: [&str; 2] = ["/usr/lib/relobox/plugins", "/usr/local/lib/relobox/plugins"];

/// The environment variable with more directories, separated by colons.
const VARIABLE: &str = "RELOBOX_PLUGIN_DIR";

/// The directories to search, besides the built-in plugins.
#[derive(Clone, Debug, Default)]
pub struct Search {
    /// The system's directories, which only root may write. Each may be missing.
    pub system: Vec<PathBuf>,
    /// The user's own directory, which may be missing.
    pub user: Option<PathBuf>,
    /// The directories that the user named. They must exist.
    pub given: Vec<PathBuf>,
}

impl Search {
    /// Returns the directories for a command that was given these. In `privileged` use, the user's own directory is not
    /// searched.
    #[must_use]
    pub fn from_environment(privileged: bool, given: &[PathBuf]) -> Self {
        let named = std::env::var_os(VARIABLE).unwrap_or_default();
        let named = std::env::split_paths(&named).filter(|dir| !dir.as_os_str().is_empty());
        Self {
            system: SYSTEM.iter().map(PathBuf::from).collect(),
            user: if privileged {
                None
            } else {
                user_directory("XDG_DATA_HOME", ".local/share").map(|d| d.join("plugins"))
            },
            given: given.iter().cloned().chain(named).collect(),
        }
    }

    /// Reads every `*.wasm` file: the system's, the user's, and those of given directories.
    ///
    /// # Errors
    /// [`Error::Io`] if a given directory is missing or cannot be read, [`Error::Usage`] if another user could have
    /// written to the directories of the system or of this user. A file that cannot be a plugin is no error: it is in
    /// [`Found::skipped`].
    pub fn read(&self) -> Result<Found> {
        let mut found = Found::default();
        for dir in &self.system {
            read_dir(dir, Origin::System, &mut found)?;
        }
        if let Some(dir) = &self.user {
            read_dir(dir, Origin::User, &mut found)?;
        }
        for dir in &self.given {
            read_dir(dir, Origin::File, &mut found)?;
        }
        Ok(found)
    }
}

/// The contents of plugin directories.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// The files that may be plugins.
    pub files: Vec<PluginFile>,
    /// The files named `*.wasm` that cannot be plugins.
    pub skipped: Vec<Skipped>,
}

/// A file in a plugin directory that cannot be a plugin. It only matters to a command that names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// The path of the file.
    pub path: PathBuf,
    /// Why it cannot be a plugin.
    pub why: String,
}

impl std::fmt::Display for Skipped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}; it is ignored", self.path.display(), self.why)
    }
}

fn read_dir(path: &Path, origin: fn(PathBuf) -> Origin, found: &mut Found) -> Result<()> {
    let kind = origin(PathBuf::new());
    let (system, user) = (matches!(kind, Origin::System(_)), matches!(kind, Origin::User(_)));
    let dir = match Dir::open_ambient_dir(path, ambient_authority()) {
        Err(e) if (system || user) && e.kind() == ErrorKind::NotFound => return Ok(()),
        // The home directory belongs to another user.
        Err(e) if user && e.kind() == ErrorKind::PermissionDenied => return Ok(()),
        dir => dir.map_err(Error::io(path))?,
    };
    let own = rustix::process::geteuid().as_raw();
    let meta = dir.dir_metadata().map_err(Error::io(path))?;
    if user && meta.uid() != own {
        return Ok(());
    }
    // The user who names a directory decides to trust it.
    let safe = |path: &Path, uid: u32, mode: u32| match () {
        () if system => others_may_write(path, uid, mode, &[0]),
        () if user => others_may_write(path, uid, mode, &[0, own]),
        () => Ok(()),
    };
    safe(path, meta.uid(), meta.mode())?;
    let mut out = Vec::new();
    for entry in dir.entries().map_err(Error::io(path))? {
        let file = PathBuf::from(entry.map_err(Error::io(path))?.file_name());
        if file.extension().is_none_or(|e| e != "wasm") {
            continue;
        }
        let full = path.join(&file);
        let opened = match dir.open_with(&file, &files::reading()) {
            Ok(opened) => opened,
            Err(why) => {
                found.skipped.push(Skipped { path: full, why: why.to_string() });
                continue;
            }
        };
        let meta = opened.metadata().map_err(Error::io(&full))?;
        safe(&full, meta.uid(), meta.mode())?;
        match PluginFile::read_from(opened, &full, origin(full.clone())).map_err(|e| e.to_string()) {
            Ok(file) => match not_wasm(&file.wasm) {
                None => out.push(file),
                Some(why) => found.skipped.push(Skipped { path: full, why: why.into() }),
            },
            // The error already begins with the path.
            Err(why) => {
                let why = why.split_once(": ").map_or(why.clone(), |(_, why)| why.to_owned());
                found.skipped.push(Skipped { path: full, why });
            }
        }
    }
    out.sort_by(|a, b| a.name.cmp(&b.name));
    found.files.append(&mut out);
    Ok(())
}

/// Returns why a file is obviously not a Wasm module, or `None`.
fn not_wasm(wasm: &[u8]) -> Option<&'static str> {
    match () {
        () if wasm.is_empty() => Some("it is empty"),
        () if !wasm.starts_with(b"\0asm") => Some("it does not begin as a Wasm module does"),
        () if wasm.len() > limits::GUEST => Some("it is larger than a guest may be"),
        () => None,
    }
}

/// Returns whether an argument is a path, and not a plugin's name or digest.
#[must_use]
pub fn is_path(named: &str) -> bool {
    named.contains('/') || named.ends_with(".wasm")
}

/// Says that there is no plugin of this name, and lists those that exist. The most similar name comes first.
#[must_use]
pub fn no_such(named: &str, mut names: Vec<String>) -> String {
    names.sort_unstable();
    names.dedup();
    let near = names.iter().map(|name| (distance(named, name), name)).min();
    let near = near.filter(|(edits, name)| *edits <= 1 + name.len() / 4);
    let near = near.map_or_else(String::new, |(_, name)| format!("did you mean {name}? "));
    format!("there is no plugin {named:?}; {near}there are: {}", names.join(", "))
}

/// Returns the edit distance of two names, without regard to case, `-` and `_`.
fn distance(a: &str, b: &str) -> usize {
    let plain = |text: &str| -> Vec<char> {
        text.chars()
            .take(limits::NAME_COMPARED)
            .filter(|c| !"-_".contains(*c))
            .map(|c| c.to_ascii_lowercase())
            .collect()
    };
    let (a, b) = (plain(a), plain(b));
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.iter().enumerate() {
            let best = (diagonal + usize::from(x != y)).min(row[j] + 1).min(row[j + 1] + 1);
            diagonal = std::mem::replace(&mut row[j + 1], best);
        }
    }
    row[b.len()]
}

/// The plugins that are not built in, and which ones take precedence where several link the same machine.
#[derive(Clone, Debug, Default)]
pub struct Plugins {
    /// The plugins that were found.
    pub files: Vec<PluginFile>,
    /// The files that were found and cannot be plugins.
    pub skipped: Vec<Skipped>,
    /// The chosen plugins, built in or not.
    pub chosen: Vec<Digest>,
    /// The pinned plugins.
    pub pins: Pins,
}

impl Plugins {
    /// Reads the directories of `search`. The `chosen` plugins are names, digests or files; chosen files are added.
    ///
    /// # Errors
    /// As [`Search::read`], and [`Error::Usage`] if a chosen plugin does not exist or its name is ambiguous.
    pub fn find(search: &Search, chosen: &[String], pins: Pins) -> Result<Self> {
        let Found { files, skipped } = search.read()?;
        let mut plugins = Self { files, skipped, chosen: Vec::new(), pins };
        for named in chosen {
            let digest = plugins.one(named, None)?;
            plugins.chosen.push(digest);
        }
        Ok(plugins)
    }

    /// Returns the digest of the plugin with this name, digest or path, other than `except`. A file is added to the
    /// others.
    ///
    /// # Errors
    /// [`Error::Usage`] if there is no such plugin or several, [`Error::Io`] if the file cannot be read.
    pub fn one(&mut self, named: &str, except: Option<&Digest>) -> Result<Digest> {
        if is_path(named) {
            let file = PluginFile::read(Path::new(named))?;
            let digest = file.digest;
            if self.files.iter().all(|f| f.digest != digest) {
                self.files.push(file);
            }
            return Ok(digest);
        }
        let own = self.files.iter().map(|f| (f.name.as_str(), f.digest, f.origin.clone()));
        let built_in = built_in().map(|entry| (entry.name, entry.digest, Origin::BuiltIn));
        let all: Vec<(&str, Digest, Origin)> = own.chain(built_in).collect();
        let mut found: Vec<&(&str, Digest, Origin)> = Vec::new();
        for plugin in all.iter().filter(|(name, digest, _)| is_named(named, name, digest) && Some(digest) != except) {
            if found.iter().all(|f| f.1 != plugin.1) {
                found.push(plugin);
            }
        }
        match found[..] {
            [one] => Ok(one.1),
            [] => {
                let names = all.iter().map(|(name, ..)| (*name).to_owned()).collect();
                Err(Error::Usage(no_such(named, names)))
            }
            _ => {
                let found: Vec<_> =
                    found.iter().map(|(_, digest, origin)| format!("{origin}, SHA-256 {}", hex(digest))).collect();
                let text =
                    format!("several plugins are called {named:?} ({}): name one by its digest", found.join("; "));
                Err(Error::Usage(text))
            }
        }
    }

    /// Removes files that do not say which machines they link, unless they are pinned or chosen. No kernel gets the
    /// result of an unpinned plugin, and an unrelated file must not prevent every load.
    pub fn leave_out_silent(&mut self) {
        let meant = |file: &PluginFile| self.pins.has(&file.digest) || self.chosen.contains(&file.digest);
        let (kept, out) = std::mem::take(&mut self.files)
            .into_iter()
            .partition(|f| Machines::of_wasm(&f.wasm).are_named() || meant(f));
        self.files = kept;
        let why = "it is not pinned, and does not say which machines it links";
        let out = Vec::into_iter(out).map(|f| Skipped { path: f.origin.path().to_owned(), why: why.into() });
        self.skipped.extend(out);
    }

    /// Keeps only the plugins that a process which links for a kernel may load: those for its machine that take
    /// precedence, all of which must be pinned. No code of a plugin has been compiled at this point.
    ///
    /// # Errors
    /// [`Error::Usage`] if no chosen plugin is for this machine, [`Error::Module`] if a plugin is not pinned.
    pub fn trusted(mut self, machine: Option<&Machine>) -> Result<Self> {
        let serves = |machines: &Machines| machine.is_none_or(|m| machines.may_run_on(m.machine, m.class, m.order));
        let own = built_in().filter(|entry| serves(&Machines::of_section(entry.machines)));
        let built_in: Vec<Digest> = own.map(|entry| entry.digest).collect();
        // A copy of a built-in plugin needs no pin.
        self.files.retain(|file| serves(&Machines::of_wasm(&file.wasm)) && !built_in.contains(&file.digest));
        let any =
            |meant: &dyn Fn(&Digest) -> bool| built_in.iter().any(meant) || self.files.iter().any(|f| meant(&f.digest));
        let (chosen, pins) = (&self.chosen, &self.pins);
        if any(&|digest| chosen.contains(digest)) {
            self.files.retain(|file| chosen.contains(&file.digest));
        } else if !chosen.is_empty() {
            let name = machine.map_or("this one", |m| &m.name);
            return Err(Error::Usage(format!(
                "no plugin given with --plugin links modules for this kernel's machine, {name}"
            )));
        } else if any(&|digest| pins.has(digest)) {
            self.files.retain(|file| pins.has(&file.digest));
        }
        let refused: Vec<_> =
            self.files.iter().filter(|file| !self.pins.has(&file.digest)).map(|f| self.refuse(f)).collect();
        if refused.is_empty() { Ok(self) } else { Err(Error::Module(refused)) }
    }

    fn refuse(&self, file: &PluginFile) -> Diagnostic {
        let (pins, digest) = (self.pins.path().display(), hex(&file.digest));
        let text = format!("plugin {} is not pinned in {pins}; its SHA-256 is {digest}", file.name);
        Diagnostic::new("unpinned-plugin", file.origin.to_string(), text)
            .hint(format!("if you trust it: relobox plugin pin --file {pins} {}", file.origin))
    }

    /// Returns the name of the plugin with this digest, including the built-in ones.
    #[must_use]
    pub fn name_of(&self, digest: &Digest) -> Option<String> {
        let built_in = || built_in().find(|entry| entry.digest == *digest).map(|entry| entry.name.to_owned());
        self.files.iter().find(|file| file.digest == *digest).map(|file| file.name.clone()).or_else(built_in)
    }

    /// Returns the digest if there is such a plugin. A linking process may report any digest.
    #[must_use]
    pub fn known<'a>(&self, digest: Option<&'a Digest>) -> Option<&'a Digest> {
        digest.filter(|digest| self.has(digest))
    }

    /// Returns whether there is a plugin with this digest, including the built-in ones.
    #[must_use]
    pub fn has(&self, digest: &Digest) -> bool {
        self.name_of(digest).is_some()
    }
}

/// Returns the built-in plugins.
fn built_in() -> impl Iterator<Item = &'static Entry> {
    catalogue().iter().filter(|entry| entry.is_plugin())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_nearly_right_is_told() {
        let names = || ["aarch64", "mips32", "riscv64", "s390x", "x86_64"].map(str::to_owned).to_vec();
        for (named, near) in [("x86-64", "x86_64"), ("X86", "x86_64"), ("riscv", "riscv64"), ("arch64", "aarch64")] {
            let text = no_such(named, names());
            let expected = format!("did you mean {near}? there are: aarch64, mips32");
            assert!(text.contains(&expected), "{text}");
        }
        assert!(!no_such("sparc", names()).contains("did you mean"));
        assert!(!no_such("", names()).contains("did you mean"));
    }

    #[test]
    fn junk_is_left_out_by_its_path() {
        for (bytes, why) in [(&b""[..], "empty"), (b"\x7fELF", "begin as"), (b"\0asm\x01\0\0\0", "")] {
            assert_eq!(not_wasm(bytes).is_some_and(|text| text.contains(why)), !why.is_empty());
        }
    }
}
