//! The byte orders of files, as `EI_DATA` of ELF numbers them.

/// The lowest byte comes first.
pub const LITTLE: u8 = 1;

/// The highest byte comes first.
pub const BIG: u8 = 2;
