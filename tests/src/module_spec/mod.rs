//! A made-up module: some bytes at some addresses, relocations, and symbols with values.
//!
//! The golden vectors and the metamorphic properties are stated about these. Whoever can link one
//! is a [`Linker`]: the shipped guests in the sandbox ([`guest`]), or any architecture of the SDK,
//! natively ([`native`]); the second is how deliberately wrong plugins are put before the same judges.

mod elf;
pub mod guest;
pub mod native;

pub use elf::write;

use relobox_abi::{Machine, Row, Slice, row_flag};

/// The module.
#[derive(Clone, Debug)]
pub struct ModuleSpec {
    /// Machine, class, byte order, flags.
    pub machine: Machine,
    /// Addends stand in place (SHT_REL).
    pub in_place: bool,
    /// Its sections; all are allocated and executable.
    pub sections: Vec<Section>,
    /// Its symbols.
    pub symbols: Vec<Symbol>,
    /// Where sections that the plugin makes go, by name; others go behind everything.
    pub tables: Vec<(String, u64)>,
}

/// A section.
#[derive(Clone, Debug, Default)]
pub struct Section {
    /// Its final address.
    pub address: u64,
    /// Its contents.
    pub bytes: Vec<u8>,
    /// Its relocations, in file order.
    pub relocations: Vec<Relocation>,
}

/// A relocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Relocation {
    /// Offset of the place in the section.
    pub offset: u64,
    /// The type.
    pub kind: u32,
    /// Index in [`ModuleSpec::symbols`].
    pub symbol: usize,
    /// The addend; void if addends are in place.
    pub addend: i64,
}

/// A symbol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Symbol {
    /// Its name.
    pub name: String,
    /// SymbolKind it is.
    pub kind: SymbolKind,
    /// Its size.
    pub size: u64,
}

/// SymbolKind a symbol is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SymbolKind {
    /// Undefined; somebody else defines it with this value.
    Outside(u64),
    /// Undefined and weak, and nobody defines it.
    Missing,
    /// The linker's own: `_GLOBAL_OFFSET_TABLE_`.
    Linkers,
    /// Local, so many bytes into a section.
    Label(usize, u64),
}

/// A linked module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkOutput {
    /// The contents of [`ModuleSpec::sections`].
    pub sections: Vec<Vec<u8>>,
    /// SymbolKind the plugin made.
    pub made: Vec<SyntheticSection>,
    /// SymbolKind it spent, where that is counted.
    pub fuel: Option<u64>,
}

/// A section that the plugin made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyntheticSection {
    /// Its name.
    pub name: String,
    /// Where it is.
    pub address: u64,
    /// SymbolKind it holds.
    pub contents: Vec<u8>,
}

/// Why there is no linked module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkError {
    /// These faults.
    Faults(Vec<Fault>),
    /// The guest broke the contract.
    Guest(String),
}

/// A fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The host's word for it: `out-of-range`, `misaligned` …
    pub kind: String,
    /// Index in [`ModuleSpec::sections`], if it is about one.
    pub section: Option<usize>,
    /// Offset in it.
    pub offset: u64,
}

/// Somebody who links made-up modules.
pub trait Linker {
    /// Its name.
    fn name(&self) -> &str;
    /// SymbolKind kinds of file it links.
    fn machines(&self) -> &[Machine];
    /// The rows of its table that write.
    fn rows(&self) -> &[RowDescription];
    /// Links one module.
    fn link(&self, module: &ModuleSpec) -> Result<LinkOutput, LinkError>;
}

/// A row of a relocation table, as its plugin describes it.
#[derive(Clone, Debug)]
pub struct RowDescription {
    /// The record.
    pub row: Row,
    /// The psABI's name.
    pub name: String,
    /// The formula.
    pub formula: String,
    /// The field's bits.
    pub slices: Vec<Slice>,
}

impl RowDescription {
    /// Whether the row has this flag; see [`row_flag`].
    pub fn is(&self, flag: u32) -> bool {
        self.row.flags & flag != 0
    }

    /// Whether its bits lie where the table says, without a function that writes them.
    pub fn is_plain(&self) -> bool {
        !self.is(row_flag::BY_HAND) && !self.slices.is_empty()
    }

    /// The bits of the field's word that the relocation owns.
    pub fn mask(&self) -> u64 {
        self.slices.iter().fold(0, |mask, s| mask | ones(s.len) << s.field_bit)
    }

    /// One past the highest value bit that the field holds.
    pub fn value_bits(&self) -> u8 {
        self.slices.iter().map(|s| s.value_bit + s.len).max().unwrap_or(0)
    }

    /// Whether the field is big-endian in a module of this byte order.
    fn big(&self, machine: &Machine) -> bool {
        use relobox_abi::order;
        (if self.row.order == order::DATA { machine.order } else { self.row.order }) == order::BIG
    }

    /// The field's word in `place`.
    pub fn word(&self, machine: &Machine, place: &[u8]) -> u64 {
        let bytes = &place[..usize::from(self.row.width)];
        let join = |word: u64, byte: &u8| word << 8 | u64::from(*byte);
        if self.big(machine) { bytes.iter().fold(0, join) } else { bytes.iter().rev().fold(0, join) }
    }

    /// The value whose bits stand in `place`, sign-extended from the highest bit that the field holds.
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
    /// An empty module.
    pub fn new(machine: Machine, in_place: bool) -> Self {
        Self { machine, in_place, sections: Vec::new(), symbols: Vec::new(), tables: Vec::new() }
    }

    /// The index of a symbol, which is added if it is new.
    pub fn symbol(&mut self, symbol: Symbol) -> usize {
        match self.symbols.iter().position(|s| *s == symbol) {
            Some(at) => at,
            None => {
                self.symbols.push(symbol);
                self.symbols.len() - 1
            }
        }
    }

    /// How many relocations there are.
    pub fn relocations(&self) -> usize {
        self.sections.iter().map(|s| s.relocations.len()).sum()
    }
}
