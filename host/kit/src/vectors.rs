//! Test modules with one relocation, derived from its row: the ends of its range, the contents in and around its field,
//! and places at the ends of the section and beyond.

use super::edges::{POISON, edges, range, step};
use super::field::Field;
use super::fixture::Fixture;
use super::group::Group;
use super::oracle::Oracle;
use super::runner::{CheckContext, CheckRunner};
use super::sample::set_value;
use super::test_module::Relocation;
use relobox_abi::{effect, pairing, row_flag, symbol_flag};
use relobox_link::description::PluginRow;

/// Returns whether relocations of a row can be tested alone; the others are tested as pairs.
#[must_use]
pub(crate) fn stands_alone(row: &PluginRow, in_place: bool) -> bool {
    match row.row.pairing {
        pairing::LABEL | pairing::BEHIND => false,
        pairing::NEXT => !in_place,
        _ => true,
    }
}

/// Runs the checks of the groups `vectors` and `places`.
pub(crate) fn derive(runner: &mut CheckRunner<'_>) {
    let under_test = runner.under_test();
    for row in under_test.writing_rows() {
        runner.check(Group::Vectors, &row.name, |cx| {
            for fixture in under_test.fixtures() {
                if stands_alone(row, fixture.in_place()) {
                    values(cx, &fixture, row);
                }
            }
            if let Some(why) = under_test.model.unpredictable(row) {
                cx.set_limitation(why);
            } else if cx.is_empty() {
                cx.set_limitation("it is half of a pair: see the group pairs");
            }
        });
        runner.check(Group::Places, &row.name, |cx| {
            for fixture in under_test.fixtures() {
                places(cx, &fixture, row);
            }
        });
    }
}

/// Makes a module with a relocation of `row` at `offset` that has the value `value`, in a section filled with `poison`.
pub(crate) fn vector(
    cx: &CheckContext<'_>,
    fixture: &Fixture,
    row: &PluginRow,
    (offset, addend, value): (u64, i64, i64),
    poison: u8,
) -> Fixture {
    let mut fixture = fixture.clone();
    let field = Field::of(row, fixture.module.order);
    let section = &mut fixture.module.sections[0];
    section.bytes.fill(poison);
    if row.is(row_flag::ZERO)
        && let Some(place) =
            usize::try_from(offset).ok().and_then(|at| section.bytes.get_mut(at..)?.get_mut(..field.width))
    {
        place.fill(0);
    }
    let symbol = fixture.symbol(0);
    fixture.relocation(Relocation { offset, kind: row.row.kind, symbol, addend });
    set_value(&cx.under_test().model, &mut fixture.module, (0, 0), value);
    fixture
}

fn values(cx: &mut CheckContext<'_>, fixture: &Fixture, row: &PluginRow) {
    let at = 24;
    let addends = if fixture.in_place() { [0, 0, 0, 0] } else { [0, -8, 16, 0x70] };
    for (i, value) in edges(row).into_iter().enumerate() {
        for (j, poison) in POISON.into_iter().enumerate().take(3 + (i & 1)) {
            let made = vector(cx, fixture, row, (at, addends[(i + j) % 4], value), poison);
            cx.check(Oracle::ReferenceModel, &made.module);
            if j == 1 {
                cx.check(Oracle::Poison, &made.module);
            }
        }
    }
    // An undefined weak symbol has the value 0.
    let mut weak = vector(cx, fixture, row, (at, 0, 0), POISON[0]);
    let symbol = &mut weak.module.symbols[0];
    (symbol.value, symbol.info, symbol.flags) = (0, 0x20, symbol_flag::UNDEFINED | symbol_flag::WEAK);
    cx.check(Oracle::ReferenceModel, &weak.module);
    // A relocation without a symbol has the value 0 for S.
    let mut none = weak.clone();
    none.module.symbols.clear();
    none.module.sections[0].relocations[0].symbol = 0;
    cx.check(Oracle::ReferenceModel, &none.module);
    // A symbol that the module defines.
    let mut own = vector(cx, fixture, row, (at, 0, 0), POISON[2]);
    let symbol = &mut own.module.symbols[0];
    (symbol.section, symbol.value, symbol.flags) = (1, 40, 0);
    cx.check(Oracle::ReferenceModel, &own.module);
    if row.is(row_flag::ZERO) {
        let mut again = vector(cx, fixture, row, (at, 0, step(row)), POISON[0]);
        for i in 0..usize::from(row.row.width) {
            again.module.sections[0].bytes[at as usize + i] = 1;
            cx.check(Oracle::ReferenceModel, &again.module);
            again.module.sections[0].bytes[at as usize + i] = 0;
        }
    }
}

fn places(cx: &mut CheckContext<'_>, fixture: &Fixture, row: &PluginRow) {
    let value = (range(row).1 / 4) & step(row).wrapping_neg();
    let value = if row.row.effect == effect::SLOT { 0 } else { value };
    let len = fixture.module.sections[0].bytes.len() as u64;
    let field = u64::from(row.row.width.max(1));
    let before = u64::from(row.row.window_start.min(0).unsigned_abs());
    let behind = u64::from(row.row.width)
        .max(u64::try_from(i64::from(row.row.window_start) + i64::from(row.row.window_len)).unwrap_or(0));
    let last = len.saturating_sub(behind.max(1));
    let sure = row.row.window_len != 0 || row.row.width != 0;
    let mut offsets = vec![before, before + 8, last & !7, last];
    if sure {
        offsets.extend([last + 1, len - 1, len, len + 1, len + 8]);
    }
    offsets.extend([u64::MAX, u64::MAX - field + 1, u64::MAX - behind, 1 << 63, (1 << 63) - 4]);
    offsets.extend([1 << 32, (1 << 32) - 1, (1 << 32) - field, (1 << 32) + 8, 1 << 31, u64::MAX << 32]);
    for offset in offsets {
        let made = vector(cx, fixture, row, (offset, 0, value), POISON[0]);
        cx.check(Oracle::ReferenceModel, &made.module);
    }
    // Sections of exactly the width of the field, one byte less, and one byte.
    for len in [field, field - 1, 1] {
        let mut made = vector(cx, fixture, row, (0, 0, value), POISON[0]);
        made.module.sections[0].bytes.truncate(len as usize);
        cx.check(Oracle::ReferenceModel, &made.module);
    }
}
