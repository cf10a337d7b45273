//! The oracles. Each links two variants of a sample and compares them. None knows what a relocation type means.

use super::sample::{Effect, Sample, Unit};
use crate::module_spec::{LinkOutput, Linker, ModuleSpec, RowDescription, SymbolKind};
use relobox::rng::Rng;

/// An oracle. The error describes what is wrong.
pub type Property = fn(&dyn Linker, &Sample) -> Result<(), String>;

/// The properties that hold for every sample. [`permute`] holds only for samples without tables.
pub const PROPERTIES: [(&str, Property); 4] =
    [("shift everything", shift_everything), ("shift symbols", shift_symbols), ("poison", poison), ("repeat", repeat)];

fn link(linker: &dyn Linker, module: &ModuleSpec) -> Result<LinkOutput, String> {
    linker.link(module).map_err(|refusal| format!("refused: {refusal:?}"))
}

fn cut(module: &ModuleSpec, address: u64) -> u64 {
    if module.machine.class == 32 { address & 0xffff_ffff } else { address }
}

fn symbols_moved(module: &ModuleSpec, by: u64) -> ModuleSpec {
    let mut moved = module.clone();
    for symbol in &mut moved.symbols {
        if let SymbolKind::Outside(value) = &mut symbol.kind {
            *value = cut(module, value.wrapping_add(by));
        }
    }
    moved
}

/// Moves sections, symbols and tables together: relative fields stay, absolute ones change by the distance.
///
/// # Errors
///
/// A description of the first field that did not change as expected.
pub fn shift_everything(linker: &dyn Linker, sample: &Sample) -> Result<(), String> {
    // Tables are aligned to pages.
    let by = sample.distance.max(0x1_0000);
    let mut moved = sample.module.clone();
    if by == sample.distance {
        moved = symbols_moved(&moved, by);
    }
    moved.sections.iter_mut().for_each(|s| s.address = cut(&sample.module, s.address.wrapping_add(by)));
    moved.tables.iter_mut().for_each(|t| t.1 = t.1.wrapping_add(by));
    if by != sample.distance {
        // Absolute fields of this sample cannot move by a page, so their symbols stay.
        let mine = |s: usize| sample.units.iter().find(|u| u.relocations.iter().any(|r| r.symbol == s));
        for (i, symbol) in moved.symbols.iter_mut().enumerate() {
            let along = mine(i).is_some_and(|u| matches!(u.effect, Effect::Relative | Effect::Fixed));
            if let (SymbolKind::Outside(value), true) = (&mut symbol.kind, along) {
                *value = cut(&sample.module, value.wrapping_add(by));
            }
        }
    }
    let (before, after) = (link(linker, &sample.module)?, link(linker, &moved)?);
    compare(linker, sample, &before, &after, |effect| match effect {
        Effect::Relative | Effect::Fixed => 0,
        _ if by != sample.distance => 0,
        Effect::Absolute => by as i64,
        Effect::Minus => (by as i64).wrapping_neg(),
    })
}

/// Moves only the symbols: fields that refer to them change by the distance.
///
/// # Errors
///
/// A description of the first field that did not change as expected.
pub fn shift_symbols(linker: &dyn Linker, sample: &Sample) -> Result<(), String> {
    let by = sample.distance;
    let (before, after) = (link(linker, &sample.module)?, link(linker, &symbols_moved(&sample.module, by))?);
    compare(linker, sample, &before, &after, |effect| match effect {
        Effect::Absolute | Effect::Relative => by as i64,
        Effect::Minus => (by as i64).wrapping_neg(),
        Effect::Fixed => 0,
    })
}

