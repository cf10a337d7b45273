//! The limits of the unpacker. The host limits the size of the output, time and memory; these limits prevent that a few
//! bytes of input request much of that memory.

/// Bytes of an xz dictionary. `xz -9` uses 64 MiB, kernel modules 1 or 2 MiB.
pub(crate) const XZ_DICTIONARY: usize = 64 << 20;

/// Bytes of a zstd window. `zstd --ultra -22` uses 128 MiB, which is also the largest that zstd accepts by default.
pub(crate) const ZSTD_WINDOW: u64 = 128 << 20;

/// The largest number of bytes that deflate can produce from one byte.
pub(crate) const DEFLATE_RATIO: usize = 1032;

/// Bytes of the first output buffer: a small module fits.
pub(crate) const FIRST_ROOM: usize = 64 << 10;

/// Bytes of zstd output that are decoded before they are taken from its window: one block.
pub(crate) const ZSTD_STEP: usize = 128 << 10;
