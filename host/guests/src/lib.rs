//! The guests that relobox ships, as `scripts/build-guests` of the repository built them: their names, their digests,
//! and the Wasm.
//!
//! A program that only uses the [`catalogue`] contains no Wasm.
#![warn(missing_docs)]

pub mod section;

/// The name of the guest that reads and writes ELF files.
pub const ENGINE: &str = "engine";

/// The name of the guest that decompresses files.
pub const UNPACK: &str = "unpack";

/// A shipped guest, without its Wasm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name: [`ENGINE`], [`UNPACK`], or that of an architecture.
    pub name: &'static str,
    /// The SHA-256 of its Wasm.
    pub digest: [u8; 32],
    /// The contents of its section of machines, see [`section::machines`].
    pub machines: Option<&'static [u8]>,
}

impl Entry {
    /// Returns whether it is a relocation plugin.
    #[must_use]
    pub fn is_plugin(&self) -> bool {
        ![ENGINE, UNPACK].contains(&self.name)
    }
}

/// All guests, sorted by name.
static CATALOGUE: &[Entry] = include!(concat!(env!("OUT_DIR"), "/catalogue.rs"));

/// The Wasm of each guest, in the same order. This is a separate table, so that programs that do not use it do not
/// contain it.
static WASM: &[&[u8]] = include!(concat!(env!("OUT_DIR"), "/wasm.rs"));

/// Returns all guests, without their Wasm, sorted by name.
#[must_use]
pub fn catalogue() -> &'static [Entry] {
    CATALOGUE
}

/// Returns the names and the Wasm of the plugins.
pub fn plugins() -> impl Iterator<Item = (&'static str, &'static [u8])> {
    let all = CATALOGUE.iter().zip(WASM);
    all.filter(|(entry, _)| entry.is_plugin()).map(|(entry, wasm)| (entry.name, *wasm))
}

/// Returns the Wasm of a guest.
#[must_use]
pub fn wasm_of(name: &str) -> Option<&'static [u8]> {
    CATALOGUE.iter().position(|entry| entry.name == name).map(|i| WASM[i])
}

/// Returns the SHA-256 of a guest.
#[must_use]
pub fn digest_of(name: &str) -> Option<[u8; 32]> {
    CATALOGUE.iter().find(|entry| entry.name == name).map(|entry| entry.digest)
}
