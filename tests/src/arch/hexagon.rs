//! Hexagon: lld alone links it, by adding bits to instructions whose fields are zero.

use super::{Architecture, Pair, Variant};
use crate::golden::{Difference, Generator, OFFSET, Outcome, POISON, Shape, Take, Vector, formula, is_outside};
use crate::module_spec::RowDescription;
use crate::oracle::Image;
use crate::oracle::destination::{Destination, branch};
use relobox_abi::order;

pub(super) static ARCHITECTURE: Architecture = Architecture {
    name: "hexagon",
    variants: &[Variant {
        name: "hexagon",
        machine: 164,
        class: 32,
        order: order::LITTLE,
        // V68, without which lld would not know which instructions there are.
        e_flags: 0x68,
        lld: Some("hexagonelf"),
        base: 0xe000_0000,
        ..Variant::PLAIN
    }],
    code_align: 4,
    slot_type: "R_HEX_GOT_32_6_X",
    shape: |row| {
        Some(match row.formula.as_str() {
            "G + A" => Shape::SlotOffset,
            "S + A - GOT" => Shape::FromTable,
            formula if formula.starts_with("operand(") => Shape::Special,
            _ => return None,
        })
    },
    vectors,
    pairs: &[
        Pair::absolute("R_HEX_HI16", "R_HEX_LO16"),
        Pair { low_addend: 4, ..Pair::relative("R_HEX_B32_PCREL_X", "R_HEX_B22_PCREL_X") },
    ],
    differences: DIFFERENCES,
    // call
    call: |_, distance| (0x5a00_c000 | deposit(distance as u32 >> 2, 0x01ff_3ffe)).to_le_bytes().to_vec(),
    reference,
    ..Architecture::PLAIN
};

