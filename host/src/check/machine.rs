//! The machine of a module.

use crate::text::order_of;

/// What identifies the machine of an ELF file: `e_machine`, the class (32 or 64), and the byte order (1 little, 2 big).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MachineId {
    /// `e_machine`.
    pub machine: u16,
    /// 32 or 64.
    pub class: u8,
    /// 1 little, 2 big.
    pub order: u8,
}

impl MachineId {
    /// Returns the name of the byte order: `little` or `big`.
    #[must_use]
    pub fn byte_order(&self) -> &'static str {
        order_of(self.order)
    }
}
