//! The generator: from a plugin's description of itself, vectors without an answer.
//!
//! It knows ranges, bits and formulas, and nothing of what a linker or a plugin does with them.

use super::edges::{Edge, edges};
use super::shape::{self, Shape};
use super::special;
use super::vector::{Outcome, Site, Vector, machine_name};
use crate::tiny::Described;
use anyhow::{Context as _, Result};
use relobox_abi::{Machine, order, row_flag};
use std::collections::HashSet;

/// What fields and their surroundings are filled with.
pub(super) const POISON: [u8; 3] = [0xa5, 0x00, 0xff];
/// Explicit addends, in turns.
const ADDENDS: [i64; 5] = [0, 4, -4, 0x1230, -0x7ff0];
/// Where the field lies in the section of a vector: there are as many bytes of poison behind it.
pub(super) const OFFSET: u64 = 8;
/// The value of `s` where it is only what a slot holds.
pub(super) const SLOTTED: u64 = 0x1122_3344_5566_7788;
/// The offset of its slot where no linker decides that.
const UNKNOWN_SLOT: u64 = 0x238;

/// Where the linker that is going to be asked puts its tables.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Probe {
    /// Who was asked: what it says of a vector made for its tables is what counts.
    pub(super) linker: &'static str,
    /// The slot of `s`.
    pub(super) slot: Option<u64>,
    /// Where the table begins: what `GOT` stands for.
    pub(super) table: Option<u64>,
}

/// Generates for one machine of an architecture.
pub(super) struct Generator<'a> {
    pub(super) arch: &'a str,
    pub(super) machine: Machine,
    pub(super) in_place: bool,
    /// Links a first attempt, to see where the tables are.
    pub(super) probe: &'a dyn Fn(&Vector) -> Result<Probe>,
    /// Counts, so that poison, addends and places take turns.
    pub(super) turn: usize,
}

