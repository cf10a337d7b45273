//! What is in a module, with its texts as C has them.

use crate::objects::Objects;
use crate::report::or_null;
use crate::types::{self, Has, SectionFlag, SymbolFlag};
use relobox_cabi::boundary::c_text;
use relobox_questions::{Histogram, Inspection, SectionReport};
use std::ffi::CString;
use std::ptr::null;

pub(crate) static INFOS: Objects<Info> = Objects::new();

/// What is in a module.
pub(crate) struct Info {
    plugin: Option<CString>,
    signature: u64,
    flags: u32,
    machine: u16,
    bits: u8,
    big_endian: bool,
    modinfo: Vec<(CString, CString)>,
    sections: Vec<(CString, SectionReport)>,
    exports: Vec<Symbol>,
    wanted: Vec<Symbol>,
    relocations: Vec<(CString, Option<CString>, u64)>,
}

struct Symbol {
    name: CString,
    namespace: Option<CString>,
    crc: Option<u32>,
    flags: u32,
}

/// The flags of a section, from letters.
pub(crate) fn section_flags(letters: &str) -> u32 {
    let bit = |letter| match letter {
        'W' => SectionFlag::Write as u32,
        'A' => SectionFlag::Alloc as u32,
        'X' => SectionFlag::Exec as u32,
        _ => 0,
    };
    letters.chars().fold(0, |flags, letter| flags | bit(letter))
}

fn not_empty(text: &str) -> Option<CString> {
    if text.is_empty() { None } else { Some(c_text(text)) }
}

impl Info {
    pub(crate) fn of(found: &Inspection) -> Self {
        let relocation = |r: &Histogram| (c_text(&r.name), not_empty(&r.formula), r.count as u64);
        let section = |s: &SectionReport| {
            let SectionReport { index, size, align, relocations, .. } = *s;
            let (name, flags) = (String::new(), s.flags.clone());
            (c_text(&s.name), SectionReport { index, name, size, align, flags, relocations })
        };
        let exports = found.exports.iter().map(|e| Symbol {
            name: c_text(&e.name),
            namespace: not_empty(&e.namespace),
            crc: e.crc,
            flags: if e.gpl { SymbolFlag::Gpl as u32 } else { 0 },
        });
        let wanted = found.wanted.iter().map(|w| Symbol {
            name: c_text(&w.name),
            namespace: None,
            crc: w.crc,
            flags: if w.weak { SymbolFlag::Weak as u32 } else { 0 },
        });
        Self {
            plugin: found.plugin.as_ref().map(c_text),
            signature: found.signature_bytes.into(),
            flags: found.flags,
            machine: found.machine,
            bits: found.class,
            big_endian: found.byte_order == "big",
            modinfo: found.modinfo.iter().map(|(key, value)| (c_text(key), c_text(value))).collect(),
            sections: found.sections.iter().map(section).collect(),
            exports: exports.collect(),
            wanted: wanted.collect(),
            relocations: found.relocations.iter().map(relocation).collect(),
        }
    }

    pub(crate) fn machine(&self) -> types::Machine {
        let Self { signature, flags, machine, bits, .. } = *self;
        let big_endian = self.big_endian.into();
        types::Machine { plugin: or_null(self.plugin.as_ref()), signature, flags, machine, bits, big_endian }
    }

    pub(crate) fn modinfo(&self) -> usize {
        self.modinfo.len()
    }

    pub(crate) fn modinfo_entry(&self, index: usize) -> Option<types::ModinfoEntry> {
        let (key, value) = self.modinfo.get(index)?;
        Some(types::ModinfoEntry { key: key.as_ptr(), value: value.as_ptr() })
    }

    pub(crate) fn sections(&self) -> usize {
        self.sections.len()
    }

    pub(crate) fn section(&self, index: usize) -> Option<types::Section> {
        let (name, section) = self.sections.get(index)?;
        Some(types::Section {
            name: name.as_ptr(),
            address: 0,
            size: section.size,
            align: section.align,
            contents: null(),
            relocations: section.relocations,
            flags: section_flags(&section.flags),
        })
    }

    pub(crate) fn exports(&self) -> usize {
        self.exports.len()
    }

    pub(crate) fn export(&self, index: usize) -> Option<types::Symbol> {
        self.exports.get(index).map(Symbol::get)
    }

    pub(crate) fn wanted(&self) -> usize {
        self.wanted.len()
    }

    pub(crate) fn wanted_symbol(&self, index: usize) -> Option<types::Symbol> {
        self.wanted.get(index).map(Symbol::get)
    }

    pub(crate) fn relocations(&self) -> usize {
        self.relocations.len()
    }

    pub(crate) fn relocation(&self, index: usize) -> Option<types::RelocationCount> {
        let (name, formula, count) = self.relocations.get(index)?;
        Some(types::RelocationCount { name: name.as_ptr(), formula: or_null(formula.as_ref()), count: *count })
    }
}

impl Symbol {
    fn get(&self) -> types::Symbol {
        types::Symbol {
            name: self.name.as_ptr(),
            symbol_namespace: or_null(self.namespace.as_ref()),
            crc: self.crc.unwrap_or(0),
            flags: self.flags,
            has: if self.crc.is_some() { Has::Crc as u32 } else { 0 },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_are_flags() {
        assert_eq!(section_flags("WA"), SectionFlag::Write as u32 | SectionFlag::Alloc as u32);
        assert_eq!((section_flags("X?"), section_flags("")), (SectionFlag::Exec as u32, 0));
    }
}
