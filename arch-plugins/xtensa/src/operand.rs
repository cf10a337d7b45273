//! Instructions, and the operand of one that is a distance.

use relobox_plugin::abi::fault;
use relobox_plugin::{Cx, Trouble, Value};

/// An instruction of two or three bytes.
#[derive(Clone, Copy)]
struct Insn {
    word: u32,
    /// How many bits it has.
    bits: u32,
    big: bool,
}

impl Insn {
    /// Reads the instruction at the start of `place`; `None` if there is only a part of it.
    fn read(place: &[u8], big: bool) -> Option<Self> {
        let first = *place.first()?;
        let len = if (if big { first >> 4 } else { first & 15 }) < 8 { 3 } else { 2 };
        let join = |word: u32, byte: &u8| word << 8 | u32::from(*byte);
        let bytes = place.get(..len)?;
        let word = if big { bytes.iter().fold(0, join) } else { bytes.iter().rev().fold(0, join) };
        Some(Self { word, bits: 8 * len as u32, big })
    }

    fn write(self, place: &mut [u8]) {
        let len = self.bits as usize / 8;
        let (little, big) = (self.word.to_le_bytes(), (self.word << (32 - self.bits)).to_be_bytes());
        place.iter_mut().zip(&(if self.big { big } else { little })[..len]).for_each(|(to, from)| *to = *from);
    }

    /// How far the field of `len` bits is shifted that is `at` bits from the end where `op0` stands.
    fn shift(self, at: u32, len: u32) -> u32 {
        if self.big { self.bits - at - len } else { at }
    }

    fn get(self, at: u32, len: u32) -> u32 {
        self.word >> self.shift(at, len) & ((1 << len) - 1)
    }

    fn set(self, at: u32, len: u32, value: i64) -> Self {
        let mask = ((1 << len) - 1) << self.shift(at, len);
        Self { word: self.word & !mask | (value as u32) << self.shift(at, len) & mask, ..self }
    }
}

/// An operand that is a distance.
struct Operand {
    /// From which address it counts.
    from: Value,
    /// Where its bits are.
    at: u32,
    /// How many it has.
    bits: u32,
    /// How many bits of the distance are dropped.
    unit: u32,
    min: i64,
    max: i64,
}

impl Operand {
    /// With a sign.
    const fn signed(from: Value, at: u32, bits: u32, unit: u32) -> Self {
        let half = 1 << (bits + unit - 1);
        Self { from, at, bits, unit, min: -half, max: half - (1 << unit) }
    }

    /// Forwards only.
    const fn forwards(from: Value, at: u32, bits: u32) -> Self {
        Self { from, at, bits, unit: 0, min: 0, max: (1 << bits) - 1 }
    }

    /// That of the instruction at `place`, if it has one.
    fn of(insn: Insn, place: Value) -> Option<Self> {
        let next = place + 4;
        if insn.bits == 16 {
            // beqz.n, bnez.n: the upper two bits are apart
            return (insn.get(0, 4) == 12 && insn.get(4, 4) >= 8).then_some(Self::forwards(next, 12, 6));
        }
        Some(match (insn.get(0, 4), insn.get(4, 2), insn.get(6, 2), insn.get(12, 4)) {
            // l32r
            (1, ..) => Self { from: (place + 3) & -4, at: 8, bits: 16, unit: 2, min: -0x4_0000, max: -4 },
            // call0, call4, call8, call12
            (5, ..) => Self::signed((place & -4) + 4, 6, 18, 2),
            // j
            (6, 0, ..) => Self::signed(next, 6, 18, 0),
            // beqz, bnez, bltz, bgez
            (6, 1, ..) => Self::signed(next, 12, 12, 0),
            // beqi, bnei, blti, bgei; bf, bt; bltui, bgeui; all that compare registers or test bits
            (6, 2, ..) | (6, 3, 1, 0 | 1) | (6, 3, 2 | 3, _) | (7, ..) => Self::signed(next, 16, 8, 0),
            // loop, loopnez, loopgtz
            (6, 3, 1, 8..=10) => Self::forwards(next, 16, 8),
            _ => return None,
        })
    }

    /// `insn` with the distance `value`.
    fn put(&self, insn: Insn, value: i64) -> Insn {
        if insn.bits == 16 {
            // Within this half byte, either byte order has the same bits.
            return insn.set(12, 4, value).set(4, 4, i64::from(insn.get(4, 4) & 12) | value >> 4);
        }
        insn.set(self.at, self.bits, value >> self.unit)
    }
}

/// Writes the distance of `target` into the instruction at hand.
#[inline(never)]
pub(super) fn distance<T>(target: Value, cx: &mut Cx<'_, T>) {
    if let Err(trouble) = patch(target, cx) {
        cx.report(trouble);
    }
}

fn patch<T>(target: Value, cx: &mut Cx<'_, T>) -> Result<(), Trouble> {
    let (big, offset, size) = (cx.job.big_endian(), cx.relocation.offset, cx.data.len() as i64);
    let place = cx.address(offset);
    let bytes = cx.data.get_mut(offset as usize..).unwrap_or_default();
    let outside = Trouble { kind: fault::OUTSIDE, value: offset as i64, min: 0, max: size, text: "" };
    let insn = Insn::read(bytes, big).ok_or(outside)?;
    let what = Trouble::new(fault::BAD_INSTRUCTION, "has no operand that is a distance");
    let operand = Operand::of(insn, place).ok_or(Trouble { value: insn.word.into(), ..what })?;
    let value = (target - operand.from.0).narrow().0;
    let Operand { unit, min, max, .. } = operand;
    if value < min || value > max | ((1 << unit) - 1) {
        return Err(Trouble { kind: fault::OUT_OF_RANGE, value, min, max, text: "" });
    }
    if value & ((1 << unit) - 1) != 0 {
        return Err(Trouble { kind: fault::MISALIGNED, value, min: 1 << unit, max: 0, text: "" });
    }
    // call4, call8 and call12
    if insn.get(0, 4) == 5 && insn.get(4, 2) != 0 && (target.bits() ^ place.bits()) as u32 >> 30 != 0 {
        let leaves = Trouble::new(fault::OTHER, "a call with a register window into another GiB cannot return");
        return Err(Trouble { value: target.0, ..leaves });
    }
    operand.put(insn, value).write(bytes);
    Ok(())
}
