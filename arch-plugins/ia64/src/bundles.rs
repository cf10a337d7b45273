//! Bundles: which bits of a value lie where in an instruction.

use relobox_plugin::abi::{Slice, fault, rule};
use relobox_plugin::{Cx, Rule, Trouble, Value, slice};

/// The immediate of an instruction.
pub(crate) struct Immediate {
    /// Its bits, from the lowest one of the slot, or of slot 1 if it has two.
    slices: &'static [Slice],
    rule: Rule,
    /// It takes slots 1 and 2.
    long: bool,
}

const fn immediate(bits: u8, align: u8, slices: &'static [Slice]) -> Immediate {
    Immediate { slices, rule: Rule { kind: rule::SIGNED, bits, align }, long: bits > 25 }
}

/// `adds`: imm7b, imm6d, s.
pub(crate) const IMM14: Immediate = immediate(14, 1, &[slice(0, 13, 7), slice(7, 27, 6), slice(13, 36, 1)]);
/// `addl`: imm7b, imm9d, imm5c, s.
pub(crate) const IMM22: Immediate =
    immediate(22, 1, &[slice(0, 13, 7), slice(7, 27, 9), slice(16, 22, 5), slice(21, 36, 1)]);
/// `movl`: imm41 in slot 1; imm7b, imm9d, imm5c, ic, i in slot 2.
pub(crate) const IMM64: Immediate = immediate(
    64,
    1,
    &[
        slice(22, 0, 41),
        slice(0, SLOT + 13, 7),
        slice(7, SLOT + 27, 9),
        slice(16, SLOT + 22, 5),
        slice(21, SLOT + 21, 1),
        slice(63, SLOT + 36, 1),
    ],
);
/// `br`: imm20b, s; in bundles of 16 bytes, as all targets.
pub(crate) const TARGET25B: Immediate = immediate(25, 16, &[slice(4, 13, 20), slice(24, 36, 1)]);
/// `chk.s`: imm7a, imm13c, s.
pub(crate) const TARGET25M: Immediate = immediate(25, 16, &[slice(4, 6, 7), slice(11, 20, 13), slice(24, 36, 1)]);
/// `fchkf`: imm20a, s.
pub(crate) const TARGET25F: Immediate = immediate(25, 16, &[slice(4, 6, 20), slice(24, 36, 1)]);
/// `brl`: imm39 in slot 1, above its lowest two bits; imm20b, i in slot 2.
pub(crate) const TARGET64: Immediate =
    immediate(64, 16, &[slice(24, 2, 39), slice(4, SLOT + 13, 20), slice(63, SLOT + 36, 1)]);

/// Bits of a slot, and of the template before the first one.
const SLOT: u8 = 41;
const TEMPLATE: u8 = 5;

impl Immediate {
    /// `bundle` with `value` in the instruction of slot `slot`.
    pub(crate) fn insert(&self, bundle: u128, slot: u8, value: Value) -> u128 {
        let start = TEMPLATE + SLOT * if self.long { 1 } else { slot };
        self.slices.iter().fold(bundle, |bundle, s| {
            let (at, ones) = (start + s.field_bit, u64::MAX >> (64 - s.len));
            bundle & !(u128::from(ones) << at) | u128::from(value.bits() >> s.value_bit & ones) << at
        })
    }
}

/// Writes `value` into the instruction at the place.
#[inline(never)]
pub(crate) fn put<T>(value: Value, to: &Immediate, cx: &mut Cx<'_, T>) -> Result<(), Trouble> {
    let (place, end) = (cx.relocation.offset, cx.data.len() as i64);
    let (start, slot) = (place & !15, (place & 15) as u8);
    let outside = Trouble { kind: fault::OUTSIDE, value: place as i64, min: 0, max: end, text: "" };
    let at = usize::try_from(start).map_err(|_| outside)?;
    let bundle = cx.data.get_mut(at..).and_then(|bytes| bytes.first_chunk_mut::<16>()).ok_or(outside)?;
    if slot > 2 || to.long && slot == 0 {
        let text = "is no slot of a bundle with such an instruction";
        return Err(Trouble { value: place as i64, min: 16, ..Trouble::new(fault::MISALIGNED, text) });
    }
    if to.rule.in_range(value) && to.rule.aligned(value) {
        *bundle = to.insert(u128::from_le_bytes(*bundle), slot, value).to_le_bytes();
    } else {
        cx.inadmissible(&to.rule, value, 0);
    }
    Ok(())
}
