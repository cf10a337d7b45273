//! The state: which modules relobox loaded, where they are, and what linked them. It is kept in /run and handed over
//! from the initial ramdisk to the real root, so that the second stage of the boot can link against modules of the
//! first.
//!
//! A state is valid for one boot of one kernel. A state of another boot, or one that other users may have written, is
//! refused. A module that is no longer where it was is dropped.

use crate::diagnostic::Diagnostic;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::files::{self, Kind};
use crate::inserted::Inserted;
use crate::kernel::{Export, Mode, Module};
use crate::limits;
use crate::text::hex;
use cap_std::ambient_authority;
use cap_std::fs::{Dir, DirBuilder, DirBuilderExt as _, MetadataExt as _};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::io::Write as _;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

/// The version of the format. A reader accepts no other.
pub const SCHEMA: u32 = 1;

/// The directory of the records for this machine's kernel, unless `RELOBOX_STATE` names another.
pub const DIRECTORY: &str = "/run/relobox/state";

/// One boot of one kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Boot {
    /// An identifier that no other boot has.
    pub id: String,
    /// The kernel's release.
    pub release: String,
}

/// The modules that relobox loaded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// The version of the format: [`SCHEMA`].
    pub schema: u32,
    /// The version of relobox that wrote it.
    pub relobox: String,
    /// The boot that it is valid for.
    pub boot_id: String,
    /// The kernel's release.
    pub release: String,
    /// The modules.
    pub modules: Vec<Record>,
}

/// A module that relobox loaded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Its name.
    pub name: String,
    /// The file that it was loaded from.
    pub file: String,
    /// SHA-256 of that file, in hexadecimal digits.
    pub file_sha256: String,
    /// Which side relocated it; `None` in records of older versions of relobox.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kernel: Option<Mode>,
    /// The plugin that relocated it, or that found that it links.
    pub plugin: String,
    /// SHA-256 of the plugin's Wasm; empty if it is unknown.
    pub plugin_sha256: String,
    /// SHA-256 of the engine's Wasm.
    pub engine_sha256: String,
    /// The address and the size in bytes of each of its areas, as the kernel lists them.
    pub areas: Vec<(u64, u64)>,
    /// The modules that it uses.
    pub uses: Vec<String>,
    /// The symbols that it exports.
    pub exports: Vec<Export>,
}

/// The file of a module and the guests that linked it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The path of the file, made absolute.
    pub file: String,
    /// SHA-256 of the file.
    pub file_sha256: String,
    /// SHA-256 of the plugin's Wasm.
    pub plugin_sha256: String,
    /// SHA-256 of the engine's Wasm.
    pub engine_sha256: String,
}

impl Boot {
    /// Returns the current boot of this machine.
    ///
    /// # Errors
    /// [`Error::Io`] if /proc cannot be read.
    pub fn of_machine() -> Result<Self> {
        let path = "/proc/sys/kernel/random/boot_id";
        let id = files::read_text(Path::new(path), Kind::Regular, limits::BOOT_ID)?.trim().to_owned();
        Ok(Self { id, release: rustix::system::uname().release().to_string_lossy().into_owned() })
    }

    /// Returns the boot of a simulated kernel, which creates its socket when it starts.
    ///
    /// # Errors
    /// [`Error::Io`] if there is no such socket.
    pub fn of_socket(socket: &Path, release: &str) -> Result<Self> {
        let meta = std::fs::symlink_metadata(socket).map_err(Error::io(socket))?;
        let id = format!("sim-{:x}-{:x}-{:x}.{:09}", meta.dev(), meta.ino(), meta.ctime(), meta.ctime_nsec());
        Ok(Self { id, release: release.to_owned() })
    }
}

/// Returns the SHA-256 of a file, in hexadecimal digits. It leaves the file's offset alone, since other processes may
/// share it.
///
/// # Errors
/// If the file cannot be read.
pub fn digest(file: &std::fs::File) -> std::io::Result<String> {
    let (mut sha, mut buffer, mut at) = (Sha256::new(), vec![0; 64 << 10], 0);
    loop {
        match file.read_at(&mut buffer, at)? {
            0 => return Ok(hex(&sha.finalize())),
            read => {
                sha.update(&buffer[..read]);
                at += read as u64;
            }
        }
    }
}