/// Instructions with their types, and the bits of their operands: those that llvm-mc 22 sets for 0x3f behind an
/// extender.
const OPERANDS: [(&str, u32, u32); 52] = [
    ("16_X", 0x7800_c000, 0x0000_07e0), // r0 = ##s
    ("16_X", 0xb001_c000, 0x0000_07e0), // r0 = add(r1,##s)
    ("16_X", 0x4980_c000, 0x0000_07e0), // r0 = memw(##s)
    ("16_X", 0x4880_c200, 0x0000_003f), // memw(##s) = r2
    ("12_X", 0x7e00_c000, 0x0000_07e0), // if (p0) r0 = ##s
    ("11_X", 0x9181_c000, 0x0000_07e0), // r0 = memw(r1+##s)
    ("11_X", 0x90e1_c000, 0x0000_07e0), // r1:0 = membh(r1+##s)
    ("11_X", 0xa181_c200, 0x0000_003f), // memw(r1+##s) = r2
    ("10_X", 0x7601_c000, 0x0000_07e0), // r0 = and(r1,##s)
    ("10_X", 0x7641_c000, 0x0000_07e0), // r0 = sub(##s,r1)
    ("10_X", 0x7501_c000, 0x0000_07e0), // p0 = cmp.eq(r1,##s)
    ("10_X", 0xda40_c001, 0x0000_07e0), // r0 = or(r1,and(r0,##s))
    ("9_X", 0x7581_c000, 0x0000_07e0),  // p0 = cmp.gtu(r1,##s)
    ("8_X", 0x7401_c000, 0x0000_07e0),  // if (p0) r0 = add(r1,##s)
    ("8_X", 0x7c00_e000, 0x0000_07e0),  // r1:0 = combine(##s,#1)
    ("8_X", 0x7302_e000, 0x0000_07e0),  // r1:0 = combine(r2,##s)
    ("8_X", 0x7341_e000, 0x0000_07e0),  // r0 = cmp.eq(r1,##s)
    ("8_X", 0x7a00_e000, 0x0000_07e0),  // r0 = mux(p0,##s,#1)
    ("8_X", 0xdd41_c000, 0x0000_07e0),  // p0 = cmpb.gtu(r1,##s)
    ("8_X", 0xe201_c000, 0x0000_07e0),  // r0 += add(r1,##s)
    ("8_X", 0xe101_c000, 0x0000_07e0),  // r0 += mpyi(r1,##s)
    ("8_X", 0xe001_c000, 0x0000_07e0),  // r0 = +mpyi(r1,##s)
    ("8_X", 0xde00_c304, 0x0020_20e8),  // r0 = add(##s,asl(r0,#3))
    ("8_X", 0x3c41_c080, 0x0000_003f),  // memw(r1+#4) = ##s
    ("7_X", 0xdd41_c000, 0x0000_07e0),  // p0 = cmpb.gtu(r1,##s), by its length without an extender
    ("6_X", 0x7c80_c020, 0x001f_2000),  // r1:0 = combine(#1,##s)
    ("6_X", 0xd801_c005, 0x0060_20e0),  // r0 = add(##s,mpyi(r1,#5))
    ("6_X", 0xd701_c200, 0x0060_20e0),  // r0 = add(##s,mpyi(r1,r2))
    ("6_X", 0xdf82_c001, 0x0060_20e0),  // r0 = add(r1,mpyi(r2,##s))
    ("6_X", 0xdb01_c002, 0x0060_20e0),  // r0 = add(r1,add(r2,##s))
    ("6_X", 0x9d81_f000, 0x0000_0f60),  // r0 = memw(r1<<#2+##s)
    ("6_X", 0x9ce1_f000, 0x0000_0f60),  // r1:0 = membh(r1<<#2+##s)
    ("6_X", 0x9b81_d000, 0x0000_0f60),  // r0 = memw(r1=##s)
    ("6_X", 0x9aa1_d002, 0x0000_0f60),  // r3:2 = memubh(r1=##s)
    ("6_X", 0x4181_c000, 0x0000_07e0),  // if (p0) r0 = memw(r1+##s)
    ("6_X", 0x4581_c000, 0x0000_07e0),  // if (!p0) r0 = memw(r1+##s)
    ("6_X", 0x9f80_e080, 0x001f_0100),  // if (p0) r0 = memw(##s)
    ("6_X", 0xad81_e280, 0x0000_003f),  // memw(r1<<#2+##s) = r2
    ("6_X", 0xab81_c280, 0x0000_003f),  // memw(r1=##s) = r2
    ("6_X", 0xaf80_c280, 0x0003_0078),  // if (p0) memw(##s) = r2
    ("6_X", 0x4081_c200, 0x0000_20f8),  // if (p0) memw(r1+##s) = r2
    ("6_X", 0x4481_c200, 0x0000_20f8),  // if (!p0) memw(r1+##s) = r2
    ("6_X", 0x3841_c080, 0x0000_201f),  // if (p0) memw(r1+#4) = ##s
    ("6_X", 0x3e41_c002, 0x0000_1f80),  // memw(r1+##s) += r2
    ("6_X", 0x3f21_c005, 0x0000_1f80),  // memh(r1+##s) += #5
    ("6_X", 0x4800_0021, 0x03f0_0000),  // r0 = ##s; r1 = memw(r2+#0)
    ("6_PCREL_X", 0x6a49_c000, 0x0000_1f80), // r0 = add(pc,##s)
    ("GOTREL_16_X", 0xb001_c000, 0x0000_07e0), // r0 = add(r1,##s@GOTREL)
    ("GOTREL_11_X", 0x9181_c000, 0x0000_07e0), // r0 = memw(r1+##s@GOTREL)
    ("GOTREL_11_X", 0xa181_c200, 0x0000_003f), // memw(r1+##s@GOTREL) = r2
    ("GOT_16_X", 0xb001_c000, 0x0000_07e0), // r0 = add(r1,##s@GOT)
    ("GOT_11_X", 0x9181_c000, 0x0000_07e0), // r0 = memw(r1+##s@GOT)
];

/// The offset of the table and of the slot of `s` where no linker says them.
const TABLE: (u64, u64) = (0x0201_0000, 0x20);

fn short(name: &str) -> &str {
    name.strip_prefix("R_HEX_").unwrap_or(name)
}

