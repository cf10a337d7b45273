//! PA-RISC, 32 bits: GNU ld alone links it. Where it puts `$global$`, it is told.

use super::{Architecture, Variant};
use crate::golden::{Difference, Generator, OFFSET, Outcome, POISON, Shape, Take, Vector, formula, is_outside};
use crate::module_spec::RowDescription;
use crate::oracle::Image;
use crate::oracle::destination::{Destination, LONGEST_VENEER, bits, branch, signed};
use relobox_abi::order;

pub(super) static ARCHITECTURE: Architecture = Architecture {
    name: "parisc32",
    variants: &[Variant {
        name: "parisc32",
        machine: 15,
        class: 32,
        order: order::BIG,
        // PA 1.1.
        e_flags: 0x210,
        gnu_ld: Some(("hppa-linux-gnu-ld", "hppalinux")),
        options: (&["--defsym=$global$=0x10600000"], &[]),
        base: 0x0100_0000,
        ..Variant::PLAIN
    }],
    built: &["built-hppa"],
    code_align: 4,
    shape,
    vectors,
    differences: DIFFERENCES,
    call: |_, distance| b_l(distance),
    distance: |_, value| value + 8,
    reference,
    ..Architecture::PLAIN
};

/// The plugin's value of `$global$` if no input gives one.
const DP: u64 = 0x1060_0000;

/// `b,l target, %rp` with 22 bits.
pub(super) fn b_l(distance: u64) -> Vec<u8> {
    put(0xe800_a000, &places("22"), distance.wrapping_sub(8) >> 2).to_be_bytes().to_vec()
}

pub(super) fn shape(row: &RowDescription) -> Option<Shape> {
    Some(match row.formula.as_str() {
        "S + A" | "S + A - P" => return None,
        "S + A - P - 8" => Shape::Relative(-8),
        _ => Shape::Special,
    })
}

fn vectors(g: &mut Generator<'_>, row: &RowDescription) -> Vec<Vector> {
    if shape(row) == Some(Shape::Special) { of_formula(g, row, DP) } else { Vec::new() }
}

/// Left and right halves, with addends that LR' rounds; numbers of a range; what is relative to a %dp that is `dp`.
pub(super) fn of_formula(g: &mut Generator<'_>, row: &RowDescription, dp: u64) -> Vec<Vector> {
    const VALUES: [i64; 11] =
        [0, 4, 0x7f8, 0x800, 0x1000, -8, 0x1234_5678, -0x5a5a_5a58, 0x7fff_fff8, -0x8000_0000, 0x7fff_f7f8];
    const ADDENDS: [i64; 13] =
        [0, 8, -8, 0xff8, 0x1000, 0x1008, 0x1ff8, -0xff8, -0x1000, -0x1008, 0x2000, 0x7654_3210, 0x5008];
    let has = |text: &str| row.formula.contains(text);
    let (table, step, bits) = (has("DP") || has("GOT"), i64::from(row.row.align.max(1)), u32::from(row.row.bits));
    let mut made = Vec::new();
    let mut one = |g: &mut Generator<'_>, label: &str, value: i64, addend: i64| {
        let mut v = g.blank(row, label, POISON[g.turn % POISON.len()]);
        let from = if table { dp } else { 0 };
        let from = from.wrapping_add(if has("- P") { v.at + OFFSET + 8 } else { 0 });
        v.sites[0].addend = addend;
        v.values.push(("s".to_owned(), g.cut(from.wrapping_add_signed(value))));
        v.set("GOT", Some(dp).filter(|_| has("GOT")));
        made.push(v);
        g.turn += 1;
    };
    let rounds = has("0x1000");
    if rounds || has("0x7ff") {
        for n in 0..VALUES.len() * 2 {
            let addend = ADDENDS[n % ADDENDS.len()];
            // Values near the ends of 32 bits leave them with some addends: a class of 64 bits has those at the end.
            let value = VALUES[n % VALUES.len()] & -step;
            let addend = if bits == 32 && value.unsigned_abs() > 0x7fff_0000 { 0 } else { addend };
            one(g, &format!("half{n}"), value - if rounds { 0 } else { addend }, addend);
        }
        for (n, addend) in (0..).zip([1, 0xfff, -1, -0x1001]).filter(|_| step == 1) {
            one(g, &format!("byte{n}"), [0x7ff, 0x801, -1, 0x1234_5677][n], addend);
        }
        if bits == 32 {
            one(g, "min-1", -0x8000_0001, 0);
            one(g, "max+1", 0x8000_0000, 0);
        }
        (step > 1).then(|| one(g, "odd", 0x1001, 8));
        return made;
    }
    let (min, max) = (i64::MIN >> (64 - bits), (i64::MAX >> (64 - bits)) & -step);
    let pattern = |p: u64| (p as i64) << (64 - bits) >> (64 - bits) & -step;
    let mut all = vec![("min", min), ("-1", -step), ("0", 0), ("1", step), ("max", max), ("7f", 0x1fff & -step)];
    all.extend([("a5", pattern(0xa5a5_a5a5_a5a5_a5a5)), ("c3", pattern(0x3c69_3c69_3c69_3c69))]);
    let outside = [("min-1", min.wrapping_sub(step)), ("max+1", max.wrapping_add(step))];
    all.extend(outside.into_iter().filter(|_| bits < 64));
    all.extend([("odd", step + 1), ("half-odd", step + step / 2)].into_iter().filter(|_| step > 1));
    for (n, (label, value)) in all.into_iter().enumerate() {
        let addend = [0, 8, -8, 0x1230][n % 4];
        one(g, label, value.wrapping_sub(addend), addend);
    }
    made
}

