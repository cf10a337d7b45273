//! AArch64, both byte orders of data: linkers make veneers for branches beyond 128 MiB.

use super::{Architecture, Far, Pair, Variant};
use crate::golden::{Difference, Generator, OFFSET, Outcome, POISON, SLOTTED, Shape, Take, Vector, formula, is_outside};
use crate::module_spec::RowDescription;
use crate::oracle::Image;
use crate::oracle::destination::{Destination, LONGEST_VENEER, bits, branch, signed};
use relobox_abi::order;

const LITTLE: Variant = Variant {
    name: "aarch64",
    machine: 183,
    class: 64,
    order: order::LITTLE,
    gnu_ld: Some(("aarch64-linux-gnu-ld", "aarch64linux")),
    lld: Some("aarch64linux"),
    jitlink: true,
    base: 0xffff_8000_0100_0000,
    ..Variant::PLAIN
};

pub(super) static ARCHITECTURE: Architecture = Architecture {
    name: "aarch64",
    variants: &[
        LITTLE,
        Variant {
            name: "aarch64_be",
            order: order::BIG,
            gnu_ld: Some(("aarch64-linux-gnu-ld", "aarch64linuxb")),
            lld: Some("aarch64linuxb"),
            jitlink: false,
            ..LITTLE
        },
    ],
    far: &[
        // R_AARCH64_CALL26 and R_AARCH64_JUMP26 reach 128 MiB; 3 GiB away is beyond that and within an `adrp`.
        Far { distance: 3 << 30, types: &[283, 282], linkers: true },
        Far { distance: 64 << 30, types: &[283, 282], linkers: true },
    ],
    corpora: &["arm64"],
    executed: &[
        "R_AARCH64_MOVW_GOTOFF_G0",
        "R_AARCH64_MOVW_GOTOFF_G0_NC",
        "R_AARCH64_MOVW_GOTOFF_G1",
        "R_AARCH64_MOVW_GOTOFF_G1_NC",
        "R_AARCH64_MOVW_GOTOFF_G2",
        "R_AARCH64_MOVW_GOTOFF_G2_NC",
        "R_AARCH64_MOVW_GOTOFF_G3",
        "R_AARCH64_GOTREL64",
        "R_AARCH64_GOTREL32",
    ],
    slot_type: "R_AARCH64_ADR_GOT_PAGE",
    metamorphic: &[false],
    shape: |row| {
        let formula = row.formula.as_str();
        let inner = formula.strip_prefix("movz_or_movn(").and_then(|f| f.split_once(", ")).map_or(formula, |f| f.0);
        Some(match inner {
            "S + A" | "lo12(S + A)" => Shape::Absolute(0),
            "S + A - P" => Shape::Relative(0),
            "S + A - GOT" => Shape::FromTable,
            "page(S + A) - page(P)" => Shape::Pages,
            "G(GDAT(S + A)) - P" => Shape::Slot(false, 0),
            "G(GDAT(S)) + A - P" => Shape::Slot(true, 0),
            "page(G(GDAT(S + A))) - page(P)" => Shape::SlotPage,
            "G(GDAT(S + A)) - GOT" | "lo12(G(GDAT(S + A)))" | "G(GDAT(S + A)) - page(GOT)" => Shape::SlotFixed,
            _ => return None,
        })
    },
    vectors,
    pairs: &[Pair::relative("R_AARCH64_ADR_PREL_PG_HI21", "R_AARCH64_ADD_ABS_LO12_NC")],
    differences: DIFFERENCES,
    // bl
    call: |_, distance| (0x9400_0000 | (distance as u32 / 4)).to_le_bytes().to_vec(),
    reference,
    ..Architecture::PLAIN
};

/// The ends of offsets into the table, for which the table must be longer than any linker makes it.
fn vectors(g: &mut Generator<'_>, row: &RowDescription) -> Vec<Vector> {
    let end = match row.name.as_str() {
        "R_AARCH64_LD64_GOTOFF_LO15" | "R_AARCH64_LD64_GOTPAGE_LO15" => 1 << 15,
        "R_AARCH64_MOVW_GOTOFF_G0" => 1 << 16,
        _ => return Vec::new(),
    };
    let mut vectors = Vec::new();
    for (label, slot) in [("slot-max", end - 8), ("slot-max+1", end)] {
        let mut v = g.blank(row, label, POISON[g.turn % POISON.len()]);
        let table = g.base + 0x0300_0000;
        v.values = vec![("s".to_owned(), SLOTTED), ("GOT".to_owned(), table), ("G".to_owned(), table + slot)];
        v.by = "psABI".to_owned();
        vectors.push(v);
        g.turn += 1;
    }
    g.turn += 1;
    vectors
}

