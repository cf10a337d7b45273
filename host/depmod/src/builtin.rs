//! The indices of what is built into the kernel, and its modinfo.

use crate::log::Log;
use crate::trie::{NotAscii, Trie};
use crate::{PATH_MAX, module_name, normalized};

/// Makes modules.builtin.bin of modules.builtin.
pub(crate) fn names(text: &[u8], log: &mut Log) -> Result<Vec<u8>, NotAscii> {
    let mut trie = Trie::default();
    for line in text.split_inclusive(|b| *b == b'\n').flat_map(|line| line.chunks(PATH_MAX - 1)) {
        if !line[0].is_ascii_alphabetic() {
            log.error(&[b"Invalid modules.builtin line: ", line]);
            continue;
        }
        trie.insert(module_name(line), &b""[..], 0)?;
    }
    Ok(trie.bytes())
}

/// Makes modules.builtin.alias.bin of modules.builtin.modinfo.
pub(crate) fn aliases(text: &[u8], log: &mut Log) -> Result<Vec<u8>, NotAscii> {
    let mut trie = Trie::default();
    let mut rest = text;
    while !rest.is_empty() {
        let module = until(&mut rest, b'.');
        if module.is_empty() {
            continue;
        }
        if until(&mut rest, b'=') != b"alias" {
            until(&mut rest, 0);
            continue;
        }
        let value = until(&mut rest, 0);
        if value.is_empty() {
            continue;
        }
        match normalized(value) {
            Some(alias) => trie.insert(alias, module, 0)?,
            None => log.warning(&[b"Unmatched bracket in ", value]),
        }
    }
    Ok(trie.bytes())
}

/// Takes the text before `end`. It is empty if a NUL or the end of all comes first; they are taken as well.
fn until<'a>(rest: &mut &'a [u8], end: u8) -> &'a [u8] {
    let len = rest.iter().position(|b| *b == end || *b == 0);
    let found = &rest[..len.unwrap_or(rest.len())];
    let is_end = len.is_some_and(|len| rest[len] == end);
    *rest = &rest[len.map_or(rest.len(), |len| len + 1)..];
    if is_end { found } else { &[] }
}

/// The entries of modules.builtin.modinfo about a module, as key and value. They stand together.
///
/// # Errors
/// If an entry before their end has no module: kmod reads no further.
pub fn modinfo<'a>(text: &'a [u8], module: &[u8]) -> Result<Vec<(&'a [u8], &'a [u8])>, NoModule> {
    let mut found = Vec::new();
    for entry in text.split_inclusive(|b| *b == 0) {
        let Some(entry) = entry.strip_suffix(b"\0") else { break };
        let dot = entry.iter().position(|b| *b == b'.').ok_or(NoModule)?;
        match entry.strip_prefix(module).and_then(|rest| rest.strip_prefix(b".")) {
            // The name itself may have a dot.
            Some(_) => found.push(crate::modinfo::pair(&entry[dot + 1..])),
            None if found.is_empty() => {}
            None => break,
        }
    }
    Ok(found)
}

/// An entry of modules.builtin.modinfo has no module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoModule;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_read() {
        let text = b"a.alias=x-1\0a.license=GPL\0b.alias=y[\0.alias=z\0b.parm\0b.alias=v";
        let mut log = Log::new(0);
        let made = aliases(text, &mut log).unwrap();
        let mut expected = Trie::default();
        expected.insert("x_1", &b"a"[..], 0).unwrap();
        assert_eq!(made, expected.bytes());
        assert_eq!(log.take().len(), 1);
        assert_eq!(modinfo(text, b"a").unwrap(), [(&b"alias"[..], &b"x-1"[..]), (b"license", b"GPL")]);
        assert_eq!(modinfo(b"x\0", b"a"), Err(NoModule));
        assert_eq!(names(b"kernel/a-b.ko\n7\nkernel/c.ko\n", &mut log).unwrap().len(), 12 + 2 + 12 + 12 + 9);
    }
}
