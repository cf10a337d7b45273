//! The predicted result of one relocation.

use super::fault_kinds::FaultKinds;

/// The predicted result of one relocation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Prediction {
    /// The place must have these bytes.
    Bytes(FieldBytes),
    /// The plugin must accept the relocation; the bytes are not predicted.
    Accepted,
    /// The section must not change.
    Unchanged,
    /// The plugin must report a fault of one of these kinds.
    Refused(FaultKinds),
    /// No prediction, for this reason.
    Unknown(&'static str),
}

/// The predicted bytes of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FieldBytes {
    /// The number of bytes, at most 8.
    pub len: usize,
    /// The bytes in memory order.
    pub bytes: [u8; 8],
    /// A mask of the bits that are predicted.
    pub known: [u8; 8],
    /// The value of which the field stores some bits.
    pub value: i64,
}