const DIFFERENCES: &[Difference] = &[
    Difference {
        types: &["R_PARISC_SEGREL32", "R_PARISC_SECREL32"],
        when: |_, _, _| true,
        take: Take::Formula(|v| model(v, DP)),
        why: "a linker subtracts where a segment or section starts; Linux: the whole address",
    },
    Difference {
        types: &["R_PARISC_PLABEL*"],
        when: |v, _, _| v.sites[0].addend != 0,
        take: Take::Formula(|v| model(v, DP)),
        why: "GNU ld refuses an addend, which no assembler writes; psABI, Relocation Types: the address of the code",
    },
    Difference {
        types: &["R_PARISC_PCREL22C"],
        when: |_, ld, _| *ld == Outcome::Unsupported,
        take: Take::Formula(|v| model(v, DP)),
        why: "GNU ld does not know it; psABI, Relocation Types: PCREL22F without a check",
    },
    Difference {
        types: &["R_PARISC_DIR14F", "R_PARISC_PCREL14F", "R_PARISC_DPREL14F", "R_PARISC_DIR17F"],
        when: |v, ld, _| is_outside(v) && ld.is_linked(),
        take: Take::Overflow,
        why: "GNU ld drops the high bits; PA-RISC 2.0 Architecture: displacements and targets have a sign",
    },
    Difference {
        types: &["R_PARISC_PCREL12F"],
        when: |v, _, _| is_outside(v),
        take: Take::Overflow,
        why: "GNU ld makes a stub at the start of the section and moves what is there; Linux: only calls have stubs",
    },
    Difference {
        types: &["R_PARISC_PCREL17F", "R_PARISC_PCREL22F"],
        when: |v, _, _| is_outside(v),
        take: Take::Through,
        why: "GNU ld makes a stub at the start of the section and moves what is there; Linux: before it, ldil and be",
    },
    Difference {
        types: &["R_PARISC_*"],
        when: |v, ld, _| v.label.contains("odd/") && ld.is_linked(),
        take: Take::Misaligned,
        why: "GNU ld drops the low bits; PA-RISC 2.0 Architecture: branches count words",
    },
];

/// The bits of an instruction that hold an immediate, from its highest one down. They are counted from the
/// instruction's highest one, as in PA-RISC 2.0 Architecture, appendix E, Instruction Notation Control: `assemble_21`
/// and so on.
pub(super) fn places(bits: &str) -> Vec<u32> {
    match bits {
        "12" => [31, 29].into_iter().chain(19..=28).collect(),
        "14" => [31].into_iter().chain(18..=30).collect(),
        "17" => [31].into_iter().chain(11..=15).chain([29]).chain(19..=28).collect(),
        "21" => [31].into_iter().chain(20..=30).chain([16, 17]).chain(11..=15).chain([18, 19]).collect(),
        "16" => [31, 16, 17].into_iter().chain(18..=30).collect(),
        "22" => [31].into_iter().chain(6..=15).chain([29]).chain(19..=28).collect(),
        _ => Vec::new(),
    }
}

/// Returns `insn` with an immediate.
pub(super) fn put(insn: u32, places: &[u32], value: u64) -> u32 {
    places.iter().rev().zip(0..).fold(insn, |insn, (at, n)| {
        let bit = 1 << (31 - at);
        if value >> n & 1 == 0 { insn & !bit } else { insn | bit }
    })
}

/// Returns the immediate of `insn`.
pub(super) fn get(insn: u32, places: &[u32]) -> u64 {
    let value = places.iter().fold(0, |value, at| value << 1 | u64::from(insn >> (31 - at) & 1));
    signed(value, places.len() as u32)
}

