//! Checks on the pairs that rows declare: both halves together must hold the value, also where the low half carries
//! into the high half; a half without its partner must be refused; and pairs may be interleaved where the pairing
//! permits it.

use super::field::Field;
use super::fixture::Fixture;
use super::group::Group;
use super::oracle::Oracle;
use super::plugin_under_test::PluginUnderTest;
use super::runner::{CheckContext, CheckRunner};
use super::sample::set_value;
use super::test_module::Relocation;
use relobox_abi::pairing;
use relobox_link::description::PluginRow;

/// Runs the checks of the group `pairs`.
pub(crate) fn derive(runner: &mut CheckRunner<'_>) {
    let under_test = runner.under_test();
    for row in under_test.writing_rows().filter(|row| row.row.pairing != pairing::NONE) {
        runner.check(Group::Pairs, &row.name, |cx| {
            let Some(partner) = under_test.about().row(row.row.partner) else { return };
            for fixture in under_test.fixtures() {
                match row.row.pairing {
                    pairing::LABEL => labels(cx, &fixture, row, under_test),
                    pairing::NEXT => halves(cx, &fixture, row, partner),
                    pairing::PART => parts(cx, &fixture, row, partner),
                    pairing::BEHIND => behind(cx, &fixture, row, partner),
                    pairing::PLACE => places(cx, &fixture, row, partner),
                    // The row of the low half has the test modules.
                    _ => cx.set_limitation("it is checked with its low halves"),
                }
            }
        });
    }
    if under_test.about().abi < 2 {
        runner.check(Group::Pairs, "all", |cx| cx.set_limitation("the plugin is of ABI version 1, which has no pairs"));
    }
}

/// Returns values around the carries of a low half of `bits` bits.
fn carries(bits: u8) -> Vec<i64> {
    let half = 1i64 << bits.clamp(1, 30).saturating_sub(1);
    let near = [0, half, 2 * half, 3 * half, 0x1234 * half, 0x7ffe * half, -half, -2 * half, -0x4321 * half];
    near.iter().flat_map(|at| [at - 1, *at, at + 1]).collect()
}

fn relocation(row: &PluginRow, offset: u64, symbol: u32) -> Relocation {
    Relocation { offset, kind: row.row.kind, symbol, addend: 0 }
}

fn labels(cx: &mut CheckContext<'_>, fixture: &Fixture, low: &PluginRow, under_test: &PluginUnderTest<'_>) {
    let highs = under_test.writing_rows().filter(|row| row.row.pairing == pairing::LABELLED);
    for high in highs {
        for value in carries(high.row.round.max(12)) {
            let pair = |fixture: &mut Fixture, at: [u64; 2], value: i64| {
                let target = fixture.symbol(0);
                let label = fixture.label(at[0]);
                fixture.relocation(relocation(high, at[0], target));
                let index = fixture.module.sections[0].relocations.len() - 1;
                set_value(&under_test.model, &mut fixture.module, (0, index), value);
                fixture.relocation(relocation(low, at[1], label));
                label
            };
            let mut made = fixture.clone();
            made.module.sections[0].bytes.fill(0xa5);
            let label = pair(&mut made, [16, 24], value);
            cx.check(Oracle::ReferenceModel, &made.module);
            // Add a second low half for the same high half, then put the low halves first.
            made.relocation(relocation(low, 40, label));
            cx.check(Oracle::ReferenceModel, &made.module);
            made.module.sections[0].relocations.reverse();
            cx.check(Oracle::ReferenceModel, &made.module);
            let mut made = fixture.clone();
            let label = pair(&mut made, [48, 0], value);
            made.relocation(relocation(low, 8, label));
            cx.check(Oracle::ReferenceModel, &made.module);
            // Interleave two pairs.
            let mut made = fixture.clone();
            pair(&mut made, [0, 24], value);
            pair(&mut made, [8, 16], value.wrapping_add(0x7531));
            cx.check(Oracle::ReferenceModel, &made.module);
            made.module.sections[0].relocations.swap(1, 3);
            made.module.sections[0].relocations.swap(0, 2);
            cx.check(Oracle::ReferenceModel, &made.module);
            cx.check(Oracle::Permute(value.cast_unsigned()), &made.module);
        }
        // Labels that are not at a high half: beside it, at the low half, behind the section, before it.
        for offset in [20, 12, 24, 64, 0x1000, 1 << 31, 0xffff_fff0, 0xffff_ffff_ffff_fff0] {
            let mut made = fixture.clone();
            let target = made.symbol(0);
            made.relocation(relocation(high, 16, target));
            set_value(&under_test.model, &mut made.module, (0, 0), 0x1234);
            let label = made.label(offset);
            made.relocation(relocation(low, 24, label));
            cx.check(Oracle::ReferenceModel, &made.module);
            made.module.sections[0].relocations.remove(0);
            cx.check(Oracle::ReferenceModel, &made.module);
        }
        // A high half in another section does not count.
        let mut made = fixture.clone();
        let target = made.symbol(made.address());
        made.relocation(relocation(high, 16, target));
        let label = made.label(16);
        let mut other = made.module.sections[0].clone();
        (other.name, other.address) = (".init.text".into(), made.module.cut(made.address().wrapping_add(0x1_0000)));
        other.relocations = vec![relocation(low, 24, label)];
        made.module.sections.push(other);
        cx.check(Oracle::ReferenceModel, &made.module);
        // A label at the same offset of the other section does not count either.
        (made.module.symbols[1].section, made.module.symbols[1].value) = (2, 16);
        cx.check(Oracle::ReferenceModel, &made.module);
    }
}

