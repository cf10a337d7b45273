//! A test module: a made-up kernel module with final addresses and symbol values, as records and without an ELF file.
//!
//! Like the records of a parsed file, the records of a test module are consistent, which the stages rely on: the
//! contents of sections do not overlap, groups follow each other, and the section of a symbol exists. As in a file, the
//! offset, the type and the symbol of a relocation may have any value.

use relobox_abi::{Group, Machine, Parsed, Span, group_flag, section_flag, symbol_flag};
use relobox_core::limits;
use relobox_link::records::{Patching, Records};
use relobox_link::stages::confine::Image;
use serde::{Deserialize, Serialize};

/// A made-up module.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TestModule {
    /// `e_machine`.
    pub machine: u16,
    /// The class: 32 or 64.
    pub class: u8,
    /// The byte order: 1 is little-endian, 2 is big-endian (see [`relobox_abi::order`]).
    pub order: u8,
    /// `e_flags`.
    pub elf_flags: u32,
    /// Kernel inputs: names and values.
    pub inputs: Vec<(String, u64)>,
    /// The sections. The first one has index 1, as in ELF.
    pub sections: Vec<Section>,
    /// The symbols. The first one has index 1, as in ELF.
    pub symbols: Vec<Symbol>,
    /// The address of the first section that the plugin makes; the others follow it.
    pub synthetic: u64,
}

/// An allocated section with contents.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Section {
    /// The name of the section.
    pub name: String,
    /// The final address of the section.
    pub address: u64,
    /// The alignment in bytes, a power of two.
    pub align: u64,
    /// `sh_flags`; SHF_ALLOC is always added.
    pub flags: u64,
    /// The contents of the section.
    pub bytes: Vec<u8>,
    /// True if addends are in place (SHT_REL).
    pub in_place: bool,
    /// The relocations, in file order.
    pub relocations: Vec<Relocation>,
}

/// A relocation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Relocation {
    /// The offset of the place in the section, in bytes.
    pub offset: u64,
    /// The relocation type, including the bits outside of `kind_mask`.
    pub kind: u32,
    /// The index of the symbol: 0 is no symbol, 1 is the first of [`TestModule::symbols`].
    pub symbol: u32,
    /// The addend; ignored if addends are in place.
    pub addend: i64,
}

/// A symbol.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Symbol {
    /// The name. Plugins see only the names of undefined symbols.
    pub name: String,
    /// The index of its section, or 0 if [`Symbol::value`] is final.
    pub section: u32,
    /// The offset in its section, or the final value.
    pub value: u64,
    /// The size in bytes.
    pub size: u64,
    /// `st_info`.
    pub info: u8,
    /// `st_other`.
    pub other: u8,
    /// Flags; see [`symbol_flag`].
    pub flags: u16,
}

/// A test module as ABI records, with the bytes to which they refer.
pub struct ModuleRecords {
    parsed: Parsed,
    /// The names and the contents.
    pub file: Vec<u8>,
    sections: Vec<relobox_abi::Section>,
    symbols: Vec<relobox_abi::Symbol>,
    groups: Vec<Group>,
    relocations: Vec<relobox_abi::Relocation>,
}

impl TestModule {
    /// The low 16 bits of [`TestModule::synthetic`] where the last section comes first. Distances between what a plugin
    /// makes then have another sign.
    pub const LAST_FIRST: u64 = 0x8000;

    /// Makes an empty module for `machine`. The sections that the plugin makes are placed 16 MiB behind the base
    /// address.
    #[must_use]
    pub fn new(machine: &Machine) -> Self {
        Self {
            machine: machine.machine,
            class: machine.class,
            order: machine.order,
            elf_flags: machine.flags_value,
            synthetic: (machine.base & !0xffff).wrapping_add(0x100_0000),
            ..Self::default()
        }
    }

    /// Returns the sections whose relocations are applied, each with its index from 0. A section without contents
    /// cannot be patched.
    pub fn groups(&self) -> impl Iterator<Item = (usize, &Section)> {
        (0..).zip(&self.sections).filter(|(_, s)| !s.relocations.is_empty() && !s.bytes.is_empty())
    }

    /// Returns the number of relocations that are applied.
    #[must_use]
    pub fn relocations(&self) -> usize {
        self.groups().map(|(_, s)| s.relocations.len()).sum()
    }

    /// Returns the section of a symbol, or `None` if its value is final.
    pub(crate) fn section_of(&self, symbol: &Symbol) -> Option<&Section> {
        (symbol.section as usize).checked_sub(1).and_then(|i| self.sections.get(i))
    }

