//! Parses a file: the header, the section table, and then everything else in order.

use crate::error::{ElfError, fault, malformed};
use crate::file::File;
use crate::module::Module;
use crate::{exports, limits, linux, relocations, tables};
use object::elf::{self, FileHeader32, FileHeader64};
use object::read::elf::{FileHeader, SectionHeader};
use object::{Endian, Endianness, ReadRef};
use relobox_abi::{NONE, Symbol, order, parse as what};

/// Parses a file. `mode` is one of [`relobox_abi::parse`].
///
/// # Errors
/// NOT_ELF if it is not a relocatable ELF file, MALFORMED if it contradicts ELF, TOO_LARGE if it exceeds a limit.
pub fn parse(bytes: &[u8], mode: u32) -> Result<Module, ElfError> {
    let not_elf = |text| fault(relobox_abi::fault::NOT_ELF, NONE, text, 0, bytes.len() as u64, 0);
    if bytes.len() > limits::FILE {
        return Err(fault(relobox_abi::fault::TOO_LARGE, NONE, "file", 0, bytes.len() as u64, limits::FILE as u64));
    }
    let signature = linux::signature(bytes);
    let unsigned = &bytes[..bytes.len() - signature];
    let mut module = match unsigned.get(..5) {
        Some([0x7f, b'E', b'L', b'F', 1]) => class::<FileHeader32<Endianness>>(unsigned, mode)?,
        Some([0x7f, b'E', b'L', b'F', 2]) => class::<FileHeader64<Endianness>>(unsigned, mode)?,
        Some([0x7f, b'E', b'L', b'F', _]) => return Err(not_elf("its ELF class is neither 32 nor 64 bits")),
        _ if unsigned.len() < 5 => return Err(not_elf("it is too short to be an ELF file")),
        _ => return Err(not_elf("it does not begin with ELF's magic number")),
    };
    module.signature = signature as u32;
    Ok(module)
}

fn class<H: FileHeader<Endian = Endianness>>(bytes: &[u8], mode: u32) -> Result<Module, ElfError> {
    let header: &H = bytes
        .read_at(0)
        .map_err(|()| malformed("the ELF header is cut off: the length of the file", 0, bytes.len() as u64, 64))?;
    if header.e_ident().version != elf::EV_CURRENT {
        return Err(malformed("unknown ELF version in e_ident", 6, u64::from(header.e_ident().version.0), 1));
    }
    let bad_order = || malformed("unknown byte order in e_ident", 5, header.e_ident().data.0.into(), 2);
    // The `object` crate treats every other value as little-endian.
    if !matches!(header.e_ident().data, elf::ELFDATA2LSB | elf::ELFDATA2MSB) {
        return Err(bad_order());
    }
    let endian = header.endian().map_err(|_| bad_order())?;
    if header.e_type(endian) != elf::ET_REL {
        let kind = header.e_type(endian).0.into();
        return Err(malformed("it is not a relocatable object (ET_REL): e_type", 16, kind, 1));
    }
    let at: u64 = header.e_shoff(endian).into();
    let headers = header
        .section_headers(endian, bytes)
        .map_err(|_| malformed("the section table lies outside the file: e_shoff", at, at, bytes.len() as u64))?;
    if headers.is_empty() {
        return Err(malformed("there is no section table: e_shoff", 0, at, 0));
    }
    if headers.len() > limits::SECTIONS {
        let (count, max) = (headers.len() as u64, limits::SECTIONS as u64);
        return Err(fault(relobox_abi::fault::TOO_LARGE, NONE, "number of sections", at, count, max));
    }
    // Section 0 with contents would be a table in a place where no consumer looks for one.
    let first = headers[0].sh_type(endian);
    if first != elf::SHT_NULL {
        return Err(malformed("section 0 is not SHT_NULL: sh_type", at, first.0.into(), elf::SHT_NULL.0.into()));
    }
    let file = File { bytes, endian, header, headers };
    let section_names = tables::section_names(&file)?;
    let sections = tables::sections(&file, section_names)?;
    let symtab = tables::symbol_table(&file)?;
    let symbols = match symtab {
        Some(table) => tables::symbols(&file, &sections, table)?,
        None => alloc::vec![Symbol::default()],
    };
    let all = relocations::tables(&file, &sections, symtab)?;
    let wanted = all.into_iter().filter(|t| mode != what::EXPORTS || exports::is_table(bytes, &sections[t.target]));
    let (groups, relocations) = relocations::relocations(&file, &sections, wanted)?;
    let mut module = Module {
        machine: header.e_machine(endian).0,
        class: if header.is_class_64() { 64 } else { 32 },
        order: if endian.is_big_endian() { order::BIG } else { order::LITTLE },
        elf_flags: header.e_flags(endian).0,
        sections,
        symbols,
        section_names,
        strings: symtab.map_or(0, |symtab| file.link(symtab) as u32),
        ..Default::default()
    };
    module.exports = exports::exports(bytes, &module, &groups, &relocations)?;
    if mode != what::EXPORTS {
        (module.groups, module.relocations) = (groups, relocations);
    }
    linux::read(&file, &mut module)?;
    Ok(module)
}
