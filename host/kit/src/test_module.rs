//! A case: a made-up module with its addresses and values, for one plugin and without an ELF file.
//!
//! Whatever a case says, its records are as sound as those of a parsed file, which is what the stages rely on:
//! sections' contents do not overlap, groups follow each other, a symbol's section exists. A relocation's
//! offset, type and symbol are not checked, as in a file.

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
    /// 32 or 64.
    pub class: u8,
    /// 1 little, 2 big.
    pub order: u8,
    /// `e_flags`.
    pub elf_flags: u32,
    /// Numbers from the kernel, by name.
    pub inputs: Vec<(String, u64)>,
    /// Its sections; the first is section 1, as in ELF.
    pub sections: Vec<Section>,
    /// Its symbols; the first is symbol 1.
    pub symbols: Vec<Symbol>,
    /// Where the sections lie that the plugin makes, one after the other.
    pub synthetic: u64,
}

/// A section, allocated and with contents.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Section {
    /// Its name.
    pub name: String,
    /// Its final address.
    pub address: u64,
    /// Its alignment in bytes: a power of two.
    pub align: u64,
    /// `sh_flags`, to which ALLOC is added.
    pub flags: u64,
    /// Its contents.
    pub bytes: Vec<u8>,
    /// Its addends stand in place (SHT_REL).
    pub in_place: bool,
    /// Its relocations, in file order.
    pub relocations: Vec<Relocation>,
}

/// A relocation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Relocation {
    /// Offset of the place in the section, in bytes.
    pub offset: u64,
    /// The raw type word.
    pub kind: u32,
    /// The symbol's index: 0 is none, 1 is [`TestModule::symbols`]' first.
    pub symbol: u32,
    /// The addend; 0 where addends are in place.
    pub addend: i64,
}

/// A symbol.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Symbol {
    /// Its name; plugins see those of undefined symbols.
    pub name: String,
    /// Its section's index, or 0: then [`Symbol::value`] is final.
    pub section: u32,
    /// An offset in its section, or the final value.
    pub value: u64,
    /// Its size in bytes.
    pub size: u64,
    /// `st_info`.
    pub info: u8,
    /// `st_other`.
    pub other: u8,
    /// See [`symbol_flag`].
    pub flags: u16,
}

/// A case as records, and the bytes that they speak of.
pub struct ModuleRecords {
    parsed: Parsed,
    /// Names, then contents.
    pub file: Vec<u8>,
    sections: Vec<relobox_abi::Section>,
    symbols: Vec<relobox_abi::Symbol>,
    groups: Vec<Group>,
    relocations: Vec<relobox_abi::Relocation>,
}

impl TestModule {
    /// An empty case for `machine`; what the plugin makes lies behind everything.
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

    /// The sections with relocations that count, each with its index: what has no contents cannot be patched.
    pub fn groups(&self) -> impl Iterator<Item = (usize, &Section)> {
        (0..).zip(&self.sections).filter(|(_, s)| !s.relocations.is_empty() && !s.bytes.is_empty())
    }

    /// How many relocations there are.
    #[must_use]
    pub fn relocations(&self) -> usize {
        self.groups().map(|(_, s)| s.relocations.len()).sum()
    }

    /// An address or a value as wide as the class.
    #[must_use]
    pub fn cut(&self, address: u64) -> u64 {
        if self.class == 32 { address & 0xffff_ffff } else { address }
    }

    /// The values of all symbols, the null one first; those that the plugin supplies apart.
    #[must_use]
    pub fn values(&self) -> Vec<u64> {
        let value = |s: &Symbol| match (s.section as usize).checked_sub(1).and_then(|i| self.sections.get(i)) {
            Some(section) => section.address.wrapping_add(s.value),
            None => s.value,
        };
        let values = self.symbols.iter().map(|s| self.cut(value(s)));
        std::iter::once(0).chain(values).collect()
    }

    /// Its records.
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
            // What has a section is not undefined, whatever its flags say.
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
            // Millions of cases are refused while fuzzing, and each word would cost more than the plugin does.
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
    /// A section's contents.
    pub fn contents(&self, section: usize) -> &[u8] {
        self.records().bytes(self.sections[section].data)
    }
}
