//! PA-RISC, 64 bits: GNU ld alone links it. Where it has %dp, it is told.

use super::parisc32::{b_l, get, model, of_formula, places, target};
use super::{Architecture, Variant};
use crate::golden::{Difference, Generator, OFFSET, POISON, SLOTTED, Shape, Take, Vector, is_outside};
use crate::module_spec::RowDescription;
use crate::oracle::Image;
use crate::oracle::destination::{Destination, LONGEST_VENEER, bits, branch};
use relobox_abi::order;

pub(super) static ARCHITECTURE: Architecture = Architecture {
    name: "parisc64",
    variants: &[Variant {
        name: "parisc64",
        machine: 15,
        class: 64,
        order: order::BIG,
        // PA 2.0, wide mode.
        e_flags: 0x8_0214,
        gnu_ld: Some(("hppa64-linux-gnu-ld", "hppa64linux")),
        options: (&["--defsym=__gp=0x3000000"], &[]),
        base: 0x0100_0000,
        ..Variant::PLAIN
    }],
    built: &["built-hppa64"],
    code_align: 4,
    slot_type: "R_PARISC_DLTIND21L",
    shape: |row| {
        Some(match row.formula.as_str() {
            "S + A" => return None,
            "S + A - P - 8" => Shape::Relative(-8),
            _ => Shape::Special,
        })
    },
    vectors,
    // GNU ld fails without a section of data, and says nothing.
    generated: &[(".data", "QUAD(0)"), (".dlt", "*(.dlt)"), (".opd", "*(.opd)"), (".stub", "*(.stub)")],
    differences: DIFFERENCES,
    call: |_, distance| b_l(distance),
    distance: |_, value| value + 8,
    reference,
    ..Architecture::PLAIN
};

/// What GNU ld takes for `__gp`.
const DP: u64 = 0x0300_0000;

fn vectors(g: &mut Generator<'_>, row: &RowDescription) -> Vec<Vector> {
    let formula = row.formula.as_str();
    if formula.starts_with("L(") {
        return calls(g, row);
    }
    let mut made = Vec::new();
    if formula.starts_with("function") {
        for (label, value) in [("foreign", SLOTTED), ("foreign-high", u64::MAX - 15)] {
            let mut v = g.blank(row, label, POISON[g.turn % POISON.len()]);
            v.values.push(("s".to_owned(), value));
            made.push(v);
            g.turn += 1;
        }
        return made;
    }
    if formula.contains("G(") || formula.contains("pointer(") {
        // Both ends of what a left and a right half hold, and of displacements of 14 bits.
        let near = [("slot", 0), ("slot-1", 8), ("slot-a5", 0x528), ("slot-left", 0xa50)];
        for (label, slot) in near.into_iter().chain([("slot-max", 0x1ff8), ("slot-far", 0x2000)]) {
            let mut v = g.blank(row, label, POISON[g.turn % POISON.len()]);
            v.sites[0].addend = [0, 8][g.turn % 2];
            v.values = vec![("s".to_owned(), SLOTTED), ("GOT".to_owned(), DP), ("G".to_owned(), DP + slot)];
            made.push(v);
            g.turn += 1;
        }
        return made;
    }
    match formula {
        "S + A" | "S + A - P - 8" => made,
        _ => of_formula(g, row, DP),
    }
}

/// Calls of the module itself, by the addend of a label at the place, and of functions of others.
fn calls(g: &mut Generator<'_>, row: &RowDescription) -> Vec<Vector> {
    let max = if row.name.contains("17") { 0x4_0000 } else { 0x80_0000 };
    let mut made = Vec::new();
    let ends = [
        ("min-1", -max - 4),
        ("min", -max),
        ("-1", -4),
        ("0", 0),
        ("1", 4),
        ("a5", 0x2_a5a4),
        ("c3", -0x1_693c),
        ("max", max - 4),
        ("max+1", max),
        ("odd", 5),
        ("half-odd", 6),
    ];
    for (label, value) in ends {
        let mut v = g.blank(row, label, POISON[g.turn % POISON.len()]);
        (v.sites[0].symbol, v.sites[0].addend) = (format!(".{OFFSET}"), value + 8);
        made.push(v);
        g.turn += 1;
    }
    for (label, value) in [("stub", SLOTTED), ("stub-near", g.base + 0x1000), ("stub-high", 0xffff_ffff_ffff_fff0)] {
        let mut v = g.blank(row, label, POISON[g.turn % POISON.len()]);
        v.values.push(("s".to_owned(), value));
        made.push(v);
        g.turn += 1;
    }
    made
}

