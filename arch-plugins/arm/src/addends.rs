//! How Arm and Thumb instructions hold numbers that are not just bits: the tables "relocation actions by instruction
//! type" of AAELF32, both ways. All values are modulo 2^32.

use crate::fields::INSN;
use relobox_plugin::abi::fault;
use relobox_plugin::{Cx, Trouble, Value};

/// A magnitude of `bits`, and above it the bit U.
pub(crate) const fn up_down(held: i64, bits: u32) -> i64 {
    let magnitude = held & ((1 << bits) - 1);
    if held >> bits & 1 == 0 { -magnitude } else { magnitude }
}

/// Bits 23 and 22 inverted unless the value is negative: a distance as `bl` holds it, and the reverse.
#[inline(never)]
pub(crate) fn j1_j2(distance: Value) -> Value {
    let distance = distance.narrow();
    // What is out of range stays as it is, for the message.
    if (0..1 << 24).contains(&distance.0) { Value(distance.0 ^ 0xc0_0000) } else { distance }
}

const fn outside(value: i64, min: i64, max: i64) -> Trouble {
    Trouble { kind: fault::OUT_OF_RANGE, value, min, max, text: "" }
}

const fn crooked(value: i64, align: i64) -> Trouble {
    Trouble { kind: fault::MISALIGNED, value, min: align, max: 0, text: "" }
}

/// A value that has no sign, is not above `max`, and is a multiple of `align`.
#[inline(never)]
pub(crate) fn within(x: Value, max: i64, align: i64) -> Result<Value, Trouble> {
    match x.narrow().0 {
        x if !(0..=max | (align - 1)).contains(&x) => Err(outside(x, 0, max)),
        x if x & (align - 1) != 0 => Err(crooked(x, align)),
        x => Ok(Value(x)),
    }
}

/// Of the opcode of `adr.w`, as its field has them.
const ADR_SUB: i64 = 0x3000;

/// The addend of `adr.w`, from what its field holds.
pub(crate) const fn adr_addend(held: i64) -> i64 {
    if held & ADR_SUB != 0 { -(held & 0xfff) } else { held & 0xfff }
}

/// A distance as `adr.w` holds it.
#[inline(never)]
pub(crate) fn adr(x: Value) -> Result<Value, Trouble> {
    match x.narrow().0 {
        x @ 0..=0xfff => Ok(Value(x)),
        x @ -0xfff..0 => Ok(Value(-x | ADR_SUB)),
        x => Err(outside(x, -0xfff, 0xfff)),
    }
}

/// Where the eight highest bits of `y` begin: at an even place, since that is how `add` and `sub` rotate.
const fn start(y: u32) -> u32 {
    (32 - y.leading_zeros()).saturating_sub(8).next_multiple_of(2)
}

/// What is left of `x` without its sign after so many groups: `Y` in the psABI.
fn residual(x: i64, groups: u32) -> u32 {
    (0..groups).fold(x.unsigned_abs() as u32, |y, _| y & !(0xff << start(y)))
}

/// What a load or store behind so many `add` or `sub` holds, of which `bits` are a magnitude.
#[inline(never)]
pub(crate) fn load(x: Value, bits: u32, groups: u32) -> Result<Value, Trouble> {
    let x = x.narrow().0;
    let rest = i64::from(residual(x, groups));
    let last = (1 << bits) - 1;
    if rest > last {
        // Whatever the bits above are, this much goes.
        let max = (1 << (bits + 8 * groups)) - 1;
        return Err(outside(x, -max, max));
    }
    // Coprocessors load words.
    if bits == 10 && rest & 3 != 0 {
        return Err(crooked(x, 4));
    }
    Ok(Value(rest | i64::from(x >= 0) << bits))
}

/// Of the opcodes of `add` and `sub`, as their field has them.
const SUB: i64 = 0x1000;
const ADD: i64 = 0x2000;

/// The addend of `add` or `sub`, from what its field holds.
pub(crate) const fn rotated(held: i64) -> i64 {
    let rotated = (held as u32 & 0xff).rotate_right(held as u32 >> 7 & 30) as i64;
    if held & SUB != 0 { -rotated } else { rotated }
}

/// What `add` or `sub` number `groups` holds, of which more may follow.
#[inline(never)]
pub(crate) fn group<T>(x: Value, groups: u32, cx: &mut Cx<'_, T>) -> Result<Value, Trouble> {
    let word = cx.word(&INSN, cx.relocation.offset)?;
    if !matches!(word >> 21 & 15, 2 | 4) {
        let text = "is neither add nor sub";
        return Err(Trouble { value: word as i64, ..Trouble::new(fault::BAD_INSTRUCTION, text) });
    }
    let x = x.narrow().0;
    let y = residual(x, groups);
    let at = start(y);
    let (eight, rotation) = (y >> at & 0xff, (32 - at) / 2 % 16);
    Ok(Value(i64::from(rotation << 8 | eight) | if x < 0 { SUB } else { ADD }))
}

/// The same of the last one: nothing may be left.
#[inline(never)]
pub(crate) fn alu<T>(x: Value, groups: u32, cx: &mut Cx<'_, T>) -> Result<Value, Trouble> {
    let held = group(x, groups, cx)?;
    let x = x.narrow().0;
    if residual(x, groups + 1) != 0 {
        let max = (1 << (8 + 8 * groups)) - 1;
        return Err(outside(x, -max, max));
    }
    Ok(held)
}
