//! PowerPC, 64 bits: ELFv2 in both byte orders, ELFv1 big-endian. GNU ld judges; its TOC is where it is told.
//!
//! lld takes ELFv2 only, and has its TOC where its own `.got` is, so that no field relative to the TOC can be compared.

use super::{Architecture, Pair, Variant};
use crate::golden::{Difference, Generator, OFFSET, Outcome, POISON, SLOTTED, Shape, Take, Vector, formula, is_outside};
use crate::module_spec::RowDescription;
use crate::oracle::Image;
use crate::oracle::destination::{Destination, LONGEST_VENEER, bits, branch, signed};
use relobox_abi::order;

/// Nothing is made shorter, and no function is supplied.
const PLAIN_CODE: &[&str] =
    &["--no-toc-optimize", "--no-multi-toc", "--no-opd-optimize", "--no-inline-optimize", "--no-save-restore-funcs"];

const LITTLE: Variant = Variant {
    name: "powerpc64le",
    machine: 21,
    class: 64,
    order: order::LITTLE,
    flags: (3, 2),
    gnu_ld: Some(("powerpc64le-linux-gnu-ld", "elf64lppc")),
    options: (PLAIN_CODE, &[]),
    base: 0xc008_0000_0000_0000,
    ..Variant::PLAIN
};
const BIG: Variant = Variant {
    name: "powerpc64",
    order: order::BIG,
    gnu_ld: Some(("powerpc64le-linux-gnu-ld", "elf64ppc")),
    ..LITTLE
};

pub(super) static ARCHITECTURE: Architecture = Architecture {
    name: "ppc64",
    variants: &[LITTLE, BIG, Variant { name: "powerpc64v1", flags: (2, 0), ..BIG }],
    corpora: &["powerpc64le"],
    built: &["built-powerpc64", "built-powerpc64v1"],
    code_align: 4,
    slot_type: "R_PPC64_GOT16_DS",
    // A call and the `nop` behind it.
    field_length: 8,
    placed: |sections| {
        let named = |name: &str| sections.iter().filter(|s| s.0 == name).map(|s| s.2).next_back();
        named(".toc").or_else(|| named(".stubs")).map(|toc| (".TOC.", toc + 0x8000)).into_iter().collect()
    },
    unjudged: &["R_PPC64_ENTRY"],
    shape,
    vectors,
    pairs: &[
        Pair::absolute("R_PPC64_ADDR16_HA", "R_PPC64_ADDR16_LO"),
        Pair { low_addend: 4, ..Pair::relative("R_PPC64_REL16_HA", "R_PPC64_REL16_LO") },
    ],
    differences: DIFFERENCES,
    call: |variant, distance| word(variant.order, 0x4800_0001 | distance as u32 & 0x3ff_fffc),
    reference,
    may_differ,
    ..Architecture::PLAIN
};

fn shape(row: &RowDescription) -> Option<Shape> {
    let half = if row.row.round == 0 { 0 } else { 1 << (row.row.round - 1) };
    Some(match row.formula.as_str() {
        "ha(S + A)" => Shape::Absolute(half),
        "ha(S + A - P)" => Shape::Relative(half),
        "S + A + cx.local()" => Shape::Absolute(0),
        "S + A" | "S + A - P" => return None,
        _ => Shape::Special,
    })
}

fn word(byte_order: u8, word: u32) -> Vec<u8> {
    if byte_order == order::BIG { word.to_be_bytes().to_vec() } else { word.to_le_bytes().to_vec() }
}

const CALLS: &[&str] = &["R_PPC64_REL24*", "R_PPC64_REL14*"];

