//! What a plugin asked for when it planned, checked by [`plan`](crate::stages::plan).

use crate::records::Records;
use crate::views::bytes;
use relobox_abi::{Alignment, Supplied, Synthetic, Window, placement, supply, symbol_flag};
use std::collections::HashMap;

/// What a plugin asked for, checked.
#[derive(Debug, Default)]
pub struct Needs {
    /// Sections to make.
    pub synthetic: Vec<Wanted>,
    /// Alignments to raise.
    pub alignments: Vec<Alignment>,
    /// More bytes that a relocation may change, ascending by relocation.
    pub windows: Vec<Window>,
    /// Symbols that the plugin knows, with the name for those that are renamed.
    pub supplied: Vec<(Supplied, Vec<u8>)>,
}

impl Needs {
    /// The names by which the module's undefined symbols are looked up, by symbol index: their own, unless the plugin
    /// knows another or what the symbol is.
    pub fn looked_up<'a>(&'a self, records: &Records<'a>) -> impl Iterator<Item = (u32, &'a [u8])> + use<'a> {
        let supplied: HashMap<u32, &(Supplied, Vec<u8>)> = self.supplied.iter().map(|s| (s.0.symbol, s)).collect();
        let (symbols, file) = (records.symbols, records.file);
        let undefined = (0..).zip(symbols).filter(|(_, s)| s.flags & symbol_flag::UNDEFINED != 0);
        undefined.filter_map(move |(i, s)| match supplied.get(&i) {
            Some((Supplied { how: supply::RENAME, .. }, name)) => Some((i, name.as_slice())),
            Some(_) => None,
            None => Some((i, bytes(file, s.name).unwrap_or_default())),
        })
    }
}

/// A synthetic section.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Its name.
    pub name: String,
    /// Size, alignment, kind, placement.
    pub record: Synthetic,
    /// Where the plugin expects its address to be written.
    pub at: u32,
}

/// Fields of [`Wanted::record`] that matter to layout.
impl Wanted {
    /// Whether it goes with the other sections of its kind.
    #[must_use]
    pub fn with_kind(&self) -> bool {
        self.record.placement == placement::WITH_KIND
    }
}
