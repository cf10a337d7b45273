//! Kinds of faults that a judge can foresee, and sets of them.

/// Some kinds of faults, by the host's words for them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FaultKinds(u16);

/// A kind of fault that a judge can foresee.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// No row has the type.
    UnknownRelocation,
    /// The row refuses.
    Rejected,
    /// There is no such symbol.
    BadSymbol,
    /// The place does not lie in the section.
    Outside,
    /// The value does not fit.
    OutOfRange,
    /// The value is no multiple.
    Misaligned,
    /// The place should be zero.
    NotZero,
    /// The other half is missing.
    Unpaired,
    /// Something that only this architecture knows.
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
    /// Adds one.
    pub fn add(&mut self, kind: FaultKind) {
        self.0 |= 1 << kind as u16;
    }

    /// These.
    #[must_use]
    pub fn of(kinds: &[FaultKind]) -> Self {
        let mut all = Self::default();
        kinds.iter().for_each(|kind| all.add(*kind));
        all
    }

    /// Every kind that is about a relocation.
    #[must_use]
    pub fn all() -> Self {
        Self::of(&KINDS.map(|(kind, _)| kind))
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The host's words.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        KINDS.iter().filter(move |(kind, _)| self.0 >> *kind as u16 & 1 != 0).map(|(_, word)| *word)
    }
}
