//! The sources of a row's value.

use super::formula::Formula;
use relobox_abi::{effect, row_flag};
use relobox_link::description::PluginRow;

/// The way in which the value of a row is computed.
pub(crate) enum ValueSource {
    Formula(Formula),
    Plus,
    Minus,
    Pages,
    InPage,
    Partner,
    /// From the address of a GOT or PLT entry, or of the table.
    Tables,
    Unknown(&'static str),
}

impl ValueSource {
    /// Reads the source of a row's value from its effect and its formula.
    pub(crate) fn of(row: &PluginRow) -> Self {
        let letters = |text| Formula::parse(text).map_or(Self::Unknown(UNREADABLE), Self::Formula);
        if row.is(row_flag::BY_HAND) {
            return Self::Unknown("the plugin writes its bits with a function");
        }
        if i64::from(row.row.align) > half(row) && row.row.round != 0 {
            return Self::Unknown("its alignment is larger than its rounding constant");
        }
        match row.row.effect {
            effect::UNKNOWN => letters(&row.formula),
            effect::ABSOLUTE => letters("S + A"),
            effect::RELATIVE => letters("S + A - P"),
            effect::SIZE => letters("Z + A"),
            effect::PLUS => Self::Plus,
            effect::MINUS => Self::Minus,
            effect::PAGES => Self::Pages,
            effect::IN_PAGE => Self::InPage,
            effect::PARTNER => Self::Partner,
            effect::SLOT => Self::Tables,
            _ => Self::Unknown("its effect is unknown"),
        }
    }
}

/// The reason why the value of a formula with prose or a function call is not predicted.
pub(crate) const UNREADABLE: &str = "its formula cannot be parsed";

/// The reason why a value that depends on the address of a table entry is not predicted before linking.
pub(crate) const TABLES: &str = "its value depends on a table that the plugin makes";

/// The number to which a range rule applies.
#[derive(Clone, Debug)]
pub(crate) struct RangeFormula {
    pub(crate) formula: Formula,
    /// The constant that the plugin's function adds at both ends of the range, for example for rounding.
    pub(crate) more: i64,
}

/// Returns half of the range of the signed low half, or 0 if the row does not round.
pub(crate) fn half(row: &PluginRow) -> i64 {
    match row.row.round {
        0 => 0,
        round => 1i64 << (round - 1).min(62),
    }
}