const DIFFERENCES: &[Difference] = &[
    Difference {
        types: &["R_PARISC_PCREL17F", "R_PARISC_PCREL22F"],
        when: |v, _, _| v.label.starts_with("stub"),
        take: Take::Through,
        why: "a static linker calls an absolute symbol directly; Linux: an undefined function is its descriptor",
    },
    Difference {
        types: &["R_PARISC_SEGREL32", "R_PARISC_SECREL32"],
        when: |v, _, _| !is_outside(v),
        take: Take::Formula(|v| model(v, DP)),
        why: "a linker subtracts where a segment or section starts; Linux: the whole address",
    },
    Difference {
        types: &["R_PARISC_DLTIND*", "R_PARISC_LTOFF*"],
        when: |_, _, _| true,
        take: Take::Formula(|v| model(v, DP)),
        why: "a linker has its slots elsewhere; psABI, Relocation Types: ltoff is a slot's address less %dp",
    },
    Difference {
        types: &["R_PARISC_FPTR64"],
        when: |_, _, _| true,
        take: Take::Formula(|v| model(v, DP)),
        why: "a linker makes a descriptor of its own; Linux: an undefined function is its descriptor",
    },
    Difference {
        types: &["R_PARISC_*"],
        // The types with a C are those with an F, "without a relocation error".
        when: |v, _, _| is_outside(v) && !v.name.ends_with('C'),
        take: Take::Overflow,
        why: "GNU ld drops the high bits; PA-RISC 2.0 Architecture: immediates, displacements and targets have a sign",
    },
    Difference {
        types: &["R_PARISC_*"],
        when: |v, ld, _| v.label.contains("odd/") && ld.is_linked(),
        take: Take::Misaligned,
        why: "GNU ld drops the low bits; PA-RISC 2.0 Architecture: the field does not have them",
    },
    Difference {
        types: &[
            "R_PARISC_DIR16WF",
            "R_PARISC_DIR16DF",
            "R_PARISC_PCREL16WF",
            "R_PARISC_PCREL16DF",
            "R_PARISC_GPREL16WF",
            "R_PARISC_GPREL16DF",
        ],
        when: |_, _, _| true,
        take: Take::Formula(|v| model(v, DP)),
        why: "GNU ld writes 14 bits; PA-RISC 2.0 Architecture, assemble_16: 16 in wide mode",
    },
];

/// Returns the destination of a branch.
fn reference(_: &Variant, image: &Image, address: u64, code: &[u8]) -> Option<Destination> {
    let insn = u32::from_be_bytes(code.get(..4)?.try_into().ok()?);
    branch(image, target(insn, address)?, run)
}

/// Runs a stub. Where it loads from a descriptor, that is the destination: its contents are the kernel's.
fn run(image: &Image, mut at: u64) -> Option<u64> {
    let mut registers = [None; 32];
    registers[27] = image.sections.iter().find(|s| s.name == ".relobox.got").map(|s| s.address);
    for _ in 0..LONGEST_VENEER {
        let insn = u32::from_be_bytes(image.own_bytes(at, 4)?.try_into().ok()?);
        let (base, to) = (bits(insn, 21, 5) as usize, bits(insn, 16, 5) as usize);
        match insn >> 26 {
            0x08 => registers[base] = Some(get(insn, &places("21")) << 11),
            0x0d => registers[to] = Some(u64::wrapping_add(registers[base]?, get(insn, &places("14")))),
            0x14 => {
                let from: u64 = registers[base]?;
                // Stubs have none that is negative.
                let place = from.wrapping_add(get(insn & !0xf, &places("16")));
                let Some(bytes) = image.own_bytes(place, 8) else { return Some(from) };
                registers[to] = Some(u64::from_be_bytes(bytes.try_into().ok()?));
            }
            0x3a if insn >> 13 & 7 == 6 => return registers[base],
            _ => return None,
        }
        at += 4;
    }
    None
}
