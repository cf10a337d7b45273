//! LoongArch, 64 and 32 bits: GNU ld links the former, lld both. The stack machine is GNU ld's alone.

use super::{Architecture, Far, Pair, Variant};
use crate::golden::{Difference, Generator, OFFSET, Outcome, POISON, SLOTTED, Shape, Site, Take, Vector, formula};
use crate::golden::is_outside;
use crate::module_spec::RowDescription;
use crate::oracle::Image;
use crate::oracle::destination::{Destination, LONGEST_VENEER, bits, branch, signed};
use relobox_abi::order;

const LA64: Variant = Variant {
    name: "loongarch64",
    machine: 258,
    class: 64,
    order: order::LITTLE,
    // Version 1 of the ABI, without floating-point registers.
    e_flags: 0x41,
    gnu_ld: Some(("loongarch64-linux-gnu-ld", "elf64loongarch")),
    lld: Some("elf64loongarch"),
    // llvm-jitlink 22 does not know R_LARCH_64_PCREL, which every module has.
    jitlink: false,
    base: 0xffff_8000_0200_8000,
    ..Variant::PLAIN
};

pub(super) static ARCHITECTURE: Architecture = Architecture {
    name: "loongarch",
    variants: &[
        LA64,
        Variant {
            name: "loongarch32",
            class: 32,
            gnu_ld: None,
            lld: Some("elf32loongarch"),
            base: 0xc201_0000,
            ..LA64
        },
    ],
    far: &[
        // R_LARCH_B26. A static linker has no PLT for an absolute symbol.
        Far { distance: 64 << 30, types: &[66], linkers: false },
    ],
    corpora: &["loong64"],
    code_align: 4,
    // `pcaddu18i` or `pcaddu12i`, and the `jirl` that belongs to it.
    field_length: 8,
    slot_type: "R_LARCH_GOT_PC_HI20",
    // Numbers of variable length, and what stands on a stack.
    unjudged: &[
        "R_LARCH_ADD_ULEB128",
        "R_LARCH_SUB_ULEB128",
        "R_LARCH_ALIGN",
        "R_LARCH_SOP_PUSH_PCREL",
        "R_LARCH_SOP_PUSH_ABSOLUTE",
        "R_LARCH_SOP_PUSH_DUP",
        "R_LARCH_SOP_PUSH_GPREL",
        "R_LARCH_SOP_PUSH_PLT_PCREL",
        "R_LARCH_SOP_ASSERT",
        "R_LARCH_SOP_NOT",
        "R_LARCH_SOP_SUB",
        "R_LARCH_SOP_SL",
        "R_LARCH_SOP_SR",
        "R_LARCH_SOP_ADD",
        "R_LARCH_SOP_AND",
        "R_LARCH_SOP_IF_ELSE",
        "R_LARCH_SOP_POP_32_S_10_5",
        "R_LARCH_SOP_POP_32_U_10_12",
        "R_LARCH_SOP_POP_32_S_10_12",
        "R_LARCH_SOP_POP_32_S_10_16",
        "R_LARCH_SOP_POP_32_S_10_16_S2",
        "R_LARCH_SOP_POP_32_S_5_20",
        "R_LARCH_SOP_POP_32_S_0_5_10_16_S2",
        "R_LARCH_SOP_POP_32_S_0_10_10_16_S2",
        "R_LARCH_SOP_POP_32_U",
    ],
    shape: |row| {
        let rounded = if row.row.round == 0 { 0 } else { 1 << (row.row.round - 1) };
        Some(match row.formula.as_str() {
            "ha(S + A - P)" => Shape::Relative(rounded),
            "lo12(S + A)" => Shape::Absolute(0),
            "page(GOT + G(A) + 0x800) - page(P)" => Shape::SlotPage,
            "ha(GOT + G(A) - P)" => Shape::Slot(false, rounded),
            "GOT + G(A)" | "lo12(GOT + G(A))" => Shape::SlotFixed,
            "V + S + A" => Shape::Add,
            "V - S - A" => Shape::Subtract,
            _ if row.name.ends_with("_ULEB128") => Shape::Uleb,
            _ if row.name.starts_with("R_LARCH_GOT64_PC_") => Shape::SlotFixed,
            _ if row.name.starts_with("R_LARCH_SOP_") => Shape::Special,
            "low(S)" | "align(A, P)" => Shape::Special,
            _ if row.name.starts_with("R_LARCH_PCALA") => Shape::Special,
            _ => return None,
        })
    },
    vectors,
    pairs: &[
        Pair::absolute("R_LARCH_ABS_HI20", "R_LARCH_ABS_LO12"),
        Pair::relative("R_LARCH_PCALA_HI20", "R_LARCH_PCALA_LO12"),
        Pair { low_names_high: true, ..Pair::relative("R_LARCH_PCADD_HI20", "R_LARCH_PCADD_LO12") },
    ],
    differences: DIFFERENCES,
    // The field has both instructions, and the immediate of `jirl` behind `pcaddu18i` is signed.
    distance: |row, value| if row.row.round == 18 { value - ((value & 0x2_0000) << 1) } else { value },
    // bl
    call: |_, distance| {
        let words = distance as u32 >> 2;
        (0x5400_0000 | (words & 0xffff) << 10 | words >> 16 & 0x3ff).to_le_bytes().to_vec()
    },
    reference,
    may_differ,
    ..Architecture::PLAIN
};

