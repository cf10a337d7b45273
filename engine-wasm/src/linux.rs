//! The parts of kernel modules: modinfo, versions, init and exit, and the appended signature.
//!
//! Sources: include/linux/module.h and module_signature.h of Linux 6.1 and 6.12, kernel/module/version.c of 6.14.

use crate::error::{ElfError, bad_section};
use crate::file::{File, bytes_of, string_at};
use crate::module::Module;
use alloc::vec::Vec;
use object::Endianness;
use object::endian::Endian;
use object::read::elf::FileHeader;
use relobox_abi::{Pair, Section, Span, Version};

/// The bytes after the signature and its trailer.
const MAGIC: &[u8] = b"~Module signature appended~\n";
/// The trailer: eight bytes of ids and padding, then the signature's length, big-endian.
const TRAILER: usize = 12;

/// Returns the size in bytes of the appended signature with trailer and magic. It is 0 if there is no signature or its
/// length is wrong; the magic is then trailing garbage, as it is to the kernel's ELF loader.
pub(crate) fn signature(file: &[u8]) -> usize {
    let Some(body) = file.strip_suffix(MAGIC) else { return 0 };
    let Some((_, len)) = body.split_last_chunk::<4>() else { return 0 };
    let total = (u32::from_be_bytes(*len) as usize).saturating_add(TRAILER + MAGIC.len());
    if total <= file.len() { total } else { 0 }
}

/// Reads the Linux-specific parts.
pub(crate) fn read<H: FileHeader<Endian = Endianness>>(
    file: &File<'_, H>,
    module: &mut Module,
) -> Result<(), ElfError> {
    for (i, section) in module.sections.iter().enumerate() {
        match bytes_of(file.bytes, section.name) {
            b".modinfo" => {
                // The kernel reads up to a NUL, even beyond the section.
                if bytes_of(file.bytes, section.data).last().is_some_and(|last| *last != 0) {
                    return Err(bad_section(i, "its last text does not end: sh_size", 0, section.size, 0));
                }
                modinfo(file.bytes, section.data, &mut module.modinfo);
            }
            b"__versions" => versions(file, i, section, module.class, &mut module.versions)?,
            _ => {}
        }
    }
    extended_versions(file.bytes, file.endian, module)?;
    for (i, s) in module.symbols.iter().enumerate().filter(|(_, s)| s.section != 0) {
        match bytes_of(file.bytes, s.name) {
            b"init_module" => module.init = i as u32,
            b"cleanup_module" => module.exit = i as u32,
            _ => {}
        }
    }
    Ok(())
}

/// Parses NUL-separated `key=value` entries, with runs of NULs between them.
fn modinfo(file: &[u8], data: Span, out: &mut Vec<Pair>) {
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

/// Parses entries of 64 bytes: an unsigned long with the CRC, then the name.
fn versions<H: FileHeader<Endian = Endianness>>(
    file: &File<'_, H>,
    index: usize,
    section: &Section,
    class: u8,
    out: &mut Vec<Version>,
) -> Result<(), ElfError> {
    const ENTRY: usize = 64;
    let word = usize::from(class / 8);
    if !(section.data.len as usize).is_multiple_of(ENTRY) {
        return Err(bad_section(index, "not a whole number of versions: sh_size", 0, section.size, ENTRY as u64));
    }
    for (entry, at) in bytes_of(file.bytes, section.data).chunks_exact(ENTRY).zip((section.data.at..).step_by(ENTRY)) {
        let mut crc = [0; 4];
        // The CRC is the low half of the word.
        let low = if file.endian.is_big_endian() { word - 4 } else { 0 };
        crc.copy_from_slice(&entry[low..low + 4]);
        let start = at as usize + word;
        let name = string_at(file.bytes, start, start + ENTRY - word)
            .ok_or_else(|| bad_section(index, "a version's name does not end: its offset", u64::from(at), 0, 0))?;
        out.push(Version { name, crc: file.endian.read_u32(crc), reserved: 0 });
    }
    Ok(())
}

/// Parses CONFIG_EXTENDED_MODVERSIONS: names of any length, one after the other, and a separate table with their CRCs.
/// Entries that `__versions` has as well are skipped.
fn extended_versions(file: &[u8], endian: Endianness, module: &mut Module) -> Result<(), ElfError> {
    let named = |name: &[u8]| module.sections.iter().position(|s| bytes_of(file, s.name) == name);
    let (crcs, names) = match (named(b"__version_ext_crcs"), named(b"__version_ext_names")) {
        (None, None) => return Ok(()),
        (Some(crcs), Some(names)) => (crcs, names),
        (Some(one), None) | (None, Some(one)) => {
            return Err(bad_section(one, "versions need both names and CRCs: its section", 0, one as u64, 0));
        }
    };
    let data = module.sections[crcs].data;
    if !data.len.is_multiple_of(4) {
        return Err(bad_section(crcs, "not a whole number of versions: sh_size", 0, data.len.into(), 4));
    }
    let (mut at, end) = {
        let names = module.sections[names].data;
        (names.at as usize, (names.at + names.len) as usize)
    };
    let mut known: Vec<(&[u8], u32)> = module.versions.iter().map(|v| (bytes_of(file, v.name), v.crc)).collect();
    known.sort_unstable();
    for crc in bytes_of(file, data).as_chunks::<4>().0 {
        let name = string_at(file, at, end)
            .ok_or_else(|| bad_section(names, "a version's name does not end: its offset", at as u64, 0, 0))?;
        at += name.len as usize + 1;
        let crc = endian.read_u32(*crc);
        if known.binary_search(&(bytes_of(file, name), crc)).is_err() {
            module.versions.push(Version { name, crc, reserved: 0 });
        }
    }
    Ok(())
}
