//! The formulas of types that neither linker knows, written from the psABI without any code of a plugin.

use super::generator::OFFSET;
use super::vector::{Outcome, Vector};

/// Returns the bytes of `vector` with `word` at the place.
fn with(vector: &Vector, word: &[u8], slot: Option<Vec<u8>>) -> Outcome {
    let mut after = vector.before.clone();
    after[OFFSET as usize..][..word.len()].copy_from_slice(word);
    Outcome::Bytes(after, slot)
}

fn is_big(vector: &Vector) -> bool {
    vector.machine.contains('b')
}

/// Computes `S + A - GOT` in a data word.
pub(super) fn from_table(vector: &Vector) -> Outcome {
    let value = |name: &str| vector.value(name).unwrap_or(0);
    let x = value("s").wrapping_add_signed(vector.sites[0].addend).wrapping_sub(value("GOT"));
    match (vector.name.ends_with("64"), i32::try_from(x as i64), is_big(vector)) {
        (true, _, true) => with(vector, &x.to_be_bytes(), None),
        (true, _, false) => with(vector, &x.to_le_bytes(), None),
        (false, Ok(x), true) => with(vector, &x.to_be_bytes(), None),
        (false, Ok(x), false) => with(vector, &x.to_le_bytes(), None),
        (false, Err(_), _) => Outcome::Overflow,
    }
}

/// Computes a group of 16 bits of `G - GOT` in a move instruction. The checked types select `movz` by bit 30.
pub(super) fn move_of_slot(vector: &Vector) -> Outcome {
    let value = |name: &str| vector.value(name).unwrap_or(0);
    let x = value("G").wrapping_sub(value("GOT"));
    let group = vector.name.bytes().rev().find(u8::is_ascii_digit).map_or(0, |digit| u32::from(digit - b'0'));
    let mut word = u32::from_le_bytes([0, 1, 2, 3].map(|i| vector.before[OFFSET as usize + i]));
    word = word & !(0xffff << 5) | ((x >> (16 * group)) as u32 & 0xffff) << 5;
    if !vector.name.ends_with("_NC") {
        word |= 1 << 30;
        if group < 3 && x >> (16 * (group + 1)) != 0 {
            return Outcome::Overflow;
        }
    }
    with(vector, &word.to_le_bytes(), Some(value("s").to_le_bytes().to_vec()))
}

/// Computes twelve bits of `G - GOT` in units of eight in a load instruction. The table begins at a page boundary.
pub(super) fn load_of_slot(vector: &Vector) -> Outcome {
    let value = |name: &str| vector.value(name).unwrap_or(0);
    let x = value("G").wrapping_sub(value("GOT"));
    if x >> 15 != 0 {
        return Outcome::Overflow;
    }
    let word = u32::from_le_bytes([0, 1, 2, 3].map(|i| vector.before[OFFSET as usize + i]));
    let word = word & !(0xfff << 10) | ((x >> 3) as u32) << 10;
    with(vector, &word.to_le_bytes(), Some(value("s").to_le_bytes().to_vec()))
}

/// Computes `S + A - P`, or `G + A - P` if there is a slot, in a 32-bit word.
pub(super) fn distance(vector: &Vector) -> Outcome {
    let s = vector.value("G").or(vector.value("s")).unwrap_or(0);
    let x = s.wrapping_add_signed(vector.sites[0].addend).wrapping_sub(vector.at + OFFSET) as u32;
    let slot = vector.value("G").and(vector.value("s")).map(|s| match &vector.machine[..2] {
        "32" => (s as u32).to_le_bytes().to_vec(),
        _ => s.to_le_bytes().to_vec(),
    });
    with(vector, &if is_big(vector) { x.to_be_bytes() } else { x.to_le_bytes() }, slot)
}
