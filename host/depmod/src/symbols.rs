//! The exporter of each symbol: a module, or the kernel itself by System.map or Module.symvers.

use crate::Options;
use crate::log::Log;
use crate::table::Table;

/// Bytes of a line beyond which kmod cuts it.
const LINE: usize = 10_240 - 1;

/// What is known of a symbol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Symbol {
    /// The number of the module that exports it. `None` if the kernel does.
    pub owner: Option<u32>,
    /// Its CRC. `None` if it cannot be read.
    pub crc: Option<u64>,
}

/// All symbols by name.
pub struct Symbols<'a> {
    table: Table<'a, Symbol>,
    prefix: Option<u8>,
}

impl<'a> Symbols<'a> {
    /// An empty table. `prefix` may precede a symbol.
    #[must_use]
    pub fn new(prefix: Option<u8>) -> Self {
        Self { table: Table::new(2048), prefix }
    }

    /// The table, in kmod's order.
    pub fn iter(&self) -> impl Iterator<Item = (&'a [u8], &Symbol)> {
        self.table.iter()
    }

    fn without_prefix<'n>(&self, name: &'n [u8]) -> &'n [u8] {
        match name {
            [first, rest @ ..] if Some(*first) == self.prefix => rest,
            name => name,
        }
    }

    /// Adds an export. The last one of a name counts.
    pub fn add(&mut self, name: &'a [u8], symbol: Symbol) {
        self.table.insert(self.without_prefix(name), symbol);
    }

    /// Finds an export. Before the name of a function, PowerPC may have a dot.
    #[must_use]
    pub fn find(&self, name: &[u8]) -> Option<&Symbol> {
        self.table.get(self.without_prefix(name.strip_prefix(b".").unwrap_or(name)))
    }

    fn add_kernel(&mut self, name: &'a [u8], crc: u64) {
        self.table.insert(name, Symbol { owner: None, crc: Some(crc) });
    }

    /// Adds what the kernel's loader itself defines.
    fn add_made_up(&mut self) {
        self.add_kernel(b"__this_module", 0);
        self.add_kernel(b"_GLOBAL_OFFSET_TABLE_", 0);
        if self.find(b"TOC.").is_none() {
            self.add_kernel(b"TOC.", 0);
        }
    }

    /// Reads the symbols of the kernel itself in Module.symvers: `0xb352177e find_first_bit vmlinux EXPORT_SYMBOL`.
    pub fn read_symvers(&mut self, file: &[u8], text: &'a [u8], log: &mut Log) {
        for (number, line) in (1..).zip(lines(text)) {
            let mut words = line.split(|b| matches!(b, b' ' | b'\t')).filter(|word| !word.is_empty());
            let [Some(version), Some(name), Some(b"vmlinux")] = [words.next(), words.next(), words.next()] else {
                continue;
            };
            match hexadecimal(version) {
                Some(crc) => self.add_kernel(self.without_prefix(name), crc),
                None => {
                    let place = [file, format!(":{number} Invalid symbol version ").as_bytes()].concat();
                    log.error(&[&place, version, b": Success"]);
                }
            }
        }
        self.add_made_up();
    }

    /// Reads the exports in System.map: `c0294200 R __ksymtab_devfs_alloc_devnum`.
    pub fn read_system_map(&mut self, file: &[u8], text: &'a [u8], log: &mut Log) {
        for (number, line) in (1..).zip(lines(text)) {
            let mut parts = line.splitn(3, |b| *b == b' ').skip(2);
            match parts.next() {
                Some(name) => {
                    if let Some(name) = self.without_prefix(name).strip_prefix(b"__ksymtab_") {
                        self.add_kernel(name.split(|b| *b == b'\n').next().unwrap_or_default(), 0);
                    }
                }
                None => log.error(&[file, format!(":{number}: invalid line: ").as_bytes(), line]),
            }
        }
        self.add_made_up();
    }
}

/// The lines of a text with their line breaks. A long one counts as several.
fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split_inclusive(|b| *b == b'\n').flat_map(|line| line.chunks(LINE))
}

/// A number as strtoull(3) reads all of it, in base 16.
fn hexadecimal(text: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(text).ok()?;
    let digits = text.strip_prefix("0x").or(text.strip_prefix("0X")).unwrap_or(text);
    digits.bytes().all(|b| b.is_ascii_hexdigit()).then(|| match u64::from_str_radix(digits, 16) {
        Ok(number) => number,
        Err(_) if digits.is_empty() => 0,
        Err(_) => u64::MAX,
    })
}

impl Options {
    /// An empty table for these options.
    #[must_use]
    pub fn symbols<'a>(&self) -> Symbols<'a> {
        Symbols::new(self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_own_symbols_are_read() {
        let mut log = Log::new(0);
        let mut symbols = Symbols::new(Some(b'_'));
        let text = b"0x10\t_a\tvmlinux\tEXPORT_SYMBOL\nzz b vmlinux X\n0x1 c mod\n\n0x2 d vmlinux";
        symbols.read_symvers(b"S", text, &mut log);
        assert_eq!(symbols.find(b"._a"), Some(&Symbol { owner: None, crc: Some(16) }));
        assert_eq!(symbols.find(b"d").and_then(|symbol| symbol.crc), Some(2));
        assert!(symbols.find(b"b").is_none() && symbols.find(b"c").is_none() && symbols.find(b"TOC.").is_some());
        let mut symbols = Symbols::new(None);
        symbols.read_system_map(b"M", b"c02 R __ksymtab_x\nbad\nc03 T y\n", &mut log);
        assert!(symbols.find(b"x").is_some() && symbols.find(b"y").is_none());
        let texts: Vec<_> = log.take().into_iter().map(|(_, text)| String::from_utf8(text).unwrap()).collect();
        assert_eq!(texts, ["S:2 Invalid symbol version zz: Success", "M:2: invalid line: bad\n"]);
    }
}
