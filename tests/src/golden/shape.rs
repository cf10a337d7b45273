//! The shapes of formulas, which tell how to choose a symbol, an addend or a place for a value.
//!
//! What a formula's shape is, an architecture's file says ([`crate::arch`]). A row without a shape has no vectors, and
//! the completeness test reports it.

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
    /// The architecture's file makes all vectors of the row.
    Special,
}

use Shape::*;

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
