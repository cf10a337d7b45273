//! Attribution of a stray write: finds the relocation that most likely changed a byte outside every window.

use super::places::span;
use super::test_module::TestModule;
use relobox_abi::{pairing, row_flag};
use relobox_core::text::decoded;
use relobox_link::description::{PluginDescription, PluginRow};

/// Returns the name of the row that most likely changed the byte at `offset` of the section `section` (a name as
/// returned by [`decoded`]), joined with the name of its partner if both rows write in the same way. Returns `None` if
/// no relocation of the section writes.
///
/// A relocation that may declare further windows and whose declared range covers the byte comes first; otherwise the
/// nearest relocation is chosen.
#[must_use]
pub fn blame(about: &PluginDescription, module: &TestModule, section: &str, offset: u64) -> Option<String> {
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
