//! How much is too much. The bytes that come out are the host's to limit, and so are time and memory;
//! these keep a few bytes of input from asking for a large part of that memory.

/// Bytes of an xz dictionary: `xz -9` uses 64 MiB, kernel modules 1 or 2 MiB.
pub(crate) const XZ_DICTIONARY: usize = 64 << 20;

/// Bytes of a zstd window: `zstd --ultra -22` uses 128 MiB, and so does the largest that zstd reads unasked.
pub(crate) const ZSTD_WINDOW: u64 = 128 << 20;

/// Bytes that deflate can make of one byte.
pub(crate) const DEFLATE_RATIO: usize = 1032;

/// Bytes of output to begin with: a small module fits.
pub(crate) const FIRST_ROOM: usize = 64 << 10;

/// Bytes of zstd to decode before they are moved out of its window: one block.
pub(crate) const ZSTD_STEP: usize = 128 << 10;
