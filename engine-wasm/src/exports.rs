//! The exports of a module: `__ksymtab` and `__ksymtab_gpl`, as the kernel reads them after it has relocated them.
//!
//! An entry has three fields: the symbol, its name and its namespace (no namespace before Linux 5.4). Each field is the
//! 32-bit distance from the field to its target (CONFIG_HAVE_ARCH_PREL32_RELOCATIONS), or the target's address. Both
//! are relocations, and the target is their symbol and addend. The kernel itself finds the tables by these section
//! names.
//!
//! Sources: include/linux/export-internal.h and kernel/module/main.c of Linux 6.1, 6.12 and 7.0.

use crate::error::{ElfError, bad_section, fault};
use crate::file::{bytes_of, string_at};
use crate::limits;
use crate::module::Module;
use alloc::vec::Vec;
use relobox_abi::{
    Export, Group, Relocation, Section, Span, Symbol, export_flag, group_flag, order, section_flag, symbol_flag,
};

/// The tables for all modules and for GPL-compatible ones, the tables that Linux had up to 5.11, and the tables of
/// their CRCs.
const TABLES: [(&[u8], &[u8]); 5] = [
    (b"__ksymtab", b"__kcrctab"),
    (b"__ksymtab_gpl", b"__kcrctab_gpl"),
    (b"__ksymtab_unused", b"__kcrctab_unused"),
    (b"__ksymtab_unused_gpl", b"__kcrctab_unused_gpl"),
    (b"__ksymtab_gpl_future", b"__kcrctab_gpl_future"),
];

/// From Linux 7.0: one byte for each entry of the first table, with [`GPL_ONLY`].
const FLAGS: &[u8] = b"__kflagstab";
/// KSYM_FLAG_GPL_ONLY.
const GPL_ONLY: u8 = 1;

/// Returns whether the relocations of a section say what is exported.
pub(crate) fn is_table(file: &[u8], section: &Section) -> bool {
    let name = bytes_of(file, section.name);
    TABLES.iter().any(|(table, crcs)| name == *table || name == *crcs)
}

/// The target of a field: `offset` bytes after a symbol.
#[derive(Clone, Copy)]
struct Target {
    symbol: u32,
    offset: i64,
}

/// A field: its offset, and the offset and symbol of its target.
type Place = (u64, u64, usize);

impl Target {
    fn of((_, offset, symbol): &Place) -> Self {
        Self { symbol: *symbol as u32, offset: offset.cast_signed() }
    }
}

/// The file's tables during the search for exports.
struct Tables<'a> {
    file: &'a [u8],
    big: bool,
    /// The size of an address in bytes.
    word: u64,
    sections: &'a [Section],
    symbols: &'a [Symbol],
    groups: &'a [Group],
    relocations: &'a [Relocation],
}

/// Returns every export of a module with sections and symbols, sorted by name. `groups` has at least the relocations of
/// the sections for which [`is_table`] holds.
pub(crate) fn exports(
    file: &[u8],
    module: &Module,
    groups: &[Group],
    relocations: &[Relocation],
) -> Result<Vec<Export>, ElfError> {
    let (sections, symbols) = (&module.sections[..], &module.symbols[..]);
    let (big, word) = (module.order == order::BIG, u64::from(module.class / 8));
    let tables = Tables { file, big, word, sections, symbols, groups, relocations };
    let mut out: Vec<Export> = Vec::new();
    for (table, crcs) in TABLES {
        if let Some((i, _)) = tables.named(table) {
            tables.read(i, table, crcs, &mut out)?;
        }
    }
    // If two exports have the same name, the kernel finds the one in `__ksymtab`, which was read first.
    let mut names: Vec<(&[u8], u32)> = out.iter().zip(0..).map(|(e, i)| (bytes_of(file, e.name), i)).collect();
    names.sort_unstable();
    names.dedup_by_key(|(name, _)| *name);
    Ok(names.into_iter().map(|(_, i)| out[i as usize]).collect())
}

