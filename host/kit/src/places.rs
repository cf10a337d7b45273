//! Overlaps between the places of a section's relocations.

use super::test_module::Section;
use relobox_abi::{Row, effect, pairing};
use relobox_link::description::{PluginDescription, PluginRow};
use relobox_link::stages::confine::window_start;

/// The way in which a relocation shares its bytes with others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sharing {
    /// No other relocation changes them.
    Alone,
    /// Several relocations at the same place change them in turn, each starting from the result of the one before.
    Chain,
    /// Other relocations change some of them.
    Mixed,
}

/// The overlaps between the relocations of a section.
pub(crate) struct Places {
    sharing: Vec<Sharing>,
    chains: Vec<Vec<usize>>,
}

/// Returns the half-open range of section offsets that a relocation of this row may change.
pub(crate) fn span(row: &Row, offset: u64) -> (i128, i128) {
    let start = window_start(row, offset);
    let end = start + i128::from(row.window_len);
    let field = (i128::from(offset), i128::from(offset) + i128::from(row.width));
    if row.window_len == 0 { field } else { (start.min(field.0), end.max(field.1)) }
}

impl Places {
    /// Returns whether the field of a relocation is inside a section of `len` bytes. For a row that finds its own
    /// window, the result is whether its start is inside.
    #[must_use]
    pub(crate) fn inside(row: &Row, offset: u64, len: usize) -> bool {
        match row.width {
            0 => row.window_len == 0 || offset < len as u64,
            width => offset.checked_add(width.into()).is_some_and(|end| end <= len as u64),
        }
    }

    /// Returns whether a section of `len` bytes cuts off a part of the window.
    #[must_use]
    pub(crate) fn cut(row: &Row, offset: u64, len: usize) -> bool {
        let (start, end) = span(row, offset);
        row.window_len != 0 && (start < 0 || end > len as i128)
    }

    /// Computes the overlaps between the relocations of `section`.
    #[must_use]
    pub(crate) fn of(about: &PluginDescription, section: &Section) -> Self {
        let rows: Vec<_> = section.relocations.iter().map(|r| about.row(r.kind).filter(|row| row.writes())).collect();
        // Windows that the plan stage declares may be anywhere in the section.
        if rows.iter().flatten().any(|row| row.row.extra != 0) {
            return Self { sharing: vec![Sharing::Mixed; rows.len()], chains: Vec::new() };
        }
        let mut spans: Vec<_> = (0..)
            .zip(&section.relocations)
            .filter_map(|(i, r)| {
                let (row, len) = (&rows[i]?.row, section.bytes.len());
                let (start, end) = span(row, r.offset);
                let (start, end) = (start.max(0), end.min(len as i128));
                (end > start && Self::inside(row, r.offset, len)).then_some((start as u64, end as u64, i))
            })
            .collect();
        spans.sort_unstable();
        let mut places = Self { sharing: vec![Sharing::Alone; rows.len()], chains: Vec::new() };
        let mut rest = &spans[..];
        while let Some((_, first_end, _)) = rest.first() {
            let mut end = *first_end;
            let count = 1 + rest[1..]
                .iter()
                .take_while(|s| {
                    let touches = s.0 < end;
                    end = if touches { end.max(s.1) } else { end };
                    touches
                })
                .count();
            let (together, behind) = rest.split_at(count);
            rest = behind;
            if count == 1 {
                continue;
            }
            let mut chain: Vec<usize> = together.iter().map(|s| s.2).collect();
            chain.sort_unstable();
            let same = |i: &usize| {
                let (r, first) = (&section.relocations[*i], &section.relocations[chain[0]]);
                let width = |i: usize| rows[i].map(|row| row.row.width);
                r.offset == first.offset && width(*i) == width(chain[0]) && rows[*i].is_some_and(goes_on)
            };
            let all = chain.iter().all(same);
            chain.iter().for_each(|i| places.sharing[*i] = if all { Sharing::Chain } else { Sharing::Mixed });
            if all {
                places.chains.push(chain);
            }
        }
        places
    }

    /// Returns whether any relocation is [`Sharing::Mixed`].
    #[must_use]
    pub(crate) fn has_mixed(&self) -> bool {
        self.sharing.contains(&Sharing::Mixed)
    }

    /// Returns how relocation `index` shares its bytes. `index` must be less than the number of relocations.
    #[must_use]
    pub(crate) fn sharing(&self, index: usize) -> Sharing {
        self.sharing[index]
    }

    /// Calls `of` with the relocation indices of each chain, in file order.
    pub(crate) fn chains(&self, of: impl FnMut(&[usize])) {
        self.chains.iter().map(Vec::as_slice).for_each(of);
    }
}

fn goes_on(row: &PluginRow) -> bool {
    row.row.pairing == pairing::PLACE && matches!(row.row.effect, effect::ABSOLUTE | effect::PLUS | effect::MINUS)
}
