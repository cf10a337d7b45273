//! What a table may say: checked while the plugin is compiled, so that a slip in a row is a compile error that names the
//! row, and not a relocation that is done in another way than it reads.

use crate::{About, RowInfo};
use relobox_abi::{Machine, Slice, order, row_flag, rule};

/// Panics, which is a compile error in a constant, if the row of type `kind` contradicts itself.
///
/// # Panics
/// If it does.
pub const fn row(about: &About, kind: u32) {
    let mut i = 0;
    while i < about.rows.len() {
        if about.rows[i].kind == kind {
            refuse(check_row(&about.rows[i]));
        }
        i += 1;
    }
}

/// The same for everything that is not in one row.
///
/// # Panics
/// If it contradicts itself.
pub const fn table(about: &About) {
    refuse(check_table(about));
}

/// Panics if the slices do not fit a field of `width` bytes.
///
/// # Panics
/// If they do not.
pub(crate) const fn field(width: u8, order: u8, slices: &[Slice]) {
    refuse(check_field(width, order, slices));
}

const fn refuse(found: Result<(), &'static str>) {
    if let Err(text) = found {
        panic!("{}", text);
    }
}

const fn check_field(width: u8, order: u8, slices: &[Slice]) -> Result<(), &'static str> {
    if !matches!(width, 0 | 1 | 2 | 3 | 4 | 8) {
        return Err("a field has 0, 1, 2, 3, 4 or 8 bytes");
    }
    if !matches!(order, order::LITTLE | order::BIG | order::DATA | order::MIDDLE) {
        return Err("a field's byte order is one of abi::order");
    }
    if order == order::MIDDLE && width != 4 {
        return Err("a field of two halfwords has 4 bytes");
    }
    if width != 0 && slices.is_empty() {
        return Err("a field with bytes has a slice");
    }
    let (mut i, mut field_bits) = (0, 0u128);
    while i < slices.len() {
        let s = slices[i];
        if s.len == 0 || s.len > 64 {
            return Err("a slice has 1 to 64 bits");
        }
        let ones = (1u128 << s.len) - 1;
        if s.field_bit as u32 + s.len as u32 > width as u32 * 8 {
            return Err("a slice leaves its field");
        }
        if s.value_bit as u32 + s.len as u32 > 64 {
            return Err("a slice takes bits beyond the value's 64");
        }
        if field_bits & ones << s.field_bit != 0 {
            return Err("two slices have the same bit of the field");
        }
        field_bits |= ones << s.field_bit;
        i += 1;
    }
    Ok(())
}

/// Whether a formula has parentheses.
const fn has_function(formula: &str) -> bool {
    let (text, mut i) = (formula.as_bytes(), 0);
    while i < text.len() && text[i] != b'(' {
        i += 1;
    }
    i < text.len()
}

/// One past the highest bit of the value that the field holds.
const fn value_bits(slices: &[Slice]) -> u32 {
    let (mut top, mut i) = (0, 0);
    while i < slices.len() {
        let end = slices[i].value_bit as u32 + slices[i].len as u32;
        top = if end > top { end } else { top };
        i += 1;
    }
    top
}

const fn check_row(row: &RowInfo) -> Result<(), &'static str> {
    if row.flags & (row_flag::NOP | row_flag::REJECT) != 0 {
        return Ok(());
    }
    if let Err(text) = check_field(row.width, row.order, row.slices) {
        return Err(text);
    }
    let by_hand = row.flags & row_flag::BY_HAND != 0;
    if row.width == 0 && !by_hand {
        return Err("a field without bytes is for rows that write by hand");
    }
    if row.rule.bits == 0 || row.rule.bits > 64 {
        return Err("a rule speaks of 1 to 64 bits");
    }
    // A function in the formula may put the sign elsewhere: AArch64's MOVZ and MOVN differ by it.
    let sign_elsewhere = row.rule.kind == rule::SIGNED && has_function(row.formula);
    if row.rule.kind != rule::NONE && row.rule.bits as u32 > value_bits(row.slices) + sign_elsewhere as u32 {
        return Err("the rule admits values that the field cannot hold");
    }
    if !row.rule.align.is_power_of_two() {
        return Err("an alignment is a power of two, 128 at most");
    }
    if row.round > 63 {
        return Err("a low half has at most 63 bits");
    }
    let (start, len, round) = row.window;
    if round == 0 || !round.is_power_of_two() {
        return Err("a window is rounded to a power of two");
    }
    // Rounded down, a window begins where the field does or before; the host clips nothing at its end.
    if start > 0 || start as i32 + (len as i32) < row.width as i32 {
        return Err("the window does not hold the field");
    }
    Ok(())
}