const DIFFERENCES: &[Difference] = &[
    Difference {
        types: &["R_AARCH64_PLT32"],
        when: |v, _, lld| matches!(lld, Outcome::Through(_)) && !is_outside(v),
        take: Take::Formula(formula::distance),
        why: "lld makes a veneer where none is needed; AAELF64, Data relocations: S + A - P",
    },
    Difference {
        types: &["R_AARCH64_MOVW_GOTOFF_G1"],
        when: |_, ld, _| ld.is_linked(),
        take: Take::Formula(move_of_slot),
        why: "GNU ld leaves the opcode; AAELF64, Group relocations, GOT-relative offsets: MOV[NZ]",
    },
    Difference {
        types: &["R_AARCH64_ADR_GOT_PAGE"],
        when: |v, ld, _| ld.is_linked() && is_outside(v),
        take: Take::Overflow,
        why: "GNU ld does not check; AAELF64, GOT-relative instruction relocations: -2^32 <= X < 2^32",
    },
    Difference {
        types: &["R_AARCH64_ABS32", "R_AARCH64_ABS16"],
        when: |_, ld, lld| *ld == Outcome::Overflow && lld.is_linked(),
        take: Take::Lld,
        why: "GNU ld takes the word for unsigned; AAELF64, Data relocations: -2^31 <= X < 2^32, -2^15 <= X < 2^16",
    },
    Difference {
        types: &["R_AARCH64_PREL32", "R_AARCH64_PREL16"],
        when: |_, ld, lld| *ld == Outcome::Overflow && lld.is_linked(),
        take: Take::Ld,
        why: "AAELF64, Data relocations, lets X < 2^32 and X < 2^16 through, to be read as negative; Linux refuses (reloc_data), and so do we",
    },
    Difference {
        types: &["R_AARCH64_MOVW_SABS_*", "R_AARCH64_MOVW_PREL_*"],
        when: |_, ld, lld| ld.is_linked() && lld.is_linked() && ld != lld,
        take: Take::Ld,
        why: "lld sets bits without clearing the field, or the opcode also of _NC; AAELF64, Group relocations: movk, or movn or movz",
    },
    Difference {
        types: &["R_AARCH64_JUMP26"],
        when: |v, ld, lld| ld.is_linked() && lld.is_linked() && ld != lld && !v.label.contains("odd/"),
        take: Take::Ld,
        why: "lld writes a whole `b`, whatever was there",
    },
    Difference {
        types: &["R_AARCH64_CONDBR19", "R_AARCH64_TSTBR14", "R_AARCH64_CALL26", "R_AARCH64_JUMP26"],
        when: |v, _, _| v.label.contains("odd/"),
        take: Take::Misaligned,
        why: "linkers drop the two low bits; AAELF64, Relocations for control-flow instructions: all offsets are a multiple of 4",
    },
    Difference {
        types: &["R_AARCH64_GOTREL64", "R_AARCH64_GOTREL32"],
        when: |_, ld, lld| !ld.is_linked() && !lld.is_linked(),
        take: Take::Formula(formula::from_table),
        why: "AAELF64, GOT-relative data relocations: S + A - GOT, and -2^31 <= X < 2^31",
    },
    Difference {
        types: &["R_AARCH64_LD64_GOTOFF_LO15", "R_AARCH64_LD64_GOTPAGE_LO15"],
        when: |v, _, _| v.label.starts_with("slot-"),
        take: Take::Formula(load_of_slot),
        why: "no linker's table is asked to be that long; AAELF64, GOT-relative instruction relocations: 0 <= X < 2^15",
    },
    Difference {
        types: &["R_AARCH64_MOVW_GOTOFF_*"],
        when: |_, ld, lld| !ld.is_linked() && !lld.is_linked(),
        take: Take::Formula(move_of_slot),
        why: "AAELF64, Group relocations, GOT-relative offsets: bits of G(GDAT(S)) - GOT; movz, since it is not negative",
    },
];

