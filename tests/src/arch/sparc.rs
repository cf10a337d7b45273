//! SPARC, 64 and 32 bits. Nothing stands between a call and its target; lld takes 64 bits only, and knows few types.

use super::{Architecture, Pair, Variant};
use crate::golden::{Difference, Generator, OFFSET, Outcome, POISON, Shape, Take, Vector, formula, is_outside};
use crate::module_spec::RowDescription;
use relobox_abi::order;

const SPARC64: Variant = Variant {
    name: "sparc64",
    machine: 43,
    class: 64,
    order: order::BIG,
    gnu_ld: Some(("sparc64-linux-gnu-ld", "elf64_sparc")),
    lld: Some("elf64_sparc"),
    base: 0x1000_0000,
    direct: true,
    ..Variant::PLAIN
};
const SPARC32: Variant = Variant {
    name: "sparc32",
    machine: 2,
    class: 32,
    gnu_ld: Some(("sparc64-linux-gnu-ld", "elf32_sparc")),
    lld: None,
    base: 0xfe60_0000,
    // Behind the plugin's base is no room for a table.
    vectors_at: Some(0xf100_0000),
    ..SPARC64
};

pub(super) static ARCHITECTURE: Architecture = Architecture {
    name: "sparc",
    // EF_SPARC_32PLUS.
    variants: &[SPARC64, SPARC32, Variant { name: "sparc32plus", machine: 18, e_flags: 0x100, ..SPARC32 }],
    built: &["built-sparc64", "built-sparc"],
    code_align: 4,
    slot_type: "R_SPARC_GOT22",
    // A size is no address.
    unjudged: &["R_SPARC_SIZE32", "R_SPARC_SIZE64"],
    shape: |row| {
        Some(match row.formula.as_str() {
            "G + A" | "folded(G + A)" | "lo10_or_turned(G + A)" => Shape::SlotOffset,
            "Z + A" => Shape::Size,
            "((S + A) & 0x3ff) + 0x1c00" => Shape::Absolute(0),
            formula if formula.starts_with("lo10(S + A) + ") => Shape::Absolute(0),
            formula if formula.contains("(S + A - GOT") => Shape::FromTable,
            "-S - A - 1" => Shape::Special,
            _ => return None,
        })
    },
    vectors,
    pairs: &[Pair::absolute("R_SPARC_HI22", "R_SPARC_LO10"), Pair::absolute("R_SPARC_LM22", "R_SPARC_LO10")],
    differences: DIFFERENCES,
    ..Architecture::PLAIN
};

/// Addresses among the topmost 4 GiB, and beside them.
fn vectors(g: &mut Generator<'_>, row: &RowDescription) -> Vec<Vector> {
    let mut made = Vec::new();
    if row.name != "R_SPARC_HIX22" {
        return made;
    }
    let ends = [
        ("-1", -1),
        ("0x400", -0x400),
        ("half", -0x8000_0000),
        ("half+1", -0x8000_0001),
        ("min", -0x1_0000_0000),
        ("min-1", -0x1_0000_0001),
        ("max+1", 0),
        ("a5", -0x5a5a_5a5b),
        ("c3", -0x3c69_3c6a),
    ];
    for (label, value) in ends.into_iter().filter(|(_, value)| g.machine.class == 64 || (-1 << 31..0).contains(value)) {
        let mut v = g.blank(row, label, POISON[g.turn % POISON.len()]);
        v.sites[0].addend = [0, 4, -8, 0x1230][g.turn % 4];
        v.values.push(("s".to_owned(), g.cut((value - v.sites[0].addend) as u64)));
        made.push(v);
        g.turn += 1;
    }
    made
}

/// Types with a range that GNU ld takes for a wider one.
const CHECKED: &[&str] = &[
    "R_SPARC_8",
    "R_SPARC_16",
    "R_SPARC_UA16",
    "R_SPARC_22",
    "R_SPARC_13",
    "R_SPARC_11",
    "R_SPARC_10",
    "R_SPARC_7",
    "R_SPARC_6",
    "R_SPARC_5",
    "R_SPARC_PC22",
    "R_SPARC_PLT32",
    "R_SPARC_PCPLT32",
    "R_SPARC_PCPLT22",
    "R_SPARC_HIX22",
];