/// Stores `addend` in the places of both halves.
fn split(fixture: &mut Fixture, (high, at): (&PluginRow, u64), (low, low_at): (&PluginRow, u64), addend: i64) {
    let order = fixture.module.order;
    let bytes = &mut fixture.module.sections[0].bytes;
    let (high, low) = (Field::of(high, order), Field::of(low, order));
    let low_part = low.signed(low.insert(0, |_| addend));
    for (field, at, value) in [(high, at, addend.wrapping_sub(low_part)), (low, low_at, low_part)] {
        let at = at as usize;
        let word = field.insert(field.word(&bytes[at..]), |_| value);
        bytes[at..at + field.width].copy_from_slice(&field.bytes(word)[..field.width]);
    }
}

fn halves(cx: &mut CheckContext<'_>, fixture: &Fixture, high: &PluginRow, low: &PluginRow) {
    let in_place = fixture.in_place();
    for value in carries(high.row.round.max(12)) {
        for addend in [0, 0x7fff, 0x8000, -1, 0x1_8000, -0x8001] {
            let mut made = fixture.clone();
            made.module.sections[0].bytes.fill(0x3c);
            let symbol = made.symbol(made.module.cut(value.cast_unsigned()));
            let explicit = if in_place { 0 } else { addend };
            made.relocation(Relocation { addend: explicit, ..relocation(high, 16, symbol) });
            made.relocation(Relocation { addend: explicit, ..relocation(low, 24, symbol) });
            split(&mut made, (high, 16), (low, 24), addend);
            cx.check(Oracle::ReferenceModel, &made.module);
            if in_place && addend != 0 {
                // A second high half for the same low half, a second low half, and pairs of two symbols.
                split(&mut made, (high, 0), (low, 24), addend);
                made.module.sections[0].relocations.insert(0, relocation(high, 0, symbol));
                cx.check(Oracle::ReferenceModel, &made.module);
                made.relocation(relocation(low, 40, symbol));
                cx.check(Oracle::ReferenceModel, &made.module);
                let other = made.symbol(made.module.cut(value.cast_unsigned().wrapping_mul(3)));
                made.relocation(relocation(high, 48, other));
                made.relocation(relocation(low, 56, other));
                split(&mut made, (high, 48), (low, 56), addend.wrapping_mul(5));
                cx.check(Oracle::ReferenceModel, &made.module);
            }
        }
    }
    // A high half alone, before the low half of another symbol, and behind its low half.
    let mut alone = fixture.clone();
    let symbol = alone.symbol(0x1_2345);
    alone.relocation(relocation(high, 16, symbol));
    cx.check(Oracle::ReferenceModel, &alone.module);
    let mut crossed = alone.clone();
    let other = crossed.symbol(0x5_4321);
    crossed.relocation(relocation(low, 24, other));
    cx.check(Oracle::ReferenceModel, &crossed.module);
    let mut behind = alone;
    behind.module.sections[0].relocations.insert(0, relocation(low, 24, symbol));
    cx.check(Oracle::ReferenceModel, &behind.module);
}

