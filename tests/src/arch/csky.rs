//! C-SKY: GNU ld alone links it, and makes stubs only for symbols of other sections.

use super::{Architecture, Pair, Variant};
use crate::golden::{Difference, Generator, OFFSET, Outcome, POISON, Shape, Take, Vector, formula, is_outside};
use crate::module_spec::RowDescription;
use crate::oracle::Image;
use crate::oracle::destination::{Destination, bits, branch, signed};
use relobox_abi::order;

/// Bits of `e_flags` with the ABI, and these with the processor.
const ABI: u32 = 0xf000_0000;
const PROCESSOR: u32 = 0xf000_001f;

const V2: Variant = Variant {
    name: "csky",
    machine: 252,
    class: 32,
    flags: (ABI, 0x2000_0000),
    gnu_ld: Some(("csky-linux-gnu-ld", "cskyelf_linux")),
    base: 0xc000_8000,
    ..Variant::PLAIN
};
const V2_BIG: Variant =
    Variant { name: "cskyeb", order: order::BIG, options: (&["--oformat", "elf32-csky-big"], &[]), ..V2 };
const V1: Variant = Variant { name: "csky-v1", flags: (ABI, 0x1000_0000), ..V2 };
const V1_BIG: Variant = Variant { name: "cskyeb-v1", flags: (ABI, 0x1000_0000), ..V2_BIG };

pub(super) static ARCHITECTURE: Architecture = Architecture {
    name: "csky",
    variants: &[
        Variant { name: "csky-ck810", flags: (PROCESSOR, 0x2000_0008), ..V2 },
        V2,
        V2_BIG,
        V1,
        V1_BIG,
        Variant { name: "csky-old", machine: 39, ..V2 },
        Variant { name: "cskyeb-old", machine: 39, ..V2_BIG },
        Variant { name: "csky-v1-old", machine: 39, ..V1 },
        Variant { name: "cskyeb-v1-old", machine: 39, ..V1_BIG },
    ],
    code_align: 2,
    slot_type: "R_CKCORE_GOT32",
    shape: |row| {
        Some(match row.formula.as_str() {
            "S + A - P - 2" => Shape::Relative(-2),
            // Generated places are multiples of 4.
            "S + A - (P & -4)" | "S + A - ((P + 2) & -4)" => Shape::Relative(0),
            "S + A - GOT" | "GOT - S - A" => Shape::FromTable,
            "G + A" => Shape::SlotOffset,
            formula if formula.starts_with("jsri") => Shape::Special,
            _ => return None,
        })
    },
    vectors,
    rewritten: |vector| !is_of_machine(vector),
    pairs: &[Pair::absolute("R_CKCORE_ADDR_HI16", "R_CKCORE_ADDR_LO16")],
    differences: DIFFERENCES,
    call: |variant, distance| {
        let word = 0xe000_0000 | distance as u32 >> 1 & 0x03ff_ffff;
        halves(variant.order == order::BIG, &[(word >> 16) as u16, word as u16])
    },
    reference,
    ..Architecture::PLAIN
};

/// Whether the vector's machine has the type, and nothing but the machine's number differs from another's.
fn is_of_machine(vector: &Vector) -> bool {
    let name = vector.name.trim_start_matches("R_CKCORE_");
    let only_v1 = ["PCREL_IMM8BY4", "PCREL_IMM11BY2", "PCREL_JSR_IMM11BY2"].contains(&name);
    match vector.machine.split_once('-') {
        Some((_, "10000000")) => {
            only_v1 || ["ADDR32", "PCREL32", "GOTOFF", "GOTPC", "GOT32", "PLT32"].contains(&name)
        }
        Some((_, "20000008")) => name == "PCREL_JSR_IMM26BY2",
        _ => !only_v1,
    }
}

