//! SHA-256 of guests and files.

/// The SHA-256 of a guest's Wasm, or of a file: 32 bytes.
pub type Digest = [u8; 32];
