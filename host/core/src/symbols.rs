//! Symbol tables: System.map, /proc/kallsyms, Module.symvers, a state of relobox, and loaded modules.

mod read;
#[cfg(test)]
mod tests;

pub use read::{NameFilter, SymbolFileError, contents};

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// The definition of a symbol.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Definition {
    /// The address, if it is known.
    pub address: Option<u64>,
    /// The CRC of its type, if it is known.
    pub crc: Option<u32>,
    /// The module that defines it; `None` for the kernel.
    pub owner: Option<Arc<str>>,
    /// Whether only GPL-compatible modules may use it.
    pub gpl: bool,
    /// The namespace, or empty.
    pub namespace: Arc<str>,
    /// Whether it is known to be exported.
    pub exported: bool,
}

/// The definer of a symbol: the kernel (`None`) or a module.
pub type Owner = Option<Arc<str>>;

/// A kallsyms line for a name. Many names have several lines, since every source file may have a static symbol of that
/// name.
#[derive(Clone, Debug)]
struct Candidate {
    /// The address; `None` if the line has one, but it is hidden.
    address: Option<u64>,
    owner: Owner,
    /// Whether the type letter is upper case.
    global: bool,
}

/// Everything that is known about a name.
#[derive(Clone, Debug, Default)]
struct Entry {
    definition: Definition,
    /// The candidates, in the order of the lines.
    candidates: Vec<Candidate>,
    /// The definer according to Module.symvers.
    listed: Option<Owner>,
}

/// Definitions by name.
#[derive(Clone, Debug, Default)]
pub struct Symbols {
    by_name: HashMap<Box<[u8]>, Entry>,
    /// The modules that have an entry for a name in their export tables.
    exporters: HashMap<Box<[u8]>, HashSet<Owner>>,
    kernel: bool,
}

impl Symbols {
    /// Creates an empty table.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns whether a file listed the kernel's symbols, so that a name which is not in this table is undefined. A
    /// Module.symvers with exports of modules only, such as the one beside an external module, does not count.
    #[must_use]
    pub fn know_kernel(&self) -> bool {
        self.kernel
    }

    /// Adds or replaces a definition.
    pub fn define(&mut self, name: &[u8], definition: Definition) {
        self.by_name.insert(name.into(), Entry { definition, ..Entry::default() });
    }

    /// Returns the definition of a name.
    #[must_use]
    pub fn get(&self, name: &[u8]) -> Option<&Definition> {
        self.by_name.get(name).map(|entry| &entry.definition)
    }

    /// Returns whether the address of the chosen definition is in a file, but hidden.
    #[must_use]
    pub fn hides(&self, name: &[u8]) -> bool {
        let entry = self.by_name.get(name);
        entry.is_some_and(|e| e.definition.address.is_none() && e.candidates.iter().any(|c| c.address.is_none()))
    }

    /// Returns the exporter of `name`, if it is certain: from Module.symvers, an export table, or a loaded module. An
    /// upper-case letter in System.map only means that a symbol is global.
    #[must_use]
    pub fn exporter(&self, name: &[u8]) -> Option<&Owner> {
        let entry = self.by_name.get(name)?;
        if let Some(owner) = &entry.listed {
            return Some(owner);
        }
        if entry.candidates.is_empty() && entry.definition.exported {
            return Some(&entry.definition.owner);
        }
        let all = self.exporters.get(name)?;
        // The kernel takes precedence, then the first name. Any fixed order would do.
        all.iter().min()
    }

    /// Returns whether export tables were read, so that a name in none of them is not exported.
    #[must_use]
    pub fn know_exports(&self) -> bool {
        !self.exporters.is_empty()
    }

    /// Returns the address of `name` in the loaded module `owner`, exported or not.
    #[must_use]
    pub fn address_in(&self, owner: &str, name: &[u8]) -> Option<u64> {
        let all = &self.by_name.get(name)?.candidates;
        all.iter().find(|c| c.owner.as_deref() == Some(owner)).and_then(|c| c.address)
    }

    /// Returns the number of names.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_name.len()
    }

    /// Returns whether the table is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }
}

impl Entry {
    /// Chooses one of the candidates; `exporters` have the name in their export tables.
    ///
    /// Module.symvers decides, and then the export tables. The type letter decides last. In the kernel, global symbols
    /// have an upper-case letter. In modules, only symbols of EXPORT_SYMBOL have one, and those of EXPORT_SYMBOL_GPL do
    /// not.
    fn settle(&mut self, exporters: Option<&HashSet<Owner>>) {
        let exported = |owner: &Owner| exporters.is_some_and(|exporters| exporters.contains(owner));
        let rank = |c: &Candidate| (exported(&c.owner) && (c.global || c.owner.is_some()), c.global);
        let mut chosen: Option<&Candidate> = None;
        for candidate in &self.candidates {
            if self.listed.as_ref().is_some_and(|owner| *owner != candidate.owner) {
                continue;
            }
            // The first of equal candidates wins. Within one module the last one wins, because static symbols come
            // first there.
            let same_module = |c: &Candidate| c.owner.is_some() && c.owner == candidate.owner;
            let better = chosen.is_none_or(|c| match rank(candidate).cmp(&rank(c)) {
                Ordering::Equal => same_module(c),
                order => order.is_gt(),
            });
            if better {
                chosen = Some(candidate);
            }
        }
        if let Some(candidate) = chosen {
            let (in_table, global) = rank(candidate);
            self.definition.address = candidate.address;
            self.definition.owner.clone_from(&candidate.owner);
            self.definition.exported |= in_table || global;
        }
    }
}
