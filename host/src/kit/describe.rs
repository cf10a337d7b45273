//! A description that contradicts itself: what can be seen without running anything.

use super::check::{Complaint, Wrong};
use super::field::Field;
use super::formula::{Formula, Letters};
use super::prove::{Cases, Group, Prover};
use super::sample::Chance;
use super::value::half;
use crate::guests::{About, PluginRow};
use relobox_abi::{effect, order, pairing, row_flag, rule};
use std::collections::HashSet;

/// All of it.
pub(super) fn derive(prover: &mut Prover<'_>) {
    let about = prover.subject().about();
    prover.check(Group::Description, "machines", |cases| {
        cases.count();
        let wrong = |m: &relobox_abi::Machine| {
            !matches!(m.class, 32 | 64)
                || !matches!(m.order, order::LITTLE | order::BIG)
                || m.flags_value & !m.flags_mask != 0
        };
        if about.machines.is_empty() || about.machines.iter().any(wrong) {
            complain(cases, "its machines", "class 32 or 64, an order, flags within their mask", "another".into());
        }
    });
    let mut seen = HashSet::new();
    for row in &about.rows {
        let first = seen.insert(row.row.kind);
        prover.check(Group::Description, &row.name, |cases| {
            cases.count();
            if !first {
                complain(cases, &row.name, "one row for each type", format!("another for type {}", row.row.kind));
            }
            look(cases, about, row);
        });
    }
}

fn complain(cases: &mut Cases<'_>, about: &str, expected: &str, came: String) {
    let (about, expected) = (about.to_owned(), expected.to_owned());
    cases.complain(Complaint { wrong: Wrong::Description, about, expected, came });
}

fn look(cases: &mut Cases<'_>, about: &About, row: &PluginRow) {
    let r = &row.row;
    if !row.writes() {
        if r.window_len != 0 || r.width != 0 {
            complain(
                cases,
                &row.name,
                "no field and no window, since nothing changes",
                format!("{} bytes", r.window_len),
            );
        }
        return;
    }
    let mut say = |expected: &str, came: String| complain(cases, &row.name, expected, came);
    let bits = u32::from(r.width) * 8;
    let mut taken = 0u64;
    for s in &row.slices {
        let end = u32::from(s.field_bit) + u32::from(s.len);
        let mask = u64::MAX.checked_shr(64u32.saturating_sub(s.len.into())).unwrap_or(0);
        let mask = mask.checked_shl(s.field_bit.into()).unwrap_or(0);
        if s.len == 0 || end > bits || u32::from(s.value_bit) + u32::from(s.len) > 64 || taken & mask != 0 {
            let came = format!("{} bits from {} on, of {bits}", s.len, s.field_bit);
            say("slices that lie in the field and do not overlap", came);
        }
        taken |= mask;
    }
    let by_hand = row.is(row_flag::BY_HAND) || row.slices.is_empty();
    if r.rule > rule::EITHER || (r.rule != rule::NONE && !(1..=64).contains(&r.bits)) {
        say("a rule of 1 to 64 bits", format!("rule {} of {}", r.rule, r.bits));
    }
    if r.align > 1 && !r.align.is_power_of_two() {
        say("an alignment that is a power of two", r.align.to_string());
    }
    if !by_hand && !row.is(row_flag::DERIVED) {
        if let Some((expected, came)) = missing(row) {
            say(expected, came);
        }
        if let Some(came) = dropped(about, row) {
            say("an alignment for the low bits that the field leaves out, or another row that holds them", came);
        }
    }
    let end = i32::from(r.window_start) + i32::from(r.window_len);
    if r.window_align <= 1 && r.width != 0 && (r.window_start > 0 || end < r.width.into()) {
        say("a window around its field", format!("{} bytes from {}", r.window_len, r.window_start));
    }
    if r.effect != effect::UNKNOWN && !row.is(row_flag::DERIVED | row_flag::BY_HAND) {
        contradiction(cases, row);
    }
    if r.pairing == pairing::LABEL && r.effect != effect::PARTNER {
        complain(cases, &row.name, "the effect PARTNER, since its symbol is a label", format!("effect {}", r.effect));
    }
}

