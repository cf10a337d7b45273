//! Inference of the number to which a range rule applies, for rows whose formula cannot be parsed.
//!
//! `j1_j2(S + A - P)` may permute the bits of its argument, but its range rule still applies to some number. A few
//! candidates are tried, and a candidate is accepted if the plugin refuses values beyond roughly the end of its range,
//! or if the field holds its bits. The ends of the range are then checked for the accepted candidate.

use super::edges::{range, step};
use super::encode::bytes;
use super::field::Field;
use super::fixture::{Fixture, fixtures};
use super::formula::{Formula, Letters};
use super::reference_model::ReferenceModel;
use super::run::{Outcome, run};
use super::test_module::Relocation;
use super::value::FieldValue;
use super::value_source::{RangeFormula, UNREADABLE};
use relobox_abi::{pairing, row_flag, rule};
use relobox_link::description::PluginRow;
use relobox_link::guests::Plugin;
use std::collections::HashMap;

/// The reaction of a plugin to a value.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Answer {
    Linked { holds: bool },
    OutOfRange,
    Other,
}

/// Infers the range formulas of the rows that need one, by type.
pub(crate) fn infer(model: &ReferenceModel<'_>, plugin: &Plugin) -> HashMap<u32, RangeFormula> {
    let wanted = |row: &&PluginRow| {
        let r = &row.row;
        row.writes()
            && model.unpredictable(row) == Some(UNREADABLE)
            && r.rule != rule::NONE
            && !row.slices.is_empty()
            && !row.is(row_flag::FALLBACK | row_flag::DERIVED | row_flag::BY_HAND)
            && matches!(r.pairing, pairing::NONE | pairing::PART)
    };
    let rows = model.about().rows.iter().filter(wanted);
    rows.filter_map(|row| Some((row.row.kind, RangeProbe { model, plugin, row }.range_formula()?))).collect()
}

/// A row whose range formula is inferred.
struct RangeProbe<'a> {
    model: &'a ReferenceModel<'a>,
    plugin: &'a Plugin,
    row: &'a PluginRow,
}

impl RangeProbe<'_> {
    fn range_formula(&self) -> Option<RangeFormula> {
        let mut formulas = Vec::from_iter(Formula::parse_argument(&self.row.formula));
        for text in ["S + A - P", "S + A"] {
            formulas.extend(Formula::parse(text).filter(|formula| !formulas.contains(formula)));
        }
        // A range as wide as an address has no ends.
        let fixtures: Vec<_> =
            fixtures(self.model).into_iter().filter(|g| self.row.row.bits < g.module.class).collect();
        // Try two section addresses, since the result must not depend on the address.
        let fixtures: Vec<_> =
            fixtures.iter().flat_map(|g| [g.clone(), g.clone().at(g.address().wrapping_add(0x135_7000))]).collect();
        formulas.into_iter().find_map(|formula| {
            let mut found = fixtures.iter().map(|fixture| self.on(fixture, &formula));
            let first = found.next()??;
            found.all(|more| more == Some(first)).then_some(RangeFormula { formula, more: first })
        })
    }

    /// Returns the constant that must be added to `formula` to match the refusals of the plugin, or `None` if they do
    /// not match.
    fn on(&self, fixture: &Fixture, formula: &Formula) -> Option<i64> {
        let (min, max) = range(self.row);
        let step = step(self.row);
        let even = |value: i64| value & step.wrapping_neg();
        let within = [even(min / 4), even(min / 8), 0, step, even(max / 8), even(max / 4)];
        let within = within.map(|value| self.probe(fixture, formula, value));
        if within.iter().any(|answer| !matches!(answer, Answer::Linked { .. })) {
            return None;
        }
        let holds = within.iter().all(|answer| *answer == Answer::Linked { holds: true });
        // Probe far enough to notice an end that is off by a factor of two, but within the numbers of the class.
        let last = even(max);
        let far = |end: i64| match fixture.module.class {
            32 => end.saturating_mul(3).clamp(even(i32::MIN.into()), even(i32::MAX.into())),
            _ => end.saturating_mul(3),
        };
        let below = if min < 0 { far(min) } else { even(far(last).wrapping_neg()) };
        let upper = self.end(fixture, formula, even(max / 4), even(far(last)));
        let lower = self.end(fixture, formula, even(min / 4), below);
        let ends = (upper.map(|end| end - last), lower.map(|end| end - min));
        match ends {
            (Some(a), Some(b)) if a == b && a.unsigned_abs() <= max.unsigned_abs() / 8 => Some(a),
            (None, None) if !holds => None,
            _ => Some(0),
        }
    }

    /// Finds the last value between `good` and `bad` that is linked, or returns `None` if `bad` is not out of range.
    fn end(&self, fixture: &Fixture, formula: &Formula, good: i64, bad: i64) -> Option<i64> {
        let step = step(self.row);
        if self.probe(fixture, formula, bad) != Answer::OutOfRange {
            return None;
        }
        let (mut good, mut bad) = (good / step, bad / step);
        while good.abs_diff(bad) > 1 {
            let middle = good + (bad - good) / 2;
            match self.probe(fixture, formula, middle * step) {
                Answer::Linked { .. } => good = middle,
                Answer::OutOfRange => bad = middle,
                Answer::Other => return None,
            }
        }
        Some(good * step)
    }

    /// Links a module with one relocation of this value.
    fn probe(&self, fixture: &Fixture, formula: &Formula, value: i64) -> Answer {
        let mut fixture = fixture.clone();
        let offset = 24;
        let place = fixture.address().wrapping_add(offset).cast_signed();
        let base = formula.value(&Letters { p: place, ..Letters::default() });
        let symbol = fixture.symbol(value.wrapping_sub(base).cast_unsigned());
        fixture.relocation(Relocation { offset, kind: self.row.row.kind, symbol, addend: 0 });
        match run(self.plugin, &fixture.module).outcome {
            Outcome::Linked(linked) => {
                let field = Field::of(self.row, fixture.module.order);
                let word = field.word(&linked.sections[0][offset as usize..]);
                let made =
                    bytes(self.row, &field, fixture.module.class, 0, FieldValue::of(&fixture.module, self.row, value));
                let known = field.word(&made.known);
                Answer::Linked { holds: (field.word(&made.bytes) ^ word) & known & field.mask() == 0 }
            }
            Outcome::Refused(faults) if faults.iter().all(|f| f.kind == "out-of-range") => Answer::OutOfRange,
            _ => Answer::Other,
        }
    }
}
