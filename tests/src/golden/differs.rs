//! Decisions, made by hand, where the linkers disagree or where relobox deliberately differs from both.
//!
//! Recording fails if an entry is not needed by any vector, and if no entry decides a disagreement.

use super::vector::{Outcome, Vector};
use super::{formula, indirection};

/// The accepted answer.
#[derive(Clone, Copy, Debug)]
pub(super) enum Take {
    /// The answer of GNU ld.
    Ld,
    /// The answer of lld.
    Lld,
    /// Neither answer: the value overflows.
    Overflow,
    /// Neither answer: the value is misaligned.
    Misaligned,
    /// Neither answer: the field leads to the symbol through a PLT entry or a veneer.
    Through,
    /// Neither linker knows the type. The function implements the formula and the field of the psABI.
    Formula(fn(&Vector) -> Outcome),
}

/// A decision.
pub(super) struct Difference {
    /// The architecture and the types; a type may end in `*`.
    pub(super) arch: &'static str,
    pub(super) types: &'static [&'static str],
    /// Selects the vectors of those types, by the vector and the answers of GNU ld and lld.
    pub(super) when: fn(&Vector, &Outcome, &Outcome) -> bool,
    pub(super) take: Take,
    /// The reason, with the chapter that supports it.
    pub(super) why: &'static str,
}

impl Difference {
    fn is_about(&self, arch: &str, vector: &Vector) -> bool {
        let named = |t: &&str| t.strip_suffix('*').map_or(**t == vector.name, |start| vector.name.starts_with(start));
        self.arch == arch && self.types.iter().any(named)
    }
}

/// Returns the accepted answer, who gave it, and for a decision its reason and its index.
///
/// # Errors
///
/// A description of the disagreement, if no entry decides it.
pub(super) fn decide(
    arch: &str,
    vector: &Vector,
    said: &[Outcome],
) -> Result<(Outcome, String, Option<(String, usize)>), String> {
    let [ld, lld] = said else { return Err("two linkers".to_owned()) };
    // The value is in range by construction, so the refusal of GNU ld, which has only one message, is about alignment.
    let odd = vector.label.starts_with("odd/") || vector.label.starts_with("half-odd/");
    let name = |o: &Outcome| if odd && *o == Outcome::Overflow { Outcome::Misaligned } else { o.clone() };
    let (ld, lld) = (&name(ld), &name(lld));
    let words = |o: &Outcome| match o {
        Outcome::Unsupported => "does not know it".to_owned(),
        other => other.to_string(),
    };
    for (i, d) in TABLE.iter().enumerate() {
        if d.is_about(arch, vector) && (d.when)(vector, ld, lld) {
            let sum = || {
                let site = &vector.sites[0];
                let addend = if indirection::is_of_symbol(arch, vector) { 0 } else { site.addend };
                vector.value(&site.symbol).unwrap_or(0).wrapping_add_signed(addend)
            };
            let (outcome, by) = match d.take {
                Take::Ld => (ld.clone(), "ld"),
                Take::Lld => (lld.clone(), "lld"),
                Take::Overflow => (Outcome::Overflow, "psABI"),
                Take::Misaligned => (Outcome::Misaligned, "psABI"),
                Take::Through => (Outcome::Through(sum()), "psABI"),
                Take::Formula(f) => (f(vector), "psABI"),
            };
            let why = format!("{} (ld: {}, lld: {})", d.why, words(ld), words(lld));
            return Ok((outcome, by.to_owned(), Some((why, i))));
        }
    }
    match (ld, lld) {
        (Outcome::Unsupported, Outcome::Unsupported) => Err("no linker knows it".to_owned()),
        (ld, Outcome::Unsupported) => Ok((ld.clone(), "ld".to_owned(), None)),
        (Outcome::Unsupported, lld) => Ok((lld.clone(), "lld".to_owned(), None)),
        (ld, lld) if ld == lld => Ok((ld.clone(), "ld lld".to_owned(), None)),
        (ld, lld) => Err(format!("ld: {ld}, lld: {lld}")),
    }
}

/// Returns whether the value is one step outside the range of its row.
fn is_outside(vector: &Vector) -> bool {
    vector.label.starts_with("min-1/") || vector.label.starts_with("max+1/")
}

