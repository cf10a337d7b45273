//! A relocatable ELF file as a list of sections that can be changed and written again.
//!
//! Header fields of a section keep their values, even wrong ones; only offsets are assigned anew. `fields` damages the
//! offsets afterwards.

use super::elf::{self, ET_REL, Encoding, SHN_XINDEX, SectionType, View, head, section, symbol};
use relobox_core::limits;

/// A relocatable ELF file.
#[derive(Clone, Debug)]
pub(crate) struct Model {
    pub(crate) encoding: Encoding,
    pub(crate) machine: u16,
    pub(crate) flags: u32,
    /// The sections, including section 0.
    pub(crate) sections: Vec<ElfSection>,
    /// The index of the section with the section names.
    pub(crate) names: usize,
    /// True if the number of sections is in section 0 (extended numbering).
    pub(crate) extended: bool,
    /// True if the section header table comes before all contents.
    pub(crate) headers_first: bool,
    /// The bytes behind the last section and the section header table: an appended signature.
    pub(crate) tail: Vec<u8>,
}

/// A section.
#[derive(Clone, Debug, Default)]
pub(crate) struct ElfSection {
    /// `sh_name`.
    pub(crate) name: u32,
    pub(crate) kind: u32,
    pub(crate) flags: u64,
    pub(crate) address: u64,
    pub(crate) link: u32,
    pub(crate) info: u32,
    pub(crate) align: u64,
    pub(crate) entry: u64,
    pub(crate) data: Vec<u8>,
    /// `sh_size` of a section without contents, or of one whose contents are outside the file.
    pub(crate) size: u64,
}

impl ElfSection {
    pub(crate) fn is(&self, kind: SectionType) -> bool {
        self.kind == kind as u32
    }

    /// Returns the string at offset `at`.
    pub(crate) fn text(&self, at: u32) -> &[u8] {
        let rest = self.data.get(at as usize..).unwrap_or_default();
        rest.split(|byte| *byte == 0).next().unwrap_or_default()
    }

    /// Adds a string, unless it exists, and returns its offset.
    pub(crate) fn add_text(&mut self, text: &[u8]) -> u32 {
        let wanted: Vec<u8> = text.iter().copied().chain([0]).collect();
        let there = self.data.windows(wanted.len()).position(|w| w == wanted);
        let at = there.unwrap_or_else(|| {
            if self.data.is_empty() {
                self.data.push(0);
            }
            self.data.extend_from_slice(&wanted);
            self.data.len() - wanted.len()
        });
        at as u32
    }
}

impl Model {
    /// Makes a file with only a section name table.
    pub(crate) fn new(encoding: Encoding, machine: u16) -> Self {
        let mut model = Self {
            encoding,
            machine,
            flags: 0,
            sections: vec![ElfSection::default()],
            names: 1,
            extended: false,
            headers_first: false,
            tail: Vec::new(),
        };
        model.sections.push(ElfSection { kind: SectionType::StrTab as u32, align: 1, ..ElfSection::default() });
        model.sections[1].name = model.add_name(b".shstrtab");
        model
    }

    /// Parses a file, or returns `None` if its headers are invalid or it is too large.
    pub(crate) fn read(file: &[u8]) -> Option<Self> {
        let view = View::of(file).filter(|view| view.count > 0 && view.count <= limits::FUZZ_ELF_SECTIONS)?;
        let head = |field| view.encoding.get(file, 0, field);
        let mut end = view.header(view.count).max(view.encoding.header());
        let mut total = 0;
        let mut sections = Vec::with_capacity(view.count);
        for i in 0..view.count {
            let get = |field| view.get(i, field);
            let data = view.data(i).to_vec();
            total += data.len();
            if total > limits::FUZZ_FILE {
                return None;
            }
            end = end.max(view.span(i).map_or(0, |(at, len)| at + len));
            sections.push(ElfSection {
                name: get(section::NAME) as u32,
                kind: get(section::TYPE) as u32,
                flags: get(section::FLAGS),
                address: get(section::ADDR),
                link: get(section::LINK) as u32,
                info: get(section::INFO) as u32,
                align: get(section::ALIGN),
                entry: get(section::ENTSIZE),
                size: get(section::SIZE),
                data,
            });
        }
        let extended = head(head::SHNUM) == Some(0);
        let tail = file.get(end..).unwrap_or_default().to_vec();
        if extended {
            (sections[0].size, sections[0].link) = (0, 0);
        }
        Some(Self {
            encoding: view.encoding,
            machine: head(head::MACHINE)? as u16,
            flags: head(head::FLAGS)? as u32,
            names: view.names,
            headers_first: view.table == view.encoding.header(),
            sections,
            extended,
            tail,
        })
    }