impl Origin {
    /// Creates the origin of a module from its file, whose digest is known, and the guests that linked it, as far as
    /// they are known.
    #[must_use]
    pub fn new(file: &Path, file_sha256: String, plugin: Option<&Digest>, engine: Option<&Digest>) -> Self {
        let digits = |digest: Option<&Digest>| digest.map(|digest| hex(digest)).unwrap_or_default();
        Self {
            file: std::path::absolute(file).unwrap_or_else(|_| file.to_owned()).display().to_string(),
            file_sha256,
            plugin_sha256: digits(plugin),
            engine_sha256: digits(engine),
        }
    }
}

impl Record {
    /// Creates the record of a module that was just loaded. `listed` is the kernel's entry for it.
    #[must_use]
    pub fn new(inserted: &Inserted, listed: &Module, origin: Origin) -> Self {
        Self {
            name: inserted.name.clone(),
            file: origin.file,
            file_sha256: origin.file_sha256,
            kernel: Some(inserted.mode),
            plugin: inserted.plugin.clone(),
            plugin_sha256: origin.plugin_sha256,
            engine_sha256: origin.engine_sha256,
            areas: listed.areas.clone(),
            uses: inserted.uses.clone(),
            exports: listed.exports.clone(),
        }
    }

    /// Returns the module as a kernel would list it.
    #[must_use]
    pub fn module(&self) -> Module {
        Module {
            name: self.name.clone(),
            live: true,
            areas: self.areas.clone(),
            use_count: None,
            users: Vec::new(),
            uses: self.uses.clone(),
            exports: self.exports.clone(),
        }
    }
}

impl State {
    /// Creates the state of `boot`, without modules.
    #[must_use]
    pub fn new(boot: &Boot) -> Self {
        let (relobox, modules) = (env!("CARGO_PKG_VERSION").to_owned(), Vec::new());
        Self { schema: SCHEMA, relobox, boot_id: boot.id.clone(), release: boot.release.clone(), modules }
    }

    /// Parses JSON. `file` is for messages.
    ///
    /// # Errors
    /// [`Error::Module`] if it is not a state of version [`SCHEMA`].
    pub fn parse(file: &str, text: &[u8]) -> Result<Self> {
        let bad = |text: String| Error::from(Diagnostic::new("bad-state", file, text));
        // The version comes first, because the fields of another version may differ.
        #[derive(Deserialize)]
        struct Version {
            schema: u32,
        }
        let version: Version = serde_json::from_slice(text).map_err(|e| bad(format!("this is not a state: {e}")))?;
        if version.schema != SCHEMA {
            return Err(bad(format!("version {} of the format, and this relobox knows {SCHEMA}", version.schema)));
        }
        let state: Self = serde_json::from_slice(text).map_err(|e| bad(format!("malformed: {e}")))?;
        for record in &state.modules {
            if !is_name(&record.name) {
                return Err(bad(format!("'{}' is not a module's name", crate::text::decoded(record.name.as_bytes()))));
            }
        }
        Ok(state)
    }

    /// Reads a state file that only this user or root can have written.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be read, [`Error::Module`] if others may have written it, or as [`State::parse`].
    pub fn read(path: &Path) -> Result<Self> {
        let name = path.display().to_string();
        let own = rustix::process::geteuid().as_raw();
        match files::read_trusted(path, &[0, own], limits::STATE + 1)? {
            Ok(text) if text.len() as u64 > limits::STATE => {
                Err(Diagnostic::new("bad-state", name, format!("more than {} bytes", limits::STATE)).into())
            }
            Ok(text) => Self::parse(&name, &text),
            Err(untrusted) => {
                let who =
                    format!("other users may have written it, so its addresses cannot be trusted: {}", untrusted.why);
                let problem = Diagnostic::new("unsafe-state", untrusted.path.display().to_string(), who);
                Err(problem
                    .hint("the file and its directory must belong to root, and others must not be able to write them")
                    .into())
            }
        }
    }

