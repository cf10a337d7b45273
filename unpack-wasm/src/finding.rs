//! What is wrong with a packed file.

use relobox_abi::{Fault, NONE, fault};

/// A fault, and words for people.
#[derive(Clone, Copy, Debug)]
pub struct Finding {
    /// The record: [`fault::BAD_STREAM`] or [`fault::TOO_LARGE`], and where in the packed file.
    /// [`Fault::text`] is filled in only when it leaves the guest.
    pub fault: Fault,
    /// What is wrong, as the end of a sentence.
    pub text: &'static str,
}

/// The stream is damaged at `offset` of the packed file.
#[cold]
pub(crate) fn bad_stream(text: &'static str, offset: usize) -> Finding {
    let fault = Fault { kind: fault::BAD_STREAM, offset: offset as u64, ..nowhere() };
    Finding { fault, text }
}

/// Something at `offset` of the packed file is `value` large, and may be `max`.
#[cold]
pub(crate) fn too_large(text: &'static str, offset: usize, value: u64, max: u64) -> Finding {
    let (value, max) = (i64::try_from(value).unwrap_or(i64::MAX), i64::try_from(max).unwrap_or(i64::MAX));
    let fault = Fault { kind: fault::TOO_LARGE, offset: offset as u64, value, max, ..nowhere() };
    Finding { fault, text }
}

/// A fault that is about the file, not about a part of a module.
fn nowhere() -> Fault {
    Fault { relocation: NONE, section: NONE, symbol: NONE, ..Default::default() }
}
