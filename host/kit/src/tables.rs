//! What a plugin's letters for tables stand for, as far as that is known, and how tables are read.

use super::formula::{self, Formula, Holds, Letters};
use super::run::{Linked, Made};
use super::test_module::TestModule;
use relobox_abi::order;
use std::collections::HashMap;

/// What a letter stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// The address of a table.
    Table,
    /// The address of an entry in a table, which holds a value.
    Slot,
    /// Its offset in the table.
    Offset,
    /// The address of code that leads to a value.
    Code,
}

impl Role {
    pub(crate) const ALL: [Self; 4] = [Self::Table, Self::Slot, Self::Offset, Self::Code];
}

/// A row's formula, which has letters for tables.
pub(crate) struct TableFormula {
    pub(crate) formula: Formula,
    pub(crate) holds: Holds,
    /// Which letters, of [`formula::TABLES`].
    pub(crate) letters: Vec<usize>,
}

/// What is known of a plugin's tables.
#[derive(Default)]
pub(crate) struct Tables {
    pub(crate) readings: HashMap<u32, TableFormula>,
    pub(crate) roles: [Vec<Role>; formula::TABLES.len()],
    pub(crate) targets: HashMap<u32, u64>,
    pub(crate) pc_offset: HashMap<u32, u64>,
}

impl Tables {
    /// The formula of the row with this type, if its letters are known.
    pub(crate) fn table_formula(&self, kind: u32) -> Option<&TableFormula> {
        let known =
            |table_formula: &&TableFormula| table_formula.letters.iter().all(|letter| !self.roles[*letter].is_empty());
        self.readings.get(&kind).filter(known)
    }

    /// Whether the formula of the row with this type is read, and moves by as much as its letters.
    pub(crate) fn is_linear(&self, kind: u32) -> bool {
        self.readings.get(&kind).is_some_and(|table_formula| table_formula.formula.is_linear())
    }

    /// What `letter` may stand for.
    pub(crate) fn roles(&self, letter: usize) -> &[Role] {
        &self.roles[letter]
    }

    /// How far behind the start of its code the target stands as a word, for relocations of this type.
    pub(crate) fn target(&self, kind: u32) -> Option<u64> {
        self.targets.get(&kind).copied()
    }

    /// How many bytes behind its place a branch of this type counts from: a processor's program counter may be one
    /// or two instructions ahead, which addends make up for, and detours must.
    pub(crate) fn pc_offset(&self, kind: u32) -> u64 {
        self.pc_offset.get(&kind).copied().unwrap_or(0)
    }
}

/// `value` as a word of the class, in the module's byte order.
pub(crate) fn word(module: &TestModule, value: u64) -> Vec<u8> {
    let width = usize::from(module.class / 8);
    match module.order {
        order::BIG => value.to_be_bytes()[8 - width..].to_vec(),
        _ => value.to_le_bytes()[..width].to_vec(),
    }
}

/// Addresses in tables of words that `holds` says yes to, and those of their tables.
pub(crate) fn slots(module: &TestModule, linked: &Linked, holds: impl Fn(&[u8]) -> bool) -> Vec<(u64, u64)> {
    let width = usize::from(module.class / 8);
    let of = |m: &Made| -> Vec<(u64, u64)> {
        // Half a word: entries may begin with one.
        let windows = (0u64..).zip(m.contents.windows(width)).step_by(width / 2);
        windows.filter(|(_, w)| holds(w)).map(|(i, _)| (m.address.wrapping_add(i), m.address)).collect()
    };
    linked.made.iter().filter(|m| !m.text).flat_map(of).collect()
}

/// Where tables begin.
pub(crate) fn starts(linked: &Linked) -> Vec<i64> {
    linked.made.iter().filter(|m| !m.text).map(|m| m.address.cast_signed()).collect()
}

/// Every way to choose one of each.
pub(crate) fn choices(of: &[Vec<i64>]) -> Vec<Vec<i64>> {
    let mut all = vec![Vec::new()];
    for some in of {
        all = all.iter().flat_map(|chosen: &Vec<i64>| some.iter().map(|one| [&chosen[..], &[*one]].concat())).collect();
    }
    all
}

/// `letters` with those for tables.
pub(crate) fn with(mut letters: Letters, which: &[usize], values: &[i64]) -> Letters {
    which.iter().zip(values).for_each(|(which, value)| letters.tables[*which] = *value);
    letters
}