const DIFFERENCES: &[Difference] = &[
    Difference {
        types: &["R_LARCH_32"],
        when: |v, ld, _| v.machine == "64l" && ld.is_linked() && is_outside(v),
        take: Take::Overflow,
        why: "linkers and kernels cut the address without a check; psABI, Relocation types: an int32_t",
    },
    Difference {
        types: &["R_LARCH_SOP_PUSH_ABSOLUTE"],
        when: |v, _, _| v.label.starts_with("min-1,POP_32_U"),
        take: Take::Overflow,
        why: "GNU ld takes it for either reading; psABI, Relocation types: unsigned, and so do kernels",
    },
    Difference {
        types: &["R_LARCH_SOP_PUSH_ABSOLUTE"],
        when: |v, _, _| v.label.starts_with("odd,"),
        take: Take::Misaligned,
        why: "GNU ld has one word for all; psABI, Relocation types: aligned to 4",
    },
    Difference {
        types: &["R_LARCH_PCADD_HI20", "R_LARCH_GOT_PCADD_HI20"],
        when: |v, _, _| v.machine == "64l" && (v.label.starts_with("min") || v.label.starts_with("max+1")),
        take: Take::Formula(high_of_pair),
        why: "lld does not round before it checks; psABI, Relocation types: bits 31 to 12 of the distance + 0x800",
    },
    Difference {
        types: &["R_LARCH_ADD64", "R_LARCH_SUB64"],
        when: |v, _, _| v.machine == "32l",
        take: Take::Formula(sum64),
        why: "lld sign-extends an address of LA32, we do not, and a pair of them is the same; psABI: += and -= S + A",
    },
    Difference {
        types: &["R_LARCH_CALL30"],
        when: |v, _, lld| lld.is_linked() && !is_outside(v),
        take: Take::Formula(call30),
        why: "lld clears the rest of jirl's immediate; psABI, Relocation types: its bits 19 to 10",
    },
    Difference {
        types: &["R_LARCH_ADD24", "R_LARCH_SUB24"],
        when: |_, _, _| true,
        take: Take::Formula(sum24),
        why: "lld does not know them, and GNU ld 2.44 aborts; psABI, Relocation types: += and -= S + A",
    },
    Difference {
        types: &["R_LARCH_32_PCREL"],
        when: |v, ld, lld| is_outside(v) && ld != lld,
        take: Take::Lld,
        why: "GNU ld cuts the distance without a check, and so do kernels; psABI, Relocation types: 32 bits",
    },
    Difference {
        types: &["R_LARCH_ADD_ULEB128"],
        when: |_, ld, lld| ld != lld && ld.is_linked(),
        take: Take::Lld,
        why: "GNU ld has 32 bits for numbers of five bytes; psABI, Relocation types: += S + A",
    },
    Difference {
        types: &["R_LARCH_CALL36"],
        when: |v, ld, lld| *ld == Outcome::Overflow && lld.is_linked() && !is_outside(v),
        take: Take::Lld,
        why: "GNU ld does not round before it checks; psABI, Code Models: from PC - 128 GiB - 0x20000",
    },
    Difference {
        types: &["R_LARCH_GOT64_PC_LO20", "R_LARCH_GOT64_PC_HI12"],
        when: |v, _, _| v.machine == "32l",
        take: Take::Formula(upper_of_slot),
        why: "LA32 has no such instructions, and lld computes with 64 bits; addresses of 32 bits wrap",
    },
    Difference {
        types: &["R_LARCH_GOT64_PC_LO20", "R_LARCH_GOT64_PC_HI12"],
        when: |v, _, _| v.label.starts_with("far"),
        take: Take::Formula(upper_of_slot),
        why: "no linker's table is that far away; psABI, Relocation types: GOT+G is the address",
    },
    Difference {
        types: &["R_LARCH_GOT_PCADD_LO12"],
        when: |_, _, _| true,
        take: Take::Formula(low_of_slot),
        why: "lld's table is elsewhere; psABI, Relocation types: R(S) - S",
    },
    Difference {
        types: &["R_LARCH_SOP_PUSH_GPREL"],
        when: |_, _, _| true,
        take: Take::Formula(offset_of_slot),
        why: "GNU ld's table is elsewhere; psABI, Relocation types: push (G)",
    },
    Difference {
        types: &["R_LARCH_B26", "R_LARCH_CALL36", "R_LARCH_CALL30"],
        when: |v, _, _| is_outside(v),
        take: Take::Through,
        why: "a static linker has no PLT; psABI, Code Models: a call may go through one, as it does in Linux",
    },
    Difference {
        types: &["R_LARCH_PCALA_HI20", "R_LARCH_GOT_PC_HI20"],
        when: |v, _, _| is_outside(v),
        take: Take::Overflow,
        why: "linkers do not check, since it may be one of four; psABI, Code Models: alone it reaches 2 GiB",
    },
];