const DIFFERENCES: &[Difference] = &[
    Difference {
        types: CALLS,
        when: |v, _, _| v.label.starts_with("stub"),
        take: Take::Through,
        why: "a static linker calls an absolute symbol directly; Linux calls every undefined symbol by a stub",
    },
    Difference {
        types: &["R_PPC64_ADDR24"],
        when: |v, ld, _| is_outside(v) && ld.is_linked(),
        take: Take::Overflow,
        why: "GNU ld takes it for either reading; Power ISA, Branch: LI is sign-extended",
    },
    Difference {
        types: &["R_PPC64_ADDR32", "R_PPC64_UADDR32"],
        when: |v, ld, _| v.label.starts_with("min-1/") && ld.is_linked(),
        take: Take::Overflow,
        why: "GNU ld lets -2^n through as well, which no reading of the field gives back",
    },
    Difference {
        types: &["R_PPC64_ADDR14_BR*"],
        when: |v, _, _| is_outside(v),
        take: Take::Overflow,
        why: "GNU ld 2.40 fails an assertion; Power ISA, Branch Conditional: BD has 16 bits with its sign",
    },
    Difference {
        types: &["R_PPC64_ADDR14_BR*"],
        when: |v, ld, _| !ld.is_linked() && !is_outside(v),
        take: Take::Formula(branch_to),
        why: "GNU ld 2.40 fails an assertion; Power ISA, Branch Conditional: BO, whose bits a and t are the hint",
    },
    Difference {
        types: &["R_PPC64_REL30"],
        when: |_, _, _| true,
        take: Take::Formula(word30),
        why: "GNU ld shifts the value out of its field; ELFv1, Relocation Types: word30 is the high 30 bits",
    },
    Difference {
        types: &["R_PPC64_*"],
        when: |v, ld, _| v.label.contains("odd/") && ld.is_linked(),
        take: Take::Misaligned,
        why: "GNU ld drops the low bits; they are part of the opcode, and the value is a multiple of 4",
    },
    Difference {
        types: CALLS,
        when: |v, _, _| is_outside(v),
        take: Take::Overflow,
        why: "GNU ld makes a stub for a section of its own; Linux: REL24 out of range",
    },
    Difference {
        types: CALLS,
        when: |_, ld, _| *ld == Outcome::Unsupported,
        take: Take::Formula(branch_to),
        why: "GNU ld 2.40 fails an assertion where a label's section begins behind the target; ELFv2: S + A - P",
    },
    Difference {
        types: &["R_PPC64_TOC*", "R_PPC64_GOT*", "R_PPC64_PLT*", "R_PPC64_ENTRY"],
        when: |_, _, _| true,
        take: Take::Formula(from_toc),
        why: "a linker has its TOC elsewhere; ELFv2, Relocation Types: S + A, G or L, less .TOC. or P",
    },
];

/// What a row's formula without its functions is about: the bits that the rule admits, what is added, what is cut.
fn vectors(g: &mut Generator<'_>, row: &RowDescription) -> Vec<Vector> {
    let name = row.name.trim_start_matches("R_PPC64_");
    let formula = row.formula.as_str();
    if formula.starts_with('L') || formula.contains("(L(") {
        return calls(g, row);
    }
    if formula.contains("GOT") || formula.contains("G(") || formula.contains("O(") {
        return tables(g, row, name);
    }
    if shape(row) != Some(Shape::Special) {
        return Vec::new();
    }
    let bits = match name {
        "D34" | "PCREL34" => 34,
        "D28" | "PCREL28" => 28,
        _ if name.starts_with("ADDR14") => 16,
        _ => 64,
    };
    let step = if name.starts_with("ADDR14") { 4 } else { 1 };
    let mut made = Vec::new();
    for (label, value) in ends(bits, step) {
        let mut v = g.blank(row, label, POISON[g.turn % POISON.len()]);
        hint(g, &mut v, name);
        let addend = [0, 4, -8, 0x1230][g.turn % 4];
        let p = if name.starts_with("PCREL") || name.starts_with("REL") { (v.at + OFFSET) as i64 } else { 0 };
        v.sites[0].addend = addend;
        v.values.push(("s".to_owned(), value.wrapping_add(p).wrapping_sub(addend) as u64));
        made.push(v);
        g.turn += 1;
    }
    made
}

/// Puts a branch that takes a hint at the place.
fn hint(g: &Generator<'_>, v: &mut Vector, name: &str) {
    if name.contains("TAKEN") {
        let insn = [0x4182_a5a4, 0x4200_0000, 0x4081_fffc, 0x4280_0000][g.turn % 4];
        v.before[OFFSET as usize..][..4].copy_from_slice(&word(g.machine.order, insn));
    }
}

