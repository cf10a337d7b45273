//! A description that contradicts itself: what can be seen without running anything.

use super::bits::{dropped, missing};
use super::complaint::{Complaint, Wrong};
use super::formula::{Formula, Letters};
use super::group::Group;
use super::prover::{Cases, Prover};
use super::value_source::half;
use relobox_abi::{effect, order, pairing, row_flag, rule};
use relobox_core::rng::Rng;
use relobox_link::description::{About, PluginRow};
use std::collections::HashSet;

/// All of it.
pub(crate) fn derive(prover: &mut Prover<'_>) {
    let about = prover.under_test().about();
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
        if let Some(came) = dropped(&about.rows, row) {
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

/// A formula that is letters only says what its effect is, but for the rounding.
fn contradiction(cases: &mut Cases<'_>, row: &PluginRow) {
    let Some(formula) = Formula::read(&row.formula) else { return };
    let mut rng = Rng::new(1);
    for _ in 0..8 {
        let [s, a, p, z] = [0; 4].map(|_: i64| rng.next_u64().cast_signed() >> 8);
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
