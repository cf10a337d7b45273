//! Rewrites an object so that linkers treat no section specially.
//!
//! Linkers recognise sections by name, type and flags: mergeable strings, groups, `.eh_frame`, notes,
//! `.gnu.linkonce.*`, register information. The sections of a module must instead be copied and relocated one by one,
//! at the addresses in the script. The rewritten copy therefore gives every section a unique, meaningless name, the
//! plainest type, and no flag that causes a transformation. Contents, symbols and relocations are unchanged.

use anyhow::{Context, Result, bail, ensure};
use object::elf;

/// The rewritten object.
pub(super) struct Neutral {
    /// The new file.
    pub(super) bytes: Vec<u8>,
    /// The original kind of each section, by index.
    sections: Vec<Kind>,
}

#[derive(Clone, Copy, Default)]
struct Kind {
    allocated: bool,
    executable: bool,
    has_contents: bool,
    contents: usize,
    memory: u64,
    placeable: bool,
}

/// Returns the name of section `index` in the copy.
pub(super) fn section_name(index: u32) -> String {
    format!("s{index:05}")
}

/// Returns the section index for a name that [`section_name`] returned.
pub(super) fn input_index(name: &str) -> Option<u32> {
    let digits = name.strip_prefix('s')?;
    if digits.len() != 5 { None } else { digits.parse().ok() }
}

impl Neutral {
    /// Returns whether section `index` occupies memory.
    pub(super) fn is_allocated(&self, index: u32) -> bool {
        self.kind(index).allocated
    }

    /// Returns whether section `index` has contents in the file, possibly of size 0.
    pub(super) fn has_contents(&self, index: u32) -> bool {
        self.kind(index).has_contents
    }

    /// Returns the size of the contents of section `index` in the file, in bytes.
    pub(super) fn contents_size(&self, index: u32) -> usize {
        self.kind(index).contents
    }

    /// Returns whether section `index` holds instructions.
    pub(super) fn is_executable(&self, index: u32) -> bool {
        self.kind(index).executable
    }

    /// Returns the size of section `index` in memory, in bytes.
    pub(super) fn memory_size(&self, index: u32) -> u64 {
        self.kind(index).memory
    }

    /// Iterates over the sections that a script has to place or to discard.
    pub(super) fn indices(&self) -> impl Iterator<Item = u32> {
        (0..).zip(&self.sections).filter(|(_, kind)| kind.placeable).map(|(index, _)| index)
    }

    fn kind(&self, index: u32) -> Kind {
        self.sections.get(index as usize).copied().unwrap_or_default()
    }

