//! The groups of checks.

use serde::Serialize;

/// Checks of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Group {
    /// What the description says of itself.
    Description,
    /// The ends of every range, what stands in and around every field.
    Vectors,
    /// Every window at the ends of its section, and beyond.
    Places,
    /// Halves and wholes.
    Pairs,
    /// What must hold between two links.
    Properties,
    /// Table entries and stubs.
    Slots,
    /// The same twice.
    Determinism,
    /// Fuel and memory in proportion.
    Cost,
    /// Records that nobody has checked.
    Hostile,
    /// What a second plugin says.
    Against,
    /// What was recorded.
    Recorded,
}

impl Group {
    /// All, in order.
    pub const ALL: [Self; 11] = [
        Self::Description,
        Self::Vectors,
        Self::Places,
        Self::Pairs,
        Self::Properties,
        Self::Slots,
        Self::Determinism,
        Self::Cost,
        Self::Hostile,
        Self::Against,
        Self::Recorded,
    ];

    /// The word for it, as in JSON and in filters.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Description => "description",
            Self::Vectors => "vectors",
            Self::Places => "places",
            Self::Pairs => "pairs",
            Self::Properties => "properties",
            Self::Slots => "slots",
            Self::Determinism => "determinism",
            Self::Cost => "cost",
            Self::Hostile => "hostile",
            Self::Against => "against",
            Self::Recorded => "recorded",
        }
    }

    /// What is checked, in words.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Description => "rows, fields, rules and pairs do not contradict each other",
            Self::Vectors => "each row: ends of the range, both sides; alignment; bits in and around the field",
            Self::Places => "each row: windows at the ends of a section, behind it, and around 2^32 and 2^64",
            Self::Pairs => "halves together, carries, interleaved pairs; a half alone is refused",
            Self::Properties => "shift everything, symbols, places; poison; another order",
            Self::Slots => "table entries and stubs lead to their symbols; two symbols never share one",
            Self::Determinism => "the same job twice: bytes, faults, fuel, memory",
            Self::Cost => "fuel and memory grow in proportion to relocations, symbols, addends, sections",
            Self::Hostile => "wrong symbols, types, forms and machines; thousands of faults; records by chance",
            Self::Against => "a second plugin answers the same (--against)",
            Self::Recorded => "recorded cases give what they gave (--vectors)",
        }
    }
}
