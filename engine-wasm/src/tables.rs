//! Sections and symbols.

use crate::error::{ElfError, bad_section, fault, malformed};
use crate::file::{File, bytes_of, string_at};
use crate::limits;
use alloc::vec::Vec;
use object::elf;
use object::read::elf::{FileHeader, SectionHeader, Sym};
use object::{Endianness, Pod};
use relobox_abi::{Section, Span, Symbol, symbol_flag};

pub(crate) trait Header: FileHeader<Endian = Endianness> {}
impl<H: FileHeader<Endian = Endianness>> Header for H {}

/// Reads every section. Their contents lie in the file, and none overlap.
pub(crate) fn sections<H: FileHeader<Endian = Endianness>>(
    file: &File<'_, H>,
    names: Span,
) -> Result<Vec<Section>, ElfError> {
    let mut out = Vec::with_capacity(file.headers.len());
    let most = limits::names_for(file.bytes.len() as u64);
    let mut length = 0u64;
    for (i, header) in file.headers.iter().enumerate() {
        out.push(if i == 0 { Section { align: 1, ..Default::default() } } else { section(file, i, header, names)? });
        length += u64::from(out[i].name.len);
        if length > most {
            let text = "sections' names overlap; their length is";
            return Err(fault(relobox_abi::fault::TOO_LARGE, i as u32, text, 0, length, most));
        }
    }
    no_overlap(file, &out)?;
    Ok(out)
}

/// Returns the string table of `e_shstrndx`.
pub(crate) fn section_names<H: FileHeader<Endian = Endianness>>(file: &File<'_, H>) -> Result<Span, ElfError> {
    let at = file.section_table();
    let index = file
        .header
        .shstrndx(file.endian, file.bytes)
        .map_err(|_| malformed("there are no section names: e_shstrndx", at, 0, 0))? as usize;
    if index >= file.headers.len() {
        return Err(malformed("no such section: e_shstrndx", at, index as u64, file.headers.len() as u64 - 1));
    }
    // Names in a relocation section would be lost after relocation.
    if file.headers[index].sh_type(file.endian) != elf::SHT_STRTAB {
        return Err(malformed("the section of names is not a string table: e_shstrndx", at, index as u64, 0));
    }
    contents(file, index)
}

/// Returns a section's contents, as a run of the file.
pub(crate) fn contents<H: Header>(file: &File<'_, H>, index: usize) -> Result<Span, ElfError> {
    let header = &file.headers[index];
    let (at, size): (u64, u64) = (header.sh_offset(file.endian).into(), header.sh_size(file.endian).into());
    if matches!(header.sh_type(file.endian), elf::SHT_NOBITS | elf::SHT_NULL) || size == 0 {
        return Ok(Span::default());
    }
    let len = file.bytes.len() as u64;
    match at.checked_add(size) {
        Some(end) if end <= len => Ok(Span { at: at as u32, len: size as u32 }),
        _ => Err(bad_section(index, "its contents lie outside the file: sh_size", at, size, len.saturating_sub(at))),
    }
}

fn section<H: Header>(
    file: &File<'_, H>,
    index: usize,
    header: &H::SectionHeader,
    names: Span,
) -> Result<Section, ElfError> {
    let e = file.endian;
    let name_at = header.sh_name(e);
    let end = (names.at + names.len) as usize;
    let name = match names.len {
        // A file may have no names at all.
        0 if name_at == 0 => Some(Span::default()),
        _ => string_at(file.bytes, (names.at as usize).saturating_add(name_at as usize), end),
    };
    let name = name.ok_or_else(|| {
        bad_section(index, "its name does not end in the name table: sh_name", 0, name_at.into(), names.len.into())
    })?;
    let kind = header.sh_type(e);
    let (flags, size) = (header.sh_flags(e).0, header.sh_size(e).into());
    if kind == elf::SHT_NULL {
        return Ok(Section { name, align: 1, ..Default::default() });
    }
    let align: u64 = Into::<u64>::into(header.sh_addralign(e)).max(1);
    let allocated = flags & elf::SHF_ALLOC.0 != 0;
    if !align.is_power_of_two() || (allocated && align > limits::ALIGN) {
        return Err(bad_section(index, "bad alignment: sh_addralign", 0, align, limits::ALIGN));
    }
    if allocated && flags & elf::SHF_COMPRESSED.0 != 0 {
        return Err(bad_section(index, "an allocated section cannot be compressed: sh_flags", 0, flags, 0));
    }
    if kind == elf::SHT_NOBITS && size > limits::NOBITS {
        return Err(bad_section(index, "it is too large: sh_size", 0, size, limits::NOBITS));
    }
    let data = contents(file, index)?;
    Ok(Section { address: 0, size, align, flags, data, name, kind: kind.0, reserved: 0 })
}

