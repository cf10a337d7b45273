//! The kinds of faults that the reference model predicts, and sets of them.

/// A set of fault kinds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct FaultKinds(u16);

/// A kind of fault that the reference model can predict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FaultKind {
    /// No row has the relocation type (`unknown-relocation`).
    UnknownRelocation,
    /// The row rejects the type (`rejected-relocation`).
    Rejected,
    /// The symbol index does not exist (`bad-symbol`).
    BadSymbol,
    /// The place is outside the section (`outside-section`).
    Outside,
    /// The value is out of range (`out-of-range`).
    OutOfRange,
    /// The value is not a multiple of the alignment (`misaligned`).
    Misaligned,
    /// The place must be zero but is not (`not-zero`).
    NotZero,
    /// The other half of a pair is missing (`unpaired`).
    Unpaired,
    /// An architecture-specific fault (`other`).
    Other,
}

const KINDS: [(FaultKind, &str); 9] = [
    (FaultKind::UnknownRelocation, "unknown-relocation"),
    (FaultKind::Rejected, "rejected-relocation"),
    (FaultKind::BadSymbol, "bad-symbol"),
    (FaultKind::Outside, "outside-section"),
    (FaultKind::OutOfRange, "out-of-range"),
    (FaultKind::Misaligned, "misaligned"),
    (FaultKind::NotZero, "not-zero"),
    (FaultKind::Unpaired, "unpaired"),
    (FaultKind::Other, "other"),
];

impl FaultKinds {
    /// Adds a kind to the set.
    pub(crate) fn add(&mut self, kind: FaultKind) {
        self.0 |= 1 << kind as u16;
    }

    /// Makes a set of the given kinds.
    #[must_use]
    pub(crate) fn of(kinds: &[FaultKind]) -> Self {
        let mut all = Self::default();
        kinds.iter().for_each(|kind| all.add(*kind));
        all
    }

    /// Returns the set of all kinds that concern a relocation.
    #[must_use]
    pub(crate) fn all() -> Self {
        Self::of(&KINDS.map(|(kind, _)| kind))
    }

    /// Returns whether the set is empty.
    #[must_use]
    pub(crate) fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Returns the names of the kinds, as the host prints them.
    pub(crate) fn names(self) -> impl Iterator<Item = &'static str> {
        KINDS.iter().filter(move |(kind, _)| self.0 >> *kind as u16 & 1 != 0).map(|(_, word)| *word)
    }
}
