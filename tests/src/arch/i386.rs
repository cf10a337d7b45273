//! i386: nothing stands between a call and its target, and slots of the GOT are the only indirection.

use super::{Architecture, Variant};
use crate::golden::{Difference, Generator, OFFSET, Outcome, Shape, Take, Vector};
use crate::module_spec::RowDescription;
use relobox_abi::order;

pub(super) static ARCHITECTURE: Architecture = Architecture {
    name: "i386",
    variants: &[Variant {
        name: "i386",
        machine: 3,
        class: 32,
        order: order::LITTLE,
        gnu_ld: Some(("x86_64-linux-gnu-ld", "elf_i386")),
        lld: Some("elf_i386"),
        jitlink: true,
        base: 0xf800_0000,
        direct: true,
        ..Variant::PLAIN
    }],
    corpora: &["686-pae"],
    in_place: &[true],
    slot_type: "R_386_GOT32",
    // A size is no address.
    unjudged: &["R_386_SIZE32"],
    shape: |row| {
        Some(match row.formula.as_str() {
            "GOT + A - P" => Shape::Table,
            "S + A - GOT" => Shape::FromTable,
            "G + A - held(GOT)" => Shape::SlotOffset,
            "Z + A" => Shape::Size,
            _ => return None,
        })
    },
    vectors,
    // GNU ld needs no slot where the addend is 0, whatever the instruction is.
    rewritten: |v| v.name == "R_386_GOT32X" && v.before[OFFSET as usize..][..4] == [0; 4],
    differences: DIFFERENCES,
    ..Architecture::PLAIN
};

/// The ends of the instructions before a `GOT32`, whose operands have a base register or none. Linkers change some
/// instructions; these are not among them.
const INSTRUCTIONS: [(&str, &[u8]); 8] = [
    ("push-address", &[0xff, 0x35]),
    ("imul-address", &[0xaf, 0x1d]),
    ("ebp", &[0xff, 0xb5]),
    ("sib-no-base", &[0xb4, 0x4d]),
    ("lea-address", &[0x8d, 0x3d]),
    ("lea-ebp", &[0x8d, 0x9d]),
    ("register", &[0xff, 0xc5]),
    ("disp8", &[0xff, 0x75]),
];

/// `GOT32` behind instructions. Those of the row's shape stand behind poison, which is an operand with a base register.
fn vectors(g: &mut Generator<'_>, row: &RowDescription) -> Vec<Vector> {
    let mut vectors = Vec::new();
    if !row.name.starts_with("R_386_GOT32") {
        return vectors;
    }
    for (label, instruction) in INSTRUCTIONS {
        let mut v = g.blank(row, label, [0xa5, 0x10][g.turn % 2]);
        v.before[OFFSET as usize - instruction.len()..OFFSET as usize].copy_from_slice(instruction);
        g.give_tables(row, &mut v).expect("a linker with a table");
        vectors.push(v);
        g.turn += 1;
    }
    vectors
}

const DIFFERENCES: &[Difference] = &[
    Difference {
        types: &["R_386_16", "R_386_8", "R_386_PC16"],
        when: |v, _, _| v.label.starts_with("min-1/"),
        take: Take::Overflow,
        why: "linkers let more through, which no reading of the field gives back",
    },
    Difference {
        types: &["R_386_16", "R_386_8", "R_386_PC16", "R_386_PC8"],
        when: |_, ld, lld| *ld == Outcome::Overflow && lld.is_linked(),
        take: Take::Lld,
        why: "GNU ld wants the symbol's part of the sum to fit by itself; psABI, Relocation: A is what stands in the field",
    },
    Difference {
        types: &["R_386_SIZE32"],
        when: |_, ld, lld| ld != lld,
        take: Take::Ld,
        why: "lld does not know it",
    },
];
