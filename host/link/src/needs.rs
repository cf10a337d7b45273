//! What a plugin needs for a module, as it said in plan; [`plan`](crate::stages::plan) checks it.

use crate::records::Records;
use crate::views::bytes;
use relobox_abi::{
    Alignment, FunctionDescriptor, Supplied, Synthetic, Window, placement, supply, symbol_flag, synthetic_kind,
};
use relobox_core::areas::Kind;
use std::collections::HashMap;

/// What a plugin needs for a module, checked.
#[derive(Debug, Default)]
pub struct Needs {
    /// The synthetic sections.
    pub synthetic: Vec<SyntheticRequest>,
    /// The alignments to raise.
    pub alignments: Vec<Alignment>,
    /// Windows beyond those of the rows, ascending by relocation.
    pub windows: Vec<Window>,
    /// Symbols that the plugin supplies, with the new name of those that are renamed.
    pub supplied: Vec<(Supplied, Vec<u8>)>,
    /// Sections that the kernel's loader rebuilds, as the plugin describes them.
    pub remade: Vec<Remade>,
    /// Function descriptors, by which the kernel and other modules refer to functions of the module.
    pub descriptors: Vec<FunctionDescriptor>,
    /// Symbols of the kernel whose values the plugin itself reads.
    pub kernel_symbols: Vec<KernelSymbol>,
}

/// A symbol of the kernel whose value the plugin reads as an input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KernelSymbol {
    /// The index of the input in the job.
    pub input: usize,
    /// The symbol's name.
    pub name: Vec<u8>,
    /// The value if the symbol is not defined.
    pub default: u64,
}

/// The prefix of the name of an input that is the value of a kernel symbol.
const KERNEL_SYMBOL: char = '&';

/// Returns those of `inputs` that are kernel symbols, without those whose value is among `given`.
#[must_use]
pub(crate) fn kernel_symbols(inputs: &[(String, u64)], given: &[(String, u64)]) -> Vec<KernelSymbol> {
    let read = |(input, (name, default)): (usize, &(String, u64))| {
        let symbol = name.strip_prefix(KERNEL_SYMBOL).filter(|_| !given.iter().any(|(known, _)| known == name))?;
        Some(KernelSymbol { input, name: symbol.into(), default: *default })
    };
    inputs.iter().enumerate().filter_map(read).collect()
}

impl Needs {
    /// Returns the names by which the module's undefined symbols are looked up, with their symbol indices. These are
    /// their own names, unless the plugin renames or supplies the symbol. The kernel symbols that only the plugin reads
    /// follow, with index 0.
    pub fn looked_up<'a>(&'a self, records: &Records<'a>) -> impl Iterator<Item = (u32, &'a [u8])> + use<'a> {
        let supplied: HashMap<u32, &(Supplied, Vec<u8>)> = self.supplied.iter().map(|s| (s.0.symbol, s)).collect();
        let (symbols, file) = (records.symbols, records.file);
        let undefined = (0..).zip(symbols).filter(|(_, s)| s.flags & symbol_flag::UNDEFINED != 0);
        let of_module = undefined.filter_map(move |(i, s)| match supplied.get(&i) {
            Some((Supplied { how: supply::RENAME, .. }, name)) => Some((i, name.as_slice())),
            Some(_) => None,
            None => Some((i, bytes(file, s.name).unwrap_or_default())),
        });
        of_module.chain(self.kernel_symbols.iter().map(|s| (0, s.name.as_slice())))
    }
}

/// A section that the kernel's loader rebuilds, whatever it contains in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remade {
    /// The section's name.
    pub name: Vec<u8>,
    /// The kernels that do so; see [`loader`](relobox_abi::loader).
    pub loaders: u32,
    /// The kind of memory that it goes into.
    pub kind: Kind,
    /// Its size in bytes.
    pub size: u64,
    /// Its alignment in bytes, a power of two.
    pub align: u64,
}

/// A synthetic section that a plugin requests.
#[derive(Clone, Debug)]
pub struct SyntheticRequest {
    /// The section's name.
    pub name: String,
    /// Its size, alignment, kind and placement.
    pub record: Synthetic,
    /// The address, in guest memory, of the record into which the host writes the section's address.
    pub at: u32,
}

/// Returns the memory for a section of a [`synthetic_kind`], or `None` if there is no such kind.
#[must_use]
pub(crate) fn memory_of(kind: u32) -> Option<Kind> {
    Some(match kind {
        synthetic_kind::TEXT => Kind::Text,
        synthetic_kind::RODATA => Kind::RoData,
        synthetic_kind::DATA => Kind::Data,
        synthetic_kind::INIT_TEXT => Kind::InitText,
        synthetic_kind::INIT_RODATA => Kind::InitRoData,
        synthetic_kind::INIT_DATA => Kind::InitData,
        _ => return None,
    })
}

/// The fields of [`SyntheticRequest::record`] that matter to layout.
impl SyntheticRequest {
    /// Returns the kind of memory that it goes into.
    #[must_use]
    pub fn memory(&self) -> Kind {
        memory_of(self.record.kind).unwrap_or(Kind::RoData)
    }

    /// Returns whether it is placed with the other sections of its kind.
    #[must_use]
    pub fn with_kind(&self) -> bool {
        self.record.placement == placement::WITH_KIND
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_may_be_symbols_of_the_kernel() {
        let inputs =
            [("expoline", 0), ("&_toc", 8), ("&$global$", 0)].map(|(name, default)| (name.to_owned(), default));
        let wanted = kernel_symbols(&inputs, &[("&$global$".into(), 4)]);
        assert_eq!(wanted, [KernelSymbol { input: 1, name: b"_toc".to_vec(), default: 8 }]);
    }

    #[test]
    fn every_kind_of_section_has_its_memory() {
        let kinds: Vec<_> = (0..8).map(memory_of).collect();
        assert_eq!((kinds[0], kinds[7]), (None, None));
        assert!(kinds[1..7].iter().enumerate().all(|(i, kind)| kind.is_some() && !kinds[1..1 + i].contains(kind)));
    }
}
