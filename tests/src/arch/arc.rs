//! ARC: GNU ld alone links it, and puts no code between a call and its target in a static program.

use super::{Architecture, Variant};
use crate::golden::{Difference, Generator, OFFSET, Outcome, POISON, Shape, Take, Vector, formula, is_outside};
use crate::module_spec::RowDescription;
use crate::oracle::Image;
use crate::oracle::destination::{Destination, branch};
use relobox_abi::order;

const V2: Variant = Variant {
    name: "arcv2",
    machine: 195,
    class: 32,
    gnu_ld: Some(("arc-linux-gnu-ld", "arclinux")),
    base: 0x7000_0000,
    ..Variant::PLAIN
};

/// Debian's GNU ld has the emulation of one byte order, and the formats of both.
const V2_BIG: Variant =
    Variant { name: "arcv2eb", order: order::BIG, options: (&["--oformat", "elf32-bigarc"], &[]), ..V2 };

pub(super) static ARCHITECTURE: Architecture = Architecture {
    name: "arc",
    variants: &[
        V2,
        Variant { name: "arcompact", machine: 93, ..V2 },
        V2_BIG,
        Variant { name: "arcompacteb", machine: 93, ..V2_BIG },
    ],
    built: &["built-arc"],
    code_align: 2,
    slot_type: "R_ARC_GOTPC32",
    shape: |row| {
        Some(match row.formula.as_str() {
            // Generated places are multiples of 4.
            "S + A - (P & -4)" => Shape::Relative(0),
            "S + A - ((P - 4) & -4)" => Shape::Relative(4),
            "(S + A) & -4" => Shape::Absolute(0),
            "S + A - 0x57f0_0000" => Shape::Absolute(-0x57f0_0000),
            "A - S" => Shape::Special,
            "GOT + G + A - ((P - 4) & -4)" => Shape::SlotFixed,
            "GOT + A - ((P - 4) & -4)" => Shape::Table,
            "S + A - GOT" => Shape::FromTable,
            "G + A" => Shape::SlotOffset,
            _ => return None,
        })
    },
    vectors,
    differences: DIFFERENCES,
    call: |variant, distance| word(variant.order, 0x0802_0000 | disp25(distance)),
    reference,
    ..Architecture::PLAIN
};

/// Differences, what stands behind an odd halfword, and tables' distances as assemblers write them.
fn vectors(g: &mut Generator<'_>, row: &RowDescription) -> Vec<Vector> {
    let mut made = Vec::new();
    if row.formula == "A - S" {
        let bits = 8 * u32::from(row.row.width);
        for (label, value) in negatives(bits) {
            let mut v = g.blank(row, label, POISON[g.turn % POISON.len()]);
            let addend = [0, 4, -4, 0x1230, -0x7ff0][g.turn % 5];
            v.sites[0].addend = addend;
            v.values.push(("s".to_owned(), g.cut((addend - value) as u64)));
            made.push(v);
            g.turn += 1;
        }
    }
    if row.formula.ends_with("& -4)") {
        for (label, distance) in [("halfword", 0x124), ("halfword-back", -0x124)] {
            let mut v = g.blank(row, label, POISON[g.turn % POISON.len()]);
            if row.formula.contains("GOT") {
                g.give_tables(row, &mut v).expect("a linker with a table");
            } else {
                v.values.push(("s".to_owned(), g.cut((v.at + OFFSET).wrapping_add_signed(distance))));
            }
            v.at += 2;
            made.push(v);
            g.turn += 1;
        }
    }
    made
}

/// Values at both ends of `bits` bits, with or without a sign.
fn negatives(bits: u32) -> Vec<(&'static str, i64)> {
    let all = [("0", 0), ("1", 1), ("-1", -1), ("a5", 0xa5a5_a5a5), ("c3", 0x3c69_3c69)];
    let cut = |value: i64| if value < 0 { value } else { value & ((1 << bits) - 1) };
    let mut all: Vec<_> = all.map(|(label, value)| (label, cut(value))).into();
    if bits < 32 {
        let (min, max) = (-1 << (bits - 1), (1 << bits) - 1);
        all.extend([("min-1", min - 1), ("min", min), ("max", max), ("max+1", max + 1)]);
    }
    all
}

