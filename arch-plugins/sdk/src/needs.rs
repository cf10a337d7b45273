//! What a row needs before there are addresses: the column `needs` of [`architecture!`](crate::architecture).

/// The global offset table, with or without slots.
pub const GOT: u16 = 0x1;
/// A slot in it for the symbol.
pub const SLOT: u16 = 0x2;
/// A slot in it for symbol plus addend.
pub const TARGET_SLOT: u16 = 0x4;
/// A stub (an entry of a PLT, a veneer) for the symbol.
pub const STUB: u16 = 0x8;
/// A stub for symbol plus addend.
pub const TARGET_STUB: u16 = 0x10;
/// What a table has an entry for.
pub(crate) const ENTRIES: u16 = SLOT | TARGET_SLOT | STUB | TARGET_STUB;
/// With a stub: only for a symbol that no section of the module defines, and only if the machine has a
/// [`reach`](crate::abi::Machine::reach). Every part of a module reaches every other.
pub const OUTSIDE: u16 = 0x20;
/// With a stub: only for a symbol of another section.
pub const APART: u16 = 0x40;
/// The lowest of the bits that are the architecture's own; see [`Hooks::need`](crate::Hooks::need).
pub const OWN: u16 = 0x100;
