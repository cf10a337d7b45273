//! The unpacker: decompresses gzip, xz or zstd, which it recognises by their magic.
//!
//! It is a separate guest, so that the engine stays small and a damaged stream is never in the same memory as ELF
//! parsing. It runs without imports, and natively in tests. Either a whole file is decompressed, or a fault is
//! returned: every checksum and size of the format is verified, and data after the last member, stream or frame is a
//! fault.
//!
//! | file | contents |
//! |---|---|
//! | `gzip` | RFC 1952 around miniz_oxide's deflate |
//! | `xz` | the .xz format, by lzma-rust2 |
//! | `zstd` | RFC 8878, frames by ruzstd |
//! | `output` | the output buffer and its limit |
//! | `error` | the error type |
//! | `limits` | the limits |
//! | `guest` | the exports of the guest |
#![cfg_attr(target_arch = "wasm32", no_std)]

extern crate alloc;

mod error;
mod guest;
mod gzip;
mod limits;
mod output;
mod xz;
mod zstd;

pub use error::UnpackError;

use alloc::vec::Vec;
use error::bad_stream;
use output::Output;

/// Decompresses `bytes`, which must be gzip, xz or zstd from the first byte to the last, to at most `limit` bytes.
///
/// # Errors
/// [`TOO_LARGE`](relobox_abi::fault::TOO_LARGE) as soon as the output exceeds `limit` bytes, or if a dictionary or
/// window is larger than any module needs; [`BAD_STREAM`](relobox_abi::fault::BAD_STREAM) for all other errors.
pub fn unpack(bytes: &[u8], limit: usize) -> Result<Vec<u8>, UnpackError> {
    let mut output = Output::new(limit);
    match bytes {
        [0x1f, 0x8b, ..] => gzip::unpack(bytes, &mut output)?,
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => xz::unpack(bytes, &mut output)?,
        [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => zstd::unpack(bytes, &mut output)?,
        _ => return Err(bad_stream("it is not packed with gzip, xz or zstd", 0)),
    }
    Ok(output.into_bytes())
}
