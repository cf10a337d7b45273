//! What relocations leave for others.

use alloc::vec::Vec;
use relobox_plugin::Value;

/// Numbers on the stack at most, as in Linux.
pub const DEPTH: usize = 16;

/// The stack. A number is popped at the place where it was pushed, as all code does; each section begins with none.
#[derive(Default)]
pub struct Stack {
    /// With the index of the relocation that pushed it.
    pub numbers: [(u32, Value); DEPTH],
    /// How many there are.
    pub depth: usize,
}

/// Of each relocation of a section that others refer to by place its offset, its kind and index, sorted; made when it is
/// first asked for.
pub type Places = Option<Vec<(u32, i64)>>;

/// The length of the number at each relocation that adds to one or subtracts, by index.
pub type Lengths = Vec<(u32, usize)>;

/// All of it.
#[derive(Default)]
pub struct State {
    /// Of the stack machine.
    pub stack: Stack,
    /// Of the section at hand.
    pub places: Places,
    /// Of the ULEB128 numbers of the module.
    pub lengths: Lengths,
}
