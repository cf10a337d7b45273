//! The groups of checks.

use serde::Serialize;

/// A group of checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Group {
    /// Static checks on the description.
    Description,
    /// The ends of every range, and the bits in and around every field.
    Vectors,
    /// Windows at the ends of a section and beyond.
    Places,
    /// Pairs of relocations and halves without a partner.
    Pairs,
    /// Metamorphic properties: relations that must hold between two links.
    Properties,
    /// Table entries and stubs.
    Slots,
    /// What processors read, by the plugin's decoding rules.
    Decoding,
    /// Two runs of the same job.
    Determinism,
    /// Fuel and memory in proportion.
    Cost,
    /// Malformed and hostile records.
    Hostile,
    /// Comparison with a second plugin.
    Against,
    /// Recorded test cases.
    Recorded,
}

impl Group {
    /// All groups, in the order in which reports list them.
    pub const ALL: [Self; 12] = [
        Self::Description,
        Self::Vectors,
        Self::Places,
        Self::Pairs,
        Self::Properties,
        Self::Slots,
        Self::Decoding,
        Self::Determinism,
        Self::Cost,
        Self::Hostile,
        Self::Against,
        Self::Recorded,
    ];

    /// Returns the name that JSON reports and filters use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Description => "description",
            Self::Vectors => "vectors",
            Self::Places => "places",
            Self::Pairs => "pairs",
            Self::Properties => "properties",
            Self::Slots => "slots",
            Self::Decoding => "decoding",
            Self::Determinism => "determinism",
            Self::Cost => "cost",
            Self::Hostile => "hostile",
            Self::Against => "against",
            Self::Recorded => "recorded",
        }
    }

    /// Returns a description of the group for `--list`.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Description => "rows, fields, rules and pairs do not contradict each other",
            Self::Vectors => "each row: ends of the range, both sides; alignment; bits in and around the field",
            Self::Places => "each row: windows at both ends of a section, beyond it, and around 2^32 and 2^64",
            Self::Pairs => "both halves together, carries, interleaved pairs; a half without its partner is refused",
            Self::Properties => "move everything, symbols or sections; invert contents; reorder relocations",
            Self::Slots => "table entries and stubs lead to their symbols; two symbols never share one",
            Self::Decoding => "each row with a decoding rule: what the processor reads is what the formula says",
            Self::Determinism => "two runs of the same job agree in bytes, faults, fuel and memory",
            Self::Cost => "fuel and memory grow in proportion to relocations, symbols, addends, sections",
            Self::Hostile => "wrong symbols, types, addend forms and machines; thousands of faults; random records",
            Self::Against => "a second plugin agrees (--against)",
            Self::Recorded => "recorded test cases have the same outcome (--vectors)",
        }
    }
}
