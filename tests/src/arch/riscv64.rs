//! RISC-V, 64 and 32 bits: calls are pairs of `auipc` and `jalr`.

use super::{Architecture, Far, Pair, Variant};
use crate::golden::{Difference, Outcome, Shape, Take, formula, is_outside};
use crate::oracle::Image;
use crate::oracle::destination::{Destination, LONGEST_VENEER, bits, branch, signed};
use relobox_abi::order;

const RISCV64: Variant = Variant {
    name: "riscv64",
    machine: 243,
    class: 64,
    order: order::LITTLE,
    gnu_ld: Some(("riscv64-linux-gnu-ld", "elf64lriscv")),
    lld: Some("elf64lriscv"),
    jitlink: true,
    base: 0xffff_ffff_0100_0000,
    // Linux places modules within 2 GiB of address 0, where GNU ld converts `auipc` to `lui`.
    vectors_at: Some(0x41_0200_0000),
    ..Variant::PLAIN
};

pub(super) static ARCHITECTURE: Architecture = Architecture {
    name: "riscv64",
    variants: &[
        RISCV64,
        Variant {
            name: "riscv32",
            class: 32,
            gnu_ld: Some(("riscv64-linux-gnu-ld", "elf32lriscv")),
            lld: Some("elf32lriscv"),
            base: 0x9000_0000,
            vectors_at: None,
            ..RISCV64
        },
    ],
    far: &[
        // R_RISCV_CALL, R_RISCV_CALL_PLT and R_RISCV_GOT_HI20. A static linker has no PLT.
        Far { distance: 64 << 30, types: &[18, 19, 20], linkers: false },
    ],
    corpora: &["riscv64"],
    executed: &[
        "R_RISCV_CALL",
        "R_RISCV_CALL_PLT",
        "R_RISCV_PLT32",
        "R_RISCV_SET_ULEB128",
        "R_RISCV_SUB_ULEB128",
    ],
    code_align: 2,
    // `auipc` and the instruction that it belongs to.
    field_length: 8,
    // A number of variable length is no field.
    unjudged: &["R_RISCV_SET_ULEB128", "R_RISCV_SUB_ULEB128"],
    metamorphic: &[false],
    shape: |row| {
        Some(match row.formula.as_str() {
            "ha(S + A - P)" | "high(S + A - P)" => Shape::Relative(0x800),
            "ha(S + A)" => Shape::Absolute(0x800),
            "high(G(A) + GOT - P)" => Shape::Slot(false, 0x800),
            "G(0) + GOT + A - P" => Shape::Slot(true, 0),
            "low(S)" => Shape::LowOfPair,
            "set_uleb128(S + A)" | "sub_uleb128(S + A)" => Shape::Uleb,
            "V + S + A" => Shape::Add,
            "V - S - A" => Shape::Subtract,
            _ => return None,
        })
    },
    pairs: &[
        Pair::absolute("R_RISCV_HI20", "R_RISCV_LO12_I"),
        Pair { low_names_high: true, ..Pair::relative("R_RISCV_PCREL_HI20", "R_RISCV_PCREL_LO12_S") },
        Pair { low_names_high: true, ..Pair::relative("R_RISCV_PCREL_HI20", "R_RISCV_PCREL_LO12_I") },
    ],
    differences: DIFFERENCES,
    is_stub_of_symbol: |name| name == "R_RISCV_PLT32",
    // The field contains both instructions of a pair, and the immediate of the second one is signed.
    distance: |row, value| if row.row.width == 8 { value - ((value & 0x800) << 1) } else { value },
    // auipc ra, DISTANCE; jalr ra
    call: |_, distance| [0x0000_0097_u32 | distance as u32 & 0xffff_f000, 0x0000_80e7].map(u32::to_le_bytes).concat(),
    reference,
    // R_RISCV_PCREL_LO12_I and R_RISCV_PCREL_LO12_S: the first half may be anywhere in the section.
    names_its_pair: |kind| matches!(kind, 24 | 25),
    ..Architecture::PLAIN
};

