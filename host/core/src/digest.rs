//! SHA-256 of guests and files, and how digests are written.

/// The SHA-256 of a guest's Wasm.
pub type Digest = [u8; 32];

/// Lower-case hexadecimal.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, b| {
        let _ = write!(out, "{b:02x}");
        out
    })
}