/// Every instruction that the type stands for, with its field zero, as assemblers leave it, and full.
fn vectors(g: &mut Generator<'_>, row: &RowDescription) -> Vec<Vector> {
    let mut vectors = Vec::new();
    for (name, insn, mask) in OPERANDS.into_iter().filter(|operand| operand.0 == short(&row.name)) {
        for (label, value, full) in
            [("a5", 0xa5a5_a5a5, false), ("c3", 0x3c69_3c69, false), ("max", !0, false), ("c3", 0x3c69_3c69_u64, true)]
        {
            let poison = POISON[g.turn % POISON.len()];
            let mut v = g.blank(row, &format!("{label},{insn:#010x}"), if full { 0xff } else { 0 });
            v.before.fill(poison);
            let word = if full { insn | mask } else { insn };
            v.before[OFFSET as usize..][..4].copy_from_slice(&word.to_le_bytes());
            v.sites[0].addend = [0, 4, -4][g.turn % 3];
            let (table, slot) = (g.base + TABLE.0, g.base + TABLE.0 + TABLE.1);
            let from = match name {
                "6_PCREL_X" => v.at + OFFSET,
                _ if name.starts_with("GOTREL") => table,
                _ => 0,
            };
            if name.starts_with("GOT_") {
                v.sites[0].addend = i64::from(value.wrapping_sub(TABLE.1) as i32);
                v.values.push(("s".to_owned(), 0x1122_3344));
                v.set("G", Some(slot));
            } else {
                v.values.push(("s".to_owned(), g.cut(value.wrapping_sub(v.sites[0].addend as u64).wrapping_add(from))));
            }
            if name.starts_with("GOT") {
                v.set("GOT", Some(table));
            }
            g.turn += 1;
            vectors.push(v);
        }
    }
    vectors
}

const DIFFERENCES: &[Difference] = &[
    Difference {
        types: &["R_HEX_B22_PCREL", "R_HEX_PLT_B22_PCREL"],
        when: |v, _, _| is_outside(v),
        take: Take::Through,
        why: "lld's own stub stands before the section, which moves; psABI, Relocation: L",
    },
    Difference {
        types: &["R_HEX_B15_PCREL", "R_HEX_B13_PCREL", "R_HEX_B9_PCREL"],
        when: |v, _, lld| is_outside(v) && lld.is_linked(),
        take: Take::Overflow,
        why: "lld makes a stub, also for a branch in the middle of a function; psABI, Relocation: verify",
    },
    Difference {
        types: &["R_HEX_B*"],
        when: |v, _, lld| (v.label.starts_with("odd/") || v.label.starts_with("half-odd/")) && lld.is_linked(),
        take: Take::Misaligned,
        why: "lld does not check; psABI, Relocation: (S + A - P) >> 2, and packets are words",
    },
    Difference {
        types: &["R_HEX_PLT_B22_PCREL"],
        when: |v, _, lld| (v.label.starts_with("odd/") || v.label.starts_with("half-odd/")) && lld.is_linked(),
        take: Take::Misaligned,
        why: "lld does not check; psABI, Relocation: (S + A - P) >> 2, and packets are words",
    },
    Difference {
        types: &["R_HEX_8_X"],
        when: |v, _, lld| v.label.ends_with("/00") && *lld != model(v),
        take: Take::Formula(model),
        why: "lld writes bits 6 and 7 as well, which are the extender's and mean nothing here; llvm-mc writes six",
    },
    Difference {
        types: &["R_HEX_*"],
        when: |v, _, lld| *lld == Outcome::Unsupported || v.value("GOT").is_some() && v.name.ends_with("1_X"),
        take: Take::Formula(model),
        why: "lld does not know it; psABI, Relocation",
    },
    Difference {
        types: &["R_HEX_*"],
        when: |v, _, lld| lld.is_linked() && *lld != model(v),
        take: Take::Formula(model),
        why: "lld adds to what the field holds, which assemblers leave zero; psABI, Relocation: the addend is explicit",
    },
];

/// Puts the low bits of `x`, as many as there are, into the bits of `mask`.
fn deposit(x: u32, mask: u32) -> u32 {
    let at = (0..32).filter(|bit| mask >> bit & 1 != 0);
    at.enumerate().fold(0, |word, (i, bit)| word | (x >> i & 1) << bit)
}

