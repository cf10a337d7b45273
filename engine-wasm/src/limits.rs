//! The limits of the engine. The host limits time and memory; these limits keep arithmetic in range.

/// Bytes of a file. Spans are 32 bits wide, and a Wasm memory ends at 4 GiB. The largest module of any distribution has
/// 20 MB (60 MB with debug information).
pub(crate) const FILE: usize = 1 << 30;

/// Bytes of one section without contents (.bss). Addresses must not wrap.
pub(crate) const NOBITS: u64 = 1 << 30;

/// Alignment of a section in bytes: a large page.
pub(crate) const ALIGN: u64 = 1 << 21;

/// Sections of a file. A module that was compiled with `-ffunction-sections` has 20,000.
pub(crate) const SECTIONS: usize = 1 << 18;

/// Sections of a file that is written. The 16-bit section indices of symbols and the 16-bit count in the header allow
/// no more, unless there is an extra table.
pub(crate) const WRITTEN_SECTIONS: usize = 0xfeff;

/// Bytes of a relocated file with synthetic sections: twice [`FILE`]. 32-bit offsets reach all of it.
pub(crate) const RELOCATED: u64 = 2 << 30;

/// Bytes of all names of sections and symbols in a file of `input` bytes. Names may share bytes (GNU as merges tails),
/// but each name is scanned to its end, and copied for a plugin or a linked file.
pub(crate) const fn names_for(input: u64) -> u64 {
    (64 << 10) + input.saturating_mul(2)
}

/// Relocations of a file of `input` bytes. A record has 24 bytes, and the host gives memory for twelve times the file.
/// An entry of REL has at least eight bytes. One of CREL may have one, but compilers write about three, and files have
/// other contents, too.
pub(crate) const fn relocations_for(input: u64) -> u64 {
    (64 << 10) + input / 3
}