impl Tables<'_> {
    fn read(&self, index: usize, table: &[u8], crcs: &[u8], out: &mut Vec<Export>) -> Result<(), ElfError> {
        let section = &self.sections[index];
        let word = self.word;
        let places = self.places(index, word);
        // An entry that is already relocated says nothing without its address.
        if places.is_empty() {
            return Ok(());
        }
        let field = if places.iter().all(|(at, ..)| at.is_multiple_of(word)) { word } else { 4 };
        let first = out.len();
        let whole = [3, 2].into_iter().any(|fields| {
            out.truncate(first);
            self.entries(section, &places, field, fields, out)
        });
        if !whole {
            let text = "an export's entry does not refer to its name: sh_size";
            return Err(bad_section(index, text, 0, section.size, 0));
        }
        let most = limits::names_for(self.file.len() as u64);
        let length: u64 = out.iter().map(|e| u64::from(e.name.len) + u64::from(e.namespace.len)).sum();
        if length > most {
            let text = "exports' names overlap; their length is";
            return Err(fault(relobox_abi::fault::TOO_LARGE, index as u32, text, 0, length, most));
        }
        self.flags(table, &mut out[first..]);
        self.crcs(crcs, word, &mut out[first..]);
        Ok(())
    }

    /// Returns the section of that name that the kernel finds: the first one in memory.
    fn named(&self, name: &[u8]) -> Option<(usize, &Section)> {
        let is = |s: &Section| s.flags & section_flag::ALLOC != 0 && bytes_of(self.file, s.name) == name;
        self.sections.iter().enumerate().find(|(_, s)| is(s))
    }

    /// Returns the targets of the fields of section `index`, by offset; `word` is the size of an address.
    fn places(&self, index: usize, word: u64) -> Vec<Place> {
        let mut places = Vec::new();
        let groups = || self.groups.iter().filter(|g| g.section as usize == index);
        let of = |group: &Group| &self.relocations[group.first as usize..][..group.count as usize];
        let narrow = groups().any(|group| of(group).iter().any(|r| !r.offset.is_multiple_of(word)));
        let width = if narrow { 4 } else { word };
        for group in groups() {
            let in_place = group.flags & group_flag::IN_PLACE != 0;
            for r in of(group) {
                let Some(symbol) = self.symbols.get(r.symbol as usize) else { continue };
                // SuperH's linker leaves addends in place beside records that could have them.
                let in_place = in_place || r.addend == 0;
                let offset = if in_place { self.number(index, r.offset, width).unwrap_or(0) } else { r.addend };
                // Some machines need two relocations for a distance. This one subtracts the address of the place.
                let itself = symbol.section as usize == index && symbol.value.wrapping_add_signed(offset) == r.offset;
                if !itself {
                    places.push((r.offset, offset.cast_unsigned(), r.symbol as usize));
                }
            }
        }
        places.sort_unstable();
        places.dedup_by_key(|(at, ..)| *at);
        places
    }

    /// Reads a signed number of `width` bytes in a section.
    fn number(&self, index: usize, at: u64, width: u64) -> Option<i64> {
        let data = bytes_of(self.file, self.sections[index].data);
        let bytes = data.get(usize::try_from(at).ok()?..)?.get(..width as usize)?;
        let push = |n: i64, b: &u8| n << 8 | i64::from(*b);
        let unsigned = if self.big { bytes.iter().fold(0, push) } else { bytes.iter().rev().fold(0, push) };
        let unused = 64 - 8 * width as u32;
        Some(unsigned << unused >> unused)
    }

    /// Reads the entries of a table, with `fields` fields of `field` bytes each. Returns `false` if the entries do not
    /// have this form.
    fn entries(&self, section: &Section, places: &[Place], field: u64, fields: u64, out: &mut Vec<Export>) -> bool {
        let entry = field * fields;
        if !section.size.is_multiple_of(entry) {
            return false;
        }
        let mut places = places.iter().peekable();
        let mut at = |wanted: u64| {
            while places.next_if(|(at, ..)| *at < wanted).is_some() {}
            places.next_if(|(at, ..)| *at == wanted).map(Target::of)
        };
        for start in (0..section.size).step_by(entry as usize) {
            let (value, name) = (at(start), at(start + field));
            let (Some(value), Some((strings, name))) = (value, name.and_then(|name| self.text(name))) else {
                return false;
            };
            let namespace = match if fields == 3 { at(start + 2 * field) } else { None } {
                None => Span::default(),
                // If a third field has another target, it is the first field of the next entry.
                Some(target) => match self.text(target) {
                    Some((section, text)) if section == strings => text,
                    _ => return false,
                },
            };
            let Target { symbol, offset } = value;
            out.push(Export { name, namespace, symbol, offset: offset as u32, ..Default::default() });
        }
        true
    }

    /// Returns the section of a target, and the offset in it.
    fn place_of(&self, target: Target) -> Option<(u32, u64)> {
        let symbol = self.symbols.get(target.symbol as usize).filter(|s| s.section != 0)?;
        Some((symbol.section, symbol.value.wrapping_add_signed(target.offset)))
    }

    /// Returns the string that a field refers to, and its section.
    fn text(&self, target: Target) -> Option<(u32, Span)> {
        let (section, offset) = self.place_of(target)?;
        let data = self.sections[section as usize].data;
        let at = usize::try_from(u64::from(data.at).checked_add(offset)?).ok()?;
        (offset < u64::from(data.len)).then_some(())?;
        Some((section, string_at(self.file, at, (data.at + data.len) as usize)?))
    }

    /// Sets the flags of the exports of one table.
    fn flags(&self, table: &[u8], exports: &mut [Export]) {
        let marks = if table == TABLES[0].0 { self.named(FLAGS) } else { None };
        let marks = marks.map_or(&[][..], |(_, s)| bytes_of(self.file, s.data));
        let gpl = table.windows(4).any(|part| part == b"_gpl");
        for (i, export) in exports.iter_mut().enumerate() {
            if gpl || marks.get(i).is_some_and(|mark| mark & GPL_ONLY != 0) {
                export.flags |= export_flag::GPL;
            }
        }
    }

    /// Sets the CRCs of one table. They are numbers, or before Linux 5.19 absolute symbols or the place of the number.
    fn crcs(&self, name: &[u8], word: u64, exports: &mut [Export]) {
        let Some((index, section)) = self.named(name) else { return };
        let count = exports.len() as u64;
        let width = if section.size == count * word { word } else { 4 };
        let places = self.places(index, width);
        for (i, export) in (0..).zip(exports) {
            let crc = match places.binary_search_by_key(&(i * width), |(at, ..)| *at) {
                Ok(found) => self.crc_of(Target::of(&places[found])),
                Err(_) => self.number(index, i * width, width),
            };
            if let Some(crc) = crc {
                export.crc = crc as u32;
                export.flags |= export_flag::CRC;
            }
        }
    }

    fn crc_of(&self, target: Target) -> Option<i64> {
        let symbol = self.symbols.get(target.symbol as usize)?;
        if symbol.flags & symbol_flag::ABSOLUTE != 0 {
            return Some(symbol.value.cast_signed().wrapping_add(target.offset));
        }
        let (section, offset) = self.place_of(target)?;
        self.number(section as usize, offset, 4)
    }
}
