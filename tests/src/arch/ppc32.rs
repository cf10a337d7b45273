//! PowerPC, 32 bits: linkers make entries for branches beyond 32 MiB.

use super::{Architecture, Pair, Variant};
use crate::golden::{
    Difference, Generator, OFFSET, Outcome, POISON, SLOTTED, Shape, Take, Vector, formula, is_outside,
};
use crate::module_spec::RowDescription;
use crate::oracle::Image;
use crate::oracle::destination::{Destination, LONGEST_VENEER, bits, branch, signed};
use relobox_abi::order;

const BIG: Variant = Variant {
    name: "powerpc",
    machine: 20,
    class: 32,
    order: order::BIG,
    gnu_ld: Some(("powerpc64le-linux-gnu-ld", "elf32ppclinux")),
    lld: Some("elf32ppclinux"),
    options: (&["--no-inline-optimize"], &[]),
    base: 0xb000_0000,
    ..Variant::PLAIN
};

pub(super) static ARCHITECTURE: Architecture = Architecture {
    name: "ppc32",
    variants: &[
        BIG,
        Variant {
            name: "powerpcle",
            order: order::LITTLE,
            gnu_ld: Some(("powerpc64le-linux-gnu-ld", "elf32lppclinux")),
            lld: Some("elf32lppclinux"),
            ..BIG
        },
    ],
    built: &["built-powerpc"],
    code_align: 4,
    slot_type: "R_PPC_GOT16",
    shape: |row| {
        Some(match row.formula.as_str() {
            "ha(S + A)" => Shape::Absolute(0x8000),
            "ha(S + A - P)" => Shape::Relative(0x8000),
            "local(S + A - P)" => Shape::Relative(0),
            "S + A" | "S + A - P" => return None,
            _ => Shape::Special,
        })
    },
    vectors,
    pairs: &[
        Pair::absolute("R_PPC_ADDR16_HA", "R_PPC_ADDR16_LO"),
        Pair { low_addend: 4, ..Pair::relative("R_PPC_REL16_HA", "R_PPC_REL16_LO") },
    ],
    differences: DIFFERENCES,
    is_stub_of_symbol: |name| name == "R_PPC_PLTREL24",
    call: |variant, distance| word(variant.order, 0x4800_0001 | distance as u32 & 0x3ff_fffc),
    reference,
    may_differ: |left, right| match (left, right) {
        // In either byte order, the distance is all but the ends of the word.
        ([first, .., last], [other, .., other_last]) => {
            (first ^ other) & 0xfc == 0 && (last ^ other_last) & 3 == 0
                || (first ^ other) & 3 == 0 && (last ^ other_last) & 0xfc == 0
        }
        _ => true,
    },
    ..Architecture::PLAIN
};

fn word(byte_order: u8, word: u32) -> Vec<u8> {
    if byte_order == order::BIG { word.to_be_bytes().to_vec() } else { word.to_le_bytes().to_vec() }
}

