//! What is known of the low halves of a section.

use alloc::vec::Vec;

/// The next low half of each type that was asked for, in the section being patched.
#[derive(Debug, Default)]
pub struct Lows(pub(crate) Vec<Low>);

#[derive(Clone, Copy, Debug)]
pub(crate) struct Low {
    pub(crate) kind: u32,
    /// Index of the relocation: not beyond the one at hand if it must be looked for again.
    pub(crate) at: u32,
    pub(crate) symbol: u32,
    /// What stands in its field.
    pub(crate) addend: i64,
}

/// There is no more of them in this section.
pub(crate) const NO_MORE: u32 = u32::MAX;
