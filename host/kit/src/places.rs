//! Which relocations of a section change the same bytes.

use super::test_module::Section;
use relobox_abi::{Row, effect, pairing};
use relobox_link::description::{About, PluginRow};
use relobox_link::stages::confine::window_start;

/// Whether a relocation has its bytes for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sharing {
    /// It has.
    Alone,
    /// Others are meant to stand at its place too, and each goes on from what the last has left.
    Chain,
    /// Others change some of them.
    Mixed,
}

/// The places of a section's relocations.
pub struct Places {
    sharing: Vec<Sharing>,
    chains: Vec<Vec<usize>>,
}

/// From where to where a relocation of this row may change bytes, in the section; the end is not one of them.
pub(crate) fn span(row: &Row, offset: u64) -> (i128, i128) {
    let start = window_start(row, offset);
    let end = start + i128::from(row.window_len);
    let field = (i128::from(offset), i128::from(offset) + i128::from(row.width));
    if row.window_len == 0 { field } else { (start.min(field.0), end.max(field.1)) }
}

impl Places {
    /// Whether the field of a relocation lies in a section of `len` bytes; of a row that finds its own, whether it begins
    /// there.
    #[must_use]
    pub fn inside(row: &Row, offset: u64, len: usize) -> bool {
        match row.width {
            0 => row.window_len == 0 || offset < len as u64,
            width => offset.checked_add(width.into()).is_some_and(|end| end <= len as u64),
        }
    }

    /// Whether the window of a relocation is cut off where a section of `len` bytes begins or ends.
    #[must_use]
    pub fn cut(row: &Row, offset: u64, len: usize) -> bool {
        let (start, end) = span(row, offset);
        row.window_len != 0 && (start < 0 || end > len as i128)
    }

    /// The places of the relocations of `section`.
    #[must_use]
    pub fn of(about: &About, section: &Section) -> Self {
        let rows: Vec<_> = section.relocations.iter().map(|r| about.row(r.kind).filter(|row| row.writes())).collect();
        // Where plan declares windows they may be anywhere in the section.
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

    /// Whether any byte is changed by several that are not meant to.
    #[must_use]
    pub fn disturbed(&self) -> bool {
        self.sharing.contains(&Sharing::Mixed)
    }

    /// Whether relocation `index` has its bytes for itself.
    #[must_use]
    pub fn sharing(&self, index: usize) -> Sharing {
        self.sharing[index]
    }

    /// Every chain, in file order.
    pub fn chains(&self, of: impl FnMut(&[usize])) {
        self.chains.iter().map(Vec::as_slice).for_each(of);
    }
}

fn goes_on(row: &PluginRow) -> bool {
    row.row.pairing == pairing::PLACE && matches!(row.row.effect, effect::ABSOLUTE | effect::PLUS | effect::MINUS)
}
