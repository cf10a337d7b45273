//! What a plugin asked for when it planned, checked by [`plan`](crate::stages::plan).

use crate::records::Records;
use crate::views::bytes;
use relobox_abi::{
    Alignment, FunctionDescriptor, Supplied, Synthetic, Window, placement, supply, symbol_flag, synthetic_kind,
};
use relobox_core::areas::Kind;
use std::collections::HashMap;

/// What a plugin asked for, checked.
#[derive(Debug, Default)]
pub struct Needs {
    /// Sections to make.
    pub synthetic: Vec<SyntheticRequest>,
    /// Alignments to raise.
    pub alignments: Vec<Alignment>,
    /// More bytes that a relocation may change, ascending by relocation.
    pub windows: Vec<Window>,
    /// Symbols that the plugin knows, with the name for those that are renamed.
    pub supplied: Vec<(Supplied, Vec<u8>)>,
    /// Sections that the kernel's loader makes anew, as the plugin describes them.
    pub remade: Vec<Remade>,
    /// Function descriptors, by which the kernel and other modules know functions of the module.
    pub descriptors: Vec<FunctionDescriptor>,
    /// Symbols of the kernel that the plugin itself wants to know.
    pub kernel_symbols: Vec<KernelSymbol>,
}

/// A symbol of the kernel whose value the plugin reads as an input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KernelSymbol {
    /// Which of the job's inputs it is.
    pub input: usize,
    /// Its name.
    pub name: Vec<u8>,
    /// What it is where nobody defines it.
    pub default: u64,
}

/// How the name of an input begins that is the value of a symbol of the kernel.
const KERNEL_SYMBOL: char = '&';

/// Those of `inputs` that are symbols of the kernel, unless their value is among those `given`.
#[must_use]
pub fn kernel_symbols(inputs: &[(String, u64)], given: &[(String, u64)]) -> Vec<KernelSymbol> {
    let read = |(input, (name, default)): (usize, &(String, u64))| {
        let symbol = name.strip_prefix(KERNEL_SYMBOL).filter(|_| !given.iter().any(|(known, _)| known == name))?;
        Some(KernelSymbol { input, name: symbol.into(), default: *default })
    };
    inputs.iter().enumerate().filter_map(read).collect()
}

impl Needs {
    /// The names by which the module's undefined symbols are looked up, by symbol index: their own, unless the plugin
    /// knows another or what the symbol is. Behind them, with index 0, those that only the plugin asks for.
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

/// A section that the kernel's loader makes anew, whatever the file has there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remade {
    /// Its name.
    pub name: Vec<u8>,
    /// Which kernels do so; see [`loader`](relobox_abi::loader).
    pub loaders: u32,
    /// The memory that it goes into.
    pub kind: Kind,
    /// Bytes.
    pub size: u64,
    /// Bytes, a power of two.
    pub align: u64,
}

/// A synthetic section.
#[derive(Clone, Debug)]
pub struct SyntheticRequest {
    /// Its name.
    pub name: String,
    /// Size, alignment, kind, placement.
    pub record: Synthetic,
    /// Where the plugin expects its address to be written.
    pub at: u32,
}

/// The memory that a section of one of [`synthetic_kind`] goes into; `None` if there is no such kind.
#[must_use]
pub fn memory_of(kind: u32) -> Option<Kind> {
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

/// Fields of [`SyntheticRequest::record`] that matter to layout.
impl SyntheticRequest {
    /// The memory that it goes into.
    #[must_use]
    pub fn memory(&self) -> Kind {
        memory_of(self.record.kind).unwrap_or(Kind::RoData)
    }

    /// Whether it goes with the other sections of its kind.
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
