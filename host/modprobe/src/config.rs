//! The configuration in modprobe.d(5), and the parameters of modules on the kernel's command line.
//!
//! ```
//! use relobox_modprobe::Config;
//!
//! let mut config = Config::default();
//! config.parse("/etc/modprobe.d/net.conf", "options dummy numdummies=2\nsoftdep dummy pre: crc32c\n");
//! config.parse_command_line("ro quiet dummy.debug=1 modprobe.blacklist=pcspkr");
//!
//! assert_eq!(config.options_of("dummy", None), "numdummies=2 debug=1");
//! assert_eq!(config.softdep("dummy").unwrap().pre, ["crc32c"]);
//! assert_eq!(config.blacklisted("pcspkr").unwrap().to_string(), "kernel command line");
//! ```

use super::glob::{alias_name, matches};
use super::{Place, Tree, read_text};
use relobox_core::error::{Error, Result};
use relobox_core::limits;
use relobox_core::names::underscored;
use relobox_core::text::decoded;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt::Display;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The directories of the configuration. A file hides files of the same name in later directories.
pub const DIRECTORIES: [&str; 5] =
    ["/etc/modprobe.d", "/run/modprobe.d", "/usr/local/lib/modprobe.d", "/usr/lib/modprobe.d", "/lib/modprobe.d"];

/// What separates words: the white space of isspace(3), and in most lines of modprobe.d only blanks and tabs.
const SPACES: [char; 6] = [' ', '\t', '\n', '\r', '\x0b', '\x0c'];
const BLANKS: [char; 2] = [' ', '\t'];

/// The configuration, in the order of the files' names.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// Lines `alias PATTERN MODULE`.
    pub aliases: Vec<Line>,
    /// Lines `options MODULE TEXT`, and parameters on the kernel's command line.
    pub options: Vec<Line>,
    /// Lines `install MODULE COMMAND`.
    pub install: Vec<Line>,
    /// Lines `remove MODULE COMMAND`.
    pub remove: Vec<Line>,
    /// Lines `softdep MODULE pre: … post: …`.
    pub softdeps: Vec<Softdep>,
    /// Lines `weakdep MODULE MODULES`. They are for programs that build an initramfs; no plan depends on them.
    pub weakdeps: Vec<Line>,
    /// Lines `blacklist MODULE`, and `modprobe.blacklist=` on the kernel's command line.
    pub blacklist: Vec<Line>,
    /// `module_blacklist=` on the kernel's command line: the modules that the kernel itself refuses.
    pub forbidden: Vec<Line>,
    /// Lines that cannot be parsed and files that cannot be read, with their places.
    pub warnings: Vec<String>,
}

/// A line of the configuration: a name or a pattern, and the text that follows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The name or pattern, with underscores instead of dashes.
    pub name: String,
    /// The module of an alias, with underscores instead of dashes. In other lines, all that follows the name and the
    /// blank after it.
    pub value: String,
    /// The place of the line.
    pub place: Place,
}

/// The soft dependencies of a module, as names or aliases. Those that cannot be found are ignored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Softdep {
    /// A pattern that matches names of modules.
    pub name: String,
    /// To be loaded before the module.
    pub pre: Vec<String>,
    /// To be loaded after the module.
    pub post: Vec<String>,
}

impl Config {
    /// Reads modules.softdep and modules.weakdep of `tree`, and the files `*.conf` in `directories` except hidden ones,
    /// in the order of their names. In place of a directory, a file can be given. As in kmod, what does not exist or
    /// cannot be read is left out.
    ///
    /// # Errors
    /// If a file is larger than [`limits::MODPROBE_CONFIG`] or is a device.
    pub fn read(directories: &[PathBuf], tree: Option<&Tree>) -> Result<Self> {
        let mut config = Self::default();
        let mut files: BTreeMap<OsString, PathBuf> = BTreeMap::new();
        let mut add = |path: PathBuf| {
            files.entry(path.file_name().unwrap_or_default().to_owned()).or_insert(path);
        };
        for name in ["modules.softdep", "modules.weakdep"] {
            tree.into_iter().for_each(|tree| add(tree.root().join(name)));
        }
        for directory in directories {
            match std::fs::read_dir(directory) {
                Ok(entries) => {
                    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
                    for path in paths.filter(|path| is_config(path)) {
                        // A directory or a link to nothing hides no file.
                        match std::fs::metadata(&path) {
                            Ok(meta) if meta.is_dir() => config.skip(path.display(), "it is a directory"),
                            Ok(_) => add(path),
                            Err(error) => config.skip(path.display(), error),
                        }
                    }
                }
                // Most of the directories do not exist on a given system.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) if error.kind() == ErrorKind::NotADirectory => add(directory.clone()),
                Err(error) => config.skip(directory.display(), error),
            }
        }
        for path in files.values() {
            match read_text(path, limits::MODPROBE_CONFIG) {
                Ok(text) => config.parse(&path.display().to_string(), &text.unwrap_or_default()),
                Err(Error::Io { source, .. }) => config.skip(path.display(), source),
                Err(error) => return Err(error),
            }
        }
        Ok(config)
    }

