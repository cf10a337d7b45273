//! ia64: GNU ld alone links it, with gp where its section `.got` begins. It knows no function outside of what it
//! links, so that descriptors are the formulas' matter.

use super::{Architecture, Variant};
use crate::golden::{Difference, Generator, Outcome, POISON, SLOTTED, Shape, Site, Take, Vector, is_outside};
use crate::module_spec::RowDescription;

pub(super) static ARCHITECTURE: Architecture = Architecture {
    name: "ia64",
    variants: &[Variant {
        name: "ia64",
        machine: 50,
        flags: (0xc0, 0),
        e_flags: 0x10,
        gnu_ld: Some(("ia64-linux-gnu-ld", "elf64_ia64")),
        options: (&["--defsym", "__gp=ADDR(.got)", "--no-relax"], &[]),
        base: 0xa000_0002_0000_0000,
        ..Variant::PLAIN
    }],
    code_align: 16,
    slot_type: "R_IA64_LTOFF22",
    field_length: 16,
    shape: |row| if matches!(&*row.formula, "S + A" | "S + A - P") { None } else { Some(Shape::Special) },
    vectors,
    differences: DIFFERENCES,
    ..Architecture::PLAIN
};

const DIFFERENCES: &[Difference] = &[
    Difference {
        types: &["R_IA64_SEGREL*"],
        when: |v, _, _| !(is_outside(v) && v.name.contains("32")),
        take: Take::Formula(computed),
        why: "a linker knows segments; Linux takes 0 for the segment's address",
    },
    Difference {
        types: &["R_IA64_*"],
        when: |v, ld, _| is_outside(v) && (ld.is_linked() || v.name.contains("32")),
        take: Take::Overflow,
        why: "GNU ld checks no word of data; psABI, Relocation: what does not fit is an error",
    },
    Difference {
        types: &["R_IA64_PCREL21*", "R_IA64_PCREL60B"],
        when: |v, ld, _| v.label.contains("odd/") && ld.is_linked(),
        take: Take::Misaligned,
        why: "GNU ld drops the low four bits; no bundle lies there",
    },
    Difference {
        types: &["R_IA64_PCREL60B"],
        when: |v, ld, _| v.before[PLACE + 5] & 0xc0 != 0 && ld.is_linked(),
        take: Take::Formula(computed),
        why: "GNU ld clears the two bits below imm39 too; Linux and the manual's format X3: they are ignored, and stay",
    },
    Difference {
        types: &["R_IA64_FPTR*", "R_IA64_PLTOFF*", "R_IA64_LTOFF_FPTR*"],
        when: |_, _, _| true,
        take: Take::Formula(computed),
        why: "GNU ld makes a descriptor; in a kernel the symbol is the address of one",
    },
    Difference {
        types: &["R_IA64_SUB"],
        when: |_, _, _| true,
        take: Take::Formula(computed),
        why: "GNU ld does not know it; psABI and Linux: A - S",
    },
];

/// Where the bits of an immediate lie, from its lowest bit on: runs of bits, each from a bit of the slot. The bits
/// below are dropped. A place in slot 3 is the second half of a long instruction, in slot 2.
type Runs = &'static [(u32, u32)];

/// The immediate of a type: its runs, how many low bits it drops, and how many bits it has.
fn immediate(name: &str) -> Option<(Runs, u32, u32)> {
    Some(match name.trim_start_matches("R_IA64_") {
        "IMM14" => (&[(7, 13), (6, 27), (1, 36)], 0, 14),
        "PCREL21B" | "PCREL21BI" => (&[(20, 13), (1, 36)], 4, 25),
        "PCREL21M" => (&[(7, 6), (13, 20), (1, 36)], 4, 25),
        "PCREL21F" => (&[(20, 6), (1, 36)], 4, 25),
        "PCREL60B" => (&[(20, 41 + 13), (39, 2), (1, 41 + 36)], 4, 64),
        name if name.ends_with("22") || name == "LTOFF22X" => (&[(7, 13), (9, 27), (5, 22), (1, 36)], 0, 22),
        "SUB" | "IMM64" => (&[(7, 54), (9, 68), (5, 63), (1, 62), (41, 0), (1, 77)], 0, 64),
        name if name.ends_with("64I") => (&[(7, 54), (9, 68), (5, 63), (1, 62), (41, 0), (1, 77)], 0, 64),
        _ => return None,
    })
}

/// `bundle` with the immediate.
fn insert(bundle: u128, (runs, dropped, bits): (Runs, u32, u32), slot: u64, value: u64) -> u128 {
    let (mut bundle, mut value) = (bundle, value >> dropped);
    let start = 5 + 41 * if bits == 64 { 1 } else { slot as u32 };
    for bit in runs.iter().flat_map(|(len, from)| *from..from + len) {
        bundle = bundle & !(1 << (start + bit)) | u128::from(value & 1) << (start + bit);
        value >>= 1;
    }
    bundle
}

/// Where a vector has its bundle, and the word that is no instruction.
const PLACE: usize = 16;

