//! What rows' values are made of.

use super::formula::Formula;
use relobox_abi::{effect, row_flag};
use relobox_link::description::PluginRow;

/// What a row's value is made of.
pub(crate) enum ValueSource {
    Formula(Formula),
    Plus,
    Minus,
    Pages,
    InPage,
    Partner,
    /// An entry of a GOT or a PLT, or the table.
    Tables,
    Unknown(&'static str),
}

impl ValueSource {
    /// Reads the source of a row's value from its effect and its formula.
    pub(crate) fn of(row: &PluginRow) -> Self {
        let letters = |text| Formula::read(text).map_or(Self::Unknown(UNREADABLE), Self::Formula);
        if row.is(row_flag::BY_HAND) {
            return Self::Unknown("it is written by hand");
        }
        if i64::from(row.row.align) > half(row) && row.row.round != 0 {
            return Self::Unknown("it must be a multiple of more than it is rounded by");
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
            _ => Self::Unknown("nobody knows this effect"),
        }
    }
}

/// Why nobody can foretell what a formula in words or with a function comes to.
pub(crate) const UNREADABLE: &str = "its formula cannot be read";

/// Why nobody can foretell a value that is made of an entry's address, before the plugin has made the entry.
pub(crate) const TABLES: &str = "its value depends on a table of the plugin's own";

/// The number that a rule speaks of.
#[derive(Clone, Debug)]
pub(crate) struct RangeFormula {
    pub(crate) formula: Formula,
    /// What the plugin's own function adds, the same at both ends: it may round, or count from elsewhere.
    pub(crate) more: i64,
}

/// Half of what a row's low half holds.
pub(crate) fn half(row: &PluginRow) -> i64 {
    match row.row.round {
        0 => 0,
        round => 1i64 << (round - 1).min(62),
    }
}
