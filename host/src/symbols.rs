//! Who defines what: System.map, /proc/kallsyms, Module.symvers, loaded modules.

use crate::error::{Error, Result};
use crate::limits;
use cap_std::ambient_authority;
use cap_std::fs::File;
use std::collections::HashMap;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

/// One definition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Definition {
    /// Its address, where it is known.
    pub address: Option<u64>,
    /// The CRC of its type, where it is known.
    pub crc: Option<u32>,
    /// The module that defines it; `None` for the kernel.
    pub owner: Option<Arc<str>>,
    /// For GPL-compatible modules only.
    pub gpl: bool,
    /// Its namespace, or empty.
    pub namespace: Arc<str>,
    /// Known to be exported. A kallsyms line does not say; other sources do.
    pub exported: bool,
}

/// Definitions by name.
#[derive(Clone, Debug, Default)]
pub struct Symbols {
    by_name: HashMap<Box<[u8]>, Definition>,
    kernel: bool,
}

impl Symbols {
    /// None.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether a file said what the kernel defines: then a name that is not here is not defined.
    #[must_use]
    pub fn know_kernel(&self) -> bool {
        self.kernel
    }

    /// Reads a file of any of the three formats; with `wanted`, only the names that it accepts.
    pub fn read_file(&mut self, path: &Path, wanted: impl Fn(&[u8]) -> bool) -> Result<()> {
        let file = File::open_ambient(path, ambient_authority()).map_err(Error::io(path))?;
        let mut text = Vec::new();
        // /proc/kallsyms has no length to ask for.
        file.take(limits::SYMBOLS + 1).read_to_end(&mut text).map_err(Error::io(path))?;
        if text.len() as u64 > limits::SYMBOLS {
            return Err(Error::Usage(format!("{}: more than {} bytes of symbols", path.display(), limits::SYMBOLS)));
        }
        self.read(&text, wanted).map_err(|line| {
            let hint = "neither 'ADDRESS TYPE NAME [module]' nor 'CRC NAME MODULE EXPORT NAMESPACE'";
            Error::Usage(format!("{}:{line}: {hint}", path.display()))
        })
    }

    /// The same for text. `Err` is the number of the first line that is of no known format.
    pub fn read(&mut self, text: &[u8], wanted: impl Fn(&[u8]) -> bool) -> Result<(), usize> {
        self.kernel = true;
        for (number, line) in text.split(|b| *b == b'\n').enumerate() {
            if line.is_empty() {
                continue;
            }
            let good = if line.starts_with(b"0x") && line.contains(&b'\t') {
                self.symvers_line(line, &wanted)
            } else {
                self.kallsyms_line(line, &wanted)
            };
            good.ok_or(number + 1)?;
        }
        Ok(())
    }

    /// `ADDR TYPE NAME [module]`; the address may be all zeros where the kernel hides it.
    fn kallsyms_line(&mut self, line: &[u8], wanted: &impl Fn(&[u8]) -> bool) -> Option<()> {
        let space = line.iter().position(|b| *b == b' ')?;
        let address = hex(&line[..space])?;
        if line.get(space + 2) != Some(&b' ') {
            return None;
        }
        let kind = line[space + 1];
        let rest = &line[space + 3..];
        let end = rest.iter().position(|b| matches!(b, b'\t' | b' ')).unwrap_or(rest.len());
        let name = &rest[..end];
        // Per-CPU offsets and absolute symbols stay: modules refer to both.
        if name.is_empty() || matches!(kind, b'U' | b'w' | b'v') && address == 0 {
            return Some(());
        }
        if !wanted(name) {
            return Some(());
        }
        let owner = rest[end..].iter().position(|b| *b == b'[').map(|i| {
            let owner = &rest[end + i + 1..];
            let close = owner.iter().position(|b| *b == b']').unwrap_or(owner.len());
            Arc::from(String::from_utf8_lossy(&owner[..close]).as_ref())
        });
        // A global symbol beats a local one of the same name; the first of equals wins, as in the kernel.
        let global = kind.is_ascii_uppercase();
        let entry = self.by_name.entry(name.into()).or_default();
        if entry.address.is_none() || (global && !entry.exported) {
            entry.address = Some(address);
            entry.owner = owner.or(entry.owner.take());
            entry.exported |= global;
        }
        Some(())
    }

    /// `CRC NAME MODULE EXPORT_KIND NAMESPACE`, separated by tabs; the last may be missing or empty.
    fn symvers_line(&mut self, line: &[u8], wanted: &impl Fn(&[u8]) -> bool) -> Option<()> {
        let mut fields = line.split(|b| *b == b'\t');
        let crc = hex(fields.next()?.strip_prefix(b"0x")?)? as u32;
        let (name, module, kind) = (fields.next()?, fields.next()?, fields.next()?);
        let namespace = fields.next().unwrap_or_default();
        if !wanted(name) {
            return Some(());
        }
        let text = |b: &[u8]| Arc::from(String::from_utf8_lossy(b).as_ref());
        let entry = self.by_name.entry(name.into()).or_default();
        // A CRC of 0 means that it could not be computed.
        entry.crc = (crc != 0).then_some(crc);
        if module != b"vmlinux" && entry.owner.is_none() {
            let base = module.rsplit(|b| *b == b'/').next().unwrap_or(module);
            entry.owner = Some(text(base));
        }
        entry.gpl = kind.ends_with(b"_GPL");
        entry.namespace = text(namespace);
        entry.exported = true;
        Some(())
    }

    /// Adds or replaces a definition.
    pub fn define(&mut self, name: &[u8], definition: Definition) {
        self.by_name.insert(name.into(), definition);
    }

    /// A definition.
    #[must_use]
    pub fn get(&self, name: &[u8]) -> Option<&Definition> {
        self.by_name.get(name)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_name.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }
}

fn hex(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || digits.len() > 16 {
        return None;
    }
    digits.iter().try_fold(0u64, |n, b| Some(n << 4 | u64::from((*b as char).to_digit(16)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_formats() {
        let mut s = Symbols::new();
        s.read(b"ffffffff81000000 T _text\nffffffffc0000010 t helper\t[xfs]\n0000000000001000 A percpu_x\n", |_| true)
            .unwrap();
        s.read(b"0x12345678\t_text\tvmlinux\tEXPORT_SYMBOL_GPL\tNS\n0x1\tnew\tfs/xfs/xfs\tEXPORT_SYMBOL\t\n", |_| true)
            .unwrap();
        let text = s.get(b"_text").unwrap();
        assert_eq!((text.address, text.crc, text.gpl), (Some(0xffff_ffff_8100_0000), Some(0x1234_5678), true));
        assert_eq!(&*text.namespace, "NS");
        assert_eq!(s.get(b"helper").unwrap().owner.as_deref(), Some("xfs"));
        assert_eq!(s.get(b"new").unwrap().owner.as_deref(), Some("xfs"));
        assert_eq!(s.get(b"new").unwrap().address, None);
        assert_eq!(s.read(b"ffffffff81000000 T a\nrubbish\n", |_| true), Err(2));
    }
}
