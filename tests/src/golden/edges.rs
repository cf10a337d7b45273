//! The values of golden vectors: both sides of the ends of a row's range, and bit patterns.

use crate::module_spec::RowDescription;
use relobox_abi::rule;
use std::collections::HashSet;

/// The name of a value, and the value.
pub(super) type Edge = (&'static str, i64);

/// Bit patterns that show whether each slice is in the right place.
const A5: i64 = 0xa5a5_a5a5_a5a5_a5a5_u64 as i64;
const C3: i64 = 0x3c69_3c69_3c69_3c69;

/// Returns the values for `row`. All are multiples of `step`, except those that test the alignment.
pub(super) fn edges(row: &RowDescription, step: i64) -> Vec<Edge> {
    let bits = match (row.row.rule, row.row.bits) {
        (rule::NONE, _) | (_, 64..) => u32::from(row.value_bits().max(1)),
        (_, bits) => u32::from(bits),
    };
    let (signed_min, unsigned_max) = (i64::MIN >> (64 - bits), (u64::MAX >> (64 - bits)) as i64);
    let (min, max) = match row.row.rule {
        rule::SIGNED => (signed_min, !signed_min),
        rule::UNSIGNED => (0, unsigned_max),
        _ => (signed_min, unsigned_max),
    };
    let last = max & -step;
    let cut = |v: i64| {
        let v = v & (if row.row.rule == rule::SIGNED { !signed_min } else { unsigned_max });
        v & -step
    };
    let mut values = vec![
        ("min-1", min.wrapping_sub(step)),
        ("min", min),
        ("min+1", min.wrapping_add(step)),
        ("-1", -step),
        ("0", 0),
        ("1", step),
        ("max-1", last.wrapping_sub(step)),
        ("max", last),
        ("max+1", last.wrapping_add(step)),
        ("half-1", (!signed_min & -step)),
        ("half", (!signed_min & -step).wrapping_add(step)),
        ("a5", cut(A5)),
        ("c3", cut(C3)),
    ];
    if row.row.align > 1 {
        values.push(("odd", cut(C3) + 1));
        values.push(("half-odd", cut(C3) + step / 2));
    }
    if row.row.rule == rule::NONE {
        // Without a range the names refer to the ends of the field's bits.
        values.retain(|v| !matches!(v.0, "min-1" | "min+1"));
    }
    let mut seen = HashSet::new();
    values.retain(|v| seen.insert(v.1));
    values
}