/// Returns the value that a unit's fields hold together, and the number of its bits that are known.
fn held(linker: &dyn Linker, module: &ModuleSpec, unit: &Unit, bytes: &[u8]) -> (i64, u32) {
    let field = |(at, row): (u64, usize)| {
        let row = &linker.rows()[row];
        (row, row.value(&module.machine, &bytes[at as usize..]))
    };
    match unit.fields[..] {
        [high, low] => {
            let ((_, high), (row, low)) = (field(high), field(low));
            // On AArch64 the low twelve bits are unsigned.
            let low = if row.name.starts_with("R_AARCH64") { low & 0xfff } else { low };
            (high.wrapping_add(low), 32)
        }
        [one] => {
            let (row, value) = field(one);
            // `movn`, with bit 30 clear, holds the inverse.
            let word = row.word(&module.machine, &bytes[unit.fields[0].0 as usize..]);
            let inverse = row.formula.starts_with("movz_or_movn") && word >> 30 & 1 == 0;
            let held = row.slices.iter().fold(0, |held, s| held | (u64::MAX >> (64 - u32::from(s.len))) << s.value_bit);
            let value = if inverse { value ^ held as i64 } else { value };
            // The field holds two instructions, the second with a signed immediate.
            let both = row.slices.iter().any(|s| s.value_bit < row.row.round);
            let value = if both { value - ((value & 1 << (row.row.round - 1)) << 1) } else { value };
            // The fields of scaled loads hold more than the twelve bits of such a formula.
            let bits = if row.formula.starts_with("lo12(") { 12 } else { u32::from(row.value_bits()) };
            (value, bits)
        }
        _ => (0, 1),
    }
}

/// Checks that every field has changed as `distance` says for its effect, and that no other bit has changed.
fn compare(
    linker: &dyn Linker,
    sample: &Sample,
    before: &LinkOutput,
    after: &LinkOutput,
    distance: impl Fn(Effect) -> i64,
) -> Result<(), String> {
    let (old, new) = (&before.sections[0], &after.sections[0]);
    for unit in &sample.units {
        let ((a, bits), (b, _)) = (held(linker, &sample.module, unit, old), held(linker, &sample.module, unit, new));
        let moved = b.wrapping_sub(a).wrapping_sub(distance(unit.effect));
        if moved << (64 - bits) != 0 {
            let name = &linker.rows()[unit.fields[0].1].name;
            let expected = distance(unit.effect);
            return Err(format!("{name} at {:#x} went from {a:#x} to {b:#x}, not by {expected:#x}", unit.fields[0].0));
        }
    }
    let owned = owned(linker, sample);
    let stray = (0..old.len()).find(|i| (old[*i] ^ new[*i]) & !owned[*i] != 0);
    stray.map_or(Ok(()), |i| Err(format!("byte {i:#x} changed from {:#x} to {:#x}", old[i], new[i])))
}

/// Returns, for each byte of the section, the bits that belong to some field.
fn owned(linker: &dyn Linker, sample: &Sample) -> Vec<u8> {
    let mut owned = vec![0u8; sample.module.sections[0].bytes.len()];
    for (at, row) in sample.units.iter().flat_map(|u| &u.fields) {
        let row = &linker.rows()[*row];
        let mask = mask(row);
        let bytes = &mut owned[*at as usize..][..usize::from(row.row.width)];
        for bit in (0..8 * u32::from(row.row.width)).filter(|bit| mask >> bit & 1 != 0) {
            let byte = (bit / 8) as usize;
            let byte = if is_big(row, sample) { bytes.len() - 1 - byte } else { byte };
            bytes[byte] |= 1 << (bit % 8);
        }
    }
    owned
}

fn is_big(row: &RowDescription, sample: &Sample) -> bool {
    use relobox_abi::order;
    (if row.row.order == order::DATA { sample.module.machine.order } else { row.row.order }) == order::BIG
}

fn mask(row: &RowDescription) -> u64 {
    // Some moves also select between `movz` and `movn` by bit 30.
    row.mask() | if row.formula.starts_with("movz_or_movn") { 1 << 30 } else { 0 }
}