/// The vectors of rows whose values do not follow from one symbol.
fn vectors(g: &mut Generator<'_>, row: &RowDescription) -> Vec<Vector> {
    match row.name.as_str() {
        "R_LARCH_PCALA_HI20" => pages(g, row),
        "R_LARCH_PCALA64_LO20" | "R_LARCH_PCALA64_HI12" => upper(g, row),
        "R_LARCH_GOT64_PC_LO20" | "R_LARCH_GOT64_PC_HI12" => far_slots(g, row),
        "R_LARCH_PCADD_LO12" | "R_LARCH_GOT_PCADD_LO12" => lows(g, row),
        "R_LARCH_ALIGN" => alignments(g, row),
        // No linker knows the stack of LA32.
        name if name.starts_with("R_LARCH_SOP_") && g.machine.class == 64 => stack(g, row),
        _ => Vec::new(),
    }
}

/// A vector of `row`, with the next poison; `at` its section's address.
fn next(g: &mut Generator<'_>, row: &RowDescription, label: &str) -> Vector {
    let vector = g.blank(row, label, POISON[g.turn % POISON.len()]);
    g.turn += 1;
    vector
}

/// Distances of pages, each to the ends of the page as the signed low half sees it.
fn pages(g: &mut Generator<'_>, row: &RowDescription) -> Vec<Vector> {
    let mut vectors = Vec::new();
    for (label, pages) in [
        ("min-1", -0x8_0001_i64),
        ("min", -0x8_0000),
        ("min+1", -0x7_ffff),
        ("-1", -1),
        ("0", 0),
        ("1", 1),
        ("max-1", 0x7_fffe),
        ("max", 0x7_ffff),
        ("max+1", 0x8_0000),
        ("a5", 0x5_a5a5 - 0x8_0000),
        ("c3", 0x3_c369),
    ] {
        for low in [-0x800, 0, 0x7ff_i64] {
            let mut v = next(g, row, &format!("{label}/{low}"));
            let addend = [0, 4, -0x7ff0][g.turn % 3];
            let page = (v.at + OFFSET) as i64 & !0xfff;
            v.sites[0].addend = addend;
            v.values.push(("s".to_owned(), g.cut((page + (pages << 12) + low - addend) as u64)));
            if g.machine.class == 64 || !is_outside(&v) {
                vectors.push(v);
            }
        }
    }
    vectors
}