    /// Returns whether a symbol is undefined. A symbol with a section is defined, whatever its flags are.
    pub(crate) fn is_undefined(&self, symbol: &Symbol) -> bool {
        symbol.flags & symbol_flag::UNDEFINED != 0 && self.section_of(symbol).is_none()
    }

    /// Truncates an address or a value to the width of the class.
    #[must_use]
    pub fn cut(&self, address: u64) -> u64 {
        if self.class == 32 { address & 0xffff_ffff } else { address }
    }

    /// Returns the values of all symbols by index, starting with the null symbol. Symbols that the plugin supplies are
    /// not considered.
    #[must_use]
    pub fn values(&self) -> Vec<u64> {
        let value = |s: &Symbol| match self.section_of(s) {
            Some(section) => section.address.wrapping_add(s.value),
            None => s.value,
        };
        let values = self.symbols.iter().map(|s| self.cut(value(s)));
        std::iter::once(0).chain(values).collect()
    }

    /// Converts the module to records.
    #[must_use]
    pub fn records(&self) -> ModuleRecords {
        let contents: usize = self.sections.iter().map(|s| s.bytes.len() + s.name.len() + 16).sum();
        let mut file = Vec::with_capacity(contents + 16 * self.symbols.len());
        let mut put = |bytes: &[u8]| {
            file.extend_from_slice(bytes);
            Span { at: (file.len() - bytes.len()) as u32, len: bytes.len() as u32 }
        };
        let mut sections = vec![relobox_abi::Section { align: 1, ..Default::default() }];
        let (mut groups, mut relocations) = (Vec::new(), Vec::with_capacity(self.relocations()));
        for (i, s) in (1..).zip(&self.sections) {
            sections.push(relobox_abi::Section {
                address: 0,
                size: s.bytes.len() as u64,
                align: if s.align.is_power_of_two() { s.align.min(limits::ALIGN) } else { 1 },
                flags: s.flags | section_flag::ALLOC,
                data: put(&s.bytes),
                name: put(s.name.as_bytes()),
                kind: PROGBITS,
                reserved: 0,
            });
            if s.relocations.is_empty() || s.bytes.is_empty() {
                continue;
            }
            groups.push(Group {
                section: i,
                first: relocations.len() as u32,
                count: s.relocations.len() as u32,
                flags: if s.in_place { group_flag::IN_PLACE } else { 0 },
                source: 0,
                reserved: 0,
            });
            relocations.extend(s.relocations.iter().map(|r| relobox_abi::Relocation {
                offset: r.offset,
                addend: if s.in_place { 0 } else { r.addend },
                kind: r.kind,
                symbol: r.symbol,
            }));
        }
        let mut symbols = vec![relobox_abi::Symbol::default()];
        for s in &self.symbols {
            let section = if (s.section as usize) < sections.len() { s.section } else { 0 };
            let outside = symbol_flag::UNDEFINED | symbol_flag::REGISTER;
            let flags = if section == 0 { s.flags } else { s.flags & !outside };
            let undefined = flags & symbol_flag::UNDEFINED != 0;
            symbols.push(relobox_abi::Symbol {
                value: if undefined { 0 } else { s.value },
                size: s.size,
                name: if undefined { put(s.name.as_bytes()) } else { Span::default() },
                section,
                info: s.info,
                other: s.other,
                flags,
                reserved: 0,
            });
        }
        let parsed = Parsed {
            machine: self.machine,
            class: self.class,
            order: self.order,
            elf_flags: self.elf_flags,
            ..Parsed::default()
        };
        ModuleRecords { parsed, file, sections, symbols, groups, relocations }
    }
}

/// `SHT_PROGBITS`.
const PROGBITS: u32 = 1;

impl Image for ModuleRecords {
    fn records(&self) -> Records<'_> {
        Records {
            // A name would be copied into every fault, which would dominate the cost of fuzzing.
            name: "",
            file: &self.file,
            parsed: &self.parsed,
            sections: &self.sections,
            symbols: &self.symbols,
            groups: &self.groups,
            relocations: &self.relocations,
            modinfo: &[],
            exports: &[],
            versions: &[],
        }
    }

    fn patch(&mut self) -> (&mut [u8], Patching<'_>) {
        let Self { file, sections, groups, relocations, .. } = self;
        (file, Patching { sections, groups, relocations })
    }
}

impl ModuleRecords {
    /// Returns the contents of a section; `section` is an index from 1.
    pub fn contents(&self, section: usize) -> &[u8] {
        self.records().bytes(self.sections[section].data)
    }
}
