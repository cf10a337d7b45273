//! Which plugins this machine has, and which of them are meant: the search path and the choice. See `docs/plugins.md`.

use crate::error::{Error, Problem, Result};
use crate::files::Kind;
use crate::guests::{Guests, Origin};
use crate::index::may_run_on;
use crate::kernel::Machine;
use crate::pins::{Pins, others_may_write};
pub use crate::sandbox::Digest;
use crate::sandbox::hex;
use crate::{files, limits};
use cap_std::ambient_authority;
use cap_std::fs::{Dir, File, MetadataExt as _};
use sha2::{Digest as _, Sha256};
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};

/// Where a system's plugins are.
pub const SYSTEM: [&str; 2] = ["/usr/lib/relobox/plugins", "/usr/local/lib/relobox/plugins"];

/// More directories, separated by colons.
const VARIABLE: &str = "RELOBOX_PLUGIN_DIR";

/// A plugin's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PluginFile {
    /// What the file is called, without its extension.
    pub name: String,
    /// What is in it.
    pub wasm: Vec<u8>,
    /// Its SHA-256.
    pub digest: Digest,
    /// Where it is, and what kind of place that is.
    pub origin: Origin,
}

impl PluginFile {
    /// Of these bytes.
    #[must_use]
    pub fn new(name: String, wasm: Vec<u8>, origin: Origin) -> Self {
        let digest = Sha256::digest(&wasm).into();
        Self { name, wasm, digest, origin }
    }

    /// Reads a file that somebody named.
    pub fn read(path: &Path) -> Result<Self> {
        let opened = File::from_std(files::open(path, Kind::Regular)?);
        Self::read_from(opened, path, Origin::File(path.to_owned()))
    }

    fn read_from(file: File, path: &Path, origin: Origin) -> Result<Self> {
        if !file.metadata().map_err(Error::io(path))?.is_file() {
            return Err(Error::Usage(format!("{}: not a regular file", path.display())));
        }
        let mut wasm = Vec::new();
        file.take(limits::GUEST as u64 + 1).read_to_end(&mut wasm).map_err(Error::io(path))?;
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Self::new(name, wasm, origin))
    }
}

/// The directories that are searched, beside what is built in.
#[derive(Clone, Debug, Default)]
pub struct Search {
    /// Root's, and writable by nobody else; each may be missing.
    pub system: Vec<PathBuf>,
    /// The user's own; it may be missing.
    pub user: Option<PathBuf>,
    /// Those that somebody named: they have to be there.
    pub given: Vec<PathBuf>,
}

impl Search {
    /// What is searched for a command that was given these directories. In `privileged` use, nobody's home is.
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

    /// Every `*.wasm` there is, as it is: system's, user's, given ones.
    pub fn read(&self) -> Result<Vec<PluginFile>> {
        let mut plugins = Vec::new();
        for dir in &self.system {
            plugins.append(&mut read_dir(dir, Origin::System)?);
        }
        if let Some(dir) = &self.user {
            plugins.append(&mut read_dir(dir, Origin::User)?);
        }
        for dir in &self.given {
            plugins.append(&mut read_dir(dir, Origin::File)?);
        }
        Ok(plugins)
    }
}

/// A user's directory for relobox: in `variable`, or in `default` of the home. As XDG has it, a relative one is none.
pub(crate) fn user_directory(variable: &str, default: &str) -> Option<PathBuf> {
    let var = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    Some(var(variable).or_else(|| Some(var("HOME")?.join(default)))?.join("relobox"))
}

fn read_dir(path: &Path, origin: fn(PathBuf) -> Origin) -> Result<Vec<PluginFile>> {
    let kind = origin(PathBuf::new());
    let (system, user) = (matches!(kind, Origin::System(_)), matches!(kind, Origin::User(_)));
    let dir = match Dir::open_ambient_dir(path, ambient_authority()) {
        Err(e) if (system || user) && e.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        // Somebody else's home.
        Err(e) if user && e.kind() == ErrorKind::PermissionDenied => return Ok(Vec::new()),
        dir => dir.map_err(Error::io(path))?,
    };
    let own = rustix::process::geteuid().as_raw();
    let meta = dir.dir_metadata().map_err(Error::io(path))?;
    if user && meta.uid() != own {
        return Ok(Vec::new());
    }
    // Whoever gave a directory's name answers for it.
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
        let opened = dir.open_with(&file, &files::reading()).map_err(Error::io(&full))?;
        let meta = opened.metadata().map_err(Error::io(&full))?;
        safe(&full, meta.uid(), meta.mode())?;
        out.push(PluginFile::read_from(opened, &full, origin(full.clone()))?);
    }
    out.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(out)
}

