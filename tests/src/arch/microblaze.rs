//! MicroBlaze: GNU ld alone links it, and puts no code between a call and its target in a static link.

use super::{Architecture, Pair, Variant};
use crate::golden::{Difference, Generator, OFFSET, Outcome, POISON, Shape, Take, Vector, formula};
use crate::module_spec::RowDescription;
use relobox_abi::order;

const BIG: Variant = Variant {
    name: "microblaze",
    machine: 189,
    class: 32,
    order: order::BIG,
    gnu_ld: Some(("microblaze-linux-gnu-ld", "elf32mb_linux")),
    base: 0xf000_0000,
    direct: true,
    ..Variant::PLAIN
};

const LITTLE: Variant = Variant {
    name: "microblazeel",
    order: order::LITTLE,
    gnu_ld: Some(("microblaze-linux-gnu-ld", "elf32mbel_linux")),
    ..BIG
};

pub(super) static ARCHITECTURE: Architecture = Architecture {
    name: "microblaze",
    variants: &[
        BIG,
        LITTLE,
        Variant { name: "microblaze-old", machine: 0xbaab, ..BIG },
        Variant { name: "microblazeel-old", machine: 0xbaab, ..LITTLE },
    ],
    code_align: 4,
    field_length: 8,
    slot_type: "R_MICROBLAZE_GOT_64",
    shape: |row| {
        Some(match row.formula.as_str() {
            "both(S + A, V)" => Shape::Absolute(0),
            "both(S + A - P - 4, V)" => Shape::Relative(-4),
            "both(GOT + A - P - 4, V)" => Shape::Table,
            "both(G, V)" => Shape::SlotFixed,
            "S + A - GOT" | "both(S + A - GOT, V)" => Shape::FromTable,
            formula if formula.contains("TEXT") => Shape::Special,
            _ => return None,
        })
    },
    vectors,
    pairs: &[Pair::absolute("R_MICROBLAZE_64", "R_MICROBLAZE_32_LO")],
    differences: DIFFERENCES,
    ..Architecture::PLAIN
};

/// Distances from the start of the section.
fn vectors(g: &mut Generator<'_>, row: &RowDescription) -> Vec<Vector> {
    let mut vectors = Vec::new();
    if !row.formula.contains("TEXT") {
        return vectors;
    }
    let values = [("0", 0u64), ("1", 1), ("-1", !0), ("low-max", 0xffff), ("high", 0x1_0000)];
    for (label, value) in values.into_iter().chain([("a5", 0xa5a5_a5a5), ("c3", 0x3c69_3c69)]) {
        let mut v = g.blank(row, label, POISON[g.turn % POISON.len()]);
        let addend = [0, 8, -0x7ff0][g.turn % 3];
        v.sites[0].addend = if row.name.contains("TEXTPCREL") { value as i32 as i64 } else { addend };
        v.values.push(("s".to_owned(), g.cut(v.at.wrapping_add(value).wrapping_sub(addend as u64))));
        g.turn += 1;
        vectors.push(v);
    }
    vectors
}

const DIFFERENCES: &[Difference] = &[
    Difference {
        types: &["R_MICROBLAZE_PLT_64"],
        when: |v, _, _| v.sites[0].addend != 0,
        take: Take::Formula(distance),
        why: "GNU ld ignores the addend, which no assembler writes; as in 64_PCREL",
    },
];

/// Computes `S + A - P - 4` in two words.
fn distance(vector: &Vector) -> Outcome {
    let s = vector.value("s").unwrap_or(0);
    let x = (s.wrapping_add_signed(vector.sites[0].addend).wrapping_sub(vector.at + OFFSET + 4) as u32).to_be_bytes();
    let mut after: Vec<u8> = vector.before[OFFSET as usize..][..8].to_vec();
    match formula::is_big(vector) {
        true => [after[2], after[3], after[6], after[7]] = x,
        false => [after[1], after[0], after[5], after[4]] = x,
    }
    formula::with(vector, &after, None)
}
