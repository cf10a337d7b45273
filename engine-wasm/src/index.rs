//! Reads from pieces of a file what an index of modules needs: its links to other modules, and what it says of itself.
//!
//! A module with its code and debug information is many times larger than that, so the host reads only the pieces that
//! are asked for. [`index`] begins anew with each call, and ends early where it misses a piece.
//!
//! Its rules are those of kmod 34, so that the indices are the same: tables are found by the names of their sections,
//! damage outside of them is no error, and damage within them means that they are empty.
//!
//! Sources: the man pages depmod(8) and modinfo(8), include/linux/module.h and module_signature.h of Linux.

use crate::error::{ElfError, fault, malformed};
use crate::limits;
use alloc::collections::BTreeMap;
use alloc::vec;
use alloc::vec::Vec;
use core::cell::RefCell;
use object::elf::{self, FileHeader32, FileHeader64};
use object::endian::Endian as _;
use object::pod::{from_bytes, slice_from_bytes};
use object::read::elf::{FileHeader, SectionHeader, Sym};
use object::{BigEndian, Endianness};
use relobox_abi::{NONE, Span, index as what, link_flag};

/// The text after a signature.
const MAGIC: &[u8] = b"~Module signature appended~\n";
/// The trailer of a signature: ids, the lengths of the names of signer and key, padding, and the signature's length.
const TRAILER: u64 = 12;
/// An entry of `__versions`: an unsigned long with the CRC, then the name.
const VERSION: usize = 64;
/// What precedes the name of an export in the name of the symbol that is its CRC.
const CRC: &[u8] = b"__crc_";
const SHN_UNDEF: u16 = elf::SHN_UNDEF.0;
const SHN_ABS: u16 = elf::SHN_ABS.0;

/// A file of which only some pieces are known.
pub struct Pieces<'a> {
    len: u64,
    known: Vec<(Span, &'a [u8])>,
    wanted: RefCell<Vec<Span>>,
}

impl<'a> Pieces<'a> {
    /// A file of `len` bytes, of which nothing is known.
    #[must_use]
    pub fn new(len: u64) -> Self {
        Self { len, known: Vec::new(), wanted: RefCell::default() }
    }

    /// Adds a piece.
    pub fn add(&mut self, place: Span, bytes: &'a [u8]) {
        self.known.push((place, bytes));
    }

    /// Takes the pieces that were asked for and are not known.
    pub fn wanted(&mut self) -> Vec<Span> {
        core::mem::take(self.wanted.get_mut())
    }

    /// Returns `len` bytes at `at`, which must lie in the file. `None` if they are not known yet.
    fn get(&self, at: u64, len: u64) -> Option<&'a [u8]> {
        if len == 0 {
            return Some(&[]);
        }
        let place = Span { at: at as u32, len: len as u32 };
        let found = self.known.iter().find(|(known, _)| *known == place).map(|(_, bytes)| *bytes);
        if found.is_none() {
            let mut wanted = self.wanted.borrow_mut();
            if !wanted.contains(&place) {
                wanted.push(place);
            }
        }
        found
    }

    fn holds(&self, at: u64, len: u64) -> bool {
        at.checked_add(len).is_some_and(|end| end <= self.len)
    }
}

/// A symbol by which modules are linked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Linked<'a> {
    /// Its name.
    pub name: &'a [u8],
    /// Its CRC. `None` if it cannot be read.
    pub crc: Option<u32>,
    /// True if the module works without it.
    pub weak: bool,
}

impl Linked<'_> {
    /// The flags of its record.
    #[must_use]
    pub fn flags(&self) -> u32 {
        let weak = if self.weak { link_flag::WEAK } else { 0 };
        weak | if self.crc.is_none() { link_flag::NO_CRC } else { 0 }
    }
}

/// What an index needs of a module.
#[derive(Debug, Default)]
pub struct Summary<'a> {
    /// The entries of `.modinfo`: key and value. `None` if there is no such section.
    pub modinfo: Option<Vec<(&'a [u8], &'a [u8])>>,
    /// The exported symbols. `None` if their names do not end.
    pub exports: Option<Vec<Linked<'a>>>,
    /// True if there is nothing that could name exports.
    pub no_exports: bool,
    /// The undefined symbols, and then the names in `__versions` that are none. `None` if the tables of symbols and
    /// their names are missing or damaged. With [`what::VERSIONS`], all of `__versions`; `None` without that section.
    pub imports: Option<Vec<Linked<'a>>>,
    /// The appended signature: signer, key, signature and trailer. Empty without one.
    pub signature: &'a [u8],
}

