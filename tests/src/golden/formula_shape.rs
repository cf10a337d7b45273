//! The shape of each row's formula.

use super::shape::Shape::{self, *};
use crate::arch::Architecture;
use crate::module_spec::RowDescription;

/// Returns the shape of a row's formula in the notation of `arch`.
pub fn of(arch: &str, row: &RowDescription) -> Option<Shape> {
    let formula = row.formula.as_str();
    if let Some(arch) = Architecture::named(arch)
        && let Some(shape) = (arch.shape)(row)
    {
        return Some(shape);
    }
    Some(match (arch, formula) {
        (_, "S + A") => Absolute(0),
        (_, "S + A - P") => Relative(0),
        // The deliberately wrong test plugins, whose functions are not part of the formula.
        ("toy", _) if formula.contains("+ 0x8000") => Half,
        ("toy", _) if formula.contains("S + A - P") => Relative(0),
        ("toy", _) if formula.contains("S + A") => Absolute(0),
        _ => return None,
    })
}
