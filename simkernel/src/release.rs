//! Which kernel this one says it is.

/// The release that this kernel claims; modules for it say so in their `vermagic=`.
pub const RELEASE: &str = "6.1.0-relobox-sim";

/// What `vermagic=` in a module for this kernel says.
pub const VERMAGIC: &str = "6.1.0-relobox-sim SMP";
