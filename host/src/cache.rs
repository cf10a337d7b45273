//! Compiled code on disk, in a directory that only its owner can write.
//!
//! Loading compiled code is running it: whoever can write here can run code as this user. So the
//! directory and each file must belong to the effective user and be writable by nobody else; a cache
//! that is not like that is not used, silently: it only costs time.

use cap_std::ambient_authority;
use cap_std::fs::{Dir, DirBuilder, DirBuilderExt as _, MetadataExt as _, OpenOptions, OpenOptionsExt as _};
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

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

    /// Opens an entry, if it is there and safe.
    #[must_use]
    pub fn open(&self, name: &str) -> Option<File> {
        let file = self.dir.open_with(name, OpenOptions::new().read(true)).ok()?;
        let meta = file.metadata().ok()?;
        (meta.is_file() && private(meta.uid(), meta.mode())).then(|| file.into_std())
    }

    /// Writes an entry as a whole, or not at all.
    pub fn write(&self, name: &str, bytes: &[u8]) {
        let temporary = format!("{name}.{}", std::process::id());
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        let written = self.dir.open_with(&temporary, &options).and_then(|mut file| file.write_all(bytes));
        if written.and_then(|()| self.dir.rename(&temporary, &self.dir, name)).is_err() {
            let _ = self.dir.remove_file(&temporary);
        }
    }
}

fn private(owner: u32, mode: u32) -> bool {
    owner == rustix::process::geteuid().as_raw() && mode & 0o022 == 0
}
