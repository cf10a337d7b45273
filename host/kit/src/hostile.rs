//! Checks with malformed records: the plugin must refuse each of them with the right fault, without breaking the
//! contract.

use super::diagnostic::{DiagnosticKind, PluginDiagnostic};
use super::fixture::Fixture;
use super::group::Group;
use super::oracle::Oracle;
use super::plugin_under_test::PluginUnderTest;
use super::run::Outcome;
use super::runner::{CheckContext, CheckRunner};
use super::test_module::{Relocation, Section};
use relobox_abi::{Machine, order, row_flag, symbol_flag};
use relobox_core::rng::Rng;
use relobox_link::description::PluginRow;

/// Runs the checks of the group `hostile`.
pub(crate) fn derive(runner: &mut CheckRunner<'_>) {
    let under_test = runner.under_test();
    let plain = plain(under_test);
    for fixture in under_test.fixtures() {
        let named = |what: &str| format!("{what} {}", fixture.name());
        runner.check(Group::Hostile, &named("wrong symbol index"), |cx| symbols(cx, &fixture));
        runner.check(Group::Hostile, &named("unknown type"), |cx| types(cx, &fixture));
        runner.check(Group::Hostile, &named("refused type"), |cx| refused(cx, &fixture));
        runner.check(Group::Hostile, &named("nothing to do"), |cx| nothing(cx, &fixture, plain));
        runner.check(Group::Hostile, &named("many faults"), |cx| many(cx, &fixture, plain));
        runner.check(Group::Hostile, &named("records by chance"), |cx| by_chance(cx, &fixture));
    }
    let machines = under_test.about().machines.clone();
    runner.check(Group::Hostile, "wrong addend form", |cx| forms(cx, &machines));
    runner.check(Group::Hostile, "wrong machine", |cx| strangers(cx, &machines));
}

/// Returns a row whose relocations need nothing but a symbol, preferably one with predicted bytes.
fn plain<'a>(under_test: &PluginUnderTest<'a>) -> Option<&'a PluginRow> {
    let known = |row: &&PluginRow| under_test.model.unpredictable(row).is_none() && row.row.width > 1;
    let alone = |row: &&PluginRow| super::vectors::stands_alone(row, true) && row.row.width > 0;
    under_test.writing_rows().find(|row| known(row) && alone(row)).or_else(|| under_test.writing_rows().find(alone))
}

fn symbols(cx: &mut CheckContext<'_>, fixture: &Fixture) {
    let rows: Vec<_> = cx.under_test().writing_rows().collect();
    for row in rows {
        for index in [2, 3, 0x7fff_ffff, 0x8000_0000, u32::MAX - 1, u32::MAX] {
            let mut made = fixture.clone();
            made.symbol(fixture.address());
            made.relocation(Relocation { offset: 16, kind: row.row.kind, symbol: index, addend: 0 });
            cx.check(Oracle::ReferenceModel, &made.module);
        }
    }
}

fn types(cx: &mut CheckContext<'_>, fixture: &Fixture) {
    let about = cx.under_test().about();
    let beside = about.rows.iter().flat_map(|row| [row.row.kind.wrapping_sub(1), row.row.kind.wrapping_add(1)]);
    let ends = [0, 1, 0x7f, 0x80, 0xff, 0x100, 0xffff, 0x1_0000, 0x7fff_ffff, 0x8000_0000, u32::MAX];
    let mut unknown: Vec<_> = beside.chain(ends).filter(|kind| about.row(*kind).is_none()).collect();
    unknown.sort_unstable();
    unknown.dedup();
    if unknown.is_empty() {
        cx.set_limitation("every type has a row");
    }
    for kind in unknown {
        for offset in [0, 16, u64::MAX] {
            let mut made = fixture.clone();
            let symbol = made.symbol(fixture.address());
            made.relocation(Relocation { offset, kind, symbol, addend: -1 });
            cx.check(Oracle::ReferenceModel, &made.module);
        }
    }
}

fn refused(cx: &mut CheckContext<'_>, fixture: &Fixture) {
    let about = cx.under_test().about();
    let rows: Vec<_> = about.rows.iter().filter(|row| row.is(row_flag::REJECT)).collect();
    if rows.is_empty() {
        cx.set_limitation("no row rejects its type");
    }
    for row in rows {
        let mut made = fixture.clone();
        let symbol = made.symbol(fixture.address());
        made.relocation(Relocation { offset: 16, kind: row.row.kind, symbol, addend: 0 });
        cx.check(Oracle::ReferenceModel, &made.module);
    }
}

/// Checks modules that are almost empty, and types that change nothing.
fn nothing(cx: &mut CheckContext<'_>, fixture: &Fixture, plain: Option<&PluginRow>) {
    let kind = plain.map_or(0, |row| row.row.kind);
    cx.check(Oracle::ReferenceModel, &fixture.module);
    let mut empty = fixture.clone();
    empty.module.sections.clear();
    cx.check(Oracle::ReferenceModel, &empty.module);
    let mut hollow = fixture.clone();
    hollow.module.sections[0].bytes.clear();
    let symbol = hollow.symbol(fixture.address());
    hollow.relocation(Relocation { offset: 0, kind, symbol, addend: 0 });
    cx.check(Oracle::ReferenceModel, &hollow.module);
    let mut one = hollow.clone();
    one.module.sections[0].bytes = vec![0xa5];
    cx.check(Oracle::ReferenceModel, &one.module);
    let idle: Vec<_> = cx.under_test().about().rows.iter().filter(|row| row.is(row_flag::NOP)).collect();
    for row in idle {
        for offset in [0, 16, 63, 64, u64::MAX] {
            let mut made = fixture.clone();
            made.module.sections[0].bytes.fill(0xa5);
            let symbol = made.symbol(fixture.address());
            made.relocation(Relocation { offset, kind: row.row.kind, symbol, addend: 5 });
            cx.check(Oracle::ReferenceModel, &made.module);
        }
    }
}

