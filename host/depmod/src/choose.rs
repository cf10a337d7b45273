//! Which files are in the indices, and in which order.

use crate::config::{Config, Search};
use crate::log::Log;
use crate::table::Table;
use crate::{PATH_MAX, base_name, module_name};
use std::collections::HashMap;

/// A module of the indices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Module {
    /// The number of its file in the listing.
    pub file: usize,
    /// Its path.
    pub path: Vec<u8>,
    /// Its name.
    pub name: Vec<u8>,
    /// Where the path below the kernel's directory begins, if it lies there.
    relative: usize,
}

impl Module {
    /// The path as it stands in modules.dep.
    #[must_use]
    pub fn shown(&self) -> &[u8] {
        &self.path[self.relative..]
    }

    /// The path below the kernel's directory, as modules.order has it: it ends after `.ko`. `None` if it lies
    /// elsewhere.
    fn ordered(&self) -> Option<&[u8]> {
        let path = self.shown();
        let name = path.len() - base_name(path).len();
        (self.relative != 0).then(|| &path[..path.len().min(name + self.name.len() + b".ko".len())])
    }
}

/// A tree of modules, and who has precedence in it.
pub struct Tree<'a> {
    /// The configuration.
    pub config: &'a Config,
    /// The kernel's directory.
    pub directory: &'a [u8],
}

