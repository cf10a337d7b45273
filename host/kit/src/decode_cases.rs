//! The group `decoding`: modules for rows that have decoding rules, above all for those whose formula the reference
//! model cannot evaluate.

use super::decoding::{RowRule, Word};
use super::edges::{POISON, step};
use super::field::write;
use super::fixture::Fixture;
use super::group::Group;
use super::oracle::Oracle;
use super::runner::{CheckContext, CheckRunner};
use super::test_module::{Relocation, Symbol, TestModule};
use relobox_abi::{order, pairing};
use relobox_core::rng::Rng;
use relobox_link::description::PluginRow;

/// The offset of the place, and the size of the section.
const AT: u64 = 32;
const SIZE: usize = 96;

/// Values of `st_other` for symbols that the module defines: visibilities, and the upper bits, which processors use.
const OTHERS: [u8; 8] = [0, 2, 0x20, 0x40, 0x60, 0x80, 0x88, 0xc0];

/// Runs the checks of the group.
pub(crate) fn derive(runner: &mut CheckRunner<'_>) {
    let under_test = runner.under_test();
    let rules = &under_test.model.rules;
    for row in under_test.writing_rows() {
        let Some(rule) = rules.row(row.row.kind) else { continue };
        runner.check(Group::Decoding, &row.name, |cx| {
            for fixture in under_test.fixtures() {
                if rule.is_on_stack() {
                    on_stack(cx, &fixture, row, rule);
                } else {
                    alone(cx, &fixture, row, rule);
                    alone(cx, &at_the_end_of_a_segment(&fixture), row, rule);
                }
            }
        });
    }
}

/// Fills the section with `poison`, and puts the words of an alternative of the rule at the place.
fn prepare(fixture: &mut Fixture, instructions: u8, with: &[Word], at: u64, poison: u8, rng: &mut Rng) {
    let big_data = fixture.module.order == order::BIG;
    let bytes = &mut fixture.module.sections[0].bytes;
    if bytes.len() != SIZE {
        *bytes = vec![poison; SIZE];
    }
    if poison == POISON[3] {
        bytes.iter_mut().for_each(|byte| *byte = rng.next_u64() as u8);
    }
    for word in with {
        let big = match instructions {
            order::LITTLE if word.instruction => false,
            order::BIG if word.instruction => true,
            _ => big_data,
        };
        let value = write(word.value, word.width, big);
        let start = usize::try_from(at.wrapping_add_signed(word.offset)).unwrap_or(usize::MAX);
        if let Some(place) = bytes.get_mut(start..).and_then(|rest| rest.get_mut(..word.width)) {
            place.copy_from_slice(&value);
        }
    }
}

/// Returns the distances of symbols from the place that are tried.
fn distances(row: &PluginRow, seed: u64) -> Vec<i64> {
    let mut rng = Rng::new(seed);
    let step = step(row).max(1);
    let mut all = vec![0, 4, 8, 0x10, -4, -0x10, 0x7f8, 0x800, 0x8000, 0x1_7ff8, -0x8000, -0x7ff8];
    for bits in 2..40 {
        let random = (rng.next_u64() >> (63 - bits)).cast_signed();
        all.extend([random, -random, (random | 1 << bits) & -16]);
    }
    // Other bits than those of the step are looked at by the group `vectors`.
    all.iter().map(|distance| distance & -step.max(4)).chain([1, 2, 3]).collect()
}

/// Returns the values of symbols that are tried for a place at this address: near it, near what
/// the plugin makes, and small ones.
fn targets(fixture: &Fixture, row: &PluginRow, place: u64) -> Vec<u64> {
    let near = distances(row, row.row.kind.into()).into_iter().map(|distance| place.wrapping_add_signed(distance));
    // A base pointer is often in the middle of its table's reach.
    let base = fixture.module.synthetic.wrapping_add(0x8000);
    let made = [0, 4, 8, -8, 0x7ff0, 0x7ff8, 0x8000, -0x8000].map(|by| base.wrapping_add_signed(by));
    // What short immediates hold.
    let small = [0x40, 0x1230, 0x12_3450, 0x1234_5670];
    // Too far for any field, and where no instruction can be.
    let far = [1, 2, 4].map(|by| place.wrapping_add((1 << 36) + by));
    near.chain(made).chain(small).chain(far).map(|address| fixture.module.cut(address)).collect()
}

/// Moves a fixture so that the place is the last word of a segment of 256 MiB, within which some processors jump.
fn at_the_end_of_a_segment(fixture: &Fixture) -> Fixture {
    let address = (fixture.address().wrapping_add(AT) | 0xfff_ffff).wrapping_sub(3 + AT);
    let by = address.wrapping_sub(fixture.address());
    let mut moved = fixture.clone().at(address);
    let synthetic = moved.module.synthetic.wrapping_add(by) & !0xffff | TestModule::LAST_FIRST;
    moved.module.synthetic = moved.module.cut(synthetic);
    moved
}