const fn check_machine(m: &Machine) -> Result<(), &'static str> {
    if m.class != 32 && m.class != 64 {
        return Err("a machine's class is 32 or 64");
    }
    if m.order != order::LITTLE && m.order != order::BIG {
        return Err("a machine's byte order is LITTLE or BIG");
    }
    if m.flags_value & !m.flags_mask != 0 {
        return Err("flags_value has bits that flags_mask leaves out, so no file has them");
    }
    Ok(())
}

const fn check_table(about: &About) -> Result<(), &'static str> {
    if about.machines.is_empty() {
        return Err("an architecture links at least one machine");
    }
    let mut i = 0;
    while i < about.machines.len() {
        if let Err(text) = check_machine(&about.machines[i]) {
            return Err(text);
        }
        i += 1;
    }
    let mut i = 0;
    while i < about.rows.len() {
        if about.rows[i].kind & !about.kind_mask != 0 {
            return Err("a type has bits outside kind_mask, so no relocation selects its row");
        }
        let mut j = 0;
        while j < i {
            if about.rows[i].kind == about.rows[j].kind {
                return Err("two rows have the same type");
            }
            j += 1;
        }
        i += 1;
    }
    if let Err(text) = check_refused(about) {
        return Err(text);
    }
    check_details(about)
}

const fn check_details(about: &About) -> Result<(), &'static str> {
    let mut i = 0;
    while i < about.details.len() {
        let (one, mut j) = (about.details[i], 0);
        while j < about.rows.len() && about.rows[j].kind != one.kind {
            j += 1;
        }
        if j == about.rows.len() {
            return Err("a detail is of no row");
        }
        if i > 0 && about.details[i - 1].kind > one.kind {
            return Err("details come in the order of their types");
        }
        if one.value & !one.mask != 0 || one.min > one.max {
            return Err("a detail contradicts itself");
        }
        i += 1;
    }
    let mut i = 0;
    while i < about.remade.len() {
        if !about.remade[i].align.is_power_of_two() {
            return Err("a section's alignment is a power of two");
        }
        i += 1;
    }
    Ok(())
}

