//! Records that nobody has checked: the plugin has to refuse each by name, and to go on.

use super::case::{Relocation, Section};
use super::complaint::{Complaint, Wrong};
use super::ground::Ground;
use super::group::Group;
use super::oracle::Oracle;
use super::prover::{Cases, Prover};
use super::run::Outcome;
use super::subject::Subject;
use relobox_abi::{Machine, order, row_flag, symbol_flag};
use relobox_core::rng::Rng;
use relobox_link::description::PluginRow;

/// All of them.
pub(crate) fn derive(prover: &mut Prover<'_>) {
    let subject = prover.subject();
    let plain = plain(subject);
    for ground in subject.grounds() {
        let named = |what: &str| format!("{what} {}", ground.name());
        prover.check(Group::Hostile, &named("wrong symbol index"), |cases| symbols(cases, &ground));
        prover.check(Group::Hostile, &named("unknown type"), |cases| types(cases, &ground));
        prover.check(Group::Hostile, &named("refused type"), |cases| refused(cases, &ground));
        prover.check(Group::Hostile, &named("nothing to do"), |cases| nothing(cases, &ground, plain));
        prover.check(Group::Hostile, &named("many faults"), |cases| many(cases, &ground, plain));
        prover.check(Group::Hostile, &named("records by chance"), |cases| by_chance(cases, &ground));
    }
    let machines = subject.about().machines.clone();
    prover.check(Group::Hostile, "wrong addend form", |cases| forms(cases, &machines));
    prover.check(Group::Hostile, "wrong machine", |cases| strangers(cases, &machines));
}

/// A row that needs nothing but a symbol.
fn plain<'a>(subject: &Subject<'a>) -> Option<&'a PluginRow> {
    let known = |row: &&PluginRow| subject.model.unpredictable(row).is_none() && row.row.width > 1;
    let alone = |row: &&PluginRow| super::vectors::stands_alone(row, true) && row.row.width > 0;
    subject.writing().find(|row| known(row) && alone(row)).or_else(|| subject.writing().find(alone))
}

fn symbols(cases: &mut Cases<'_>, ground: &Ground) {
    let rows: Vec<_> = cases.subject().writing().collect();
    for row in rows {
        for index in [2, 3, 0x7fff_ffff, 0x8000_0000, u32::MAX - 1, u32::MAX] {
            let mut made = ground.clone();
            made.symbol(ground.address());
            made.relocation(Relocation { offset: 16, kind: row.row.kind, symbol: index, addend: 0 });
            cases.ask(Oracle::ReferenceModel, &made.case);
        }
    }
}

fn types(cases: &mut Cases<'_>, ground: &Ground) {
    let about = cases.subject().about();
    let beside = about.rows.iter().flat_map(|row| [row.row.kind.wrapping_sub(1), row.row.kind.wrapping_add(1)]);
    let ends = [0, 1, 0x7f, 0x80, 0xff, 0x100, 0xffff, 0x1_0000, 0x7fff_ffff, 0x8000_0000, u32::MAX];
    let mut unknown: Vec<_> = beside.chain(ends).filter(|kind| about.row(*kind).is_none()).collect();
    unknown.sort_unstable();
    unknown.dedup();
    if unknown.is_empty() {
        cases.skip("every type within its mask has a row");
    }
    for kind in unknown {
        for offset in [0, 16, u64::MAX] {
            let mut made = ground.clone();
            let symbol = made.symbol(ground.address());
            made.relocation(Relocation { offset, kind, symbol, addend: -1 });
            cases.ask(Oracle::ReferenceModel, &made.case);
        }
    }
}

fn refused(cases: &mut Cases<'_>, ground: &Ground) {
    let about = cases.subject().about();
    let rows: Vec<_> = about.rows.iter().filter(|row| row.is(row_flag::REJECT)).collect();
    if rows.is_empty() {
        cases.skip("no type is known and refused");
    }
    for row in rows {
        let mut made = ground.clone();
        let symbol = made.symbol(ground.address());
        made.relocation(Relocation { offset: 16, kind: row.row.kind, symbol, addend: 0 });
        cases.ask(Oracle::ReferenceModel, &made.case);
    }
}

/// Cases with little in them, and types that change nothing.
fn nothing(cases: &mut Cases<'_>, ground: &Ground, plain: Option<&PluginRow>) {
    let kind = plain.map_or(0, |row| row.row.kind);
    cases.ask(Oracle::ReferenceModel, &ground.case);
    let mut empty = ground.clone();
    empty.case.sections.clear();
    cases.ask(Oracle::ReferenceModel, &empty.case);
    let mut hollow = ground.clone();
    hollow.case.sections[0].bytes.clear();
    let symbol = hollow.symbol(ground.address());
    hollow.relocation(Relocation { offset: 0, kind, symbol, addend: 0 });
    cases.ask(Oracle::ReferenceModel, &hollow.case);
    let mut one = hollow.clone();
    one.case.sections[0].bytes = vec![0xa5];
    cases.ask(Oracle::ReferenceModel, &one.case);
    let idle: Vec<_> = cases.subject().about().rows.iter().filter(|row| row.is(row_flag::NOP)).collect();
    for row in idle {
        for offset in [0, 16, 63, 64, u64::MAX] {
            let mut made = ground.clone();
            made.case.sections[0].bytes.fill(0xa5);
            let symbol = made.symbol(ground.address());
            made.relocation(Relocation { offset, kind: row.row.kind, symbol, addend: 5 });
            cases.ask(Oracle::ReferenceModel, &made.case);
        }
    }
}

