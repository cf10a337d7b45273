//! The relocations of sections in memory, in each format of ELF: REL, RELA, CREL.
//!
//! `sh_info` says which section a table relocates, whatever its name is. A section type that may be a relocation table
//! and is unknown is refused, because the code would lack its relocations if it were ignored.

use crate::error::{ElfError, bad_section, fault};
use crate::file::{File, bytes_of};
use crate::tables::{Header, records};
use crate::{crel, limits};
use alloc::vec::Vec;
use object::Endianness;
use object::elf;
use object::read::elf::Rel;
use object::read::elf::{FileHeader, Rela, SectionHeader};
use relobox_abi::{Group, Relocation, Section, group_flag, section_flag, section_kind};

/// A relocation table of a section in memory.
#[derive(Clone, Copy)]
pub(crate) struct Table {
    /// The index of the table's section.
    source: usize,
    /// The index of the section that it relocates.
    pub(crate) target: usize,
    format: Format,
}

#[derive(Clone, Copy, PartialEq)]
enum Format {
    Rel,
    Rela,
    Crel,
}

/// The meaning of a section's type.
enum Type {
    Table(Format),
    /// Relocations in another format, whatever `sh_link` says.
    Foreign,
    /// Another type that ELF defines.
    Other,
    /// An unknown type of a system or a machine. It has relocations if its links are those of a relocation table.
    Unknown,
}

/// GNU's relocations for a second table of a file; the `object` crate does not define it.
const SHT_SECONDARY_RELOC: u32 = 0x6000_0004;
/// AArch64's RELR with signed pointers. The number has another meaning on other machines.
const SHT_AARCH64_AUTH_RELR: u32 = 0x7000_0004;

/// SHT_PARISC_UNWIND and SHT_IA_64_UNWIND: tables of unwinding, whose sh_info or SHF_INFO_LINK names the code.
const SHT_UNWIND: u32 = 0x7000_0001;

fn type_of(kind: elf::SectionType, machine: elf::Machine) -> Type {
    match kind {
        elf::SHT_REL => Type::Table(Format::Rel),
        elf::SHT_RELA => Type::Table(Format::Rela),
        elf::SHT_CREL => Type::Table(Format::Crel),
        elf::SHT_RELR | elf::SHT_ANDROID_REL | elf::SHT_ANDROID_RELA | elf::SHT_ANDROID_RELR => Type::Foreign,
        elf::SectionType(SHT_SECONDARY_RELOC) => Type::Foreign,
        elf::SectionType(SHT_AARCH64_AUTH_RELR) if machine == elf::EM_AARCH64 => Type::Foreign,
        elf::SectionType(SHT_UNWIND) if matches!(machine, elf::EM_PARISC | elf::EM_IA_64) => Type::Other,
        elf::SectionType(..=18) => Type::Other,
        _ => Type::Unknown,
    }
}

/// Returns the hashes of the names of all allocated sections, ascending. Each name is read once.
fn names_in_memory<H: FileHeader<Endian = Endianness>>(file: &File<'_, H>, sections: &[Section]) -> Vec<u64> {
    let allocated = sections.iter().filter(|s| s.flags & section_flag::ALLOC != 0);
    let mut hashes: Vec<u64> = allocated.map(|s| hash(bytes_of(file.bytes, s.name))).collect();
    hashes.sort_unstable();
    hashes
}

/// FNV-1a. A collision of names only causes a table to be refused.
fn hash(name: &[u8]) -> u64 {
    name.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
}

/// Returns the relocation tables of allocated sections, in file order, without those that are left to the kernel.
pub(crate) fn tables<H: FileHeader<Endian = Endianness>>(
    file: &File<'_, H>,
    sections: &[Section],
    symtab: Option<usize>,
) -> Result<Vec<Table>, ElfError> {
    let e = file.endian;
    let mut out = Vec::new();
    let mut in_memory = None;
    for (source, header) in file.headers.iter().enumerate() {
        let target = header.sh_info(e) as usize;
        let relocated = sections.get(target).filter(|_| target != 0);
        let allocated = relocated.is_some_and(|s| s.flags & section_flag::ALLOC != 0);
        let empty = sections[source].size == 0;
        let foreign = |text| Err(bad_section(source, text, 0, header.sh_type(e).0.into(), 0));
        let format = match type_of(header.sh_type(e), file.header.e_machine(e)) {
            Type::Other => continue,
            Type::Unknown => {
                let linked = symtab.is_some() && Some(file.link(source)) == symtab;
                // A linked file might have a section with that index, because sections are added after the last one.
                let allocated = allocated || relocated.is_none() && target != 0;
                if allocated && !empty && (linked || sections[source].flags & elf::SHF_INFO_LINK.0 != 0) {
                    return foreign("it relocates a section in memory, in an unknown format: sh_type");
                }
                continue;
            }
            Type::Foreign => {
                // Without a target, the table applies to the whole file.
                if !empty && (allocated || relocated.is_none()) {
                    return foreign("relocations of this format are not allowed in a module: sh_type");
                }
                continue;
            }
            Type::Table(format) => format,
        };
        // Sections that the kernel finds by these names would lose their meaning after relocation.
        if allocated && !empty && bytes_of(file.bytes, sections[source].name).starts_with(b"__version") {
            return foreign("relocations have the name of a module's versions: sh_type");
        }
        let Some(section) = relocated else {
            let text = "it relocates a section that does not exist: sh_info";
            return Err(bad_section(source, text, 0, target as u64, sections.len() as u64 - 1));
        };
        if empty {
            continue;
        }
        if !allocated {
            let own = bytes_of(file.bytes, sections[source].name);
            let says = [&b".rela"[..], b".rel", b".crel"].into_iter().find_map(|start| own.strip_prefix(start));
            if let Some(says) = says.filter(|says| *says != bytes_of(file.bytes, section.name)) {
                let in_memory = in_memory.get_or_insert_with(|| names_in_memory(file, sections));
                if in_memory.binary_search(&hash(says)).is_ok() {
                    let text = "it is named for a section in memory, and relocates one that is not: sh_info";
                    return Err(bad_section(source, text, 0, target as u64, 0));
                }
            }
            continue;
        }
        // The kernel applies a live patch's relocations when the patched object is loaded.
        if sections[source].flags & section_flag::RELA_LIVEPATCH != 0 {
            if format != Format::Rela {
                return foreign("a live patch's relocations must be SHT_RELA: sh_type");
            }
            continue;
        }
        if section.data.len == 0 {
            return Err(bad_section(source, "it relocates a section without contents: sh_info", 0, target as u64, 0));
        }
        if Some(file.link(source)) != symtab {
            let text = "its symbols are not the symbol table: sh_link";
            return Err(bad_section(source, text, 0, file.link(source) as u64, symtab.unwrap_or(0) as u64));
        }
        out.push(Table { source, target, format });
    }
    Ok(out)
}

