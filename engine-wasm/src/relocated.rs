//! The module itself with its relocations done, for a kernel's own loader.

use crate::emit::{Output, Placed, add_name};
use crate::file::bytes_of;
use crate::finding::{Finding, fault, malformed};
use crate::limits;
use crate::module::Module;
use alloc::borrow::Cow;
use alloc::vec::Vec;
use object::elf;
use object::endian::Endianness;
use object::write::elf::{Encoder, SectionHeader};
use relobox_abi::{NONE, order};

/// Where the ELF header and the section headers have what is read or changed here, in bytes.
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

    /// The offset of the section headers.
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

fn no_table() -> Finding {
    malformed("the section table does not lie in the file", 0, 0, 0)
}

/// Turns every relocation section that was applied into an empty SHT_NULL, in place; section numbers stay.
/// The file then ends before its signature, which no longer fits: that many bytes are left.
pub fn void_relocations(file: &mut [u8], module: &Module) -> Result<usize, Finding> {
    let format = Format::of(module);
    let table = format.table(file).ok_or_else(no_table)?;
    for group in &module.groups {
        // Everything but the name: a void section keeps that, for people.
        let header = (group.source as usize)
            .checked_mul(format.entry)
            .and_then(|at| file.get_mut(table.checked_add(at)?..)?.get_mut(4..format.entry));
        header.ok_or_else(no_table)?.fill(0);
    }
    Ok(file.len().saturating_sub(module.signature as usize))
}

/// Adds the synthetic sections to `file`, which ends before its signature: what is to follow it, in pieces. Its
/// sections keep their numbers; behind them come the synthetic ones, in order, and then a table of all sections' names.
pub fn append_sections<'a>(
    file: &mut [u8],
    module: &Module,
    synthetic: &[Placed<'a>],
) -> Result<Vec<Cow<'a, [u8]>>, Finding> {
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
    // A table of our own: the old one may be the symbols' as well, whose size a kernel's layout depends on.
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
