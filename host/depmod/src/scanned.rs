//! What depmod reads of a module: one linking process reads it from the file, another one makes the indices of it.
//!
//! Bytes come between them, since there are some hundred names for each of some thousand modules. The privileged
//! process passes them on, and does not look into them.

/// A symbol that a module exports or needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link<'a> {
    /// Its name.
    pub name: &'a [u8],
    /// Its CRC. `None` if it cannot be read.
    pub crc: Option<u32>,
    /// True if the module works without it.
    pub weak: bool,
}

/// What depmod reads of a module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scanned<'a> {
    /// The number of the error of kmod if its exports cannot be read; otherwise 0.
    pub error: u32,
    /// The symbols that it exports.
    pub exports: Vec<Link<'a>>,
    /// The symbols that it needs.
    pub imports: Vec<Link<'a>>,
    /// The values of `alias`, `softdep` and `weakdep` in its modinfo.
    pub texts: [Vec<&'a [u8]>; 3],
}

/// The keys of [`Scanned::texts`].
pub const TEXTS: [&[u8]; 3] = [b"alias", b"softdep", b"weakdep"];

const WEAK: u8 = 1;
const NO_CRC: u8 = 2;

impl<'a> Scanned<'a> {
    /// Appends the bytes of the module that has this number.
    pub fn write(&self, number: u32, out: &mut Vec<u8>) {
        let count = |out: &mut Vec<u8>, count: usize| out.extend((count as u32).to_le_bytes());
        count(out, number as usize);
        count(out, self.error as usize);
        for links in [&self.exports, &self.imports] {
            count(out, links.len());
            for link in links {
                count(out, link.name.len());
                out.extend(link.name);
                out.extend(link.crc.unwrap_or(0).to_le_bytes());
                out.push(if link.weak { WEAK } else { 0 } | if link.crc.is_none() { NO_CRC } else { 0 });
            }
        }
        for texts in &self.texts {
            count(out, texts.len());
            for text in texts {
                count(out, text.len());
                out.extend(*text);
            }
        }
    }

    /// Reads the next module from `bytes`, and its number. `None` if they are not of this form.
    pub fn read(bytes: &mut &'a [u8]) -> Option<(u32, Self)> {
        let (number, error) = (word(bytes)?, word(bytes)?);
        let mut links = || {
            let count = word(bytes)?;
            let one = |_| {
                let (name, crc, flags) = (text(bytes)?, word(bytes)?, take(bytes, 1)?[0]);
                Some(Link { name, crc: (flags & NO_CRC == 0).then_some(crc), weak: flags & WEAK != 0 })
            };
            (0..count).map(one).collect::<Option<Vec<_>>>()
        };
        let (exports, imports) = (links()?, links()?);
        let mut texts = || {
            let count = word(bytes)?;
            (0..count).map(|_| text(bytes)).collect::<Option<Vec<_>>>()
        };
        let texts = [texts()?, texts()?, texts()?];
        Some((number, Self { error, exports, imports, texts }))
    }
}

fn take<'a>(bytes: &mut &'a [u8], len: usize) -> Option<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(len)?;
    *bytes = rest;
    Some(taken)
}

fn word(bytes: &mut &[u8]) -> Option<u32> {
    take(bytes, 4)?.first_chunk().map(|word| u32::from_le_bytes(*word))
}

fn text<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let len = word(bytes)?;
    take(bytes, len as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_nothing_else() {
        let link = |name, crc, weak| Link { name, crc, weak };
        let module = Scanned {
            error: 22,
            exports: vec![link(b"a", Some(7), false), link(b"", None, false)],
            imports: vec![link(b"b", Some(0), true)],
            texts: [vec![b"x", b""], vec![], vec![b"yz"]],
        };
        let mut bytes = Vec::new();
        module.write(3, &mut bytes);
        Scanned::default().write(4, &mut bytes);
        let mut rest = &bytes[..];
        assert_eq!(Scanned::read(&mut rest), Some((3, module)));
        assert_eq!(Scanned::read(&mut rest), Some((4, Scanned::default())));
        assert!(rest.is_empty() && Scanned::read(&mut rest).is_none());
        for len in 0..bytes.len() - 28 {
            assert!(Scanned::read(&mut &bytes[..len]).is_none(), "{len}");
        }
    }
}