/// Checks two parts that are patched independently of each other.
fn parts(cx: &mut CheckContext<'_>, fixture: &Fixture, low: &PluginRow, high: &PluginRow) {
    let width = Field::of(low, fixture.module.order).value_bits() as u8;
    for value in carries(if high.row.round == 0 { width } else { high.row.round }) {
        let value = value & i64::from(low.row.align.max(1)).wrapping_neg();
        let mut made = fixture.clone();
        made.module.sections[0].bytes.fill(0xa5);
        let symbol = made.symbol(0);
        made.relocation(relocation(high, 16, symbol));
        set_value(&cx.under_test().model, &mut made.module, (0, 0), value);
        made.relocation(relocation(low, 24, symbol));
        cx.check(Oracle::ReferenceModel, &made.module);
        let target = made.address().wrapping_add_signed(value);
        made.module.symbols[0].value = made.module.cut(target);
        cx.check(Oracle::ReferenceModel, &made.module);
        made.module.sections[0].relocations.reverse();
        cx.check(Oracle::ReferenceModel, &made.module);
    }
}

fn behind(cx: &mut CheckContext<'_>, fixture: &Fixture, second: &PluginRow, first: &PluginRow) {
    let mut both = fixture.clone();
    let (a, b) = (both.symbol(fixture.address().wrapping_add(24)), both.symbol(fixture.address().wrapping_add(16)));
    both.relocation(relocation(first, 16, a));
    both.relocation(relocation(second, 16, b));
    cx.check(Oracle::ReferenceModel, &both.module);
    cx.check(Oracle::Shift(0x10_0000), &both.module);
    let mut swapped = both.clone();
    swapped.module.sections[0].relocations.reverse();
    cx.check(Oracle::ReferenceModel, &swapped.module);
    let mut apart = both.clone();
    apart.module.sections[0].relocations[1].offset = 32;
    cx.check(Oracle::ReferenceModel, &apart.module);
    for i in [0, 1] {
        let mut alone = both.clone();
        alone.module.sections[0].relocations.remove(i);
        cx.check(Oracle::ReferenceModel, &alone.module);
    }
    let mut twice = both.clone();
    twice.module.sections[0].relocations.insert(0, relocation(first, 16, a));
    cx.check(Oracle::ReferenceModel, &twice.module);
}

fn places(cx: &mut CheckContext<'_>, fixture: &Fixture, row: &PluginRow, partner: &PluginRow) {
    for (a, b) in [(0x40, 0x10), (0x10, 0x40), (0xffff_ffff, 1), (0, 0), (0x8000_0080, 0x7fff_ff7f)] {
        for poison in [0, 0xff, 0x5a] {
            let mut made = fixture.clone();
            made.module.sections[0].bytes.fill(poison);
            let (a, b) = (made.symbol(a), made.symbol(b));
            for (i, at) in [(0, 16), (1, 40)] {
                let two = [relocation(row, at, a), relocation(partner, at, b)];
                made.relocation(two[i]);
                made.relocation(two[1 - i]);
                cx.check(Oracle::ReferenceModel, &made.module);
            }
            made.relocation(relocation(row, 16, b));
            cx.check(Oracle::ReferenceModel, &made.module);
        }
    }
}
