//! MIPS n64 and n32. No linker puts code between a jump and its target.

use super::{Architecture, Pair, Variant};
use crate::golden::{Difference, Generator, OFFSET, POISON, Shape, Take, Vector, is_outside};
use crate::module_spec::RowDescription;
use relobox_abi::order;

const N64: Variant = Variant {
    name: "mips64",
    machine: 8,
    class: 64,
    order: order::BIG,
    gnu_ld: Some(("mips64el-linux-gnuabi64-ld", "elf64btsmip")),
    lld: Some("elf64btsmip"),
    base: 0xffff_ffff_c000_0000,
    direct: true,
    ..Variant::PLAIN
};

const N32: Variant = Variant {
    name: "mipsn32",
    class: 32,
    // EF_MIPS_ABI2.
    flags: (0x20, 0x20),
    gnu_ld: Some(("mips64el-linux-gnuabi64-ld", "elf32btsmipn32")),
    lld: Some("elf32btsmipn32"),
    base: 0xc000_0000,
    ..N64
};

pub(super) static ARCHITECTURE: Architecture = Architecture {
    name: "mips64",
    variants: &[
        Variant {
            name: "mips64el",
            order: order::LITTLE,
            gnu_ld: Some(("mips64el-linux-gnuabi64-ld", "elf64ltsmip")),
            lld: Some("elf64ltsmip"),
            ..N64
        },
        N64,
        Variant {
            name: "mipsn32el",
            order: order::LITTLE,
            gnu_ld: Some(("mips64el-linux-gnuabi64-ld", "elf32ltsmipn32")),
            lld: Some("elf32ltsmipn32"),
            ..N32
        },
        N32,
    ],
    corpora: &["mips64el-5kc-malta"],
    // REL is judged by the kit and by unit tests: no assembler writes it.
    in_place: &[false],
    ld_extends_sign: true,
    linkers_own: &["_gp_disp"],
    shape: |row| {
        Some(match row.formula.as_str() {
            "S + A - ((P + 4) & -0x1000_0000)" => Shape::Segment,
            "ha(S + AHL)" => Shape::Absolute(0x8000),
            "ha(S + AHL - P)" => Shape::Relative(0x8000),
            "S + A + 0x8000_8000" => Shape::Absolute(0x8000_8000),
            "S + A + 0x8000_8000_8000" => Shape::Absolute(0x8000_8000_8000),
            "S + A - (P & -8)" => Shape::RelativeTo8,
            formula if formula.starts_with("S - A") || row.name == "R_MIPS_PC32_64" => Shape::Special,
            _ => return None,
        })
    },
    vectors,
    pairs: &[
        Pair::absolute("R_MIPS_HI16", "R_MIPS_LO16"),
        // Each half is relative to its own place.
        Pair { low_addend: 4, ..Pair::relative("R_MIPS_PCHI16", "R_MIPS_PCLO16") },
    ],
    differences: DIFFERENCES,
    ..Architecture::PLAIN
};

/// Values on both sides of each carry.
const CARRIES: [(&str, u64); 14] = [
    ("0", 0),
    ("1", 1),
    ("-1", !0),
    ("carry-1", 0x7fff),
    ("carry", 0x8000),
    ("carry2-1", 0x7fff_7fff),
    ("carry2", 0x7fff_8000),
    ("carry3-1", 0x7fff_7fff_7fff),
    ("carry3", 0x7fff_7fff_8000),
    ("min", 1 << 63),
    ("max", !0 >> 1),
    ("word", 0xffff_ffff_8000_0000),
    ("a5", 0xa5a5_a5a5_a5a5_a5a5),
    ("c3", 0x3c69_3c69_3c69_3c69),
];

/// Differences, what is composed of two types, and jumps at the end of a segment, which is that of the delay slot.
fn vectors(g: &mut Generator<'_>, row: &RowDescription) -> Vec<Vector> {
    let mut vectors = Vec::new();
    if row.name == "R_MIPS_26" {
        let segment = g.base & !0x0fff_ffff;
        for (label, s) in [("delay-slot", 0x1000_0000), ("delay-slot-far", 0x0fff_fffc)] {
            let mut v = g.blank(row, label, 0);
            v.at = segment + 0x0fff_fffc - OFFSET;
            v.values.push(("s".to_owned(), segment + s));
            vectors.push(v);
        }
        g.turn += 1;
    }
    let relative = row.name == "R_MIPS_PC32_64";
    // In files of n32 a relocation has one type, which has eight bits.
    if !(relative || row.formula.starts_with("S - A")) || g.machine.class == 32 && row.row.kind > 0xff {
        return vectors;
    }
    for (label, value) in CARRIES {
        let mut v = g.blank(row, label, POISON[g.turn % POISON.len()]);
        let addend = [0, 4, -4, 0x1230, -0x7ff0][g.turn % 5];
        let s = if relative {
            value.wrapping_sub(addend as u64).wrapping_add(v.at + OFFSET)
        } else {
            value.wrapping_add(addend as u64)
        };
        g.turn += 1;
        // GNU ld takes the values in its script as they are, and extends the sign of an address in an n32 file.
        if g.machine.class == 32 && s >= 1 << 31 {
            continue;
        }
        v.sites[0].addend = addend;
        v.values.push(("s".to_owned(), s));
        vectors.push(v);
    }
    vectors
}

const DIFFERENCES: &[Difference] = &[
    Difference {
        types: &["R_MIPS_26"],
        when: |_, ld, lld| !ld.is_linked() && lld.is_linked(),
        take: Take::Ld,
        why: "lld checks neither segment nor alignment; psABI: a jump keeps the upper bits of its delay slot",
    },
    Difference {
        types: &["R_MIPS_PC32_64"],
        when: |_, ld, lld| ld != lld,
        take: Take::Lld,
        why: "GNU ld cuts what the first type has computed to 32 bits; psABI: all 64 are the next one's addend",
    },
    Difference {
        types: &["R_MIPS_PC32", "R_MIPS_PCHI16"],
        when: |v, _, _| v.machine.starts_with("64") && is_outside(v),
        take: Take::Overflow,
        why: "linkers cut the distance to 32 bits without a check; psABI: the field is a signed word",
    },
];
