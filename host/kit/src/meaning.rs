//! What rows' values are made of.

use super::formula::Formula;
use relobox_abi::{effect, row_flag};
use relobox_link::description::PluginRow;

/// What a row's value is made of.
pub(crate) enum Meaning {
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

/// What the value of `row` is made of.
pub(crate) fn meaning(row: &PluginRow) -> Meaning {
    let letters = |text| Formula::read(text).map_or(Meaning::Unknown(UNREADABLE), Meaning::Formula);
    if row.is(row_flag::BY_HAND) {
        return Meaning::Unknown("it is written by hand");
    }
    if i64::from(row.row.align) > half(row) && row.row.round != 0 {
        return Meaning::Unknown("it must be a multiple of more than it is rounded by");
    }
    match row.row.effect {
        effect::UNKNOWN => letters(&row.formula),
        effect::ABSOLUTE => letters("S + A"),
        effect::RELATIVE => letters("S + A - P"),
        effect::SIZE => letters("Z + A"),
        effect::PLUS => Meaning::Plus,
        effect::MINUS => Meaning::Minus,
        effect::PAGES => Meaning::Pages,
        effect::IN_PAGE => Meaning::InPage,
        effect::PARTNER => Meaning::Partner,
        effect::SLOT => Meaning::Tables,
        _ => Meaning::Unknown("nobody knows this effect"),
    }
}

/// Why nobody can foretell what a formula in words or with a function comes to.
pub(crate) const UNREADABLE: &str = "its formula cannot be read";

/// Why nobody can foretell a value that is made of an entry's address, before the plugin has made the entry.
pub(crate) const TABLES: &str = "its value depends on a table of the plugin's own";

/// The number that a rule speaks of.
#[derive(Clone, Debug)]
pub(crate) struct Measure {
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