/// Checks that bits around a field stay, and that the old contents of the field do not matter unless they are the
/// addend.
///
/// # Errors
///
/// A description of the first byte that violates this.
pub fn poison(linker: &dyn Linker, sample: &Sample) -> Result<(), String> {
    let owned = owned(linker, sample);
    let clean = link(linker, &sample.module)?;
    let mut inverted = sample.module.clone();
    let reads: Vec<u8> = reads(linker, sample, &owned);
    for (byte, keep) in inverted.sections[0].bytes.iter_mut().zip(&reads) {
        *byte ^= !keep;
    }
    let dirty = link(linker, &inverted)?;
    for (module, answer) in [(&sample.module, &clean), (&inverted, &dirty)] {
        let (was, is) = (&module.sections[0].bytes, &answer.sections[0]);
        if let Some(i) = (0..was.len()).find(|i| (was[*i] ^ is[*i]) & !owned[*i] != 0) {
            return Err(format!("byte {i:#x} was {:#x} and is {:#x}: the field has {:#x}", was[i], is[i], owned[i]));
        }
    }
    let (a, b) = (&clean.sections[0], &dirty.sections[0]);
    let differ = (0..a.len()).find(|i| (a[*i] ^ b[*i]) & owned[*i] != 0);
    differ.map_or(Ok(()), |i| Err(format!("byte {i:#x} is {:#x}, and {:#x} where the place was poisoned", a[i], b[i])))
}

/// Returns the bits that may be read: addends in place, operands of `ADD` and `SUB`, and places that must be zero.
fn reads(linker: &dyn Linker, sample: &Sample, owned: &[u8]) -> Vec<u8> {
    if sample.module.in_place {
        return owned.to_vec();
    }
    let mut reads = vec![0u8; owned.len()];
    for (at, row) in sample.units.iter().flat_map(|u| &u.fields) {
        let row = &linker.rows()[*row];
        if row.is(relobox_abi::row_flag::ZERO)
            || matches!(row.row.effect, relobox_abi::effect::PLUS | relobox_abi::effect::MINUS)
        {
            let range = *at as usize..*at as usize + usize::from(row.row.width);
            reads[range.clone()].copy_from_slice(&owned[range]);
        }
    }
    reads
}

/// Checks that two runs of the same job agree in bytes and fuel.
///
/// # Errors
///
/// A description of the difference.
pub fn repeat(linker: &dyn Linker, sample: &Sample) -> Result<(), String> {
    let (first, second) = (link(linker, &sample.module)?, link(linker, &sample.module)?);
    if first.sections != second.sections || first.made != second.made {
        return Err("the same job gave other bytes the second time".to_owned());
    }
    if first.fuel != second.fuel {
        return Err(format!("the same job took {:?} and then {:?} units of fuel", first.fuel, second.fuel));
    }
    Ok(())
}

/// Checks that the order of units does not matter; the relocations of a pair stay together.
///
/// # Errors
///
/// A description of the first difference.
pub fn permute(linker: &dyn Linker, sample: &Sample) -> Result<(), String> {
    let mut rng = Rng::new(sample.units.len() as u64);
    let mut order: Vec<&Unit> = sample.units.iter().collect();
    for i in (1..order.len()).rev() {
        order.swap(i, rng.below(i + 1));
    }
    let reversed: Vec<&Unit> = sample.units.iter().rev().collect();
    let before = link(linker, &sample.module)?;
    for order in [order, reversed] {
        let mut module = sample.module.clone();
        module.sections[0].relocations = order.iter().flat_map(|u| u.relocations.clone()).collect();
        let after = link(linker, &module)?;
        let (a, b) = (&before.sections[0], &after.sections[0]);
        if let Some(i) = (0..a.len()).find(|i| a[*i] != b[*i]) {
            return Err(format!("byte {i:#x} is {:#x}, and {:#x} in another order", a[i], b[i]));
        }
    }
    Ok(())
}
