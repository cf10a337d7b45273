//! What a formula is made of, so that a symbol, an addend or a place can be chosen for a value.
//!
//! The formulas are those of the plugins' descriptions. One that is not here has no vectors, and
//! the test for completeness names its row.

use crate::tiny::Described;

/// A formula, by what has to be chosen for its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// `S + A`, and a constant that rounds.
    Absolute(i64),
    /// `S + A - P`, the same.
    Relative(i64),
    /// `S + A - (P & -8)`.
    RelativeTo8,
    /// `Page(S + A) - Page(P)`.
    Pages,
    /// The symbol's size `+ A`.
    Size,
    /// What stands there `+ S + A`.
    Add,
    /// What stands there `- S - A`.
    Subtract,
    /// The address of a slot `- P`, with an addend or without, and a constant that rounds.
    Slot(bool, i64),
    /// The page of the slot, `- Page(P)`.
    SlotPage,
    /// Nothing can be chosen: the linker's slot decides.
    SlotFixed,
    /// The offset of the slot in the table, `+ A`.
    SlotOffset,
    /// `GOT + A - P`.
    Table,
    /// `S + A - GOT`.
    FromTable,
    /// A jump in the 256 MB segment of the place.
    Segment,
    /// `S + AHL`, whose other half a `LO16` has.
    Half,
    /// The same, relative to the place.
    RelativeHalf,
    /// The low part of what an `auipc` began.
    LowOfPair,
    /// A number of variable length, made of two relocations.
    Uleb,
}

use Shape::*;

/// The shape of a row's formula, in the letters of `arch`.
pub fn of(arch: &str, row: &Described) -> Option<Shape> {
    let formula = row.formula.as_str();
    let inner = formula.strip_prefix("movz_or_movn(").and_then(|f| f.split_once(", ")).map_or(formula, |f| f.0);
    Some(match (arch, inner) {
        (_, "S + A") => Absolute(0),
        (_, "S + A - P") => Relative(0),
        ("x86_64", "G + GOT + A - P") => Slot(true, 0),
        ("x86_64", "GOT + A - P") => Table,
        ("x86_64" | "aarch64", "S + A - GOT") => FromTable,
        ("x86_64", "G + A") => SlotOffset,
        ("x86_64", "Z + A") => Size,
        ("aarch64", "page(S + A) - page(P)") => Pages,
        ("aarch64", "lo12(S + A)") => Absolute(0),
        ("aarch64", "G(GDAT(S + A)) - P") => Slot(false, 0),
        ("aarch64", "G(GDAT(S)) + A - P") => Slot(true, 0),
        ("aarch64", "page(G(GDAT(S + A))) - page(P)") => SlotPage,
        ("aarch64", "G(GDAT(S + A)) - GOT" | "lo12(G(GDAT(S + A)))" | "G(GDAT(S + A)) - page(GOT)") => SlotFixed,
        ("riscv64", "ha(S + A - P)" | "high(S + A - P)") => Relative(0x800),
        ("riscv64", "ha(S + A)") => Absolute(0x800),
        ("riscv64", "high(G(A) + GOT - P)") => Slot(false, 0x800),
        ("riscv64", "G(0) + GOT + A - P") => Slot(true, 0),
        ("riscv64", "low(S)") => LowOfPair,
        ("riscv64", "set_uleb128(S + A)" | "sub_uleb128(S + A)") => Uleb,
        ("riscv64", "V + S + A") => Add,
        ("riscv64", "V - S - A") => Subtract,
        // A static linker's L is S itself.
        ("s390x", "L + A - P") => Relative(0),
        ("s390x", "L - G + A" | "S + A - G") => FromTable,
        ("s390x", "O + A" | "T + A") => SlotOffset,
        ("s390x", "G + A - P") => Table,
        ("s390x", "G + O + A - P" | "G + T + A - P") => Slot(true, 0),
        // Toys of the tests, whose functions are not part of what they claim.
        ("toy", _) if formula.contains("+ 0x8000") => Half,
        ("toy", _) if formula.contains("S + A - P") => Relative(0),
        ("toy", _) if formula.contains("S + A") => Absolute(0),
        ("mips32", "jump(S, A, P)") => Segment,
        ("mips32", "ha(S + AHL)") => Half,
        ("mips32", "ha(S + AHL - P)") => RelativeHalf,
        ("mips32", "S + A - (P & -8)") => RelativeTo8,
        _ => return None,
    })
}

impl Shape {
    /// Whether the linker must make a table, and where it lies matters.
    pub fn has_table(self) -> bool {
        matches!(self, Slot(..) | SlotPage | SlotFixed | SlotOffset | Table | FromTable)
    }

    /// Whether there is a slot in it.
    pub fn has_slot(self) -> bool {
        matches!(self, Slot(..) | SlotPage | SlotFixed | SlotOffset)
    }

    /// Whether the place is code that the `L` of the psABI names.
    pub fn has_code(row: &Described) -> bool {
        row.formula.starts_with('L')
    }
}
