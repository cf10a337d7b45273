//! Where an instruction behind an extender holds the lower six bits of its immediate.

use relobox_plugin::abi::{Slice, fault, order};
use relobox_plugin::{Field, Trouble, Value, slice};

const fn insn(slices: &'static [Slice]) -> Field {
    Field::insn(4, order::LITTLE, slices)
}

/// What is stored, or stored to.
const AT_0: Field = insn(&[slice(0, 0, 6)]);
/// Nearly everything that has a destination.
const AT_5: Field = insn(&[slice(0, 5, 6)]);
/// Arithmetic on memory, and `add(pc, #u6)`.
const AT_7: Field = insn(&[slice(0, 7, 6)]);
/// The upper of the two instructions in one word.
const AT_20: Field = insn(&[slice(0, 20, 6)]);
const AT_0_13: Field = insn(&[slice(0, 0, 5), slice(5, 13, 1)]);
const AT_3_13: Field = insn(&[slice(0, 3, 5), slice(5, 13, 1)]);
const AT_3_16: Field = insn(&[slice(0, 3, 4), slice(4, 16, 2)]);
const AT_5_8: Field = insn(&[slice(0, 5, 2), slice(2, 8, 4)]);
const AT_8_16: Field = insn(&[slice(0, 8, 1), slice(1, 16, 5)]);
const AT_13_16: Field = insn(&[slice(0, 13, 1), slice(1, 16, 5)]);
const AT_5_13_21: Field = insn(&[slice(0, 5, 3), slice(3, 13, 1), slice(4, 21, 2)]);
const AT_3_5_13_21: Field = insn(&[slice(0, 3, 1), slice(1, 5, 3), slice(4, 13, 1), slice(5, 21, 1)]);

/// The field of `insn`, or `None` if that has no immediate which can be extended. Of a longer immediate, the bits that
/// lie in the top byte mean nothing behind an extender.
const fn field(insn: u32) -> Option<&'static Field> {
    if insn & 0xc000 == 0 {
        return Some(&AT_20);
    }
    Some(match insn >> 24 {
        0x38 | 0x39 => &AT_0_13,                          // if (Pv) memX(Rs+#) = #S6
        0x3c | 0x3d => &AT_0,                             // memX(Rs+#) = #S8
        0x3e | 0x3f | 0x6a => &AT_7,                      // memX(Rs+#u6) += Rt; Rd = add(pc, #u6)
        0x40 | 0x42 | 0x44 | 0x46 => &AT_3_13,            // if (Pv) memX(Rs+#u6) = Rt
        0x41 | 0x43 | 0x45 | 0x47 => &AT_5,               // if (Pt) Rd = memX(Rs+#u6)
        0x48 | 0x4a | 0x4c | 0x4e => &AT_0,               // memX(#u16) = Rt
        0x49 | 0x4b | 0x4d | 0x4f => &AT_5,               // Rd = memX(#u16)
        0x7c if insn & 1 << 23 != 0 => &AT_13_16,         // Rdd = combine(#s8, #U6)
        0x73..=0x76 | 0x78 | 0x7a..=0x7c | 0x7e => &AT_5, // Rd = #s16, mux, cmp, ...
        0x90..=0x97 => &AT_5,                             // Rd = memX(Rs+#s11)
        0x9a..=0x9d => &AT_5_8,                           // Rd = memX(Re=#U6), memX(Rt<<#+#U6)
        0x9f => &AT_8_16,                                 // if (Pt) Rd = memX(#u6)
        0xa1 | 0xa3 | 0xa5 | 0xa7 | 0xab | 0xad => &AT_0, // memX(Rs+#s11) = Rt, memX(Re=#U6), memX(Ru<<#+#U6)
        0xaf => &AT_3_16,                                 // if (Pv) memX(#u6) = Rt
        0xb0..=0xbf | 0xda | 0xdd | 0xe0..=0xe2 => &AT_5, // Rd = add(Rs, #s16), mpyi, cmpb, ...
        0xd7 | 0xd8 | 0xdb | 0xdf => &AT_5_13_21,         // Rd = add(#u6, mpyi(Rs, Rt)), add(Rs, add(Ru, #s6))
        0xde => &AT_3_5_13_21,                            // Rx = add(#u8, asl(Rx, #U5))
        _ => return None,
    })
}

/// `insn` with the lower six bits of `value` in it.
///
/// # Errors
/// If it is none that can be extended.
#[inline(never)]
pub fn operand(value: Value, insn: Value) -> Result<Value, Trouble> {
    const NONE: Trouble = Trouble::new(fault::BAD_INSTRUCTION, "has no immediate that can be extended");
    match field(insn.0 as u32) {
        Some(field) => Ok(Value(field.insert(insn.bits(), value.0) as i64)),
        None => Err(Trouble { value: insn.0, ..NONE }),
    }
}
