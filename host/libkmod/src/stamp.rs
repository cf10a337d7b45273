//! Whether files have changed since they were read.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// What differs when a file or directory was changed or replaced. `None` if it does not exist.
type Stamp = Option<(u64, u64, u64, (i64, i64), (i64, i64))>;

fn stamp(path: &Path) -> Stamp {
    let meta = std::fs::metadata(path).ok()?;
    let changed = (meta.ctime(), meta.ctime_nsec());
    Some((meta.dev(), meta.ino(), meta.size(), (meta.mtime(), meta.mtime_nsec()), changed))
}

/// Files as they were at one time.
#[derive(Default)]
pub(crate) struct Stamps(Vec<(PathBuf, Stamp)>);

impl Stamps {
    pub(crate) fn of(paths: impl IntoIterator<Item = PathBuf>) -> Self {
        let mut stamps = Self::default();
        stamps.add(paths);
        stamps
    }

    /// Adds files as they are now.
    pub(crate) fn add(&mut self, paths: impl IntoIterator<Item = PathBuf>) {
        for path in paths {
            let now = stamp(&path);
            self.0.push((path, now));
        }
    }

    /// True if one of the files is another now, appeared, or is gone.
    pub(crate) fn changed(&self) -> bool {
        self.0.iter().any(|(path, then)| stamp(path) != *then)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_seen() {
        let directory = std::env::temp_dir().join(format!("relobox-stamp-{}", std::process::id()));
        let file = directory.join("a.conf");
        let now = || Stamps::of([directory.clone(), file.clone()]);
        let before = now();
        std::fs::create_dir_all(&directory).unwrap();
        assert!(before.changed());
        let empty = now();
        assert!(!empty.changed());
        std::fs::write(&file, "blacklist a\n").unwrap();
        assert!(empty.changed());
        let written = now();
        std::fs::write(&file, "blacklist ab\n").unwrap();
        assert!(written.changed());
        let last = now();
        std::fs::remove_dir_all(&directory).unwrap();
        assert!(last.changed());
    }
}
