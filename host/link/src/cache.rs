//! The cache of compiled code, in a directory that only its owner can write.
//!
//! Loading compiled code means running it, so anyone who can write to this directory can run code as this user. The
//! directory and each file must belong to the effective user and be writable by no other. A cache for which this does
//! not hold is silently not used, which only costs time.
//!
//! The cache only grows when an entry is written, and it is pruned at the same time: entries that were not used for
//! long are removed, and then the least recently used ones while there are too many bytes. The modification time of a
//! file records its last use. A process that has a file open or mapped keeps it; one that needs it later compiles the
//! guest again.

use cap_std::ambient_authority;
use cap_std::fs::{Dir, DirBuilder, DirBuilderExt as _, MetadataExt as _};
use relobox_core::error::Error;
use relobox_core::{files, limits};
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// A directory of compiled guests.
#[derive(Debug)]
pub struct Cache {
    dir: Dir,
    path: PathBuf,
}

impl Cache {
    /// Opens the user's cache: `$RELOBOX_CACHE`, else `$XDG_CACHE_HOME/relobox`, else /var/cache/relobox for root and
    /// ~/.cache/relobox for other users. An empty `RELOBOX_CACHE` disables it.
    #[must_use]
    pub fn from_environment() -> Option<Self> {
        let var = |name| std::env::var_os(name).map(PathBuf::from);
        let path = match var("RELOBOX_CACHE") {
            Some(path) if path.as_os_str().is_empty() => return None,
            Some(path) => path,
            // Root's cache is the machine's: it exists before home directories do.
            None if rustix::process::geteuid().is_root() && var("XDG_CACHE_HOME").is_none() => {
                PathBuf::from("/var/cache/relobox")
            }
            None => var("XDG_CACHE_HOME").or_else(|| Some(var("HOME")?.join(".cache")))?.join("relobox"),
        };
        Self::open_dir(&path)
    }

    /// Opens the directory, and creates it if necessary. Returns `None` if it is not safe to use.
    #[must_use]
    pub fn open_dir(path: &Path) -> Option<Self> {
        let parent = path.parent()?;
        std::fs::create_dir_all(parent).ok()?;
        let parent = Dir::open_ambient_dir(parent, ambient_authority()).ok()?;
        let name = path.file_name()?;
        let _ = parent.create_dir_with(name, DirBuilder::new().mode(0o700));
        if !parent.symlink_metadata(name).ok()?.is_dir() {
            return None;
        }
        let dir = parent.open_dir(name).ok()?;
        let meta = dir.dir_metadata().ok()?;
        private(meta.uid(), meta.mode()).then(|| Self { dir, path: path.to_owned() })
    }

    /// Returns the path of the directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opens an entry if it exists and is safe, and records its use.
    #[must_use]
    pub fn open(&self, name: &str) -> Option<File> {
        let file = self.dir.open_with(name, &files::reading()).ok()?;
        let meta = file.metadata().ok()?;
        if !meta.is_file() || !private(meta.uid(), meta.mode()) {
            return None;
        }
        let file = file.into_std();
        let now = SystemTime::now();
        let used = meta.modified().ok()?.into_std();
        // A time of use in the future comes from a wrong clock.
        if now.duration_since(used).map_or(true, |unused| unused > Duration::from_secs(limits::CACHE_NOTED)) {
            let _ = file.set_modified(now);
        }
        Some(file)
    }

    /// Writes an entry as a whole, or not at all, and prunes the cache.
    pub fn write(&self, name: &str, bytes: &[u8]) {
        let path = self.path.join(name);
        // An error is ignored: without the entry, the guest is compiled again.
        let _ = files::replace_in(&self.dir, name, &path, files::PRIVATE, |file| {
            file.write_all(bytes).map_err(Error::io(&path))
        });
        self.prune(name, SystemTime::now());
    }

    /// Removes entries until the cache keeps its limits. `newest` and files that are not entries stay.
    fn prune(&self, newest: &str, now: SystemTime) {
        let Ok(files) = self.dir.entries() else { return };
        let mut entries = Vec::new();
        for file in files.flatten() {
            // This is the metadata of the link itself if the name is a symbolic link, which is no file.
            let (Ok(name), Ok(meta)) = (file.file_name().into_string(), file.metadata()) else { continue };
            if !is_entry(&name) || !meta.is_file() || !private(meta.uid(), meta.mode()) {
                continue;
            }
            let used = meta.modified().map_or(SystemTime::UNIX_EPOCH, cap_std::time::SystemTime::into_std);
            entries.push((name != newest, now.duration_since(used).unwrap_or_default(), name, meta.len()));
        }
        entries.sort_unstable();
        let mut kept = 0;
        for (old, unused, name, len) in entries {
            if old && (unused > Duration::from_secs(limits::CACHE_AGE) || kept + len > limits::CACHE) {
                let _ = self.dir.remove_file(&name);
            } else {
                kept += len;
            }
        }
    }
}

/// Returns whether a file of this name is an entry, `<SHA-256>-<fingerprint>.cwasm`, or a leftover of one. Older
/// versions appended `.<process>` or `.<process>.<number>`.
fn is_entry(name: &str) -> bool {
    if files::is_temporary(name) {
        return true;
    }
    let hex = |text: &str, len| text.len() == len && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let mut parts = name.split('.');
    let stem = parts.next().and_then(|stem| stem.split_once('-'));
    stem.is_some_and(|(digest, fingerprint)| hex(digest, 64) && hex(fingerprint, 16))
        && parts.next() == Some("cwasm")
        && parts.clone().count() <= 2
        && parts.all(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
}

fn private(owner: u32, mode: u32) -> bool {
    owner == rustix::process::geteuid().as_raw() && mode & 0o022 == 0
}
