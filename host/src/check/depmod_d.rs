//! depmod.d(5): which file depmod takes if several have the same module name.

use crate::modprobe::{Place, glob, read_text};
use relobox_core::error::{Error, Result};
use relobox_core::limits;
use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The configuration.
#[derive(Clone, Debug, Default)]
pub(super) struct Depmod {
    /// The directories of all `search` lines, in order of precedence. `built-in` stands for all that are not listed.
    searches: Vec<String>,
    overrides: Vec<Override>,
    /// The names of directories that are excluded at any depth.
    excludes: Vec<String>,
    /// Lines that cannot be parsed, with their places.
    pub(super) warnings: Vec<String>,
}

/// `override MODULE KERNEL DIRECTORY`.
#[derive(Clone, Debug)]
struct Override {
    kernel: String,
    /// `DIRECTORY/MODULE`: the path of a file without `.ko` and what follows.
    stem: Vec<u8>,
}

/// The precedence of a file among those of the same module name. The greatest is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    /// The number of the `override` line for the file, from 1; 0 if there is none.
    chosen: usize,
    /// The position in the `search` list, counted from its end, from 1; 0 if the file is not in a listed directory.
    place: usize,
}

impl Depmod {
    /// Reads `*.conf` in `directories`, in the order of the files' names.
    ///
    /// # Errors
    /// If a directory or a file cannot be read, or a file is larger than [`limits::MODPROBE_CONFIG`]. A directory that
    /// does not exist is not an error.
    pub(super) fn read(directories: &[PathBuf]) -> Result<Self> {
        let mut files = BTreeMap::new();
        for directory in directories {
            let entries = match std::fs::read_dir(directory) {
                Ok(entries) => entries,
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => continue,
                Err(e) => return Err(Error::io(directory)(e)),
            };
            for entry in entries {
                let name = entry.map_err(Error::io(directory))?.file_name();
                if Path::new(&name).extension().is_some_and(|e| e == "conf") {
                    let path = directory.join(&name);
                    files.entry(name).or_insert(path);
                }
            }
        }
        let mut config = Self::default();
        for path in files.values() {
            if let Some(text) = read_text(path, limits::MODPROBE_CONFIG)? {
                config.parse(&path.display().to_string(), &text);
            }
        }
        Ok(config)
    }

    /// Parses the text of one file. `file` is its name in warnings.
    pub(super) fn parse(&mut self, file: &str, text: &str) {
        let file: Arc<str> = file.into();
        for (number, line) in (1..).zip(text.lines()) {
            let mut words = line.split_whitespace();
            let Some(command) = words.next().filter(|word| !word.starts_with('#')) else { continue };
            let rest: Vec<&str> = words.collect();
            match (command, rest.as_slice()) {
                ("search", directories @ [_, ..]) => self.searches.extend(directories.iter().map(|&d| d.to_owned())),
                ("override", [module, kernel, directory]) => self.overrides.push(Override {
                    kernel: (*kernel).to_owned(),
                    stem: format!("{directory}/{module}").into_bytes(),
                }),
                ("exclude", directories @ [_, ..]) => self.excludes.extend(directories.iter().map(|&d| d.to_owned())),
                // `external` names directories elsewhere, which `relobox check` gets as such. `make_map_files` is
                // obsolete.
                ("external" | "make_map_files", _) => {}
                _ => {
                    let place = Place { file: Arc::clone(&file), line: number };
                    self.warnings.push(format!("{place}: this is not a valid line of depmod.d; it is ignored"));
                }
            }
        }
    }

    /// The precedence of `file`, a path below the directory of modules for `kernel`. `None` if depmod ignores the file.
    #[must_use]
    pub(super) fn rank(&self, kernel: &str, file: &Path) -> Option<Rank> {
        let parent = file.parent().unwrap_or(Path::new(""));
        if parent.components().any(|part| self.excludes.iter().any(|name| part.as_os_str() == name.as_str())) {
            return None;
        }
        let name = file.file_name().unwrap_or_default().as_bytes();
        let endings = name.iter().position(|b| *b == b'.').map_or(0, |dot| name.len() - dot);
        let bytes = file.as_os_str().as_bytes();
        let stem = &bytes[..bytes.len() - endings];
        // If several lines name the file, the last one counts.
        let about = |o: &Override| o.stem == stem && is_kernel(&o.kernel, kernel);
        let chosen = self.overrides.iter().rposition(about).map_or(0, |i| i + 1);
        let default = ["updates".to_owned()];
        let searches = if self.searches.is_empty() { &default[..] } else { &self.searches };
        // depmod compares the beginning of the path as bytes.
        let there = searches.iter().position(|d| d != "built-in" && stem.starts_with(d.as_bytes()));
        let place = there.or_else(|| searches.iter().position(|d| d == "built-in"));
        Some(Rank { chosen, place: place.map_or(0, |i| searches.len() - i) })
    }
}

