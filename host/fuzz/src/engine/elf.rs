//! The layout of ELF records, for the fuzzer alone. It shares no code with the engine, so that it can find errors of
//! the engine's reader.

/// A field of a record: its offset and its width in bytes, in class 32 and in class 64.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field {
    at: [u8; 2],
    len: [u8; 2],
}

const fn field(at: [u8; 2], len: [u8; 2]) -> Field {
    Field { at, len }
}

/// The fields of the ELF header.
pub(crate) mod head {
    use super::{Field, field};
    pub(crate) const DATA: Field = field([5, 5], [1, 1]);
    pub(crate) const TYPE: Field = field([16, 16], [2, 2]);
    pub(crate) const MACHINE: Field = field([18, 18], [2, 2]);
    pub(crate) const VERSION: Field = field([20, 20], [4, 4]);
    pub(crate) const SHOFF: Field = field([32, 40], [4, 8]);
    pub(crate) const FLAGS: Field = field([36, 48], [4, 4]);
    pub(crate) const EHSIZE: Field = field([40, 52], [2, 2]);
    pub(crate) const SHENTSIZE: Field = field([46, 58], [2, 2]);
    pub(crate) const SHNUM: Field = field([48, 60], [2, 2]);
    pub(crate) const SHSTRNDX: Field = field([50, 62], [2, 2]);
    /// All fields that the engine may look at, including the class and the version in `e_ident`.
    pub(crate) const ALL: [Field; 12] = [
        field([4, 4], [1, 1]),
        DATA,
        field([6, 6], [1, 1]),
        TYPE,
        MACHINE,
        VERSION,
        SHOFF,
        FLAGS,
        EHSIZE,
        SHENTSIZE,
        SHNUM,
        SHSTRNDX,
    ];
}

/// The fields of a section header.
pub(crate) mod section {
    use super::{Field, field};
    pub(crate) const NAME: Field = field([0, 0], [4, 4]);
    pub(crate) const TYPE: Field = field([4, 4], [4, 4]);
    pub(crate) const FLAGS: Field = field([8, 8], [4, 8]);
    pub(crate) const ADDR: Field = field([12, 16], [4, 8]);
    pub(crate) const OFFSET: Field = field([16, 24], [4, 8]);
    pub(crate) const SIZE: Field = field([20, 32], [4, 8]);
    pub(crate) const LINK: Field = field([24, 40], [4, 4]);
    pub(crate) const INFO: Field = field([28, 44], [4, 4]);
    pub(crate) const ALIGN: Field = field([32, 48], [4, 8]);
    pub(crate) const ENTSIZE: Field = field([36, 56], [4, 8]);
    pub(crate) const ALL: [Field; 10] = [NAME, TYPE, FLAGS, ADDR, OFFSET, SIZE, LINK, INFO, ALIGN, ENTSIZE];
}

/// The fields of a symbol.
pub(crate) mod symbol {
    use super::{Field, field};
    pub(crate) const NAME: Field = field([0, 0], [4, 4]);
    pub(crate) const VALUE: Field = field([4, 8], [4, 8]);
    pub(crate) const SIZE: Field = field([8, 16], [4, 8]);
    pub(crate) const INFO: Field = field([12, 4], [1, 1]);
    pub(crate) const OTHER: Field = field([13, 5], [1, 1]);
    pub(crate) const SECTION: Field = field([14, 6], [2, 2]);
    pub(crate) const ALL: [Field; 6] = [NAME, VALUE, SIZE, INFO, OTHER, SECTION];
}

/// The fields of a relocation; only SHT_RELA has the addend.
pub(crate) mod relocation {
    use super::{Field, field};
    pub(crate) const OFFSET: Field = field([0, 0], [4, 8]);
    pub(crate) const INFO: Field = field([4, 8], [4, 8]);
    pub(crate) const ADDEND: Field = field([8, 16], [4, 8]);
    pub(crate) const ALL: [Field; 3] = [OFFSET, INFO, ADDEND];
}