/// Reads a module. `what` is one of [`relobox_abi::index`]. Returns `None` if pieces are wanted.
///
/// # Errors
/// NOT_ELF if it is not an ELF file, MALFORMED if it has no table of sections, TOO_LARGE if it exceeds a limit.
pub fn index<'a>(file: &Pieces<'a>, what: u32) -> Result<Option<Summary<'a>>, ElfError> {
    if file.len > limits::FILE as u64 {
        return Err(fault(relobox_abi::fault::TOO_LARGE, NONE, "file", 0, file.len, limits::FILE as u64));
    }
    let not_elf = |text| fault(relobox_abi::fault::NOT_ELF, NONE, text, 0, file.len, 0);
    if file.len <= 16 {
        return Err(not_elf("it is too short to be an ELF file"));
    }
    let Some(start) = file.get(0, file.len.min(size_of::<FileHeader64<Endianness>>() as u64)) else { return Ok(None) };
    match start {
        [0x7f, b'E', b'L', b'F', 1, ..] => of_class::<FileHeader32<Endianness>>(file, start, what),
        [0x7f, b'E', b'L', b'F', 2, ..] => of_class::<FileHeader64<Endianness>>(file, start, what),
        [0x7f, b'E', b'L', b'F', class, ..] => Err(malformed("unknown ELF class in e_ident", 4, (*class).into(), 2)),
        _ => Err(not_elf("it does not begin with ELF's magic number")),
    }
}

/// The sections that matter, by name: the first of each.
#[derive(Default)]
struct Tables {
    modinfo: Option<(u64, u64)>,
    versions: Option<(u64, u64)>,
    exports: Option<(u64, u64)>,
    symbols: Option<(u64, u64)>,
    names: Option<(u64, u64)>,
}