/// Bits that a rule admits, or that stand between others, and that the field does not hold.
fn missing(row: &PluginRow) -> Option<(&'static str, String)> {
    let holds = Field::of(row, order::LITTLE).holds();
    let low = holds.trailing_zeros();
    let end = match row.row.rule {
        rule::NONE => u64::BITS - holds.leading_zeros(),
        _ => u32::from(row.row.bits).min(u64::BITS),
    };
    let wanted = (low..end).fold(0, |bits, bit| bits | 1u64 << bit);
    let lacks = wanted & !holds;
    if lacks == 0 {
        return None;
    }
    let bits: Vec<_> = (0..u64::BITS).filter(|bit| lacks >> bit & 1 != 0).map(|bit| bit.to_string()).collect();
    let expected = match row.row.rule {
        rule::NONE => "a field without a hole",
        _ => "a field that holds all bits that the rule admits",
    };
    Some((expected, format!("none for bit {} of the value", bits.join(", "))))
}

/// What an instruction's field leaves out at most because of alignment, and how far the parts of a value overlap at
/// most: PA-RISC's right half has three bits of the left one.
const OVERLAP: u32 = 3;

/// Low bits of the value that may be set, and that go nowhere.
fn dropped(about: &About, row: &PluginRow) -> Option<String> {
    let r = &row.row;
    let span = |row: &PluginRow| {
        let holds = Field::of(row, order::LITTLE).holds();
        (holds.trailing_zeros(), u64::BITS - holds.leading_zeros())
    };
    let (low, end) = span(row);
    // A field without a bit is complained of already.
    if low == 0 || end == 0 || u64::from(r.align.max(1)) >= 1 << low {
        return None;
    }
    // The low half of a high half is another row's, or what stands at a label.
    let rounded = r.round != 0 && low >= r.round.into();
    if rounded || matches!(r.pairing, pairing::NEXT | pairing::LABELLED) {
        return None;
    }
    match r.effect {
        // Whole pages, and entries, which lie as the plugin wants.
        effect::PAGES if low <= 12 => return None,
        effect::SLOT => return None,
        effect::UNKNOWN if Formula::read(&row.formula).is_none_or(|formula| leaves(&formula, low)) => return None,
        _ => {}
    }
    let others = || about.rows.iter().filter(|other| other.writes() && !other.slices.is_empty());
    let completes = |other: &PluginRow| {
        let (from, to) = span(other);
        let same = other.row.effect == r.effect || r.effect == effect::PAGES && other.row.effect == effect::IN_PAGE;
        same && from < low && (low..=low + OVERLAP).contains(&to) && to < end
    };
    if others().any(completes) {
        return None;
    }
    // Bit 0 of an address of code says on some processors in which of two instruction sets it is: there, one has
    // instructions of two bytes, and all of its branches leave it out; the other has wider ones. A single such row has
    // rather forgotten its alignment.
    let mode = |other: &&PluginRow| span(other).0 == 1 && other.row.align <= 1;
    let halves = |other: &PluginRow| span(other).0 == 1 && other.row.align > 1;
    let wider = |other: &PluginRow| other.row.effect == effect::RELATIVE && span(other).0 >= 2 && other.row.align >= 4;
    let modes = low == 1 && r.effect == effect::RELATIVE && others().filter(mode).count() > 1;
    if modes && others().any(wider) && !others().any(halves) {
        return None;
    }
    let which = if low == 1 { "bit 0".to_owned() } else { format!("bits 0 to {}", low - 1) };
    Some(format!("{which} of the value dropped in silence"))
}

/// Whether a formula's value never has a bit below `low`.
fn leaves(formula: &Formula, low: u32) -> bool {
    let mut chance = Chance(2);
    (0..32).all(|_| {
        let [s, a, p, z] = [0; 4].map(|_: i64| chance.next().cast_signed() >> 8);
        formula.value(&Letters { s, a, p, z, ..Letters::default() }).trailing_zeros() >= low
    })
}

/// A formula that is letters only says what its effect is, but for the rounding.
fn contradiction(cases: &mut Cases<'_>, row: &PluginRow) {
    let Some(formula) = Formula::read(&row.formula) else { return };
    let mut chance = Chance(1);
    for _ in 0..8 {
        let [s, a, p, z] = [0; 4].map(|_: i64| chance.next().cast_signed() >> 8);
        let said = match row.row.effect {
            effect::ABSOLUTE => s.wrapping_add(a),
            effect::RELATIVE => s.wrapping_add(a).wrapping_sub(p),
            effect::SIZE => z.wrapping_add(a),
            // The others have no such formula.
            _ => return,
        };
        let is = formula.value(&Letters { s, a, p, z, ..Letters::default() });
        if is != said && is != said.wrapping_add(half(row)) {
            let came = format!("formula {} and effect {}", row.formula, row.row.effect);
            return complain(cases, &row.name, "a formula and an effect that agree", came);
        }
    }
}
