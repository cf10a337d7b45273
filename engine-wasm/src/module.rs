//! The records of a file.

use alloc::vec::Vec;
use relobox_abi::{Export, Group, Pair, Relocation, Section, Span, Symbol, Version};

/// A file as records.
#[derive(Debug, Default)]
pub struct Module {
    /// `e_machine`.
    pub machine: u16,
    /// The ELF class: 32 or 64.
    pub class: u8,
    /// The byte order: 1 little, 2 big.
    pub order: u8,
    /// `e_flags`.
    pub elf_flags: u32,
    /// The sections, by index.
    pub sections: Vec<Section>,
    /// The symbols, by index.
    pub symbols: Vec<Symbol>,
    /// The groups of relocations, in file order.
    pub groups: Vec<Group>,
    /// The relocations, in file order.
    pub relocations: Vec<Relocation>,
    /// The entries of `.modinfo`.
    pub modinfo: Vec<Pair>,
    /// The exported symbols.
    pub exports: Vec<Export>,
    /// The entries of `__versions` and of its extension.
    pub versions: Vec<Version>,
    /// The index of the symbol `init_module`, or 0.
    pub init: u32,
    /// The index of the symbol `cleanup_module`, or 0.
    pub exit: u32,
    /// The size in bytes of the appended signature.
    pub signature: u32,
    /// The index of the string table of the symbols, or 0.
    pub strings: u32,
    /// The string table of the sections' names.
    pub section_names: Span,
}