/// Checks thousands of faults: the plugin must count all of them, and those that it lists must name their relocations.
fn many(cx: &mut CheckContext<'_>, fixture: &Fixture, plain: Option<&PluginRow>) {
    let Some(row) = plain else { return cx.set_limitation("no row is simple enough") };
    for count in [33u32, 999, 3000] {
        for offset in [u64::MAX, 0] {
            let mut made = fixture.clone();
            let symbol = made.symbol(fixture.address());
            // All relocations but the last have a bad place or a bad symbol; the good one at the end must not matter.
            for i in 0..count {
                let symbol = if offset == 0 { u32::MAX - i } else { symbol };
                made.relocation(Relocation { offset, kind: row.row.kind, symbol, addend: 0 });
            }
            made.relocation(Relocation { offset: 16, kind: row.row.kind, symbol, addend: 0 });
            cx.check(Oracle::ReferenceModel, &made.module);
        }
    }
}

/// Checks randomly generated modules, as far as the reference model has a prediction.
fn by_chance(cx: &mut CheckContext<'_>, fixture: &Fixture) {
    let under_test = cx.under_test();
    let about = under_test.about();
    let kinds: Vec<_> = about.rows.iter().map(|row| row.row.kind).collect();
    let writing: Vec<_> = under_test.writing_rows().map(|row| row.row.kind).collect();
    if kinds.is_empty() || writing.is_empty() {
        return cx.set_limitation("no type has a row");
    }
    let mut rng = Rng::new(about.rows.len() as u64);
    for round in 0..400 {
        let mut made = fixture.clone();
        let len = [8, 64, 64, 200][round % 4];
        made.module.sections[0].bytes =
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
                let symbol = &mut made.module.symbols[symbol - 1];
                (symbol.section, symbol.flags, symbol.value) = (1, 0, value & 0x7f);
            }
        }
        for _ in 0..1 + rng.below(6) {
            let symbols = made.module.symbols.len() as u64;
            let kind = match rng.below(8) {
                0 => interesting(&mut rng) as u32,
                1 => rng.pick(&kinds).copied().unwrap_or_default(),
                _ => rng.pick(&writing).copied().unwrap_or_default(),
            };
            let offset = if rng.below(6) == 0 { interesting(&mut rng) } else { rng.next_u64() % len as u64 };
            let symbol = if rng.below(12) == 0 { interesting(&mut rng) } else { rng.next_u64() % (symbols + 1) };
            let addend = if fixture.in_place() || rng.below(2) == 0 { 0 } else { interesting(&mut rng) };
            let addend = addend.cast_signed();
            made.relocation(Relocation { offset, kind, symbol: symbol as u32, addend });
        }
        cx.check(Oracle::ReferenceModel, &made.module);
        if round % 4 == 0 {
            cx.check(Oracle::Repeat, &made.module);
        }
    }
}

fn forms(cx: &mut CheckContext<'_>, machines: &[Machine]) {
    let taken = cx.under_test().model.forms();
    if taken.explicit && taken.in_place {
        return cx.set_limitation("it takes both addend forms");
    }
    let kinds: Vec<_> = cx.under_test().about().rows.iter().map(|row| row.row.kind).collect();
    for machine in machines {
        for kind in &kinds {
            let mut made = Fixture::new(*machine, taken.explicit);
            let symbol = made.symbol(made.address());
            made.relocation(Relocation { offset: 16, kind: *kind, symbol, addend: 0 });
            cx.check(Oracle::ReferenceModel, &made.module);
            // Add a section with the other addend form.
            let mut right = made.module.sections[0].clone();
            right = Section { name: ".data".into(), in_place: !taken.explicit, relocations: Vec::new(), ..right };
            right.address = made.module.cut(right.address.wrapping_add(0x1000));
            made.module.sections.insert(0, right);
            cx.check(Oracle::ReferenceModel, &made.module);
        }
    }
}

/// Checks machines that the plugin does not describe. The host never passes these to a plugin, so a plugin that links
/// them is not at fault, but it must not break the contract.
fn strangers(cx: &mut CheckContext<'_>, machines: &[Machine]) {
    let mut linked = false;
    for m in machines {
        let others = [
            Machine { machine: m.machine ^ 0x100, ..*m },
            Machine { class: 96 - m.class, ..*m },
            Machine { order: order::LITTLE + order::BIG - m.order, ..*m },
            Machine { flags_value: m.flags_value ^ m.flags_mask, ..*m },
        ];
        for other in others {
            let mut made = Fixture::new(other, !cx.under_test().model.forms().explicit);
            if cx.under_test().model.links(&made.module) {
                continue;
            }
            let symbol = made.symbol(made.address());
            made.module.symbols[0].flags |= symbol_flag::WEAK;
            made.relocation(Relocation { offset: 16, kind: machines.len() as u32, symbol, addend: 0 });
            cx.check(Oracle::ReferenceModel, &made.module);
            match cx.under_test().run(&made.module).outcome {
                Outcome::Refused(_) => {}
                Outcome::Linked(_) => linked = true,
                Outcome::GuestError(what) => cx.report(PluginDiagnostic {
                    kind: DiagnosticKind::ContractViolation,
                    about: "a job for another machine".into(),
                    expected: "bad-machine".into(),
                    actual: format!("it {what}"),
                }),
            }
        }
    }
    if linked {
        cx.set_limitation("it does not check the machine, and need not: the host does");
    }
}