/// The mask of a field, how many bits of the value are left out below it, and its range in bits if that is checked.
fn field(name: &str, word: u32) -> (u32, u32, Option<u32>) {
    match name {
        "B22_PCREL" | "PLT_B22_PCREL" => (0x01ff_3ffe, 2, Some(24)),
        "B15_PCREL" => (0x00df_20fe, 2, Some(17)),
        "B13_PCREL" => (0x0020_2ffe, 2, Some(15)),
        "B9_PCREL" => (0x0030_00fe, 2, Some(11)),
        "B7_PCREL" => (0x0000_1f18, 2, Some(9)),
        "B7_PCREL_X" => (0x0000_0f18, 0, None),
        "B32_PCREL_X" => (0x0fff_3fff, 6, None),
        _ if name.ends_with("32_6_X") => (0x0fff_3fff, 6, None),
        _ if name.ends_with("HI16") => (0x00c0_3fff, 16, None),
        _ if name.ends_with("LO16") => (0x00c0_3fff, 0, None),
        _ if name.starts_with('B') => (0x0000_007e, 0, None),
        _ => {
            let operand = OPERANDS.iter().find(|o| o.0 == name && word & !o.2 == o.1);
            (operand.map_or(!0, |operand| operand.2), 0, None)
        }
    }
}

/// The psABI's formulas, with fields as masks.
fn model(vector: &Vector) -> Outcome {
    let value = |name: &str| vector.value(name).unwrap_or(0) as u32;
    let name = short(&vector.name);
    let from = match name {
        _ if name.contains("PCREL") => (vector.at + OFFSET) as u32,
        _ if name.starts_with("GOT") => value("GOT"),
        _ => 0,
    };
    let slot = vector.value("G").map(|_| value("s").to_le_bytes().to_vec());
    let s = if slot.is_some() { value("G") } else { value("s") };
    let x = s.wrapping_add(vector.sites[0].addend as u32).wrapping_sub(from);
    match name {
        "8" => return formula::with(vector, &x.to_le_bytes()[..1], slot),
        "16" => return formula::with(vector, &x.to_le_bytes()[..2], slot),
        _ => {}
    }
    let bytes = vector.before[OFFSET as usize..][..4].try_into().expect("a word");
    let word = u32::from_le_bytes(bytes);
    let (mask, shift, range) = field(name, word);
    if range.is_some_and(|bits| i64::from(x as i32) >> (bits - 1) != i64::from(x as i32 >> 31)) {
        return Outcome::Overflow;
    }
    if range.is_some() && x & 3 != 0 {
        return Outcome::Misaligned;
    }
    formula::with(vector, &(word & !mask | deposit(x >> shift, mask)).to_le_bytes(), slot)
}

/// Takes the bits of `mask` out of `word`.
fn extract(word: u32, mask: u32) -> u32 {
    let at = (0..32).filter(|bit| mask >> bit & 1 != 0);
    at.enumerate().fold(0, |x, (i, bit)| x | (word >> bit & 1) << i)
}

fn word_at(image: &Image, at: u64) -> Option<u32> {
    Some(u32::from_le_bytes(image.own_bytes(at, 4)?.try_into().ok()?))
}

/// Returns the destination of a `call`.
fn reference(_: &Variant, image: &Image, address: u64, code: &[u8]) -> Option<Destination> {
    let word = u32::from_le_bytes(code.get(..4)?.try_into().ok()?);
    if word & 0xfe00_0001 != 0x5a00_0000 {
        return None;
    }
    let distance = (extract(word, 0x01ff_3ffe) << 10) as i32 >> 8;
    branch(image, address.wrapping_add_signed(distance.into()) & 0xffff_ffff, run)
}

/// Runs `{ immext; jump }`, one packet.
fn run(image: &Image, at: u64) -> Option<u64> {
    let (extender, jump) = (word_at(image, at)?, word_at(image, at + 4)?);
    if extender & 0xf000_c000 != 0x4000 || jump & 0xfe00_c001 != 0x5800_c000 {
        return None;
    }
    let distance = extract(extender, 0x0fff_3fff) << 6 | extract(jump, 0x01ff_3ffe) & 0x3f;
    Some(at.wrapping_add(distance.into()) & 0xffff_ffff)
}
