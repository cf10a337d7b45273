//! Who defines what: System.map, /proc/kallsyms, Module.symvers, a state of relobox, loaded modules.

mod read;
#[cfg(test)]
mod tests;

pub use read::{NameFilter, SymbolFileError, contents};

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// One definition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Definition {
    /// Its address, where it is known.
    pub address: Option<u64>,
    /// The CRC of its type, where it is known.
    pub crc: Option<u32>,
    /// The module that defines it; `None` for the kernel.
    pub owner: Option<Arc<str>>,
    /// For GPL-compatible modules only.
    pub gpl: bool,
    /// Its namespace, or empty.
    pub namespace: Arc<str>,
    /// Known to be exported.
    pub exported: bool,
}

/// The kernel (`None`) or a module.
pub type Owner = Option<Arc<str>>;

/// An address that a kallsyms line gives a name. Many names have several: every file may have a static one.
#[derive(Clone, Debug)]
struct Candidate {
    /// `None`: the line has one, but it is hidden.
    address: Option<u64>,
    owner: Owner,
    /// The letter was upper case.
    global: bool,
}

/// All that is known of a name.
#[derive(Clone, Debug, Default)]
struct Entry {
    definition: Definition,
    /// In the order of the lines.
    candidates: Vec<Candidate>,
    /// Who defines it, by Module.symvers.
    listed: Option<Owner>,
}

/// Definitions by name.
#[derive(Clone, Debug, Default)]
pub struct Symbols {
    by_name: HashMap<Box<[u8]>, Entry>,
    /// Who has an entry in its export table for a name.
    exporters: HashMap<Box<[u8]>, HashSet<Owner>>,
    kernel: bool,
}

impl Symbols {
    /// None.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether a file said what the kernel defines: then a name that is not here is not defined. A Module.symvers that
    /// has only modules' exports, as one beside an external module has, says nothing of the kernel.
    #[must_use]
    pub fn know_kernel(&self) -> bool {
        self.kernel
    }

    /// Adds or replaces a definition.
    pub fn define(&mut self, name: &[u8], definition: Definition) {
        self.by_name.insert(name.into(), Entry { definition, ..Entry::default() });
    }

    /// A definition.
    #[must_use]
    pub fn get(&self, name: &[u8]) -> Option<&Definition> {
        self.by_name.get(name).map(|entry| &entry.definition)
    }

    /// Whether the chosen definition's address is in a file, but hidden.
    #[must_use]
    pub fn hides(&self, name: &[u8]) -> bool {
        let entry = self.by_name.get(name);
        entry.is_some_and(|e| e.definition.address.is_none() && e.candidates.iter().any(|c| c.address.is_none()))
    }

    /// Who exports `name`, if that is certain: Module.symvers, an export table, or a module itself says so. A capital
    /// letter in System.map only means that a symbol is global.
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
        // The kernel, or else the first by name: any order would do, if it is always the same.
        all.iter().min()
    }

    /// Whether export tables were seen: then what is in none of them is not exported.
    #[must_use]
    pub fn know_exports(&self) -> bool {
        !self.exporters.is_empty()
    }

    /// Where loaded module `owner` has `name`, exported or not.
    #[must_use]
    pub fn address_in(&self, owner: &str, name: &[u8]) -> Option<u64> {
        let all = &self.by_name.get(name)?.candidates;
        all.iter().find(|c| c.owner.as_deref() == Some(owner)).and_then(|c| c.address)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_name.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }
}

impl Entry {
    /// Chooses among the candidates; `exporters` have the name in their export tables.
    ///
    /// Module.symvers decides, and then the export tables. The letter is the last to be asked: in the kernel a global
    /// symbol has a capital one, but of a module's only those that EXPORT_SYMBOL exports have, and
    /// EXPORT_SYMBOL_GPL's do not.
    fn settle(&mut self, exporters: Option<&HashSet<Owner>>) {
        let exported = |owner: &Owner| exporters.is_some_and(|exporters| exporters.contains(owner));
        let rank = |c: &Candidate| (exported(&c.owner) && (c.global || c.owner.is_some()), c.global);
        let mut chosen: Option<&Candidate> = None;
        for candidate in &self.candidates {
            if self.listed.as_ref().is_some_and(|owner| *owner != candidate.owner) {
                continue;
            }
            // The first of equals, but in one module the last: there the static ones come first.
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
