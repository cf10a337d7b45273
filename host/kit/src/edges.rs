//! Boundary values of a row: both sides of the ends of its range, carries, and bit patterns.

use super::field::Field;
use relobox_abi::{effect, rule};
use relobox_link::description::PluginRow;
use std::collections::HashSet;

/// The bytes with which sections are filled before linking.
pub(crate) const POISON: [u8; 4] = [0x00, 0xff, 0xa5, 0x3c];

/// Returns the unit of a row's values: a page, or the alignment in bytes.
#[must_use]
pub(crate) fn step(row: &PluginRow) -> i64 {
    if row.row.effect == effect::PAGES { 0x1000 } else { i64::from(row.row.align.max(1)) }
}

/// Returns the smallest and the largest value of a row's range, or of its field if the row has no range rule.
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
    // An unsigned range of 64 bits has no largest `i64`.
    if max < 0 { (signed_min, i64::MAX) } else { (min, max) }
}

/// Returns the boundary values of `row`, each once.
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
        // The boundary of the signed reading of a value that may have either sign.
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
