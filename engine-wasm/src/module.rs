//! What is read from a file.

use alloc::vec::Vec;
use relobox_abi::{Export, Group, Pair, Relocation, Section, Span, Symbol, Version};

/// A file as records.
#[derive(Debug, Default)]
pub struct Module {
    /// `e_machine`.
    pub machine: u16,
    /// 32 or 64.
    pub class: u8,
    /// 1 little, 2 big.
    pub order: u8,
    /// `e_flags`.
    pub elf_flags: u32,
    /// By section index.
    pub sections: Vec<Section>,
    /// By symbol index.
    pub symbols: Vec<Symbol>,
    /// In file order.
    pub groups: Vec<Group>,
    /// In file order.
    pub relocations: Vec<Relocation>,
    /// `.modinfo`.
    pub modinfo: Vec<Pair>,
    /// What it exports.
    pub exports: Vec<Export>,
    /// `__versions`, and its extension.
    pub versions: Vec<Version>,
    /// Index of `init_module`, or 0.
    pub init: u32,
    /// Index of `cleanup_module`, or 0.
    pub exit: u32,
    /// Bytes of the appended signature.
    pub signature: u32,
    /// The section with the symbols' names, or 0.
    pub strings: u32,
    /// The sections' names.
    pub section_names: Span,
}
