//! Where linkers put their tables.

/// How far behind the vectors' sections an empty one lies, behind which linkers put their tables.
pub(super) const ANCHOR: u64 = 0x0200_0000;

/// Where the linker that is going to be asked puts its tables.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Probe {
    /// Who was asked: what it says of a vector made for its tables is what counts.
    pub(super) linker: &'static str,
    /// The slot of `s`.
    pub(super) slot: Option<u64>,
    /// Where the table begins: what `GOT` stands for.
    pub(super) table: Option<u64>,
}

/// Whether a section there leaves the tables where they are.
pub(super) fn keeps_tables(base: u64, at: u64, len: u64, class: u8) -> bool {
    let anchor = base + ANCHOR;
    let end = at.checked_add(len).filter(|end| class == 64 || *end <= 1 << 32);
    end.is_some_and(|end| end <= anchor || end.abs_diff(anchor) > 1 << 30 && at > anchor)
}
