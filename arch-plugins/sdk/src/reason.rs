//! Why relocation types are refused: the reasons that several architectures have.

/// Thread-local storage.
pub const TLS: &str = "is thread-local storage, which a kernel does not have";
/// Types that linkers write, for dynamic linkers.
pub const DYNAMIC: &str = "is for dynamic linking";