const fn check_refused(about: &About) -> Result<(), &'static str> {
    let mut i = 0;
    while i < about.refused.len() {
        let r = about.refused[i];
        if r.last < r.first || r.names.len() as u64 != r.last as u64 - r.first as u64 + 1 {
            return Err("a range of refused types has a name for each, no more");
        }
        if r.last & !about.kind_mask != 0 {
            return Err("a type has bits outside kind_mask, so no relocation selects its row");
        }
        let mut j = 0;
        while j < about.rows.len() {
            if about.rows[j].kind >= r.first && about.rows[j].kind <= r.last {
                return Err("a type is refused, and has a row");
            }
            j += 1;
        }
        i += 1;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Refused, Rule, slice};
    use alloc::boxed::Box;

    const GOOD: RowInfo = RowInfo {
        kind: 1,
        name: "R_TOY_32",
        formula: "S + A",
        field: "WORD",
        slices: &[slice(0, 0, 32)],
        width: 4,
        order: order::DATA,
        rule: Rule { kind: rule::SIGNED, bits: 32, align: 1 },
        flags: 0,
        window: (0, 4, 1),
        extra: 0,
        effect: 0,
        round: 0,
        pair: (0, 0),
    };
    const MACHINE: Machine = Machine {
        machine: 1,
        class: 32,
        order: order::BIG,
        flags_mask: 1,
        flags_value: 1,
        reserved: 0,
        base: 0,
        kernel: 0,
        reach: 0,
    };

    fn about(machines: &'static [Machine], rows: &'static [RowInfo]) -> About {
        About {
            name: "toy",
            title: "",
            psabi: "",
            machines,
            kind_mask: 0xff,
            inputs: &[],
            rows,
            refused: &[],
            remade: &[],
            details: &[],
        }
    }

    #[test]
    fn rows_that_contradict_themselves() {
        assert_eq!(check_row(&GOOD), Ok(()));
        let rule = |kind, bits, align| RowInfo { rule: Rule { kind, bits, align }, ..GOOD };
        let wrong = [
            (rule(rule::SIGNED, 80, 1), "1 to 64 bits"),
            (rule(rule::SIGNED, 0, 1), "1 to 64 bits"),
            (rule(rule::UNSIGNED, 33, 1), "cannot hold"),
            (rule(rule::SIGNED, 33, 1), "cannot hold"),
            (RowInfo { formula: "movz_or_movn(cx, S + A)?", ..rule(rule::SIGNED, 34, 1) }, "cannot hold"),
            (rule(rule::NONE, 64, 3), "power of two"),
            (rule(rule::NONE, 64, 0), "power of two"),
            (RowInfo { width: 5, ..GOOD }, "0, 1, 2, 3, 4 or 8 bytes"),
            (RowInfo { order: 9, ..GOOD }, "byte order"),
            (RowInfo { order: order::MIDDLE, width: 8, ..GOOD }, "two halfwords"),
            (RowInfo { slices: &[], ..GOOD }, "has a slice"),
            (RowInfo { slices: &const { [slice(0, 1, 32)] }, ..GOOD }, "leaves its field"),
            (RowInfo { slices: &const { [slice(33, 0, 32)] }, ..GOOD }, "beyond the value's 64"),
            (RowInfo { slices: &const { [slice(0, 0, 0)] }, ..GOOD }, "1 to 64 bits"),
            (RowInfo { slices: &const { [slice(0, 0, 9), slice(9, 8, 23)] }, ..GOOD }, "same bit of the field"),
            (RowInfo { width: 0, slices: &[], ..GOOD }, "by hand"),
            (RowInfo { round: 64, ..GOOD }, "63 bits"),
            (RowInfo { window: (1, 4, 1), ..GOOD }, "hold the field"),
            (RowInfo { window: (-4, 4, 1), ..GOOD }, "hold the field"),
            (RowInfo { window: (0, 4, 0), ..GOOD }, "power of two"),
            (RowInfo { window: (0, 4, 12), ..GOOD }, "power of two"),
        ];
        for (row, expected) in wrong {
            let text = check_row(&row).expect_err(expected);
            assert!(text.contains(expected), "{text}");
        }
    }

    #[test]
    fn tables_that_contradict_themselves() {
        const CLASS16: Machine = Machine { class: 16, ..MACHINE };
        const BOTH_ORDERS: Machine = Machine { order: order::DATA, ..MACHINE };
        const NO_FILE: Machine = Machine { flags_value: 2, ..MACHINE };
        const BEYOND: RowInfo = RowInfo { kind: 0x100, ..GOOD };
        const SECOND: RowInfo = RowInfo { kind: 2, ..GOOD };
        assert_eq!(check_table(&about(&[MACHINE], &[GOOD])), Ok(()));
        let wrong = [
            (about(&[], &[GOOD]), "at least one machine"),
            (about(&[CLASS16], &[]), "class"),
            (about(&[BOTH_ORDERS], &[]), "byte order"),
            (about(&[NO_FILE], &[]), "flags_mask"),
            (about(&[MACHINE], &[BEYOND]), "kind_mask"),
            (about(&[MACHINE], &[GOOD, SECOND, GOOD]), "same type"),
        ];
        let refused = |first, last, names| {
            const WHY: &str = "is old";
            let refused = [Refused { first, last, names, why: WHY }];
            check_table(&About { refused: Box::leak(Box::new(refused)), ..about(&[MACHINE], &[GOOD]) })
        };
        assert_eq!(refused(2, 3, &["A", "B"]), Ok(()));
        for (about, expected) in wrong {
            let text = check_table(&about).expect_err(expected);
            assert!(text.contains(expected), "{text}");
        }
        for (first, last, expected) in [(2, 4, "a name for each"), (3, 2, "a name for each"), (0, 1, "has a row")] {
            assert!(refused(first, last, &["A", "B"]).expect_err(expected).contains(expected));
        }
    }
}