    /// Writes the file, or returns `None` if it is too large to be an input.
    pub(crate) fn write(&self) -> Option<Vec<u8>> {
        let (encoding, count) = (self.encoding, self.sections.len());
        let table_len = count * encoding.section();
        let all: usize = self.sections.iter().map(|s| s.data.len() + 16).sum();
        if count > limits::FUZZ_ELF_SECTIONS || all + table_len + self.tail.len() > limits::FUZZ_FILE {
            return None;
        }
        let mut file = vec![0; encoding.header() + if self.headers_first { table_len } else { 0 }];
        let mut offsets = Vec::with_capacity(count);
        for part in &self.sections {
            let align = if part.data.is_empty() { 1 } else { part.align.clamp(1, 16) as usize };
            file.resize(file.len().div_ceil(align) * align, 0);
            offsets.push(file.len());
            file.extend_from_slice(&part.data);
        }
        let table = if self.headers_first { encoding.header() } else { file.len().next_multiple_of(8) };
        file.resize(file.len().max(table + table_len), 0);
        self.write_header(&mut file, table);
        for (i, (part, offset)) in self.sections.iter().zip(offsets).enumerate() {
            let extended = i == 0 && self.extended;
            let size = if part.data.is_empty() { part.size } else { part.data.len() as u64 };
            let fields = [
                (section::NAME, part.name.into()),
                (section::TYPE, part.kind.into()),
                (section::FLAGS, part.flags),
                (section::ADDR, part.address),
                (section::OFFSET, if i == 0 { 0 } else { offset as u64 }),
                (section::SIZE, if extended { count as u64 } else { size }),
                (section::LINK, if extended { self.names as u64 } else { part.link.into() }),
                (section::INFO, part.info.into()),
                (section::ALIGN, part.align),
                (section::ENTSIZE, part.entry),
            ];
            for (field, value) in fields {
                encoding.put(&mut file, table + i * encoding.section(), field, value);
            }
        }
        file.extend_from_slice(&self.tail);
        Some(file)
    }

    fn write_header(&self, file: &mut [u8], table: usize) {
        let (encoding, count) = (self.encoding, self.sections.len() as u64);
        let ident = [0x7f, b'E', b'L', b'F', 1 + u8::from(encoding.wide), 1 + u8::from(encoding.big), 1];
        file[..ident.len()].copy_from_slice(&ident);
        let fields = [
            (head::TYPE, ET_REL.0.into()),
            (head::MACHINE, self.machine.into()),
            (head::VERSION, 1),
            (head::SHOFF, table as u64),
            (head::FLAGS, self.flags.into()),
            (head::EHSIZE, encoding.header() as u64),
            (head::SHENTSIZE, encoding.section() as u64),
            (head::SHNUM, if self.extended { 0 } else { count }),
            (head::SHSTRNDX, if self.extended { SHN_XINDEX.0.into() } else { self.names as u64 }),
        ];
        for (field, value) in fields {
            encoding.put(file, 0, field, value);
        }
    }

    /// Returns the name of a section.
    pub(crate) fn name(&self, section: usize) -> &[u8] {
        let at = self.sections.get(section).map_or(0, |s| s.name);
        self.sections.get(self.names).map_or(&[], |names| names.text(at))
    }

    /// Adds a section name if needed, and returns its offset.
    pub(crate) fn add_name(&mut self, name: &[u8]) -> u32 {
        self.sections.get_mut(self.names).map_or(0, |names| names.add_text(name))
    }

