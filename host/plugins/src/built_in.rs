//! The guests that are built into this program.

use relobox_core::digest::Digest;
use sha2::{Digest as _, Sha256};

/// The guests in the repository's `host/guests/`.
static BUILT_IN: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/guests.rs"));

/// The name of the engine.
pub const ENGINE: &str = "engine";

/// The name of the unpacker.
pub const UNPACK: &str = "unpack";

/// Names and Wasm of the built-in plugins.
pub fn plugins() -> impl Iterator<Item = (&'static str, &'static [u8])> {
    BUILT_IN.iter().filter(|(name, _)| ![ENGINE, UNPACK].contains(name)).copied()
}

/// The Wasm of a built-in guest.
#[must_use]
pub fn wasm_of(name: &str) -> Option<&'static [u8]> {
    BUILT_IN.iter().find(|(n, _)| *n == name).map(|(_, wasm)| *wasm)
}

/// The SHA-256 of a built-in guest.
#[must_use]
pub fn digest_of(name: &str) -> Option<Digest> {
    wasm_of(name).map(|wasm| Sha256::digest(wasm).into())
}