    /// Rewrites `object`.
    pub(super) fn of(object: &[u8]) -> Result<Neutral> {
        let mut file = Headers::open(object.to_vec())?;
        file.place_lists_of_nothing()?;
        let mut names = vec![0u8];
        let mut sections = vec![Kind::default()];
        for index in 1..file.count {
            let flags = file.get(index, FLAGS);
            let allocated = flags & elf::SHF_ALLOC.0 != 0;
            let kind = elf::SectionType(u32::try_from(file.get(index, TYPE))?);
            let size = usize::try_from(file.get(index, SIZE))?;
            let has_contents = kind != elf::SHT_NOBITS;
            sections.push(Kind {
                allocated,
                executable: flags & elf::SHF_EXECINSTR.0 != 0,
                has_contents,
                contents: if has_contents { size } else { 0 },
                memory: size as u64,
                placeable: false,
            });

            // The name offset refers to the new string table, so it is reset even where there is no new name.
            file.set(index, NAME, 0);
            let name = match kind {
                elf::SHT_NULL => continue,
                elf::SHT_SYMTAB | elf::SHT_STRTAB => format!("t{index:05}"),
                elf::SHT_REL | elf::SHT_RELA => {
                    // The kernel applies only relocations of allocated sections, and so does relobox.
                    let target = u32::try_from(file.get(index, INFO))?;
                    if target >= file.count || file.get(target, FLAGS) & elf::SHF_ALLOC.0 == 0 {
                        file.set(index, TYPE, elf::SHT_NULL.0.into());
                        continue;
                    }
                    format!("r{index:05}")
                }
                elf::SHT_GROUP => {
                    file.set(index, TYPE, elf::SHT_NULL.0.into());
                    continue;
                }
                _ => {
                    let kept = (elf::SHF_ALLOC | elf::SHF_WRITE | elf::SHF_EXECINSTR).0;
                    file.set(index, FLAGS, flags & kept);
                    file.set(index, LINK, 0);
                    file.set(index, INFO, 0);
                    file.set(index, ENTRY_SIZE, 0);
                    // Linkers drop an empty section and move its symbols elsewhere, so it gets one byte.
                    let empty = allocated && size == 0;
                    if empty {
                        file.set(index, SIZE, 1);
                    }
                    let plain = if has_contents && !empty { elf::SHT_PROGBITS } else { elf::SHT_NOBITS };
                    file.set(index, TYPE, plain.0.into());
                    sections[index as usize].placeable = true;
                    section_name(index)
                }
            };
            file.set(index, NAME, names.len() as u64);
            names.extend_from_slice(name.as_bytes());
            names.push(0);
        }
        // The section name table may be shared with the symbol name table, so the new one is appended to the file.
        let table = file.names;
        let shared = (1..file.count).any(|index| {
            file.get(index, TYPE) == u64::from(elf::SHT_SYMTAB.0) && file.get(index, LINK) == u64::from(table)
        });
        ensure!(!shared, "section and symbol names share a table");
        file.set(table, OFFSET, file.bytes.len() as u64);
        file.set(table, SIZE, names.len() as u64);
        file.bytes.extend_from_slice(&names);
        Ok(Neutral { bytes: file.bytes, sections })
    }
}

/// Returns `object` with one more global symbol at the start of each allocated section. A linker that drops sections to
/// which no global symbol refers then keeps them all.
pub(super) fn with_global_section_symbols(object: &[u8]) -> Result<Vec<u8>> {
    let mut file = Headers::open(object.to_vec())?;
    let is_symbols = |index: &u32| file.get(*index, TYPE) == u64::from(elf::SHT_SYMTAB.0);
    let symbols = (1..file.count).find(is_symbols).context("no symbol table")?;
    let strings = u32::try_from(file.get(symbols, LINK))?;
    ensure!(strings < file.count, "the symbols' names are missing");
    let mut table = file.contents(symbols)?.to_vec();
    let mut names = file.contents(strings)?.to_vec();
    for index in 1..file.count {
        if file.get(index, FLAGS) & elf::SHF_ALLOC.0 == 0 {
            continue;
        }
        let name = names.len() as u64;
        names.extend_from_slice(format!("relobox_section_{index}\0").as_bytes());
        let info = u64::from(elf::STB_GLOBAL.0) << 4;
        let index = u64::from(index);
        // Name, value, size, info, other, section; the order is different in ELF64.
        let fields: [(u64, usize); 6] = if file.wide {
            [(name, 4), (info, 1), (0, 1), (index, 2), (0, 8), (0, 8)]
        } else {
            [(name, 4), (0, 4), (0, 4), (info, 1), (0, 1), (index, 2)]
        };
        for (value, width) in fields {
            let at = table.len();
            table.resize(at + width, 0);
            store(&mut table[at..], value, file.big);
        }
    }
    for (index, contents) in [(symbols, table), (strings, names)] {
        file.bytes.resize(file.bytes.len().next_multiple_of(8), 0);
        file.set(index, OFFSET, file.bytes.len() as u64);
        file.set(index, SIZE, contents.len() as u64);
        file.bytes.extend_from_slice(&contents);
    }
    Ok(file.bytes)
}

/// Writes `value` to `bytes`, filling them.
fn store(bytes: &mut [u8], value: u64, big: bool) {
    let width = bytes.len();
    if big {
        bytes.copy_from_slice(&value.to_be_bytes()[8 - width..]);
    } else {
        bytes.copy_from_slice(&value.to_le_bytes()[..width]);
    }
}

/// A field of a section header: its offset and width in ELF32 and in ELF64.
#[derive(Clone, Copy)]
struct Field([(usize, usize); 2]);

