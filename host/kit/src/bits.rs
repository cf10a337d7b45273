//! Checks on the bits of a value that a row's field holds, and on what happens to the bits that it does not hold.

use super::field::Field;
use super::formula::{Formula, Letters};
use relobox_abi::{effect, order, pairing, rule};
use relobox_core::limits;
use relobox_core::rng::Rng;
use relobox_link::description::PluginRow;

/// Finds value bits that the row's rule admits, or that lie between held bits, but that the field does not hold.
/// Returns the expected and the actual state as text.
pub(crate) fn missing_bits(row: &PluginRow) -> Option<(&'static str, String)> {
    let holds = Field::of(row, order::LITTLE).stored_bits();
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
        rule::NONE => "a field without gaps",
        _ => "a field that stores all bits that the rule admits",
    };
    Some((expected, format!("none for bit {} of the value", bits.join(", "))))
}

/// Finds low bits of the value that may be set but that no field stores.
pub(crate) fn dropped_bits(rows: &[PluginRow], row: &PluginRow) -> Option<String> {
    let r = &row.row;
    let span = |row: &PluginRow| {
        let holds = Field::of(row, order::LITTLE).stored_bits();
        (holds.trailing_zeros(), u64::BITS - holds.leading_zeros())
    };
    let (low, end) = span(row);
    // Other checks already report a field without bits.
    if low == 0 || end == 0 || u64::from(r.align.max(1)) >= 1 << low {
        return None;
    }
    // The bits below a rounded high half are stored by another row, or by the relocation at a label.
    let rounded = r.round != 0 && low >= r.round.into();
    if rounded || matches!(r.pairing, pairing::NEXT | pairing::LABELLED) {
        return None;
    }
    match r.effect {
        // The low bits of a page number are zero, and the plugin chooses where table entries lie.
        effect::PAGES if low <= 12 => return None,
        effect::SLOT => return None,
        effect::UNKNOWN if Formula::parse(&row.formula).is_none_or(|formula| leaves(&formula, low)) => return None,
        _ => {}
    }
    let others = || rows.iter().filter(|other| other.writes() && !other.slices.is_empty());
    let completes = |other: &PluginRow| {
        let (from, to) = span(other);
        let same = other.row.effect == r.effect || r.effect == effect::PAGES && other.row.effect == effect::IN_PAGE;
        same && from < low && (low..=low + limits::FIELD_OVERLAP).contains(&to) && to < end
    };
    if others().any(completes) {
        return None;
    }
    // On some processors bit 0 of a code address selects one of two instruction sets. One set has instructions of two
    // bytes, and all of its branches omit bit 0; the other set has wider instructions. A single such row more likely
    // lacks its alignment.
    let mode = |other: &&PluginRow| span(other).0 == 1 && other.row.align <= 1;
    let halves = |other: &PluginRow| span(other).0 == 1 && other.row.align > 1;
    let wider = |other: &PluginRow| other.row.effect == effect::RELATIVE && span(other).0 >= 2 && other.row.align >= 4;
    let modes = low == 1 && r.effect == effect::RELATIVE && others().filter(mode).count() > 1;
    if modes && others().any(wider) && !others().any(halves) {
        return None;
    }
    let which = if low == 1 { "bit 0".to_owned() } else { format!("bits 0 to {}", low - 1) };
    Some(format!("{which} of the value silently dropped"))
}

