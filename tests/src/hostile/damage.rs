//! Damaged files with a single defect: every field set to extreme values, and inconsistencies of several fields.
//!
//! Works only on 64-bit little-endian files such as the [`sample`](super::sample).

/// A damaged file with a description of the damage.
pub struct Damaged {
    /// The damage, such as `section 3: sh_size = 0xffffffffffffffff`.
    pub what: String,
    /// The contents of the file.
    pub bytes: Vec<u8>,
}

/// A field of a record: name, offset and width in bytes.
type Field = (&'static str, usize, usize);

/// The fields of the ELF header.
const HEADER: [Field; 18] = [
    ("EI_MAG0", 0, 1),
    ("EI_CLASS", 4, 1),
    ("EI_DATA", 5, 1),
    ("EI_VERSION", 6, 1),
    ("EI_OSABI", 7, 1),
    ("e_type", 16, 2),
    ("e_machine", 18, 2),
    ("e_version", 20, 4),
    ("e_entry", 24, 8),
    ("e_phoff", 32, 8),
    ("e_shoff", 40, 8),
    ("e_flags", 48, 4),
    ("e_ehsize", 52, 2),
    ("e_phentsize", 54, 2),
    ("e_phnum", 56, 2),
    ("e_shentsize", 58, 2),
    ("e_shnum", 60, 2),
    ("e_shstrndx", 62, 2),
];

/// The fields of a section header.
const SECTION: [Field; 10] = [
    ("sh_name", 0, 4),
    ("sh_type", 4, 4),
    ("sh_flags", 8, 8),
    ("sh_addr", 16, 8),
    ("sh_offset", 24, 8),
    ("sh_size", 32, 8),
    ("sh_link", 40, 4),
    ("sh_info", 44, 4),
    ("sh_addralign", 48, 8),
    ("sh_entsize", 56, 8),
];

/// The fields of a symbol.
const SYMBOL: [Field; 6] = [
    ("st_name", 0, 4),
    ("st_info", 4, 1),
    ("st_other", 5, 1),
    ("st_shndx", 6, 2),
    ("st_value", 8, 8),
    ("st_size", 16, 8),
];

/// The fields of a relocation with an addend.
const RELOCATION: [Field; 4] = [("r_offset", 0, 8), ("type", 8, 4), ("symbol", 12, 4), ("r_addend", 16, 8)];

const SYMTAB: u32 = 2;
const STRTAB: u32 = 3;
const RELA: u32 = 4;
const NOBITS: u32 = 8;
const ALLOC: u64 = 2;
const COMPRESSED: u64 = 0x800;

/// An ELF file whose records can be changed.
#[derive(Clone)]
pub struct Elf {
    /// The contents of the file.
    pub bytes: Vec<u8>,
}

impl Elf {
    /// Reads a number of `width` bytes.
    #[must_use]
    pub fn get(&self, at: usize, width: usize) -> u64 {
        let mut word = [0; 8];
        word[..width].copy_from_slice(&self.bytes[at..at + width]);
        u64::from_le_bytes(word)
    }

    /// Writes a number of `width` bytes.
    pub fn set(&mut self, at: usize, width: usize, value: u64) {
        self.bytes[at..at + width].copy_from_slice(&value.to_le_bytes()[..width]);
    }

    /// Returns the offset of the header of section `index`.
    #[must_use]
    pub fn header(&self, index: usize) -> usize {
        self.get(40, 8) as usize + index * 64
    }

    /// Returns the number of sections.
    #[must_use]
    pub fn sections(&self) -> usize {
        self.get(60, 2) as usize
    }

    /// Returns the offset and the size of a section's contents.
    #[must_use]
    pub fn contents(&self, index: usize) -> (usize, usize) {
        let header = self.header(index);
        (self.get(header + 24, 8) as usize, self.get(header + 32, 8) as usize)
    }

    /// Returns `sh_type`.
    #[must_use]
    pub fn kind(&self, index: usize) -> u32 {
        self.get(self.header(index) + 4, 4) as u32
    }

    /// Returns the section with this name.
    ///
    /// # Panics
    ///
    /// If there is none.
    #[must_use]
    pub fn named(&self, name: &str) -> usize {
        let (names, _) = self.contents(self.get(62, 2) as usize);
        let is = |i: &usize| {
            let at = names + self.get(self.header(*i), 4) as usize;
            self.bytes[at..].starts_with(name.as_bytes()) && self.bytes[at + name.len()] == 0
        };
        (1..self.sections()).find(is).expect(name)
    }

    fn of_kind(&self, kind: u32) -> impl Iterator<Item = usize> {
        (0..self.sections()).filter(move |i| self.kind(*i) == kind)
    }
}

/// Returns the extreme values for a field of `width` bytes in a file of `len` bytes.
fn extremes(width: usize, len: u64) -> Vec<u64> {
    let mut out = vec![0, 1, 2, 3, 7, 8, 0xff, len - 1, len, len + 1];
    if width >= 2 {
        out.extend([0x7fff, 0x8000, 0xfeff, 0xff00, 0xff20, 0xfff1, 0xfff2, 0xffff]);
    }
    if width >= 4 {
        out.extend([0x7fff_ffff, 0x8000_0000, 0xffff_fff8, 0xffff_ffff]);
    }
    if width == 8 {
        out.extend([1 << 32, (1 << 32) + 64, 1 << 60, i64::MAX as u64, 1 << 63, u64::MAX - 7, u64::MAX]);
    }
    let mask = if width == 8 { u64::MAX } else { (1 << (8 * width)) - 1 };
    out.retain(|v| v & mask == *v);
    out
}

/// Returns the file with every field of every record set to every extreme value.
pub fn fields(sample: &[u8]) -> impl Iterator<Item = Damaged> {
    let elf = Elf { bytes: sample.to_vec() };
    let mut places: Vec<(String, usize, usize)> = Vec::new();
    let mut add = |what: &str, at: usize, fields: &[Field]| {
        places.extend(fields.iter().map(|(name, offset, width)| (format!("{what}{name}"), at + offset, *width)));
    };
    add("", 0, &HEADER);
    for i in 0..elf.sections() {
        add(&format!("section {i}: "), elf.header(i), &SECTION);
        let (at, size) = elf.contents(i);
        let (name, entry, fields): (_, _, &[Field]) = match elf.kind(i) {
            SYMTAB => ("symbol", 24, &SYMBOL),
            RELA => ("relocation", 24, &RELOCATION),
            _ => continue,
        };
        for (n, at) in (at..at + size).step_by(entry).enumerate() {
            add(&format!("section {i}, {name} {n}: "), at, fields);
        }
    }
    let len = sample.len() as u64;
    places.into_iter().flat_map(move |(what, at, width)| {
        let elf = elf.clone();
        extremes(width, len).into_iter().map(move |value| {
            let mut elf = elf.clone();
            elf.set(at, width, value);
            Damaged { what: format!("{what} = {value:#x}"), bytes: elf.bytes }
        })
    })
}

/// Returns the file truncated after every byte.
pub fn truncations(sample: &[u8]) -> impl Iterator<Item = Damaged> {
    (0..sample.len()).map(|len| Damaged { what: format!("cut off after {len} bytes"), bytes: sample[..len].to_vec() })
}

/// Returns files with inconsistencies of several fields. Each must be refused with a message that contains the words.
#[must_use]
pub fn inconsistencies(sample: &[u8]) -> Vec<(&'static str, Damaged)> {
    let mut out = Vec::new();
    let mut inconsistency = |expected, what: &str, tell: &dyn Fn(&mut Elf)| {
        let mut elf = Elf { bytes: sample.to_vec() };
        tell(&mut elf);
        assert!(elf.bytes != sample, "{what} changes nothing");
        out.push((expected, Damaged { what: what.to_owned(), bytes: elf.bytes }));
    };
    inconsistency("overlap", "two sections share their bytes", &|elf| {
        let (text, _) = elf.contents(elf.named(".text"));
        let data = elf.header(elf.named(".data"));
        elf.set(data + 24, 8, text as u64 + 8);
    });
    inconsistency("overlap", "a section lies over the section table", &|elf| {
        let (table, data) = (elf.header(0), elf.header(elf.named(".data")));
        elf.set(data + 24, 8, table as u64);
    });
    inconsistency("too large: sh_size", ".bss of 2^60 bytes", &|elf| {
        let bss = elf.header(elf.named(".bss"));
        elf.set(bss + 32, 8, 1 << 60);
    });
    inconsistency("does not end in the string table", "a string table without a NUL", &|elf| {
        let strtab = elf.of_kind(STRTAB).find(|i| *i == link(elf, symtab(elf))).expect("a string table");
        let (at, size) = elf.contents(strtab);
        elf.bytes[at..at + size].fill(b'x');
    });
    inconsistency("does not end in the name table", "a table of section names without a NUL", &|elf| {
        let (at, size) = elf.contents(elf.get(62, 2) as usize);
        elf.bytes[at..at + size].fill(b'x');
    });
    inconsistency("it has no string table", "symbols whose strings are a relocation section", &|elf| {
        let (symtab, rela) = (symtab(elf), elf.of_kind(RELA).next().expect("relocations"));
        elf.set(elf.header(symtab) + 40, 4, rela as u64);
    });
    inconsistency("its symbols are not the symbol table", "relocations whose symbols are strings", &|elf| {
        let (rela, strtab) = (elf.of_kind(RELA).next().expect("relocations"), link(elf, symtab(elf)));
        elf.set(elf.header(rela) + 40, 4, strtab as u64);
    });
    inconsistency("a second symbol table", "two symbol tables", &|elf| {
        let data = elf.named(".rodata");
        elf.set(elf.header(data) + 4, 4, SYMTAB.into());
    });
    inconsistency("a section without contents", "relocations aimed at a section that has none", &|elf| {
        let (rela, bss) = (elf.of_kind(RELA).next().expect("relocations"), elf.named(".bss"));
        elf.set(elf.header(rela) + 44, 4, bss as u64);
    });
    let of_type = |elf: &mut Elf, kind: u64| {
        let rela = elf.of_kind(RELA).next().expect("relocations");
        elf.set(elf.header(rela) + 4, 4, kind);
    };
    inconsistency("are not allowed in a module", "relocations that say to be SHT_RELR", &|elf| of_type(elf, 19));
    inconsistency("unknown format", "relocations of a machine's own type", &|elf| of_type(elf, 0x7000_1234));
    inconsistency("unknown format", "relocations of a user's own type", &|elf| of_type(elf, 0x8000_0001));
    inconsistency("after its last relocation", "relocations that say to be SHT_CREL", &|elf| of_type(elf, 0x4000_0014));
    inconsistency("must be SHT_RELA", "a live patch's relocations that say to be SHT_REL", &|elf| {
        let rela = elf.of_kind(RELA).next().expect("relocations");
        elf.set(elf.header(rela) + 4, 4, 9);
        elf.set(elf.header(rela) + 8, 8, 0x10_0042);
    });
    inconsistency("refer to its name", "an export without a name", &|elf| {
        let strings = elf.named("__ksymtab_strings");
        let (at, size) = elf.contents(strings);
        elf.bytes[at..at + size].fill(b'x');
    });
    inconsistency("a section without contents", "a section with relocations turned into NOBITS", &|elf| {
        let text = elf.header(elf.named(".text"));
        elf.set(text + 4, 4, NOBITS.into());
    });
    inconsistency("does not exist", "relocations of a section that does not exist", &|elf| {
        let rela = elf.of_kind(RELA).next().expect("relocations");
        elf.set(elf.header(rela) + 44, 4, 1000);
    });
    inconsistency("cannot be compressed", "a compressed section in memory", &|elf| {
        let data = elf.header(elf.named(".data"));
        elf.set(data + 8, 8, ALLOC | COMPRESSED);
    });
    inconsistency("section table lies outside the file", "a section count in section 0", &|elf| {
        let null = elf.header(0);
        elf.set(60, 2, 0);
        elf.set(null + 32, 8, u64::MAX);
    });
    inconsistency("section table lies outside the file", "a section count whose table wraps around", &|elf| {
        let null = elf.header(0);
        elf.set(60, 2, 0);
        elf.set(null + 32, 8, (1 << 58) + 1);
    });
    inconsistency("not a whole number of versions", "__versions of odd size", &|elf| {
        let versions = elf.header(elf.named("__versions"));
        elf.set(versions + 32, 8, 127);
    });
    inconsistency("a version's name does not end", "__versions without a NUL", &|elf| {
        let (at, size) = elf.contents(elf.named("__versions"));
        elf.bytes[at..at + size].fill(b'v');
    });
    inconsistency("not a whole number of entries", "half a symbol", &|elf| {
        let symtab = elf.header(symtab(elf));
        let size = elf.get(symtab + 32, 8);
        elf.set(symtab + 32, 8, size - 12);
    });
    inconsistency("lies outside its section", "a relocation outside its section", &|elf| {
        first_relocation(elf, 0, 8, 1 << 40)
    });
    inconsistency("lies outside its section", "a relocation half outside its section", &|elf| {
        first_relocation(elf, 0, 8, 30);
    });
    inconsistency("refers to symbol", "a relocation against a symbol that does not exist", &|elf| {
        first_relocation(elf, 12, 4, 0x00ff_ffff);
    });
    inconsistency("type that the plugin does not know", "a relocation of no known type", &|elf| {
        first_relocation(elf, 8, 4, 250)
    });
    inconsistency("out of range", "an addend that leads out of range", &|elf| first_relocation(elf, 16, 8, 1 << 62));
    inconsistency("not a relocatable ELF file", "not ELF at all", &|elf| elf.bytes.fill(b'#'));
    inconsistency("neither 32 nor 64 bits", "class 3", &|elf| elf.set(4, 1, 3));
    inconsistency("byte order", "byte order 3", &|elf| elf.set(5, 1, 3));
    inconsistency("relocatable object", "an executable", &|elf| elf.set(16, 2, 2));
    inconsistency("no plugin for machine", "a machine without a plugin", &|elf| elf.set(18, 2, 0x1234));
    out
}

fn symtab(elf: &Elf) -> usize {
    elf.of_kind(SYMTAB).next().expect("a symbol table")
}

fn link(elf: &Elf, section: usize) -> usize {
    elf.get(elf.header(section) + 40, 4) as usize
}

/// Writes a field of the first relocation of `.text`.
fn first_relocation(elf: &mut Elf, offset: usize, width: usize, value: u64) {
    let (at, _) = elf.contents(elf.named(".rela.text"));
    elf.set(at + offset, width, value);
}
