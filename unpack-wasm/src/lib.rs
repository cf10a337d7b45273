//! The unpacker: gzip, xz or zstd, told apart by their magic, to bytes.
//!
//! It is a guest of its own so that the engine stays small, and so that a damaged stream is never in
//! the same memory as ELF parsing. It runs without imports, and natively in tests. A whole file is
//! unpacked or a fault is returned: every checksum and size that the format has is verified, and
//! whatever follows the last member, stream or frame is a fault.
//!
//! | file | what it does |
//! |---|---|
//! | `gzip` | RFC 1952 around miniz_oxide's deflate |
//! | `xz` | the .xz format, by lzma-rust2 |
//! | `zstd` | RFC 8878, frames by ruzstd |
//! | `output` | the bytes so far, and their limit |
//! | `finding` | what is wrong with a file |
//! | `limits` | how much is too much |
//! | `guest` | the exports |
#![cfg_attr(target_arch = "wasm32", no_std)]

extern crate alloc;

mod finding;
mod guest;
mod gzip;
mod limits;
mod output;
mod xz;
mod zstd;

pub use finding::Finding;

use alloc::vec::Vec;
use finding::bad_stream;
use output::Output;

/// Unpacks `bytes`, which must be gzip, xz or zstd from the first byte to the last, to at most `limit` bytes.
///
/// # Errors
/// [`TOO_LARGE`](relobox_abi::fault::TOO_LARGE) as soon as more than `limit` bytes come out, or if a dictionary or window
/// is larger than any module's; [`BAD_STREAM`](relobox_abi::fault::BAD_STREAM) for everything else that is wrong.
pub fn unpack(bytes: &[u8], limit: usize) -> Result<Vec<u8>, Finding> {
    let mut output = Output::new(limit);
    match bytes {
        [0x1f, 0x8b, ..] => gzip::unpack(bytes, &mut output)?,
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => xz::unpack(bytes, &mut output)?,
        [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => zstd::unpack(bytes, &mut output)?,
        _ => return Err(bad_stream("it is not packed with gzip, xz or zstd", 0)),
    }
    Ok(output.into_bytes())
}