impl Generator<'_> {
    /// Where the first section of vectors lies.
    pub(super) fn base(&self) -> u64 {
        match (self.arch, self.machine.class) {
            // Linux' own place is within 2 GiB of address 0, where GNU ld makes `auipc` a `lui`.
            ("riscv64", 64) => 0x41_0200_0000,
            _ => self.machine.base,
        }
    }

    /// The low 32 bits in a class of 32.
    pub(super) fn cut(&self, address: u64) -> u64 {
        if self.machine.class == 32 { address & 0xffff_ffff } else { address }
    }

    /// Vectors for all rows.
    pub(super) fn all(&mut self, rows: &[Described]) -> Result<Vec<Vector>> {
        let mut vectors = Vec::new();
        for row in rows {
            if self.arch == "aarch64" && self.machine.order == order::BIG && row.row.order != order::DATA {
                continue; // The same instructions, with the same bytes, as of the other byte order.
            }
            let shape = shape::of(self.arch, row);
            let shape = shape.with_context(|| format!("{}: no shape for {:?}", row.name, row.formula))?;
            vectors.extend(self.row(row, shape).with_context(|| row.name.clone())?);
        }
        Ok(vectors)
    }

    fn row(&mut self, row: &Described, shape: Shape) -> Result<Vec<Vector>> {
        let step = match shape {
            Shape::Pages | Shape::SlotPage => 0x1000,
            Shape::Relative(_) if self.arch == "riscv64" && row.is(row_flag::FALLBACK) => 2, // It leads to code.
            _ => i64::from(row.row.align.max(1)),
        };
        let mut vectors = match shape {
            Shape::Half | Shape::RelativeHalf => return special::halves(self, row, shape),
            Shape::LowOfPair => return special::low_of_pair(self, row),
            Shape::Uleb => return special::uleb(self, row),
            _ => special::extra(self, row),
        };
        let probe = if shape.has_table() { self.probe(row, shape)? } else { Probe::default() };
        let mut values = edges(row, step);
        if self.machine.class == 32 {
            // Others are the same values again: what wraps is kept only where nothing says it plainly.
            let mut seen: HashSet<i64> = values.iter().map(|v| v.1).filter(|v| i64::from(*v as i32) == *v).collect();
            values.retain_mut(|v| {
                let cut = i64::from(v.1 as i32);
                (std::mem::replace(&mut v.1, cut) == cut) || seen.insert(cut)
            });
        }
        if shape == Shape::SlotFixed {
            values = vec![("a5", 0), ("c3", 0)];
        }
        for edge in values {
            let all = matches!(edge.0, "a5" | "c3") && !row.is(row_flag::ZERO);
            for n in 0..if all { POISON.len() } else { 1 } {
                let poison = POISON[(self.turn + n) % POISON.len()];
                vectors.extend(self.vector(row, shape, edge, poison, probe));
            }
            self.turn += 1;
        }
        Ok(vectors)
    }

    /// A vector whose field is poisoned and whose symbol is not yet chosen.
    pub(super) fn blank(&self, row: &Described, label: &str, poison: u8) -> Vector {
        let width = usize::from(row.row.width);
        let around = POISON[(self.turn + 1) % POISON.len()];
        let mut before = vec![around; 2 * OFFSET as usize + width];
        let field = if row.is(row_flag::ZERO) { 0 } else { poison };
        before[OFFSET as usize..][..width].fill(field);
        let at = self.cut(self.base() + self.turn as u64 % 0x400 * 0x1230);
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

    fn probe(&self, row: &Described, shape: Shape) -> Result<Probe> {
        let mut vector = self.blank(row, "probe", 0);
        vector.values.push(("s".to_owned(), self.slotted(shape)));
        vector.at = self.base() + super::record::ANCHOR - 0x1000; // Within everybody's reach.
        let probe = (self.probe)(&vector)?;
        if probe != Probe::default() {
            return Ok(probe);
        }
        // No linker knows it, so that what is expected will be written by hand.
        let table = self.base() + super::record::ANCHOR + 0x1_1000;
        Ok(Probe { linker: "psABI", slot: shape.has_slot().then_some(table + UNKNOWN_SLOT), table: Some(table) })
    }

    fn slotted(&self, shape: Shape) -> u64 {
        // Where the symbol itself is measured from, it must not be too far.
        if shape.has_slot() { self.cut(SLOTTED) } else { self.base() + super::record::ANCHOR + 0x1_1000 }
    }

    /// `None` where this shape cannot have the value.
    fn vector(&self, row: &Described, shape: Shape, edge: Edge, poison: u8, probe: Probe) -> Option<Vector> {
        let (label, v) = edge;
        let mut vector = self.blank(row, label, poison);
        let place = &vector.before[OFFSET as usize..];
        let there = row.value(&self.machine, place);
        let mut addend = if self.in_place { there } else { ADDENDS[self.turn % ADDENDS.len()] };
        if self.arch == "mips32" && shape == Shape::RelativeTo8 && self.turn % 2 == 1 {
            vector.at += 4;
        }
        let p = (vector.at + OFFSET) as i64;
        let (slot, table) = (probe.slot.unwrap_or(0) as i64, probe.table.unwrap_or(0) as i64);
        let mut s = self.slotted(shape) as i64;
        match shape {
            Shape::Absolute(round) => s = v.wrapping_sub(round).wrapping_sub(addend),
            Shape::Relative(round) => s = v.wrapping_sub(round).wrapping_sub(addend).wrapping_add(p),
            Shape::RelativeTo8 => s = v.wrapping_sub(addend).wrapping_add(p & -8),
            Shape::Pages => {
                let low = [0, 0xfff, 0x123][self.turn % 3];
                s = v.wrapping_add(p & !0xfff).wrapping_add(low).wrapping_sub(addend);
            }
            Shape::Size => {
                let size = v.wrapping_sub(addend);
                vector.sites[0].symbol = format!(".0:{size:#x}");
            }
            Shape::Add => s = v.wrapping_sub(there).wrapping_sub(addend),
            Shape::Subtract => s = there.wrapping_sub(addend).wrapping_sub(v),
            Shape::Slot(true, _) => addend = v.wrapping_sub(slot).wrapping_add(p),
            Shape::Slot(false, round) => {
                addend = 0;
                vector.at = self.cut(slot.wrapping_sub(v).wrapping_add(round) as u64).wrapping_sub(OFFSET);
            }
            Shape::SlotPage => {
                addend = 0;
                vector.at = ((slot & !0xfff).wrapping_sub(v) + 0x120) as u64;
            }
            Shape::SlotFixed => addend = 0,
            Shape::SlotOffset => addend = v.wrapping_sub(slot.wrapping_sub(table)),
            Shape::Table => addend = v.wrapping_sub(table).wrapping_add(p),
            Shape::FromTable => s = v.wrapping_sub(addend).wrapping_add(table),
            Shape::Segment => s = ((p + 4) & !0x0fff_ffff).wrapping_add(v).wrapping_sub(addend),
            Shape::Half | Shape::RelativeHalf | Shape::LowOfPair | Shape::Uleb => return None,
        }
        let is_branch = row.is(row_flag::FALLBACK);
        if is_branch && self.arch == "s390x" {
            // What is added to the address of an entry as well: the distance to the start of the instruction.
            (s, addend) = (s.wrapping_add(addend).wrapping_sub(2), 2);
        }
        if (Shape::has_code(row) || is_branch && self.arch == "riscv64") && s & 1 != 0 {
            // There is code at L.
            (s, addend) = (s.wrapping_add(1), addend.wrapping_sub(1));
        }
        let len = vector.before.len() as u64;
        if shape.has_table() && !super::record::keeps_tables(self.base(), vector.at, len, self.machine.class) {
            return None;
        }
        if self.in_place {
            addend = 0;
        } else if self.machine.class == 32 {
            addend = i64::from(addend as i32);
        }
        vector.sites[0].addend = addend;
        if !matches!(shape, Shape::Size) {
            vector.values.push(("s".to_owned(), self.cut(s as u64)));
        }
        if shape.has_table() {
            vector.by = probe.linker.to_owned();
            vector.set("GOT", probe.table);
            vector.set("G", probe.slot);
        }
        if Shape::has_code(row) {
            vector.set("L", Some(self.cut(s as u64)));
        }
        Some(vector)
    }
}
