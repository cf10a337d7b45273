//! A writer of relocatable files, for what no assembler writes.
#![allow(dead_code, reason = "each test uses a part of it")]

/// A file. Section 0 and symbol 0 are there already; `write` adds `.symtab`, `.strtab` and `.shstrtab`.
pub(crate) struct Elf {
    pub(crate) wide: bool,
    pub(crate) big: bool,
    pub(crate) machine: u16,
    pub(crate) sections: Vec<Section>,
    symbols: Vec<(String, u8, u16, u64)>,
}

/// A section; `link` to the symbol table where there is an `info`.
#[derive(Clone, Default)]
pub(crate) struct Section {
    pub(crate) name: &'static str,
    pub(crate) kind: u32,
    pub(crate) flags: u64,
    pub(crate) info: u32,
    pub(crate) entry: u64,
    pub(crate) data: Vec<u8>,
}

pub(crate) const REL: u32 = 9;
pub(crate) const RELA: u32 = 4;
pub(crate) const CREL: u32 = 0x4000_0014;

/// Allocated.
pub(crate) const ALLOC: u64 = 2;

/// All there are: 64 bits, big-endian.
pub(crate) const FORMS: [(bool, bool); 4] = [(true, false), (true, true), (false, false), (false, true)];

impl Elf {
    pub(crate) fn new(machine: u16, (wide, big): (bool, bool)) -> Self {
        Self { wide, big, machine, sections: vec![Section::default()], symbols: vec![(String::new(), 0, 0, 0)] }
    }

    /// Adds a section; its number.
    pub(crate) fn section(&mut self, section: Section) -> u32 {
        self.sections.push(section);
        self.sections.len() as u32 - 1
    }

    /// Adds a section of plain contents in memory; its number.
    pub(crate) fn plain(&mut self, name: &'static str, data: &[u8]) -> u32 {
        self.section(Section { name, kind: 1, flags: ALLOC, data: data.to_vec(), ..Section::default() })
    }

    /// Adds a symbol; `section` as in `st_shndx`. Its number.
    pub(crate) fn symbol(&mut self, name: &str, info: u8, section: u32, value: u64) -> u32 {
        self.symbols.push((name.to_owned(), info, section as u16, value));
        self.symbols.len() as u32 - 1
    }

    /// A number of `len` bytes.
    pub(crate) fn number(&self, value: u64, len: usize) -> Vec<u8> {
        if self.big { value.to_be_bytes()[8 - len..].to_vec() } else { value.to_le_bytes()[..len].to_vec() }
    }

    /// Bytes of an address.
    pub(crate) fn word(&self) -> usize {
        if self.wide { 8 } else { 4 }
    }

    /// Bytes of a relocation: offset, symbol, type, and an addend unless it is in place.
    pub(crate) fn relocation(&self, offset: u64, symbol: u32, kind: u32, addend: Option<i64>) -> Vec<u8> {
        let symbol = u64::from(symbol);
        let info = if self.wide { symbol << 32 | u64::from(kind) } else { symbol << 8 | u64::from(kind) };
        let mut out = [self.number(offset, self.word()), self.number(info, self.word())].concat();
        out.extend(addend.map(|a| self.number(a.cast_unsigned(), self.word())).unwrap_or_default());
        out
    }

    /// Adds a table of relocations of `info`; its number.
    pub(crate) fn table(&mut self, name: &'static str, kind: u32, info: u32, data: Vec<u8>) -> u32 {
        let entry = match kind {
            REL => 2 * self.word(),
            RELA => 3 * self.word(),
            _ => 0,
        } as u64;
        self.section(Section { name, kind, flags: 0x40, info, entry, data })
    }

    pub(crate) fn write(&self) -> Vec<u8> {
        let (mut strings, mut symbols) = (vec![0], Vec::new());
        for (name, info, section, value) in &self.symbols {
            let at = if name.is_empty() { 0 } else { strings.len() as u64 };
            if at != 0 {
                strings.extend([name.as_bytes(), &[0]].concat());
            }
            let (name, value, size) =
                (self.number(at, 4), self.number(*value, self.word()), self.number(0, self.word()));
            let (small, section) = (vec![*info, 0], self.number(u64::from(*section), 2));
            symbols.push(match self.wide {
                true => [name, small, section, value, size].concat(),
                false => [name, value, size, small, section].concat(),
            });
        }
        let symtab = self.sections.len() as u64;
        let mut all = self.sections.clone();
        let entry = symbols[0].len() as u64;
        let section = |name, kind, entry, data| Section { name, kind, entry, data, ..Section::default() };
        all.push(section(".symtab", 2, entry, symbols.concat()));
        all.push(section(".strtab", 3, 0, strings));
        let mut names = vec![0];
        let mut name_of = |name: &str| {
            names.extend([name.as_bytes(), &[0]].concat());
            (names.len() - name.len() - 1) as u64
        };
        let mut at: Vec<u64> = all.iter().map(|s| if s.name.is_empty() { 0 } else { name_of(s.name) }).collect();
        at.push(name_of(".shstrtab"));
        all.push(section(".shstrtab", 3, 0, names));
        let (head, entry) = if self.wide { (64, 64) } else { (52, 40) };
        let (mut file, mut headers) = (vec![0; head], Vec::new());
        let w = self.word();
        for (i, s) in all.iter().enumerate() {
            file.resize(file.len().next_multiple_of(8), 0);
            let offset = if i == 0 { 0 } else { file.len() as u64 };
            file.extend(&s.data);
            let link = match (s.name, s.info) {
                (".symtab", _) => symtab + 1,
                (_, 0) => 0,
                _ => symtab,
            };
            let align = u64::from(i != 0);
            let fields = [(at[i], 4), (s.kind.into(), 4), (s.flags, w), (0, w), (offset, w), (s.data.len() as u64, w)];
            let more = [(link, 4), (s.info.into(), 4), (align, w), (s.entry, w)];
            headers.extend(fields.into_iter().chain(more).flat_map(|(value, len)| self.number(value, len)));
        }
        file.resize(file.len().next_multiple_of(8), 0);
        let table = file.len() as u64;
        file.extend(headers);
        let ident = [0x7f, b'E', b'L', b'F', if self.wide { 2 } else { 1 }, if self.big { 2 } else { 1 }, 1];
        let mut out = [&ident[..], &[0; 9]].concat();
        let fields = [(1, 2), (self.machine.into(), 2), (1, 4), (0, w), (0, w), (table, w), (0, 4), (head as u64, 2)];
        let more = [(0, 2), (0, 2), (entry, 2), (all.len() as u64, 2), (all.len() as u64 - 1, 2)];
        out.extend(fields.into_iter().chain(more).flat_map(|(value, len)| self.number(value, len)));
        file[..head].copy_from_slice(&out);
        file
    }
}
