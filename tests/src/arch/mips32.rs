//! MIPS o32. No linker puts code between a jump and its target.

use super::{Architecture, Pair, Variant};
use crate::golden::{Difference, Generator, OFFSET, Shape, Take, Vector};
use crate::module_spec::RowDescription;
use relobox_abi::order;

const BIG: Variant = Variant {
    name: "mips",
    machine: 8,
    class: 32,
    order: order::BIG,
    // EF_MIPS_ABI2 is n32's.
    flags: (0x20, 0),
    gnu_ld: Some(("mips-linux-gnu-ld", "elf32btsmip")),
    lld: Some("elf32btsmip"),
    base: 0xc000_0000,
    direct: true,
    ..Variant::PLAIN
};

pub(super) static ARCHITECTURE: Architecture = Architecture {
    name: "mips32",
    variants: &[
        Variant {
            name: "mipsel",
            order: order::LITTLE,
            gnu_ld: Some(("mipsel-linux-gnu-ld", "elf32ltsmip")),
            lld: Some("elf32ltsmip"),
            ..BIG
        },
        BIG,
    ],
    corpora: &["mipsel-4kc-malta"],
    in_place: &[true, false],
    ld_extends_sign: true,
    linkers_own: &["_gp_disp"],
    metamorphic: &[true, false],
    shape: |row| {
        Some(match row.formula.as_str() {
            "jump(S, A, P)" => Shape::Segment,
            "ha(S + AHL)" => Shape::Half,
            "ha(S + AHL - P)" => Shape::RelativeHalf,
            "S + A - (P & -8)" => Shape::RelativeTo8,
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

/// Jumps at the end of a segment, which is that of the delay slot.
fn vectors(g: &mut Generator<'_>, row: &RowDescription) -> Vec<Vector> {
    let mut vectors = Vec::new();
    if row.name == "R_MIPS_26" {
        for (label, s) in [("delay-slot", 0xd000_0000), ("delay-slot-far", 0xcfff_fffc)] {
            let mut v = g.blank(row, label, 0);
            v.at = 0xcfff_fffc - OFFSET;
            v.values.push(("s".to_owned(), s));
            vectors.push(v);
        }
        g.turn += 1;
    }
    vectors
}

const DIFFERENCES: &[Difference] = &[
    Difference {
        types: &["R_MIPS_26"],
        when: |_, ld, lld| !ld.is_linked() && lld.is_linked(),
        take: Take::Ld,
        why: "lld checks neither segment nor alignment; psABI, Relocation: a jump keeps the top four bits of its delay slot",
    },
];
