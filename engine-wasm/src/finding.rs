//! What is wrong with a file.

use relobox_abi::{Fault, NONE};

/// A fault, and words for people.
#[derive(Clone, Copy, Debug)]
pub struct Finding {
    /// The record; [`Fault::text`] is filled in only when it leaves the guest.
    pub fault: Fault,
    /// What is wrong, as the end of a sentence.
    pub text: &'static str,
}

/// The file is not what ELF says it should be: `value` at `offset` of the file, at most `max`.
#[cold]
pub(crate) fn malformed(text: &'static str, offset: u64, value: u64, max: u64) -> Finding {
    fault(relobox_abi::fault::MALFORMED, NONE, text, offset, value, max)
}

/// The same, about a section.
#[cold]
pub(crate) fn bad_section(section: usize, text: &'static str, offset: u64, value: u64, max: u64) -> Finding {
    fault(relobox_abi::fault::MALFORMED, section as u32, text, offset, value, max)
}

#[cold]
pub(crate) fn fault(kind: u32, section: u32, text: &'static str, offset: u64, value: u64, max: u64) -> Finding {
    let (value, max) = (value as i64, max as i64);
    let fault = Fault { kind, relocation: NONE, symbol: NONE, section, offset, value, max, ..Default::default() };
    Finding { fault, text }
}
