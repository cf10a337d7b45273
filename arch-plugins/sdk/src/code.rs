//! Code that plugins make: templates of instructions whose fields hold operands.

/// Writes code to the start of some bytes, in the byte order of the module's data where a field has none of its own;
/// nothing if they are too few.
///
/// Each instruction or word reads `FIELD(opcode)`, or `FIELD(opcode, operand)` with the operand in the field.
///
/// ```
/// use relobox_plugin::{Field, Value, abi::order, code, slice};
/// const INSN: Field = Field::insn(4, order::LITTLE, &[slice(0, 0, 32)]);
/// const IMM26: Field = Field::insn(4, order::LITTLE, &[slice(2, 0, 26)]);
///
/// let (mut stub, distance) = ([0; 8], Value(0x1000));
/// code! { &mut stub, false;
///     INSN(0xd503_201f)            // nop
///     IMM26(0x1400_0000, distance) // b distance
/// }
/// assert_eq!(stub, [0x1f, 0x20, 0x03, 0xd5, 0x00, 0x04, 0x00, 0x14]);
/// ```
#[macro_export]
macro_rules! code {
    ($place:expr, $big:expr; $($field:ident($opcode:expr $(, $operand:expr)?))*) => {{
        const LEN: usize = 0 $(+ $field.width as usize)*;
        let (place, big): (&mut [u8], bool) = ($place, $big);
        if let Some(place) = place.get_mut(..LEN) {
            let at = 0;
            $(
                $field.set_word(&mut place[at..], big, $crate::code!(@ $field $opcode $(, $operand)?));
                let at = at + $field.width as usize;
            )*
            debug_assert_eq!(at, LEN);
        }
    }};
    (@ $field:ident $opcode:expr) => {
        $opcode
    };
    (@ $field:ident $opcode:expr, $operand:expr) => {
        $field.insert($opcode, $crate::Value::bits($operand) as i64)
    };
}