const NAME: Field = Field([(0, 4), (0, 4)]);
const TYPE: Field = Field([(4, 4), (4, 4)]);
const FLAGS: Field = Field([(8, 4), (8, 8)]);
const OFFSET: Field = Field([(16, 4), (24, 8)]);
const SIZE: Field = Field([(20, 4), (32, 8)]);
const LINK: Field = Field([(24, 4), (40, 4)]);
const INFO: Field = Field([(28, 4), (44, 4)]);
const ENTRY_SIZE: Field = Field([(36, 4), (56, 8)]);

/// Section headers that can be changed in place.
struct Headers {
    bytes: Vec<u8>,
    wide: bool,
    big: bool,
    table: usize,
    count: u32,
    names: u32,
}

impl Headers {
    fn open(bytes: Vec<u8>) -> Result<Headers> {
        ensure!(bytes.len() >= 64 && bytes.starts_with(&elf::ELFMAG), "not an ELF file");
        let wide = bytes[4] == elf::ELFCLASS64.0;
        let big = bytes[5] == elf::ELFDATA2MSB.0;
        let mut file = Headers { bytes, wide, big, table: 0, count: 0, names: 0 };
        let (table, counts) = if wide { ((0x28, 8), 0x3c) } else { ((0x20, 4), 0x30) };
        file.table = usize::try_from(file.number(table.0, table.1))?;
        file.count = u32::try_from(file.number(counts, 2))?;
        file.names = u32::try_from(file.number(counts + 2, 2))?;
        if file.count == 0 || file.names >= file.count {
            bail!("the section table is extended or broken");
        }
        file.table
            .checked_add(file.count as usize * file.entry())
            .filter(|end| *end <= file.bytes.len())
            .context("the section table is outside the file")?;
        Ok(file)
    }

    /// Makes symbols in empty sections that are not allocated absolute: a script discards these sections, and a linker
    /// then refuses what refers to them, as the begin and the end of a list that is empty.
    fn place_lists_of_nothing(&mut self) -> Result<()> {
        let (length, at) = if self.wide { (24, 6) } else { (16, 14) };
        for table in (1..self.count).filter(|i| self.get(*i, TYPE) == u64::from(elf::SHT_SYMTAB.0)).collect::<Vec<_>>()
        {
            let (start, end) = (usize::try_from(self.get(table, OFFSET))?, self.contents(table)?.len());
            for symbol in (0..end / length).map(|i| start + i * length) {
                let section = u32::try_from(self.number(symbol + at, 2))?;
                let gone = |i| self.get(i, FLAGS) & elf::SHF_ALLOC.0 == 0 && self.get(i, SIZE) == 0;
                if section != 0 && section < self.count && gone(section) {
                    store(&mut self.bytes[symbol + at..symbol + at + 2], elf::SHN_ABS.0.into(), self.big);
                }
            }
        }
        Ok(())
    }

    fn entry(&self) -> usize {
        if self.wide { 64 } else { 40 }
    }

    fn place(&self, index: u32, field: Field) -> (usize, usize) {
        let (offset, width) = field.0[usize::from(self.wide)];
        (self.table + index as usize * self.entry() + offset, width)
    }

    fn get(&self, index: u32, field: Field) -> u64 {
        let (at, width) = self.place(index, field);
        self.number(at, width)
    }

    fn number(&self, at: usize, width: usize) -> u64 {
        let bytes = &self.bytes[at..at + width];
        let join = |value: u64, byte: &u8| value << 8 | u64::from(*byte);
        if self.big { bytes.iter().fold(0, join) } else { bytes.iter().rev().fold(0, join) }
    }

    fn set(&mut self, index: u32, field: Field, value: u64) {
        let (at, width) = self.place(index, field);
        store(&mut self.bytes[at..at + width], value, self.big);
    }

    fn contents(&self, index: u32) -> Result<&[u8]> {
        let (start, size) = (self.get(index, OFFSET), self.get(index, SIZE));
        let range = usize::try_from(start)?..usize::try_from(start.saturating_add(size))?;
        self.bytes.get(range).with_context(|| format!("section {index} is outside the file"))
    }
}
