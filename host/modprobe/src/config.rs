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
use super::{Place, read_text};
use relobox_core::error::{Error, Result};
use relobox_core::limits;
use relobox_core::names::underscored;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The directories of the configuration. A file hides files of the same name in later directories.
pub const DIRECTORIES: [&str; 5] =
    ["/etc/modprobe.d", "/run/modprobe.d", "/usr/local/lib/modprobe.d", "/usr/lib/modprobe.d", "/lib/modprobe.d"];

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
    /// Lines `weakdep MODULE NAME…`: modules that an initial ramdisk should contain along with this one.
    pub weakdeps: Vec<Line>,
    /// Lines `blacklist MODULE`, and `modprobe.blacklist=` on the kernel's command line.
    pub blacklist: Vec<Line>,
    /// `module_blacklist=` on the kernel's command line: the modules that the kernel itself refuses.
    pub forbidden: Vec<Line>,
    /// Lines that cannot be parsed, with their places.
    pub warnings: Vec<String>,
}

/// A line of the configuration: a name or a pattern, and the text that follows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The name or pattern, with underscores instead of dashes.
    pub name: String,
    /// The rest of the line.
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
    /// Reads the files in `directories` whose names end in `.conf` or `.alias`, in the order of their names. `softdeps`
    /// is the file modules.softdep of a tree; it is sorted among them by its name.
    ///
    /// # Errors
    /// If a directory or a file cannot be read, or a file is larger than [`limits::MODPROBE_CONFIG`]. A directory that
    /// does not exist is not an error.
    pub fn read(directories: &[PathBuf], softdeps: Option<&Path>) -> Result<Self> {
        let mut files: BTreeMap<std::ffi::OsString, PathBuf> = BTreeMap::new();
        for directory in directories {
            let entries = match std::fs::read_dir(directory) {
                Ok(entries) => entries,
                // Most of the directories do not exist on a given system.
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => continue,
                Err(e) if e.kind() == std::io::ErrorKind::NotADirectory => {
                    let name = directory.file_name().unwrap_or_default().to_owned();
                    files.entry(name).or_insert_with(|| directory.clone());
                    continue;
                }
                Err(e) => return Err(Error::io(directory)(e)),
            };
            for entry in entries {
                let name = entry.map_err(Error::io(directory))?.file_name();
                if Path::new(&name).extension().is_some_and(|e| e == "conf" || e == "alias") {
                    let path = directory.join(&name);
                    files.entry(name).or_insert(path);
                }
            }
        }
        if let Some(path) = softdeps {
            files.entry("modules.softdep".into()).or_insert_with(|| path.to_owned());
        }
        let mut config = Self::default();
        for path in files.values() {
            if path.is_dir() {
                continue;
            }
            if let Some(text) = read_text(path, limits::MODPROBE_CONFIG)? {
                config.parse(&path.display().to_string(), &text);
            }
        }
        Ok(config)
    }

    /// Parses the text of one file. `file` is its name in messages.
    pub fn parse(&mut self, file: &str, text: &str) {
        let file: Arc<str> = file.into();
        for (number, line) in logical_lines(text) {
            let place = Place { file: Arc::clone(&file), line: number };
            if line.starts_with('#') || line.trim().is_empty() {
                continue;
            }
            let mut rest = line.trim();
            let mut word = || {
                let (word, after) = rest.split_once([' ', '\t']).unwrap_or((rest, ""));
                rest = after.trim_start();
                word
            };
            let (command, name) = (word(), word());
            let value = rest.to_owned();
            let line = |name: String| Line { name, value: value.clone(), place: place.clone() };
            match command {
                _ if name.is_empty() => self.warn(&place, "the line has only one word"),
                "alias" if value.is_empty() => self.warn(&place, "the alias has no module"),
                "alias" => self.aliases.push(line(alias_name(name))),
                "options" => self.options.push(line(underscored(name))),
                "install" | "remove" if value.is_empty() => self.warn(&place, "the line has no command"),
                "install" => self.install.push(line(underscored(name))),
                "remove" => self.remove.push(line(underscored(name))),
                "blacklist" => self.blacklist.push(line(underscored(name))),
                "softdep" => self.softdeps.push(softdep(name, &value)),
                "weakdep" => self.weakdeps.push(line(underscored(name))),
                "include" | "config" => self.warn(&place, &format!("'{command}' is no longer supported")),
                _ => {
                    self.warn(&place, &format!("unknown command '{}'", relobox_core::text::decoded(command.as_bytes())))
                }
            }
        }
    }

    fn warn(&mut self, place: &Place, what: &str) {
        self.warnings.push(format!("{place}: {what}; the line is ignored"));
    }

    /// Parses the kernel's command line: `modprobe.blacklist=`, `module_blacklist=` and `MODULE.parameter=value`.
    pub fn parse_command_line(&mut self, text: &str) {
        let place = Place { file: "kernel command line".into(), line: 0 };
        for (key, value) in arguments(text) {
            let line = |name: &str, value| Line { name: underscored(name), value, place: place.clone() };
            let names = |value: &Option<String>| -> Vec<Line> {
                let names = value.as_deref().unwrap_or_default().split(',').filter(|name| !name.is_empty());
                names.map(|name| line(name, String::new())).collect()
            };
            match key.split_once('.') {
                Some(("modprobe", "blacklist")) => self.blacklist.extend(names(&value)),
                Some((module, parameter)) if !module.is_empty() && !parameter.is_empty() => {
                    let value = value.map_or_else(|| parameter.to_owned(), |value| format!("{parameter}={value}"));
                    self.options.push(line(module, value));
                }
                None if key == "module_blacklist" => self.forbidden.extend(names(&value)),
                _ => {}
            }
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

    /// The first line of `of` that matches the module's name or `alias`.
    #[must_use]
    pub fn command<'a>(of: &'a [Line], name: &str, alias: Option<&str>) -> Option<&'a Line> {
        of.iter().find(|l| matches(&l.name, name) || alias.is_some_and(|alias| matches(&l.name, alias)))
    }

    /// The module's soft dependencies. Only the first line that matches counts, as in kmod.
    #[must_use]
    pub fn softdep(&self, name: &str) -> Option<&Softdep> {
        self.softdeps.iter().find(|s| matches(&s.name, name))
    }
}

