//! Where the linkers disagree, or where relobox deliberately does otherwise than they: decided by hand.
//!
//! An entry that no vector needs any more fails the blessing, and so does a disagreement that no entry decides.

use super::vector::{Outcome, Vector};

/// Whose answer is the right one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Take {
    /// GNU ld's.
    Ld,
    /// lld's.
    Lld,
    /// Neither's: the value does not fit.
    Overflow,
    /// Neither's: the value is not a multiple of what it must be.
    Misaligned,
    /// Neither's: it leads to `S + A` through a PLT entry or a veneer.
    Through,
}

/// A decision.
pub(super) struct Difference {
    /// The architecture, and the types; the last may end in `*`.
    pub(super) arch: &'static str,
    pub(super) types: &'static [&'static str],
    /// Which vectors of those types, and what GNU ld and lld said.
    pub(super) when: fn(&Vector, &Outcome, &Outcome) -> bool,
    pub(super) take: Take,
    /// Why, with the chapter that says so.
    pub(super) why: &'static str,
}

impl Difference {
    fn is_about(&self, arch: &str, vector: &Vector) -> bool {
        let named = |t: &&str| t.strip_suffix('*').map_or(**t == vector.name, |start| vector.name.starts_with(start));
        self.arch == arch && self.types.iter().any(|t| named(&t))
    }
}

/// The answer, who gave it, why it is not everybody's, and which decision that was. `Err` if nobody has decided.
pub(super) fn decide(arch: &str, vector: &Vector, said: &[Outcome]) -> Result<(Outcome, String, Option<(String, usize)>), String> {
    let [ld, lld] = said else { return Err("two linkers".to_owned()) };
    let words = |o: &Outcome| match o {
        Outcome::Unsupported => "does not know it".to_owned(),
        other => other.to_string(),
    };
    for (i, d) in TABLE.iter().enumerate() {
        if d.is_about(arch, vector) && (d.when)(vector, ld, lld) {
            let sum = || {
                let site = &vector.sites[0];
                vector.value(&site.symbol).unwrap_or(0).wrapping_add_signed(site.addend)
            };
            let (outcome, by) = match d.take {
                Take::Ld => (ld.clone(), "ld"),
                Take::Lld => (lld.clone(), "lld"),
                Take::Overflow => (Outcome::Overflow, "psABI"),
                Take::Misaligned => (Outcome::Misaligned, "psABI"),
                Take::Through => (Outcome::Through(sum()), "psABI"),
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

/// Every decision.
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
];