impl Tree<'_> {
    /// Chooses one of `files` for each name of a module. `given` says that they are those of the command line, where no
    /// name may occur twice. Without `order`, which is modules.order, they are in kmod's own order.
    ///
    /// # Errors
    /// The fatal message if a name occurs twice.
    pub fn choose(
        &self,
        files: &[Vec<u8>],
        given: bool,
        order: Option<&[u8]>,
        log: &mut Log,
    ) -> Result<Vec<Module>, Vec<u8>> {
        let mut chosen: HashMap<Vec<u8>, Module> = HashMap::new();
        for (file, path) in files.iter().enumerate() {
            if !given && self.is_excluded(path) {
                continue;
            }
            let name = module_name(path);
            match chosen.get(&name) {
                Some(other) if given && other.path == *path => {
                    log.error(&[b"hash_add_unique ", &name, b": File exists"]);
                    return Err([b"could not add module ", &path[..], b": File exists"].concat());
                }
                Some(other) if given => {
                    let (new, old) = ([b" new-path='", &path[..], b"'"].concat(), &other.path);
                    let text = b"' already exists with different path:";
                    log.error(&[b"kmod_module '", &name, text, &new, b" old-path='", old, b"'"]);
                    return Err([b"could not create module ", &path[..], b": File exists"].concat());
                }
                Some(other) if self.stays(&other.path, path, &name) => continue,
                _ => {}
            }
            let relative = if self.is_below(path) { self.directory.len() + 1 } else { 0 };
            chosen.insert(name.clone(), Module { file, path: path.clone(), name, relative });
        }
        if chosen.len() >= usize::from(u16::MAX) {
            return Err(b"could not build module array: Numerical result out of range".to_vec());
        }
        let mut table = Table::new(512);
        for module in chosen.values() {
            table.insert(&module.name, module);
        }
        let mut modules: Vec<Module> = table.iter().map(|(_, module)| (*module).clone()).collect();
        if let Some(order) = order {
            self.sort(&mut modules, order, log);
        }
        Ok(modules)
    }

    fn is_below(&self, path: &[u8]) -> bool {
        path.strip_prefix(self.directory).is_some_and(|rest| rest.starts_with(b"/"))
    }

    fn is_excluded(&self, path: &[u8]) -> bool {
        let externals = || self.config.externals.iter().map(Vec::as_slice);
        let below = std::iter::once(self.directory).chain(externals()).find_map(|root| path.strip_prefix(root));
        let mut parts = below.unwrap_or(path).split(|b| *b == b'/');
        parts.any(|part| self.config.excludes.iter().any(|name| name == part))
    }

    /// Whether the file that was found first stays in the indices, and a later one of the same name does not come in.
    fn stays(&self, old: &[u8], new: &[u8], name: &[u8]) -> bool {
        // Only the path up to the end of the module's name counts.
        let until_name = |path: &'_ [u8]| path.len() - base_name(path).len() + name.len();
        let (old, new) = (&old[..until_name(old).min(old.len())], &new[..until_name(new).min(new.len())]);
        let relative = |path: &'_ [u8]| path.starts_with(self.directory).then_some(self.directory.len() + 1);
        let [old_below, new_below] = [old, new].map(|path| relative(path).and_then(|start| path.get(start..)));
        for chosen in &self.config.overrides {
            if new_below == Some(&chosen[..]) {
                return false;
            }
            if old_below == Some(&chosen[..]) {
                return true;
            }
        }
        let starts = |path: &[u8], directory: &[u8]| path.strip_prefix(directory).is_some_and(|r| r.starts_with(b"/"));
        let (mut rank, mut built_in, mut old_rank, mut new_rank) = (0, None, None, None);
        for search in &self.config.searches {
            match search {
                Search::BuiltIn => built_in = Some(rank),
                Search::External => {
                    for directory in &self.config.externals {
                        if starts(new, directory) {
                            new_rank = Some(rank);
                        }
                        if starts(old, directory) {
                            old_rank = Some(rank);
                        }
                        rank += 1;
                    }
                }
                Search::Directory(directory) if new_below.is_some_and(|path| starts(path, directory)) => {
                    new_rank = Some(rank);
                }
                Search::Directory(directory) if old_below.is_some_and(|path| starts(path, directory)) => {
                    old_rank = Some(rank);
                }
                Search::Directory(_) => {}
            }
            rank += 1;
        }
        new_rank.or(built_in) <= old_rank.or(built_in)
    }

    /// Sorts modules by modules.order. Those that it does not list come last.
    fn sort(&self, modules: &mut [Module], order: &[u8], log: &mut Log) {
        let mut rank: HashMap<Vec<u8>, usize> = HashMap::new();
        for (i, line) in order.split_inclusive(|b| *b == b'\n').enumerate() {
            let Some(path) = line.strip_suffix(b"\n").filter(|_| line.len() < PATH_MAX) else {
                let place = [self.directory, format!("/modules.order:{} ", i + 1).as_bytes()].concat();
                log.error(&[&place, b"corrupted line misses '\\n'"]);
                return;
            };
            rank.entry(path.to_vec()).or_insert(i);
        }
        modules.sort_by_cached_key(|m| m.ordered().and_then(|path| rank.get(path)).copied().unwrap_or(usize::MAX));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(config: &str, files: &[&str], order: Option<&str>) -> Vec<String> {
        let mut log = Log::new(0);
        let config = Config::read(&[(b"x.conf".to_vec(), config.into())], b"6.1", &mut log);
        let tree = Tree { config: &config, directory: b"/lib/modules/6.1" };
        let files: Vec<_> = files.iter().map(|file| file.as_bytes().to_vec()).collect();
        let modules = tree.choose(&files, false, order.map(str::as_bytes), &mut log).unwrap();
        assert!(log.take().is_empty());
        modules.iter().map(|module| String::from_utf8(module.shown().to_vec()).unwrap()).collect()
    }

    #[test]
    fn precedence_is_depmods() {
        let files = ["/lib/modules/6.1/kernel/a-b.ko.xz", "/lib/modules/6.1/updates/a-b.ko", "/opt/a-b.ko"];
        assert_eq!(chosen("", &files, None), ["updates/a-b.ko"]);
        assert_eq!(chosen("search built-in updates", &files, None), ["kernel/a-b.ko.xz"]);
        assert_eq!(chosen("override a-b * kernel", &files, None), ["kernel/a-b.ko.xz"]);
        assert_eq!(chosen("search external updates\nexternal * /opt", &files, None), ["/opt/a-b.ko"]);
        assert_eq!(chosen("search updates built-in external\nexternal * /opt", &files, None), ["updates/a-b.ko"]);
        assert_eq!(chosen("exclude updates", &files[..2], None), ["kernel/a-b.ko.xz"]);
        // A directory is not the beginning of another's name.
        let files = ["/lib/modules/6.1/foo/m.ko", "/lib/modules/6.1/foobar/m.ko"];
        assert_eq!(chosen("search foobar foo built-in", &files, None), ["foobar/m.ko"]);
        assert_eq!(chosen("search foo foobar built-in", &files, None), ["foo/m.ko"]);
    }

    #[test]
    fn the_order_is_that_of_the_file() {
        let files = ["x", "y", "z"].map(|name| format!("/lib/modules/6.1/kernel/{name}-1.ko.zst"));
        let files = files.each_ref().map(String::as_str);
        let order = "kernel/z-1.ko\nkernel/none.ko\nkernel/x-1.ko\nkernel/z-1.ko\n";
        let expected = ["kernel/z-1.ko.zst", "kernel/x-1.ko.zst", "kernel/y-1.ko.zst"];
        assert_eq!(chosen("", &files, Some(order)), expected);
    }

    #[test]
    fn a_name_is_given_once() {
        let config = Config::default();
        let tree = Tree { config: &config, directory: b"/lib/modules/6.1" };
        let mut log = Log::new(0);
        let mut given = |files: [&[u8]; 2]| tree.choose(&files.map(<[u8]>::to_vec), true, None, &mut log).unwrap_err();
        assert_eq!(given([b"/a/x.ko", b"/b/x.ko"]), b"could not create module /b/x.ko: File exists");
        assert_eq!(given([b"/a/x.ko", b"/a/x.ko"]), b"could not add module /a/x.ko: File exists");
    }
}
