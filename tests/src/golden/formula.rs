//! Formulas of types that neither linker knows, written from psABIs without any code of a plugin. Those of one
//! architecture are in its file, `crate::arch`.

use super::generator::OFFSET;
use super::vector::{Outcome, Vector};

/// Returns the bytes of `vector` with `word` at the place.
pub fn with(vector: &Vector, word: &[u8], slot: Option<Vec<u8>>) -> Outcome {
    let mut after = vector.before.clone();
    after[OFFSET as usize..][..word.len()].copy_from_slice(word);
    Outcome::Bytes(after, slot)
}

/// Returns whether data is big-endian.
pub fn is_big(vector: &Vector) -> bool {
    vector.machine.contains('b')
}

/// Computes `S + A - GOT` in a data word.
pub fn from_table(vector: &Vector) -> Outcome {
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

/// Computes `S + A - P`, or `G + A - P` if there is a slot, in a 32-bit word.
pub fn distance(vector: &Vector) -> Outcome {
    let s = vector.value("G").or(vector.value("s")).unwrap_or(0);
    let x = s.wrapping_add_signed(vector.sites[0].addend).wrapping_sub(vector.at + OFFSET) as u32;
    let slot = vector.value("G").and(vector.value("s")).map(|s| match &vector.machine[..2] {
        "32" => (s as u32).to_le_bytes().to_vec(),
        _ => s.to_le_bytes().to_vec(),
    });
    with(vector, &if is_big(vector) { x.to_be_bytes() } else { x.to_le_bytes() }, slot)
}
