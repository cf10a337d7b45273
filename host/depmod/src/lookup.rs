//! From a name to modules, by the binary indices.

use crate::trie::{CHILDREN, END, MAGIC, PLACE, PREFIX, VALUES, VERSION};
use crate::{PATH_MAX, module_name, normalized};
use relobox_core::limits;
use relobox_modprobe::glob::matches;

/// The indices of a kernel. One that does not exist is empty.
#[derive(Clone, Copy, Debug, Default)]
pub struct Indices<'a> {
    /// modules.dep.bin.
    pub dependencies: &'a [u8],
    /// modules.symbols.bin.
    pub symbols: &'a [u8],
    /// modules.alias.bin.
    pub aliases: &'a [u8],
    /// modules.builtin.bin.
    pub built_in: &'a [u8],
    /// modules.builtin.alias.bin.
    pub built_in_aliases: &'a [u8],
}

/// A module that a name stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its name.
    pub name: Vec<u8>,
    /// Its file, as in modules.dep. `None` if it is not there.
    pub path: Option<Vec<u8>>,
    /// True if it is built into the kernel.
    pub built_in: bool,
}

impl Indices<'_> {
    /// The modules that an alias, a name or a symbol stands for. `None` if it is no proper alias.
    #[must_use]
    pub fn by_alias(&self, alias: &[u8]) -> Option<Vec<Found>> {
        let alias = normalized(alias)?;
        let listed = self.listed(&alias);
        if !listed.is_empty() {
            return Some(listed);
        }
        let is_symbol = alias.starts_with(b"symbol:");
        let in_symbols = if is_symbol { all(self.symbols, &alias) } else { Vec::new() };
        if !in_symbols.is_empty() {
            return Some(in_symbols.iter().map(|name| self.found(name)).collect());
        }
        let by_alias = all(self.aliases, &alias);
        if !by_alias.is_empty() {
            return Some(by_alias.iter().map(|name| self.found(name)).collect());
        }
        Some(self.in_kernel(&alias))
    }

    /// The modules that a name stands for, which is not an alias of a module.
    #[must_use]
    pub fn by_name(&self, name: &[u8]) -> Vec<Found> {
        let name: Vec<u8> = name
            .iter()
            .take_while(|b| **b != b'.')
            .map(|b| if *b == b'-' { b'_' } else { *b })
            .take(PATH_MAX - 1)
            .collect();
        let mut found = self.listed(&name);
        if found.is_empty() {
            found = self.in_kernel(&name);
        }
        found.truncate(1);
        found
    }

    fn listed(&self, name: &[u8]) -> Vec<Found> {
        let is = !name.contains(&b':') && one(self.dependencies, name).is_some();
        if is { vec![self.found(name)] } else { Vec::new() }
    }

    fn in_kernel(&self, name: &[u8]) -> Vec<Found> {
        let built_in = |name: Vec<u8>| Found { path: self.path(&name), name, built_in: true };
        if one(self.built_in, name).is_some() {
            return vec![built_in(module_name(name))];
        }
        all(self.built_in_aliases, name).into_iter().map(|name| built_in(module_name(&name))).collect()
    }

    fn found(&self, name: &[u8]) -> Found {
        let name = module_name(name);
        Found { path: self.path(&name), built_in: one(self.built_in, &name).is_some(), name }
    }

    /// The file of a module.
    fn path(&self, name: &[u8]) -> Option<Vec<u8>> {
        let line = one(self.dependencies, name)?;
        Some(line.split(|b| *b == b':').next().unwrap_or_default().to_vec())
    }
}

/// A node of an index.
struct Node<'a> {
    index: &'a [u8],
    prefix: &'a [u8],
    first: u8,
    children: &'a [[u8; 4]],
    values: Vec<(u32, &'a [u8])>,
}

impl<'a> Node<'a> {
    fn root(index: &'a [u8]) -> Option<Self> {
        let (words, _) = index.get(..12)?.as_chunks::<4>();
        let [magic, version, root] = words else { return None };
        let same = u32::from_be_bytes(*magic) == MAGIC && u32::from_be_bytes(*version) >> 16 == VERSION >> 16;
        if same { Self::at(index, *root) } else { None }
    }

    fn at(index: &'a [u8], place: [u8; 4]) -> Option<Self> {
        let place = u32::from_be_bytes(place);
        let mut rest = index.get((place & PLACE) as usize..).filter(|_| place & PLACE != 0)?;
        let mut node = Self { index, prefix: &[], first: END, children: &[], values: Vec::new() };
        if place & PREFIX != 0 {
            node.prefix = text(&mut rest)?;
        }
        if place & CHILDREN != 0 {
            let [first, last, after @ ..] = rest else { return None };
            if first > last || *last >= END {
                return None;
            }
            let (children, after) = after.split_at_checked(4 * (usize::from(last - first) + 1))?;
            (node.first, node.children, rest) = (*first, children.as_chunks().0, after);
        }
        if place & VALUES != 0 {
            for _ in 0..word(&mut rest)? {
                node.values.push((word(&mut rest)?, text(&mut rest)?));
            }
        }
        Some(node)
    }

    fn child(&self, b: u8) -> Option<Self> {
        let place = self.children.get(usize::from(b.checked_sub(self.first)?))?;
        Self::at(self.index, *place)
    }
}

fn word(rest: &mut &[u8]) -> Option<u32> {
    let (word, after) = rest.split_first_chunk::<4>()?;
    *rest = after;
    Some(u32::from_be_bytes(*word))
}

fn text<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let len = rest.iter().position(|b| *b == 0)?;
    let (text, after) = rest.split_at(len);
    *rest = &after[1..];
    Some(text)
}