const DIFFERENCES: &[Difference] = &[
    Difference {
        types: &["R_SPARC_*"],
        when: |v, ld, _| v.label.contains("odd/") && ld.is_linked(),
        take: Take::Misaligned,
        why: "GNU ld drops the low bits; distances are in words",
    },
    Difference {
        types: &["R_SPARC_H44", "R_SPARC_H34"],
        when: |v, ld, _| v.machine == "32b" && ld.is_linked() && (address(v) as i32) < 0,
        take: Take::Overflow,
        why: "GNU ld takes an address of 32 bits for one of more; it is a word with its sign, and the field has none",
    },
    Difference {
        types: &["R_SPARC_H44", "R_SPARC_H34"],
        when: |v, ld, _| v.machine == "32b" && ld.is_linked() && address(v) > 0xffff_ffff,
        take: Take::Formula(by_hand),
        why: "GNU ld carries into a 33rd bit; in 32 bits sums wrap",
    },
    Difference {
        types: &["R_SPARC_GOTDATA_HIX22"],
        when: |v, ld, _| v.machine == "64b" && v.label.starts_with("max+1/") && ld.is_linked(),
        take: Take::Overflow,
        why: "GNU ld does not check it; sethi and xor make 32 bits and their sign",
    },
    Difference {
        types: &["R_SPARC_SIZE*"],
        when: |v, ld, _| *ld != size(v),
        take: Take::Formula(size),
        why: "GNU ld takes the symbol's value; Linkers and Libraries Guide, Relocation Types: Z + A",
    },
    Difference {
        types: CHECKED,
        when: |v, ld, _| is_outside(v) && ld.is_linked(),
        take: Take::Overflow,
        why: "GNU ld admits -2^n, or either sign, or does not check; SCD, Relocation: V, and simm is sign-extended",
    },
    Difference {
        types: &["R_SPARC_HIPLT22", "R_SPARC_LOPLT10", "R_SPARC_PCPLT*", "R_SPARC_WDISP16", "R_SPARC_WDISP10"],
        when: |v, ld, _| ld.is_linked() && *ld != by_hand(v),
        take: Take::Formula(by_hand),
        why: "GNU ld does nothing, or only adds bits to the field; SCD, Relocation: L + A, L + A - P, S + A - P",
    },
    Difference {
        types: &["R_SPARC_HI22"],
        when: |v, ld, lld| ld != lld && is_outside(v),
        take: Take::Lld,
        why: "GNU ld does not check it; SCD, Relocation: V-imm22, and sethi clears all bits above 32",
    },
    Difference {
        types: &["R_SPARC_32", "R_SPARC_UA32"],
        when: |v, _, lld| is_outside(v) && *lld == Outcome::Overflow,
        take: Take::Lld,
        why: "GNU ld lets -2^n through as well, which no reading of the field gives back",
    },
    Difference {
        types: &["R_SPARC_32", "R_SPARC_UA32", "R_SPARC_HI22"],
        when: |_, ld, lld| ld != lld,
        take: Take::Ld,
        why: "lld wants a number without a sign; the field is either",
    },
    Difference {
        types: &["R_SPARC_LO10", "R_SPARC_HM10", "R_SPARC_L44"],
        when: |_, ld, lld| ld != lld,
        take: Take::Ld,
        why: "lld clears the operand's upper bits, which assemblers leave 0; Linux leaves them",
    },
    Difference {
        types: &["R_SPARC_PC22"],
        when: |_, ld, lld| ld != lld,
        take: Take::Ld,
        why: "lld does not check its range; SCD, Relocation: V-disp22",
    },
    Difference {
        types: &["R_SPARC_OLO10", "R_SPARC_GOTDATA_OP_HIX22", "R_SPARC_GOTDATA_OP_LOX10"],
        when: |_, ld, _| *ld == Outcome::Unsupported,
        take: Take::Formula(by_hand),
        why: "GNU ld refuses it in 32 bits, and makes additions of loads; SCD, Relocation: (S + A) & 0x3ff + O, G",
    },
];