/// Instructions between two words of a pool, labels as assemblers write them in `GOTPC`, and `jsri`.
fn vectors(g: &mut Generator<'_>, row: &RowDescription) -> Vec<Vector> {
    let name = row.name.trim_start_matches("R_CKCORE_");
    let mut made = Vec::new();
    if name.ends_with("BY4") && name.starts_with("PCREL") && !name.contains("BLOOP") {
        for (label, distance) in [("halfword", 0x126), ("halfword-low", 2), ("halfword-c3", 0xea)] {
            let mut v = g.blank(row, label, 0);
            v.at += 2;
            v.values.push(("s".to_owned(), g.cut(v.at + OFFSET + distance)));
            made.push(v);
            g.turn += 1;
        }
    }
    if name.starts_with("GOTPC") {
        for (label, addend) in [("label", 0x24), ("label-end", 0x1_8004)] {
            let mut v = g.blank(row, label, POISON[g.turn % POISON.len()]);
            g.give_tables(row, &mut v).expect("a linker with a table");
            v.sites[0].symbol = ".0".to_owned();
            v.sites[0].addend = addend;
            made.push(v);
            g.turn += 1;
        }
    }
    if name.starts_with("PCREL_JSR") {
        let short = name.ends_with("IMM11BY2");
        let (code, half_reach): (&[u16], i64) =
            if short { (&[0x7f03], 0x800) } else { (&[0xeae0, 0x001b, 0xc400, 0x4820], 0x0400_0000) };
        let code = halves(g.machine.order == order::BIG, code);
        let zero = if short { 2 } else { 0 };
        let ends = [
            ("min-1", -half_reach - 2),
            ("min", -half_reach),
            ("ld-min", -half_reach / 4),
            ("-1", -2),
            ("0", 0),
            ("1", 2),
            ("c3", 0x3c2),
            ("ld-max", half_reach / 4 + 0x10),
            ("max", half_reach - 2),
            ("max+1", half_reach),
            ("far", -0x4000_0000),
            ("half-odd", 0x105),
        ];
        for (label, distance) in ends.into_iter().chain([("no-nop", -0x4000_0000)]).take(if short { 12 } else { 13 }) {
            let mut v = g.blank(row, label, 0);
            v.before[OFFSET as usize..][..code.len()].copy_from_slice(&code);
            if label == "no-nop" {
                v.before[OFFSET as usize + 7] ^= 1;
            }
            let addend = [0, 4, -4, 0x1230][g.turn % 4];
            v.sites[0].addend = addend;
            v.values.push(("s".to_owned(), g.cut((v.at + OFFSET).wrapping_add_signed(distance + zero - addend))));
            made.push(v);
            g.turn += 1;
        }
    }
    made
}

