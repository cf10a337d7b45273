//! SuperH: GNU ld alone links it, and puts no code between a call and its target. It adds what stands in place and
//! ignores the addend of a relocation, which assemblers leave 0, where Linux adds both.

use super::{Architecture, Variant};
use crate::golden::{Difference, Generator, OFFSET, Outcome, POISON, Shape, Take, Vector, formula, is_outside};
use crate::module_spec::RowDescription;
use relobox_abi::order;

const LITTLE: Variant = Variant {
    name: "sh",
    machine: 42,
    class: 32,
    gnu_ld: Some(("sh4-linux-gnu-ld", "shlelf_linux")),
    base: 0xc000_0000,
    direct: true,
    ..Variant::PLAIN
};

pub(super) static ARCHITECTURE: Architecture = Architecture {
    name: "sh",
    variants: &[
        LITTLE,
        // Debian's GNU ld has one emulation, and both formats.
        Variant { name: "sheb", order: order::BIG, options: (&["--oformat", "elf32-shbig-linux"], &[]), ..LITTLE },
    ],
    built: &["built-sh4"],
    code_align: 2,
    slot_type: "R_SH_GOT32",
    shape: |row| {
        Some(match row.formula.as_str() {
            "V + GOT + A - P" => Shape::Table,
            // GNU ld crashes on it where there is no table.
            _ if row.name == "R_SH_PLT32" => Shape::Table,
            "V + S + A - GOT" | "S + A - GOT" => Shape::FromTable,
            "V + G + A" | "G + A" => Shape::SlotOffset,
            formula if formula.contains("V ") || formula.starts_with("V.") => Shape::Special,
            _ => return None,
        })
    },
    vectors,
    differences: DIFFERENCES,
    ..Architecture::PLAIN
};

/// Sums with what stands in place, of any size, and short distances, of which the assembler leaves 0 in place.
fn vectors(g: &mut Generator<'_>, row: &RowDescription) -> Vec<Vector> {
    match row.name.trim_start_matches("R_SH_") {
        "DIR32" | "REL32" | "PLT32" => sums(g, row),
        "DIR8WPN" => short(g, row, -0x100, 0xfe, 2),
        "DIR8WPZ" => short(g, row, 0, 0x1fe, 2),
        "DIR8WPL" => short(g, row, 0, 0x3fc, 4),
        "GOT32" => [0, 1, 2].map(|_| without_addend(g, row)).into(),
        _ => Vec::new(),
    }
}

fn sums(g: &mut Generator<'_>, row: &RowDescription) -> Vec<Vector> {
    const VALUES: [(&str, u32); 8] = [
        ("0", 0),
        ("1", 1),
        ("-1", !0),
        ("max", 0x7fff_ffff),
        ("min", 0x8000_0000),
        ("a5", 0xa5a5_a5a5),
        ("c3", 0x3c69_3c69),
        ("addend", 0x1234_5678),
    ];
    let mut made = Vec::new();
    for (label, value) in VALUES {
        for poison in POISON {
            let mut v = g.blank(row, &format!("{label},sum"), poison);
            // Words of data lie anywhere.
            v.at += g.turn as u64 % 4;
            let place = if row.name == "R_SH_DIR32" { 0 } else { v.at + OFFSET };
            let addend = if label == "addend" { [4, -4, 0x1230][g.turn % 3] } else { 0 };
            if row.name == "R_SH_PLT32" {
                g.give_tables(row, &mut v).expect("a linker with a table");
            }
            let rest = i64::from(value) - i64::from(word(&v)) - addend;
            v.sites[0].addend = addend;
            v.set("s", Some(g.cut(place.wrapping_add_signed(rest))));
            made.push(v);
            g.turn += 1;
        }
    }
    made
}

