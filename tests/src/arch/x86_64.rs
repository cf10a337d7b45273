//! x86-64: nothing stands between a call and its target, and slots of the GOT are the only indirection.

use super::{Architecture, Variant};
use crate::golden::{Difference, Outcome, Shape, Take};
use relobox_abi::order;

pub(super) static ARCHITECTURE: Architecture = Architecture {
    name: "x86_64",
    variants: &[Variant {
        name: "x86_64",
        machine: 62,
        class: 64,
        order: order::LITTLE,
        gnu_ld: Some(("x86_64-linux-gnu-ld", "elf_x86_64")),
        lld: Some("elf_x86_64"),
        jitlink: true,
        base: 0xffff_ffff_c000_0000,
        direct: true,
        ..Variant::PLAIN
    }],
    corpora: &["cloud-amd64", "amd64"],
    built: &["built-um"],
    slot_type: "R_X86_64_GOTPCREL",
    // A size is no address.
    unjudged: &["R_X86_64_SIZE32", "R_X86_64_SIZE64"],
    metamorphic: &[false],
    shape: |row| {
        Some(match row.formula.as_str() {
            "G + GOT + A - P" => Shape::Slot(true, 0),
            "GOT + A - P" => Shape::Table,
            "S + A - GOT" => Shape::FromTable,
            "G + A" => Shape::SlotOffset,
            "Z + A" => Shape::Size,
            _ => return None,
        })
    },
    differences: DIFFERENCES,
    ..Architecture::PLAIN
};

const DIFFERENCES: &[Difference] = &[
    Difference {
        types: &["R_X86_64_16", "R_X86_64_8"],
        when: |v, _, _| v.label.starts_with("min-1/"),
        take: Take::Lld,
        why: "GNU ld lets -2^n through as well; psABI, Relocation: a truncated value must extend to the original",
    },
    Difference {
        types: &["R_X86_64_PC16"],
        when: |_, ld, lld| ld.is_linked() && *lld == Outcome::Overflow,
        take: Take::Lld,
        why: "GNU ld takes a distance for either reading; psABI, Relocation: processors extend a displacement's sign",
    },
    Difference {
        types: &["R_X86_64_SIZE32"],
        when: |_, ld, lld| ld != lld,
        take: Take::Ld,
        why: "lld takes a size for a signed number; psABI, Relocation: Z is the size of the symbol",
    },
];
