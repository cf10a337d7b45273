//! s390x: linkers make PLT entries, relax loads from the GOT, and choose their instructions freely.

use super::{Architecture, Far, Variant};
use crate::golden::{Difference, Outcome, Shape, Take, is_outside};
use crate::oracle::Image;
use crate::oracle::destination::{Destination, LONGEST_VENEER, branch, signed};
use relobox_abi::order;

pub(super) static ARCHITECTURE: Architecture = Architecture {
    name: "s390x",
    variants: &[Variant {
        name: "s390x",
        machine: 22,
        class: 64,
        order: order::BIG,
        gnu_ld: Some(("s390x-linux-gnu-ld", "elf64_s390")),
        lld: Some("elf64_s390"),
        jitlink: true,
        base: 0x3ff_8000_0000,
        ..Variant::PLAIN
    }],
    far: &[
        // R_390_GOTENT, beyond the reach of a `larl`; and R_390_PLT32DBL, for which static linkers have no PLT.
        Far { distance: 64 << 30, types: &[26], linkers: true },
        Far { distance: 64 << 30, types: &[26, 20], linkers: false },
    ],
    corpora: &["s390x"],
    // The field is the second half of the instruction.
    field_in_branch: 2,
    executed: &[
        "R_390_PLT32",
        "R_390_PLT64",
        "R_390_PLT12DBL",
        "R_390_PLT16DBL",
        "R_390_PLT24DBL",
        "R_390_PLT32DBL",
        "R_390_PLTOFF16",
        "R_390_PLTOFF32",
        "R_390_PLTOFF64",
    ],
    slot_type: "R_390_GOTENT",
    metamorphic: &[false],
    shape: |row| {
        Some(match row.formula.as_str() {
            // In a static link L equals S.
            "L + A - P" => Shape::Relative(0),
            "L - G + A" | "S + A - G" => Shape::FromTable,
            "O + A" | "T + A" => Shape::SlotOffset,
            "G + A - P" => Shape::Table,
            "G + O + A - P" | "G + T + A - P" => Shape::Slot(true, 0),
            _ => return None,
        })
    },
    differences: DIFFERENCES,
    is_stub_of_symbol: |_| true,
    // brasl %r14
    call: |_, distance| [&[0xc0, 0xe5][..], &(distance as u32 / 2).to_be_bytes()].concat(),
    reference,
    ..Architecture::PLAIN
};

const DIFFERENCES: &[Difference] = &[
    Difference {
        types: &["R_390_8"],
        when: |v, ld, _| ld.is_linked() && v.label.starts_with("min-1/"),
        take: Take::Overflow,
        why: "linkers let a negative byte through, and Linux refuses it: apply_rela_bits, 8 bits without a sign",
    },
    Difference {
        types: &["R_390_PLT12DBL", "R_390_PLT16DBL", "R_390_PLT24DBL", "R_390_PLT32DBL"],
        when: |v, _, _| is_outside(v),
        take: Take::Through,
        why: "a static linker has no PLT; psABI, Relocation: L, and Linux makes an entry where the branch does not reach",
    },
    Difference {
        types: &["R_390_GOT*", "R_390_PLTOFF*"],
        when: |v, ld, _| ld.is_linked() && !v.name.ends_with("64") && is_outside(v),
        take: Take::Overflow,
        why: "GNU ld lets -2^n through, or takes a signed field for either reading, or does not look at all",
    },
    Difference {
        types: &["R_390_GOTPCDBL", "R_390_GOTENT", "R_390_GOTPLTENT"],
        when: |v, ld, _| ld.is_linked() && v.label.contains("odd/"),
        take: Take::Misaligned,
        why: "GNU ld halves an odd distance; psABI, Relocation: the field counts halfwords, so that it would go elsewhere",
    },
    Difference {
        types: &["R_390_12"],
        when: |_, ld, lld| ld.is_linked() && *lld == Outcome::Overflow,
        take: Take::Lld,
        why: "GNU ld cuts a displacement to 12 bits without a check; z/Architecture, Address Generation: D has no sign",
    },
    Difference {
        types: &["R_390_16", "R_390_32"],
        when: |v, _, _| v.label.starts_with("min-1/"),
        take: Take::Lld,
        why: "GNU ld lets -2^n through as well, which no reading of the field gives back",
    },
    Difference {
        types: &["R_390_PC*", "R_390_PLT*", "R_390_20"],
        when: |_, ld, lld| ld.is_linked() && *lld == Outcome::Overflow,
        take: Take::Lld,
        why: "GNU ld takes the field for either reading; z/Architecture, Address Generation: the operand is signed",
    },
];


/// Returns the destination of a relative-long instruction: a branch, a load, or an address.
fn reference(_: &Variant, image: &Image, address: u64, code: &[u8]) -> Option<Destination> {
    let end = relative(address, code)?;
    match (code[0], code[1] & 15) {
        (0xc0, 4 | 5) => branch(image, end, run),
        // A load, or an address computation that the linker relaxed from a load.
        _ => match image.own_bytes(end, 8) {
            Some(entry) => Some(Destination::Indirect(u64::from_be_bytes(entry.try_into().ok()?))),
            None => Some(Destination::Direct(end)),
        },
    }
}

/// Returns the address to which an instruction with a 32-bit offset in halfwords refers.
fn relative(address: u64, code: &[u8]) -> Option<u64> {
    let offset = i32::from_be_bytes(code.get(2..6)?.try_into().ok()?);
    Some(address.wrapping_add_signed(i64::from(offset) * 2))
}

fn run(image: &Image, mut at: u64) -> Option<u64> {
    let mut registers = [None; 16];
    for _ in 0..LONGEST_VENEER {
        let short = image.own_bytes(at, 2)?;
        let (high, low) = (usize::from(short[1] >> 4), usize::from(short[1] & 15));
        match (short[0], low) {
            (0x07, _) if high == 15 => return registers[low],
            (0x0d, 0) => registers[high] = Some(at + 2),
            _ => {
                let code = image.own_bytes(at, 6)?;
                match (code[0], low, code[5]) {
                    (0xc0, 0, _) => registers[high] = Some(relative(at, code)?),
                    (0xc0, 4, _) if high == 15 => return relative(at, code),
                    (0xc4, 8, _) => registers[high] = Some(load(image, relative(at, code)?)?),
                    // A load with a base and a 20-bit displacement, without an index.
                    (0xe3, 0, 0x04) => {
                        let displacement =
                            u64::from(code[4]) << 12 | u64::from(code[2] & 15) << 8 | u64::from(code[3]);
                        let base = registers[usize::from(code[2] >> 4)]?;
                        registers[high] = Some(load(image, base.wrapping_add(signed(displacement, 20)))?);
                    }
                    _ => return None,
                }
                at += 4;
            }
        }
        at += 2;
    }
    None
}

fn load(image: &Image, address: u64) -> Option<u64> {
    Some(u64::from_be_bytes(image.own_bytes(address, 8)?.try_into().ok()?))
}
