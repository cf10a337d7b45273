//! The error type of the unpacker.

use relobox_abi::{Fault, NONE, fault};

/// A fault, and its text.
#[derive(Clone, Copy, Debug)]
pub struct UnpackError {
    /// The record: [`fault::BAD_STREAM`] or [`fault::TOO_LARGE`], with the offset in the compressed file.
    /// [`Fault::text`] is filled in when the fault leaves the guest.
    pub fault: Fault,
    /// What is wrong, as the end of a sentence.
    pub text: &'static str,
}

/// Creates the error that the stream is damaged at `offset` of the compressed file.
#[cold]
pub(crate) fn bad_stream(text: &'static str, offset: usize) -> UnpackError {
    let fault = Fault { kind: fault::BAD_STREAM, offset: offset as u64, ..nowhere() };
    UnpackError { fault, text }
}

/// Creates the error that a size at `offset` of the compressed file is `value`, and may be at most `max`.
#[cold]
pub(crate) fn too_large(text: &'static str, offset: usize, value: u64, max: u64) -> UnpackError {
    let (value, max) = (i64::try_from(value).unwrap_or(i64::MAX), i64::try_from(max).unwrap_or(i64::MAX));
    let fault = Fault { kind: fault::TOO_LARGE, offset: offset as u64, value, max, ..nowhere() };
    UnpackError { fault, text }
}

/// Returns a fault about the file, and not about a part of a module.
fn nowhere() -> Fault {
    Fault { relocation: NONE, section: NONE, symbol: NONE, ..Default::default() }
}
