//! Finds the destination of a reference.
//!
//! Linkers choose where they place a GOT entry, a PLT entry or a veneer, and which instructions a veneer consists of.
//! Two images of a module are equivalent if every reference has the same destination. To find it, the GOT entry is
//! read, and the few instructions of a veneer are interpreted until they jump.

use super::Image;

/// The most instructions to interpret. No PLT entry or veneer has as many.
pub const LONGEST_VENEER: usize = 8;

/// The destination of a reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Destination {
    /// The reference leads directly to this address.
    Direct(u64),
    /// The reference leads to this address through something that the linker made.
    Indirect(u64),
}

impl Destination {
    /// Returns the address, whether it is reached directly or not.
    pub fn address(self) -> u64 {
        match self {
            Destination::Direct(address) | Destination::Indirect(address) => address,
        }
    }
}

/// Returns the destination of a branch to `address`: that address, or the one to which the veneer there jumps.
pub fn branch(image: &Image, address: u64, run: impl Fn(&Image, u64) -> Option<u64>) -> Option<Destination> {
    if image.own_bytes(address, 2).is_none() {
        return Some(Destination::Direct(address));
    }
    run(image, address).map(Destination::Indirect)
}

/// Sign-extends the lowest `bits` bits of `value`.
pub fn signed(value: u64, bits: u32) -> u64 {
    ((value << (64 - bits)) as i64 >> (64 - bits)) as u64
}

/// Extracts `count` bits of `word`, starting at bit `from`.
pub fn bits(word: u32, from: u32, count: u32) -> u64 {
    u64::from(word >> from) & ((1 << count) - 1)
}
