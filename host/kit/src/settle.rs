//! From a value to bytes: ranges, alignment, fields, and places that several relocations share.

use super::case::Case;
use super::field::Field;
use super::judge::{Judge, Site};
use super::kinds::{Kind, Kinds};
use super::places::Sharing;
use super::value::Valued;
use super::verdict::{Bytes, Verdict};
use relobox_abi::{effect, row_flag, rule};
use relobox_link::description::PluginRow;

/// Why nobody can foretell what a branch that does not reach leads to.
pub(crate) const ANOTHER_WAY: &str = "the field does not reach, and there is another way";

impl Judge<'_> {
    /// Whether the value may be written, and what that gives.
    pub(crate) fn settle(&self, site: &Site<'_>, row: &PluginRow, value: Valued) -> Verdict {
        let (case, r) = (site.case, site.relocation());
        let measured = self.measures.contains_key(&row.row.kind);
        if measured && site.values.get(r.symbol as usize).is_none_or(|value| *value == 0) {
            return Verdict::Unknown("a function may treat the address 0 otherwise");
        }
        let (fits, certain) = in_range(row, value.rounded, case.class);
        if value.readings.iter().any(|other| in_range(row, *other, case.class) != (fits, certain)) {
            return Verdict::Unknown("its formula does not say how wide a number it shifts");
        }
        let mut kinds = Kinds::default();
        if !fits {
            if row.is(row_flag::FALLBACK) {
                return Verdict::Unknown(ANOTHER_WAY);
            }
            kinds.add(Kind::OutOfRange);
        }
        if !certain {
            return Verdict::Unknown("its range is wider than an address");
        }
        let align = i64::from(row.row.align.max(1));
        if value.rounded.rem_euclid(align) != 0 {
            kinds.add(Kind::Misaligned);
        }
        let field = Field::of(row, case.order);
        let word = field.word(site.place(r.offset));
        let sharing = site.places.sharing(site.index);
        let reads = row.is(row_flag::ZERO) || matches!(row.row.effect, effect::PLUS | effect::MINUS);
        if sharing != Sharing::Alone && (kinds.is_empty() || reads || case.sections[site.section].in_place) {
            return Verdict::Unknown("other relocations change the same bytes");
        }
        if row.is(row_flag::ZERO) && word != 0 {
            kinds.add(Kind::NotZero);
        }
        if !kinds.is_empty() {
            return Verdict::Refused(kinds);
        }
        if row.is(row_flag::DERIVED) || row.slices.is_empty() || measured {
            return Verdict::Accepted;
        }
        Verdict::Bytes(bytes(row, &field, case.class, word, value))
    }

    /// What several relocations of one place make together: each goes on from what the last has left.
    pub(crate) fn chain(&self, case: &Case, values: &[u64], section: usize, chain: &[usize], verdicts: &mut [Verdict]) {
        let s = &case.sections[section];
        let first = &s.relocations[chain[0]];
        let Some(mut place) = usize::try_from(first.offset).ok().and_then(|at| s.bytes.get(at..)).map(<[u8]>::to_vec)
        else {
            return;
        };
        let mut last = None;
        for index in chain {
            let r = &s.relocations[*index];
            let Some(row) = self.about().row(r.kind) else { return };
            let field = Field::of(row, case.order);
            let known = r.symbol as usize <= case.symbols.len() && row.row.rule == rule::NONE && row.row.align <= 1;
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
            let made = bytes(row, &field, case.class, word, Valued::plain(exact));
            place[..made.len].copy_from_slice(&made.bytes[..made.len]);
            last = Some((*index, made));
        }
        // What is not foretold stays so: a special symbol, another machine, a form that is not taken.
        let foretold = "other relocations change the same bytes";
        if chain.iter().all(|i| verdicts[*i] == Verdict::Unknown(foretold)) {
            chain.iter().for_each(|i| verdicts[*i] = Verdict::Accepted);
            if let Some((index, made)) = last {
                verdicts[index] = Verdict::Bytes(made);
            }
        }
    }
}

/// Whether `value` is in a row's range, and whether anybody can tell: what is as wide as an address of the class,
/// or wider, wraps and has no ends.
pub(crate) fn in_range(row: &PluginRow, value: i64, class: u8) -> (bool, bool) {
    let bits = u32::from(row.row.bits);
    if row.row.rule == rule::NONE || bits >= u64::BITS {
        return (true, true);
    }
    if class == 32 && bits >= 32 {
        // Either reading of 32 bits is one, but for a negative number that should have none.
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

/// What a value makes of the word `before`.
pub(crate) fn bytes(row: &PluginRow, field: &Field<'_>, class: u8, before: u64, value: Valued) -> Bytes {
    let joined = value.joined(row.row.round);
    let word = field.insert(before, |_| joined);
    // What is above an address' bits is the row's own affair: cut and extended, or carried.
    let above = if class == 32 { !0xffff_ffff } else { 0 };
    let unsure = field.insert(0, |_| above | value.doubt());
    Bytes {
        len: field.width,
        bytes: field.bytes(word),
        known: field.bytes(!unsure),
        value: if row.row.round == 0 { value.exact } else { value.rounded },
    }
}
