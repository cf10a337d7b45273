//! Static checks on a description: contradictions that can be seen without running the plugin.

use super::bits::{dropped_bits, missing_bits};
use super::diagnostic::{DiagnosticKind, PluginDiagnostic};
use super::formula::{Formula, Letters};
use super::group::Group;
use super::runner::{CheckContext, CheckRunner};
use super::value_source::half;
use relobox_abi::{effect, order, pairing, row_flag, rule};
use relobox_core::rng::Rng;
use relobox_link::description::{PluginDescription, PluginRow};
use std::collections::HashSet;

/// Runs the checks of the group `description`.
pub(crate) fn derive(runner: &mut CheckRunner<'_>) {
    let about = runner.under_test().about();
    runner.check(Group::Description, "machines", |cx| {
        cx.count();
        let wrong = |m: &relobox_abi::Machine| {
            !matches!(m.class, 32 | 64)
                || !matches!(m.order, order::LITTLE | order::BIG)
                || m.flags_value & !m.flags_mask != 0
        };
        if about.machines.is_empty() || about.machines.iter().any(wrong) {
            report(cx, "its machines", "class 32 or 64, a byte order, flags within their mask", "another".into());
        }
    });
    if let Some((line, what)) = &runner.under_test().model.rules_error {
        runner.check(Group::Description, "decoding rules", |cx| {
            cx.count();
            report(
                cx,
                "its decoding rules",
                "statements as docs/conformance.md describes them",
                format!("line {line}: {what}"),
            );
        });
    }
    let mut seen = HashSet::new();
    for row in &about.rows {
        let first = seen.insert(row.row.kind);
        runner.check(Group::Description, &row.name, |cx| {
            cx.count();
            if !first {
                report(cx, &row.name, "one row for each type", format!("another for type {}", row.row.kind));
            }
            look(cx, about, row);
        });
    }
}

fn report(cx: &mut CheckContext<'_>, about: &str, expected: &str, actual: String) {
    let (about, expected) = (about.to_owned(), expected.to_owned());
    cx.report(PluginDiagnostic { kind: DiagnosticKind::Description, about, expected, actual });
}

fn look(cx: &mut CheckContext<'_>, about: &PluginDescription, row: &PluginRow) {
    let r = &row.row;
    if !row.writes() {
        if r.window_len != 0 || r.width != 0 {
            report(cx, &row.name, "no field and no window, since nothing changes", format!("{} bytes", r.window_len));
        }
        return;
    }
    let mut say = |expected: &str, actual: String| report(cx, &row.name, expected, actual);
    let bits = u32::from(r.width) * 8;
    let mut taken = 0u64;
    for s in &row.slices {
        let end = u32::from(s.field_bit) + u32::from(s.len);
        let mask = u64::MAX.checked_shr(64u32.saturating_sub(s.len.into())).unwrap_or(0);
        let mask = mask.checked_shl(s.field_bit.into()).unwrap_or(0);
        if s.len == 0 || end > bits || u32::from(s.value_bit) + u32::from(s.len) > 64 || taken & mask != 0 {
            let actual = format!("{} bits from {} on, of {bits}", s.len, s.field_bit);
            say("slices that lie in the field and do not overlap", actual);
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
        if let Some((expected, actual)) = missing_bits(row) {
            say(expected, actual);
        }
        if let Some(actual) = dropped_bits(&about.rows, row) {
            say("an alignment for the low bits that the field leaves out, or another row that holds them", actual);
        }
    }
    let end = i32::from(r.window_start) + i32::from(r.window_len);
    if r.window_align <= 1 && r.width != 0 && (r.window_start > 0 || end < r.width.into()) {
        say("a window around its field", format!("{} bytes from {}", r.window_len, r.window_start));
    }
    if r.effect != effect::UNKNOWN && !row.is(row_flag::DERIVED | row_flag::BY_HAND) {
        contradiction(cx, row);
    }
    if r.pairing == pairing::LABEL && r.effect != effect::PARTNER {
        report(cx, &row.name, "the effect PARTNER, since its symbol is a label", format!("effect {}", r.effect));
    }
}

/// Reports a formula of plain operands that contradicts the row's effect; the rounding constant may be missing.
fn contradiction(cx: &mut CheckContext<'_>, row: &PluginRow) {
    let Some(formula) = Formula::parse(&row.formula) else { return };
    let mut rng = Rng::new(1);
    for _ in 0..8 {
        let [s, a, p, z] = [0; 4].map(|_: i64| rng.next_u64().cast_signed() >> 8);
        let said = match row.row.effect {
            effect::ABSOLUTE => s.wrapping_add(a),
            effect::RELATIVE => s.wrapping_add(a).wrapping_sub(p),
            effect::SIZE => z.wrapping_add(a),
            // The other effects have no formula of plain operands.
            _ => return,
        };
        let is = formula.value(&Letters { s, a, p, z, ..Letters::default() });
        if is != said && is != said.wrapping_add(half(row)) {
            let actual = format!("formula {} and effect {}", row.formula, row.row.effect);
            return report(cx, &row.name, "a formula and an effect that agree", actual);
        }
    }
}
