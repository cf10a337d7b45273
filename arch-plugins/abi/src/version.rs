//! The versions of the ABI.

/// The version of every record in this crate. A guest returns the version that it implements from
/// [`export::ABI`](crate::export::ABI).
///
/// Version 2: rows say what their value depends on and how they are paired. Version 3: a plugin can request sections
/// that are freed after init, name sections that the kernel's loader rebuilds, and add details to rows. `docs/abi.md`
/// has the rules for changes.
pub const ABI_VERSION: u32 = 3;

/// The oldest version of a plugin that a host with [`ABI_VERSION`] supports.
pub const ABI_OLDEST: u32 = 1;
