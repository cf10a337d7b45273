//! Compiled code on disk, in a directory that only its owner can write.
//!
//! Loading compiled code is running it: whoever can write here can run code as this user. So the
//! directory and each file must belong to the effective user and be writable by nobody else; a cache
//! that is not like that is not used, silently: it only costs time.
//!
//! It grows only when something is written, and that is when it is pruned: what was not used for long goes, and what was
//! used longest ago while there is too much. The time of a file's last change says when it was used. Whoever has a file
//! open or mapped keeps it; whoever wants it later compiles it again.

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
    /// `$RELOBOX_CACHE`, else `$XDG_CACHE_HOME/relobox`, else for root /var/cache/relobox, for others ~/.cache/relobox. `RELOBOX_CACHE=` (empty) is none.
    #[must_use]
    pub fn from_environment() -> Option<Self> {
        let var = |name| std::env::var_os(name).map(PathBuf::from);
        let path = match var("RELOBOX_CACHE") {
            Some(path) if path.as_os_str().is_empty() => return None,
            Some(path) => path,
            // Root's is the machine's: it is there before anybody has a home.
            None if rustix::process::geteuid().is_root() && var("XDG_CACHE_HOME").is_none() => {
                PathBuf::from("/var/cache/relobox")
            }
            None => var("XDG_CACHE_HOME").or_else(|| Some(var("HOME")?.join(".cache")))?.join("relobox"),
        };
        Self::open_dir(&path)
    }

    /// Opens, and if need be makes, the directory. `None` if it is not safe to use.
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

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opens an entry, if it is there and safe, and notes that it is used.
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
        // One that was used in the future was used by a clock that is wrong.
        if now.duration_since(used).map_or(true, |unused| unused > Duration::from_secs(limits::CACHE_NOTED)) {
            let _ = file.set_modified(now);
        }
        Some(file)
    }

    /// Writes an entry as a whole, or not at all, and makes room for it.
    pub fn write(&self, name: &str, bytes: &[u8]) {
        let path = self.path.join(name);
        // A cache that cannot be written to only costs time.
        let _ = files::replace_in(&self.dir, name, &path, files::PRIVATE, |file| {
            file.write_all(bytes).map_err(Error::io(&path))
        });
        self.prune(name, SystemTime::now());
    }

    /// Removes entries until those that are left keep to the limits; never `newest`, and nothing that is not an entry.
    fn prune(&self, newest: &str, now: SystemTime) {
        let Ok(files) = self.dir.entries() else { return };
        let mut entries = Vec::new();
        for file in files.flatten() {
            // Of a link, this is the link's own: it is not a file.
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

/// Whether a file of this name is one of ours: `<SHA-256>-<fingerprint>.cwasm`, and what is left of one that was being
/// written. Older versions had `.<process>` or `.<process>.<number>` behind the name.
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
