//! Writes the module itself, relocated, for a kernel's own loader.

use crate::emit::{Output, Placed, add_name};
use crate::error::{ElfError, fault, malformed};
use crate::file::bytes_of;
use crate::limits;
use crate::module::Module;
use alloc::borrow::Cow;
use alloc::vec::Vec;
use object::elf;
use object::endian::Endianness;
use object::write::elf::{Encoder, SectionHeader};
use relobox_abi::{NONE, order};

/// The offsets, in bytes, of the fields of the ELF header and the section headers that are read or changed here.
struct Format {
    word: usize,
    e_shoff: usize,
    e_shnum: usize,
    e_shstrndx: usize,
    entry: usize,
    big: bool,
}

impl Format {
    fn of(module: &Module) -> Self {
        let big = module.order == order::BIG;
        match module.class {
            64 => Self { word: 8, e_shoff: 40, e_shnum: 60, e_shstrndx: 62, entry: 64, big },
            _ => Self { word: 4, e_shoff: 32, e_shnum: 48, e_shstrndx: 50, entry: 40, big },
        }
    }

    /// Returns the offset of the section headers.
    fn table(&self, file: &[u8]) -> Option<usize> {
        let bytes = file.get(self.e_shoff..self.e_shoff + self.word)?.iter();
        let push = |n: usize, b: &u8| n.checked_mul(256).map(|n| n | usize::from(*b));
        if self.big { bytes.copied().try_fold(0, |n, b| push(n, &b)) } else { bytes.rev().try_fold(0, push) }
    }

    fn put(&self, file: &mut [u8], at: usize, len: usize, value: u64) -> Option<()> {
        let place = file.get_mut(at..at + len)?;
        if self.big {
            place.copy_from_slice(&value.to_be_bytes()[8 - len..]);
        } else {
            place.copy_from_slice(&value.to_le_bytes()[..len]);
        }
        Some(())
    }
}

fn no_table() -> ElfError {
    malformed("the section table lies outside the file", 0, 0, 0)
}

/// Turns every relocation section that was applied into an empty SHT_NULL, in place; section indices stay. Returns the
/// length of the file without its signature, which is no longer valid.
///
/// # Errors
/// MALFORMED if the section headers are not in the file.
pub fn void_relocations(file: &mut [u8], module: &Module) -> Result<usize, ElfError> {
    let format = Format::of(module);
    let table = format.table(file).ok_or_else(no_table)?;
    for group in &module.groups {
        // Everything but the name is cleared, so that people can still see what the section was.
        let header = (group.source as usize)
            .checked_mul(format.entry)
            .and_then(|at| file.get_mut(table.checked_add(at)?..)?.get_mut(4..format.entry));
        header.ok_or_else(no_table)?.fill(0);
    }
    Ok(file.len().saturating_sub(module.signature as usize))
}

/// Adds the synthetic sections to `file`, which ends before its signature. Returns the pieces that follow it. Existing
/// sections keep their indices. The synthetic sections come after them, in order, and then a table of all section
/// names.
///
/// # Errors
/// TOO_LARGE if there are too many sections or bytes, MALFORMED if the headers are not in the file.
pub fn append_sections<'a>(
    file: &mut [u8],
    module: &Module,
    synthetic: &[Placed<'a>],
) -> Result<Vec<Cow<'a, [u8]>>, ElfError> {
    if synthetic.is_empty() {
        return Ok(Vec::new());
    }
    let (format, old) = (Format::of(module), module.sections.len());
    let count = old.saturating_add(synthetic.len()).saturating_add(1);
    if count > limits::WRITTEN_SECTIONS {
        let text = "number of sections of the relocated file";
        return Err(fault(relobox_abi::fault::TOO_LARGE, NONE, text, 0, count as u64, limits::WRITTEN_SECTIONS as u64));
    }
    let table = format.table(file).and_then(|at| file.get(at..)?.get(..old * format.entry));
    let mut table = table.ok_or_else(no_table)?.to_vec();
    // The names get a table of their own. The old one may also have the symbols' names, and a kernel's layout depends
    // on its size.
    let mut names = bytes_of(file, module.section_names).to_vec();
    if names.last() != Some(&0) {
        names.push(0);
    }
    let endian = if format.big { Endianness::Big } else { Endianness::Little };
    let encoder = Encoder::new(endian, module.class == 64, elf::Machine(module.machine));
    let mut out = Output { pieces: Vec::new(), len: file.len() as u64 };
    for s in synthetic {
        let sh_name = add_name(&mut names, s.name);
        let (sh_offset, sh_size) = out.add(Cow::Borrowed(s.contents), s.align.clamp(1, 4096));
        let header = SectionHeader {
            sh_name,
            sh_type: elf::SHT_PROGBITS,
            sh_flags: elf::SectionFlags(s.flags()),
            sh_offset,
            sh_size,
            sh_addralign: s.align,
            ..Default::default()
        };
        encoder.section_header(&mut table, &header);
    }
    let sh_name = add_name(&mut names, b".shstrtab");
    let (sh_offset, sh_size) = out.add(Cow::Owned(names), 1);
    let header = SectionHeader { sh_name, sh_offset, sh_size, ..encoder.strtab_section_header() };
    encoder.section_header(&mut table, &header);
    let (e_shoff, _) = out.add(Cow::Owned(table), 8);
    if out.len > limits::RELOCATED {
        let text = "relocated file";
        return Err(fault(relobox_abi::fault::TOO_LARGE, NONE, text, 0, out.len, limits::RELOCATED));
    }
    [
        (format.e_shoff, format.word, e_shoff),
        (format.e_shnum, 2, count as u64),
        (format.e_shstrndx, 2, count as u64 - 1),
    ]
    .into_iter()
    .try_for_each(|(at, len, value)| format.put(file, at, len, value))
    .ok_or_else(|| malformed("the ELF header is cut off: the length of the file", 0, file.len() as u64, 64))?;
    Ok(out.pieces)
}
