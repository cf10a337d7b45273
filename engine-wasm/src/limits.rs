//! How much is too much. Time and memory are the host's to limit; these keep arithmetic in range.

/// Bytes of a file: spans are 32 bits wide, and a Wasm memory ends at 4 GiB. The largest module of any
/// distribution is 20 MB (60 MB with debug information).
pub(crate) const FILE: usize = 1 << 30;

/// Bytes of one section without contents (.bss): nothing needs more, and addresses must not wrap.
pub(crate) const NOBITS: u64 = 1 << 30;

/// Alignment of a section: a large page.
pub(crate) const ALIGN: u64 = 1 << 21;

/// Sections of a file: a module of `-ffunction-sections` has 20,000.
pub(crate) const SECTIONS: usize = 1 << 18;

/// Sections of a file that is written: the symbols' 16-bit indices, and the header's 16-bit count, reach no further
/// without a table of their own.
pub(crate) const WRITTEN_SECTIONS: usize = 0xfeff;

/// Bytes of a relocated file with synthetic sections: `FILE`, and as much again; 32-bit offsets reach it all.
pub(crate) const RELOCATED: u64 = 2 << 30;

/// Bytes of all names of sections and symbols of a file of `input` bytes. Names may share bytes (GNU as merges
/// tails), but each is scanned to its end, and copied when a plugin or a linked file gets it.
pub(crate) const fn names_for(input: u64) -> u64 {
    (64 << 10) + input.saturating_mul(2)
}

/// Relocations of a file of `input` bytes: a record has 24 bytes, and the host gives twelve times the file's. An entry of
/// REL has at least eight bytes; one of CREL may have one, but those of compilers have three, and are not all there is.
pub(crate) const fn relocations_for(input: u64) -> u64 {
    (64 << 10) + input / 3
}
