//! What an architecture says of itself.

use crate::Rule;
use relobox_abi::{Detail, Machine, Slice, effect, order, pairing, row_flag, rule};

/// One row of the table, for descriptions.
#[derive(Clone, Copy, Debug)]
pub struct RowInfo {
    /// The type.
    pub kind: u32,
    /// The psABI's name.
    pub name: &'static str,
    /// The formula.
    pub formula: &'static str,
    /// The field's name.
    pub field: &'static str,
    /// The field's bits.
    pub slices: &'static [Slice],
    /// Bytes at the place.
    pub width: u8,
    /// The field's byte order.
    pub order: u8,
    /// The overflow rule.
    pub rule: Rule,
    /// See [`row_flag`](relobox_abi::row_flag).
    pub flags: u32,
    /// See [`Row`](relobox_abi::Row): start, length and rounding.
    pub window: (i8, u8, u8),
    /// Longest window that plan may add.
    pub extra: u8,
    /// See [`effect`](relobox_abi::effect).
    pub effect: u8,
    /// See [`Row`](relobox_abi::Row).
    pub round: u8,
    /// See [`pairing`](relobox_abi::pairing); and the partner's type.
    pub pair: (u8, u32),
}

impl RowInfo {
    /// A row that writes nothing.
    #[must_use]
    pub const fn bare(kind: u32, name: &'static str, why: &'static str, flags: u32) -> Self {
        let rule = Rule { kind: rule::NONE, bits: 64, align: 1 };
        let (order, slices) = (order::DATA, &[] as &[_]);
        let (window, effect, pair) = ((0, 0, 1), effect::UNKNOWN, (pairing::NONE, 0));
        Self {
            kind,
            name,
            formula: why,
            field: "",
            slices,
            width: 0,
            order,
            rule,
            flags,
            window,
            extra: 0,
            effect,
            round: 0,
            pair,
        }
    }
}

/// What an architecture says of itself.
#[derive(Clone, Copy, Debug)]
pub struct About {
    /// Short name.
    pub name: &'static str,
    /// One line.
    pub title: &'static str,
    /// Where the psABI is published.
    pub psabi: &'static str,
    /// What it links.
    pub machines: &'static [Machine],
    /// Bits of a relocation's kind that select its row.
    pub kind_mask: u32,
    /// Numbers it reads from the running kernel, with their defaults.
    pub inputs: &'static [(&'static str, u64)],
    /// The types that are applied or ignored, in the order of the source.
    pub rows: &'static [RowInfo],
    /// The types that are refused.
    pub refused: &'static [Refused],
    /// Sections that Linux's loader makes anew.
    pub remade: &'static [Remade],
    /// More of rows, ascending by type.
    pub details: &'static [Detail],
}

/// A section that Linux's loader makes anew; see [`Remade`](relobox_abi::Remade).
#[derive(Clone, Copy, Debug)]
pub struct Remade {
    /// Its name.
    pub name: &'static str,
    /// See [`loader`](relobox_abi::loader).
    pub loaders: u32,
    /// See [`synthetic_kind`](relobox_abi::synthetic_kind).
    pub kind: u32,
    /// Bytes.
    pub size: u64,
    /// Bytes, a power of two.
    pub align: u64,
}

/// Types with consecutive numbers that are refused for one reason.
#[derive(Clone, Copy, Debug)]
pub struct Refused {
    /// The first type.
    pub first: u32,
    /// The last type.
    pub last: u32,
    /// Their names.
    pub names: &'static [&'static str],
    /// The reason.
    pub why: &'static str,
}

impl About {
    /// Every type that it knows: those that are applied, ignored and refused.
    pub fn every_row(&self) -> impl Iterator<Item = RowInfo> {
        let refused = self.refused.iter().flat_map(|r| {
            (r.first..).zip(r.names).map(|(kind, name)| RowInfo::bare(kind, name, r.why, row_flag::REJECT))
        });
        self.rows.iter().copied().chain(refused)
    }
}
