//! The cache of compiled code is pruned when something is written, and nothing but its own files goes.

use relobox::cache::Cache;
use relobox::limits;
use std::fs::File;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

const DAY: u64 = 24 * 3600;

struct Place(tempfile::TempDir);

impl Place {
    fn new() -> (Self, Cache) {
        let place = Self(tempfile::tempdir().unwrap());
        let cache = Cache::open_dir(&place.at("cache")).unwrap();
        (place, cache)
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A file in the cache that takes no room on the disk.
    fn file(&self, name: &str, len: u64, days: u64) {
        let file = File::create(self.at("cache").join(name)).unwrap();
        file.set_permissions(std::fs::Permissions::from_mode(0o600)).unwrap();
        file.set_len(len).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(days * DAY)).unwrap();
    }

    fn names(&self) -> Vec<String> {
        let files = std::fs::read_dir(self.at("cache")).unwrap();
        let mut names: Vec<_> = files.map(|f| f.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

/// An entry's name.
fn named(number: u64) -> String {
    format!("{number:064x}-{number:016x}.cwasm")
}

#[test]
fn what_is_not_used_goes() {
    let (place, cache) = Place::new();
    for (number, days) in [(1, 31), (2, 29), (3, 0), (5, 31)] {
        place.file(&named(number), 10, days);
    }
    // Left by writers that were killed.
    for end in ["77", "77.3"] {
        place.file(&format!("{}.{end}", named(2)), 10, 31);
    }
    place.file(&format!("{}.78.0", named(2)), 10, 0);
    // To use one is to keep it.
    assert!(cache.open(&named(5)).is_some());
    cache.write(&named(4), b"code");
    assert_eq!(place.names(), [named(2), format!("{}.78.0", named(2)), named(3), named(4), named(5)]);
    assert_eq!(std::fs::read(place.at("cache").join(named(4))).unwrap(), b"code");
}

#[test]
fn what_was_used_longest_ago_makes_room() {
    let (place, cache) = Place::new();
    place.file(&named(1), limits::CACHE / 2, 3);
    place.file(&named(2), limits::CACHE / 2, 2);
    place.file(&named(3), limits::CACHE / 2 - 4, 1);
    let mapped = cache.open(&named(1)).unwrap();
    cache.write(&named(4), b"code");
    // The first was used just now, the third still has room beside it, to the byte, and the second has none.
    assert_eq!(place.names(), [named(1), named(3), named(4)]);
    place.file(&named(1), limits::CACHE, 9);
    cache.write(&named(5), b"more");
    assert_eq!(place.names(), [named(3), named(4), named(5)]);
    assert!(mapped.metadata().is_ok(), "who has it open keeps it");
}

#[test]
fn nothing_else_is_removed() {
    let (place, cache) = Place::new();
    let others = [
        "README".to_owned(),
        "plugin.cwasm".to_owned(),
        named(1).to_uppercase(),
        format!("{}.orig", named(1)),
        format!("{}.1.2.3", named(1)),
        format!("{}.", named(1)),
    ];
    for name in &others {
        place.file(name, limits::CACHE, 400);
    }
    // A link out of the cache, and a directory, both with an entry's name.
    std::fs::write(place.at("outside"), b"mine").unwrap();
    let outside = File::open(place.at("outside")).unwrap();
    outside.set_modified(SystemTime::now() - Duration::from_secs(400 * DAY)).unwrap();
    symlink(place.at("outside"), place.at("cache").join(named(2))).unwrap();
    std::fs::create_dir(place.at("cache").join(named(3))).unwrap();
    // A cache that others may write to is never used.
    place.file(&named(4), 10, 400);
    let everybody = std::fs::Permissions::from_mode(0o666);
    std::fs::set_permissions(place.at("cache").join(named(4)), everybody).unwrap();
    let before = place.names();
    cache.write(&named(5), b"code");
    assert_eq!(place.names().into_iter().filter(|n| *n != named(5)).collect::<Vec<_>>(), before);
    assert_eq!(std::fs::read(place.at("outside")).unwrap(), b"mine");
    assert!(cache.open(&named(2)).is_none(), "a link out of the cache");
}

/// Threads that write, read and prune at the same time find a whole entry, or none.
#[test]
fn entries_are_whole_while_others_prune() {
    let (place, cache) = Place::new();
    let code = vec![7; limits::WASM_PAGE];
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for number in 0..50 {
                    place.file(&named(100 + number), 1, 60);
                    cache.write(&named(number % 3), &code);
                    if let Some(mut file) = cache.open(&named((number + 1) % 3)) {
                        let mut read = Vec::new();
                        std::io::Read::read_to_end(&mut file, &mut read).unwrap();
                        assert!(read == code, "{} bytes of {}", read.len(), code.len());
                    }
                }
            });
        }
    });
    cache.write(&named(0), &code);
    assert_eq!(place.names(), [named(0), named(1), named(2)]);
}