fn alone(cx: &mut CheckContext<'_>, fixture: &Fixture, row: &PluginRow, rule: &RowRule) {
    let instructions = cx.under_test().model.rules.instructions;
    let none = vec![Vec::new()];
    let alternatives = if rule.with.is_empty() { &none } else { &rule.with };
    let mut rng = Rng::new(u64::from(row.row.kind));
    let addends = if fixture.in_place() { [0; 4] } else { [0, -4, 8, -8] };
    let place = fixture.address().wrapping_add(AT);
    for (i, target) in targets(fixture, row, place).into_iter().enumerate() {
        // A place in a bundle says which of its instructions is meant.
        let at = AT + (i / 8 % 4) as u64 % u64::from(row.row.window_align).max(1);
        let inside = target.wrapping_sub(fixture.address());
        for (j, with) in alternatives.iter().enumerate() {
            let mut made = fixture.clone();
            let poison = POISON[(i + j) % 4];
            prepare(&mut made, instructions, with, at, poison, &mut rng);
            let addend = addends[(i / 2 + j) % 4];
            // Every third symbol is the module's own: in the first section, or in another one.
            let symbol = match i % 3 {
                0 if inside < SIZE as u64 => {
                    let label = made.label(inside);
                    made.module.symbols[label as usize - 1].other = OTHERS[i / 3 % OTHERS.len()];
                    label
                }
                1 => {
                    let symbol = made.symbol(target);
                    let defined = &mut made.module.symbols[symbol as usize - 1];
                    *defined = Symbol {
                        // Without a section it has its final value.
                        flags: relobox_abi::symbol_flag::ABSOLUTE,
                        other: OTHERS[i / 3 % OTHERS.len()],
                        ..defined.clone()
                    };
                    symbol
                }
                _ => made.symbol(target),
            };
            // A row that completes another one stands behind it.
            if row.row.pairing == pairing::BEHIND {
                let partner = made.symbol(place.midpoint(target));
                made.relocation(Relocation { offset: at, kind: row.row.partner, symbol: partner, addend });
            }
            made.relocation(Relocation { offset: at, kind: row.row.kind, symbol, addend });
            let rows = cx.under_test().about().rows.iter();
            let follows = |other: &&PluginRow| {
                other.row.pairing == pairing::BEHIND && other.row.partner == row.row.kind && other.writes()
            };
            if let Some(follower) = rows.into_iter().find(follows) {
                let other = made.symbol(place.midpoint(target));
                made.relocation(Relocation { offset: at, kind: follower.row.kind, symbol: other, addend });
            }
            cx.check(Oracle::ReferenceModel, &made.module);
        }
    }
}

/// Makes a module in which a row finds what it takes from the stack, and others take what is left.
fn on_stack(cx: &mut CheckContext<'_>, fixture: &Fixture, row: &PluginRow, rule: &RowRule) {
    let model = &cx.under_test().model;
    let rules = || cx.under_test().writing_rows().filter_map(|row| Some((row, model.rules.row(row.row.kind)?)));
    let pushes: Vec<_> = rules().filter(|(_, rule)| !rule.push.is_empty() && rule.pops == 0).collect();
    let takes: Vec<_> =
        rules().filter(|(_, rule)| rule.push.is_empty() && rule.pops == 1 && rule.value.is_some()).collect();
    let instructions = model.rules.instructions;
    let mut rng = Rng::new(u64::from(row.row.kind));
    let mut modules = Vec::new();
    for i in 0..60u32 {
        let mut made = fixture.clone();
        let poison = POISON[i as usize % 4];
        prepare(&mut made, instructions, rule.with.first().map_or(&[], Vec::as_slice), AT, poison, &mut rng);
        let push = |made: &mut Fixture, rng: &mut Rng| {
            let Some((pushing, _)) = rng.pick(&pushes).copied() else { return };
            // Small numbers, as operands are, and addresses near the place.
            let small = rng.next_u64() >> (32 + rng.below(31));
            let address = made.address();
            let value = if rng.one_in(3) { address.wrapping_add(small & 0x7_fffc) } else { small };
            let symbol = made.symbol(value);
            let addend = if made.in_place() { 0 } else { rng.between(-8, 8) };
            made.relocation(Relocation { offset: AT, kind: pushing.row.kind, symbol, addend });
        };
        (0..rule.pops).for_each(|_| push(&mut made, &mut rng));
        let symbol = made.symbol(made.address().wrapping_add(rng.next_u64() & 0xffff_fffc));
        made.relocation(Relocation { offset: AT, kind: row.row.kind, symbol, addend: 0 });
        for _ in &rule.push {
            if let Some((taking, _)) = rng.pick(&takes).copied() {
                made.relocation(Relocation { offset: AT, kind: taking.row.kind, symbol: 0, addend: 0 });
            }
        }
        // Another section begins with an empty stack.
        if i % 8 == 7 && rule.pops != 0 {
            let mut second = made.module.sections[0].clone();
            second.name = ".text.second".into();
            second.address = made.module.cut(second.address.wrapping_add(0x1000));
            second.relocations.retain(|r| r.kind == row.row.kind);
            made.module.sections[0].relocations.retain(|r| r.kind != row.row.kind);
            made.module.sections.push(second);
        }
        modules.push(made.module);
    }
    modules.iter().for_each(|module| cx.check(Oracle::ReferenceModel, module));
}
