//! OpenRISC: GNU ld alone links it, and puts no code between a call and its target.

use super::{Architecture, Pair, Variant};
use crate::golden::{Difference, Generator, OFFSET, Outcome, POISON, Shape, Take, Vector, formula};
use crate::module_spec::RowDescription;
use crate::oracle::Image;
use crate::oracle::destination::{Destination, bits, signed};
use relobox_abi::order;

const OR1K: Variant = Variant {
    name: "openrisc",
    machine: 92,
    class: 32,
    order: order::BIG,
    gnu_ld: Some(("or1k-elf-ld", "elf32or1k")),
    base: 0xbc00_0000,
    direct: true,
    ..Variant::PLAIN
};

pub(super) static ARCHITECTURE: Architecture = Architecture {
    name: "openrisc",
    variants: &[OR1K],
    code_align: 4,
    slot_type: "R_OR1K_GOT16",
    shape: |row| {
        Some(match row.formula.as_str() {
            _ if row.name.contains("PLT") => Shape::Special,
            "(S + A) & 0x1fff" => Shape::Absolute(0),
            "ha(S + A)" => Shape::Absolute(0x8000),
            "((S + A) & -0x2000) - (P & -0x2000)" => Shape::Relative(0),
            "S + A - GOT" | "ha(S + A - GOT)" => Shape::FromTable,
            formula if formula.contains("G + A") => Shape::SlotFixed,
            _ => return None,
        })
    },
    vectors,
    pairs: &[
        Pair::absolute("R_OR1K_HI_16_IN_INSN", "R_OR1K_LO_16_IN_INSN"),
        Pair::absolute("R_OR1K_AHI16", "R_OR1K_SLO16"),
        Pair::relative("R_OR1K_PCREL_PG21", "R_OR1K_LO13"),
    ],
    differences: DIFFERENCES,
    call: |_, distance| (0x0400_0000 | distance as u32 >> 2 & 0x3ff_ffff).to_be_bytes().to_vec(),
    reference,
    ..Architecture::PLAIN
};

/// Calls of position-independent code as assemblers write them, without an addend.
fn vectors(g: &mut Generator<'_>, row: &RowDescription) -> Vec<Vector> {
    let ends = [
        ("min-1", -0x0800_0004),
        ("min", -0x0800_0000),
        ("-1", -4),
        ("0", 0),
        ("1", 4),
        ("a5", 0x05a5_a5a4),
        ("c3", -0x03c6_93c8),
        ("max", 0x07ff_fffc),
        ("max+1", 0x0800_0000),
        ("odd", 0x105),
        ("half-odd", 0x106),
    ];
    let mut made = Vec::new();
    for (label, distance) in ends.into_iter().filter(|_| row.name.contains("PLT")) {
        let mut v = g.blank(row, label, POISON[g.turn % POISON.len()]);
        let place = v.at + OFFSET;
        v.values.push(("s".to_owned(), g.cut(place.wrapping_add_signed(distance))));
        made.push(v);
        g.turn += 1;
    }
    made
}

const DIFFERENCES: &[Difference] = &[Difference {
    types: &["R_OR1K_INSN_REL_26", "R_OR1K_PLT26", "R_OR1K_PLTA26"],
    when: |v, ld, _| v.label.contains("odd/") && ld.is_linked(),
    take: Take::Misaligned,
    why: "GNU ld drops the low bits; OpenRISC 1000 Architecture Manual, l.jal: a branch counts words",
}, Difference {
    types: &["R_OR1K_16*", "R_OR1K_8*"],
    when: |_, _, _| true,
    take: Take::Formula(short),
    why: "GNU ld 2.40 fails an assertion on fields that are no word; its table has the same range",
}];

/// Computes a field of one or two bytes.
fn short(vector: &Vector) -> Outcome {
    let x = vector.value("s").unwrap_or(0).wrapping_add_signed(vector.sites[0].addend);
    let relative = vector.name.ends_with("PCREL");
    let x = if relative { x.wrapping_sub(vector.at + OFFSET) } else { x } as i32;
    match (vector.name.contains("16"), relative) {
        (true, true) => i16::try_from(x).map_or(Outcome::Overflow, |x| formula::with(vector, &x.to_be_bytes(), None)),
        (true, false) => u16::try_from(x).map_or(Outcome::Overflow, |x| formula::with(vector, &x.to_be_bytes(), None)),
        (false, true) => i8::try_from(x).map_or(Outcome::Overflow, |x| formula::with(vector, &x.to_be_bytes(), None)),
        (false, false) => u8::try_from(x).map_or(Outcome::Overflow, |x| formula::with(vector, &[x], None)),
    }
}

/// Returns the destination of a branch.
fn reference(_: &Variant, _: &Image, address: u64, code: &[u8]) -> Option<Destination> {
    let insn = u32::from_be_bytes(code.get(..4)?.try_into().ok()?);
    // l.j, l.jal, l.bnf, l.bf
    matches!(insn >> 26, 0 | 1 | 3 | 4).then(|| {
        let distance = signed(bits(insn, 0, 26) << 2, 28);
        Destination::Direct(address.wrapping_add(distance) & 0xffff_ffff)
    })
}