/// Returns whether the values of a formula never have a bit set below `low`. Tests random operands.
fn leaves(formula: &Formula, low: u32) -> bool {
    let mut rng = Rng::new(2);
    (0..32).all(|_| {
        let [s, a, p, z] = [0; 4].map(|_: i64| rng.next_u64().cast_signed() >> 8);
        formula.value(&Letters { s, a, p, z, ..Letters::default() }).trailing_zeros() >= low
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use relobox_abi::{Row, Slice, row_flag};

    /// Makes a row with this effect, rule and alignment, and with slices for these runs of value bits.
    fn row(effect: u8, (rule, bits, align): (u8, u8, u8), runs: &[(u8, u8)]) -> PluginRow {
        let mut field_bit = 0;
        let slices = runs.iter().map(|(value_bit, len)| {
            field_bit += len;
            Slice { value_bit: *value_bit, field_bit: field_bit - len, len: *len, reserved: 0 }
        });
        let slices = slices.collect();
        let row = Row { kind: 1, width: 8, effect, rule, bits, align, window_len: 8, ..Row::default() };
        PluginRow { row, name: "R".into(), formula: "S + A - P".into(), field: "F".into(), slices }
    }

    #[test]
    fn holes_in_a_field_are_found() {
        let lacks = |row: &PluginRow| missing_bits(row).map(|(_, actual)| actual);
        for flags in [0, row_flag::FALLBACK] {
            for hole in 3..25 {
                let mut row = row(effect::RELATIVE, (rule::SIGNED, 26, 4), &[(2, hole - 2), (hole + 1, 25 - hole)]);
                row.row.flags = flags;
                assert_eq!(lacks(&row), Some(format!("none for bit {hole} of the value")));
                row.row.rule = rule::NONE;
                assert!(lacks(&row).is_some());
            }
        }
        for rule in [rule::SIGNED, rule::UNSIGNED, rule::EITHER] {
            assert!(lacks(&row(effect::ABSOLUTE, (rule, 17, 1), &[(0, 16)])).is_some(), "one bit short");
            assert_eq!(lacks(&row(effect::ABSOLUTE, (rule, 16, 1), &[(8, 8), (0, 8)])), None);
        }
        assert_eq!(lacks(&row(effect::ABSOLUTE, (rule::NONE, 64, 1), &[(16, 16)])), None);
        assert_eq!(lacks(&row(effect::ABSOLUTE, (rule::NONE, 64, 1), &[(0, 64)])), None);
        assert_eq!(lacks(&row(effect::RELATIVE, (rule::SIGNED, 26, 4), &[(2, 30)])), None, "more than admitted");
    }

    #[test]
    fn dropped_low_bits_are_found() {
        let branch = |low: u8, align: u8| row(effect::RELATIVE, (rule::SIGNED, 18, align), &[(low, 18 - low)]);
        for low in 1..6u8 {
            for align in [0, 1, 1 << (low - 1)] {
                let row = branch(low, align);
                assert!(dropped_bits(std::slice::from_ref(&row), &row).is_some(), "{low} {align}");
                // A row that stores whole values does not store the missing bits of this one.
                let whole = self::row(effect::RELATIVE, (rule::SIGNED, 32, 1), &[(0, 32)]);
                assert!(dropped_bits(&[row.clone(), whole, branch(2, 4)], &row).is_some(), "{low} {align}");
            }
            let row = branch(low, 1 << low);
            assert_eq!(dropped_bits(std::slice::from_ref(&row), &row), None);
        }
        let high = |effect: u8, low: u8| row(effect, (rule::NONE, 64, 1), &[(low, 16)]);
        let low = |effect: u8, len: u8| row(effect, (rule::NONE, 64, 1), &[(0, len)]);
        for (bits, overlap) in [(12, 0), (16, 0), (11, 3)] {
            let high = high(effect::ABSOLUTE, bits);
            assert!(dropped_bits(std::slice::from_ref(&high), &high).is_some());
            assert_eq!(dropped_bits(&[high.clone(), low(effect::ABSOLUTE, bits + overlap)], &high), None);
            assert!(dropped_bits(&[high.clone(), low(effect::RELATIVE, bits)], &high).is_some(), "a different value");
            let mut rounded = high.clone();
            rounded.row.round = bits;
            assert_eq!(dropped_bits(std::slice::from_ref(&rounded), &rounded), None);
        }
        // One field holds both halves, and no rule covers the bits below them.
        let mut both = row(effect::RELATIVE, (rule::SIGNED, 38, 4), &[(18, 20), (2, 16)]);
        both.row.round = 18;
        assert_eq!(dropped_bits(std::slice::from_ref(&both), &both), None);
        both.row.align = 1;
        assert!(dropped_bits(std::slice::from_ref(&both), &both).is_some());
    }

    #[test]
    fn bit_0_may_select_the_instruction_set() {
        let branch = |low: u8, align: u8| row(effect::RELATIVE, (rule::SIGNED, 18, align), &[(low, 18 - low)]);
        let (half, wide) = (branch(1, 1), branch(2, 4));
        assert_eq!(dropped_bits(&[half.clone(), half.clone(), wide.clone()], &half), None);
        assert!(dropped_bits(&[half.clone(), wide.clone()], &half).is_some(), "there is only one row");
        assert!(dropped_bits(&[half.clone(), half.clone()], &half).is_some(), "there is no other instruction set");
        assert!(
            dropped_bits(&[half.clone(), half.clone(), wide, branch(1, 2)], &half).is_some(),
            "other rows use bit 0"
        );
    }

    #[test]
    fn a_formula_may_clear_the_low_bits() {
        for (formula, good) in [("(S + A - P) & ~3", true), ("(S + A - P >> 2) << 2", true), ("S + A - P >> 2", false)]
        {
            let mut row = row(effect::UNKNOWN, (rule::SIGNED, 18, 1), &[(2, 16)]);
            row.formula = formula.into();
            assert_eq!(dropped_bits(std::slice::from_ref(&row), &row).is_none(), good, "{formula}");
        }
    }
}
