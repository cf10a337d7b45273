//! Values of a row that are worth a case: the ends of its range, both sides of each, carries, patterns.

use super::field::Field;
use relobox_abi::{effect, rule};
use relobox_link::description::PluginRow;
use std::collections::HashSet;

/// The unit in which a row's values move: what it must be a multiple of.
#[must_use]
pub(crate) fn step(row: &PluginRow) -> i64 {
    if row.row.effect == effect::PAGES { 0x1000 } else { i64::from(row.row.align.max(1)) }
}

/// The ends of a row's range, as far as it has one, or of its field: the smallest value and the largest.
#[must_use]
pub(crate) fn range(row: &PluginRow) -> (i64, i64) {
    let field = Field::of(row, relobox_abi::order::LITTLE);
    let bits = match row.row.rule {
        rule::NONE => field.value_bits(),
        _ => row.row.bits.into(),
    };
    let bits = bits.clamp(1, 64);
    let (signed_min, unsigned_max) = (i64::MIN >> (64 - bits), (u64::MAX >> (64 - bits)).cast_signed());
    let (min, max) = match row.row.rule {
        rule::SIGNED => (signed_min, !signed_min),
        rule::UNSIGNED => (0, unsigned_max),
        _ => (signed_min, unsigned_max),
    };
    // All 64 bits unsigned have no largest number here.
    if max < 0 { (signed_min, i64::MAX) } else { (min, max) }
}

/// Values at the ends of `row`'s range and on both sides of each; where low halves carry; patterns.
#[must_use]
pub(crate) fn edges(row: &PluginRow) -> Vec<i64> {
    let step = step(row);
    let (min, max) = range(row);
    let last = max & step.wrapping_neg();
    let within = |pattern: u64| (pattern.cast_signed() & max) & step.wrapping_neg();
    let mut values = vec![
        min.wrapping_sub(step),
        min,
        min.wrapping_add(step),
        step.wrapping_neg(),
        0,
        step,
        last.wrapping_sub(step),
        last,
        last.wrapping_add(step),
        within(0xa5a5_a5a5_a5a5_a5a5),
        within(0x3c69_3c69_3c69_3c69),
        !within(0x5a5a_5a5a_5a5a_5a5a) & step.wrapping_neg(),
        // The other reading of a number that may have a sign.
        (max / 2) & step.wrapping_neg(),
        ((max / 2) & step.wrapping_neg()).wrapping_add(step),
    ];
    if row.row.align > 1 {
        values.extend([1, within(0x3c69_3c69_3c69_3c69) + 1, within(0xa5a5_a5a5_a5a5_a5a5) + step / 2]);
    }
    let half = match row.row.round {
        0 => 0x800,
        round => 1i64 << (round - 1).min(62),
    };
    values.extend([-1, 0, 1].iter().flat_map(|by| [half + by, -half + by, 2 * half + by, 3 * half + by]));
    let mut seen = HashSet::new();
    values.retain(|value| seen.insert(*value));
    values
}
