//! Cases of one relocation each, derived from its row: the ends of its range, what stands in and around its field,
//! and places at the ends of the section and beyond.

use super::case::Relocation;
use super::edges::{edges, range, step};
use super::field::Field;
use super::ground::Ground;
use super::group::Group;
use super::oracle::Oracle;
use super::prover::{Cases, Prover};
use super::sample::aim;
use relobox_abi::{effect, pairing, row_flag, symbol_flag};
use relobox_link::description::PluginRow;

/// What may stand in a section before.
const POISON: [u8; 4] = [0x00, 0xff, 0xa5, 0x3c];

/// Whether a row's relocations stand by themselves; those that do not are proved as pairs.
#[must_use]
pub(crate) fn stands_alone(row: &PluginRow, in_place: bool) -> bool {
    match row.row.pairing {
        pairing::LABEL | pairing::BEHIND => false,
        pairing::NEXT => !in_place,
        _ => true,
    }
}

/// All of them.
pub(crate) fn derive(prover: &mut Prover<'_>) {
    let subject = prover.subject();
    for row in subject.writing() {
        prover.check(Group::Vectors, &row.name, |cases| {
            for ground in subject.grounds() {
                if stands_alone(row, ground.in_place()) {
                    values(cases, &ground, row);
                }
            }
            if let Some(why) = subject.model.unpredictable(row) {
                cases.partly(why);
            } else if cases.is_empty() {
                cases.partly("it is a half of a pair: see pairs");
            }
        });
        prover.check(Group::Places, &row.name, |cases| {
            for ground in subject.grounds() {
                places(cases, &ground, row);
            }
        });
    }
}

/// A relocation of `row` at `offset`, its value aimed at `value`, in a section full of `poison`.
pub(crate) fn one(
    cases: &Cases<'_>,
    ground: &Ground,
    row: &PluginRow,
    (offset, addend, value): (u64, i64, i64),
    poison: u8,
) -> Ground {
    let mut ground = ground.clone();
    let field = Field::of(row, ground.case.order);
    let section = &mut ground.case.sections[0];
    section.bytes.fill(poison);
    if row.is(row_flag::ZERO)
        && let Some(place) =
            usize::try_from(offset).ok().and_then(|at| section.bytes.get_mut(at..)?.get_mut(..field.width))
    {
        place.fill(0);
    }
    let symbol = ground.symbol(0);
    ground.relocation(Relocation { offset, kind: row.row.kind, symbol, addend });
    aim(&cases.subject().model, &mut ground.case, (0, 0), value);
    ground
}

fn values(cases: &mut Cases<'_>, ground: &Ground, row: &PluginRow) {
    let at = 24;
    let addends = if ground.in_place() { [0, 0, 0, 0] } else { [0, -8, 16, 0x70] };
    for (i, value) in edges(row).into_iter().enumerate() {
        for (j, poison) in POISON.into_iter().enumerate().take(3 + (i & 1)) {
            let made = one(cases, ground, row, (at, addends[(i + j) % 4], value), poison);
            cases.ask(Oracle::ReferenceModel, &made.case);
            if j == 1 {
                cases.ask(Oracle::Poison, &made.case);
            }
        }
    }
    // A symbol that nobody defines and nobody needs has the value 0.
    let mut weak = one(cases, ground, row, (at, 0, 0), POISON[0]);
    let symbol = &mut weak.case.symbols[0];
    (symbol.value, symbol.info, symbol.flags) = (0, 0x20, symbol_flag::UNDEFINED | symbol_flag::WEAK);
    cases.ask(Oracle::ReferenceModel, &weak.case);
    // No symbol at all has the value 0 too.
    let mut none = weak.clone();
    none.case.symbols.clear();
    none.case.sections[0].relocations[0].symbol = 0;
    cases.ask(Oracle::ReferenceModel, &none.case);
    // One of the module's own.
    let mut own = one(cases, ground, row, (at, 0, 0), POISON[2]);
    let symbol = &mut own.case.symbols[0];
    (symbol.section, symbol.value, symbol.flags) = (1, 40, 0);
    cases.ask(Oracle::ReferenceModel, &own.case);
    if row.is(row_flag::ZERO) {
        let mut again = one(cases, ground, row, (at, 0, step(row)), POISON[0]);
        for i in 0..usize::from(row.row.width) {
            again.case.sections[0].bytes[at as usize + i] = 1;
            cases.ask(Oracle::ReferenceModel, &again.case);
            again.case.sections[0].bytes[at as usize + i] = 0;
        }
    }
}

fn places(cases: &mut Cases<'_>, ground: &Ground, row: &PluginRow) {
    let value = (range(row).1 / 4) & step(row).wrapping_neg();
    let value = if row.row.effect == effect::SLOT { 0 } else { value };
    let len = ground.case.sections[0].bytes.len() as u64;
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
        let made = one(cases, ground, row, (offset, 0, value), POISON[0]);
        cases.ask(Oracle::ReferenceModel, &made.case);
    }
    // As many bytes as the field has, and one too few.
    for len in [field, field - 1, 1] {
        let mut made = one(cases, ground, row, (0, 0, value), POISON[0]);
        made.case.sections[0].bytes.truncate(len as usize);
        cases.ask(Oracle::ReferenceModel, &made.case);
    }
}
