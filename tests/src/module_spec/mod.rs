//! A module specification: bytes at given addresses, relocations, and symbols with given values.
//!
//! The golden vectors and the metamorphic properties are stated in terms of these. A [`Linker`] links them: either the
//! shipped guests in the sandbox ([`guest`]), or any architecture of the SDK, natively ([`native`]). Deliberately wrong
//! plugins run natively and are checked by the same oracles.

mod elf;
pub mod guest;
pub mod native;

pub use elf::write;

use relobox_abi::{Machine, Row, Slice, row_flag};

/// A module specification.
#[derive(Clone, Debug)]
pub struct ModuleSpec {
    /// The machine, class, byte order and ELF flags.
    pub machine: Machine,
    /// Whether addends are stored in the fields (SHT_REL) instead of in the records (SHT_RELA).
    pub in_place: bool,
    /// The sections. All are allocated and executable.
    pub sections: Vec<Section>,
    /// The symbols.
    pub symbols: Vec<Symbol>,
    /// Addresses for sections that the plugin makes, by name. A section that is not listed is placed after all others.
    pub tables: Vec<(String, u64)>,
}

/// A section.
#[derive(Clone, Debug, Default)]
pub struct Section {
    /// The final address.
    pub address: u64,
    /// The contents.
    pub bytes: Vec<u8>,
    /// The relocations, in file order.
    pub relocations: Vec<Relocation>,
}

/// A relocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Relocation {
    /// The offset of the field in the section, in bytes.
    pub offset: u64,
    /// The relocation type.
    pub kind: u32,
    /// The index of the symbol in [`ModuleSpec::symbols`].
    pub symbol: usize,
    /// The addend. It is ignored if addends are stored in the fields.
    pub addend: i64,
}

/// A symbol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Symbol {
    /// The symbol's name.
    pub name: String,
    /// How the symbol is defined.
    pub kind: SymbolKind,
    /// The symbol's size, in bytes.
    pub size: u64,
}

/// How a symbol is defined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SymbolKind {
    /// Undefined in the module; it resolves to this value.
    Outside(u64),
    /// Undefined and weak, and nothing defines it.
    Missing,
    /// The linker defines it: `_GLOBAL_OFFSET_TABLE_`.
    Linkers,
    /// Local: a section index and an offset in that section, in bytes.
    Label(usize, u64),
}

/// A linked module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkOutput {
    /// The contents of [`ModuleSpec::sections`], in the same order.
    pub sections: Vec<Vec<u8>>,
    /// The sections that the plugin made.
    pub made: Vec<SyntheticSection>,
    /// The fuel that the link used; `None` where fuel is not counted.
    pub fuel: Option<u64>,
}

/// A section that the plugin made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyntheticSection {
    /// The section's name.
    pub name: String,
    /// The section's address.
    pub address: u64,
    /// The section's contents.
    pub contents: Vec<u8>,
}

/// The reason why there is no linked module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkError {
    /// The plugin reported these faults.
    Faults(Vec<Fault>),
    /// The guest broke the contract; the message says how.
    Guest(String),
}

/// A fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The host's name for the kind of fault: `out-of-range`, `misaligned` and so on.
    pub kind: String,
    /// The index of the section in [`ModuleSpec::sections`], if the fault is about one.
    pub section: Option<usize>,
    /// The offset in that section, in bytes.
    pub offset: u64,
}

/// A linker for module specifications.
pub trait Linker {
    /// Returns the linker's name.
    fn name(&self) -> &str;
    /// Returns the machines whose files it links.
    fn machines(&self) -> &[Machine];
    /// Returns the rows of its table that write a field.
    fn rows(&self) -> &[RowDescription];
    /// Links one module.
    ///
    /// # Errors
    /// If the plugin reports faults, or breaks the contract.
    fn link(&self, module: &ModuleSpec) -> Result<LinkOutput, LinkError>;
}

/// A row of a relocation table, as its plugin describes it.
#[derive(Clone, Debug)]
pub struct RowDescription {
    /// The row's binary record.
    pub row: Row,
    /// The type's name in the psABI.
    pub name: String,
    /// The formula, as text.
    pub formula: String,
    /// The slices of the field, from which its bits are assembled.
    pub slices: Vec<Slice>,
}

impl RowDescription {
    /// Returns whether the row has this flag; see [`row_flag`].
    pub fn is(&self, flag: u32) -> bool {
        self.row.flags & flag != 0
    }

    /// Returns whether the slices in the table describe the field completely, without a function that writes it.
    pub fn is_plain(&self) -> bool {
        !self.is(row_flag::BY_HAND) && !self.slices.is_empty()
    }

    /// Returns the mask of the bits in the field's word that the relocation owns.
    pub fn mask(&self) -> u64 {
        self.slices.iter().fold(0, |mask, s| mask | ones(s.len) << s.field_bit)
    }

    /// Returns the number of value bits up to and including the highest one that the field holds.
    pub fn value_bits(&self) -> u8 {
        self.slices.iter().map(|s| s.value_bit + s.len).max().unwrap_or(0)
    }

    /// Returns whether the field is big-endian in a module of this byte order.
    fn big(&self, machine: &Machine) -> bool {
        use relobox_abi::order;
        let as_data = matches!(self.row.order, order::DATA | order::MIDDLE);
        (if as_data { machine.order } else { self.row.order }) == order::BIG
    }

    /// Reads the field's word from the start of `place`.
    pub fn word(&self, machine: &Machine, place: &[u8]) -> u64 {
        let bytes = &place[..usize::from(self.row.width)];
        let join = |word: u64, byte: &u8| word << 8 | u64::from(*byte);
        if self.big(machine) {
            bytes.iter().fold(0, join)
        } else if self.row.order == relobox_abi::order::MIDDLE {
            let (high, low) = bytes.split_at(bytes.len() / 2);
            high.iter().rev().chain(low.iter().rev()).fold(0, join)
        } else {
            bytes.iter().rev().fold(0, join)
        }
    }

    /// Decodes the value from the field at the start of `place`, sign-extended from the highest bit that the field
    /// holds.
    pub fn value(&self, machine: &Machine, place: &[u8]) -> i64 {
        let word = self.word(machine, place);
        let value = self.slices.iter().fold(0, |v, s| v | (word >> s.field_bit & ones(s.len)) << s.value_bit);
        let shift = 64 - u32::from(self.value_bits());
        (value << shift) as i64 >> shift
    }
}

fn ones(len: u8) -> u64 {
    if len == 0 { 0 } else { u64::MAX >> (64 - u32::from(len)) }
}

impl ModuleSpec {
    /// Creates an empty module.
    pub fn new(machine: Machine, in_place: bool) -> Self {
        Self { machine, in_place, sections: Vec::new(), symbols: Vec::new(), tables: Vec::new() }
    }

    /// Returns the index of a symbol, and adds the symbol if it is new.
    pub fn symbol(&mut self, symbol: Symbol) -> usize {
        match self.symbols.iter().position(|s| *s == symbol) {
            Some(at) => at,
            None => {
                self.symbols.push(symbol);
                self.symbols.len() - 1
            }
        }
    }

    /// Returns the number of relocations in all sections.
    pub fn relocations(&self) -> usize {
        self.sections.iter().map(|s| s.relocations.len()).sum()
    }
}