const DIFFERENCES: &[Difference] = &[
    Difference {
        types: &["R_RISCV_32"],
        when: |v, ld, _| v.machine == "64l" && ld.is_linked() && is_outside(v),
        take: Take::Overflow,
        why: "linkers cut the address without a check, and Linux refuses; psABI, Relocations: a 32-bit word",
    },
    Difference {
        types: &["R_RISCV_GOT32_PCREL", "R_RISCV_PLT32"],
        when: |v, _, lld| v.machine == "32l" && *lld == Outcome::Overflow,
        take: Take::Formula(formula::distance),
        why: "lld computes with 64 bits; the psABI's addresses have XLEN of them, and wrap",
    },
    Difference {
        types: &["R_RISCV_SUB*"],
        when: |v, ld, lld| ld != lld && !v.name.contains("ULEB"),
        take: Take::Lld,
        why: "GNU ld computes V - S + A; psABI, Relocations: V - S - A",
    },
    Difference {
        types: &["R_RISCV_32_PCREL"],
        when: |v, ld, lld| v.machine == "32l" && ld != lld,
        take: Take::Ld,
        why: "lld computes with 64 bits; the psABI's addresses have XLEN of them, and wrap",
    },
    Difference {
        types: &["R_RISCV_32_PCREL"],
        when: |v, ld, _| v.machine == "64l" && is_outside(v) && ld.is_linked(),
        take: Take::Lld,
        why: "GNU ld cuts the distance without a check; psABI, Relocations: a 32-bit offset",
    },
    Difference {
        types: &["R_RISCV_PLT32", "R_RISCV_CALL", "R_RISCV_CALL_PLT"],
        when: |v, _, _| v.machine == "64l" && is_outside(v),
        take: Take::Through,
        why: "a static linker has no PLT; psABI, Relocations: a call may go through one, as it does in Linux",
    },
    Difference {
        types: &["R_RISCV_PLT32"],
        when: |_, ld, lld| ld != lld,
        take: Take::Lld,
        why: "GNU ld before 2.42 leaves the word as it is; psABI, Relocations: S + A - P",
    },
    Difference {
        types: &["R_RISCV_SET32"],
        when: |_, ld, lld| ld.is_linked() && *lld == Outcome::Overflow,
        take: Take::Ld,
        why: "lld takes it for signed; psABI, Relocations: the low 32 bits are set, and a SUB32 may follow",
    },
];


/// Returns the destination of a far call (`auipc` and `jalr`), or of a load or an address that uses `auipc`.
fn reference(_: &Variant, image: &Image, address: u64, code: &[u8]) -> Option<Destination> {
    let word = |at: usize| Some(u32::from_le_bytes(code.get(at..at + 4)?.try_into().ok()?));
    let (first, second) = (word(0)?, word(4)?);
    if bits(first, 0, 7) != 0x17 {
        return None;
    }
    let end = address.wrapping_add(upper(first)).wrapping_add(signed(bits(second, 20, 12), 12));
    match bits(second, 0, 7) {
        0x67 => branch(image, end, run),
        0x03 if image.own_bytes(end, 8).is_some() => load(image, end).map(Destination::Indirect),
        _ => Some(Destination::Direct(end)),
    }
}

fn upper(word: u32) -> u64 {
    signed((word & 0xffff_f000).into(), 32)
}

fn run(image: &Image, mut at: u64) -> Option<u64> {
    let mut registers = [None; 32];
    for _ in 0..LONGEST_VENEER {
        let word = u32::from_le_bytes(image.own_bytes(at, 4)?.try_into().ok()?);
        let (d, base) = (bits(word, 7, 5) as usize, registers[bits(word, 15, 5) as usize]);
        let offset = signed(bits(word, 20, 12), 12);
        match (bits(word, 0, 7), bits(word, 12, 3)) {
            (0x17, _) => registers[d] = Some(at.wrapping_add(upper(word))),
            (0x37, _) => registers[d] = Some(upper(word)),
            (0x13, 0) => registers[d] = Some(u64::wrapping_add(base?, offset)),
            (0x03, 3) => registers[d] = Some(load(image, u64::wrapping_add(base?, offset))?),
            (0x67, 0) => return Some(u64::wrapping_add(base?, offset) & !1),
            _ => return None,
        }
        at += 4;
    }
    None
}

fn load(image: &Image, address: u64) -> Option<u64> {
    Some(u64::from_le_bytes(image.own_bytes(address, 8)?.try_into().ok()?))
}
