//! Decisions where the linkers disagree or where relobox deliberately differs from both. They are made by hand, in the
//! file of each architecture.
//!
//! Recording fails if an entry is not needed by any vector, and if no entry decides a disagreement.

use super::vector::{Outcome, Vector};

/// The accepted answer.
#[derive(Clone, Copy, Debug)]
pub enum Take {
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
pub struct Difference {
    /// The types; one may end in `*`.
    pub types: &'static [&'static str],
    /// Selects the vectors of those types, by the vector and the answers of GNU ld and lld.
    pub when: fn(&Vector, &Outcome, &Outcome) -> bool,
    /// The accepted answer.
    pub take: Take,
    /// The reason, with the chapter that supports it.
    pub why: &'static str,
}

impl Difference {
    fn is_about(&self, vector: &Vector) -> bool {
        let named = |t: &&str| t.strip_suffix('*').map_or(**t == vector.name, |start| vector.name.starts_with(start));
        self.types.iter().any(named)
    }
}

/// Returns the accepted answer, who gave it, and for a decision its reason and its index.
///
/// # Errors
///
/// A description of the disagreement, if no entry decides it.
pub(super) fn decide(
    differences: &[Difference],
    is_stub_of_symbol: bool,
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
    for (i, d) in differences.iter().enumerate() {
        if d.is_about(vector) && (d.when)(vector, ld, lld) {
            let sum = || {
                let site = &vector.sites[0];
                let addend = if is_stub_of_symbol { 0 } else { site.addend };
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
pub fn is_outside(vector: &Vector) -> bool {
    vector.label.starts_with("min-1/") || vector.label.starts_with("max+1/")
}