/// Thousands of faults: all are counted, those that are listed have their names.
fn many(cases: &mut Cases<'_>, ground: &Ground, plain: Option<&PluginRow>) {
    let Some(row) = plain else { return cases.skip("no row is simple enough") };
    for count in [33u32, 999, 3000] {
        for offset in [u64::MAX, 0] {
            let mut made = ground.clone();
            let symbol = made.symbol(ground.address());
            // Half have no place, or no symbol; a good one behind them changes nothing.
            for i in 0..count {
                let symbol = if offset == 0 { u32::MAX - i } else { symbol };
                made.relocation(Relocation { offset, kind: row.row.kind, symbol, addend: 0 });
            }
            made.relocation(Relocation { offset: 16, kind: row.row.kind, symbol, addend: 0 });
            cases.ask(Oracle::ReferenceModel, &made.case);
        }
    }
}

/// Everything at once, by chance; what is certain of it is judged.
fn by_chance(cases: &mut Cases<'_>, ground: &Ground) {
    let subject = cases.subject();
    let about = subject.about();
    let kinds: Vec<_> = about.rows.iter().map(|row| row.row.kind).collect();
    let writing: Vec<_> = subject.writing().map(|row| row.row.kind).collect();
    if kinds.is_empty() || writing.is_empty() {
        return cases.skip("no type has a row");
    }
    let mut rng = Rng::new(about.rows.len() as u64);
    for round in 0..400 {
        let mut made = ground.clone();
        let len = [8, 64, 64, 200][round % 4];
        made.case.sections[0].bytes =
            (0..len).map(|_| rng.next_u64() as u8 & if round & 4 == 0 { 0 } else { 0xff }).collect();
        let interesting = |rng: &mut Rng| match rng.below(5) {
            0 => rng.next_u64(),
            1 => 1u64 << rng.below(64),
            2 => (1u64 << rng.below(64)).wrapping_sub(1),
            3 => rng.next_u64() & 0xfff,
            _ => (rng.next_u64() as i8 as i64).cast_unsigned(),
        };
        for _ in 0..1 + rng.below(4) {
            let near = made.address().wrapping_add(interesting(&mut rng));
            let value = if rng.below(2) == 0 { near } else { interesting(&mut rng) };
            let symbol = made.symbol(value) as usize;
            if rng.below(4) == 0 {
                let symbol = &mut made.case.symbols[symbol - 1];
                (symbol.section, symbol.flags, symbol.value) = (1, 0, value & 0x7f);
            }
        }
        for _ in 0..1 + rng.below(6) {
            let symbols = made.case.symbols.len() as u64;
            let kind = match rng.below(8) {
                0 => interesting(&mut rng) as u32,
                1 => rng.pick(&kinds).copied().unwrap_or_default(),
                _ => rng.pick(&writing).copied().unwrap_or_default(),
            };
            let offset = if rng.below(6) == 0 { interesting(&mut rng) } else { rng.next_u64() % len as u64 };
            let symbol = if rng.below(12) == 0 { interesting(&mut rng) } else { rng.next_u64() % (symbols + 1) };
            let addend = if ground.in_place() || rng.below(2) == 0 { 0 } else { interesting(&mut rng) };
            let addend = addend.cast_signed();
            made.relocation(Relocation { offset, kind, symbol: symbol as u32, addend });
        }
        cases.ask(Oracle::ReferenceModel, &made.case);
        if round % 4 == 0 {
            cases.ask(Oracle::Repeat, &made.case);
        }
    }
}

fn forms(cases: &mut Cases<'_>, machines: &[Machine]) {
    let taken = cases.subject().model.forms();
    if taken.explicit && taken.in_place {
        return cases.skip("it takes addends in either form");
    }
    let kinds: Vec<_> = cases.subject().about().rows.iter().map(|row| row.row.kind).collect();
    for machine in machines {
        for kind in &kinds {
            let mut made = Ground::new(*machine, taken.explicit);
            let symbol = made.symbol(made.address());
            made.relocation(Relocation { offset: 16, kind: *kind, symbol, addend: 0 });
            cases.ask(Oracle::ReferenceModel, &made.case);
            // One section of each form.
            let mut right = made.case.sections[0].clone();
            right = Section { name: ".data".into(), in_place: !taken.explicit, relocations: Vec::new(), ..right };
            right.address = made.case.cut(right.address.wrapping_add(0x1000));
            made.case.sections.insert(0, right);
            cases.ask(Oracle::ReferenceModel, &made.case);
        }
    }
}

/// The host never hands a plugin a machine that it does not describe. One that looks nevertheless is better.
fn strangers(cases: &mut Cases<'_>, machines: &[Machine]) {
    let mut linked = false;
    for m in machines {
        let others = [
            Machine { machine: m.machine ^ 0x100, ..*m },
            Machine { class: 96 - m.class, ..*m },
            Machine { order: order::LITTLE + order::BIG - m.order, ..*m },
            Machine { flags_value: m.flags_value ^ m.flags_mask, ..*m },
        ];
        for other in others {
            let mut made = Ground::new(other, !cases.subject().model.forms().explicit);
            if cases.subject().model.links(&made.case) {
                continue;
            }
            let symbol = made.symbol(made.address());
            made.case.symbols[0].flags |= symbol_flag::WEAK;
            made.relocation(Relocation { offset: 16, kind: machines.len() as u32, symbol, addend: 0 });
            cases.ask(Oracle::ReferenceModel, &made.case);
            match cases.subject().run(&made.case).outcome {
                Outcome::Refused(_) => {}
                Outcome::Linked(_) => linked = true,
                Outcome::Misbehaved(what) => cases.complain(Complaint {
                    wrong: Wrong::Misbehaved,
                    about: "a job of another machine".into(),
                    expected: "bad-machine".into(),
                    came: format!("it {what}"),
                }),
            }
        }
    }
    if linked {
        cases.partly("it does not look: the host asks for no machine but its own");
    }
}
