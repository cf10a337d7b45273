//! What the ELF format says about places and numbers, for the fuzzer alone: to damage a file well one must know where
//! its fields are. It is written anew here, so that it can contradict the engine's reader.

/// A field of a record: where it begins and how many bytes it has, in class 32 and in class 64.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field {
    at: [u8; 2],
    len: [u8; 2],
}

const fn field(at: [u8; 2], len: [u8; 2]) -> Field {
    Field { at, len }
}

/// Fields of the file's header.
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
    /// All that the engine may look at, e_ident's class and version among them.
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

/// Fields of a section header.
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

/// Fields of a symbol.
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

/// Fields of a relocation; the addend only where it is explicit.
pub(crate) mod relocation {
    use super::{Field, field};
    pub(crate) const OFFSET: Field = field([0, 0], [4, 8]);
    pub(crate) const INFO: Field = field([4, 8], [4, 8]);
    pub(crate) const ADDEND: Field = field([8, 16], [4, 8]);
    pub(crate) const ALL: [Field; 3] = [OFFSET, INFO, ADDEND];
}

/// `e_type` of a relocatable object.
pub(crate) const ET_REL: Number = Number(1);
/// `e_type` of a program: what a linked file says it is.
pub(crate) const ET_EXEC: Number = Number(2);
/// SHN_XINDEX: the index is elsewhere; for `e_shstrndx` in section 0.
pub(crate) const SHN_XINDEX: Number = Number(0xffff);
/// SHN_LORESERVE: from here up indices mean something else.
pub(crate) const SHN_LORESERVE: Number = Number(0xff00);

/// A number of the format.
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

/// How a file's records look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Encoding {
    /// 64 bits, not 32.
    pub(crate) wide: bool,
    /// Big-endian.
    pub(crate) big: bool,
}

impl Encoding {
    /// All there are.
    pub(crate) const ALL: [Self; 4] = [
        Self { wide: true, big: false },
        Self { wide: true, big: true },
        Self { wide: false, big: false },
        Self { wide: false, big: true },
    ];

    /// What the first bytes say.
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

    /// Bytes of an address.
    pub(crate) fn word(self) -> usize {
        self.pick([4, 8])
    }

    /// Where a field of the record at `at` is, and how long.
    pub(crate) fn place(self, at: usize, field: Field) -> (usize, usize) {
        (at.saturating_add(self.pick(field.at).into()), self.pick(field.len).into())
    }

    /// The field of the record at `at`.
    pub(crate) fn get(self, bytes: &[u8], at: usize, field: Field) -> Option<u64> {
        let (at, len) = self.place(at, field);
        self.number(bytes, at, len)
    }

    /// The number of `len` bytes at `at`.
    pub(crate) fn number(self, bytes: &[u8], at: usize, len: usize) -> Option<u64> {
        let number = bytes.get(at..at.checked_add(len)?)?.iter();
        let push = |n: u64, byte: &u8| n << 8 | u64::from(*byte);
        Some(if self.big { number.fold(0, push) } else { number.rev().fold(0, push) })
    }

    /// Sets the field of the record at `at`, if that is inside.
    pub(crate) fn put(self, bytes: &mut [u8], at: usize, field: Field, value: u64) {
        let (at, len) = self.place(at, field);
        self.put_number(bytes, at, len, value);
    }

    /// Sets the number of `len` bytes at `at`, if that is inside.
    pub(crate) fn put_number(self, bytes: &mut [u8], at: usize, len: usize, value: u64) {
        let Some(place) = at.checked_add(len).and_then(|end| bytes.get_mut(at..end)) else { return };
        let number = if self.big { value.to_be_bytes() } else { value.to_le_bytes() };
        place.copy_from_slice(if self.big { &number[8 - len..] } else { &number[..len] });
    }
}

/// A file, read as the format says, and no further than one asks.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    pub(crate) file: &'a [u8],
    pub(crate) encoding: Encoding,
    /// Where the section headers are.
    pub(crate) table: usize,
    /// How many there are.
    pub(crate) count: usize,
    /// Which section has their names.
    pub(crate) names: usize,
}

impl<'a> View<'a> {
    /// `None` if it is no ELF file, or its section headers do not lie in it.
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

    /// Where a section's header is.
    pub(crate) fn header(&self, section: usize) -> usize {
        self.table + section * self.encoding.section()
    }

    /// A field of a section's header; 0 for one that does not exist.
    pub(crate) fn get(&self, section: usize, field: Field) -> u64 {
        if section >= self.count {
            return 0;
        }
        self.encoding.get(self.file, self.header(section), field).unwrap_or(0)
    }

    pub(crate) fn is(&self, section: usize, kind: SectionType) -> bool {
        section < self.count && kind.is(self.get(section, section::TYPE))
    }

    /// Where a section's contents are: offset and length.
    pub(crate) fn span(&self, section: usize) -> Option<(usize, usize)> {
        if self.is(section, SectionType::NoBits) || self.is(section, SectionType::Null) {
            return None;
        }
        let at = usize::try_from(self.get(section, section::OFFSET)).ok()?;
        let len = usize::try_from(self.get(section, section::SIZE)).ok().filter(|len| *len != 0)?;
        (at.checked_add(len)? <= self.file.len()).then_some((at, len))
    }

    /// A section's contents, as far as there are any.
    pub(crate) fn data(&self, section: usize) -> &'a [u8] {
        self.span(section).map_or(&[], |(at, len)| &self.file[at..at + len])
    }

    /// The text at `at` of a table of strings, up to its NUL.
    pub(crate) fn text(&self, strings: usize, at: u64) -> &'a [u8] {
        let rest = self.data(strings).get(usize::try_from(at).unwrap_or(usize::MAX)..).unwrap_or_default();
        rest.split(|byte| *byte == 0).next().unwrap_or_default()
    }

    pub(crate) fn name(&self, section: usize) -> &'a [u8] {
        self.text(self.names, self.get(section, section::NAME))
    }

    /// The first section of a kind.
    pub(crate) fn first(&self, kind: SectionType) -> Option<usize> {
        (0..self.count).find(|i| self.is(*i, kind))
    }
}
