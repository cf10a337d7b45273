//! The configuration: depmod.d(5).

use crate::log::{Level, Log};
use regex::bytes::RegexBuilder;
use relobox_core::limits;

/// Which modules are in the indices.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// `search`: the last directory first.
    pub(crate) searches: Vec<Search>,
    /// `override`: `DIRECTORY/MODULE`, the last one first.
    pub(crate) overrides: Vec<Vec<u8>>,
    /// `external`: directories, the last one first.
    pub externals: Vec<Vec<u8>>,
    /// `exclude`: names of directories at any depth.
    pub(crate) excludes: Vec<Vec<u8>>,
}

/// A word of a `search` line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Search {
    /// A directory below that of the kernel.
    Directory(Vec<u8>),
    /// `built-in`: all that are not listed.
    BuiltIn,
    /// `external`: the directories of the `external` lines.
    External,
}

impl Config {
    /// Reads files, each with its name, in the order in which they apply. `kernel` is the kernel's version.
    #[must_use]
    pub fn read(files: &[(Vec<u8>, Vec<u8>)], kernel: &[u8], log: &mut Log) -> Self {
        let mut config = Self::default();
        for (name, text) in files {
            for (number, line) in lines(text) {
                config.line(name, number, &line, kernel, log);
            }
        }
        for list in [&mut config.overrides, &mut config.externals] {
            list.reverse();
        }
        config.searches.reverse();
        if config.searches.is_empty() {
            config.searches.push(Search::Directory(b"updates".to_vec()));
        }
        config
    }

    fn line(&mut self, file: &[u8], number: u32, line: &[u8], kernel: &[u8], log: &mut Log) {
        if line.first().is_none_or(|b| *b == b'#') {
            return;
        }
        let mut words = line.split(|b| matches!(b, b' ' | b'\t')).filter(|word| !word.is_empty());
        let Some(command) = words.next() else { return };
        let rest: Vec<&[u8]> = words.collect();
        let place = [file, format!(":{number}: ").as_bytes()].concat();
        match (command, &rest[..]) {
            (b"search", directories) => {
                let search = |word: &&[u8]| match *word {
                    b"built-in" => Search::BuiltIn,
                    b"external" => Search::External,
                    directory => Search::Directory(directory.to_vec()),
                };
                self.searches.extend(directories.iter().map(search));
            }
            (b"override", [module, version, directory, ..]) => match is_kernel(version, kernel) {
                true => self.overrides.push([*directory, b"/", module].concat()),
                false => log.add(Level::Info, &[&place, b"override kernel did not match ", version]),
            },
            (b"external", [version, directory, ..]) => match is_kernel(version, kernel) {
                true => self.externals.push(directory.to_vec()),
                false => log.add(Level::Info, &[&place, b"external directory did not match ", version]),
            },
            (b"exclude", names) => self.excludes.extend(names.iter().map(|name| name.to_vec())),
            (b"include" | b"make_map_files", _) => {
                log.add(Level::Info, &[&place, b"command ", command, b" not implemented yet"]);
            }
            _ => log.error(&[&place, b"ignoring bad line starting with '", command, b"'"]),
        }
    }
}

/// The lines of a file, each with the number of its last physical line. A backslash at the end of a line continues it;
/// one before another character stands for that.
fn lines(text: &[u8]) -> Vec<(u32, Vec<u8>)> {
    let (mut lines, mut line, mut number) = (Vec::new(), Vec::new(), 0);
    let mut bytes = text.iter();
    loop {
        match bytes.next() {
            Some(b'\n') => {
                number += 1;
                lines.push((number, std::mem::take(&mut line)));
            }
            Some(b'\\') => match bytes.next() {
                Some(b'\n') => number += 1,
                Some(b) => line.push(*b),
                None => {}
            },
            Some(b) => line.push(*b),
            None if line.is_empty() => return lines,
            None => {
                number += 1;
                lines.push((number, std::mem::take(&mut line)));
            }
        }
    }
}

/// True if the pattern of an `override` or `external` line matches this version: `*`, or an extended regular expression
/// that may match any part of it.
fn is_kernel(pattern: &[u8], kernel: &[u8]) -> bool {
    if pattern == b"*" {
        return true;
    }
    let Ok(pattern) = std::str::from_utf8(pattern) else { return false };
    let regex = RegexBuilder::new(pattern).unicode(false).size_limit(limits::PATTERN).build();
    regex.is_ok_and(|regex| regex.is_match(kernel))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_as_kmod_does() {
        let text = b"# comment\nsearch a \\\n built-in\texternal\n\noverride m 6.* extra\noverride n ^5 extra\n\
            external * /opt\nexclude x y\nfoo bar\noverride a b\n  # no comment\nmake_map_files no\nsea\\rch z";
        let mut log = Log::new(2);
        let config = Config::read(&[(b"/f.conf".to_vec(), text.to_vec())], b"6.1.0", &mut log);
        let directory = |name: &[u8]| Search::Directory(name.to_vec());
        assert_eq!(config.searches, [directory(b"z"), Search::External, Search::BuiltIn, directory(b"a")]);
        assert_eq!(config.overrides, [b"extra/m"]);
        assert_eq!(
            (&config.externals[..], &config.excludes[..]),
            (&[b"/opt".to_vec()][..], &[b"x", b"y"].map(|n| n.to_vec())[..])
        );
        let texts: Vec<_> = log.take().into_iter().map(|(_, text)| String::from_utf8(text).unwrap()).collect();
        let bad = "ignoring bad line starting with";
        assert_eq!(
            texts,
            [
                "/f.conf:6: override kernel did not match ^5".to_owned(),
                format!("/f.conf:9: {bad} 'foo'"),
                format!("/f.conf:10: {bad} 'override'"),
                format!("/f.conf:11: {bad} '#'"),
                "/f.conf:12: command make_map_files not implemented yet".to_owned(),
            ]
        );
        assert_eq!(Config::read(&[], b"", &mut log).searches, [directory(b"updates")]);
    }
}