/// Distances whose upper half is next to the next one, and places whose page ends before the first of the four.
fn upper(g: &mut Generator<'_>, row: &RowDescription) -> Vec<Vector> {
    let mut vectors = Vec::new();
    if g.machine.class == 32 {
        return vectors;
    }
    for (label, distance) in DISTANCES {
        for (low, start) in [(0, 0x120), (0x7ff, 0xff8), (0x800, 0x000), (0xfff, 0xff4)] {
            let mut v = next(g, row, &format!("{label}/{low:x}"));
            v.at = (v.at & !0xfff).wrapping_add(start);
            let page = v.at.wrapping_add(OFFSET).wrapping_sub(back(row)) & !0xfff;
            v.values.push(("s".to_owned(), page.wrapping_add_signed(distance) & !0xfff | low));
            vectors.push(v);
        }
    }
    vectors
}

const DISTANCES: [(&str, i64); 10] = [
    ("0", 0),
    ("-1", -0x1000),
    ("half-1", 0x7fff_e000),
    ("half", 0x7fff_f000),
    ("half+1", 0x8000_0000),
    ("-half", -0x8000_0000),
    ("-half-1", -0x8000_1000),
    ("a5", 0xa5a5_a5a5_a5a5_a5a5_u64 as i64),
    ("c3", 0x3c69_3c69_3c69_3c69),
    ("most", i64::MIN),
];

/// How far behind `pcalau12i` the instruction stands.
fn back(row: &RowDescription) -> u64 {
    if row.name.ends_with("LO20") { 8 } else { 12 }
}

/// The same for a slot, which no linker puts so far away.
fn far_slots(g: &mut Generator<'_>, row: &RowDescription) -> Vec<Vector> {
    let mut vectors = Vec::new();
    if g.machine.class == 32 {
        return vectors;
    }
    for (label, distance) in DISTANCES {
        for low in [0, 0x7f8, 0x800, 0xff8] {
            let mut v = next(g, row, &format!("far{label}/{low:x}"));
            let page = v.at.wrapping_add(OFFSET).wrapping_sub(back(row)) & !0xfff;
            let slot = page.wrapping_add_signed(distance) & !0xfff | low;
            v.values = vec![("s".to_owned(), SLOTTED), ("GOT".to_owned(), slot), ("G".to_owned(), slot)];
            v.by = "psABI".to_owned();
            vectors.push(v);
        }
    }
    vectors
}

/// What the psABI writes for `GOT64_PC_LO20` and `GOT64_PC_HI12`, word for word.
fn upper_of_slot(vector: &Vector) -> Outcome {
    let (slot, lo20) = (i128::from(vector.value("G").unwrap_or(0)), vector.name.ends_with("LO20"));
    let pc = i128::from(vector.at + OFFSET) - if lo20 { 8 } else { 12 };
    let more = if slot & 0x800 != 0 { 0x1000 - 0x1_0000_0000 } else { 0 };
    let value = ((slot + 0x8000_0000 + more) & !0xfff) - (pc & !0xfff);
    let narrow = vector.machine == "32l";
    let value = if narrow { i128::from(value as i32) } else { value };
    let (from, len, to) = if lo20 { (32, 20, 5) } else { (52, 12, 10) };
    let (part, mask) = ((value >> from) as u32, (1u32 << len) - 1);
    let word = before(vector, OFFSET) & !(mask << to) | (part & mask) << to;
    let mut slot = vector.value("s").unwrap_or(0).to_le_bytes().to_vec();
    slot.truncate(if narrow { 4 } else { 8 });
    formula::with(vector, &word.to_le_bytes(), Some(slot))
}

/// `S + A - P`, or the distance to a slot, rounded, in `pcaddu12i`.
fn high_of_pair(vector: &Vector) -> Outcome {
    let s = vector.value("s").unwrap_or(0);
    let target = vector.value("G").unwrap_or(s).wrapping_add_signed(vector.sites[0].addend);
    let rounded = target.wrapping_sub(vector.at + OFFSET).wrapping_add(0x800) as i64;
    let Ok(rounded) = i32::try_from(rounded) else { return Outcome::Overflow };
    let word = before(vector, OFFSET) & !(0xf_ffff << 5) | rounded as u32 >> 12 << 5;
    formula::with(vector, &word.to_le_bytes(), vector.value("G").map(|_| s.to_le_bytes().to_vec()))
}