fn short(g: &mut Generator<'_>, row: &RowDescription, min: i64, max: i64, step: i64) -> Vec<Vector> {
    let mut made = Vec::new();
    let ends = [("min", min), ("min+1", min + step), ("max-1", max - step), ("max", max)];
    let beyond = [("min-1", min - step), ("max+1", max + step), ("odd", step + 1), ("half-odd", step + step / 2)];
    let patterns = [("a5", 0x14a & -step & max), ("c3", 0x0b4 & -step & max), ("addend", 3 * step)];
    for (label, value) in ends.into_iter().chain(beyond).chain(patterns) {
        let mut v = g.blank(row, label, 0);
        // The opcode stays.
        let high = if g.machine.order == order::BIG { OFFSET } else { OFFSET + 1 };
        v.before[high as usize] = POISON[g.turn % 3];
        let place = (v.at + OFFSET) & -(step & 4 | 1) as u64;
        let addend = if label == "addend" { -4 } else { 0 };
        v.sites[0].addend = addend;
        v.values.push(("s".to_owned(), g.cut((place + 4).wrapping_add_signed(value - addend))));
        made.push(v);
        g.turn += 1;
    }
    // What stands in place counts as well, and is all if the symbol is the start of the section.
    for poison in [0x05, 0x7f, 0x12] {
        let mut v = g.blank(row, "start", poison);
        v.sites[0].symbol = ".0".to_owned();
        made.push(v);
        let mut v = g.blank(row, "in-place", poison);
        v.values.push(("s".to_owned(), g.cut(v.at + OFFSET + 4 - if min < 0 { 4 } else { 0 })));
        made.push(v);
        g.turn += 1;
    }
    // From PC rounded down.
    if step == 4 {
        let mut v = g.blank(row, "rounded", 0);
        v.at += 2;
        v.values.push(("s".to_owned(), g.cut(v.at + OFFSET + 2 + 0x120)));
        made.push(v);
    }
    made
}

fn without_addend(g: &mut Generator<'_>, row: &RowDescription) -> Vector {
    let mut v = g.blank(row, "no-addend", POISON[g.turn % 3]);
    g.give_tables(row, &mut v).expect("a linker with a table");
    g.turn += 1;
    v
}

const DIFFERENCES: &[Difference] = &[
    Difference {
        types: &["R_SH_DIR32", "R_SH_REL32", "R_SH_PLT32", "R_SH_GOT32"],
        when: |v, _, _| v.sites[0].addend != 0,
        take: Take::Formula(sum),
        why: "GNU ld ignores the addend, which assemblers leave 0; arch/sh/kernel/module.c adds it to what is in place",
    },
    Difference {
        types: &["R_SH_DIR32", "R_SH_REL32", "R_SH_PLT32", "R_SH_GOT*"],
        when: |v, ld, _| !v.name.ends_with("20") && *ld == Outcome::Overflow,
        take: Take::Formula(sum),
        why: "GNU ld lets no sum wrap; arch/sh/kernel/module.c lets it",
    },
    Difference {
        types: &["R_SH_DIR8WP*"],
        when: |v, _, _| v.sites[0].addend != 0,
        take: Take::Formula(distance),
        why: "GNU ld ignores the addend, which assemblers leave 0; it counts as everywhere",
    },
    Difference {
        types: &["R_SH_DIR8WPL"],
        when: |v, _, _| v.label.starts_with("rounded/"),
        take: Take::Formula(distance),
        why: "GNU ld wants such a load at a multiple of 4; SH-4 Software Manual, MOV.L @(disp,PC): PC & 0xfffffffc",
    },
    Difference {
        types: &["R_SH_DIR16", "R_SH_DIR8", "R_SH_DIR8S*"],
        when: |v, ld, _| is_outside(v) && ld.is_linked(),
        take: Take::Overflow,
        why: "GNU ld cuts the value without a check, and no reading of the field gives it back",
    },
    Difference {
        types: &["R_SH_*"],
        when: |v, ld, _| v.label.contains("odd/") && ld.is_linked(),
        take: Take::Misaligned,
        why: "GNU ld drops the low bits, which the field does not have",
    },
    Difference {
        types: &["R_SH_GOT20", "R_SH_GOTOFF20"],
        when: |v, ld, _| ld.is_linked() && v.before[OFFSET as usize..] != [0; 4],
        take: Take::Formula(movi20),
        why: "GNU ld only sets bits of the first half, which are 0 before; SH-2A Software Manual, MOVI20",
    },
    Difference {
        types: &["R_SH_IMM_*"],
        when: |_, _, _| true,
        take: Take::Formula(media),
        why: "no linker has SHmedia any more; arch/sh/kernel/module.c: bits 10 to 25",
    },
];