const DIFFERENCES: &[Difference] = &[
    Difference {
        types: &["R_PPC_GOT16*"],
        when: |_, _, _| true,
        take: Take::Formula(unjudged),
        why: "GNU ld has slots on both sides of its GOT, and lld elsewhere; psABI, Relocation: G + A",
    },
    Difference {
        types: &["R_PPC_PLT32", "R_PPC_PLTREL32", "R_PPC_PLT16_*", "R_PPC_ADDR30", "R_PPC_REL16DX_HA"],
        when: |_, _, _| true,
        take: Take::Formula(unjudged),
        why: "linkers refuse it or make other code of it; psABI, Relocation: L + A, and word30; Power ISA: addpcis",
    },
    Difference {
        types: &["R_PPC_ADDR16", "R_PPC_UADDR16"],
        when: |v, ld, _| *ld == Outcome::Overflow && !is_outside(v),
        take: Take::Formula(unjudged),
        why: "GNU ld wants a sign unless the instruction is ori or such; psABI, Relocation: half16*",
    },
    Difference {
        types: &["R_PPC_*"],
        when: |v, ld, _| v.label.contains("odd/") && ld.is_linked(),
        take: Take::Misaligned,
        why: "GNU ld drops the low bits; they are part of the opcode, and the value is a multiple of 4",
    },
    Difference {
        types: &["R_PPC_REL*", "R_PPC_PLTREL24"],
        when: |v, ld, _| is_outside(v) && matches!(*ld, Outcome::Overflow) && !v.name.contains("REL16"),
        take: Take::Through,
        why: "GNU ld makes code only if it may move code, lld none for conditional branches; Linux: an entry of .plt",
    },
    Difference {
        types: &["R_PPC_LOCAL24PC"],
        when: |v, _, _| is_outside(v),
        take: Take::Ld,
        why: "lld does not check its range; psABI, Relocation: low24*, and the asterisk says to check",
    },
    Difference {
        types: &["R_PPC_ADDR14_BR*", "R_PPC_REL14_BR*"],
        when: |v, ld, _| ld.is_linked() && *ld != hinted(v),
        take: Take::Formula(hinted),
        why: "GNU ld goes by the distance where the field is an address, and sets the bit where nothing is asked; \
              psABI, Relocation: it is 0 there; PowerPC User ISA, bc: by the sign of the field",
    },
];

/// The number that a vector's field gets, of `S + A` and `S + A - P`.
fn number(vector: &Vector) -> u32 {
    let s = vector.value("s").unwrap_or(0).wrapping_add_signed(vector.sites[0].addend);
    let relative = vector.name.contains("REL") || vector.name.ends_with("ADDR30");
    (if relative { s.wrapping_sub(vector.at + OFFSET) } else { s }) as u32
}

fn before(vector: &Vector, at: usize) -> u32 {
    let order = if formula::is_big(vector) { order::BIG } else { order::LITTLE };
    read(order, &vector.before[at..at + 4]).expect("a word")
}

fn after(vector: &Vector, insn: u32) -> Outcome {
    formula::with(vector, &word(if formula::is_big(vector) { order::BIG } else { order::LITTLE }, insn), None)
}

/// A conditional branch with its hint.
fn hinted(vector: &Vector) -> Outcome {
    let (insn, field) = (before(vector, OFFSET as usize), number(vector) & 0xfffc);
    let guess_is_wrong = vector.name.contains("BRTAKEN") != (field & 0x8000 != 0);
    let asks = insn & 0x0280_0000 != 0x0280_0000;
    after(vector, insn & !0x0020_fffc | field | if guess_is_wrong && asks { 0x0020_0000 } else { 0 })
}

/// What no linker judges.
fn unjudged(vector: &Vector) -> Outcome {
    let (x, big) = (number(vector), formula::is_big(vector));
    match vector.name.as_str() {
        "R_PPC_PLT32" | "R_PPC_PLTREL32" => after(vector, x),
        "R_PPC_ADDR16" | "R_PPC_UADDR16" => {
            let half = x as u16;
            formula::with(vector, &if big { half.to_be_bytes() } else { half.to_le_bytes() }, None)
        }
        "R_PPC_ADDR30" if x & 3 != 0 => Outcome::Misaligned,
        "R_PPC_ADDR30" => after(vector, x | before(vector, OFFSET as usize) & 3),
        "R_PPC_REL16DX_HA" => {
            let high = x.wrapping_add(0x8000) >> 16;
            let (d0, d1, d2) = (high >> 6, high >> 1 & 0x1f, high & 1);
            after(vector, before(vector, OFFSET as usize) & 0xffe0_003e | d0 << 6 | d1 << 16 | d2)
        }
        name => {
            // The whole instruction, and the half that holds the slot's address.
            let (start, half) = if big { (6, 8) } else { (8, 8) };
            let slot = vector.value("G").unwrap_or(0) as u32;
            let mut bytes = vector.before.clone();
            let insn = before(vector, start);
            let got = name.starts_with("R_PPC_GOT").then(|| slot.wrapping_sub(vector.value("GOT").unwrap_or(0) as u32));
            let number = got.map_or(slot, |offset| offset.wrapping_add(vector.sites[0].addend as u32));
            if name == "R_PPC_GOT16" && i16::try_from(number as i32).is_err() {
                return Outcome::Overflow;
            }
            if got.is_none() && name.ends_with("HA") && insn >> 26 == 15 {
                let lis = word(if big { order::BIG } else { order::LITTLE }, insn & 0xffe0_ffff);
                bytes[start..start + 4].copy_from_slice(&lis);
            }
            let part = match name.rsplit('_').next() {
                Some("HI") => (number >> 16) as u16,
                Some("HA") => (number.wrapping_add(0x8000) >> 16) as u16,
                _ => number as u16,
            };
            bytes[half..half + 2].copy_from_slice(&if big { part.to_be_bytes() } else { part.to_le_bytes() });
            let s = vector.value("s").unwrap_or(0) as u32;
            Outcome::Bytes(bytes, Some(word(if big { order::BIG } else { order::LITTLE }, s)))
        }
    }
}

