//! The unpacking guest of relobox: gzip, xz and zstd to bytes