/// Computes a group of 16 bits of `G - GOT` in a move instruction. The checked types select `movz` by bit 30.
fn move_of_slot(vector: &Vector) -> Outcome {
    let value = |name: &str| vector.value(name).unwrap_or(0);
    let x = value("G").wrapping_sub(value("GOT"));
    let group = vector.name.bytes().rev().find(u8::is_ascii_digit).map_or(0, |digit| u32::from(digit - b'0'));
    let mut word = u32::from_le_bytes([0, 1, 2, 3].map(|i| vector.before[OFFSET as usize + i]));
    word = word & !(0xffff << 5) | ((x >> (16 * group)) as u32 & 0xffff) << 5;
    if !vector.name.ends_with("_NC") {
        word |= 1 << 30;
        if group < 3 && x >> (16 * (group + 1)) != 0 {
            return Outcome::Overflow;
        }
    }
    formula::with(vector, &word.to_le_bytes(), Some(value("s").to_le_bytes().to_vec()))
}

/// Computes twelve bits of `G - GOT` in units of eight in a load instruction. The table begins at a page boundary.
fn load_of_slot(vector: &Vector) -> Outcome {
    let value = |name: &str| vector.value(name).unwrap_or(0);
    let x = value("G").wrapping_sub(value("GOT"));
    if x >> 15 != 0 {
        return Outcome::Overflow;
    }
    let word = u32::from_le_bytes([0, 1, 2, 3].map(|i| vector.before[OFFSET as usize + i]));
    let word = word & !(0xfff << 10) | ((x >> 3) as u32) << 10;
    formula::with(vector, &word.to_le_bytes(), Some(value("s").to_le_bytes().to_vec()))
}

/// Returns the destination of a `b` or `bl`.
fn reference(variant: &Variant, image: &Image, address: u64, code: &[u8]) -> Option<Destination> {
    let word = u32::from_le_bytes(code.get(..4)?.try_into().ok()?);
    branch(image, target(address, word)?, if variant.order == order::BIG { run::<true> } else { run::<false> })
}

fn target(address: u64, word: u32) -> Option<u64> {
    let is_branch = word & 0x7c00_0000 == 0x1400_0000;
    is_branch.then(|| address.wrapping_add(signed(bits(word, 0, 26), 26) << 2))
}

/// Instructions are little-endian even where data, and therefore a literal, is big-endian.
fn run<const BIG: bool>(image: &Image, mut at: u64) -> Option<u64> {
    let mut registers = [None; 32];
    for _ in 0..LONGEST_VENEER {
        let word = u32::from_le_bytes(image.own_bytes(at, 4)?.try_into().ok()?);
        let (d, n, m) = (bits(word, 0, 5) as usize, bits(word, 5, 5) as usize, bits(word, 16, 5) as usize);
        let page_offset = signed(bits(word, 5, 19) << 2 | bits(word, 29, 2), 21);
        let half = 16 * bits(word, 21, 2);
        if let Some(end) = target(at, word) {
            return Some(end);
        } else if word & 0xffff_fc1f == 0xd61f_0000 {
            return registers[n];
        } else if word & 0x9f00_0000 == 0x9000_0000 {
            registers[d] = Some((at & !0xfff).wrapping_add(page_offset << 12));
        } else if word & 0x9f00_0000 == 0x1000_0000 {
            registers[d] = Some(at.wrapping_add(page_offset));
        } else if word & 0xff80_0000 == 0x9100_0000 {
            let shift = 12 * bits(word, 22, 1);
            registers[d] = Some(registers[n]?.wrapping_add(bits(word, 10, 12) << shift));
        } else if word & 0xffe0_fc00 == 0x8b00_0000 {
            registers[d] = Some(u64::wrapping_add(registers[n]?, registers[m]?));
        } else if word & 0xff00_0000 == 0x5800_0000 {
            let literal = at.wrapping_add(signed(bits(word, 5, 19), 19) << 2);
            let bytes = image.own_bytes(literal, 8)?.try_into().ok()?;
            registers[d] = Some(if BIG { u64::from_be_bytes(bytes) } else { u64::from_le_bytes(bytes) });
        } else if word & 0xff80_0000 == 0xd280_0000 {
            registers[d] = Some(bits(word, 5, 16) << half);
        } else if word & 0xff80_0000 == 0x9280_0000 {
            registers[d] = Some(!(bits(word, 5, 16) << half));
        } else if word & 0xff80_0000 == 0xf280_0000 {
            registers[d] = Some(registers[d]? & !(0xffff << half) | bits(word, 5, 16) << half);
        } else if word & 0xffff_f01f != 0xd503_201f {
            return None;
        }
        at += 4;
    }
    None
}