/// True if the pattern of an `override` line matches this kernel's version. The pattern is `*` or a regular expression
/// that may match any part of the version. Only dots, `.*`, `^` and `$` are supported, as in real configurations.
fn is_kernel(pattern: &str, kernel: &str) -> bool {
    if pattern == "*" || pattern == kernel {
        return true;
    }
    let (start, pattern) = pattern.strip_prefix('^').map_or(("*", pattern), |rest| ("", rest));
    let (pattern, end) = pattern.strip_suffix('$').map_or((pattern, "*"), |rest| (rest, ""));
    let (mut shell, mut chars) = (String::from(start), pattern.chars().peekable());
    while let Some(c) = chars.next() {
        match c {
            '.' if chars.next_if_eq(&'*').is_some() => shell.push('*'),
            '.' => shell.push('?'),
            '\\' => shell.extend(['\\'].into_iter().chain(chars.next())),
            '*' | '+' | '?' | '(' | ')' | '[' | ']' | '{' | '}' | '|' => return false,
            c => shell.push(c),
        }
    }
    shell.push_str(end);
    glob::matches(&shell, kernel)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The files in the order of their precedence, highest first.
    fn order(config: &str, kernel: &str, files: &[&str]) -> Vec<String> {
        let mut depmod = Depmod::default();
        depmod.parse("test.conf", config);
        assert_eq!(depmod.warnings, Vec::<String>::new());
        let mut ranked: Vec<_> =
            files.iter().filter_map(|f| Some((depmod.rank(kernel, Path::new(f))?, (*f).to_owned()))).collect();
        ranked.sort_by(|a, b| b.cmp(a));
        assert!(ranked.windows(2).all(|pair| pair[0].0 != pair[1].0), "{ranked:?}");
        ranked.into_iter().map(|(_, file)| file).collect()
    }

    const FILES: [&str; 4] = ["extra/a-b.ko", "kernel/fs/a-b.ko.xz", "updates/dkms/a-b.ko", "weak-updates/a-b.ko"];

    #[test]
    fn the_order_is_depmods() {
        assert_eq!(order("", "6.1", &FILES[1..3]), ["updates/dkms/a-b.ko", "kernel/fs/a-b.ko.xz"]);
        let fedora = "# comment\n\nsearch updates extra built-in weak-updates\n";
        let expected = ["updates/dkms/a-b.ko", "extra/a-b.ko", "kernel/fs/a-b.ko.xz", "weak-updates/a-b.ko"];
        assert_eq!(order(fedora, "6.1", &FILES), expected);
        let two = "search weak-updates\nsearch built-in extra updates\n";
        let expected = ["weak-updates/a-b.ko", "kernel/fs/a-b.ko.xz", "extra/a-b.ko", "updates/dkms/a-b.ko"];
        assert_eq!(order(two, "6.1", &FILES), expected);
    }

    #[test]
    fn overrides_come_first_and_the_last_of_them_before_others() {
        let config = "search updates built-in\noverride a-b * extra\noverride a-b 6.1 kernel/fs\n\
            override a-b 5.10 updates/dkms\n";
        let taken = order(config, "6.1", &FILES[..3]);
        assert_eq!(taken, ["kernel/fs/a-b.ko.xz", "extra/a-b.ko", "updates/dkms/a-b.ko"]);
        assert_eq!(order("override a * extra\n", "6.1", &FILES[1..3])[0], "updates/dkms/a-b.ko");
        assert_eq!(order("exclude updates\n", "6.1", &FILES[1..3]), ["kernel/fs/a-b.ko.xz"]);
    }

    #[test]
    fn kernels_are_named_by_patterns() {
        for pattern in ["*", "5.14.0-70.el9.x86_64", "5.14.0-.*", "^5\\.14", "el9.x86_64$", "70"] {
            assert!(is_kernel(pattern, "5.14.0-70.el9.x86_64"), "{pattern}");
        }
        for pattern in ["5.15.*", "^70", "el8", "5.14.0-7[0-9]", ""] {
            assert!(!is_kernel(pattern, "5.14.0-70.el9.x86_64") || pattern.is_empty(), "{pattern}");
        }
    }

    #[test]
    fn invalid_lines_are_reported() {
        let mut depmod = Depmod::default();
        depmod.parse("x.conf", "search\noverride a b\nfoo\nexternal * /opt\nmake_map_files no\n");
        let places: Vec<_> = depmod.warnings.iter().filter_map(|w| w.split(": ").next()).collect();
        assert_eq!(places, ["x.conf:1", "x.conf:2", "x.conf:3"]);
    }
}