fn softdep(name: &str, text: &str) -> Softdep {
    let mut softdep = Softdep { name: underscored(name), pre: Vec::new(), post: Vec::new() };
    let mut list = None;
    for word in text.split_whitespace() {
        match word {
            "pre:" => list = Some(&mut softdep.pre),
            "post:" => list = Some(&mut softdep.post),
            // Words before `pre:` and `post:` are ignored, as in kmod. Old kernels have such lines.
            word => {
                if let Some(list) = &mut list {
                    list.push(word.to_owned());
                }
            }
        }
    }
    softdep
}

/// Splits text into lines, each with the number of its first line. A backslash at the end joins a line with the next.
fn logical_lines(text: &str) -> Vec<(usize, String)> {
    let mut out: Vec<(usize, String)> = Vec::new();
    let mut open = false;
    for (number, line) in (1..).zip(text.lines()) {
        let (part, more) = line.strip_suffix('\\').map_or((line, false), |part| (part, true));
        match out.last_mut().filter(|_| open) {
            Some((_, joined)) => joined.push_str(part),
            None => out.push((number, part.to_owned())),
        }
        open = more;
    }
    out
}

/// Splits the kernel's command line into `key` and `key=value`, as the kernel does: quotes protect blanks, and what
/// follows `--` is for init.
fn arguments(text: &str) -> Vec<(String, Option<String>)> {
    let mut quoted = false;
    let separate = |c: char| {
        quoted ^= c == '"';
        c.is_whitespace() && !quoted
    };
    let tokens = text.split(separate).filter(|token| !token.is_empty()).take_while(|token| *token != "--");
    let argument = |token: &str| {
        // Quotes can enclose the whole argument. A module expects them around the value.
        let bare = token.strip_prefix('"').map_or(token, |t| t.strip_suffix('"').unwrap_or(t));
        match bare.split_once('=') {
            Some((key, value)) if bare.len() != token.len() && value.contains(char::is_whitespace) => {
                (key.to_owned(), Some(format!("\"{value}\"")))
            }
            Some((key, value)) => (key.to_owned(), Some(value.to_owned())),
            None => (bare.to_owned(), None),
        }
    };
    tokens.map(argument).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_those_of_modprobe_d() {
        let mut c = Config::default();
        c.parse(
            "a.conf",
            "# comment\n\nalias net-pf-[0-9] my-proto\noptions my-proto a=1 \\\n  b=\"x y\"\noptions my_proto c=2\n\
             install bad /bin/false\nblacklist old-one\nsoftdep x-y pre: a b post: c\nsoftdep z gcm\n\
             include /x\nfoo bar\nalias\n",
        );
        assert_eq!(c.aliases[0].name, "net_pf_[0-9]");
        assert_eq!(c.options_of("my_proto", None), "a=1   b=\"x y\" c=2");
        assert_eq!(Config::command(&c.install, "bad", None).unwrap().place.to_string(), "a.conf:7");
        assert_eq!(c.blacklisted("old_one").unwrap().line, 8);
        assert_eq!(c.softdep("x_y").unwrap(), &softdep("x_y", "pre: a b post: c"));
        assert_eq!((c.softdep("z").unwrap().pre.len(), c.softdep("q")), (0, None));
        assert_eq!(c.warnings.len(), 3, "{:?}", c.warnings);
        assert_eq!(c.warnings[0], "a.conf:11: 'include' is no longer supported; the line is ignored");
    }

    #[test]
    fn the_command_line_has_parameters_and_black_lists() {
        let mut c = Config::default();
        c.parse_command_line(
            "BOOT_IMAGE=/vmlinuz-6.1 ro usb-storage.quirks=1:2:u modprobe.blacklist=a-b,c module_blacklist=d \
             usbcore.nousb \"m.text=a b\" n.text=\"c d\" -- e.f=1\n",
        );
        assert_eq!(c.options_of("usb_storage", None), "quirks=1:2:u");
        assert_eq!(c.options_of("usbcore", None), "nousb");
        assert_eq!((c.options_of("m", None), c.options_of("n", None)), ("text=\"a b\"".into(), "text=\"c d\"".into()));
        assert!(c.blacklisted("a_b").is_some() && c.blacklisted("c").is_some());
        assert_eq!((c.forbidden[0].name.as_str(), c.options_of("e", None)), ("d", String::new()));
    }
}
