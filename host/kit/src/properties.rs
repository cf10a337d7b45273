//! Metamorphic properties, determinism, table entries, cost: for each row, and for all rows together.

use super::case::Relocation;
use super::cost::Growth;
use super::ground::Ground;
use super::group::Group;
use super::oracle::Oracle;
use super::prover::{Cases, Prover};
use super::sample::{aim, sample};
use super::subject::Subject;
use super::vectors::stands_alone;
use relobox_abi::{effect, pairing, row_flag};
use relobox_core::rng::Rng;
use relobox_link::description::PluginRow;

/// Distances by which things move: inside a field, by a page, beyond a branch, beyond 32 bits.
const DISTANCES: [u64; 6] = [0x10, 0x1000, 0x1_0000, 0x10_0000, 0x40_0000_0000, 0xffff_ffff_ffff_f000];

/// What a sample is asked.
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

/// All of them.
pub(crate) fn derive(prover: &mut Prover<'_>) {
    let subject = prover.subject();
    for (name, oracles) in properties() {
        prover.check(Group::Properties, name, |cases| {
            for ground in subject.grounds() {
                samples(&ground, subject, |sample| {
                    for oracle in &oracles {
                        cases.ask(oracle.clone(), &sample.case);
                    }
                });
            }
        });
    }
    prover.check(Group::Determinism, "repeat", |cases| {
        for ground in subject.grounds() {
            samples(&ground, subject, |sample| cases.ask(Oracle::Repeat, &sample.case));
        }
    });
    let leads = |row: &&PluginRow| {
        let table = row.row.effect == effect::SLOT || subject.model.unpredictable(row).is_some();
        (table && !row.is(row_flag::BY_HAND | row_flag::DERIVED)) || row.is(row_flag::FALLBACK)
    };
    for row in subject.writing().filter(leads) {
        prover.check(Group::Slots, &row.name, |cases| {
            for ground in subject.grounds() {
                entries(cases, &ground, row);
            }
        });
    }
    for row in subject.writing() {
        prover.check(Group::Cost, &row.name, |cases| {
            for ground in subject.grounds().into_iter().take(1) {
                costs(cases, &ground, row);
            }
        });
    }
}

/// A sample for each row, and some of all rows.
fn samples(ground: &Ground, subject: &Subject<'_>, mut ask: impl FnMut(&Ground)) {
    let rows: Vec<_> = subject.writing().filter(|row| stands_alone(row, ground.in_place())).collect();
    for (seed, row) in (0..).zip(&rows) {
        if let Some(sample) = sample(subject, ground, &[*row], 6, seed) {
            ask(&sample);
        }
    }
    for seed in 100..108 {
        if let Some(sample) = sample(subject, ground, &rows, 40, seed) {
            ask(&sample);
        }
    }
}

/// The same symbol twice, two symbols, by turns; near and far.
fn entries(cases: &mut Cases<'_>, ground: &Ground, row: &PluginRow) {
    let mut rng = Rng::new(row.row.kind.into());
    for far in [true, false] {
        let values: Vec<_> = (0..3)
            .map(|i| match far {
                true => rng.next_u64() & !0xf,
                false => ground.address().wrapping_add(0x100 * (i + 1)),
            })
            .collect();
        for order in [&[0][..], &[0, 0], &[0, 1], &[1, 0], &[0, 1, 0], &[2, 1, 0, 1, 2], &[0, 1, 2, 2, 1, 0]] {
            let mut made = ground.clone();
            made.case.sections[0].bytes.resize(order.len() * 16, 0);
            made.case.synthetic = made.case.cut(ground.address().wrapping_add(0x1000));
            let symbols: Vec<_> = values.iter().map(|value| made.symbol(*value)).collect();
            for (i, which) in (0..).zip(order) {
                made.relocation(Relocation { offset: 16 * i, kind: row.row.kind, symbol: symbols[*which], addend: 0 });
            }
            cases.ask(Oracle::Slots, &made.case);
            cases.ask(Oracle::ReferenceModel, &made.case);
            // Two addends of one symbol are two targets: whatever is shared, each field must lead right.
            made.case.sections[0]
                .relocations
                .iter_mut()
                .skip(1)
                .for_each(|r| r.addend = if ground.in_place() { 0 } else { 16 });
            cases.ask(Oracle::Slots, &made.case);
        }
    }
}

fn costs(cases: &mut Cases<'_>, ground: &Ground, row: &PluginRow) {
    let mut unit = ground.clone();
    unit.case.sections[0].bytes.truncate(16);
    let symbol = unit.symbol(0);
    let about = cases.subject().about();
    let one = |row: &PluginRow, offset, symbol| Relocation { offset, kind: row.row.kind, symbol, addend: 0 };
    match row.row.pairing {
        pairing::LABEL => {
            let Some(high) = about.row(row.row.partner) else { return };
            unit.relocation(one(high, 0, symbol));
            aim(&cases.subject().model, &mut unit.case, (0, 0), 0x1234);
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
            aim(&cases.subject().model, &mut unit.case, (0, 0), 0);
        }
    }
    for growth in Growth::ALL {
        cases.ask(Oracle::Cost(growth), &unit.case);
    }
    // High halves for which no low one comes: whoever looks for it each time looks far.
    if row.row.pairing == pairing::NEXT {
        unit.case.sections[0].relocations.pop();
        cases.ask(Oracle::Cost(Growth::Relocations), &unit.case);
    }
}
