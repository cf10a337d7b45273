//! Writes a linked ELF file.

use crate::error::{ElfError, fault, malformed};
use crate::file::bytes_of;
use crate::limits;
use crate::module::Module;
use alloc::borrow::Cow;
use alloc::vec::Vec;
use object::elf;
use object::endian::Endianness;
use object::write::elf::{Encoder, FileHeader, FileHeaderLayout, SectionHeader, Sym};
use relobox_abi::{NONE, Section, order, section_flag, symbol_flag, synthetic_kind};

/// A synthetic section with its contents.
#[derive(Clone, Copy, Debug)]
pub struct Placed<'a> {
    /// The final address.
    pub address: u64,
    /// The alignment in bytes.
    pub align: u64,
    /// The kind of memory; see [`synthetic_kind`].
    pub kind: u32,
    /// The name.
    pub name: &'a [u8],
    /// The contents.
    pub contents: &'a [u8],
}

impl Placed<'_> {
    /// Returns its `sh_flags`.
    pub(crate) fn flags(&self) -> u64 {
        section_flag::ALLOC
            | match self.kind {
                synthetic_kind::TEXT | synthetic_kind::INIT_TEXT => section_flag::EXEC,
                synthetic_kind::DATA | synthetic_kind::INIT_DATA => section_flag::WRITE,
                _ => 0,
            }
    }
}

/// The address of a section that is not in memory.
const ABSENT: u64 = u64::MAX;

/// A file in pieces. Long pieces stay where they are, short ones are collected.
pub(crate) struct Output<'a> {
    pub(crate) pieces: Vec<Cow<'a, [u8]>>,
    /// The number of bytes so far.
    pub(crate) len: u64,
}

/// Shorter contents are copied, because a separate piece would cost more.
const SHORT: usize = 4096;

impl<'a> Output<'a> {
    /// Adds bytes at a multiple of `align`. Returns their offset in the file and their length.
    pub(crate) fn add(&mut self, bytes: Cow<'a, [u8]>, align: u64) -> (u64, u64) {
        let pad = self.len.next_multiple_of(align) - self.len;
        let (at, len) = (self.len + pad, bytes.len() as u64);
        self.len = at + len;
        let gathered = match self.pieces.last_mut() {
            Some(Cow::Owned(last)) => last,
            _ => {
                self.pieces.push(Cow::Owned(Vec::new()));
                let Some(Cow::Owned(last)) = self.pieces.last_mut() else { return (at, len) };
                last
            }
        };
        gathered.resize(gathered.len() + pad as usize, 0);
        if bytes.len() < SHORT {
            gathered.extend_from_slice(&bytes);
        } else {
            self.pieces.push(bytes);
        }
        (at, len)
    }
}

/// Writes an ELF file with the allocated sections at their addresses (`u64::MAX` for a section without one), their
/// current contents in `file`, the synthetic sections, and a symbol table with final values. Most of the pieces are
/// parts of `file`.
///
/// # Errors
/// TOO_LARGE if there are too many sections, MALFORMED if the file becomes too large.
pub fn emit_linked<'a>(
    file: &'a [u8],
    module: &Module,
    addresses: &[u64],
    values: &[u64],
    synthetic: &[Placed<'a>],
) -> Result<Vec<Cow<'a, [u8]>>, ElfError> {
    let endian = if module.order == order::BIG { Endianness::Big } else { Endianness::Little };
    let encoder = Encoder::new(endian, module.class == 64, elf::Machine(module.machine));
    let placed = |i: usize| addresses.get(i).copied().filter(|a| *a != ABSENT);
    let mut out = Output { pieces: Vec::new(), len: 0 };
    out.add(Cow::Owned(alloc::vec![0; encoder.file_header_size() as usize]), 1);
    let (mut headers, mut names) = (alloc::vec![SectionHeader::default()], alloc::vec![0u8]);
    // Maps old section indices to new ones.
    let mut renumbered = alloc::vec![0u32; module.sections.len()];
    for (i, s) in module.sections.iter().enumerate() {
        let (Some(address), true) = (placed(i), s.flags & section_flag::ALLOC != 0) else { continue };
        renumbered[i] = headers.len() as u32;
        let name = add_name(&mut names, bytes_of(file, s.name));
        let header = section(&mut out, s, bytes_of(file, s.data), address);
        headers.push(SectionHeader { sh_name: name, ..header });
    }
    for s in synthetic {
        let name = add_name(&mut names, s.name);
        let (size, flags) = (s.contents.len() as u64, s.flags());
        let record = Section { size, align: s.align, flags, kind: elf::SHT_PROGBITS.0, ..Default::default() };
        let header = section(&mut out, &record, s.contents, s.address);
        headers.push(SectionHeader { sh_name: name, ..header });
    }
    symbols(&mut out, &mut headers, &mut names, encoder, file, module, values, &renumbered);
    if headers.len() > limits::WRITTEN_SECTIONS {
        let (count, max) = (headers.len() as u64, limits::WRITTEN_SECTIONS as u64);
        return Err(fault(relobox_abi::fault::TOO_LARGE, NONE, "number of sections of the linked file", 0, count, max));
    }
    let shstrtab_index = headers.len() as u32;
    let sh_name = add_name(&mut names, b".shstrtab");
    let (sh_offset, sh_size) = out.add(Cow::Owned(names), 1);
    headers.push(SectionHeader { sh_name, sh_offset, sh_size, ..encoder.strtab_section_header() });

    let layout = FileHeaderLayout {
        e_shoff: out.len.next_multiple_of(8),
        section_num: headers.len() as u32,
        shstrtab_index,
        ..Default::default()
    };
    let mut table = Vec::new();
    encoder.null_section_header(&mut table, &layout);
    for header in &headers[1..] {
        encoder.section_header(&mut table, header);
    }
    out.add(Cow::Owned(table), 8);
    let header = FileHeader {
        e_type: elf::ET_EXEC,
        e_machine: elf::Machine(module.machine),
        e_flags: elf::FileFlags(module.elf_flags),
        e_entry: values.get(module.init as usize).copied().unwrap_or(0),
        ..Default::default()
    };
    let mut head = Vec::new();
    encoder
        .file_header(&mut head, &header, &layout)
        .map_err(|_| malformed("the linked file is too large", 0, out.len, 0))?;
    if let Some(Cow::Owned(first)) = out.pieces.first_mut() {
        first[..head.len()].copy_from_slice(&head);
    }
    Ok(out.pieces)
}

