//! Sections that a plugin makes.

use alloc::vec::Vec;

/// A section that the plugin makes: GOT, PLT, veneers.
#[derive(Clone, Debug)]
pub struct Synthetic {
    /// `.relobox.got`, say.
    pub name: &'static str,
    /// See [`synthetic_kind`](relobox_abi::synthetic_kind).
    pub kind: u32,
    /// Alignment in bytes.
    pub align: u64,
    /// See [`placement`](relobox_abi::placement).
    pub placement: u32,
    /// The section that `placement` is relative to.
    pub section: u32,
    /// The final address; 0 in plan.
    pub address: u64,
    /// The contents, all zero until somebody fills them in.
    pub contents: Vec<u8>,
}
