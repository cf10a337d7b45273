//! The binary indices, which modprobe reads: a trie with compressed paths.
//!
//! A file begins with a magic number, a version and the place of the root. A node has, if the flags of its place say
//! so, the characters that all its keys have in common and a NUL; the range of its children's first characters and
//! their places; the number of its values, and each with its priority. Numbers are 32 bits, big-endian. Children follow
//! their parent. Sources: modules.dep.bin(5), and the files that depmod of kmod 34 writes.

use crate::log::{Level, Log};

/// The first word of a file.
pub(crate) const MAGIC: u32 = 0xb007_f457;
/// Version 2.1.
pub(crate) const VERSION: u32 = 0x0002_0001;
/// The flags of a node's place: what it has.
pub(crate) const PREFIX: u32 = 0x8000_0000;
pub(crate) const VALUES: u32 = 0x4000_0000;
pub(crate) const CHILDREN: u32 = 0x2000_0000;
/// The place itself.
pub(crate) const PLACE: u32 = 0x0fff_ffff;
/// The first character that no key may have.
pub(crate) const END: u8 = 0x80;

/// An index that is made. Values are ordered by priority, and the later of two comes first.
#[derive(Debug, Default)]
pub struct Trie<'a> {
    entries: Vec<Entry<'a>>,
}

#[derive(Debug)]
struct Entry<'a> {
    key: Vec<u8>,
    priority: u32,
    value: std::borrow::Cow<'a, [u8]>,
}

/// A key or a value has a byte that is not ASCII. The text is the one that was not accepted.
#[derive(Debug)]
pub struct NotAscii(Vec<u8>);

impl NotAscii {
    /// Adds the message to a log.
    pub fn report(&self, log: &mut Log) {
        let bad = self.0.iter().copied().find(|b| *b >= END).unwrap_or_default();
        let start = [&b"Module index: bad character '"[..], &[bad], format!("'=0x{bad:x}").as_bytes()].concat();
        log.add(Level::Fatal, &[&start, b" - only 7-bit ASCII is supported:\n", &self.0]);
    }
}

impl<'a> Trie<'a> {
    /// Adds a value.
    ///
    /// # Errors
    /// [`NotAscii`] if the key or the value is not ASCII.
    pub fn insert(
        &mut self,
        key: impl Into<Vec<u8>>,
        value: impl Into<std::borrow::Cow<'a, [u8]>>,
        priority: u32,
    ) -> Result<(), NotAscii> {
        let entry = Entry { key: key.into(), priority, value: value.into() };
        if let Some(bad) = [&entry.key[..], &entry.value].into_iter().find(|text| !text.is_ascii()) {
            return Err(NotAscii(bad.to_vec()));
        }
        self.entries.push(entry);
        Ok(())
    }

    /// For each entry in the order of insertion: whether an earlier one has the same key and value.
    pub fn duplicates(&self) -> impl Iterator<Item = bool> {
        let mut seen = std::collections::HashSet::new();
        self.entries.iter().map(move |entry| !seen.insert((&entry.key[..], &entry.value[..])))
    }

    /// The file.
    #[must_use]
    pub fn bytes(mut self) -> Vec<u8> {
        self.entries.reverse();
        self.entries.sort_by(|a, b| (&a.key, a.priority).cmp(&(&b.key, b.priority)));
        let mut out = Vec::new();
        for word in [MAGIC, VERSION, 12 | flags(&self.entries, 0, 0)] {
            out.extend(word.to_be_bytes());
        }
        node(&mut out, &self.entries, 0, 0);
        out
    }
}

/// Splits sorted entries, all of which have the first `end` bytes of their keys in common, into those that end there
/// and the others.
fn split<'e, 'a>(entries: &'e [Entry<'a>], end: usize) -> (&'e [Entry<'a>], &'e [Entry<'a>]) {
    entries.split_at(entries.iter().take_while(|entry| entry.key.len() == end).count())
}

/// How many bytes after the first `start` all keys have in common. The root has none.
fn common(entries: &[Entry<'_>], start: usize) -> usize {
    match entries {
        [first, .., last] => first.key[start..].iter().zip(&last.key[start..]).take_while(|(a, b)| a == b).count(),
        [one] => one.key.len() - start,
        [] => 0,
    }
}

fn flags(entries: &[Entry<'_>], start: usize, prefix: usize) -> u32 {
    let (values, below) = split(entries, start + prefix);
    let flag = |is, flag| if is { flag } else { 0 };
    flag(prefix != 0, PREFIX) | flag(!values.is_empty(), VALUES) | flag(!below.is_empty(), CHILDREN)
}

/// Writes the node of entries whose keys have the first `start` bytes in common and then `prefix` bytes of its own.
fn node(out: &mut Vec<u8>, entries: &[Entry<'_>], start: usize, prefix: usize) {
    let end = start + prefix;
    if prefix != 0 {
        out.extend(&entries[0].key[start..end]);
        out.push(0);
    }
    let (values, below) = split(entries, end);
    let places = out.len() + 2;
    let children: Vec<&[Entry<'_>]> = below.chunk_by(|a, b| a.key[end] == b.key[end]).collect();
    let [first, last] = [children.first(), children.last()].map(|child| child.map_or(0, |child| child[0].key[end]));
    if !children.is_empty() {
        out.extend([first, last]);
        out.resize(out.len() + 4 * (usize::from(last - first) + 1), 0);
    }
    if !values.is_empty() {
        out.extend((values.len() as u32).to_be_bytes());
        for entry in values {
            out.extend(entry.priority.to_be_bytes());
            out.extend(&*entry.value);
            out.push(0);
        }
    }
    for child in children {
        let prefix = common(child, end + 1);
        let place = out.len() as u32 & PLACE | flags(child, end + 1, prefix);
        let at = places + 4 * usize::from(child[0].key[end] - first);
        out[at..at + 4].copy_from_slice(&place.to_be_bytes());
        node(out, child, end + 1, prefix);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_has_the_form_of_the_page() {
        let mut trie = Trie::default();
        for (key, value, priority) in [("ab", "x", 2), ("abc", "y", 1), ("ab", "z", 2), ("ab", "w", 0)] {
            trie.insert(key, value.as_bytes(), priority).unwrap();
        }
        let mut expected = b"\xb0\x07\xf4\x57\0\x02\0\x01\x20\0\0\x0c".to_vec();
        // The root has one child, `a`, at 18.
        expected.extend(b"aa\xe0\0\0\x12");
        // Its keys go on with `b`; a child `c`, at 48; three values.
        expected.extend(b"b\0cc\x40\0\0\x30\0\0\0\x03\0\0\0\0w\0\0\0\0\x02z\0\0\0\0\x02x\0");
        expected.extend(b"\0\0\0\x01\0\0\0\x01y\0");
        assert_eq!(trie.duplicates().filter(|is| *is).count(), 0);
        assert_eq!(trie.bytes(), expected);
        assert_eq!(Trie::default().bytes(), b"\xb0\x07\xf4\x57\0\x02\0\x01\0\0\0\x0c");
        assert!(Trie::default().insert("\u{e9}", &b""[..], 0).is_err());
    }
}