/// `e_type` of a relocatable file.
pub(crate) const ET_REL: Number = Number(1);
/// `e_type` of an executable, which linked files have.
pub(crate) const ET_EXEC: Number = Number(2);
/// The section index is elsewhere; for `e_shstrndx`, in section 0.
pub(crate) const SHN_XINDEX: Number = Number(0xffff);
/// The first reserved section index.
pub(crate) const SHN_LORESERVE: Number = Number(0xff00);

/// A number of the ELF specification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Number(pub(crate) u16);

impl Number {
    pub(crate) fn is(self, value: u64) -> bool {
        u64::from(self.0) == value
    }
}

/// `sh_type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum SectionType {
    Null = 0,
    ProgBits = 1,
    SymTab = 2,
    StrTab = 3,
    Rela = 4,
    NoBits = 8,
    Rel = 9,
    SymTabShndx = 18,
    Crel = 0x4000_0014,
}

impl SectionType {
    pub(crate) const ALL: [Self; 9] = [
        Self::Null,
        Self::ProgBits,
        Self::SymTab,
        Self::StrTab,
        Self::Rela,
        Self::NoBits,
        Self::Rel,
        Self::SymTabShndx,
        Self::Crel,
    ];

    pub(crate) fn is(self, value: u64) -> bool {
        u64::from(self as u32) == value
    }
}

/// The encoding of a file's records: class and byte order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Encoding {
    /// True for class 64, false for class 32.
    pub(crate) wide: bool,
    /// True for big-endian files.
    pub(crate) big: bool,
}

impl Encoding {
    /// All encodings.
    pub(crate) const ALL: [Self; 4] = [
        Self { wide: true, big: false },
        Self { wide: true, big: true },
        Self { wide: false, big: false },
        Self { wide: false, big: true },
    ];

    /// Reads the encoding from `e_ident`.
    pub(crate) fn of(file: &[u8]) -> Option<Self> {
        let [0x7f, b'E', b'L', b'F', class @ (1 | 2), order @ (1 | 2), ..] = file else { return None };
        Some(Self { wide: *class == 2, big: *order == 2 })
    }

    fn pick<T: Copy>(self, of: [T; 2]) -> T {
        of[usize::from(self.wide)]
    }

    pub(crate) fn header(self) -> usize {
        self.pick([52, 64])
    }

    pub(crate) fn section(self) -> usize {
        self.pick([40, 64])
    }

    pub(crate) fn symbol(self) -> usize {
        self.pick([16, 24])
    }

    pub(crate) fn relocation(self, explicit: bool) -> usize {
        self.pick(if explicit { [12, 24] } else { [8, 16] })
    }

    /// Returns the size of an address in bytes.
    pub(crate) fn word(self) -> usize {
        self.pick([4, 8])
    }

    /// Returns the offset and the width of a field of the record at `at`.
    pub(crate) fn place(self, at: usize, field: Field) -> (usize, usize) {
        (at.saturating_add(self.pick(field.at).into()), self.pick(field.len).into())
    }

    /// Reads a field of the record at `at`.
    pub(crate) fn get(self, bytes: &[u8], at: usize, field: Field) -> Option<u64> {
        let (at, len) = self.place(at, field);
        self.number(bytes, at, len)
    }

    /// Reads a number of `len` bytes at `at`.
    pub(crate) fn number(self, bytes: &[u8], at: usize, len: usize) -> Option<u64> {
        let number = bytes.get(at..at.checked_add(len)?)?.iter();
        let push = |n: u64, byte: &u8| n << 8 | u64::from(*byte);
        Some(if self.big { number.fold(0, push) } else { number.rev().fold(0, push) })
    }

    /// Writes a field of the record at `at`, if it is inside the file.
    pub(crate) fn put(self, bytes: &mut [u8], at: usize, field: Field, value: u64) {
        let (at, len) = self.place(at, field);
        self.put_number(bytes, at, len, value);
    }