/// The first value of a key.
fn one<'a>(index: &'a [u8], key: &[u8]) -> Option<&'a [u8]> {
    let (mut node, mut key) = (Node::root(index)?, key);
    loop {
        key = key.strip_prefix(node.prefix)?;
        let Some((b, rest)) = key.split_first() else { return node.values.first().map(|(_, value)| *value) };
        node = node.child(*b)?;
        key = rest;
    }
}

/// The values of all keys that match a name: a key may be a pattern. They are in the order of their priorities.
fn all(index: &[u8], name: &[u8]) -> Vec<Vec<u8>> {
    let Some(mut node) = Node::root(index) else { return Vec::new() };
    let mut search = Search { rest: name, found: Vec::new(), steps: 0 };
    loop {
        // Up to the first character of a pattern, a key is compared as it is.
        let plain = node.prefix.iter().position(|b| is_pattern(*b)).unwrap_or(node.prefix.len());
        let Some(rest) = search.rest.strip_prefix(&node.prefix[..plain]) else { break };
        search.rest = rest;
        if plain < node.prefix.len() {
            search.below(&node, plain, &mut Vec::new());
            break;
        }
        for b in *b"*?[" {
            if let Some(child) = node.child(b) {
                search.below(&child, 0, &mut vec![b]);
            }
        }
        let Some((b, rest)) = search.rest.split_first() else {
            search.add(&node);
            break;
        };
        let Some(child) = node.child(*b) else { break };
        (node, search.rest) = (child, rest);
    }
    search.found.into_iter().map(|(_, value)| value.to_vec()).collect()
}

fn is_pattern(b: u8) -> bool {
    matches!(b, b'*' | b'?' | b'[')
}

/// The search for a name.
struct Search<'a, 'n> {
    /// What of the name is not compared yet.
    rest: &'n [u8],
    found: Vec<(u32, &'a [u8])>,
    steps: usize,
}

impl<'a> Search<'a, '_> {
    fn add(&mut self, node: &Node<'a>) {
        for (priority, value) in &node.values {
            let at = self.found.iter().position(|(known, _)| known >= priority).unwrap_or(self.found.len());
            self.found.insert(at, (*priority, value));
        }
    }

    /// Compares the rest of the name with all keys of a node and those below. `key` has what comes before the node,
    /// from the pattern on; of the node's own prefix, the first `skipped` bytes do not count.
    fn below(&mut self, node: &Node<'a>, skipped: usize, key: &mut Vec<u8>) {
        self.steps += 1;
        if self.steps > limits::LOOKUP_STEPS || key.len() > PATH_MAX {
            return;
        }
        let len = key.len();
        key.extend(&node.prefix[skipped..]);
        for i in 0..node.children.len() {
            let b = node.first.saturating_add(i as u8);
            if let Some(child) = node.child(b) {
                key.push(b);
                self.below(&child, 0, key);
                key.pop();
            }
        }
        if !node.values.is_empty() && matches(&String::from_utf8_lossy(key), &String::from_utf8_lossy(self.rest)) {
            self.add(node);
        }
        key.truncate(len);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trie::Trie;

    fn index(entries: &[(&str, &str)]) -> Vec<u8> {
        let mut trie = Trie::default();
        for (i, (key, value)) in (0..).zip(entries) {
            trie.insert(*key, value.as_bytes(), i).unwrap();
        }
        trie.bytes()
    }

    #[test]
    fn names_and_patterns_are_found() {
        let dependencies = index(&[("a_b", "kernel/a-b.ko: kernel/c.ko"), ("c", "kernel/c.ko:")]);
        let symbols = index(&[("symbol:x", "c")]);
        let aliases = index(&[("pci:v1*", "c"), ("pci:v1d?e", "a_b"), ("pci:v[0-9]d2e", "b1"), ("fs_q", "c")]);
        let (built_in, built_in_aliases) = (index(&[("b1", "")]), index(&[("virt*", "b1")]));
        let indices = Indices {
            dependencies: &dependencies,
            symbols: &symbols,
            aliases: &aliases,
            built_in: &built_in,
            built_in_aliases: &built_in_aliases,
        };
        let names = |alias: &str| -> Vec<String> {
            let found = indices.by_alias(alias.as_bytes()).unwrap();
            found.into_iter().map(|found| String::from_utf8(found.name).unwrap()).collect()
        };
        assert_eq!(names("a-b"), ["a_b"]);
        assert_eq!(names("symbol:x"), ["c"]);
        assert_eq!(names("pci:v1d2e"), ["c", "a_b", "b1"]);
        assert_eq!(names("fs-q"), ["c"]);
        assert_eq!((names("virtio"), names("nothing")), (vec!["b1".to_owned()], vec![]));
        assert_eq!(indices.by_name(b"a-b")[0].path.as_deref(), Some(&b"kernel/a-b.ko"[..]));
        assert!(indices.by_name(b"b1")[0].built_in && indices.by_name(b"fs_q").is_empty());
        assert_eq!(indices.by_alias(b"a["), None);
        // Damage ends a search, and is no panic.
        for cut in 0..aliases.len() {
            let _ = Indices { aliases: &aliases[..cut], ..indices }.by_alias(b"pci:v1d2e");
        }
        let mut looped = aliases.clone();
        let root = looped[8..12].to_vec();
        for at in (12..looped.len() - 4).step_by(3) {
            looped[at..at + 4].copy_from_slice(&root);
        }
        let _ = Indices { aliases: &looped, ..indices }.by_alias(b"pci:v1d2e");
    }
}
