//! Randomly generated test modules, and the choice of symbol values for a wanted relocation value.

use super::edges::{range, step};
use super::fixture::Fixture;
use super::plugin_under_test::PluginUnderTest;
use super::reference_model::ReferenceModel;
use super::run::Outcome;
use super::test_module::{Relocation, TestModule};
use relobox_abi::{effect, row_flag};
use relobox_core::rng::Rng;
use relobox_link::description::PluginRow;
use std::collections::HashSet;

/// Sets the value (or the size) of a relocation's symbol so that the relocation has the value `wanted`, as far as the
/// reference model can tell.
pub(crate) fn set_value(
    model: &ReferenceModel<'_>,
    module: &mut TestModule,
    (section, index): (usize, usize),
    wanted: i64,
) {
    let r = module.sections[section].relocations[index];
    let Some(row) = model.about().row(r.kind) else { return };
    let Some(symbol) = (r.symbol as usize).checked_sub(1).filter(|i| *i < module.symbols.len()) else { return };
    if row.row.effect == effect::SIZE {
        module.symbols[symbol].size = wanted.wrapping_sub(r.addend).cast_unsigned();
        return;
    }
    let low = module.symbols[symbol].value & 0xfff;
    module.symbols[symbol].value = 0;
    let Some(base) = model.value_of(module, section, index) else {
        // A near symbol is in range of most rows.
        module.symbols[symbol].value = module.cut(module.sections[section].address.wrapping_add(0x20));
        return;
    };
    let value = match row.row.effect {
        effect::MINUS => base.wrapping_sub(wanted),
        effect::UNKNOWN => return unshift(model, module, (section, index), (symbol, base, wanted)),
        _ => wanted.wrapping_sub(base),
    };
    module.symbols[symbol].value = module.cut(value.cast_unsigned());
    if row.row.effect == effect::PAGES && model.value_of(module, section, index) == Some(wanted) {
        let even = module.clone();
        module.symbols[symbol].value = module.cut(value.cast_unsigned().wrapping_add(low));
        if model.value_of(module, section, index) != Some(wanted) {
            *module = even;
        }
    }
}

/// Sets the symbol's value for a formula that may shift: tries each shift distance until the relocation has the wanted
/// value. Bits that are shifted out are set if possible, to show that they do not matter.
fn unshift(
    model: &ReferenceModel<'_>,
    module: &mut TestModule,
    (section, index): (usize, usize),
    (symbol, base, wanted): (usize, i64, i64),
) {
    let plain = module.cut(wanted.wrapping_sub(base).cast_unsigned());
    module.symbols[symbol].value = plain;
    if model.value_of(module, section, index) == Some(wanted) {
        return;
    }
    for by in 1..u64::BITS {
        let below = (1u64 << by) - 1;
        for low in [0xa5a5_a5a5_a5a5_a5a5 & below, 0] {
            let rough = (wanted.wrapping_sub(base).cast_unsigned() << by) | low;
            // Compensate a carry from the other operands.
            for carry in [0, 1 << by, (1u64 << by).wrapping_neg()] {
                module.symbols[symbol].value = module.cut(rough.wrapping_add(carry));
                if model.value_of(module, section, index) == Some(wanted) {
                    return;
                }
            }
        }
    }
    module.symbols[symbol].value = plain;
}

/// The number of bytes of each relocation in a sample, and the offset of the place in them.
const ROOM: [u64; 2] = [32, 16];

/// Makes a module with `units` relocations of random rows of `rows`, each with its own symbol and a value in range. If
/// the range is not known, relocations that the plugin refuses are removed.
#[must_use]
pub(crate) fn sample(
    under_test: &PluginUnderTest<'_>,
    fixture: &Fixture,
    rows: &[&PluginRow],
    units: usize,
    seed: u64,
) -> Option<Fixture> {
    let mut rng = Rng::new(seed);
    let mut fixture = fixture.clone();
    let [room, inside] = ROOM;
    fixture.module.sections[0].bytes = (0..units as u64 * room).map(|_| rng.next_u64() as u8).collect();
    fixture.module.synthetic = fixture.address().wrapping_add((units as u64 * room).next_multiple_of(0x1000));
    for unit in 0..units {
        let row = *rows.get(rng.below(rows.len()))?;
        let at = unit as u64 * room + inside;
        let width = usize::from(row.row.width);
        if row.is(row_flag::ZERO) {
            fixture.module.sections[0].bytes[at as usize..][..width].fill(0);
        }
        let symbol = fixture.symbol(rng.next_u64());
        let addend = if fixture.in_place() { 0 } else { (rng.below(17) as i64 - 8) * 16 };
        let addend = if row.row.effect == effect::SLOT { 0 } else { addend };
        let (min, max) = range(row);
        // Use the inner half of the range, so that values can move.
        let span = ((max as i128 - min as i128) / 2).max(1);
        let value = min as i128 + span / 2 + (i128::from(rng.next_u64()) % span);
        let value = (value as i64) & step(row).wrapping_neg();
        fixture.relocation(Relocation { offset: at, kind: row.row.kind, symbol, addend });
        set_value(&under_test.model, &mut fixture.module, (0, unit), value);
    }
    // Remove relocations that are out of range by chance.
    for _ in 0..8 {
        match under_test.run(&fixture.module).outcome {
            Outcome::Refused(faults) => {
                let bad: HashSet<_> = faults.iter().filter_map(|f| f.relocation).collect();
                let mut index = 0;
                fixture.module.sections[0].relocations.retain(|_| {
                    index += 1;
                    !bad.contains(&(index - 1))
                });
                if bad.is_empty() || fixture.module.sections[0].relocations.is_empty() {
                    return None;
                }
            }
            _ => return Some(fixture),
        }
    }
    None
}