    /// Checks that the state is one of this boot and this kernel.
    ///
    /// # Errors
    /// [`Error::Module`] if it is not.
    pub fn check(&self, file: &str, boot: &Boot) -> Result<()> {
        let refused = |what: &str, own: &str, is: &str| {
            let text = format!("it was made for {what} '{}', but this is '{is}'", crate::text::decoded(own.as_bytes()));
            Err(Diagnostic::new("foreign-state", file, text)
                .hint("modules have other addresses now: export the state again")
                .into())
        };
        if self.release != boot.release {
            return refused("kernel", &self.release, &boot.release);
        }
        if self.boot_id != boot.id {
            return refused("boot", &self.boot_id, &boot.id);
        }
        Ok(())
    }

    /// Drops the modules that are not live at the recorded place; `live` is the kernel's list. Returns a message for
    /// each of them.
    pub fn confirm(&mut self, live: &[Module]) -> Vec<String> {
        let by_name: HashMap<&str, &Module> = live.iter().map(|m| (m.name.as_str(), m)).collect();
        let mut dropped = Vec::new();
        self.modules.retain(|record| {
            let why = match by_name.get(record.name.as_str()) {
                Some(module) if module.live && same_place(module, record) => return true,
                Some(module) if module.live && is_hidden(&module.areas) => {
                    "the kernel hides where it is (kernel.kptr_restrict), so it cannot be confirmed"
                }
                Some(module) if module.live => "it was loaded again at another address",
                Some(_) => "it is not live",
                None => "it is no longer loaded",
            };
            dropped.push(format!("{}: {why}; its record is dropped", record.name));
            false
        });
        dropped
    }

    /// Takes over exports and areas from the kernel's list, as far as it has them.
    pub fn complete(&mut self, live: &[Module]) {
        let by_name: HashMap<&str, &Module> = live.iter().map(|m| (m.name.as_str(), m)).collect();
        for record in &mut self.modules {
            if let Some(module) = by_name.get(record.name.as_str()) {
                record.areas.clone_from(&module.areas);
                if !module.exports.is_empty() {
                    record.exports.clone_from(&module.exports);
                }
            }
        }
    }
}

/// Compares the place of a module with its record. Kernels list areas in different ways, but the first area is always
/// in the list. A record that was made while addresses were hidden has none to compare.
fn same_place(module: &Module, record: &Record) -> bool {
    if is_hidden(&record.areas) {
        return record.exports.iter().all(|export| export.address == 0);
    }
    module.areas.first().is_some_and(|(first, _)| record.areas.iter().any(|(address, _)| address == first))
}

/// Returns whether the addresses are hidden: the kernel shows 0 to users without the right to see them.
fn is_hidden(areas: &[(u64, u64)]) -> bool {
    areas.iter().all(|(address, _)| *address == 0)
}

/// Returns whether a module name can also be a file name.
fn is_name(name: &str) -> bool {
    let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'+' | b'.');
    !name.is_empty() && name.len() <= limits::MODULE_NAME && !name.starts_with('.') && name.bytes().all(good)
}

/// The records of loaded modules: a directory that only its owner can write, with one file for each module.
#[derive(Debug)]
pub struct Store {
    dir: Dir,
    path: PathBuf,
}