/// Instructions in all slots, what is relative to gp, and what is of labels.
fn vectors(g: &mut Generator<'_>, row: &RowDescription) -> Vec<Vector> {
    if matches!(&*row.formula, "S + A" | "S + A - P") {
        return Vec::new();
    }
    let name = row.name.trim_start_matches("R_IA64_");
    let known = immediate(&row.name);
    let (bits, step) = match known {
        Some((_, dropped, bits)) => (bits, 1 << dropped),
        None if name.contains("32") => (32, 1),
        None => (64, 1),
    };
    let (label, p) = (name.starts_with("PCREL21") || name == "PCREL60B", name.starts_with("PCREL"));
    let label = label || name.starts_with("SECREL") || name.starts_with("IPLT");
    let loads = name.starts_with("LTOFF");
    let gp = loads || ["GPREL", "PLTOFF", "IPLT"].iter().any(|start| name.starts_with(start));
    let mut made = Vec::new();
    for (edge, value) in ends(bits, step, name.starts_with("SECREL32") || name.starts_with("FPTR32")) {
        // GNU ld has words of its own for a `br` that does not reach, and makes one of a `brl` that need not be long.
        let beyond = matches!(edge, "min-1" | "max+1");
        if name.starts_with("PCREL21") && beyond || name == "PCREL60B" && value.unsigned_abs() < 1 << 25 {
            continue;
        }
        if loads && edge != "0" || gp && !loads && value.unsigned_abs() > 1 << 62 {
            continue;
        }
        let poison = POISON[g.turn % POISON.len()];
        let mut v = g.blank(row, edge, poison);
        v.before = vec![v.before[0]; 3 * 16];
        v.before[PLACE..][..16].fill(poison);
        let slot = match known {
            Some((.., 64)) => 1 + g.turn as u64 % 2,
            Some(_) => g.turn as u64 % 3,
            None => 0,
        };
        if let Some(immediate) = known {
            let bundle = v.before[PLACE..][..16].try_into().map_or(0, u128::from_le_bytes);
            v.before[PLACE..][..16].copy_from_slice(&insert(bundle, immediate, slot, 0).to_le_bytes());
        }
        v.sites[0].offset = PLACE as u64 + slot;
        if gp {
            // A slot, so that there is a table; without bits, for which GNU ld adds what is there.
            v.before.extend([0; 32]);
            let offset = 48;
            v.sites.push(Site { name: "R_IA64_LTOFF22".to_owned(), offset, symbol: "t".to_owned(), addend: 0 });
            v.values.push(("t".to_owned(), if loads { SLOTTED + 8 } else { SLOTTED }));
            let got = (v.at + v.before.len() as u64 + 0x1_0000).next_multiple_of(0x1000);
            v.set("GOT", Some(got));
            if loads {
                (v.sites[0].symbol, v.sites[0].addend) = ("t".to_owned(), 0);
                made.push(v);
                g.turn += 1;
                continue;
            }
        }
        let addend = [0, 16, -32, 0x1230][g.turn % 4];
        v.sites[0].addend = addend;
        if label {
            let of = if name.starts_with("PCREL") { PLACE as i64 } else { 0 };
            (v.sites[0].symbol, v.sites[0].addend) = (format!(".{of}"), value);
        } else {
            let from = if p { v.at + PLACE as u64 } else { 0 };
            let from = if gp { v.value("GOT").unwrap_or(0) } else { from };
            let s = from.wrapping_add_signed(value.wrapping_sub(addend));
            let s = if name == "SUB" { (addend as u64).wrapping_sub(value as u64) } else { s };
            v.values.push(("s".to_owned(), s));
        }
        made.push(v);
        g.turn += 1;
    }
    made
}

/// Both sides of the ends of a signed number, and patterns.
fn ends(bits: u32, step: i64, either: bool) -> Vec<(&'static str, i64)> {
    let (min, max) = (i64::MIN >> (64 - bits), i64::MAX >> (64 - bits) & -step);
    let max = if either { 2 * max + 1 } else { max };
    let mut all = vec![("min", min), ("0", 0), ("1", step), ("-1", -step), ("max", max)];
    all.extend(
        [("a5", 0xa5a5_a5a5_a5a5_a5a5_u64 as i64), ("c3", 0x3c69_3c69_3c69_3c69)]
            .map(|(label, value)| (label, value << (64 - bits) >> (64 - bits) & -step)),
    );
    all.extend(
        [("min-1", min.wrapping_sub(step)), ("max+1", max.wrapping_add(step))].into_iter().filter(|_| bits != 64),
    );
    all.extend([("odd", step + 1), ("half-odd", step + step / 2)].into_iter().filter(|_| step != 1));
    all
}

/// What no linker does in this way: addresses of descriptors, distances from address 0, a difference, a long branch.
fn computed(vector: &Vector) -> Outcome {
    let (site, value) = (&vector.sites[0], |name: &str| vector.value(name).unwrap_or(0));
    let s = value(&site.symbol).wrapping_add_signed(site.addend);
    let name = vector.name.trim_start_matches("R_IA64_");
    let x = match name {
        // From the bundle to a label there.
        "PCREL60B" => site.addend as u64,
        "SUB" => (site.addend as u64).wrapping_sub(value("s")),
        _ if name.starts_with("PLTOFF") => s.wrapping_sub(value("GOT")),
        // The table has no other slot, and that is where gp is.
        _ if name.starts_with("LTOFF") => 0,
        _ => s,
    };
    let mut after = vector.before.clone();
    let at = site.offset as usize;
    if let Some(immediate) = immediate(&vector.name) {
        let (start, bits) = (at & !15, immediate.2);
        if bits < 64 && (x as i64) << (64 - bits) >> (64 - bits) != x as i64 {
            return Outcome::Overflow;
        }
        let bundle = after[start..][..16].try_into().map_or(0, u128::from_le_bytes);
        after[start..][..16].copy_from_slice(&insert(bundle, immediate, at as u64 & 15, x).to_le_bytes());
    } else {
        let len = if name.contains("64") { 8 } else { 4 };
        if name.ends_with("MSB") {
            after[at..][..len].copy_from_slice(&x.to_be_bytes()[8 - len..]);
        } else {
            after[at..][..len].copy_from_slice(&x.to_le_bytes()[..len]);
        }
    }
    Outcome::Bytes(after, None)
}