/// `S + A`.
fn address(vector: &Vector) -> u64 {
    vector.value("s").unwrap_or(0).wrapping_add_signed(vector.sites[0].addend)
}

/// What no linker makes, or only in one of the classes.
fn by_hand(vector: &Vector) -> Outcome {
    let place = &vector.before[OFFSET as usize..];
    let insn = u32::from_be_bytes([place[0], place[1], place[2], place[3]]);
    let slot_at = vector.value("G").unwrap_or(0).wrapping_sub(vector.value("GOT").unwrap_or(0));
    let offset = slot_at.wrapping_add_signed(vector.sites[0].addend) as i64;
    let folded = (if offset < 0 { !offset } else { offset } >> 10) as u32 & 0x3f_ffff;
    let lox10 = (offset as u32 & 0x3ff) | if offset < 0 { 0x1c00 } else { 0 };
    let x = (address(vector) as u32).wrapping_sub(if vector.name.contains("PC") || vector.name.contains("DISP") {
        (vector.at + OFFSET) as u32
    } else {
        0
    });
    let slot = Some((vector.value("s").unwrap_or(0) as u32).to_be_bytes().to_vec());
    match vector.name.as_str() {
        "R_SPARC_PCPLT32" => formula::with(vector, &x.to_be_bytes(), None),
        "R_SPARC_HIPLT22" | "R_SPARC_PCPLT22" => {
            formula::with(vector, &(insn & !0x3f_ffff | x >> 10).to_be_bytes(), None)
        }
        "R_SPARC_LOPLT10" | "R_SPARC_PCPLT10" => {
            formula::with(vector, &(insn & !0x3ff | x & 0x3ff).to_be_bytes(), None)
        }
        "R_SPARC_WDISP16" => {
            let pieces = (x >> 2 & 0x3fff) | (x >> 16 & 3) << 20;
            formula::with(vector, &(insn & !0x30_3fff | pieces).to_be_bytes(), None)
        }
        "R_SPARC_WDISP10" => {
            let pieces = (x >> 2 & 0xff) << 5 | (x >> 10 & 3) << 19;
            formula::with(vector, &(insn & !0x18_1fe0 | pieces).to_be_bytes(), None)
        }
        "R_SPARC_H44" => formula::with(vector, &(insn & !0x3f_ffff | x >> 22).to_be_bytes(), None),
        "R_SPARC_H34" => formula::with(vector, &(insn & !0x3f_ffff | x >> 12).to_be_bytes(), None),
        "R_SPARC_OLO10" => formula::with(vector, &(insn & !0x1fff | x & 0x3ff).to_be_bytes(), None),
        "R_SPARC_GOTDATA_OP_HIX22" => formula::with(vector, &(insn & !0x3f_ffff | folded).to_be_bytes(), slot),
        _ => formula::with(vector, &(insn & !0x1fff | lox10).to_be_bytes(), slot),
    }
}

/// `Z + A`, where the symbol's name has its size.
fn size(vector: &Vector) -> Outcome {
    let site = &vector.sites[0];
    let z = site.symbol.split_once(":0x").and_then(|(_, z)| u64::from_str_radix(z, 16).ok()).unwrap_or(0);
    let x = if vector.machine == "64b" { z } else { z & 0xffff_ffff }.wrapping_add_signed(site.addend) as i64;
    if vector.name == "R_SPARC_SIZE64" {
        formula::with(vector, &x.to_be_bytes(), None)
    } else if vector.machine == "64b" && !(-1 << 31..1 << 32).contains(&x) {
        Outcome::Overflow
    } else {
        formula::with(vector, &(x as u32).to_be_bytes(), None)
    }
}