/// Computes what GNU ld does not, or not as Linux does it: `target` for the value of symbol and addend, with the
/// address of a slot or of %dp as the psABI's formulas have it.
pub(super) fn model(vector: &Vector, dp: u64) -> Outcome {
    let (s, a) = (vector.value("s").unwrap_or(0), vector.sites[0].addend);
    let name = vector.name.trim_start_matches("R_PARISC_");
    let slotted = vector.value("G");
    let from = match name {
        _ if name.starts_with("PCREL") => vector.at + OFFSET + 8,
        _ if name.starts_with("DPREL") || name.starts_with("DLT") || name.starts_with("GPREL") => dp,
        _ if name.starts_with("LTOFF") => dp,
        _ => 0,
    };
    let (s, a) = slotted.map_or((s, a), |slot| (slot, 0));
    let (base, whole) = (s.wrapping_sub(from), s.wrapping_sub(from).wrapping_add_signed(a) as i64);
    // LR' and RR'.
    let rounds = name.starts_with("DIR") || name.starts_with("DPREL") || name.starts_with("DLTREL");
    let rounded = if rounds { (a + 0x1000) >> 13 << 13 } else { a };
    let left = base.wrapping_add_signed(rounded) as i64;
    let right = if rounds { (base & 0x7ff) as i64 + a - rounded } else { whole & 0x7ff };
    let wide = |x: i64| if x < 0 { x ^ 0x6000 } else { x };
    let fits = |x: i64, bits: u32| bits >= 64 || x << (64 - bits) >> (64 - bits) == x;
    let class = if vector.machine.starts_with("32") { 32 } else { 64 };
    // The immediate, the bits that hold it, how many of its low bits they leave out, and of how many bits it may be.
    let (x, held, dropped, bits) = match &name[name.len().saturating_sub(3)..] {
        "21L" => (left >> 11, "21", 0, if class == 32 { 64 } else { 21 }),
        "14R" => (right, "14", 0, 14),
        "4WR" => (right, "14", 2, 14),
        "4DR" => (right, "14", 3, 14),
        "17R" => (right, "17", 2, 19),
        "12F" => (whole, "12", 2, 14),
        "14F" => (whole, "14", 0, 14),
        "16F" => (whole, "16", 0, 16),
        "6WF" => (whole, "16", 2, 16),
        "6DF" => (whole, "16", 3, 16),
        "17F" => (whole, "17", 2, 19),
        "17C" => (whole, "17", 2, 64),
        "22F" => (whole, "22", 2, 24),
        "22C" => (whole, "22", 2, 64),
        word => {
            let word = if word.ends_with("64") || name == "DIR64" {
                whole.to_be_bytes().to_vec()
            } else {
                (whole as u32).to_be_bytes().to_vec()
            };
            return formula::with(vector, &word, slotted.map(|_| slot_bytes(vector)));
        }
    };
    let x = if class == 32 { i64::from(x as i32) } else { x };
    if !fits(x, bits) {
        return Outcome::Overflow;
    }
    if x & ((1 << dropped) - 1) != 0 {
        return Outcome::Misaligned;
    }
    let place = &vector.before[OFFSET as usize..][..4];
    let insn = u32::from_be_bytes([place[0], place[1], place[2], place[3]]);
    let mut held_at = places(held);
    let x = if held == "16" { wide(x) } else { x };
    if held == "14" || held == "16" {
        held_at.truncate(held_at.len() - dropped);
    }
    let insn = put(insn, &held_at, (x >> dropped) as u64);
    formula::with(vector, &insn.to_be_bytes(), slotted.map(|_| slot_bytes(vector)))
}

/// What the slot of a vector's symbol holds.
fn slot_bytes(vector: &Vector) -> Vec<u8> {
    vector.value("s").unwrap_or(0).wrapping_add_signed(vector.sites[0].addend).to_be_bytes().to_vec()
}

/// Returns the destination of a branch.
fn reference(_: &Variant, image: &Image, address: u64, code: &[u8]) -> Option<Destination> {
    let insn = u32::from_be_bytes(code.get(..4)?.try_into().ok()?);
    branch(image, target(insn, address)? & 0xffff_ffff, run)
}

/// Where `b,l` at `address` goes.
pub(super) fn target(insn: u32, address: u64) -> Option<u64> {
    let bits = match (insn >> 26, insn >> 13 & 7) {
        (0x3a, 5) => "22",
        (0x3a, 0) => "17",
        _ => return None,
    };
    Some(address.wrapping_add(8).wrapping_add(get(insn, &places(bits)) << 2))
}

/// Runs a stub: `ldil` and `be`.
fn run(image: &Image, mut at: u64) -> Option<u64> {
    let mut registers = [0u64; 32];
    for _ in 0..LONGEST_VENEER {
        let insn = u32::from_be_bytes(image.own_bytes(at, 4)?.try_into().ok()?);
        let base = bits(insn, 21, 5) as usize;
        match insn >> 26 {
            0x08 => registers[base] = get(insn, &places("21")) << 11,
            0x38 => return Some(registers[base].wrapping_add(get(insn, &places("17")) << 2) & 0xffff_ffff),
            _ => return None,
        }
        at += 4;
    }
    None
}
