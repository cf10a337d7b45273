//! Whose byte that was: the row of the relocation that most likely changed a byte which none declares.

use super::places::span;
use super::test_module::TestModule;
use relobox_abi::{pairing, row_flag};
use relobox_core::text::decoded;
use relobox_link::description::{About, PluginRow};

/// The row to look at, and its partner if both write alike, for the byte at `offset` of a section of this name, as [`decoded`]; `None`
/// if no relocation of the section writes.
///
/// A relocation that may declare more of its own, and so far, comes first: what it finds at its place may be another
/// one's work. Else it is the nearest.
#[must_use]
pub fn blame(about: &About, module: &TestModule, section: &str, offset: u64) -> Option<String> {
    let sections = module.groups().filter(|(_, s)| decoded(s.name.as_bytes()) == section);
    let relocations = sections.flat_map(|(_, s)| &s.relocations);
    let writing = relocations.filter_map(|r| Some((r, about.row(r.kind).filter(|row| row.writes())?)));
    let far = |(r, row): &(&super::Relocation, &PluginRow)| {
        let further = r.offset.saturating_add(row.row.extra.into());
        let declares = row.row.extra != 0 && (r.offset..further).contains(&offset);
        let ((start, end), offset) = (span(&row.row, r.offset), i128::from(offset));
        let away = if offset < start { start - offset } else { (offset - (end - 1)).max(0) };
        (!declares, away, !row.is(row_flag::BY_HAND), row.row.kind)
    };
    let (_, row) = writing.min_by_key(far)?;
    let alike = |partner: &&PluginRow| {
        let shape = |row: &PluginRow| (row.row.extra, row.row.width, row.row.flags, row.row.window_len);
        partner.row.partner == row.row.kind && shape(partner) == shape(row)
    };
    let partner = about.row(row.row.partner).filter(|_| row.row.pairing != pairing::NONE).filter(alike);
    let mut both: Vec<_> = std::iter::once(row).chain(partner).collect();
    both.sort_by_key(|row| row.row.kind);
    Some(both.into_iter().map(|row| row.name.as_str()).collect::<Vec<_>>().join(" or "))
}
