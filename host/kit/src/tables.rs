//! Knowledge about a plugin's table letters, and access to the contents of tables.

use super::field::write;
use super::formula::{self, EntryContents, Formula, Letters};
use super::run::{Linked, Made};
use super::test_module::TestModule;
use relobox_abi::order;
use std::collections::HashMap;

/// The meaning of a table letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// The address of a table.
    Table,
    /// The address of an entry, which holds a value.
    Slot,
    /// The offset of an entry in its table.
    Offset,
    /// The address of code that leads to a value.
    Code,
}

impl Role {
    pub(crate) const ALL: [Self; 4] = [Self::Table, Self::Slot, Self::Offset, Self::Code];
}

/// A formula with table letters.
pub(crate) struct TableFormula {
    pub(crate) formula: Formula,
    pub(crate) holds: EntryContents,
    /// The indices of its letters in [`formula::TABLES`].
    pub(crate) letters: Vec<usize>,
}

/// The known facts about a plugin's tables.
#[derive(Default)]
pub(crate) struct Tables {
    pub(crate) readings: HashMap<u32, TableFormula>,
    pub(crate) roles: [Vec<Role>; formula::TABLES.len()],
    pub(crate) targets: HashMap<u32, u64>,
    pub(crate) pc_offset: HashMap<u32, u64>,
}

impl Tables {
    /// Returns the formula of the row with this type, if the roles of all its letters are known.
    pub(crate) fn table_formula(&self, kind: u32) -> Option<&TableFormula> {
        let known =
            |table_formula: &&TableFormula| table_formula.letters.iter().all(|letter| !self.roles[*letter].is_empty());
        self.readings.get(&kind).filter(known)
    }

    /// Returns whether the formula of the row with this type is parsed and changes by as much as its operands.
    pub(crate) fn is_linear(&self, kind: u32) -> bool {
        self.readings.get(&kind).is_some_and(|table_formula| table_formula.formula.is_linear())
    }

    /// Returns the roles that `letter` may have.
    pub(crate) fn roles(&self, letter: usize) -> &[Role] {
        &self.roles[letter]
    }

    /// Returns the distance from the start of code to the word of its target, for relocations of this type.
    pub(crate) fn target(&self, kind: u32) -> Option<u64> {
        self.targets.get(&kind).copied()
    }

    /// Returns the offset from the place to the program counter that a branch of this type uses, in bytes. Addends
    /// usually compensate for it, but a branch to a stub has to do so itself.
    pub(crate) fn pc_offset(&self, kind: u32) -> u64 {
        self.pc_offset.get(&kind).copied().unwrap_or(0)
    }
}

/// Encodes `value` as a word of the class in the module's byte order.
pub(crate) fn word(module: &TestModule, value: u64) -> Vec<u8> {
    write(value, usize::from(module.class / 8), module.order == order::BIG)
}

/// Returns the addresses of table words for which `holds` is true, each with the address of its table.
pub(crate) fn slots(module: &TestModule, linked: &Linked, holds: impl Fn(&[u8]) -> bool) -> Vec<(u64, u64)> {
    let width = usize::from(module.class / 8);
    let of = |m: &Made| -> Vec<(u64, u64)> {
        // Step by half a word, since entries may begin with a half word.
        let windows = (0u64..).zip(m.contents.windows(width)).step_by(width / 2);
        windows.filter(|(_, w)| holds(w)).map(|(i, _)| (m.address.wrapping_add(i), m.address)).collect()
    };
    linked.made.iter().filter(|m| !m.text).flat_map(of).collect()
}

/// Returns the addresses of all tables.
pub(crate) fn table_addresses(linked: &Linked) -> Vec<i64> {
    linked.made.iter().filter(|m| !m.text).map(|m| m.address.cast_signed()).collect()
}

/// Returns the Cartesian product of these lists.
pub(crate) fn combinations(of: &[Vec<i64>]) -> Vec<Vec<i64>> {
    let mut all = vec![Vec::new()];
    for some in of {
        all = all.iter().flat_map(|chosen: &Vec<i64>| some.iter().map(|one| [&chosen[..], &[*one]].concat())).collect();
    }
    all
}

/// Returns `letters` with values for table letters.
pub(crate) fn substitute(mut letters: Letters, which: &[usize], values: &[i64]) -> Letters {
    which.iter().zip(values).for_each(|(which, value)| letters.tables[*which] = *value);
    letters
}