/// All decisions.
pub(super) const TABLE: &[Difference] = &[
    Difference {
        arch: "x86_64",
        types: &["R_X86_64_16", "R_X86_64_8"],
        when: |v, _, _| v.label.starts_with("min-1/"),
        take: Take::Lld,
        why: "GNU ld lets -2^n through as well; psABI, Relocation: a truncated value must extend to the original",
    },
    Difference {
        arch: "x86_64",
        types: &["R_X86_64_PC16"],
        when: |_, ld, lld| ld.is_linked() && *lld == Outcome::Overflow,
        take: Take::Lld,
        why: "GNU ld takes a distance for either reading; psABI, Relocation: processors extend a displacement's sign",
    },
    Difference {
        arch: "x86_64",
        types: &["R_X86_64_SIZE32"],
        when: |_, ld, lld| ld != lld,
        take: Take::Ld,
        why: "lld takes a size for a signed number; psABI, Relocation: Z is the size of the symbol",
    },
    Difference {
        arch: "aarch64",
        types: &["R_AARCH64_PLT32"],
        when: |v, _, lld| matches!(lld, Outcome::Through(_)) && !is_outside(v),
        take: Take::Formula(formula::distance),
        why: "lld makes a veneer where none is needed; AAELF64, Data relocations: S + A - P",
    },
    Difference {
        arch: "aarch64",
        types: &["R_AARCH64_MOVW_GOTOFF_G1"],
        when: |_, ld, _| ld.is_linked(),
        take: Take::Formula(formula::move_of_slot),
        why: "GNU ld leaves the opcode; AAELF64, Group relocations, GOT-relative offsets: MOV[NZ]",
    },
    Difference {
        arch: "aarch64",
        types: &["R_AARCH64_ADR_GOT_PAGE"],
        when: |v, ld, _| ld.is_linked() && is_outside(v),
        take: Take::Overflow,
        why: "GNU ld does not check; AAELF64, GOT-relative instruction relocations: -2^32 <= X < 2^32",
    },
    Difference {
        arch: "riscv64",
        types: &["R_RISCV_32"],
        when: |v, ld, _| v.machine == "64l" && ld.is_linked() && is_outside(v),
        take: Take::Overflow,
        why: "linkers cut the address without a check, and Linux refuses; psABI, Relocations: a 32-bit word",
    },
    Difference {
        arch: "riscv64",
        types: &["R_RISCV_GOT32_PCREL", "R_RISCV_PLT32"],
        when: |v, _, lld| v.machine == "32l" && *lld == Outcome::Overflow,
        take: Take::Formula(formula::distance),
        why: "lld computes with 64 bits; the psABI's addresses have XLEN of them, and wrap",
    },
    Difference {
        arch: "riscv64",
        types: &["R_RISCV_SUB*"],
        when: |v, ld, lld| ld != lld && !v.name.contains("ULEB"),
        take: Take::Lld,
        why: "GNU ld computes V - S + A; psABI, Relocations: V - S - A",
    },
    Difference {
        arch: "riscv64",
        types: &["R_RISCV_32_PCREL"],
        when: |v, ld, lld| v.machine == "32l" && ld != lld,
        take: Take::Ld,
        why: "lld computes with 64 bits; the psABI's addresses have XLEN of them, and wrap",
    },
    Difference {
        arch: "riscv64",
        types: &["R_RISCV_32_PCREL"],
        when: |v, ld, _| v.machine == "64l" && is_outside(v) && ld.is_linked(),
        take: Take::Lld,
        why: "GNU ld cuts the distance without a check; psABI, Relocations: a 32-bit offset",
    },
    Difference {
        arch: "riscv64",
        types: &["R_RISCV_PLT32", "R_RISCV_CALL", "R_RISCV_CALL_PLT"],
        when: |v, _, _| v.machine == "64l" && is_outside(v),
        take: Take::Through,
        why: "a static linker has no PLT; psABI, Relocations: a call may go through one, as it does in Linux",
    },
    Difference {
        arch: "riscv64",
        types: &["R_RISCV_PLT32"],
        when: |_, ld, lld| ld != lld,
        take: Take::Lld,
        why: "GNU ld before 2.42 leaves the word as it is; psABI, Relocations: S + A - P",
    },
    Difference {
        arch: "riscv64",
        types: &["R_RISCV_SET32"],
        when: |_, ld, lld| ld.is_linked() && *lld == Outcome::Overflow,
        take: Take::Ld,
        why: "lld takes it for signed; psABI, Relocations: the low 32 bits are set, and a SUB32 may follow",
    },
    Difference {
        arch: "s390x",
        types: &["R_390_8"],
        when: |v, ld, _| ld.is_linked() && v.label.starts_with("min-1/"),
        take: Take::Overflow,
        why: "linkers let a negative byte through, and Linux refuses it: apply_rela_bits, 8 bits without a sign",
    },
    Difference {
        arch: "s390x",
        types: &["R_390_PLT12DBL", "R_390_PLT16DBL", "R_390_PLT24DBL", "R_390_PLT32DBL"],
        when: |v, _, _| is_outside(v),
        take: Take::Through,
        why: "a static linker has no PLT; psABI, Relocation: L, and Linux makes an entry where the branch does not reach",
    },
    Difference {
        arch: "s390x",
        types: &["R_390_GOT*", "R_390_PLTOFF*"],
        when: |v, ld, _| ld.is_linked() && !v.name.ends_with("64") && is_outside(v),
        take: Take::Overflow,
        why: "GNU ld lets -2^n through, or takes a signed field for either reading, or does not look at all",
    },
    Difference {
        arch: "s390x",
        types: &["R_390_GOTPCDBL", "R_390_GOTENT", "R_390_GOTPLTENT"],
        when: |v, ld, _| ld.is_linked() && v.label.contains("odd/"),
        take: Take::Misaligned,
        why: "GNU ld halves an odd distance; psABI, Relocation: the field counts halfwords, so that it would go elsewhere",
    },
    Difference {
        arch: "s390x",
        types: &["R_390_12"],
        when: |_, ld, lld| ld.is_linked() && *lld == Outcome::Overflow,
        take: Take::Lld,
        why: "GNU ld cuts a displacement to 12 bits without a check; z/Architecture, Address Generation: D has no sign",
    },
    Difference {
        arch: "s390x",
        types: &["R_390_16", "R_390_32"],
        when: |v, _, _| v.label.starts_with("min-1/"),
        take: Take::Lld,
        why: "GNU ld lets -2^n through as well, which no reading of the field gives back",
    },
    Difference {
        arch: "s390x",
        types: &["R_390_PC*", "R_390_PLT*", "R_390_20"],
        when: |_, ld, lld| ld.is_linked() && *lld == Outcome::Overflow,
        take: Take::Lld,
        why: "GNU ld takes the field for either reading; z/Architecture, Address Generation: the operand is signed",
    },
    Difference {
        arch: "mips32",
        types: &["R_MIPS_26"],
        when: |_, ld, lld| !ld.is_linked() && lld.is_linked(),
        take: Take::Ld,
        why: "lld checks neither segment nor alignment; psABI, Relocation: a jump keeps the top four bits of its delay slot",
    },
    Difference {
        arch: "aarch64",
        types: &["R_AARCH64_ABS32", "R_AARCH64_ABS16"],
        when: |_, ld, lld| *ld == Outcome::Overflow && lld.is_linked(),
        take: Take::Lld,
        why: "GNU ld takes the word for unsigned; AAELF64, Data relocations: -2^31 <= X < 2^32, -2^15 <= X < 2^16",
    },
    Difference {
        arch: "aarch64",
        types: &["R_AARCH64_PREL32", "R_AARCH64_PREL16"],
        when: |_, ld, lld| *ld == Outcome::Overflow && lld.is_linked(),
        take: Take::Ld,
        why: "AAELF64, Data relocations, lets X < 2^32 and X < 2^16 through, to be read as negative; Linux refuses (reloc_data), and so do we",
    },
    Difference {
        arch: "aarch64",
        types: &["R_AARCH64_MOVW_SABS_*", "R_AARCH64_MOVW_PREL_*"],
        when: |_, ld, lld| ld.is_linked() && lld.is_linked() && ld != lld,
        take: Take::Ld,
        why: "lld sets bits without clearing the field, or the opcode also of _NC; AAELF64, Group relocations: movk, or movn or movz",
    },
    Difference {
        arch: "aarch64",
        types: &["R_AARCH64_JUMP26"],
        when: |v, ld, lld| ld.is_linked() && lld.is_linked() && ld != lld && !v.label.contains("odd/"),
        take: Take::Ld,
        why: "lld writes a whole `b`, whatever was there",
    },
    Difference {
        arch: "aarch64",
        types: &["R_AARCH64_CONDBR19", "R_AARCH64_TSTBR14", "R_AARCH64_CALL26", "R_AARCH64_JUMP26"],
        when: |v, _, _| v.label.contains("odd/"),
        take: Take::Misaligned,
        why: "linkers drop the two low bits; AAELF64, Relocations for control-flow instructions: all offsets are a multiple of 4",
    },
    Difference {
        arch: "aarch64",
        types: &["R_AARCH64_GOTREL64", "R_AARCH64_GOTREL32"],
        when: |_, ld, lld| !ld.is_linked() && !lld.is_linked(),
        take: Take::Formula(formula::from_table),
        why: "AAELF64, GOT-relative data relocations: S + A - GOT, and -2^31 <= X < 2^31",
    },
    Difference {
        arch: "aarch64",
        types: &["R_AARCH64_LD64_GOTOFF_LO15", "R_AARCH64_LD64_GOTPAGE_LO15"],
        when: |v, _, _| v.label.starts_with("slot-"),
        take: Take::Formula(formula::load_of_slot),
        why: "no linker's table is asked to be that long; AAELF64, GOT-relative instruction relocations: 0 <= X < 2^15",
    },
    Difference {
        arch: "aarch64",
        types: &["R_AARCH64_MOVW_GOTOFF_*"],
        when: |_, ld, lld| !ld.is_linked() && !lld.is_linked(),
        take: Take::Formula(formula::move_of_slot),
        why: "AAELF64, Group relocations, GOT-relative offsets: bits of G(GDAT(S)) - GOT; movz, since it is not negative",
    },
];