/// Refuses sections that share bytes, since each would be patched through the other.
fn no_overlap<H: Header>(file: &File<'_, H>, sections: &[Section]) -> Result<(), ElfError> {
    let table = file.section_table();
    let table_end = table + file.headers.len() as u64 * size_of::<H::SectionHeader>() as u64;
    let mut runs: Vec<(u64, u64, usize)> = Vec::with_capacity(sections.len() + 2);
    runs.push((0, size_of::<H>() as u64, 0));
    runs.push((table, table_end, 0));
    for (i, s) in sections.iter().enumerate() {
        if s.data.len != 0 {
            runs.push((s.data.at.into(), u64::from(s.data.at) + u64::from(s.data.len), i));
        }
    }
    runs.sort_unstable();
    for pair in runs.windows(2) {
        let ((_, end, a), (start, _, b)) = (pair[0], pair[1]);
        if start < end {
            let text = "its contents overlap another section, or a header: sh_offset";
            return Err(bad_section(a.max(b), text, start, start, end));
        }
    }
    Ok(())
}

/// Returns the index of the only symbol table, if there is one.
pub(crate) fn symbol_table<H: FileHeader<Endian = Endianness>>(file: &File<'_, H>) -> Result<Option<usize>, ElfError> {
    let mut tables = (0..file.headers.len()).filter(|i| file.kind(*i) == elf::SHT_SYMTAB);
    let first = tables.next();
    match tables.next() {
        Some(second) => Err(bad_section(second, "there is a second symbol table: its section", 0, second as u64, 0)),
        None => Ok(first),
    }
}

pub(crate) fn records<'a, T: Pod, H: Header>(file: &File<'a, H>, section: usize) -> Result<&'a [T], ElfError> {
    let header = &file.headers[section];
    let entry: u64 = header.sh_entsize(file.endian).into();
    let want = size_of::<T>() as u64;
    let size: u64 = header.sh_size(file.endian).into();
    if entry != want {
        return Err(bad_section(section, "wrong size of an entry: sh_entsize", 0, entry, want));
    }
    if !size.is_multiple_of(want) {
        return Err(bad_section(section, "not a whole number of entries: sh_size", 0, size, want));
    }
    let at = header.sh_offset(file.endian).into();
    let bad = |_| bad_section(section, "its contents lie outside the file: sh_size", at, size, file.bytes.len() as u64);
    header.data_as_array(file.endian, file.bytes).map_err(bad)
}

