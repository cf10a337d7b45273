//! The generator: it builds a module of many independent relocations from a plugin's description of its table.

use crate::arch::{Architecture, Pair};
use crate::golden::{Shape, shape_of};
use crate::module_spec::guest;
use crate::module_spec::{Linker, ModuleSpec, Relocation, RowDescription, Section, Symbol, SymbolKind};
use relobox::rng::Rng;
use relobox_abi::{Machine, row_flag, rule};

/// How a field changes when symbols move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It changes with the symbols, and also when everything moves.
    Absolute,
    /// It changes with the symbols, but not when everything moves.
    Relative,
    /// It changes in the opposite direction, and also when everything moves.
    Minus,
    /// It never changes, since it refers to a table that moves with the module.
    Fixed,
}

/// Relocations that belong together: a single one, or a high part with its low part.
#[derive(Clone, Debug)]
pub struct Unit {
    /// The effect on the value, for a pair on the combined value.
    pub effect: Effect,
    /// The offset in the section and the index of the row, for each field.
    pub fields: Vec<(u64, usize)>,
    /// The relocations.
    pub relocations: Vec<Relocation>,
}

/// A made-up module with what is known about it.
#[derive(Clone, Debug)]
pub struct Sample {
    /// The module, which has one section.
    pub module: ModuleSpec,
    /// The units in file order.
    pub units: Vec<Unit>,
    /// The distance by which all symbols can move without leaving a range.
    pub distance: u64,
}

/// The number of bytes of each unit, most of them poison.
const ROOM: u64 = 48;
/// The offset of a unit's first field.
const INSIDE: u64 = 16;

/// Distances by which some rows can move; one of them carries into nearly every high part.
pub fn distances(machine: &Machine) -> &'static [u64] {
    if machine.class == 64 { &[0x10, 0x7ff0, 0x1_0000, 1 << 40, 1 << 52] } else { &[0x10, 0x7ff0, 0x1_0000] }
}

/// Returns whether the field changes by exactly `distance` with its value, and has room for it.
fn can_move(row: &RowDescription, shape: Shape, distance: u64) -> bool {
    let lowest = row.slices.iter().map(|s| u32::from(s.value_bit)).min().unwrap_or(0);
    let lowest = if shape == Shape::Pages { lowest.max(12) } else { lowest };
    let room = distance.ilog2() + 4;
    let reach = if row.row.rule == rule::NONE { 64 } else { u32::from(row.row.bits) };
    let jump = shape != Shape::Segment || distance < 1 << 20;
    lowest <= distance.trailing_zeros()
        && reach >= room
        && jump
        && distance.is_multiple_of(u64::from(row.row.align.max(1)))
}

fn effect(row: &RowDescription, shape: Shape) -> Option<Effect> {
    Some(match shape {
        // Such a formula refers to a table entry.
        _ if Shape::has_code(row) => Effect::Fixed,
        Shape::Absolute(_) | Shape::Add | Shape::Segment => Effect::Absolute,
        Shape::Relative(_) | Shape::RelativeTo8 | Shape::Pages | Shape::FromTable => Effect::Relative,
        Shape::Subtract => Effect::Minus,
        Shape::Slot(..) | Shape::SlotPage | Shape::SlotFixed | Shape::SlotOffset | Shape::Table => Effect::Fixed,
        Shape::Half | Shape::RelativeHalf | Shape::LowOfPair | Shape::Uleb | Shape::Size | Shape::Special => {
            return None;
        }
    })
}

/// Generates a sample of `units` units for one machine whose symbols can move by `distance` bytes. If `tables` is set,
/// the sample also contains types that need a GOT or a PLT, whose entries are numbered in the order of the relocations.
pub fn sample(
    linker: &dyn Linker,
    machine: Machine,
    in_place: bool,
    (units, distance, tables): (usize, u64, bool),
    seed: u64,
) -> Sample {
    let mut rng = Rng::new(seed);
    let arch = linker.name();
    let mut choices = Vec::new();
    for (index, row) in linker.rows().iter().enumerate() {
        let Some(shape) = shape_of(arch, row) else { continue };
        let Some(effect) = effect(row, shape) else { continue };
        let needs_table = shape.has_table() || effect == Effect::Fixed;
        let fits = row.is_plain() && row.row.width <= machine.class / 8;
        if fits && (effect == Effect::Fixed || can_move(row, shape, distance)) && (tables || !needs_table) {
            choices.push((index, shape, effect));
        }
    }
    let address = (machine.base & !0xffff).wrapping_add(0x10_0000);
    let mut module = ModuleSpec::new(machine, in_place);
    let bytes: Vec<u8> = (0..units as u64 * ROOM).map(|_| rng.next_u64() as u8).collect();
    module.sections.push(Section { address, bytes, relocations: Vec::new() });
    let mut maker = Maker { linker, module, rng };
    let mut made = Vec::new();
    for n in 0..units {
        let at = n as u64 * ROOM + INSIDE;
        // Both halves of a pair reach 31 bits.
        let pair = if n % 4 == 3 && distance < 1 << 24 { maker.pair(at) } else { None };
        made.extend(pair.or_else(|| {
            let choice = *choices.get(maker.rng.below(choices.len()))?;
            Some(maker.single(at, choice))
        }));
    }
    let mut module = maker.module;
    module.sections[0].relocations = made.iter().flat_map(|u: &Unit| u.relocations.clone()).collect();
    Sample { module, units: made, distance }
}