impl Store {
    /// Opens the directory, and creates it if necessary.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be created or opened, [`Error::Module`] if other users may read or write it.
    pub fn create(path: &Path) -> Result<Self> {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(Error::Usage(format!("{}: not the name of a directory", path.display())));
        };
        std::fs::create_dir_all(parent).map_err(Error::io(parent))?;
        let parent = Dir::open_ambient_dir(parent, ambient_authority()).map_err(Error::io(path))?;
        let _ = parent.create_dir_with(name, DirBuilder::new().mode(0o700));
        Self::check(parent.open_dir(name).map_err(Error::io(path))?, path)
    }

    /// Opens the directory. Returns `None` if there is none, which means that nothing was recorded.
    ///
    /// # Errors
    /// As [`Store::create`].
    pub fn open(path: &Path) -> Result<Option<Self>> {
        match Dir::open_ambient_dir(path, ambient_authority()) {
            Ok(dir) => Self::check(dir, path).map(Some),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(Error::io(path)(e)),
        }
    }

    fn check(dir: Dir, path: &Path) -> Result<Self> {
        let meta = dir.dir_metadata().map_err(Error::io(path))?;
        if meta.uid() != rustix::process::geteuid().as_raw() || meta.mode() & 0o077 != 0 {
            let text = "other users may read or write this directory";
            let problem = Diagnostic::new("unsafe-state", path.display().to_string(), text);
            return Err(problem.hint("it must belong to this user, with mode 0700").into());
        }
        Ok(Self { dir, path: path.to_owned() })
    }

    /// Writes the record of a module, as a whole or not at all. It replaces an older record of that module.
    ///
    /// # Errors
    /// [`Error::Usage`] if the name is not usable, [`Error::Io`] if the record cannot be written.
    pub fn keep(&self, boot: &Boot, record: Record) -> Result<()> {
        if !is_name(&record.name) {
            return Err(Error::Usage(format!("'{}' cannot be recorded", record.name)));
        }
        let name = format!("{}.json", record.name);
        let state = State { modules: vec![record], ..State::new(boot) };
        let path = self.path.join(&name);
        files::replace_in(&self.dir, &name, &path, files::PRIVATE, |file| {
            file.write_all(&json(&state)).map_err(Error::io(&path))
        })
    }

    /// Removes the record of a module, if there is one.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be removed.
    pub fn forget(&self, name: &str) -> Result<()> {
        let file = format!("{name}.json");
        match self.dir.remove_file(&file) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(Error::io(self.path.join(file))(e)),
            _ => Ok(()),
        }
    }

    /// Returns all records of this boot, and warnings about records that were ignored.
    ///
    /// # Errors
    /// [`Error::Io`] if the directory cannot be read.
    pub fn state(&self, boot: &Boot) -> Result<(State, Vec<String>)> {
        let (mut state, mut warnings) = (State::new(boot), Vec::new());
        for entry in self.dir.entries().map_err(Error::io(&self.path))? {
            let path = self.path.join(entry.map_err(Error::io(&self.path))?.file_name());
            if path.extension().is_none_or(|e| e != "json") {
                continue;
            }
            let read = State::read(&path).and_then(|read| read.check(&path.display().to_string(), boot).map(|()| read));
            match read {
                Ok(read) => state.modules.extend(read.modules),
                // Another process removed it meanwhile.
                Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => warnings.push(format!("{error}; the record is ignored")),
            }
        }
        state.modules.sort_by(|a, b| a.name.cmp(&b.name));
        Ok((state, warnings))
    }
}

/// Serialises a state in the form in which it is written.
#[must_use]
pub fn json(state: &State) -> Vec<u8> {
    // This cannot fail: there are no maps with other keys than strings.
    let mut text = serde_json::to_vec_pretty(state).unwrap_or_default();
    text.push(b'\n');
    text
}

/// Writes a file that only its owner can read, as a whole or not at all.
///
/// # Errors
/// As [`files::write`].
pub fn write(path: &Path, text: &[u8]) -> Result<()> {
    files::write(path, files::PRIVATE, text)
}

/// Returns the exports of all modules in the text of /proc/kallsyms, by module. This is all that a kernel without the
/// device reveals: CRCs, licences and namespaces are missing.
#[must_use]
pub fn exports_in_kallsyms(text: &str) -> HashMap<String, Vec<Export>> {
    // `ADDRESS TYPE NAME [MODULE]`
    let lines = || {
        text.lines().filter_map(|line| {
            let (before, module) = line.strip_suffix(']')?.rsplit_once("\t[")?;
            let mut words = before.split(' ');
            let (address, name) = (words.next()?, words.nth(1)?);
            Some((module, name, address))
        })
    };
    let mut exported: HashMap<(&str, &str), Option<u64>> = HashMap::new();
    for (module, name, _) in lines() {
        if let Some(name) = name.strip_prefix("__ksymtab_") {
            exported.insert((module, name), None);
        }
    }
    // If a module has several symbols of that name, the last one is global.
    for (module, name, address) in lines() {
        if let Some(found) = exported.get_mut(&(module, name)) {
            *found = u64::from_str_radix(address, 16).ok().filter(|address| *address != 0).or(*found);
        }
    }
    let mut out: HashMap<String, Vec<Export>> = HashMap::new();
    for ((module, name), address) in exported {
        let Some(address) = address else { continue };
        let export = Export { name: name.to_owned(), address, crc: None, gpl: false, namespace: String::new() };
        out.entry(module.to_owned()).or_default().push(export);
    }
    out.values_mut().for_each(|exports| exports.sort_by(|a, b| a.name.cmp(&b.name)));
    out
}