const DIFFERENCES: &[Difference] = &[
    Difference {
        types: &["R_ARC_*"],
        when: |v, ld, _| v.label.contains("odd/") && ld.is_linked(),
        take: Take::Misaligned,
        why: "GNU ld drops the low bits, which the field does not have",
    },
    Difference {
        types: &["R_ARC_S21W_PCREL_PLT", "R_ARC_S21H_PCREL_PLT", "R_ARC_S25W_PCREL_PLT", "R_ARC_S25H_PCREL_PLT"],
        when: |v, _, _| is_outside(v),
        take: Take::Through,
        why: "a static linker has no PLT; ABI Supplement, Relocation: L",
    },
    Difference {
        types: &["R_ARC_8", "R_ARC_16", "R_ARC_24", "R_ARC_N8", "R_ARC_N16", "R_ARC_N24"],
        when: |v, ld, _| v.label.starts_with("min-1/") && ld.is_linked(),
        take: Take::Overflow,
        why: "GNU ld lets -2^n through as well, which no reading of the field gives back",
    },
    Difference {
        types: &["R_ARC_GOTPC"],
        when: |v, _, _| v.sites[0].addend != 0,
        take: Take::Formula(table),
        why: "GNU ld ignores the addend, which assemblers leave 0; it counts as everywhere",
    },
    Difference {
        types: &["R_ARC_GOTOFF", "R_ARC_GOT32"],
        when: |_, _, _| true,
        take: Take::Formula(offset),
        why: "GNU ld counts from .got, and GOTPC from its output section, where the tests put .got.plt before it",
    },
];

/// `GOT + A - PCL`.
fn table(vector: &Vector) -> Outcome {
    let pcl = (vector.at + OFFSET - 4) & !3;
    let x = vector.value("GOT").unwrap_or(0).wrapping_add_signed(vector.sites[0].addend).wrapping_sub(pcl);
    let byte_order = if formula::is_big(vector) { order::BIG } else { order::LITTLE };
    formula::with(vector, &word(byte_order, x as u32), None)
}

/// `S + A - GOT` in code, or `G + A` in data.
fn offset(vector: &Vector) -> Outcome {
    let value = |name: &str| vector.value(name).unwrap_or(0);
    let x = |to: u64| to.wrapping_add_signed(vector.sites[0].addend).wrapping_sub(value("GOT")) as u32;
    let big = formula::is_big(vector);
    let bytes = |word: u32| if big { word.to_be_bytes().to_vec() } else { word.to_le_bytes().to_vec() };
    if vector.name == "R_ARC_GOT32" {
        return formula::with(vector, &bytes(x(value("G"))), Some(bytes(value("s") as u32)));
    }
    formula::with(vector, &word(if big { order::BIG } else { order::LITTLE }, x(value("s"))), None)
}

/// A word of code, the upper halfword first.
fn word(byte_order: u8, word: u32) -> Vec<u8> {
    let halves = [(word >> 16) as u16, word as u16];
    halves.map(|half| if byte_order == order::BIG { half.to_be_bytes() } else { half.to_le_bytes() }).concat()
}

fn read(byte_order: u8, bytes: &[u8]) -> Option<u32> {
    let half = |at: usize| {
        let bytes = bytes.get(at..at + 2)?.try_into().ok()?;
        Some(u32::from(if byte_order == order::BIG { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) }))
    };
    Some(half(0)? << 16 | half(2)?)
}

/// The bits of `bl`'s distance.
fn disp25(distance: u64) -> u32 {
    let bits = |from: u32, len: u32| (distance >> from) as u32 & ((1 << len) - 1);
    bits(2, 9) << 18 | bits(11, 10) << 6 | bits(21, 4)
}

/// Returns the destination of a branch.
fn reference(variant: &Variant, image: &Image, address: u64, code: &[u8]) -> Option<Destination> {
    let insn = read(variant.order, code)?;
    let (low, unit) = match (insn >> 27, insn >> 16 & 3) {
        // b, with a condition or without
        (0, _) => (insn >> 17 & 0x3ff, 1),
        // bl
        (1, kind) if kind & 1 == 0 => (insn >> 18 & 0x1ff, 2),
        _ => return None,
    };
    let conditional = if unit == 1 { insn >> 16 & 1 == 0 } else { insn >> 17 & 1 == 0 };
    let high = if conditional { 0 } else { insn & 15 };
    let bits = if conditional { 21 } else { 25 };
    let distance = u64::from(low) << unit | u64::from(insn >> 6 & 0x3ff) << 11 | u64::from(high) << 21;
    let distance = (distance << (64 - bits)) as i64 >> (64 - bits);
    let target = (address & !3).wrapping_add_signed(distance) & 0xffff_ffff;
    if variant.order == order::BIG {
        branch(image, target, run::<{ order::BIG }>)
    } else {
        branch(image, target, run::<{ order::LITTLE }>)
    }
}

/// Runs `j` with a long immediate.
fn run<const ORDER: u8>(image: &Image, at: u64) -> Option<u64> {
    let bytes = image.own_bytes(at, 8)?;
    (read(ORDER, bytes)? == 0x2020_0f80).then_some(())?;
    read(ORDER, &bytes[4..]).map(u64::from)
}