/// Reads the relocations of `tables`, as one group for each table.
pub(crate) fn relocations<H: FileHeader<Endian = Endianness>>(
    file: &File<'_, H>,
    sections: &[Section],
    tables: impl Iterator<Item = Table> + Clone,
) -> Result<(Vec<Group>, Vec<Relocation>), ElfError> {
    let most = limits::relocations_for(file.bytes.len() as u64);
    let mut wanted = 0;
    for t in tables.clone() {
        let count = match t.format {
            Format::Rel => sections[t.source].size / size_of::<H::Rel>() as u64,
            Format::Rela => sections[t.source].size / size_of::<H::Rela>() as u64,
            Format::Crel => crel(file, sections, t.source)?.count,
        };
        wanted += count;
        if wanted > most {
            let text = "number of relocations";
            return Err(fault(relobox_abi::fault::TOO_LARGE, t.source as u32, text, 0, wanted, most));
        }
    }
    let (mut groups, mut out) = (Vec::new(), Vec::with_capacity(wanted as usize));
    for t in tables {
        let first = out.len() as u32;
        let in_place = read(file, sections, t, &mut out)?;
        groups.push(Group {
            section: t.target as u32,
            first,
            count: out.len() as u32 - first,
            flags: if in_place { group_flag::IN_PLACE } else { 0 },
            source: t.source as u32,
            reserved: 0,
        });
    }
    Ok((groups, out))
}

fn crel<'a, H: Header>(file: &File<'a, H>, sections: &[Section], source: usize) -> Result<crel::Crel<'a>, ElfError> {
    crel::Crel::new(source, bytes_of(file.bytes, sections[source].data), file.header.is_class_64())
}

/// Reads entries. Returns whether addends are in place.
fn read<H: Header>(
    file: &File<'_, H>,
    sections: &[Section],
    table: Table,
    out: &mut Vec<Relocation>,
) -> Result<bool, ElfError> {
    let e = file.endian;
    let mips64el = file.header.is_mips64el(e);
    // The type word is all of `r_info` except the symbol.
    let kind_mask = if file.header.is_class_64() { u64::from(u32::MAX) } else { 0xff };
    match table.format {
        Format::Rel => {
            let entries: &[H::Rel] = records(file, table.source)?;
            out.extend(entries.iter().map(|r| {
                let info: u64 = r.r_info(e).into();
                let (symbol, kind) = match mips64el {
                    // mips64el stores a word and four bytes instead of a 64-bit word: the symbol comes first.
                    true => (info as u32, ((info >> 32) as u32).swap_bytes()),
                    false => (r.r_sym(e), (info & kind_mask) as u32),
                };
                Relocation { offset: r.r_offset(e).into(), addend: 0, kind, symbol }
            }));
            Ok(true)
        }
        Format::Rela => {
            let entries: &[H::Rela] = records(file, table.source)?;
            out.extend(entries.iter().map(|r| Relocation {
                offset: r.r_offset(e).into(),
                addend: r.r_addend(e).into(),
                kind: (r.r_info(e, mips64el).into() & kind_mask) as u32,
                symbol: r.r_sym(e, mips64el),
            }));
            Ok(false)
        }
        Format::Crel => {
            let crel = crel(file, sections, table.source)?;
            let in_place = !crel.explicit;
            crel.read(out)?;
            Ok(in_place)
        }
    }
}

// The host tells the formats apart by the same numbers.
const _: () = assert!(
    section_kind::REL == elf::SHT_REL.0
        && section_kind::RELA == elf::SHT_RELA.0
        && section_kind::CREL == elf::SHT_CREL.0
);