/// Whether somebody means a file by this, and not a plugin's name or digest.
fn is_path(named: &str) -> bool {
    named.contains('/') || named.ends_with(".wasm")
}

/// Whether a plugin's name or digest is `named`: the whole name, or the digest's first digits.
#[must_use]
pub fn is_named(named: &str, name: &str, digest: &Digest) -> bool {
    let digits = named.len() >= limits::DIGITS && named.bytes().all(|b| b.is_ascii_hexdigit());
    name == named || digits && hex(digest).starts_with(&named.to_ascii_lowercase())
}

/// The plugins that are not built in, and how one is chosen where several link the same machine.
#[derive(Clone, Debug, Default)]
pub struct Plugins {
    /// What was found.
    pub files: Vec<PluginFile>,
    /// Those that were named, built in or not.
    pub chosen: Vec<Digest>,
    /// Those that are trusted.
    pub pins: Pins,
}

impl Plugins {
    /// What `search` finds, of which `chosen` are names, digests or files; those files are added.
    pub fn find(search: &Search, chosen: &[String], pins: Pins) -> Result<Self> {
        let mut plugins = Self { files: search.read()?, chosen: Vec::new(), pins };
        for named in chosen {
            let digest = plugins.one(named, None)?;
            plugins.chosen.push(digest);
        }
        Ok(plugins)
    }

    /// The plugin that is called so, other than `except`; a file is added to the others.
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
        let built_in =
            Guests::built_in_plugins().map(|(name, wasm)| (name, Sha256::digest(wasm).into(), Origin::BuiltIn));
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
                let mut names: Vec<_> = all.iter().map(|(name, ..)| *name).collect();
                names.sort_unstable();
                names.dedup();
                Err(Error::Usage(format!("there is no plugin {named:?}; there are: {}", names.join(", "))))
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

    /// What may go into a process that links for a kernel: plugins of its machine, those that are meant, and only
    /// pinned ones. No code of any has been compiled by then.
    pub fn trusted(mut self, machine: Option<&Machine>) -> Result<Self> {
        let serves = |wasm: &[u8]| machine.is_none_or(|m| may_run_on(wasm, m.machine, m.class, m.order));
        let built_in: Vec<Digest> = Guests::built_in_plugins()
            .filter(|(_, wasm)| serves(wasm))
            .map(|(_, wasm)| Sha256::digest(wasm).into())
            .collect();
        // A copy of what is built in needs no trust of its own.
        self.files.retain(|file| serves(&file.wasm) && !built_in.contains(&file.digest));
        let any =
            |meant: &dyn Fn(&Digest) -> bool| built_in.iter().any(meant) || self.files.iter().any(|f| meant(&f.digest));
        let (chosen, pins) = (&self.chosen, &self.pins);
        if any(&|digest| chosen.contains(digest)) {
            self.files.retain(|file| chosen.contains(&file.digest));
        } else if !chosen.is_empty() {
            let name = machine.map_or("this one", |m| &m.name);
            return Err(Error::Usage(format!("no plugin of --plugin links modules of this kernel's machine, {name}")));
        } else if any(&|digest| pins.has(digest)) {
            self.files.retain(|file| pins.has(&file.digest));
        }
        let refused: Vec<_> =
            self.files.iter().filter(|file| !self.pins.has(&file.digest)).map(|f| self.refuse(f)).collect();
        if refused.is_empty() { Ok(self) } else { Err(Error::Module(refused)) }
    }

    fn refuse(&self, file: &PluginFile) -> Problem {
        let (pins, digest) = (self.pins.path().display(), hex(&file.digest));
        let text = format!("plugin {} is not pinned in {pins}; its SHA-256 is {digest}", file.name);
        Problem::new("unpinned-plugin", file.origin.to_string(), text)
            .hint(format!("if you trust it: relobox plugin pin --file {pins} {}", file.origin))
    }

    /// Whether there is a plugin with this digest, among these or built in.
    #[must_use]
    pub fn has(&self, digest: &Digest) -> bool {
        let built_in = || Guests::built_in_plugins().any(|(_, wasm)| <Digest>::from(Sha256::digest(wasm)) == *digest);
        self.files.iter().any(|file| file.digest == *digest) || built_in()
    }
}
