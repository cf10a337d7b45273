//! The shapes of formulas, which tell how to choose a symbol, an addend or a place for a value.
//!
//! A row whose formula is not listed here has no vectors, and the completeness test reports it.

use crate::module_spec::RowDescription;

/// The shape of a formula.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// `S + A`, plus a rounding constant.
    Absolute(i64),
    /// `S + A - P`, plus a rounding constant.
    Relative(i64),
    /// `S + A - (P & -8)`.
    RelativeTo8,
    /// `Page(S + A) - Page(P)`.
    Pages,
    /// `Z + A`, where Z is the size of the symbol.
    Size,
    /// `V + S + A`, where V is the old value of the field.
    Add,
    /// `V - S - A`, where V is the old value of the field.
    Subtract,
    /// The address of a slot minus P, with or without an addend, plus a rounding constant.
    Slot(bool, i64),
    /// The page of a slot minus `Page(P)`.
    SlotPage,
    /// A value that depends only on the address of the linker's slot.
    SlotFixed,
    /// The offset of a slot in the table, plus A.
    SlotOffset,
    /// `GOT + A - P`.
    Table,
    /// `S + A - GOT`.
    FromTable,
    /// A jump within the 256 MiB segment of the place.
    Segment,
    /// `S + AHL`, with the other half in a `LO16`.
    Half,
    /// `S + AHL - P`, with the other half in a `LO16`.
    RelativeHalf,
    /// The low part of the value of an `auipc`.
    LowOfPair,
    /// A ULEB128 number that two relocations compute.
    Uleb,
}

use Shape::*;

/// Returns the shape of a row's formula in the notation of `arch`.
pub fn of(arch: &str, row: &RowDescription) -> Option<Shape> {
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
        // In a static link L equals S.
        ("s390x", "L + A - P") => Relative(0),
        ("s390x", "L - G + A" | "S + A - G") => FromTable,
        ("s390x", "O + A" | "T + A") => SlotOffset,
        ("s390x", "G + A - P") => Table,
        ("s390x", "G + O + A - P" | "G + T + A - P") => Slot(true, 0),
        // The deliberately wrong test plugins, whose functions are not part of the formula.
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
    /// Returns whether the linker must make a table whose address matters.
    pub fn has_table(self) -> bool {
        matches!(self, Slot(..) | SlotPage | SlotFixed | SlotOffset | Table | FromTable)
    }

    /// Returns whether the table has a slot for the symbol.
    pub fn has_slot(self) -> bool {
        matches!(self, Slot(..) | SlotPage | SlotFixed | SlotOffset)
    }

    /// Returns whether the formula refers to the psABI's `L`, the address of code.
    pub fn has_code(row: &RowDescription) -> bool {
        row.formula.starts_with('L')
    }
}
