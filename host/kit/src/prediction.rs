//! What must come of one relocation.

use super::fault_kinds::FaultKinds;

/// What must come of a relocation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Prediction {
    /// These bytes at the place.
    Bytes(FieldBytes),
    /// It is good; what it makes of the place is not known.
    Accepted,
    /// Nothing changes.
    Unchanged,
    /// A fault of one of these kinds.
    Refused(FaultKinds),
    /// Nobody knows, because of this.
    Unknown(&'static str),
}

/// The bytes of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldBytes {
    /// How many.
    pub len: usize,
    /// What they are.
    pub bytes: [u8; 8],
    /// The bits of them that are known.
    pub known: [u8; 8],
    /// The value that they hold a part of.
    pub value: i64,
}