fn of_class<'a, H: FileHeader<Endian = Endianness>>(
    file: &Pieces<'a>,
    start: &'a [u8],
    mode: u32,
) -> Result<Option<Summary<'a>>, ElfError> {
    let cut = || malformed("the ELF header is cut off: the length of the file", 0, file.len, size_of::<H>() as u64);
    let (header, _) = from_bytes::<H>(start).map_err(|()| cut())?;
    let data = header.e_ident().data;
    let e = match data {
        elf::ELFDATA2LSB => Endianness::Little,
        elf::ELFDATA2MSB => Endianness::Big,
        _ => return Err(malformed("unknown byte order in e_ident", 5, data.0.into(), 2)),
    };
    let (at, count) = (header.e_shoff(e).into(), header.e_shnum(e));
    let size = size_of::<H::SectionHeader>() as u64;
    if u64::from(header.e_shentsize(e)) != size {
        return Err(malformed("wrong size of a section header: e_shentsize", at, header.e_shentsize(e).into(), size));
    }
    let len = size * u64::from(count);
    if !file.holds(at, len) {
        return Err(malformed("the section table lies outside the file: e_shoff", at, at, file.len));
    }
    let Some(table) = file.get(at, len) else { return Ok(None) };
    let (sections, _) = slice_from_bytes::<H::SectionHeader>(table, count.into()).map_err(|()| cut())?;
    let place = |section: &H::SectionHeader| {
        let (at, len) = (section.sh_offset(e).into(), section.sh_size(e).into());
        file.holds(at, len).then_some((at, len))
    };
    let names = header.e_shstrndx(e).0;
    let bad_names = || malformed("there are no section names: e_shstrndx", at, names.into(), count.into());
    let names = sections.get(usize::from(names)).filter(|_| names != 0).and_then(place).ok_or_else(bad_names)?;
    let Some(names) = file.get(names.0, names.1) else { return Ok(None) };
    if names.last() != Some(&0) {
        return Err(bad_names());
    }
    let mut tables = Tables::default();
    for section in sections.iter().skip(1) {
        let slot = match until_nul(names.get(section.sh_name(e) as usize..).unwrap_or_default()) {
            b".modinfo" => &mut tables.modinfo,
            b"__versions" => &mut tables.versions,
            b"__ksymtab_strings" => &mut tables.exports,
            b".symtab" => &mut tables.symbols,
            b".strtab" => &mut tables.names,
            _ => continue,
        };
        *slot = slot.or(place(section));
    }
    // A table at the start of the file would be the header.
    let get = |table: Option<(u64, u64)>| match table.filter(|(at, _)| *at != 0) {
        Some((at, len)) => file.get(at, len).map(Some),
        None => Some(None),
    };
    if mode == what::ABOUT {
        let (Some(modinfo), Some(signature)) = (get(tables.modinfo), signature(file)) else { return Ok(None) };
        return Ok(Some(Summary { modinfo: modinfo.map(entries), signature, ..Summary::default() }));
    }
    if mode == what::VERSIONS {
        let Some(section) = get(tables.versions) else { return Ok(None) };
        let Some(section) = section else { return Ok(Some(Summary::default())) };
        let all = versions(section, header.is_class_64(), e).into_iter().map(import).collect::<Option<Vec<_>>>();
        let all = all.filter(|all| all.len() * VERSION == section.len());
        let damaged =
            || malformed("__versions has half an entry, or a name without end: its size", 0, 0, VERSION as u64);
        let imports = Some(all.ok_or_else(damaged)?);
        return Ok(Some(Summary { imports, ..Summary::default() }));
    }
    let known = [tables.modinfo, tables.versions, tables.exports, tables.symbols, tables.names].map(get);
    let [Some(modinfo), Some(versions), Some(exports), Some(symbols), Some(names)] = known else { return Ok(None) };
    let symbols = symbols.and_then(|bytes| {
        let count = bytes.len() / size_of::<H::Sym>();
        let whole = bytes.len().is_multiple_of(size_of::<H::Sym>());
        slice_from_bytes::<H::Sym>(bytes, count).ok().filter(|_| whole).map(|(symbols, _)| symbols)
    });
    let table = Symbols::<H> { e, symbols: symbols.zip(names), names: names.unwrap_or_default() };
    let crcs = table.crcs();
    let no_exports = crcs.is_none() && tables.exports.is_none();
    let by_crc = match crcs {
        // The CRCs may lie anywhere.
        Some(crcs) => {
            let crc = |(name, value, section): (&'a [u8], u64, u16)| {
                let crc = match section {
                    SHN_UNDEF | SHN_ABS => Some(Some(value as u32)),
                    _ => match sections.get(usize::from(section)).and_then(place) {
                        Some((at, len)) if value.checked_add(4).is_some_and(|end| end <= len) => {
                            file.get(at, len).map(|bytes| word(bytes, value as usize, e))
                        }
                        _ => Some(None),
                    },
                };
                crc.map(|crc| Linked { name, crc, weak: false })
            };
            // All that are missing are asked for at once.
            let found: Vec<_> = crcs.into_iter().map(crc).collect();
            let Some(found) = found.into_iter().collect::<Option<Vec<_>>>() else { return Ok(None) };
            Some(found)
        }
        None => exports.map_or(Some(Vec::new()), export_names),
    };
    let machine = header.e_machine(e);
    let registers = matches!(machine, elf::EM_SPARC | elf::EM_SPARCV9);
    let imports = table.imports(versions.unwrap_or_default(), header.is_class_64(), registers);
    Ok(Some(Summary { modinfo: modinfo.map(entries), exports: by_crc, no_exports, imports, signature: &[] }))
}

/// The symbol table and its names.
struct Symbols<'a, H: FileHeader<Endian = Endianness>> {
    e: Endianness,
    /// The entries, if there are names, too.
    symbols: Option<(&'a [H::Sym], &'a [u8])>,
    names: &'a [u8],
}

impl<'a, H: FileHeader<Endian = Endianness>> Symbols<'a, H> {
    fn entries(&self) -> impl Iterator<Item = &'a H::Sym> + use<'a, H> {
        self.symbols.map_or(&[][..], |(symbols, _)| symbols).iter().skip(1)
    }

