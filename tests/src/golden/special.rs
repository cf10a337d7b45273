//! Vectors that do not follow from a single row: pairs, and ULEB128 numbers.

use super::generator::{Generator, OFFSET, POISON};
use super::shape::Shape;
use super::vector::{Site, Vector};
use crate::module_spec::RowDescription;
use anyhow::Result;

/// Values around the carry from the low to the high half.
const CARRIES: [(&str, i64); 12] = [
    ("0", 0),
    ("1", 1),
    ("-1", -1),
    ("carry-1", 0x7fff),
    ("carry", 0x8000),
    ("low-max", 0xffff),
    ("high-1", 0x1_0000),
    ("half-1", 0x7fff_7fff),
    ("half", 0x7fff_8000),
    ("-carry", -0x8000),
    ("a5", 0xa5a5_a5a5),
    ("c3", 0x3c69_3c69),
];

/// Values around the carry on RISC-V, whose low part has twelve bits.
const CARRIES12: [(&str, i64); 12] = [
    ("0", 0),
    ("1", 1),
    ("-1", -1),
    ("carry-1", 0x7ff),
    ("carry", 0x800),
    ("low-max", 0xfff),
    ("high-1", 0x1000),
    ("-carry", -0x800),
    ("-carry-1", -0x801),
    ("a5", 0x25a5_a5a5),
    ("c3", 0x3c69_3c69),
    ("5a", -0x25a5_a5a6),
];

fn site(name: &str, offset: u64, symbol: &str, addend: i64) -> Site {
    Site { name: name.to_owned(), offset, symbol: symbol.to_owned(), addend }
}

/// Makes vectors for `HI16` and `LO16`, also with several high halves for one low half.
pub(super) fn halves(g: &mut Generator<'_>, row: &RowDescription, shape: Shape) -> Result<Vec<Vector>> {
    let low = row.name.replace("HI16", "LO16");
    let mut vectors = Vec::new();
    for (label, value) in CARRIES {
        for highs in 1..=if label == "carry" { 3 } else { 1 } {
            let label = if highs == 1 { label.to_owned() } else { format!("{label},{highs}-highs") };
            let mut v = g.blank(row, &label, POISON[g.turn % POISON.len()]);
            let last = OFFSET + 4 * highs;
            v.before.resize(last as usize + 4 + OFFSET as usize, v.before[0]);
            let turn = g.turn as u64;
            for at in (OFFSET..=last).step_by(4) {
                let word = (0x3c1c_0000 ^ (turn * 0x9e37_79b9 + at * 0x1_8001)) as u32 ^ u32::from(v.before[8]) << 8;
                let bytes =
                    if g.machine.order == relobox_abi::order::BIG { word.to_be_bytes() } else { word.to_le_bytes() };
                v.before[at as usize..][..4].copy_from_slice(&bytes);
            }
            v.sites = (OFFSET..last).step_by(4).map(|at| site(&row.name, at, "s", 0)).collect();
            v.sites.push(site(&low, last, "s", 0));
            // The first high half has the value.
            let half = |at: u64| row_low(g, &v.before[at as usize..]);
            let addend = (half(OFFSET) << 16).wrapping_add(i64::from(half(last) as i16));
            let p = if shape == Shape::RelativeHalf { (v.at + OFFSET) as i64 } else { 0 };
            let s = g.cut(value.wrapping_sub(addend).wrapping_add(p) as u64);
            v.values.push(("s".to_owned(), s));
            vectors.push(v);
        }
        g.turn += 1;
    }
    Ok(vectors)
}

/// Reads the low half of the word at `place`.
fn row_low(g: &Generator<'_>, place: &[u8]) -> i64 {
    let (big, little) = (u16::from_be_bytes([place[2], place[3]]), u16::from_le_bytes([place[0], place[1]]));
    if g.machine.order == relobox_abi::order::BIG { i64::from(big) } else { i64::from(little) }
}

/// Makes vectors for `PCREL_LO12` after and before the `PCREL_HI20` at its label.
pub(super) fn low_of_pair(g: &mut Generator<'_>, row: &RowDescription) -> Result<Vec<Vector>> {
    let mut vectors = Vec::new();
    for (label, value) in CARRIES12 {
        let mut v = g.blank(row, label, POISON[g.turn % POISON.len()]);
        let turned = g.turn % 2 == 1;
        let (high, low) = if turned { (OFFSET + 4, OFFSET) } else { (OFFSET, OFFSET + 4) };
        let filler = v.before[OFFSET as usize];
        v.before.splice(OFFSET as usize..OFFSET as usize, [filler; 4]);
        let addend = [0, 4, -0x7ff0][g.turn % 3];
        // The addend of the low part is ignored, and linkers expect 0.
        let pair = [site(&row.name, low, &format!(".{high}"), 0), site("R_RISCV_PCREL_HI20", high, "s", addend)];
        v.sites = pair.to_vec();
        let s = value.wrapping_sub(addend).wrapping_add((v.at + high) as i64);
        v.values.push(("s".to_owned(), g.cut(s as u64)));
        vectors.push(v);
        g.turn += 1;
    }
    Ok(vectors)
}

/// Makes vectors for `SET_ULEB128` (or `ADD_ULEB128`) and `SUB_ULEB128` with numbers of 1, 2 and 5 bytes.
pub(super) fn uleb(g: &mut Generator<'_>, row: &RowDescription) -> Result<Vec<Vector>> {
    let mut vectors = Vec::new();
    let Some(second) = ["SET_", "ADD_"].into_iter().find(|first| row.name.contains(first)) else {
        return Ok(vectors); // It comes with the first one.
    };
    let second = row.name.replace(second, "SUB_");
    for len in [1u32, 2, 5] {
        let end = 1i64 << (7 * len);
        for (label, value) in
            [("0", 0), ("1", 1), ("a5", 0xa5_a5a5_a5a5 & (end - 1)), ("max", end - 1), ("max+1", end), ("-1", -1)]
        {
            if g.machine.class == 32 && i64::from(value as i32) != value {
                continue;
            }
            let poison = POISON[g.turn % POISON.len()];
            let mut v = g.blank(row, &format!("{label},{len}-bytes"), poison);
            let mut number = vec![poison | 0x80; len as usize];
            number[len as usize - 1] &= 0x7f;
            v.before.splice(OFFSET as usize..OFFSET as usize, number);
            v.sites = vec![site(&row.name, OFFSET, "s", 0x10), site(&second, OFFSET, "t", -4)];
            let t = g.cut(v.at + 0x1000);
            v.values.push(("s".to_owned(), g.cut(t.wrapping_add_signed(value - 0x14))));
            v.values.push(("t".to_owned(), t));
            vectors.push(v);
            g.turn += 1;
        }
    }
    Ok(vectors)
}