fn value(vector: &Vector, name: &str) -> u64 {
    vector.value(name).unwrap_or(0)
}

/// The word at the place.
fn word(vector: &Vector) -> u32 {
    let bytes = [0, 1, 2, 3].map(|i| vector.before[OFFSET as usize + i]);
    if formula::is_big(vector) { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }
}

fn bytes(vector: &Vector, word: u32) -> Vec<u8> {
    if formula::is_big(vector) { word.to_be_bytes().to_vec() } else { word.to_le_bytes().to_vec() }
}

/// `S + A`, of a label in the section as well.
fn target(vector: &Vector) -> u64 {
    value(vector, "s").wrapping_add_signed(vector.sites[0].addend)
}

/// What stands in place, plus a distance or an address.
fn sum(vector: &Vector) -> Outcome {
    let place = vector.at + OFFSET;
    let x = match vector.name.as_str() {
        "R_SH_DIR32" => target(vector),
        "R_SH_GOTOFF" => target(vector).wrapping_sub(value(vector, "GOT")),
        "R_SH_GOTPC" => value(vector, "GOT").wrapping_add_signed(vector.sites[0].addend).wrapping_sub(place),
        "R_SH_REL32" | "R_SH_PLT32" => target(vector).wrapping_sub(place),
        _ => (value(vector, "G") - value(vector, "GOT")).wrapping_add_signed(vector.sites[0].addend),
    };
    let slot = vector.value("G").map(|_| bytes(vector, value(vector, "s") as u32));
    formula::with(vector, &bytes(vector, word(vector).wrapping_add(x as u32)), slot)
}

/// A distance from PC in the low byte of an instruction.
fn distance(vector: &Vector) -> Outcome {
    let (pc, shift) = match vector.name.as_str() {
        "R_SH_DIR8WPL" => ((vector.at + OFFSET) & !3, 2),
        _ => (vector.at + OFFSET, 1),
    };
    let x = target(vector).wrapping_sub(pc + 4) >> shift;
    let at = OFFSET as usize;
    let mut insn = [vector.before[at], vector.before[at + 1]];
    insn[usize::from(formula::is_big(vector))] = x as u8;
    formula::with(vector, &insn, None)
}

/// The first half has bits 16 to 19 from bit 4 up, the second is the others.
fn movi20(vector: &Vector) -> Outcome {
    let x = match vector.value("G") {
        Some(slot) => slot.wrapping_sub(value(vector, "GOT")).wrapping_add_signed(vector.sites[0].addend),
        None => target(vector).wrapping_sub(value(vector, "GOT")),
    };
    let at = OFFSET as usize;
    let first = [vector.before[at], vector.before[at + 1]];
    let high = ((x >> 16) as u16 & 15) << 4;
    let halves = if formula::is_big(vector) {
        [(u16::from_be_bytes(first) & !0xf0 | high).to_be_bytes(), (x as u16).to_be_bytes()]
    } else {
        [(u16::from_le_bytes(first) & !0xf0 | high).to_le_bytes(), (x as u16).to_le_bytes()]
    };
    let slot = vector.value("G").map(|_| bytes(vector, value(vector, "s") as u32));
    formula::with(vector, &halves.concat(), slot)
}

/// A 16-bit immediate of SHmedia.
fn media(vector: &Vector) -> Outcome {
    let place = if vector.name.ends_with("PCREL") { vector.at + OFFSET } else { 0 };
    let x = target(vector).wrapping_sub(place) as u32;
    let half = if vector.name.contains("MEDLOW") { x >> 16 } else { x & 0xffff };
    formula::with(vector, &bytes(vector, word(vector) & !0x03ff_fc00 | half << 10), None)
}
