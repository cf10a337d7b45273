//! The state of the generator, and the vectors that it starts from.

use super::probe::Probe;
use super::vector::{Outcome, Site, Vector, machine_name};
use crate::module_spec::RowDescription;
use anyhow::Result;
use relobox_abi::{Machine, row_flag};

/// The bytes with which fields and their surroundings are filled.
pub const POISON: [u8; 3] = [0xa5, 0x00, 0xff];
/// The offset of the field in the section of a vector. The same number of bytes follows the field.
pub const OFFSET: u64 = 8;
/// The value of `s` if it only has to stand in a slot.
pub const SLOTTED: u64 = 0x1122_3344_5566_7788;

/// The generator for one machine of an architecture.
pub struct Generator<'a> {
    /// The name of the architecture.
    pub arch: &'static str,
    /// The address of the first section of vectors.
    pub base: u64,
    /// The machine.
    pub machine: Machine,
    /// Whether addends are in place.
    pub in_place: bool,
    /// Links a vector once to find the addresses of the linker's tables.
    pub(super) probe: &'a dyn Fn(&Vector) -> Result<Probe>,
    /// A counter, by which poison, addends and places are chosen in turn.
    pub turn: usize,
}

impl Generator<'_> {
    /// Truncates an address to the width of the class.
    pub fn cut(&self, address: u64) -> u64 {
        if self.machine.class == 32 { address & 0xffff_ffff } else { address }
    }

    /// Makes a vector with a poisoned field and without a symbol value.
    pub fn blank(&self, row: &RowDescription, label: &str, poison: u8) -> Vector {
        let width = usize::from(row.row.width);
        let around = POISON[(self.turn + 1) % POISON.len()];
        let mut before = vec![around; 2 * OFFSET as usize + width];
        let field = if row.is(row_flag::ZERO) { 0 } else { poison };
        before[OFFSET as usize..][..width].fill(field);
        let at = self.cut(self.base + self.turn as u64 % 0x400 * 0x1230);
        Vector {
            machine: machine_name(&self.machine, self.in_place),
            name: row.name.clone(),
            label: format!("{label}/{:02x}", if row.is(row_flag::ZERO) { around } else { poison }),
            at,
            values: Vec::new(),
            sites: vec![Site { name: row.name.clone(), offset: OFFSET, symbol: "s".to_owned(), addend: 0 }],
            before,
            after: Outcome::Unsupported,
            by: String::new(),
            differs: None,
        }
    }
}