pub(crate) fn add_name(names: &mut Vec<u8>, name: &[u8]) -> u32 {
    let at = names.len() as u32;
    names.extend_from_slice(name);
    names.push(0);
    at
}

fn section<'a>(out: &mut Output<'a>, s: &Section, contents: &'a [u8], address: u64) -> SectionHeader {
    let (sh_offset, _) = out.add(Cow::Borrowed(contents), s.align.clamp(1, 4096));
    SectionHeader {
        sh_type: linked_type(elf::SectionType(s.kind)),
        // Flags about groups, merging and links have no meaning in a linked file.
        sh_flags: elf::SectionFlags(s.flags & (section_flag::ALLOC | section_flag::WRITE | section_flag::EXEC)),
        sh_addr: address,
        sh_offset,
        sh_size: s.size,
        sh_addralign: s.align,
        ..Default::default()
    }
}

/// Returns the type of a section in the linked file. Tables of symbols, relocations or sections refer to the original
/// file, so in the linked one they are plain data.
fn linked_type(kind: elf::SectionType) -> elf::SectionType {
    let tables = [
        elf::SHT_SYMTAB,
        elf::SHT_RELA,
        elf::SHT_HASH,
        elf::SHT_DYNAMIC,
        elf::SHT_REL,
        elf::SHT_DYNSYM,
        elf::SHT_GROUP,
        elf::SHT_SYMTAB_SHNDX,
        elf::SHT_RELR,
        elf::SHT_CREL,
    ];
    if tables.contains(&kind) { elf::SHT_PROGBITS } else { kind }
}

/// Writes the named symbols that have a value: those of placed sections, absolute ones and resolved ones.
#[allow(clippy::too_many_arguments, reason = "one caller, and a struct would only rename them")]
fn symbols(
    out: &mut Output<'_>,
    headers: &mut Vec<SectionHeader>,
    names: &mut Vec<u8>,
    encoder: Encoder<Endianness>,
    file: &[u8],
    module: &Module,
    values: &[u64],
    renumbered: &[u32],
) {
    let (mut table, mut strings) = (Vec::new(), alloc::vec![0u8]);
    encoder.null_symbol(&mut table);
    let mut locals = 1;
    for wanted in [true, false] {
        for (i, s) in module.symbols.iter().enumerate().skip(1) {
            let (name, local) = (bytes_of(file, s.name), s.flags & symbol_flag::LOCAL != 0);
            let index = renumbered.get(s.section as usize).copied().unwrap_or(0);
            let gone = s.section != 0 && index == 0;
            if local != wanted || name.is_empty() || gone {
                continue;
            }
            let st_shndx = if s.section == 0 { elf::SHN_ABS } else { elf::SHN_UNDEF };
            encoder.symbol(
                &mut table,
                &Sym {
                    st_name: add_name(&mut strings, name),
                    section: (s.section != 0).then_some(index),
                    st_info: elf::SymbolInfo(s.info),
                    st_other: elf::SymbolOther(s.other),
                    st_shndx,
                    st_value: values.get(i).copied().unwrap_or(0),
                    st_size: s.size,
                },
            );
            locals += u32::from(local);
        }
    }
    let strtab = headers.len() as u32 + 1;
    let sh_name = add_name(names, b".symtab");
    let (sh_offset, sh_size) = out.add(Cow::Owned(table), 8);
    headers.push(SectionHeader { sh_name, sh_offset, sh_size, ..encoder.symtab_section_header(strtab, locals) });
    let sh_name = add_name(names, b".strtab");
    let (sh_offset, sh_size) = out.add(Cow::Owned(strings), 1);
    headers.push(SectionHeader { sh_name, sh_offset, sh_size, ..encoder.strtab_section_header() });
}
