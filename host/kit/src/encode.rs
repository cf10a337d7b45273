//! Checked encoding of values into fields: range, alignment, slices, and places that several relocations share.

use super::fault_kinds::{FaultKind, FaultKinds};
use super::field::Field;
use super::places::Sharing;
use super::prediction::{FieldBytes, Prediction};
use super::reference_model::{ReferenceModel, Site};
use super::test_module::TestModule;
use super::value::FieldValue;
use relobox_abi::{effect, row_flag, rule};
use relobox_link::description::PluginRow;

/// The reason why the destination of an out-of-range branch is not predicted.
pub(crate) const HAS_FALLBACK: &str = "the value is out of range, and the row has a fallback";

impl ReferenceModel<'_> {
    /// Checks range, alignment and placement of `value`, and encodes it into the field of `row`.
    pub(crate) fn encode(&self, site: &Site<'_>, row: &PluginRow, value: FieldValue) -> Prediction {
        let (module, r) = (site.module, site.relocation());
        let measured = self.range_formulas.contains_key(&row.row.kind);
        if measured && site.values.get(r.symbol as usize).is_none_or(|value| *value == 0) {
            return Prediction::Unknown("a function may treat address 0 specially");
        }
        let (fits, certain) = in_range(row, value.rounded, module.class);
        if value.readings.iter().any(|other| in_range(row, *other, module.class) != (fits, certain)) {
            return Prediction::Unknown("its formula does not define the width of a shifted number");
        }
        let mut kinds = FaultKinds::default();
        if !fits {
            if row.is(row_flag::FALLBACK) {
                return Prediction::Unknown(HAS_FALLBACK);
            }
            kinds.add(FaultKind::OutOfRange);
        }
        if !certain {
            return Prediction::Unknown("its range is wider than an address");
        }
        let align = i64::from(row.row.align.max(1));
        if value.rounded.rem_euclid(align) != 0 {
            kinds.add(FaultKind::Misaligned);
        }
        let field = Field::of(row, module.order);
        let word = field.word(site.place(r.offset));
        let sharing = site.places.sharing(site.index);
        let reads = row.is(row_flag::ZERO) || matches!(row.row.effect, effect::PLUS | effect::MINUS);
        if sharing != Sharing::Alone && (kinds.is_empty() || reads || module.sections[site.section].in_place) {
            return Prediction::Unknown("other relocations change the same bytes");
        }
        if row.is(row_flag::ZERO) && word != 0 {
            kinds.add(FaultKind::NotZero);
        }
        if !kinds.is_empty() {
            return Prediction::Refused(kinds);
        }
        if row.is(row_flag::DERIVED) || row.slices.is_empty() || measured {
            return Prediction::Accepted;
        }
        Prediction::Bytes(bytes(row, &field, module.class, word, value))
    }

    /// Predicts the bytes at a place that several relocations change in turn, each starting from the result of the one
    /// before.
    pub(crate) fn chain(
        &self,
        module: &TestModule,
        values: &[u64],
        section: usize,
        chain: &[usize],
        predictions: &mut [Prediction],
    ) {
        let s = &module.sections[section];
        let first = &s.relocations[chain[0]];
        let Some(mut place) = usize::try_from(first.offset).ok().and_then(|at| s.bytes.get(at..)).map(<[u8]>::to_vec)
        else {
            return;
        };
        let mut last = None;
        for index in chain {
            let r = &s.relocations[*index];
            let Some(row) = self.about().row(r.kind) else { return };
            let field = Field::of(row, module.order);
            let known = r.symbol as usize <= module.symbols.len() && row.row.rule == rule::NONE && row.row.align <= 1;
            if !known || s.in_place {
                return;
            }
            let word = field.word(&place);
            let held = field.extract(word).cast_signed();
            let target = values.get(r.symbol as usize).map_or(0, |v| v.cast_signed()).wrapping_add(r.addend);
            let exact = match row.row.effect {
                effect::ABSOLUTE => target,
                effect::PLUS => held.wrapping_add(target),
                _ => held.wrapping_sub(target),
            };
            let made = bytes(row, &field, module.class, word, FieldValue::plain(exact));
            place[..made.len].copy_from_slice(&made.bytes[..made.len]);
            last = Some((*index, made));
        }
        // Other unknown predictions (a special symbol, another machine, an addend form that is not taken) stay unknown.
        let predicted = "other relocations change the same bytes";
        if chain.iter().all(|i| predictions[*i] == Prediction::Unknown(predicted)) {
            chain.iter().for_each(|i| predictions[*i] = Prediction::Accepted);
            if let Some((index, made)) = last {
                predictions[index] = Prediction::Bytes(made);
            }
        }
    }
}

/// Returns whether `value` is in the range of a row, and whether that is certain. A range as wide as an address of the
/// class, or wider, wraps around and has no ends.
pub(crate) fn in_range(row: &PluginRow, value: i64, class: u8) -> (bool, bool) {
    let bits = u32::from(row.row.bits);
    if row.row.rule == rule::NONE || bits >= u64::BITS {
        return (true, true);
    }
    if class == 32 && bits >= 32 {
        // Signed and unsigned readings of 32 bits are both in range, except a negative value of an unsigned rule.
        return (true, row.row.rule != rule::UNSIGNED || value >= 0);
    }
    let signed = bits.checked_sub(1).map_or(0, |bits| 1i128 << bits);
    let (min, max) = match row.row.rule {
        rule::SIGNED => (-signed, signed - 1),
        rule::UNSIGNED => (0, (1i128 << bits) - 1),
        _ => (-signed, (1i128 << bits) - 1),
    };
    ((min..=max).contains(&i128::from(value)), true)
}

/// Encodes `value` into the word `before`, and marks the bits that are not known.
pub(crate) fn bytes(row: &PluginRow, field: &Field<'_>, class: u8, before: u64, value: FieldValue) -> FieldBytes {
    let joined = value.combined(row.row.round);
    let word = field.insert(before, |_| joined);
    // The row decides about the bits above an address: they may be cut off, extended, or carried into.
    let above = if class == 32 { !0xffff_ffff } else { 0 };
    let ambiguous = field.insert(0, |_| above | value.ambiguous_bits());
    FieldBytes {
        len: field.width,
        bytes: field.bytes(word),
        known: field.bytes(!ambiguous),
        value: if row.row.round == 0 { value.exact } else { value.rounded },
    }
}