/// Both sides of the ends of a signed number, and patterns.
fn ends(bits: u32, step: i64) -> Vec<(&'static str, i64)> {
    let (min, max) = (i64::MIN >> (64 - bits), i64::MAX >> (64 - bits) & -step);
    let mut all = vec![("min", min), ("0", 0), ("1", step), ("-1", -step), ("max", max)];
    all.extend([("a5", 0xa5a5_a5a5_a5a5_a5a5_u64 as i64), ("c3", 0x3c69_3c69_3c69_3c69)].map(|(label, value)| {
        (label, value << (64 - bits) >> (64 - bits) & -step)
    }));
    all.extend([("half-1", 0x1_ffff_ffff), ("half", 0x2_0000_0000)].into_iter().filter(|_| bits == 64));
    all.extend([("min-1", min.wrapping_sub(step)), ("max+1", max.wrapping_add(step))].into_iter().filter(|_| bits != 64));
    all.extend([("odd", step + 1), ("half-odd", step + 2)].into_iter().filter(|_| step == 4));
    all
}

/// Calls of the module itself, by the addend of a label at the place, and of undefined symbols.
fn calls(g: &mut Generator<'_>, row: &RowDescription) -> Vec<Vector> {
    let mut made = Vec::new();
    for (label, value) in ends(if row.name.contains("14") { 16 } else { 26 }, 4) {
        let mut v = g.blank(row, label, POISON[g.turn % POISON.len()]);
        hint(g, &mut v, &row.name);
        (v.sites[0].symbol, v.sites[0].addend) = (format!(".{OFFSET}"), value);
        made.push(v);
        g.turn += 1;
    }
    // ELFv1 has no code without a TOC.
    // A conditional branch reaches no section that is put behind all others.
    if row.name.contains("NOTOC") && g.machine.flags_value == 0 || row.name.contains("14") {
        return made;
    }
    for (label, value) in [("stub", SLOTTED), ("stub-near", g.base + 0x1000), ("stub-high", 0xffff_ffff_ffff_fff0)] {
        let mut v = g.blank(row, label, POISON[g.turn % POISON.len()]);
        v.values.push(("s".to_owned(), value));
        made.push(v);
        g.turn += 1;
    }
    made
}

/// What is relative to the TOC, which is 0x8000 behind `GOT`, or in a slot.
fn tables(g: &mut Generator<'_>, row: &RowDescription, name: &str) -> Vec<Vector> {
    let toc = g.base + 0x0300_8000;
    if g.machine.flags_value == 0 && name.starts_with("PLT") {
        return Vec::new(); // ELFv1's slots hold descriptors.
    }
    let mut made = Vec::new();
    let mut blank = |g: &mut Generator<'_>, label: &str, s: u64, slot: Option<u64>| {
        let mut v = g.blank(row, label, POISON[g.turn % POISON.len()]);
        v.values = vec![("s".to_owned(), s), ("GOT".to_owned(), toc - 0x8000)];
        v.set("G", slot.map(|slot| toc - 0x8000 + slot));
        v.by = "psABI".to_owned();
        made.push(v);
        g.turn += 1;
    };
    if name == "ENTRY" || name == "TOC" {
        ["a5", "00", "ff"].into_iter().for_each(|label| blank(g, label, SLOTTED, None));
    } else if name.starts_with("TOC") {
        let (bits, half) = match name {
            "TOC16_HI" => (32, 0),
            "TOC16_HA" => (32, 0x8000),
            "TOC16" | "TOC16_DS" => (16, 0),
            _ => (64, 0),
        };
        let step = if name.ends_with("DS") { 4 } else { 1 };
        let wide = ends(bits, step).into_iter().filter(|(_, v)| bits != 64 || v.unsigned_abs() < 1 << 62);
        for (label, value) in wide.collect::<Vec<_>>() {
            blank(g, label, toc.wrapping_add_signed(value - half), None);
        }
    } else {
        // More slots than 64 KiB have would take long.
        [("slot", 0), ("slot-1", 8), ("slot-30", 0x1e0)].into_iter().for_each(|(label, slot)| blank(g, label, SLOTTED, Some(slot)));
    }
    made
}