    fn name(&self, symbol: &H::Sym) -> Option<&'a [u8]> {
        let rest = self.names.get(symbol.st_name(self.e) as usize..).filter(|rest| !rest.is_empty())?;
        Some(until_nul(rest))
    }

    /// The symbols that are CRCs of exports: the export's name, the value and its section. `None` if there is none, or
    /// if any symbol has no name.
    fn crcs(&self) -> Option<Vec<(&'a [u8], u64, u16)>> {
        let mut found = Vec::new();
        for symbol in self.entries() {
            let start = symbol.st_name(self.e) as usize;
            let rest = self.names.get(start..).filter(|rest| !rest.is_empty())?;
            if rest.starts_with(CRC) {
                let name = until_nul(&rest[CRC.len()..]);
                found.push((name, symbol.st_value(self.e).into(), symbol.st_shndx(self.e).0));
            }
        }
        (!found.is_empty()).then_some(found)
    }

    /// The undefined symbols with their CRCs, and the other names in `__versions`. `None` if a table is damaged.
    /// `registers` is true on a machine on which a symbol may stand for a register.
    fn imports(&self, section: &'a [u8], wide: bool, registers: bool) -> Option<Vec<Linked<'a>>> {
        self.symbols?;
        let entries = versions(section, wide, self.e);
        let mut by_name = BTreeMap::new();
        for (i, (name, _)) in entries.iter().enumerate() {
            if let Some(name) = name {
                by_name.entry(*name).or_insert(i);
            }
        }
        let mut visited = vec![false; entries.len()];
        let mut found = Vec::new();
        for symbol in self.entries() {
            if symbol.st_shndx(self.e) != elf::SHN_UNDEF || (registers && symbol.st_type() == elf::STT_SPARC_REGISTER) {
                continue;
            }
            let name = self.name(symbol)?;
            if name.is_empty() {
                continue;
            }
            let version = by_name.get(name).copied();
            if let Some(i) = version {
                visited[i] = true;
            }
            let crc = version.map_or(Some(0), |i| entries[i].1);
            found.push(Linked { name, crc, weak: symbol.st_bind() == elf::STB_WEAK });
        }
        for (entry, _) in entries.into_iter().zip(visited).filter(|(_, visited)| !visited) {
            found.push(import(entry)?);
        }
        Some(found)
    }
}

/// The entries of `__versions`: name and CRC. The name is `None` if it does not end. Half an entry makes all of them
/// void.
fn versions(section: &[u8], wide: bool, e: Endianness) -> Vec<(Option<&[u8]>, Option<u32>)> {
    let width = if wide { 8 } else { 4 };
    // The CRC is the low half of the word.
    let low = if e.is_big_endian() { width - 4 } else { 0 };
    let section = if section.len().is_multiple_of(VERSION) { section } else { &[] };
    let mut all = Vec::new();
    for entry in section.chunks_exact(VERSION) {
        let name = &entry[width..];
        all.push((name.contains(&0).then(|| until_nul(name)), word(entry, low, e)));
    }
    all
}

fn import<'a>((name, crc): (Option<&'a [u8]>, Option<u32>)) -> Option<Linked<'a>> {
    name.map(|name| Linked { name, crc, weak: false })
}

/// The names in `__ksymtab_strings`, which may have namespaces among them. `None` if the last one does not end.
fn export_names(bytes: &[u8]) -> Option<Vec<Linked<'_>>> {
    let bytes = without_padding(bytes);
    if bytes.len() <= 1 {
        return Some(Vec::new());
    }
    let names = bytes.strip_suffix(b"\0")?.split(|b| *b == 0).filter(|name| !name.is_empty());
    Some(names.map(|name| Linked { name, crc: Some(0), weak: false }).collect())
}

/// The entries `key=value` of `.modinfo`, with runs of NULs between them. An entry without `=` is a key.
fn entries(bytes: &[u8]) -> Vec<(&[u8], &[u8])> {
    let bytes = without_padding(bytes);
    if bytes.len() <= 1 {
        return Vec::new();
    }
    let texts = bytes.split(|b| *b == 0).filter(|entry| !entry.is_empty());
    let pair =
        |entry: &'_ [u8]| entry.iter().position(|b| *b == b'=').map_or((entry.len(), entry.len()), |i| (i, i + 1));
    texts.map(|entry| (&entry[..pair(entry).0], &entry[pair(entry).1..])).collect()
}

/// The appended signature with its trailer, or nothing. `None` if pieces are wanted.
fn signature<'a>(file: &Pieces<'a>) -> Option<&'a [u8]> {
    let end = MAGIC.len() as u64 + TRAILER;
    if file.len < end {
        return Some(&[]);
    }
    let tail = file.get(file.len - end, end)?;
    let [_, _, _, signer, key, _, _, _, a, b, c, d, magic @ ..] = tail else { return Some(&[]) };
    if magic != MAGIC {
        return Some(&[]);
    }
    let signature = BigEndian.read_u32([*a, *b, *c, *d]);
    let len = u64::from(signature) + u64::from(*signer) + u64::from(*key) + TRAILER;
    let whole = len + MAGIC.len() as u64;
    if signature == 0 || whole > file.len { Some(&[]) } else { file.get(file.len - whole, len) }
}

fn without_padding(bytes: &[u8]) -> &[u8] {
    let start = bytes.iter().position(|b| *b != 0).unwrap_or(bytes.len());
    &bytes[start..]
}

fn until_nul(bytes: &[u8]) -> &[u8] {
    bytes.split(|b| *b == 0).next().unwrap_or_default()
}

fn word(bytes: &[u8], at: usize, e: Endianness) -> Option<u32> {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).map(|bytes| e.read_u32(*bytes))
}