    /// Returns the first section with this name.
    pub(crate) fn named(&self, name: &[u8]) -> Option<usize> {
        (1..self.sections.len()).find(|i| self.name(*i) == name)
    }

    pub(crate) fn first(&self, kind: SectionType) -> Option<usize> {
        self.sections.iter().position(|s| s.is(kind))
    }

    /// Adds a section and returns its index.
    pub(crate) fn add(&mut self, name: &[u8], part: ElfSection) -> usize {
        let name = self.add_name(name);
        self.sections.push(ElfSection { name, ..part });
        self.sections.len() - 1
    }

    /// Returns the indices of the symbol table and its string table, and adds them if needed.
    pub(crate) fn symbols(&mut self) -> (usize, usize) {
        if let Some(symbols) = self.first(SectionType::SymTab) {
            let strings = self.sections[symbols].link as usize;
            return (symbols, if strings < self.sections.len() { strings } else { self.names });
        }
        let strings = ElfSection { kind: SectionType::StrTab as u32, align: 1, data: vec![0], ..ElfSection::default() };
        let strings = self.add(b".strtab", strings);
        let entry = self.encoding.symbol();
        let table = ElfSection {
            kind: SectionType::SymTab as u32,
            link: strings as u32,
            info: 1,
            align: self.encoding.word() as u64,
            entry: entry as u64,
            data: vec![0; entry],
            ..ElfSection::default()
        };
        (self.add(b".symtab", table), strings)
    }

    /// Adds a symbol and returns its index. `section` may be a reserved index.
    pub(crate) fn add_symbol(&mut self, name: &[u8], info: u8, section: usize, value: u64) -> usize {
        let (table, strings) = self.symbols();
        let strings = self.sections.get_mut(strings).filter(|_| !name.is_empty());
        let name = strings.map_or(0, |strings| strings.add_text(name));
        let (encoding, symbols) = (self.encoding, &mut self.sections[table].data);
        let at = symbols.len() / encoding.symbol() * encoding.symbol();
        symbols.resize(at + encoding.symbol(), 0);
        let fields = [
            (symbol::NAME, name.into()),
            (symbol::VALUE, value),
            (symbol::INFO, info.into()),
            (symbol::SECTION, section as u64),
        ];
        for (field, value) in fields {
            encoding.put(symbols, at, field, value);
        }
        at / encoding.symbol()
    }

    /// Returns the number of symbols.
    pub(crate) fn symbol_count(&self) -> usize {
        self.first(SectionType::SymTab).map_or(0, |table| self.sections[table].data.len() / self.encoding.symbol())
    }

    /// Adds a relocation of `section`, and its relocation section if needed. `r` is offset, type, symbol and addend.
    pub(crate) fn add_relocation(&mut self, section: usize, explicit: bool, r: [u64; 4]) {
        let (symbols, _) = self.symbols();
        let (encoding, entry) = (self.encoding, self.encoding.relocation(explicit));
        let kind = if explicit { SectionType::Rela } else { SectionType::Rel };
        let there = self.sections.iter().position(|s| s.is(kind) && s.info as usize == section);
        let table = there.unwrap_or_else(|| {
            let prefix: &[u8] = if explicit { b".rela" } else { b".rel" };
            let name = [prefix, self.name(section)].concat();
            let part = ElfSection {
                kind: kind as u32,
                link: symbols as u32,
                info: section as u32,
                align: encoding.word() as u64,
                entry: entry as u64,
                ..ElfSection::default()
            };
            self.add(&name, part)
        });
        let [offset, kind, symbol, addend] = r;
        let info = if encoding.wide { symbol << 32 | kind & 0xffff_ffff } else { symbol << 8 | kind & 0xff };
        let data = &mut self.sections[table].data;
        let at = data.len() / entry * entry;
        data.resize(at + entry, 0);
        let fields = [(elf::relocation::OFFSET, offset), (elf::relocation::INFO, info)];
        for (field, value) in fields.into_iter().chain(explicit.then_some((elf::relocation::ADDEND, addend))) {
            encoding.put(data, at, field, value);
        }
    }
}
