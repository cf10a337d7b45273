//! Modules written byte by byte, with names that are not text, and with any number of sections and symbols.

/// A relocatable ELF file for x86-64. Only exports have relocations.
#[derive(Clone, Debug, Default)]
pub struct Crafted {
    /// `e_flags`. The hostile plugins link files with 0xbad here.
    pub flags: u32,
    /// The entries of `.modinfo`, without their NULs.
    pub modinfo: Vec<Vec<u8>>,
    /// The names of undefined symbols, each with the number of symbols that have it.
    pub wanted: Vec<(Vec<u8>, usize)>,
    /// The names of exported symbols.
    pub exports: Vec<Vec<u8>>,
    /// The namespace of all exports.
    pub namespace: Vec<u8>,
    /// The names of additional sections, which are allocated and have 16 bytes each.
    pub sections: Vec<Vec<u8>>,
}

const PROGBITS: u32 = 1;
const SYMTAB: u32 = 2;
const STRTAB: u32 = 3;
const RELA: u32 = 4;
/// `R_X86_64_PC32`.
const PC32: u64 = 2;
const ALLOC: u64 = 2;
const EXEC: u64 = 4;

/// The index of `.text`, the first section.
const TEXT: u16 = 1;

/// `st_info` of a global symbol without a type, and of a function.
const GLOBAL: u8 = 0x10;
const FUNCTION: u8 = 0x12;

struct Section {
    name: Vec<u8>,
    kind: u32,
    flags: u64,
    contents: Vec<u8>,
    /// `sh_link`, `sh_info`, `sh_entsize`.
    rest: [u32; 3],
}

fn section(name: &[u8], kind: u32, flags: u64, contents: Vec<u8>) -> Section {
    Section { name: name.to_vec(), kind, flags, contents, rest: [0; 3] }
}

/// A string table in which each string occurs once.
#[derive(Default)]
struct Strings {
    bytes: Vec<u8>,
    known: std::collections::HashMap<Vec<u8>, u32>,
}

impl Strings {
    fn add(&mut self, name: &[u8]) -> u32 {
        if self.bytes.is_empty() {
            self.bytes.push(0);
        }
        if name.is_empty() {
            return 0;
        }
        *self.known.entry(name.to_vec()).or_insert_with(|| {
            let at = self.bytes.len() as u32;
            self.bytes.extend(name);
            self.bytes.push(0);
            at
        })
    }
}

impl Crafted {
    /// Makes a module with a licence and a name.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let modinfo = vec![b"license=GPL".to_vec(), format!("name={name}").into_bytes()];
        Self { modinfo, ..Self::default() }
    }

    /// Writes the file.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        let (mut names, mut symbols) = (Strings::default(), vec![0; 24]);
        let mut symbol = |name: &[u8], info: u8, section: u16, value: u64| {
            symbols.extend(names.add(name).to_le_bytes());
            symbols.extend([info, 0]);
            symbols.extend(section.to_le_bytes());
            symbols.extend(value.to_le_bytes());
            symbols.extend(0u64.to_le_bytes());
        };
        let mut modinfo = Vec::new();
        for pair in &self.modinfo {
            modinfo.extend(pair);
            modinfo.push(0);
        }
        let mut sections = vec![
            section(b".text", PROGBITS, ALLOC | EXEC, vec![0x90; 16]),
            section(b".modinfo", PROGBITS, ALLOC, modinfo),
        ];
        for name in &self.sections {
            sections.push(section(name, PROGBITS, ALLOC, vec![0; 16]));
        }
        if !self.exports.is_empty() {
            // As in the kernel, an entry has three words: the distances to the symbol, the name and the namespace.
            let table = sections.len() as u16 + 1;
            let mut strings = [b"\0", &self.namespace[..], b"\0"].concat();
            let mut relocations = Vec::new();
            symbol(b"strings", GLOBAL, table + 1, 0);
            for (i, name) in self.exports.iter().enumerate() {
                symbol(name, FUNCTION, TEXT, 0);
                for (word, (index, addend)) in [(i as u64 + 2, 0), (1, strings.len()), (1, 1)].into_iter().enumerate() {
                    relocations.extend((12 * i as u64 + 4 * word as u64).to_le_bytes());
                    relocations.extend((index << 32 | PC32).to_le_bytes());
                    relocations.extend((addend as u64).to_le_bytes());
                }
                strings.extend(name);
                strings.push(0);
            }
            // The sections that follow are the table, its strings, its relocations, and the symbols.
            let rest = [u32::from(table) + 3, table.into(), 24];
            sections.push(section(b"__ksymtab", PROGBITS, ALLOC, vec![0; 12 * self.exports.len()]));
            sections.push(section(b"__ksymtab_strings", PROGBITS, ALLOC, strings));
            sections.push(Section { rest, ..section(b".rela__ksymtab", RELA, 0, relocations) });
        }
        for (name, count) in &self.wanted {
            (0..*count).for_each(|_| symbol(name, GLOBAL, 0, 0));
        }
        let strtab = sections.len() as u32 + 2;
        let symtab = section(b".symtab", SYMTAB, 0, symbols);
        sections.push(Section { rest: [strtab, 1, 24], ..symtab });
        sections.push(section(b".strtab", STRTAB, 0, names.bytes));
        file(self.flags, sections)
    }
}

fn file(flags: u32, mut sections: Vec<Section>) -> Vec<u8> {
    let mut names = Strings::default();
    let mut offsets: Vec<u32> = sections.iter().map(|s| names.add(&s.name)).collect();
    offsets.push(names.add(b".shstrtab"));
    sections.push(section(b".shstrtab", STRTAB, 0, names.bytes));
    let mut out = vec![0; 64];
    let mut headers = vec![0; 64];
    for (s, name) in sections.iter().zip(offsets) {
        out.resize(out.len().next_multiple_of(16), 0);
        let [link, info, entry] = s.rest;
        headers.extend([name, s.kind].map(u32::to_le_bytes).concat());
        headers.extend([s.flags, 0, out.len() as u64, s.contents.len() as u64].map(u64::to_le_bytes).concat());
        headers.extend([link, info].map(u32::to_le_bytes).concat());
        headers.extend([1, u64::from(entry)].map(u64::to_le_bytes).concat());
        out.extend(&s.contents);
    }
    out.resize(out.len().next_multiple_of(16), 0);
    let (at, count) = (out.len() as u64, sections.len() as u16 + 1);
    out.extend(headers);
    let mut header = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    // `e_type` is ET_REL, `e_machine` is EM_X86_64.
    header.extend([1u16, 62].map(u16::to_le_bytes).concat());
    header.extend(1u32.to_le_bytes());
    header.extend([0, 0, at].map(u64::to_le_bytes).concat());
    header.extend(flags.to_le_bytes());
    header.extend([64, 0, 0, 64, count, count - 1].map(u16::to_le_bytes).concat());
    out[..64].copy_from_slice(&header);
    out
}