struct Maker<'a> {
    linker: &'a dyn Linker,
    module: ModuleSpec,
    rng: Rng,
}

impl Maker<'_> {
    fn cut(&self, address: i64) -> u64 {
        if self.module.machine.class == 32 { address as u64 & 0xffff_ffff } else { address as u64 }
    }

    fn outside(&mut self, value: i64) -> usize {
        let name = format!("s{:x}", self.module.symbols.len());
        let value = self.cut(value);
        self.module.symbol(Symbol { name, kind: SymbolKind::Outside(value), size: 0 })
    }

    /// One relocation of a row, its value in the inner half of the range.
    fn single(&mut self, at: u64, (index, shape, effect): (usize, Shape, Effect)) -> Unit {
        let row = self.linker.rows()[index].clone();
        let machine = self.module.machine;
        let width = usize::from(row.row.width);
        if row.is(row_flag::ZERO) {
            self.module.sections[0].bytes[at as usize..][..width].fill(0);
        }
        let there = row.value(&machine, &self.module.sections[0].bytes[at as usize..]);
        let step = if shape == Shape::Pages { 0x1000 } else { i64::from(row.row.align.max(1)) };
        let bits = u32::from(row.row.bits).clamp(2, 64);
        let (low, high) = match row.row.rule {
            rule::SIGNED | rule::EITHER => (i64::MIN >> (65 - bits), i64::MAX >> (65 - bits)),
            rule::UNSIGNED => (0, i64::MAX >> (64 - bits)),
            _ => (i64::MIN, i64::MAX),
        };
        let v = self.rng.between(low, high) & -step;
        let mut addend = if self.module.in_place { there } else { self.rng.between(-8, 8) * 0x10 };
        let p = self.module.sections[0].address.wrapping_add(at) as i64;
        let mut s = match shape {
            Shape::Absolute(round) => v.wrapping_sub(round).wrapping_sub(addend),
            Shape::Relative(round) => v.wrapping_sub(round).wrapping_sub(addend).wrapping_add(p),
            Shape::RelativeTo8 => v.wrapping_sub(addend).wrapping_add(p & -8),
            Shape::Pages => v.wrapping_add(p & !0xfff).wrapping_sub(addend),
            Shape::Add => v.wrapping_sub(there).wrapping_sub(addend),
            Shape::Subtract => there.wrapping_sub(addend).wrapping_sub(v),
            Shape::Segment => ((p + 4) & !0x0fff_ffff).wrapping_add(v.abs()).wrapping_sub(addend),
            Shape::FromTable => guest::behind(&self.module) as i64,
            _ => p,
        };
        if effect == Effect::Fixed {
            // Only the slot must be in reach. Its contents are even, as the start of an instruction is.
            addend = if matches!(shape, Shape::Slot(true, _)) { 0 } else { 0x20 };
            addend =
                if matches!(shape, Shape::Slot(false, _) | Shape::SlotPage | Shape::SlotFixed) { 0 } else { addend };
            s = self.rng.next_u64() as i64 & !1;
        }
        let symbol = self.outside(s);
        let addend = if self.module.in_place { 0 } else { addend };
        let relocation = Relocation { offset: at, kind: row.row.kind, symbol, addend };
        Unit { effect, fields: vec![(at, index)], relocations: vec![relocation] }
    }

    /// Adds a high part and its low part, if the table has such a pair.
    fn pair(&mut self, at: u64) -> Option<Unit> {
        // The deliberately wrong test plugins are of no architecture.
        const TOY: [Pair; 1] = [Pair::absolute("R_TOY_HI16", "R_TOY_LO16")];
        let pairs = Architecture::named(self.linker.name()).map_or(&TOY[..], |arch| arch.pairs);
        let find = |name: &str| self.linker.rows().iter().position(|row| row.name == name);
        let have: Vec<_> = pairs.iter().filter_map(|p| Some((find(p.high)?, find(p.low)?, *p))).collect();
        let (high, low, pair) = *have.get(self.rng.below(have.len()))?;
        let effect = if pair.relative { Effect::Relative } else { Effect::Absolute };
        let rows = self.linker.rows();
        let (high_kind, low_kind) = (rows[high].row.kind, rows[low].row.kind);
        let p = self.module.sections[0].address.wrapping_add(at) as i64;
        let v = self.rng.between(-0x3fff_0000, 0x3fff_0000) + if effect == Effect::Relative { p } else { 0 };
        let label = pair.low_names_high;
        let symbol = self.outside(v);
        let low_symbol = match label {
            true => {
                let name = format!("l{at:x}");
                self.module.symbol(Symbol { name, kind: SymbolKind::Label(0, at), size: 0 })
            }
            false => symbol,
        };
        let addend = if self.module.in_place { 0 } else { self.rng.between(-0x9000, 0x9000) };
        let low_addend = match label {
            true => 0,
            false => addend + if self.module.in_place { 0 } else { pair.low_addend },
        };
        let relocations = vec![
            Relocation { offset: at, kind: high_kind, symbol, addend },
            Relocation { offset: at + 4, kind: low_kind, symbol: low_symbol, addend: low_addend },
        ];
        Some(Unit { effect, fields: vec![(at, high), (at + 4, low)], relocations })
    }
}