/// A branch, with its hint if it takes one.
fn branch_to(vector: &Vector) -> Outcome {
    // A label is at the place.
    let x = vector.value("s").unwrap_or(0).wrapping_add_signed(vector.sites[0].addend) as i64;
    let order = if formula::is_big(vector) { order::BIG } else { order::LITTLE };
    let Some(insn) = read(order, &vector.before[OFFSET as usize..][..4]) else { return Outcome::Unsupported };
    let hint = match insn >> 21 & 0x1f {
        0b00100..=0b00111 | 0b01100..=0b01111 => 0b00010,
        0b10000..=0b10011 | 0b11000..=0b11011 => 0b01000,
        _ => 0,
    };
    let taken = u32::from(!vector.name.contains("BRN"));
    let hinted = vector.name.contains("TAKEN") && hint != 0;
    let insn = if hinted { insn & !(1 << 21) | (hint | taken) << 21 } else { insn };
    let mask = if vector.name.contains("24") { 0x3ff_fffc } else { 0xfffc };
    if x & 3 != 0 {
        return Outcome::Misaligned;
    }
    formula::with(vector, &word(order, insn & !mask | x as u32 & mask), None)
}

/// The high 30 bits of a word.
fn word30(vector: &Vector) -> Outcome {
    let x = vector.value("s").unwrap_or(0).wrapping_add_signed(vector.sites[0].addend);
    let x = x.wrapping_sub(vector.at + OFFSET) as i64;
    let before: [u8; 4] = [0, 1, 2, 3].map(|i| vector.before[OFFSET as usize + i]);
    match i32::try_from(x) {
        Err(_) => Outcome::Overflow,
        Ok(x) if x & 3 != 0 => Outcome::Misaligned,
        Ok(x) if formula::is_big(vector) => {
            formula::with(vector, &(x as u32 | u32::from_be_bytes(before) & 3).to_be_bytes(), None)
        }
        Ok(x) => formula::with(vector, &(x as u32 | u32::from_le_bytes(before) & 3).to_le_bytes(), None),
    }
}

/// Fields of the TOC, and of slots.
fn from_toc(vector: &Vector) -> Outcome {
    let value = |name: &str| vector.value(name).unwrap_or(0);
    let (toc, big, place) = (value("GOT") + 0x8000, formula::is_big(vector), OFFSET as usize);
    let name = vector.name.trim_start_matches("R_PPC64_");
    let slot = vector.value("G").map(|_| if big { SLOTTED.to_be_bytes().to_vec() } else { SLOTTED.to_le_bytes().to_vec() });
    let target = vector.value("G").unwrap_or_else(|| value("s").wrapping_add_signed(vector.sites[0].addend));
    if name == "ENTRY" {
        // What stands there is no entry point.
        return Outcome::Bytes(vector.before.clone(), None);
    } else if name == "TOC" {
        return formula::with(vector, &if big { toc.to_be_bytes() } else { toc.to_le_bytes() }, None);
    } else if name.contains("PCREL34") {
        let x = target.wrapping_sub(vector.at + OFFSET);
        let mut after = vector.before[place..place + 8].to_vec();
        let parts: [(u32, u32); 2] = [((x >> 16) as u32 & 0x3_ffff, !0x3_ffff), (x as u32 & 0xffff, !0xffff)];
        for (bytes, (set, keep)) in after.chunks_exact_mut(4).zip(parts) {
            let old: [u8; 4] = [bytes[0], bytes[1], bytes[2], bytes[3]];
            let old = if big { u32::from_be_bytes(old) } else { u32::from_le_bytes(old) };
            let new = set | old & keep;
            bytes.copy_from_slice(&if big { new.to_be_bytes() } else { new.to_le_bytes() });
        }
        return formula::with(vector, &after, slot);
    }
    let x = target.wrapping_sub(toc) as i64;
    let (x, range) = match name.rsplit('_').next() {
        Some("HA") => ((x + 0x8000) >> 16, 16),
        Some("HI") => (x >> 16, 16),
        _ if name.contains("LO") => (x, 64),
        _ => (x, 16),
    };
    if range == 16 && i16::try_from(x).is_err() {
        return Outcome::Overflow;
    }
    let before = [vector.before[place], vector.before[place + 1]];
    let kept = if name.ends_with("DS") { 3 } else { 0 };
    if x & kept != 0 {
        return Outcome::Misaligned;
    }
    let old = if big { u16::from_be_bytes(before) } else { u16::from_le_bytes(before) };
    let new = x as u16 | old & kept as u16;
    formula::with(vector, &if big { new.to_be_bytes() } else { new.to_le_bytes() }, slot)
}

