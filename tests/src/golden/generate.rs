//! The generator: makes vectors without answers from a plugin's description.
//!
//! It knows ranges, bits and formulas, but not what a linker or a plugin does with them.

use super::edges::{Edge, edges};
use super::formula_shape;
use super::generator::{Generator, OFFSET, POISON, SLOTTED};
use super::probe::{ANCHOR, Probe, keeps_tables};
use super::shape::Shape;
use super::special;
use super::vector::Vector;
use crate::arch::Architecture;
use crate::module_spec::RowDescription;
use anyhow::{Context as _, Result};
use relobox_abi::{order, row_flag};
use std::collections::HashSet;

/// Explicit addends, used in turn.
const ADDENDS: [i64; 5] = [0, 4, -4, 0x1230, -0x7ff0];
/// The offset of the slot if no linker chooses it.
const UNKNOWN_SLOT: u64 = 0x238;

impl Generator<'_> {
    /// Returns what the tests know of the architecture.
    ///
    /// # Panics
    /// If it has no file; the generator is made from one.
    fn of(&self) -> &'static Architecture {
        Architecture::named(self.arch).expect("an architecture")
    }

    /// Generates the vectors of all rows.
    pub(super) fn all(&mut self, rows: &[RowDescription]) -> Result<Vec<Vector>> {
        let mut vectors = Vec::new();
        for row in rows {
            let orders = self.of().variants.iter().filter(|v| v.class == self.machine.class).map(|v| v.order);
            let both = orders.clone().any(|o| o == order::LITTLE) && orders.clone().any(|o| o == order::BIG);
            if both && self.machine.order == order::BIG && !matches!(row.row.order, order::DATA | order::MIDDLE) {
                continue; // The same instructions, with the same bytes, as of the other byte order.
            }
            let shape = formula_shape::of(self.arch, row);
            let shape = shape.with_context(|| format!("{}: no shape for {:?}", row.name, row.formula))?;
            let of_row = self.row(row, shape).with_context(|| row.name.clone())?;
            vectors.extend(of_row.into_iter().filter(|vector| !(self.of().rewritten)(vector)));
        }
        Ok(vectors)
    }

    fn row(&mut self, row: &RowDescription, shape: Shape) -> Result<Vec<Vector>> {
        let step = match shape {
            Shape::Pages | Shape::SlotPage => 0x1000,
            // It leads to code.
            Shape::Relative(_) if row.is(row_flag::FALLBACK) => i64::from(row.row.align).max(self.of().code_align),
            _ => i64::from(row.row.align.max(1)),
        };
        let mut vectors = match shape {
            Shape::Half | Shape::RelativeHalf => return special::halves(self, row, shape),
            Shape::LowOfPair => return special::low_of_pair(self, row),
            Shape::Uleb => return special::uleb(self, row),
            _ => (self.of().vectors)(self, row),
        };
        if shape == Shape::Special {
            return Ok(vectors);
        }
        let probe = if shape.has_table() { self.probe(row, shape)? } else { Probe::default() };
        let mut values = edges(row, step);
        if self.machine.class == 32 {
            // In class 32, drop values that wrap around to a value that occurs anyway.
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

    fn probe(&self, row: &RowDescription, shape: Shape) -> Result<Probe> {
        let mut vector = self.blank(row, "probe", if self.in_place { POISON[0] } else { 0 });
        vector.values.push(("s".to_owned(), self.slotted(shape)));
        vector.at = self.base + ANCHOR - 0x1000; // Within everybody's reach.
        let probe = (self.probe)(&vector)?;
        if probe != Probe::default() {
            return Ok(probe);
        }
        // No linker knows the type; `formula` computes the expected answer.
        let table = self.base + ANCHOR + 0x1_1000;
        Ok(Probe { linker: "psABI", slot: shape.has_slot().then_some(table + UNKNOWN_SLOT), table: Some(table) })
    }

    /// Gives `vector`, which is not of its row's shape, the addresses of a linker's tables; only that linker is asked.
    ///
    /// # Errors
    ///
    /// If no linker says where its tables are.
    pub fn give_tables(&self, row: &RowDescription, vector: &mut Vector) -> Result<()> {
        let shape = formula_shape::of(self.arch, row).with_context(|| format!("{}: no shape", row.name))?;
        let probe = self.probe(row, shape)?;
        vector.values.push(("s".to_owned(), self.slotted(shape)));
        vector.by = probe.linker.to_owned();
        vector.set("GOT", probe.table);
        vector.set("G", probe.slot);
        Ok(())
    }

    fn slotted(&self, shape: Shape) -> u64 {
        // If the distance to the symbol matters, the symbol must not be too far away.
        if shape.has_slot() { self.cut(SLOTTED) } else { self.base + ANCHOR + 0x1_1000 }
    }

    /// Makes a vector, or returns `None` if this shape cannot have the value.
    fn vector(&self, row: &RowDescription, shape: Shape, edge: Edge, poison: u8, probe: Probe) -> Option<Vector> {
        let (label, v) = edge;
        let mut vector = self.blank(row, label, poison);
        let place = &vector.before[OFFSET as usize..];
        let there = row.value(&self.machine, place);
        let mut addend = if self.in_place { there } else { ADDENDS[self.turn % ADDENDS.len()] };
        if shape == Shape::RelativeTo8 && self.turn % 2 == 1 {
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
            Shape::Half | Shape::RelativeHalf | Shape::LowOfPair | Shape::Uleb | Shape::Special => return None,
        }
        let is_branch = row.is(row_flag::FALLBACK);
        let in_branch = self.of().field_in_branch;
        if is_branch && in_branch != 0 {
            // The distance to the start of the instruction, which is also added to the address of an entry.
            (s, addend) = (s.wrapping_add(addend).wrapping_sub(in_branch), in_branch);
        }
        if (Shape::has_code(row) || is_branch && self.of().code_align == 2) && s & 1 != 0 {
            // L is the address of code and must be even.
            (s, addend) = (s.wrapping_add(1), addend.wrapping_sub(1));
        }
        let len = vector.before.len() as u64;
        if shape.has_table() && !keeps_tables(self.base, vector.at, len, self.machine.class) {
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
