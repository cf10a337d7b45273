//! The addresses of the linkers' tables.

/// The distance from the vectors' sections to an empty section, behind which linkers put their tables.
pub(super) const ANCHOR: u64 = 0x0200_0000;

/// The addresses of a linker's tables.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Probe {
    /// The linker that was probed. Only its answer for the vector counts.
    pub(super) linker: &'static str,
    /// The address of the slot of `s`.
    pub(super) slot: Option<u64>,
    /// The address of the table, which is the value of `GOT`.
    pub(super) table: Option<u64>,
}

/// Returns whether the tables stay where they are if a section is at `at`.
pub(super) fn keeps_tables(base: u64, at: u64, len: u64, class: u8) -> bool {
    let anchor = base + ANCHOR;
    let end = at.checked_add(len).filter(|end| class == 64 || *end <= 1 << 32);
    end.is_some_and(|end| end <= anchor || end.abs_diff(anchor) > 1 << 30 && at > anchor)
}
