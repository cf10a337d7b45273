//! Versions of the records.

/// Version of every record of this crate. A guest answers from [`export::ABI`](crate::export::ABI) which one it speaks.
///
/// 2: rows say what they depend on and how they are paired. 3: a plugin makes sections that are freed after init, and
/// says what the kernel's loader remakes, and more of a row. `docs/abi.md` has the rules for changes.
pub const ABI_VERSION: u32 = 3;

/// The oldest version of a plugin that the host of [`ABI_VERSION`] still speaks.
pub const ABI_OLDEST: u32 = 1;