/// Both sides of the ends of a signed number, and patterns.
fn ends(bits: u32, step: i64) -> Vec<(&'static str, i64)> {
    let (min, max) = (i64::MIN >> (64 - bits), i64::MAX >> (64 - bits) & -step);
    let mut all = vec![("min", min), ("0", 0), ("1", step), ("-1", -step), ("max", max)];
    all.extend(
        [("a5", 0xa5a5_a5a5_a5a5_a5a5_u64 as i64), ("c3", 0x3c69_3c69_3c69_3c69)]
            .map(|(label, value)| (label, value << (64 - bits) >> (64 - bits) & -step)),
    );
    all.extend([("half-1", 0x7fff), ("half", 0x8000)].into_iter().filter(|_| bits == 32));
    all.extend([("min-1", min - step), ("max+1", max + step)].into_iter().filter(|_| bits != 32));
    all.extend([("odd", step + 1), ("half-odd", step + 2)].into_iter().filter(|_| step == 4));
    all
}

/// Branches with a hint, calls whose addend is not for the branch, negated addresses, and slots for calls.
fn vectors(g: &mut Generator<'_>, row: &RowDescription) -> Vec<Vector> {
    let name = row.name.trim_start_matches("R_PPC_");
    let (bits, step) = match name {
        _ if name.contains("TAKEN") => (16, 4),
        "PLTREL24" => (26, 4),
        "EMB_NADDR16" => (16, 1),
        _ if name.starts_with("EMB_NADDR") => (32, 1),
        _ if name.starts_with("PLT16") => return slots(g, row),
        _ if name.starts_with("GOT16") => return offsets(g, row),
        _ => return Vec::new(),
    };
    let mut made = Vec::new();
    for (label, value) in ends(bits, step) {
        let mut v = g.blank(row, label, POISON[g.turn % POISON.len()]);
        if name.contains("TAKEN") {
            // beq, bdnz, ble, and a branch that asks nothing.
            let insn = [0x4182_a5a4, 0x4200_0000, 0x4081_fffc, 0x4280_0000][g.turn % 4];
            v.before[OFFSET as usize..][..4].copy_from_slice(&word(g.machine.order, insn));
        }
        // An addend that is not for the branch, as -fPIC has it; lld asks whether symbol plus addend are in reach.
        let addend = match name {
            "PLTREL24" if matches!(label, "0" | "1" | "a5") => 0x8000,
            "PLTREL24" => 0,
            _ => [0, 4, -8, 0x1230][g.turn % 4],
        };
        let p = (v.at + OFFSET) as i64;
        v.sites[0].addend = addend;
        let s = match name {
            "PLTREL24" => value + p,
            _ if name.starts_with("REL14") => value + p - addend,
            _ if name.starts_with("EMB") => addend - value,
            _ => value - addend,
        };
        v.values.push(("s".to_owned(), g.cut(s as u64)));
        made.push(v);
        g.turn += 1;
    }
    made
}