    /// Writes a number of `len` bytes at `at`, if it is inside the file.
    pub(crate) fn put_number(self, bytes: &mut [u8], at: usize, len: usize, value: u64) {
        let Some(place) = at.checked_add(len).and_then(|end| bytes.get_mut(at..end)) else { return };
        let number = if self.big { value.to_be_bytes() } else { value.to_le_bytes() };
        place.copy_from_slice(if self.big { &number[8 - len..] } else { &number[..len] });
    }
}

/// A view of an ELF file that is parsed only as far as needed.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    pub(crate) file: &'a [u8],
    pub(crate) encoding: Encoding,
    /// The offset of the section header table.
    pub(crate) table: usize,
    /// The number of sections.
    pub(crate) count: usize,
    /// The index of the section with the section names.
    pub(crate) names: usize,
}

impl<'a> View<'a> {
    /// Parses the ELF header, or returns `None` if it is invalid or the section header table is not inside the file.
    pub(crate) fn of(file: &'a [u8]) -> Option<Self> {
        let encoding = Encoding::of(file)?;
        let head = |field| encoding.get(file, 0, field);
        let table = usize::try_from(head(head::SHOFF)?).ok().filter(|at| *at != 0)?;
        let count = match head(head::SHNUM)? {
            0 => encoding.get(file, table, section::SIZE)?,
            count => count,
        };
        let names = match head(head::SHSTRNDX)? {
            names if SHN_XINDEX.is(names) => encoding.get(file, table, section::LINK)?,
            names => names,
        };
        let count = usize::try_from(count).ok()?;
        let end = count.checked_mul(encoding.section())?.checked_add(table)?;
        (end <= file.len()).then_some(Self { file, encoding, table, count, names: names as usize })
    }

    /// Returns the offset of a section's header.
    pub(crate) fn header(&self, section: usize) -> usize {
        self.table + section * self.encoding.section()
    }

    /// Reads a field of a section header; 0 if the section does not exist.
    pub(crate) fn get(&self, section: usize, field: Field) -> u64 {
        if section >= self.count {
            return 0;
        }
        self.encoding.get(self.file, self.header(section), field).unwrap_or(0)
    }

    pub(crate) fn is(&self, section: usize, kind: SectionType) -> bool {
        section < self.count && kind.is(self.get(section, section::TYPE))
    }

    /// Returns the offset and the size of a section's contents, if it has any.
    pub(crate) fn span(&self, section: usize) -> Option<(usize, usize)> {
        if self.is(section, SectionType::NoBits) || self.is(section, SectionType::Null) {
            return None;
        }
        let at = usize::try_from(self.get(section, section::OFFSET)).ok()?;
        let len = usize::try_from(self.get(section, section::SIZE)).ok().filter(|len| *len != 0)?;
        (at.checked_add(len)? <= self.file.len()).then_some((at, len))
    }

    /// Returns a section's contents, or an empty slice if it has none.
    pub(crate) fn data(&self, section: usize) -> &'a [u8] {
        self.span(section).map_or(&[], |(at, len)| &self.file[at..at + len])
    }

    /// Returns the string at offset `at` of a string table, without its NUL.
    pub(crate) fn text(&self, strings: usize, at: u64) -> &'a [u8] {
        let rest = self.data(strings).get(usize::try_from(at).unwrap_or(usize::MAX)..).unwrap_or_default();
        rest.split(|byte| *byte == 0).next().unwrap_or_default()
    }

    pub(crate) fn name(&self, section: usize) -> &'a [u8] {
        self.text(self.names, self.get(section, section::NAME))
    }

    /// Returns the first section of a type.
    pub(crate) fn first(&self, kind: SectionType) -> Option<usize> {
        (0..self.count).find(|i| self.is(*i, kind))
    }
}