/// The same in 64 bits, with addresses of 32 bits that have no sign.
fn sum64(vector: &Vector) -> Outcome {
    let held = u64::from(before(vector, OFFSET)) | u64::from(before(vector, OFFSET + 4)) << 32;
    let number = vector.value("s").unwrap_or(0).wrapping_add_signed(vector.sites[0].addend);
    let add = vector.name.contains("ADD");
    let sum = if add { held.wrapping_add(number) } else { held.wrapping_sub(number) };
    formula::with(vector, &sum.to_le_bytes(), None)
}

/// `S + A - P` in `pcaddu12i` and the low ten bits of `jirl`'s immediate.
fn call30(vector: &Vector) -> Outcome {
    let target = vector.value("s").unwrap_or(0).wrapping_add_signed(vector.sites[0].addend);
    let distance = target.wrapping_sub(vector.at + OFFSET) as u32;
    if distance & 3 != 0 {
        return Outcome::Misaligned;
    }
    let first = before(vector, OFFSET) & !(0xf_ffff << 5) | distance >> 12 << 5;
    let second = before(vector, OFFSET + 4) & !(0x3ff << 10) | (distance >> 2 & 0x3ff) << 10;
    formula::with(vector, &[first, second].map(u32::to_le_bytes).concat(), None)
}

/// `V + S + A` or `V - S - A` in 24 bits.
fn sum24(vector: &Vector) -> Outcome {
    let held = before(vector, OFFSET) & 0xff_ffff;
    let number = vector.value("s").unwrap_or(0).wrapping_add_signed(vector.sites[0].addend) as u32;
    let add = vector.name.contains("ADD");
    let sum = if add { held.wrapping_add(number) } else { held.wrapping_sub(number) };
    formula::with(vector, &sum.to_le_bytes()[..3], None)
}

fn before(vector: &Vector, at: u64) -> u32 {
    u32::from_le_bytes([0, 1, 2, 3].map(|i| vector.before[at as usize + i]))
}

fn site(name: &str, offset: u64, symbol: &str, addend: i64) -> Site {
    Site { name: name.to_owned(), offset, symbol: symbol.to_owned(), addend }
}

/// Low parts behind and before their high part, with values around the carry.
fn lows(g: &mut Generator<'_>, row: &RowDescription) -> Vec<Vector> {
    let high_name = row.name.replace("LO12", "HI20");
    let mut vectors = Vec::new();
    for value in [0, 1, -1, 0x7ff, 0x800, 0xfff, 0x1000, -0x800, -0x801, 0x25a5_a5a5, 0x3c69_3c69, -0x25a5_a5a6_i64] {
        let mut v = next(g, row, &format!("{value:#x}"));
        let turned = g.turn % 2 == 1;
        let (high, low) = if turned { (OFFSET + 4, OFFSET) } else { (OFFSET, OFFSET + 4) };
        let filler = v.before[OFFSET as usize];
        v.before.splice(OFFSET as usize..OFFSET as usize, [filler; 4]);
        let target = g.cut((v.at + high).wrapping_add_signed(value));
        let by_slot = row.name.contains("GOT");
        let addend = if by_slot { 0 } else { [0, 4, -0x7ff0][g.turn % 3] };
        // The addend of the low part is ignored, and linkers expect 0.
        v.sites = vec![site(&row.name, low, &format!(".{high}"), 0), site(&high_name, high, "s", addend)];
        if by_slot {
            // A slot is on its own multiple.
            let slot = target & !7;
            v.values = vec![("s".to_owned(), g.cut(SLOTTED)), ("GOT".to_owned(), slot), ("G".to_owned(), slot)];
            v.by = "psABI".to_owned();
        } else {
            v.values.push(("s".to_owned(), g.cut(target.wrapping_add_signed(-addend))));
        }
        vectors.push(v);
    }
    vectors
}