const DIFFERENCES: &[Difference] = &[
    Difference {
        types: &["R_CKCORE_PCREL_JSR_*"],
        when: |v, ld, _| *ld != jsri(v),
        take: Take::Formula(jsri),
        why: "GNU ld gives up before a bsr does, and cuts odd distances; it replaces no jsri of a CK810, which \
              Linux does",
    },
    Difference {
        types: &["R_CKCORE_PCREL_IMM26BY2"],
        when: |v, _, _| is_outside(v),
        take: Take::Through,
        why: "GNU ld makes stubs for symbols that are in sections, which none are here",
    },
    Difference {
        types: &["R_CKCORE_*"],
        when: |v, ld, _| v.label.contains("odd/") && ld.is_linked(),
        take: Take::Misaligned,
        why: "GNU ld drops the low bits, which the field does not have",
    },
    Difference {
        types: &["R_CKCORE_*"],
        when: |v, ld, _| is_unsigned(v) && v.label.starts_with("min-1/") && ld.is_linked(),
        take: Take::Overflow,
        why: "GNU ld lets -2^n through as well; the offsets of lrw and ld.w have no sign",
    },
    Difference {
        types: &["R_CKCORE_PCREL_IMM16BY4", "R_CKCORE_PCREL_IMM7BY4", "R_CKCORE_PCREL_FLRW_*"],
        when: |v, _, _| v.label.starts_with("halfword"),
        take: Take::Formula(model),
        why: "GNU ld does not count that lrw rounds the sum down, as gas does and the instruction set says",
    },
    Difference {
        types: &["R_CKCORE_PCREL_IMM11BY2"],
        when: |v, ld, _| v.label.starts_with("min-1/") && ld.is_linked(),
        take: Take::Overflow,
        why: "GNU ld checks the range before it subtracts 2",
    },
    Difference {
        types: &["R_CKCORE_PCREL_IMM11BY2"],
        when: |v, ld, _| v.label.starts_with("max/") && *ld == Outcome::Overflow,
        take: Take::Formula(model),
        why: "GNU ld checks the range before it subtracts 2",
    },
    Difference {
        types: &[
            "R_CKCORE_PCREL_IMM8BY4",
            "R_CKCORE_PCREL_IMM11BY2",
            "R_CKCORE_PCREL_IMM7BY4",
            "R_CKCORE_GOT_IMM18BY4",
            "R_CKCORE_PLT_IMM18BY4",
        ],
        when: |v, ld, _| !is_outside(v) && !v.label.contains("odd/") && *ld != model(v),
        take: Take::Formula(model),
        why: "GNU ld adds to what the field holds, which assemblers leave zero; psABI 4.4.2: it is overwritten",
    },
    Difference {
        types: &["R_CKCORE_PCREL_FLRW_IMM8BY4"],
        when: |v, ld, _| !is_outside(v) && !v.label.contains("odd/") && *ld == Outcome::Overflow,
        take: Take::Formula(model),
        why: "GNU ld takes the other bits of the instruction for an addend where it checks the range",
    },
    Difference {
        types: &["R_CKCORE_PCREL_BLOOP_IMM4BY4"],
        when: |_, ld, _| ld.is_linked(),
        take: Take::Formula(model),
        why: "GNU ld writes to the lowest bits, where bloop has the other target; gas knows where this one is",
    },
    Difference {
        types: &["R_CKCORE_GOTPC*"],
        when: |v, _, _| v.sites[0].symbol == "s",
        take: Take::Formula(model),
        why: "GNU ld takes the symbol for the section of the place, as assemblers write it",
    },
];

/// Whether the field counts forwards only.
fn is_unsigned(vector: &Vector) -> bool {
    vector.name.ends_with("BY4") && !vector.name.contains("BLOOP") || vector.name.ends_with("12")
}

/// Where the field has the bits of its value: from which of the value, from which of the field, how many.
fn slices(name: &str) -> &'static [(u32, u32, u32)] {
    match name {
        "PCREL_IMM8BY4" => &[(2, 0, 8)],
        "PCREL_IMM11BY2" => &[(1, 0, 11)],
        "PCREL_IMM7BY4" => &[(2, 0, 5), (7, 8, 2)],
        "PCREL_IMM16BY4" => &[(2, 0, 16)],
        "PCREL_FLRW_IMM8BY4" => &[(2, 4, 4), (6, 21, 4)],
        "PCREL_BLOOP_IMM4BY4" => &[(1, 12, 4)],
        "GOT_IMM18BY4" | "PLT_IMM18BY4" => &[(2, 0, 18)],
        "GOTPC_HI16" => &[(16, 0, 16)],
        "GOTPC_LO16" => &[(0, 0, 16)],
        _ => &[(0, 0, 32)],
    }
}

/// The formulas of the psABI, but for what the differences say.
fn model(vector: &Vector) -> Outcome {
    let value = |name: &str| vector.value(name).unwrap_or(0) as u32;
    let name = vector.name.trim_start_matches("R_CKCORE_");
    let (big, place) = (formula::is_big(vector), (vector.at + OFFSET) as u32);
    let addend = vector.sites[0].addend as u32;
    let sum = value("s").wrapping_add(addend);
    let slot = vector.value("G").map(|_| bytes(big, value("s")));
    let x = match name {
        // Of ABIv1, whose distances count from the next instruction.
        "PCREL_IMM8BY4" => sum.wrapping_sub(place.wrapping_add(2) & !3),
        "PCREL_IMM11BY2" => sum.wrapping_sub(place.wrapping_add(2)),
        "PCREL_BLOOP_IMM4BY4" => sum.wrapping_sub(place),
        _ if name.starts_with("PCREL") => sum.wrapping_sub(place & !3),
        _ if name.starts_with("GOTPC") => value("GOT").wrapping_sub(sum),
        _ => value("G").wrapping_sub(value("GOT")).wrapping_add(addend),
    };
    let before = &vector.before[OFFSET as usize..];
    let half = |at: usize| {
        let half = [before[at], before[at + 1]];
        u32::from(if big { u16::from_be_bytes(half) } else { u16::from_le_bytes(half) })
    };
    if name == "GOTPC" {
        return formula::with(vector, &bytes(big, x), None);
    }
    let short = ["PCREL_IMM8BY4", "PCREL_IMM11BY2", "PCREL_IMM7BY4"].contains(&name);
    let mut insn = if short { half(0) } else { half(0) << 16 | half(2) };
    for (from, to, len) in slices(name) {
        let mask = (1u32 << len) - 1;
        insn = insn & !(mask << to) | (x >> from & mask) << to;
    }
    let code = [(insn >> 16) as u16, insn as u16];
    formula::with(vector, &halves(big, if short { &code[1..] } else { &code }), slot)
}

