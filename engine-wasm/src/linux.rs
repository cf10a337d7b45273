//! What only kernel modules have: modinfo, versions, exports, init and exit, an appended signature.
//!
//! Sources: include/linux/module.h, module_signature.h and export-internal.h of Linux 6.1 and 6.12.

use crate::parse::{File, Module};
use crate::{Finding, bad_section, bytes_of, string_at};
use alloc::collections::BTreeMap;
use object::Endianness;
use object::endian::Endian;
use object::read::elf::FileHeader;
use relobox_abi::{Export, Pair, Section, Span, Symbol, Version, export_flag, symbol_flag};

/// What stands after the signature and its trailer.
const MAGIC: &[u8] = b"~Module signature appended~\n";
/// Eight bytes of ids and padding, then the signature's length, big-endian.
const TRAILER: usize = 12;

/// Bytes of the appended signature with trailer and magic; 0 without one, or if the length is a lie
/// (the magic is then trailing rubbish, as it is to the kernel's ELF loader).
pub(crate) fn signature(file: &[u8]) -> usize {
    let Some(body) = file.strip_suffix(MAGIC) else { return 0 };
    let Some((_, len)) = body.split_last_chunk::<4>() else { return 0 };
    let total = (u32::from_be_bytes(*len) as usize).saturating_add(TRAILER + MAGIC.len());
    if total <= file.len() { total } else { 0 }
}

/// Fills in what is Linux's.
pub(crate) fn read<H: FileHeader<Endian = Endianness>>(file: &File<'_, H>, module: &mut Module) -> Result<(), Finding> {
    for (i, section) in module.sections.iter().enumerate() {
        match bytes_of(file.bytes, section.name) {
            b".modinfo" => {
                // The kernel reads up to a NUL, wherever that is.
                if bytes_of(file.bytes, section.data).last().is_some_and(|last| *last != 0) {
                    return Err(bad_section(i, "its last text does not end: sh_size", 0, section.size, 0));
                }
                modinfo(file.bytes, section.data, &mut module.modinfo);
            }
            b"__versions" => versions(file, i, section, module.class, &mut module.versions)?,
            _ => {}
        }
    }
    exports(file, module);
    Ok(())
}

/// NUL-separated `key=value`, with runs of NULs between.
fn modinfo(file: &[u8], data: Span, out: &mut alloc::vec::Vec<Pair>) {
    let mut at = data.at;
    for entry in bytes_of(file, data).split(|b| *b == 0) {
        let len = entry.len() as u32;
        if len != 0 {
            let equals = entry.iter().position(|b| *b == b'=').map_or(len, |i| i as u32);
            let value_at = (equals + 1).min(len);
            let key = Span { at, len: equals };
            out.push(Pair { key, value: Span { at: at + value_at, len: len - value_at } });
        }
        at += len + 1;
    }
}

/// An unsigned long with the CRC, then the name, 64 bytes together.
fn versions<H: FileHeader<Endian = Endianness>>(
    file: &File<'_, H>,
    index: usize,
    section: &Section,
    class: u8,
    out: &mut alloc::vec::Vec<Version>,
) -> Result<(), Finding> {
    const ENTRY: usize = 64;
    let word = usize::from(class / 8);
    if !(section.data.len as usize).is_multiple_of(ENTRY) {
        return Err(bad_section(index, "not a whole number of versions: sh_size", 0, section.size, ENTRY as u64));
    }
    for (entry, at) in bytes_of(file.bytes, section.data).chunks_exact(ENTRY).zip((section.data.at..).step_by(ENTRY)) {
        let mut crc = [0; 4];
        // The low half of the word.
        let low = if file.endian.is_big_endian() { word - 4 } else { 0 };
        crc.copy_from_slice(&entry[low..low + 4]);
        let start = at as usize + word;
        let name = string_at(file.bytes, start, start + ENTRY - word)
            .ok_or_else(|| bad_section(index, "a version's name does not end: its offset", u64::from(at), 0, 0))?;
        out.push(Version { name, crc: file.endian.read_u32(crc), reserved: 0 });
    }
    Ok(())
}

/// Exports are the symbols that have a `__ksymtab_NAME`; its section says for whom.
fn exports<H: FileHeader<Endian = Endianness>>(file: &File<'_, H>, module: &mut Module) {
    let name_of = |s: &Symbol| bytes_of(file.bytes, s.name);
    let section_of = |s: &Symbol| &module.sections[s.section as usize];
    let mut found: BTreeMap<&[u8], Export> = BTreeMap::new();
    for s in &module.symbols {
        if s.section == 0 {
            continue;
        }
        let Some(name) = name_of(s).strip_prefix(b"__ksymtab_") else { continue };
        let table = bytes_of(file.bytes, section_of(s).name);
        if !table.starts_with(b"__ksymtab") || table == b"__ksymtab_strings" {
            continue;
        }
        let len = name.len() as u32;
        let span = Span { at: s.name.at + s.name.len - len, len };
        let flags = if table.starts_with(b"__ksymtab_gpl") { export_flag::GPL } else { 0 };
        found.insert(name, Export { name: span, flags, ..Default::default() });
    }
    for (i, s) in module.symbols.iter().enumerate() {
        let name = name_of(s);
        match name {
            b"init_module" if s.section != 0 => module.init = i as u32,
            b"cleanup_module" if s.section != 0 => module.exit = i as u32,
            _ => {}
        }
        if found.is_empty() {
            continue;
        }
        if s.flags & (symbol_flag::LOCAL | symbol_flag::UNDEFINED) == 0
            && let Some(export) = found.get_mut(name)
        {
            export.symbol = i as u32;
        }
        if !name.starts_with(b"__") {
            continue;
        }
        if let Some(export) = name.strip_prefix(b"__crc_").and_then(|n| found.get_mut(n)) {
            if let Some(crc) = crc(file, s, section_of(s)) {
                export.crc = crc;
                export.flags |= export_flag::CRC;
            }
        } else if let Some(export) = name.strip_prefix(b"__kstrtabns_").and_then(|n| found.get_mut(n)) {
            let data = section_of(s).data;
            let at = usize::try_from(u64::from(data.at).saturating_add(s.value)).unwrap_or(usize::MAX);
            export.namespace = string_at(file.bytes, at, (data.at + data.len) as usize).unwrap_or_default();
        }
    }
    module.exports.extend(found.into_values().filter(|export| export.symbol != 0));
}

/// A CRC stands in `__kcrctab`, or is itself the value of an absolute symbol (before Linux 5.19).
fn crc<H: FileHeader<Endian = Endianness>>(file: &File<'_, H>, symbol: &Symbol, section: &Section) -> Option<u32> {
    if symbol.flags & symbol_flag::ABSOLUTE != 0 {
        return Some(symbol.value as u32);
    }
    let at = usize::try_from(symbol.value).ok()?;
    let bytes = bytes_of(file.bytes, section.data).get(at..)?.first_chunk::<4>()?;
    Some(file.endian.read_u32(*bytes))
}
