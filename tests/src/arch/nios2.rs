//! Nios II: GNU ld alone links it, by adding to instructions whose fields are zero. It makes stubs when it relaxes
//! only.

use super::{Architecture, Pair, Variant};
use crate::golden::{Difference, OFFSET, Outcome, Shape, Take, Vector, formula, is_outside};
use relobox_abi::order;

pub(super) static ARCHITECTURE: Architecture = Architecture {
    name: "nios2",
    variants: &[Variant {
        name: "nios2",
        machine: 113,
        class: 32,
        order: order::LITTLE,
        gnu_ld: Some(("nios2-linux-gnu-ld", "nios2linux")),
        options: (&["--no-relax"], &[]),
        base: 0xc800_0000,
        ..Variant::PLAIN
    }],
    code_align: 4,
    slot_type: "R_NIOS2_GOT_LO",
    linkers_own: &["_gp_got"],
    shape: |row| {
        let rounded = if row.row.round == 0 { 0 } else { 0x8000 };
        Some(match row.formula.as_str() {
            "ha(S + A)" => Shape::Absolute(rounded),
            "ha(S + A - P)" => Shape::Relative(rounded),
            "S + A - 4 - P" => Shape::Relative(-4),
            "S + A - (P & -0x1000_0000)" => Shape::Segment,
            "V + S + A" => Shape::Add,
            "G" | "ha(G)" => Shape::SlotFixed,
            "S + A - GOT" | "ha(S + A - GOT)" => Shape::FromTable,
            _ => return None,
        })
    },
    pairs: &[
        Pair::absolute("R_NIOS2_HIADJ16", "R_NIOS2_LO16"),
        Pair { low_addend: 4, ..Pair::relative("R_NIOS2_PCREL_HA", "R_NIOS2_PCREL_LO") },
    ],
    differences: DIFFERENCES,
    // GNU ld makes stubs only while it relaxes; the plugin's are decoded in its own tests.
    rewritten: |vector| vector.name == "R_NIOS2_CALL26" && is_outside(vector),
    ..Architecture::PLAIN
};

const DIFFERENCES: &[Difference] = &[
    Difference {
        types: &["R_NIOS2_IMM*", "R_NIOS2_CACHE_OPX", "R_NIOS2_BFD_RELOC_16", "R_NIOS2_BFD_RELOC_8"],
        when: |v, ld, _| v.label.starts_with("min-1/") && ld.is_linked(),
        take: Take::Overflow,
        why: "GNU ld lets -2^n through as well, which no reading of the field gives back",
    },
    Difference {
        types: &["R_NIOS2_*"],
        when: |v, ld, _| (!is_outside(v) || is_lower(v)) && !v.label.contains("odd/") && *ld != model(v),
        take: Take::Formula(model),
        why: "GNU ld adds to what the field holds, which assemblers leave zero; psABI, Relocation: it is replaced",
    },
];

/// Whether the field has the lower half of any value.
fn is_lower(vector: &Vector) -> bool {
    vector.name.ends_with("LO16") || vector.name.ends_with("_LO")
}

/// The psABI's formulas: which bits a field has, from its lowest one, and what of the value it holds.
fn model(vector: &Vector) -> Outcome {
    let value = |name: &str| vector.value(name).unwrap_or(0) as u32;
    let name = vector.name.strip_prefix("R_NIOS2_").unwrap_or_default();
    let place = (vector.at + OFFSET) as u32;
    let slot = vector.value("G").map(|_| value("s").to_le_bytes().to_vec());
    let before = &vector.before[OFFSET as usize..];
    let word = u32::from_le_bytes(before[..4].try_into().expect("a word"));
    let sum = value("s").wrapping_add(vector.sites[0].addend as u32);
    let x = match name {
        "PCREL16" => sum.wrapping_sub(place + 4),
        "PCREL_LO" | "PCREL_HA" => sum.wrapping_sub(place),
        _ if name.starts_with("GOTOFF") => sum.wrapping_sub(value("GOT")),
        _ if slot.is_some() => value("G").wrapping_sub(value("GOT")),
        _ => sum,
    };
    let (from, bits, x) = match name {
        "BFD_RELOC_32" => return formula::with(vector, &word.wrapping_add(x).to_le_bytes(), None),
        "BFD_RELOC_16" => return formula::with(vector, &x.to_le_bytes()[..2], None),
        "BFD_RELOC_8" => return formula::with(vector, &x.to_le_bytes()[..1], None),
        "GOTOFF" => return formula::with(vector, &x.to_le_bytes(), None),
        "UJMP" | "CJMP" | "CALLR" => {
            let next = u32::from_le_bytes(before[4..8].try_into().expect("a word"));
            let put = |word: u32, half: u32| (word & !0x003f_ffc0 | half << 6).to_le_bytes();
            return formula::with(vector, &[put(word, x >> 16), put(next, x & 0xffff)].concat(), None);
        }
        "CALL26" | "CALL26_NOAT" => (6, 26, x >> 2),
        "HI16" => (6, 16, x >> 16),
        _ if name.contains("HIADJ") || name.ends_with("_HA") => (6, 16, x.wrapping_add(0x8000) >> 16),
        "IMM5" => (6, 5, x),
        "IMM6" => (6, 6, x),
        "IMM8" => (6, 8, x),
        "CACHE_OPX" => (22, 5, x),
        _ => (6, 16, x),
    };
    let mask = ((1u64 << bits) - 1) as u32;
    formula::with(vector, &(word & !(mask << from) | (x & mask) << from).to_le_bytes(), slot)
}