    /// Parses the text of one file. `file` is its name in messages.
    pub fn parse(&mut self, file: &str, text: &str) {
        if text.contains("\r\n") {
            self.warnings.push(format!("{file}: lines end in carriage returns, which belong to their last words"));
        }
        let (file, mut softdeps): (Arc<str>, _) = (file.into(), Vec::new());
        for (number, line) in logical_lines(text) {
            let place = Place { file: Arc::clone(&file), line: number };
            // As in C, a line ends at a zero byte.
            let mut rest = line.split('\0').next().unwrap_or_default();
            let mut word = || {
                let (word, after) = rest.trim_start_matches(BLANKS).split_once(BLANKS).unwrap_or((rest, ""));
                rest = after;
                word.trim_start_matches(BLANKS)
            };
            let command = word();
            if command.is_empty() || line.starts_with('#') {
                continue;
            }
            let name = alias_name(word()).filter(|name| !name.is_empty());
            let value = match command {
                "alias" => alias_name(word()),
                "options" => Some(rest.replace('\t', " ")),
                _ => Some(rest.to_owned()),
            };
            let lines = match command {
                "alias" => &mut self.aliases,
                "blacklist" => &mut self.blacklist,
                "options" => &mut self.options,
                "install" => &mut self.install,
                "remove" => &mut self.remove,
                "softdep" => &mut softdeps,
                "weakdep" => &mut self.weakdeps,
                _ => {
                    self.skip(&place, format_args!("unknown command '{}'", decoded(command.as_bytes())));
                    continue;
                }
            };
            match (name, value.filter(|value| command == "blacklist" || !value.is_empty())) {
                (Some(name), Some(value)) => lines.push(Line { name, value, place }),
                _ => self.skip(&place, "the line is incomplete, or a bracket is not closed"),
            }
        }
        self.softdeps.extend(softdeps.into_iter().map(softdep));
    }

    fn skip(&mut self, place: impl Display, why: impl Display) {
        self.warnings.push(format!("{place}: {why}; it is ignored"));
    }

    /// Parses the kernel's command line: `modprobe.blacklist=` and `MODULE.parameter=value` by the rules of kmod, and
    /// `module_blacklist=` by those of the kernel.
    pub fn parse_command_line(&mut self, text: &str) {
        let place = Place { file: "kernel command line".into(), line: 0 };
        let names = |text: &str| -> Vec<Line> {
            let names = text.split(',').map(|name| underscored(name.trim_matches('"')));
            let line = |name| Line { name, value: String::new(), place: place.clone() };
            names.filter(|name| !name.is_empty()).map(line).collect()
        };
        let (mut quoted, mut for_init) = (false, false);
        let separates = |c: char| {
            quoted ^= c == '"';
            !quoted && SPACES.contains(&c)
        };
        for argument in text.split(separates) {
            for_init |= argument == "--";
            if let Some(("module_blacklist", value)) = argument.trim_matches('"').split_once('=').filter(|_| !for_init)
            {
                // The last one counts.
                self.forbidden = names(value);
            }
            let whole = argument.strip_prefix('"');
            let Some((module, option)) = whole.unwrap_or(argument).split_once('.') else { continue };
            let (parameter, value) = option.split_once('=').map_or((option, None), |(name, value)| (name, Some(value)));
            let odd = |text: &str| text.contains(['=', '.', '"']) || text.contains(SPACES);
            if odd(module) || odd(parameter) || argument.matches('"').count() % 2 == 1 {
                continue;
            }
            let value = match value {
                Some(value) if (module, parameter) == ("modprobe", "blacklist") => {
                    self.blacklist.extend(names(value));
                    continue;
                }
                // The quotes are around the whole argument. A module expects them around the value.
                Some(value) if whole.is_some() => format!("{parameter}=\"{value}").replace('\t', " "),
                _ => option.replace('\t', " "),
            };
            self.options.extend(alias_name(module).map(|name| Line { name, value, place: place.clone() }));
        }
    }

    /// The options of module `name`, joined by blanks. `alias` is the alias that was asked for, if it was not the name.
    #[must_use]
    pub fn options_of(&self, name: &str, alias: Option<&str>) -> String {
        let own = self.options.iter().filter(|l| l.name == name || Some(&*l.name) == alias);
        own.map(|l| l.value.as_str()).filter(|v| !v.is_empty()).collect::<Vec<_>>().join(" ")
    }

    /// The place where a module is blacklisted.
    #[must_use]
    pub fn blacklisted(&self, name: &str) -> Option<&Place> {
        self.blacklist.iter().find(|l| l.name == name).map(|l| &l.place)
    }