/// `pcaddu12i` and what follows it, with the distance to a slot.
fn low_of_slot(vector: &Vector) -> Outcome {
    let (slot, value) = (vector.value("G").unwrap_or(0), vector.value("s").unwrap_or(0));
    let (low, high) = (vector.sites[0].offset, vector.sites[1].offset);
    let distance = slot.wrapping_sub(vector.at + high) as i64;
    let (upper, lower) = (((distance + 0x800) >> 12) as u32 & 0xf_ffff, distance as u32 & 0xfff);
    let mut after = vector.before.clone();
    for (at, word) in [
        (high, before(vector, high) & !(0xf_ffff << 5) | upper << 5),
        (low, before(vector, low) & !(0xfff << 10) | lower << 10),
    ] {
        after[at as usize..][..4].copy_from_slice(&word.to_le_bytes());
    }
    let slot = if vector.machine == "32l" { value.to_le_bytes()[..4].to_vec() } else { value.to_le_bytes().to_vec() };
    Outcome::Bytes(after, Some(slot))
}

/// Padding before code that is aligned; with a symbol, the addend is the alignment as a power of two.
fn alignments(g: &mut Generator<'_>, row: &RowDescription) -> Vec<Vector> {
    let mut vectors = Vec::new();
    for (label, place, padding) in [("8", 4, 3), ("16", 4, 4), ("32", 4, 5)] {
        let mut v = next(g, row, label);
        v.at = (v.at & !0xfff) + place + 0x20 - OFFSET;
        // andi $zero, $zero, 0
        v.before = [[0, 0, 0x40, 0x03]; 16].concat();
        v.sites[0] = site(&row.name, OFFSET, ".0", padding);
        v.values.push(("s".to_owned(), 0));
        vectors.push(v);
    }
    vectors
}

/// What `s` is where a program pushes numbers: an addend makes any other of it.
const S: i64 = 0x1234;

