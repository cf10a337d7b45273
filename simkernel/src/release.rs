//! The release of the simulated kernel.

/// The release of this kernel, which the `vermagic=` of its modules begins with.
pub const RELEASE: &str = "6.1.0-relobox-sim";

/// The `vermagic=` of modules for this kernel.
pub const VERMAGIC: &str = "6.1.0-relobox-sim SMP";