    /// The first line of `of` that matches the module's name.
    #[must_use]
    pub fn command<'a>(of: &'a [Line], name: &str) -> Option<&'a Line> {
        of.iter().find(|l| matches(&l.name, name))
    }

    /// The module's soft dependencies. Only the first line that matches counts, as in kmod.
    #[must_use]
    pub fn softdep(&self, name: &str) -> Option<&Softdep> {
        self.softdeps.iter().find(|s| matches(&s.name, name))
    }
}

/// True if a file in a directory of the configuration is read.
fn is_config(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().as_encoded_bytes();
    !name.starts_with(b".") && name.ends_with(b".conf")
}

fn softdep(line: Line) -> Softdep {
    let mut softdep = Softdep { name: line.name, pre: Vec::new(), post: Vec::new() };
    let mut list = None;
    for word in line.value.split(SPACES).filter(|word| !word.is_empty()) {
        match word {
            "pre:" => list = Some(&mut softdep.pre),
            "post:" => list = Some(&mut softdep.post),
            // Words before `pre:` and `post:` are ignored, as in kmod. Old kernels have such lines.
            word => list.iter_mut().for_each(|list| list.push(word.to_owned())),
        }
    }
    softdep
}

/// Splits text into lines, each with the number of its first line. A backslash joins a line with the next; before any
/// other character, it is left out.
fn logical_lines(text: &str) -> Vec<(usize, String)> {
    let (mut out, mut line, mut first, mut number) = (Vec::new(), String::new(), 1, 1);
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\n' => {
                number += 1;
                out.push((first, std::mem::take(&mut line)));
                first = number;
            }
            '\\' => match chars.next() {
                Some('\n') => number += 1,
                other => line.extend(other),
            },
            c => line.push(c),
        }
    }
    out.push((first, line));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_those_of_modprobe_d() {
        let mut c = Config::default();
        c.parse(
            "a.conf",
            "# comment\n\nalias net-pf-[0-9] my-proto more\noptions my-proto a=1 \\\n  b=\\\"x\ty\\\"\n\
             options my_proto c=2\ninstall bad /bin/false\n \tblacklist  old-one\nsoftdep x-y pre: a b post: c\n\
             softdep z gcm\nweakdep x-y a b\ninclude /x\nfoo bar\nalias\noptions a\ninstall b \nblacklist c[\n\
             alias d e]\nblacklist with\0zero\n # no comment\nblacklist dos\r\noptions last b=1 \\",
        );
        assert_eq!((c.aliases[0].name.as_str(), c.aliases[0].value.as_str()), ("net_pf_[0-9]", "my_proto"));
        assert_eq!(c.options_of("my_proto", None), "a=1   b=\"x y\" c=2");
        assert_eq!(Config::command(&c.install, "bad").unwrap().place.to_string(), "a.conf:7");
        let names: Vec<_> = c.blacklist.iter().map(|line| (line.name.as_str(), line.place.line)).collect();
        assert_eq!(names, [("old_one", 8), ("with", 19), ("dos\r", 21)]);
        assert_eq!(c.softdep("x_y").unwrap().pre, ["a", "b"]);
        assert_eq!((c.softdep("x_y").unwrap().post.len(), c.weakdeps[0].value.as_str()), (1, "a b"));
        assert_eq!((c.softdep("z").unwrap().pre.len(), c.softdep("q")), (0, None));
        assert_eq!(c.options_of("last", None), "b=1 ");
        let lines: Vec<_> = c.warnings.iter().map(|warning| warning.split(": ").next().unwrap()).collect();
        let wrong = [12, 13, 14, 15, 16, 17, 18, 20].map(|line| format!("a.conf:{line}"));
        assert_eq!((lines[0], &lines[1..]), ("a.conf", &wrong.each_ref().map(String::as_str)[..]));
        assert_eq!(c.warnings[1], "a.conf:12: unknown command 'include'; it is ignored");
    }

    #[test]
    fn the_command_line_has_parameters_and_black_lists() {
        let mut c = Config::default();
        c.parse_command_line(
            "BOOT_IMAGE=/vmlinuz-6.1 ro usb-storage.quirks=1:2:u modprobe.blacklist=a-b,c module_blacklist=x \
             module_blacklist=d,e usbcore.nousb \"m.text=a b\" n.text=\"c d\" o.p.q=1 \"p q.r=1\" r\"s.t=1\" -- e.f=1 \
             module_blacklist=init u.v=\"unclosed w.x=1\n",
        );
        assert_eq!(c.options_of("usb_storage", None), "quirks=1:2:u");
        assert_eq!(c.options_of("usbcore", None), "nousb");
        assert_eq!((c.options_of("m", None), c.options_of("n", None)), ("text=\"a b\"".into(), "text=\"c d\"".into()));
        assert!(c.blacklisted("a_b").is_some() && c.blacklisted("c").is_some());
        assert_eq!((c.forbidden.len(), c.forbidden[0].name.as_str()), (2, "d"));
        assert_eq!((c.options.len(), c.options_of("e", None).as_str()), (5, "f=1"));
    }
}