/// Programs of the stack machine; each begins with a relocation of the row.
fn stack(g: &mut Generator<'_>, row: &RowDescription) -> Vec<Vector> {
    const NUMBER: &str = "PUSH_ABSOLUTE";
    let mut programs: Vec<(String, Vec<(&str, i64)>)> = Vec::new();
    match row.name.trim_start_matches("R_LARCH_SOP_") {
        NUMBER => {
            for (pop, min, max, step) in [
                ("POP_32_S_10_5", -16, 15, 1),
                ("POP_32_U_10_12", 0, 0xfff, 1),
                ("POP_32_S_10_12", -0x800, 0x7ff, 1),
                ("POP_32_S_10_16", -0x8000, 0x7fff, 1),
                ("POP_32_S_10_16_S2", -0x2_0000, 0x1_fffc, 4),
                ("POP_32_S_5_20", -0x8_0000, 0x7_ffff, 1),
                ("POP_32_S_0_5_10_16_S2", -0x40_0000, 0x3f_fffc, 4),
                ("POP_32_S_0_10_10_16_S2", -0x800_0000, 0x7ff_fffc, 4),
                ("POP_32_U", 0, 0xffff_ffff, 1),
            ] {
                let pattern = ((0x5a5a_5a5a_i64 & max) | (step - 1)) & -step;
                for (label, value) in [
                    ("min-1", min - step),
                    ("min", min),
                    ("-1", -step),
                    ("0", 0),
                    ("1", step),
                    ("pattern", pattern),
                    ("max", max),
                    ("max+1", max + step),
                    ("odd", pattern + step / 2),
                ] {
                    if (label != "-1" || min < 0) && (label != "odd" || step > 1) {
                        programs.push((format!("{label},{pop}"), vec![(NUMBER, value), (pop, 0)]));
                    }
                }
            }
            for (operation, numbers) in [
                ("SUB", &[0x1_2345_6789, 0x1_0000_0001][..]),
                ("ADD", &[-5, 0x9000_0000]),
                ("AND", &[0x0ff0_f00f, 0xa5a5_5a5a]),
                ("SL", &[0x1001, 12]),
                ("SR", &[0x1_2345_6789, 12]),
                ("IF_ELSE", &[7, 0x1111, 0x2222]),
                ("IF_ELSE", &[0, 0x1111, 0x2222]),
                ("NOT", &[0]),
                ("NOT", &[3]),
                ("PUSH_DUP,ADD", &[0x1234_5678]),
                ("PUSH_ABSOLUTE,ASSERT", &[0x1234_5678]),
            ] {
                let mut program: Vec<_> = numbers.iter().map(|number| (NUMBER, *number)).collect();
                program.extend(operation.split(',').map(|operation| (operation, 1)));
                program.push(("POP_32_U", 0));
                programs.push((format!("{operation},{:#x}", numbers[0]), program));
            }
            // The sign stays in a shift to the right.
            let program = vec![(NUMBER, -0x5a_5a5a_4000), (NUMBER, 12), ("SR", 0), ("POP_32_S_0_10_10_16_S2", 0)];
            programs.push(("SR,negative".to_owned(), program));
        }
        "PUSH_PCREL" => {
            for value in [-0x8_0000_i64, 0, 0x7_ffff, 0x5_a5a5] {
                let program = vec![("PUSH_PCREL", value), ("POP_32_S_5_20", 0)];
                programs.push((format!("{value:#x}"), program));
            }
        }
        "PUSH_PLT_PCREL" => {
            for value in [-0x800_0000_i64, 0, 0x7ff_fffc, 0x5a5_a5a4] {
                let program = vec![("PUSH_PLT_PCREL", value), ("POP_32_S_0_10_10_16_S2", 0)];
                programs.push((format!("{value:#x}"), program));
            }
        }
        "PUSH_GPREL" => {
            let program = vec![("PUSH_GPREL", 0), (NUMBER, 0x5a5), ("ADD", 0), ("POP_32_S_10_12", 0)];
            programs.push(("0x5a5".to_owned(), program));
        }
        _ => {}
    }
    let mut vectors = Vec::new();
    for (label, program) in programs {
        let mut v = next(g, row, &label);
        v.sites = program.iter().map(|(name, _)| site(&format!("R_LARCH_SOP_{name}"), OFFSET, "s", 0)).collect();
        let mut s = S as u64;
        for (site, (name, number)) in v.sites.iter_mut().zip(&program) {
            match *name {
                NUMBER => site.addend = number.wrapping_sub(S),
                "PUSH_PCREL" | "PUSH_PLT_PCREL" => s = (v.at + OFFSET).wrapping_add_signed(*number),
                "PUSH_GPREL" => {}
                _ => {}
            }
        }
        if row.name.ends_with("GPREL") {
            let table = g.base + 0x0300_0000;
            v.values = vec![("GOT".to_owned(), table), ("G".to_owned(), table)];
            v.by = "psABI".to_owned();
        }
        v.values.insert(0, ("s".to_owned(), s));
        vectors.push(v);
    }
    vectors
}

/// The offset of a table's first slot, which is 0, plus the number that the program adds.
fn offset_of_slot(vector: &Vector) -> Outcome {
    let word = before(vector, OFFSET) & !(0xfff << 10) | 0x5a5 << 10;
    let slot = vector.value("s").unwrap_or(0).to_le_bytes().to_vec();
    formula::with(vector, &word.to_le_bytes(), Some(slot))
}

/// Returns the destination of a `b` or `bl`, or of `pcalau12i` and a load from a slot, by either of them.
fn reference(variant: &Variant, image: &Image, address: u64, code: &[u8]) -> Option<Destination> {
    let word = word_of(code, 0)?;
    if matches!(bits(word, 26, 6), 0b01_0100 | 0b01_0101) {
        let end = address.wrapping_add(signed(offs26(word), 26) << 2);
        return branch(image, end, if variant.class == 32 { run32 } else { run });
    }
    let d = bits(word, 0, 5);
    if bits(word, 25, 7) == 0b000_1101 {
        let mut words = (4..).step_by(4).map_while(|at| word_of(code, at));
        let low = words.find(|low| lo12(*low).is_some() && bits(*low, 5, 5) == d)?;
        return through(image, page(address, word), low);
    }
    // The nearest `pcalau12i` before it that makes its base register.
    let section = image.sections.iter().find(|s| {
        s.input.is_some() && address.checked_sub(s.address).is_some_and(|at| at < s.bytes.len() as u64)
    })?;
    let (at, base) = (address - section.address, bits(word, 5, 5));
    let is_high = |at: &u64| {
        let high = word_of(&section.bytes, *at as usize);
        high.is_some_and(|high| bits(high, 25, 7) == 0b000_1101 && bits(high, 0, 5) == base)
    };
    let high_at = (0..at).rev().step_by(4).map(|end| end - 3).find(is_high)?;
    let high = word_of(&section.bytes, high_at as usize)?;
    through(image, page(section.address + high_at, high), word)
}