/// Returns the destination of a branch.
fn reference(variant: &Variant, image: &Image, address: u64, code: &[u8]) -> Option<Destination> {
    let insn = read(variant.order, code.get(..4)?)?;
    let distance = match insn >> 26 {
        18 => signed(bits(insn, 2, 24) << 2, 26),
        16 => signed(bits(insn, 2, 14) << 2, 16),
        _ => return None,
    };
    if variant.order == order::BIG {
        branch(image, address.wrapping_add(distance), run::<{ order::BIG }>)
    } else {
        branch(image, address.wrapping_add(distance), run::<{ order::LITTLE }>)
    }
}

/// Branches have the same bits but for the distance; behind a call, only one linker may have restored r2.
fn may_differ(left: &[u8], right: &[u8]) -> bool {
    const NOP: u32 = 0x6000_0000;
    // ELFv2's, ELFv1's.
    const RESTORE: [u32; 2] = [0xe841_0018, 0xe841_0028];
    let one = |a: u32, b: u32| a == NOP && RESTORE.contains(&b);
    // The primary opcode says in which byte order the words are, mostly: a distance may look like one.
    let reads_branch = |o: u8| left.get(..4).and_then(|w| read(o, w)).is_some_and(|w| matches!(w >> 26, 16 | 18));
    let orders: Vec<u8> = [order::LITTLE, order::BIG].into_iter().filter(|o| reads_branch(*o)).collect();
    let may = |order: u8| {
        let words = |at: usize| Some((read(order, left.get(at..at + 4)?)?, read(order, right.get(at..at + 4)?)?));
        let branch = words(0).is_none_or(|(l, r)| (l ^ r) & if l >> 26 == 18 { 0xfc00_0003 } else { 0xffff_0003 } == 0);
        branch && words(4).is_none_or(|(l, r)| l == r || one(l, r) || one(r, l))
    };
    orders.is_empty() || orders.into_iter().any(may)
}

fn read(byte_order: u8, bytes: &[u8]) -> Option<u32> {
    let bytes = bytes.try_into().ok()?;
    Some(if byte_order == order::BIG { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
}

/// What r2 is: from `.toc`, else `.stubs`, else the plugin's own table.
fn toc(image: &Image) -> Option<u64> {
    let named = |name: &str| image.sections.iter().filter(|s| s.name == name).map(|s| s.address).next_back();
    let start = named(".toc").or_else(|| named(".stubs")).or_else(|| named(".relobox.got"));
    start.map(|start| start + 0x8000)
}

/// Runs a stub. Where it loads from a descriptor, that is the destination: its contents are the kernel's.
fn run<const ORDER: u8>(image: &Image, mut at: u64) -> Option<u64> {
    let mut registers = [None; 32];
    registers[2] = toc(image);
    let mut counter = None;
    for _ in 0..LONGEST_VENEER {
        let insn = read(ORDER, image.own_bytes(at, 4)?)?;
        let (d, a) = (bits(insn, 21, 5) as usize, bits(insn, 16, 5) as usize);
        let low = signed(bits(insn, 0, 16), 16);
        match insn >> 26 {
            15 if a == 0 => registers[d] = Some(low << 16),
            15 => registers[d] = Some(u64::wrapping_add(registers[a]?, low << 16)),
            14 => registers[d] = Some(u64::wrapping_add(registers[a]?, low)),
            24 => registers[a] = Some(registers[d]? | low & 0xffff),
            25 => registers[a] = Some(registers[d]? | (low & 0xffff) << 16),
            30 => registers[a] = Some(registers[d]? << 32),
            58 => {
                let from = u64::wrapping_add(registers[a]?, low & !3);
                let Some(bytes) = image.own_bytes(from, 8) else { return Some(from) };
                let bytes = bytes.try_into().ok()?;
                registers[d] = Some(if ORDER == order::BIG { u64::from_be_bytes(bytes) } else { u64::from_le_bytes(bytes) });
            }
            62 => {}
            31 => counter = registers[d],
            19 => return counter,
            _ => return None,
        }
        at += 4;
    }
    None
}