/// Reads every symbol of section `table`.
pub(crate) fn symbols<H: FileHeader<Endian = Endianness>>(
    file: &File<'_, H>,
    sections: &[Section],
    table: usize,
) -> Result<Vec<Symbol>, ElfError> {
    let e = file.endian;
    let raw: &[H::Sym] = records(file, table)?;
    let link = file.link(table);
    if link >= sections.len() || file.kind(link) != elf::SHT_STRTAB {
        return Err(bad_section(table, "it has no string table: sh_link", 0, link as u64, sections.len() as u64 - 1));
    }
    let names = sections[link].data;
    let end = (names.at + names.len) as usize;
    let extended = extended_indices(file, table)?;
    let sparc = SPARC.contains(&file.header.e_machine(e));
    let mut out = Vec::with_capacity(raw.len().max(1));
    let most = limits::names_for(file.bytes.len() as u64);
    let mut length: u64 = sections.iter().map(|s| u64::from(s.name.len)).sum();
    for (i, s) in raw.iter().enumerate() {
        if i == 0 {
            out.push(Symbol::default());
            continue;
        }
        let at = (names.at as usize).saturating_add(s.st_name(e) as usize);
        let name = match s.st_name(e) {
            0 => Span { at: names.at, len: 0 },
            offset => string_at(file.bytes, at, end).ok_or_else(|| {
                let text = "a symbol's name does not end in the string table: st_name";
                bad_section(table, text, i as u64, offset.into(), names.len.into())
            })?,
        };
        length += u64::from(name.len);
        if length > most {
            let text = "symbols' names overlap; their length is";
            return Err(fault(relobox_abi::fault::TOO_LARGE, table as u32, text, i as u64, length, most));
        }
        let mut flags = 0;
        let section = match s.st_shndx(e).0 {
            0 => {
                flags |= symbol_flag::UNDEFINED;
                0
            }
            SHN_ABS => {
                flags |= symbol_flag::ABSOLUTE;
                0
            }
            SHN_COMMON => {
                flags |= symbol_flag::COMMON;
                0
            }
            SHN_LIVEPATCH => {
                flags |= symbol_flag::LIVEPATCH;
                0
            }
            SHN_XINDEX => extended.and_then(|x| x.get(i)).map_or(u32::MAX, |x| x.get(e)),
            // These indices differ between machines and systems, and none of them is a section.
            index @ SHN_LORESERVE.. => {
                let text = "a symbol is in an unknown reserved section: st_shndx";
                return Err(bad_section(table, text, i as u64, index.into(), sections.len() as u64 - 1));
            }
            index => index.into(),
        };
        if section as usize >= sections.len() {
            let text = "a symbol is in a section that does not exist: st_shndx";
            return Err(bad_section(table, text, i as u64, section.into(), sections.len() as u64 - 1));
        }
        match s.st_bind() {
            elf::STB_WEAK => flags |= symbol_flag::WEAK,
            elf::STB_LOCAL => flags |= symbol_flag::LOCAL,
            _ => {}
        }
        if bytes_of(file.bytes, sections[section as usize].name) == b".data..percpu" {
            flags |= symbol_flag::PERCPU;
        }
        // The types from 13 are specific to the machine: on parisc, 13 is a function (STT_PARISC_MILLI).
        if sparc && s.st_type() == elf::STT_SPARC_REGISTER && flags & symbol_flag::UNDEFINED != 0 {
            flags |= symbol_flag::REGISTER;
        }
        let (value, size) = (s.st_value(e).into(), s.st_size(e).into());
        let (info, other) = (s.st_info().0, s.st_other().0);
        out.push(Symbol { value, size, name, section, info, other, flags, reserved: 0 });
    }
    if out.is_empty() {
        out.push(Symbol::default());
    }
    Ok(out)
}

/// The machines that have STT_SPARC_REGISTER.
const SPARC: [elf::Machine; 3] = [elf::EM_SPARC, elf::EM_SPARC32PLUS, elf::EM_SPARCV9];

const SHN_LORESERVE: u16 = elf::SHN_LORESERVE;
const SHN_ABS: u16 = elf::SHN_ABS.0;
const SHN_COMMON: u16 = elf::SHN_COMMON.0;
const SHN_XINDEX: u16 = elf::SHN_XINDEX.0;
/// SHN_LIVEPATCH, specific to Linux.
const SHN_LIVEPATCH: u16 = 0xff20;

/// Returns the section indices that do not fit into 16 bits (SHT_SYMTAB_SHNDX).
fn extended_indices<'a, H: Header>(
    file: &File<'a, H>,
    table: usize,
) -> Result<Option<&'a [object::U32<Endianness>]>, ElfError> {
    let found = (0..file.headers.len()).find(|i| file.kind(*i) == elf::SHT_SYMTAB_SHNDX && file.link(*i) == table);
    found.map(|section| records(file, section)).transpose()
}
