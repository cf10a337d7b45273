//! Checks of metamorphic properties, determinism, table entries and cost, for each row and for all rows together.

use super::cost::Growth;
use super::fixture::Fixture;
use super::group::Group;
use super::oracle::Oracle;
use super::plugin_under_test::PluginUnderTest;
use super::runner::{CheckContext, CheckRunner};
use super::sample::{sample, set_value};
use super::test_module::Relocation;
use super::vectors::stands_alone;
use relobox_abi::{effect, pairing, row_flag};
use relobox_core::rng::Rng;
use relobox_link::description::PluginRow;

/// Distances by which things are moved: within a field, a page, beyond a short branch, beyond 32 bits.
const DISTANCES: [u64; 6] = [0x10, 0x1000, 0x1_0000, 0x10_0000, 0x40_0000_0000, 0xffff_ffff_ffff_f000];

/// Returns the names of the properties with their oracles.
fn properties() -> Vec<(&'static str, Vec<Oracle>)> {
    let all = |of: fn(u64) -> Oracle| DISTANCES.into_iter().map(of).collect();
    vec![
        ("shift everything", all(Oracle::Shift)),
        ("shift symbols", all(Oracle::ShiftSymbols)),
        ("shift places", all(Oracle::ShiftPlaces)),
        ("poison", vec![Oracle::Poison]),
        ("permute", (1..9).map(Oracle::Permute).collect()),
    ]
}

/// Runs the checks of the groups `properties`, `determinism`, `slots` and `cost`.
pub(crate) fn derive(runner: &mut CheckRunner<'_>) {
    let under_test = runner.under_test();
    for (name, oracles) in properties() {
        runner.check(Group::Properties, name, |cx| {
            for fixture in under_test.fixtures() {
                samples(&fixture, under_test, |sample| {
                    for oracle in &oracles {
                        cx.check(oracle.clone(), &sample.module);
                    }
                });
            }
        });
    }
    runner.check(Group::Determinism, "repeat", |cx| {
        for fixture in under_test.fixtures() {
            samples(&fixture, under_test, |sample| cx.check(Oracle::Repeat, &sample.module));
        }
    });
    let leads = |row: &&PluginRow| {
        let table = row.row.effect == effect::SLOT || under_test.model.unpredictable(row).is_some();
        (table && !row.is(row_flag::BY_HAND | row_flag::DERIVED)) || row.is(row_flag::FALLBACK)
    };
    for row in under_test.writing_rows().filter(leads) {
        runner.check(Group::Slots, &row.name, |cx| {
            for fixture in under_test.fixtures() {
                entries(cx, &fixture, row);
            }
        });
    }
    for row in under_test.writing_rows() {
        runner.check(Group::Cost, &row.name, |cx| {
            for fixture in under_test.fixtures().into_iter().take(1) {
                costs(cx, &fixture, row);
            }
        });
    }
}

/// Calls `ask` with a sample of each row and with samples of all rows.
fn samples(fixture: &Fixture, under_test: &PluginUnderTest<'_>, mut ask: impl FnMut(&Fixture)) {
    let rows: Vec<_> = under_test.writing_rows().filter(|row| stands_alone(row, fixture.in_place())).collect();
    for (seed, row) in (0..).zip(&rows) {
        if let Some(sample) = sample(under_test, fixture, &[*row], 6, seed) {
            ask(&sample);
        }
    }
    for seed in 100..108 {
        if let Some(sample) = sample(under_test, fixture, &rows, 40, seed) {
            ask(&sample);
        }
    }
}

/// Checks relocations to one symbol, to two and to three symbols in turn, near and far.
fn entries(cx: &mut CheckContext<'_>, fixture: &Fixture, row: &PluginRow) {
    let mut rng = Rng::new(row.row.kind.into());
    for far in [true, false] {
        let values: Vec<_> = (0..3)
            .map(|i| match far {
                true => rng.next_u64() & !0xf,
                false => fixture.address().wrapping_add(0x100 * (i + 1)),
            })
            .collect();
        for order in [&[0][..], &[0, 0], &[0, 1], &[1, 0], &[0, 1, 0], &[2, 1, 0, 1, 2], &[0, 1, 2, 2, 1, 0]] {
            let mut made = fixture.clone();
            made.module.sections[0].bytes.resize(order.len() * 16, 0);
            made.module.synthetic = made.module.cut(fixture.address().wrapping_add(0x1000));
            let symbols: Vec<_> = values.iter().map(|value| made.symbol(*value)).collect();
            for (i, which) in (0..).zip(order) {
                made.relocation(Relocation { offset: 16 * i, kind: row.row.kind, symbol: symbols[*which], addend: 0 });
            }
            cx.check(Oracle::Slots, &made.module);
            cx.check(Oracle::ReferenceModel, &made.module);
            // Two addends of one symbol are two targets, and each field must lead to its own.
            made.module.sections[0]
                .relocations
                .iter_mut()
                .skip(1)
                .for_each(|r| r.addend = if fixture.in_place() { 0 } else { 16 });
            cx.check(Oracle::Slots, &made.module);
        }
    }
}

fn costs(cx: &mut CheckContext<'_>, fixture: &Fixture, row: &PluginRow) {
    let mut unit = fixture.clone();
    unit.module.sections[0].bytes.truncate(16);
    let symbol = unit.symbol(0);
    let about = cx.under_test().about();
    let one = |row: &PluginRow, offset, symbol| Relocation { offset, kind: row.row.kind, symbol, addend: 0 };
    match row.row.pairing {
        pairing::LABEL => {
            let Some(high) = about.row(row.row.partner) else { return };
            unit.relocation(one(high, 0, symbol));
            set_value(&cx.under_test().model, &mut unit.module, (0, 0), 0x1234);
            let label = unit.label(0);
            unit.relocation(one(row, 8, label));
        }
        pairing::NEXT => {
            let Some(low) = about.row(row.row.partner) else { return };
            unit.relocation(one(row, 0, symbol));
            unit.relocation(one(low, 8, symbol));
        }
        pairing::BEHIND => {
            let Some(first) = about.row(row.row.partner) else { return };
            unit.relocation(one(first, 0, symbol));
            unit.relocation(one(row, 0, symbol));
        }
        _ => {
            unit.relocation(one(row, 0, symbol));
            set_value(&cx.under_test().model, &mut unit.module, (0, 0), 0);
        }
    }
    for growth in Growth::ALL {
        cx.check(Oracle::Cost(growth), &unit.module);
    }
    // High halves without a low half: a plugin that searches for it each time takes quadratic time.
    if row.row.pairing == pairing::NEXT {
        unit.module.sections[0].relocations.pop();
        cx.check(Oracle::Cost(Growth::Relocations), &unit.module);
    }
}