/// The opcode of a branch or a `pcalau12i` is the same, and so are registers. lld makes an `addi.d` of an `ld.d` whose slot
/// it does not need.
fn may_differ(left: &[u8], right: &[u8]) -> bool {
    let (Some(left), Some(right)) = (word_of(left, 0), word_of(right, 0)) else { return true };
    let kept = match left {
        b if matches!(bits(b, 26, 6), 0b01_0100 | 0b01_0101) => 0xfc00_0000,
        high if bits(high, 25, 7) == 0b000_1101 => 0xfe00_001f,
        _ => 0x3ff,
    };
    (left ^ right) & kept == 0
}

/// Where an address and the instruction with its low half lead.
fn through(image: &Image, page: u64, low: u32) -> Option<Destination> {
    let end = page.wrapping_add(lo12(low)?);
    match bits(low, 22, 10) {
        0b00_1010_0011 => load(image, end).map(Destination::Indirect),
        _ => Some(Destination::Direct(end)),
    }
}

/// The signed immediate of `addi.d` and `ld.d`.
fn lo12(word: u32) -> Option<u64> {
    matches!(bits(word, 22, 10), 0b00_0000_1011 | 0b00_1010_0011).then(|| signed(bits(word, 10, 12), 12))
}

fn page(address: u64, pcalau12i: u32) -> u64 {
    (address & !0xfff).wrapping_add(signed(bits(pcalau12i, 5, 20), 20) << 12)
}

fn offs26(word: u32) -> u64 {
    bits(word, 0, 10) << 16 | bits(word, 10, 16)
}

fn word_of(code: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(code.get(at..at + 4)?.try_into().ok()?))
}

fn run32(image: &Image, at: u64) -> Option<u64> {
    Some(run(image, at)? & 0xffff_ffff)
}

fn run(image: &Image, mut at: u64) -> Option<u64> {
    let mut registers = [None; 32];
    for _ in 0..LONGEST_VENEER {
        let word = word_of(image.own_bytes(at, 4)?, 0)?;
        let (d, base) = (bits(word, 0, 5) as usize, registers[bits(word, 5, 5) as usize]);
        let (si12, si20) = (signed(bits(word, 10, 12), 12), signed(bits(word, 5, 20), 20));
        match (bits(word, 25, 7), bits(word, 22, 10), bits(word, 26, 6)) {
            (0b000_1010, ..) => registers[d] = Some(si20 << 12),
            (0b000_1011, ..) => registers[d] = Some(registers[d]? & 0xffff_ffff | si20 << 32),
            (0b000_1101, ..) => registers[d] = Some(page(at, word)),
            (0b000_1110, ..) => registers[d] = Some(at.wrapping_add(si20 << 12)),
            (_, 0b00_0000_1100, _) => registers[d] = Some(base? & !(0xfff << 52) | si12 << 52),
            (_, 0b00_0000_1011, _) => registers[d] = Some(u64::wrapping_add(base?, si12)),
            (_, 0b00_1010_0011, _) => registers[d] = Some(load(image, u64::wrapping_add(base?, si12))?),
            (.., 0b01_0011) => return Some(u64::wrapping_add(base?, signed(bits(word, 10, 16), 16) << 2)),
            (.., 0b01_0100) => return Some(at.wrapping_add(signed(offs26(word), 26) << 2)),
            _ => return None,
        }
        at += 4;
    }
    None
}

fn load(image: &Image, address: u64) -> Option<u64> {
    Some(u64::from_le_bytes(image.own_bytes(address, 8)?.try_into().ok()?))
}