/// Offsets in the table, and addends with which they are on both sides of the ends of ranges.
fn offsets(g: &mut Generator<'_>, row: &RowDescription) -> Vec<Vector> {
    let mut made = Vec::new();
    let carries = [("carry-1", 0x7fff), ("carry", 0x8000), ("-carry-1", -0x8001), ("-carry", -0x8000)];
    let values = ends(if row.name == "R_PPC_GOT16" { 16 } else { 32 }, 1);
    let carries = carries.into_iter().filter(|_| row.name != "R_PPC_GOT16");
    for (label, value) in values.into_iter().chain(carries).chain([("no-addend", 0)]) {
        let slot = [0, 4, 0xf0][g.turn % 3];
        let mut v = g.blank(row, label, POISON[g.turn % POISON.len()]);
        let table = g.base + 0x0300_0000;
        v.values = vec![("s".to_owned(), g.cut(SLOTTED)), ("GOT".to_owned(), table)];
        v.set("G", Some(table + slot));
        v.sites[0].addend = if label == "no-addend" { 0 } else { i64::from((value - slot as i64) as i32) };
        v.by = "psABI".to_owned();
        made.push(v);
        g.turn += 1;
    }
    made
}

/// Instructions that take the address of a slot: with a base register, without, and others.
fn slots(g: &mut Generator<'_>, row: &RowDescription) -> Vec<Vector> {
    let mut made = Vec::new();
    for (label, slot) in [("slot", 0), ("slot-1", 4), ("slot-30", 0xf0), ("slot-high", 0x8000)] {
        let mut v = g.blank(row, label, POISON[g.turn % POISON.len()]);
        let table = g.base + 0x0300_0000 + if slot == 0x8000 { 0x7ff8 } else { 0 };
        let slot = if slot == 0x8000 { 8 } else { slot };
        v.values = vec![("s".to_owned(), g.cut(SLOTTED)), ("GOT".to_owned(), table)];
        v.set("G", Some(table + slot));
        v.sites[0].addend = [0, 0x8000][g.turn % 2];
        // addis r12, r30, 0xa5a5; lis r12, 0; lwz r12, 0(r12); addis r31, r31, -1
        let insn = [0x3d9e_a5a5, 0x3d80_0000, 0x818c_0000, 0x3fff_ffff][g.turn % 4];
        let place = if g.machine.order == order::BIG { OFFSET - 2 } else { OFFSET } as usize;
        v.before[place..place + 4].copy_from_slice(&word(g.machine.order, insn));
        v.by = "psABI".to_owned();
        made.push(v);
        g.turn += 1;
    }
    made
}

/// Returns the destination of a branch.
fn reference(variant: &Variant, image: &Image, address: u64, code: &[u8]) -> Option<Destination> {
    let insn = read(variant.order, code.get(..4)?)?;
    let distance = match insn >> 26 {
        18 => signed(bits(insn, 2, 24) << 2, 26),
        16 => signed(bits(insn, 2, 14) << 2, 16),
        _ => return None,
    };
    let to = address.wrapping_add(distance) & 0xffff_ffff;
    if variant.order == order::BIG {
        branch(image, to, run::<{ order::BIG }>)
    } else {
        branch(image, to, run::<{ order::LITTLE }>)
    }
}

fn read(byte_order: u8, bytes: &[u8]) -> Option<u32> {
    let bytes = bytes.try_into().ok()?;
    Some(if byte_order == order::BIG { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
}

/// Runs an entry, which makes an address in r12 and jumps there.
fn run<const ORDER: u8>(image: &Image, mut at: u64) -> Option<u64> {
    let (mut r12, mut counter) = (None, None);
    for _ in 0..LONGEST_VENEER {
        let insn = read(ORDER, image.own_bytes(at, 4)?)?;
        let low = (insn & 0xffff) as u16 as i16 as u32;
        match insn {
            _ if insn >> 16 == 0x3d80 => r12 = Some(low << 16),
            _ if insn >> 16 == 0x398c => r12 = Some(u32::wrapping_add(r12?, low)),
            0x7d89_03a6 => counter = r12,
            0x4e80_0420 => return counter.map(u64::from),
            _ => return None,
        }
        at += 4;
    }
    None
}
