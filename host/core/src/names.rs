//! Module names: the one rule that derives a module's name from the name of its file.
//!
//! The rule is that of kmod and depmod: the last component of the path, up to its first dot, with `-` replaced by `_`.
//! `kernel/crypto/crc32c-intel.ko.xz` gives `crc32c_intel`, and `foo.bar.ko` gives `foo`. The kernel itself uses the
//! name inside the module: kbuild writes it to `__this_module` and as `name=` to .modinfo. So that name takes
//! precedence where there is one (`Records::module_name`).

use std::path::Path;

/// Extensions of module files, compressed or not, that kmod knows.
const ENDINGS: [&[u8]; 4] = [b".ko", b".ko.gz", b".ko.xz", b".ko.zst"];

/// Returns a module's name as the kernel writes it, with `_` for `-`.
#[must_use]
pub fn underscored(name: &str) -> String {
    name.replace('-', "_")
}

/// Returns the name of the module in a file of this name. File names need not be UTF-8, so it is in bytes. It is empty
/// if the file name begins with a dot.
#[must_use]
pub fn of_file_bytes(path: &Path) -> Vec<u8> {
    let file = path.file_name().unwrap_or_default().as_encoded_bytes();
    let stem = file.split(|b| *b == b'.').next().unwrap_or_default();
    stem.iter().map(|b| if *b == b'-' { b'_' } else { *b }).collect()
}

/// As [`of_file_bytes`], as text. Invalid UTF-8 is replaced.
#[must_use]
pub fn of_file(path: impl AsRef<Path>) -> String {
    String::from_utf8_lossy(&of_file_bytes(path.as_ref())).into_owned()
}

/// Returns whether a command line argument for a module is a file and not a name: `./foo`, `foo.ko.xz`.
#[must_use]
pub fn is_written_as_file(text: &str) -> bool {
    text.contains('/') || text.split('.').skip(1).any(|part| part == "ko")
}

/// Returns the name of the module that a command line argument means, by file or by name.
#[must_use]
pub fn of_argument(text: &str) -> String {
    if is_written_as_file(text) { of_file(text) } else { underscored(text) }
}

/// Returns whether a file of this name is a module.
#[must_use]
pub fn is_module_file(path: &Path) -> bool {
    let file = path.file_name().unwrap_or_default().as_encoded_bytes();
    ENDINGS.iter().any(|ending| file.len() > ending.len() && file.ends_with(ending))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;

    #[test]
    fn the_rule() {
        let rule = [
            ("kernel/crypto/crc32c-intel.ko.xz", "crc32c_intel"),
            ("foo.bar.ko", "foo"),
            ("foo-bar.ko.xz", "foo_bar"),
            ("foo-bar_baz.ko.zst", "foo_bar_baz"),
            ("foo.ko.gz.zst", "foo"),
            ("foo", "foo"),
            ("a.b/c-d/foo", "foo"),
            ("/lib/modules/6.1.0-56-amd64/kernel/a-b.ko", "a_b"),
            ("./hello.o", "hello"),
            ("foo.ko/", "foo"),
            (".ko", ""),
            (".hidden.ko", ""),
            ("", ""),
            ("..", ""),
            ("/", ""),
        ];
        for (path, name) in rule {
            assert_eq!(of_file(path), name, "{path:?}");
        }
    }

    #[test]
    fn names_need_not_be_utf_8() {
        let (one, other) = (OsStr::from_bytes(b"a/f\xff-x.ko"), OsStr::from_bytes(b"a/f\xfe-x.ko"));
        assert_eq!(of_file_bytes(Path::new(one)), b"f\xff_x");
        assert_eq!(of_file(one), "f\u{fffd}_x");
        assert_ne!(of_file_bytes(Path::new(one)), of_file_bytes(Path::new(other)));
        assert!(is_module_file(Path::new(one)));
    }

    #[test]
    fn an_argument_is_a_file_or_a_name() {
        let rule = [
            ("math-user", "math_user"),
            ("math-user.ko", "math_user"),
            ("./math-user", "math_user"),
            ("foo.ko.gz.zst", "foo"),
            ("foo.bar", "foo.bar"),
            ("foo.bar.ko", "foo"),
            ("foo.kolumn", "foo.kolumn"),
        ];
        for (text, name) in rule {
            assert_eq!(of_argument(text), name, "{text:?}");
        }
    }

    #[test]
    fn which_files_are_modules() {
        for path in ["a.ko", "d/a.ko.gz", "a.b.ko.xz", "a.ko.zst"] {
            assert!(is_module_file(Path::new(path)), "{path}");
        }
        for path in ["a.o", ".ko", ".ko.gz", "a.ko.gz.zst", "a.ko.debug", "ko", "a.KO", "a.ko.bz2"] {
            assert!(!is_module_file(Path::new(path)), "{path}");
        }
    }
}
