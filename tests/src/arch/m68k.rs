//! m68k: GNU ld alone links it, and puts no code between a call and its target.

use super::{Architecture, Variant};
use crate::golden::{Difference, Generator, Outcome, Shape, Take, Vector, formula, is_outside};
use crate::module_spec::RowDescription;
use crate::oracle::Image;
use crate::oracle::destination::{Destination, branch};
use relobox_abi::order;

pub(super) static ARCHITECTURE: Architecture = Architecture {
    name: "m68k",
    variants: &[Variant {
        name: "m68k",
        machine: 4,
        class: 32,
        order: order::BIG,
        gnu_ld: Some(("m68k-linux-gnu-ld", "m68kelf")),
        base: 0x1080_0000,
        ..Variant::PLAIN
    }],
    built: &["built-m68k"],
    in_place: &[false, true],
    code_align: 2,
    slot_type: "R_68K_GOT32",
    shape: |row| {
        Some(match row.formula.as_str() {
            "G + GOT + A - P" => Shape::Slot(true, 0),
            "G + A" => Shape::SlotOffset,
            _ => return None,
        })
    },
    vectors,
    differences: DIFFERENCES,
    is_stub_of_symbol: |_| true,
    // PC is at the field: a call is looked at from there.
    call: |_, distance| (distance as u32).to_be_bytes().to_vec(),
    reference,
    ..Architecture::PLAIN
};

/// Offsets in the table as assemblers write them, without an addend.
fn vectors(g: &mut Generator<'_>, row: &RowDescription) -> Vec<Vector> {
    if row.formula != "G + A" {
        return Vec::new();
    }
    let mut v = g.blank(row, "no-addend", [0xa5, 0x00, 0xff][g.turn % 3]);
    g.give_tables(row, &mut v).expect("a linker with a table");
    g.turn += 1;
    vec![v]
}

const DIFFERENCES: &[Difference] = &[
    Difference {
        types: &["R_68K_16", "R_68K_8"],
        when: |v, ld, _| v.label.starts_with("min-1/") && ld.is_linked(),
        take: Take::Overflow,
        why: "GNU ld lets -2^n through as well, which no reading of the field gives back",
    },
    Difference {
        types: &["R_68K_PLT16"],
        when: |v, _, _| is_outside(v),
        take: Take::Through,
        why: "a static linker has no PLT; psABI, Relocation: L",
    },
    Difference {
        types: &["R_68K_GOT32O", "R_68K_GOT16O", "R_68K_GOT8O"],
        when: |v, _, _| v.sites[0].addend != 0,
        take: Take::Formula(offset),
        why: "GNU ld ignores the addend, which no assembler writes; psABI, Relocation: G + A",
    },
];

/// Computes `G + A`, where the vector has the slot's address for G.
fn offset(vector: &Vector) -> Outcome {
    let value = |name: &str| vector.value(name).unwrap_or(0);
    let x = value("G").wrapping_sub(value("GOT")).wrapping_add_signed(vector.sites[0].addend) as i32;
    let slot = Some((value("s") as u32).to_be_bytes().to_vec());
    match vector.name.as_str() {
        "R_68K_GOT32O" => formula::with(vector, &x.to_be_bytes(), slot),
        "R_68K_GOT16O" => i16::try_from(x).map_or(Outcome::Overflow, |x| formula::with(vector, &x.to_be_bytes(), slot)),
        _ => i8::try_from(x).map_or(Outcome::Overflow, |x| formula::with(vector, &x.to_be_bytes(), slot)),
    }
}

/// Returns the destination of a 32-bit distance.
fn reference(_: &Variant, image: &Image, address: u64, code: &[u8]) -> Option<Destination> {
    let distance = i32::from_be_bytes(code.get(..4)?.try_into().ok()?);
    branch(image, address.wrapping_add_signed(distance.into()) & 0xffff_ffff, run)
}

/// Runs `jmp` with an absolute address.
fn run(image: &Image, at: u64) -> Option<u64> {
    match image.own_bytes(at, 6)? {
        [0x4e, 0xf9, target @ ..] => Some(u32::from_be_bytes(target.try_into().ok()?).into()),
        _ => None,
    }
}
