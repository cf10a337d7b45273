//! The guests that relobox ships, as the repository's `scripts/build-guests` built them: names, digests, and the Wasm itself.
//!
//! A program that needs only the [`catalogue`] has none of the Wasm in it.
#![warn(missing_docs)]

pub mod section;

/// The name of the guest that reads and writes ELF files.
pub const ENGINE: &str = "engine";

/// The name of the guest that unpacks compressed files.
pub const UNPACK: &str = "unpack";

/// A guest, without its Wasm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name: [`ENGINE`], [`UNPACK`], or an architecture's.
    pub name: &'static str,
    /// The SHA-256 of its Wasm.
    pub digest: [u8; 32],
    /// What its section of machines holds, see [`section::machines`].
    pub machines: Option<&'static [u8]>,
}

impl Entry {
    /// Whether it is a relocation plugin.
    #[must_use]
    pub fn is_plugin(&self) -> bool {
        ![ENGINE, UNPACK].contains(&self.name)
    }
}

/// Every guest, in the order of their names.
static CATALOGUE: &[Entry] = include!(concat!(env!("OUT_DIR"), "/catalogue.rs"));

/// The Wasm of each, in the same order. Apart from the rest, so that it is linked into no program that does not use it.
static WASM: &[&[u8]] = include!(concat!(env!("OUT_DIR"), "/wasm.rs"));

/// Every guest, without its Wasm, in the order of their names.
#[must_use]
pub fn catalogue() -> &'static [Entry] {
    CATALOGUE
}

/// Names and Wasm of the plugins.
pub fn plugins() -> impl Iterator<Item = (&'static str, &'static [u8])> {
    let all = CATALOGUE.iter().zip(WASM);
    all.filter(|(entry, _)| entry.is_plugin()).map(|(entry, wasm)| (entry.name, *wasm))
}

/// The Wasm of a guest.
#[must_use]
pub fn wasm_of(name: &str) -> Option<&'static [u8]> {
    CATALOGUE.iter().position(|entry| entry.name == name).map(|i| WASM[i])
}

/// The SHA-256 of a guest.
#[must_use]
pub fn digest_of(name: &str) -> Option<[u8; 32]> {
    CATALOGUE.iter().find(|entry| entry.name == name).map(|entry| entry.digest)
}