/// What becomes of a `jsri`.
fn jsri(vector: &Vector) -> Outcome {
    let sum = (vector.value("s").unwrap_or(0) as u32).wrapping_add(vector.sites[0].addend as u32);
    let (big, short) = (formula::is_big(vector), vector.name.ends_with("IMM11BY2"));
    let distance = sum.wrapping_sub((vector.at + OFFSET) as u32).wrapping_sub(if short { 2 } else { 0 }) as i32;
    let reach = if short { 0x800 } else { 0x0400_0000 };
    let near = (-reach..reach).contains(&distance) && distance & 1 == 0;
    let units = (distance >> 1) as u32;
    let code = match (near, short, vector.machine.ends_with("20000008")) {
        (true, true, _) => vec![0xf800 | units as u16 & 0x07ff],
        (true, false, _) => vec![0xe000 | (units >> 16) as u16 & 0x03ff, units as u16],
        (false, false, true) if vector.label.starts_with("no-nop") => return Outcome::Refused,
        // lrw r26, [...]; jsr r26
        (false, false, true) => vec![0xea9a, 0x001b, 0xe8fa, 0x0000],
        (false, ..) => vec![],
    };
    formula::with(vector, &halves(big, &code), None)
}

fn bytes(big: bool, word: u32) -> Vec<u8> {
    if big { word.to_be_bytes().to_vec() } else { word.to_le_bytes().to_vec() }
}

/// Code: halfwords in the byte order of the data.
fn halves(big: bool, code: &[u16]) -> Vec<u8> {
    code.iter().flat_map(|half| if big { half.to_be_bytes() } else { half.to_le_bytes() }).collect()
}

fn read(byte_order: u8, bytes: &[u8]) -> Option<u32> {
    let half = |at: usize| {
        let half = bytes.get(at..at + 2)?.try_into().ok()?;
        Some(u32::from(if byte_order == order::BIG { u16::from_be_bytes(half) } else { u16::from_le_bytes(half) }))
    };
    Some(half(0)? << 16 | half(2)?)
}

/// Returns the destination of a branch.
fn reference(variant: &Variant, image: &Image, address: u64, code: &[u8]) -> Option<Destination> {
    let insn = read(variant.order, code)?;
    // bsr
    (insn >> 26 == 0x38).then_some(())?;
    let target = address.wrapping_add(signed(bits(insn, 0, 26) << 1, 27)) & 0xffff_ffff;
    if variant.order == order::BIG {
        branch(image, target, run::<{ order::BIG }>)
    } else {
        branch(image, target, run::<{ order::LITTLE }>)
    }
}

/// Runs `jmpi`.
fn run<const ORDER: u8>(image: &Image, at: u64) -> Option<u64> {
    let insn = read(ORDER, image.own_bytes(at, 4)?)?;
    (insn >> 16 == 0xeac0).then_some(())?;
    let word = image.own_bytes((at + (bits(insn, 0, 16) << 2)) & !3, 4)?.try_into().ok()?;
    Some(u64::from(if ORDER == order::BIG { u32::from_be_bytes(word) } else { u32::from_le_bytes(word) }))
}
