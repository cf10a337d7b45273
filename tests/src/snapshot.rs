//! Compares a module's memory in a running kernel, before any of its code has run, with a file that relobox relocated
//! for the same addresses. `tests/kernel/snapshot` takes the snapshot.

use anyhow::{Context as _, Result, ensure};
use object::Endianness;
use object::elf::{SHF_ALLOC, SHT_NOBITS, SHT_STRTAB, SHT_SYMTAB};
use object::read::elf::{ElfFile64, SectionHeader as _};

/// The result of a comparison.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// The number of equal bytes.
    pub equal: usize,
    /// The number of sections that were compared.
    pub sections: usize,
    /// The number of differing bytes in `struct module`, which the kernel is filling at that time.
    pub this_module: usize,
    /// All other differences: the section, the offset of its first differing byte, and the number of differing bytes.
    pub unexplained: Vec<(String, usize, usize)>,
}

/// A memory area: its address and its bytes.
type Area<'a> = (u64, &'a [u8]);

/// Splits a snapshot into its areas.
///
/// # Errors
/// If the snapshot is truncated or malformed.
pub fn areas(mut snapshot: &[u8]) -> Result<Vec<Area<'_>>> {
    let mut areas = Vec::new();
    while let Some((head, rest)) = snapshot.split_first_chunk::<16>() {
        let word = |at: usize| u64::from_le_bytes(std::array::from_fn(|i| head[at + i]));
        let size = usize::try_from(word(8))?;
        ensure!(size <= rest.len(), "a snapshot that is cut off");
        areas.push((word(0), &rest[..size]));
        snapshot = &rest[size..];
    }
    Ok(areas)
}

/// Compares every section in memory with the relocated file `file`. `sections` holds their addresses.
///
/// # Errors
/// If `file` cannot be parsed, or `sections` has no address for a section.
pub fn compare(areas: &[Area<'_>], file: &[u8], sections: &[u64]) -> Result<Comparison> {
    let elf = ElfFile64::<Endianness>::parse(file)?;
    let (endian, table) = (elf.endian(), elf.elf_section_table());
    let mut result = Comparison::default();
    for (index, header) in table.enumerate() {
        let (kind, flags) = (header.sh_type(endian), header.sh_flags(endian));
        if flags.0 & SHF_ALLOC.0 == 0 || kind == SHT_SYMTAB || kind == SHT_STRTAB {
            continue;
        }
        let name = String::from_utf8_lossy(table.section_name(endian, header)?).into_owned();
        let size = usize::try_from(header.sh_size(endian))?;
        let address = *sections.get(index.0).with_context(|| format!("no address of {name}"))?;
        let Some(memory) = areas.iter().find_map(|(start, bytes)| {
            let at = usize::try_from(address.checked_sub(*start)?).ok()?;
            bytes.get(at..)?.get(..size)
        }) else {
            // Per-CPU data is elsewhere. The kernel does not keep .modinfo and __versions.
            continue;
        };
        let zeros = vec![0; if kind == SHT_NOBITS { size } else { 0 }];
        let ours = if kind == SHT_NOBITS { &zeros[..] } else { header.data(endian, file)? };
        result.sections += 1;
        // The kernel has sorted this table by now.
        if name == "__ex_table" && sorted(memory) == sorted(ours) {
            result.equal += size;
            continue;
        }
        let differ: Vec<usize> = (0..size).filter(|at| memory[*at] != ours[*at]).collect();
        result.equal += size - differ.len();
        match differ.first() {
            None => {}
            Some(_) if name == ".gnu.linkonce.this_module" => result.this_module += differ.len(),
            Some(first) => result.unexplained.push((name, *first, differ.len())),
        }
    }
    Ok(result)
}

/// Sorts x86's exception table, after making its relative addresses absolute (relative to the table's start).
fn sorted(table: &[u8]) -> Vec<[i64; 3]> {
    let word = |at: usize| i64::from(i32::from_le_bytes(std::array::from_fn(|i| table[at + i])));
    let entry = |at: usize| [at as i64 + word(at), at as i64 + 4 + word(at + 4), word(at + 8)];
    let mut entries: Vec<_> = (0..table.len() / 12).map(|n| entry(n * 12)).collect();
    entries.sort_unstable();
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exception_table_is_the_same_in_any_order() {
        let entry = |at: i32, to: i32, fix: i32| [to - at, fix - at - 4, 7].map(i32::to_le_bytes).concat();
        let one = [entry(0, 100, 200), entry(12, 50, 60)].concat();
        let other = [entry(0, 50, 60), entry(12, 100, 200)].concat();
        assert_eq!(sorted(&one), sorted(&other));
        assert_ne!(sorted(&one), sorted(&[entry(0, 50, 60), entry(12, 104, 200)].concat()));
    }

    #[test]
    fn a_truncated_snapshot_is_an_error() {
        let whole = [&0x1000_u64.to_le_bytes()[..], &2_u64.to_le_bytes(), &[1, 2]].concat();
        assert_eq!(areas(&whole).unwrap(), [(0x1000, &[1, 2][..])]);
        assert!(areas(&whole[..17]).is_err());
    }
}
