//! The error type of the engine.

use relobox_abi::{Fault, NONE};

/// A fault, and its text.
#[derive(Clone, Copy, Debug)]
pub struct ElfError {
    /// The record. [`Fault::text`] is filled in when the fault leaves the guest.
    pub fault: Fault,
    /// What is wrong, as the end of a sentence.
    pub text: &'static str,
}

/// Creates the error that the file is malformed: the field at `offset` of the file is `value`, and may be at most
/// `max`.
#[cold]
pub(crate) fn malformed(text: &'static str, offset: u64, value: u64, max: u64) -> ElfError {
    fault(relobox_abi::fault::MALFORMED, NONE, text, offset, value, max)
}

/// As [`malformed`], about a section.
#[cold]
pub(crate) fn bad_section(section: usize, text: &'static str, offset: u64, value: u64, max: u64) -> ElfError {
    fault(relobox_abi::fault::MALFORMED, section as u32, text, offset, value, max)
}

#[cold]
pub(crate) fn fault(kind: u32, section: u32, text: &'static str, offset: u64, value: u64, max: u64) -> ElfError {
    let (value, max) = (value as i64, max as i64);
    let fault = Fault { kind, relocation: NONE, symbol: NONE, section, offset, value, max, ..Default::default() };
    ElfError { fault, text }
}
