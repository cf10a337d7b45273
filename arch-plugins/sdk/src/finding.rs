//! What can be wrong with a module.

use alloc::vec::Vec;
use relobox_abi::{Fault, NONE, fault};

/// What is wrong with one relocation, before it is known which.
#[derive(Clone, Copy, Debug)]
pub struct Trouble {
    /// See [`fault`].
    pub kind: u32,
    /// See [`fault`].
    pub value: i64,
    /// See [`fault`].
    pub min: i64,
    /// See [`fault`].
    pub max: i64,
    /// A few words, or none.
    pub text: &'static str,
}

impl Trouble {
    /// A kind that needs no numbers.
    #[must_use]
    pub const fn new(kind: u32, text: &'static str) -> Self {
        Self { kind, value: 0, min: 0, max: 0, text }
    }

    /// The other half of a pair is missing.
    #[must_use]
    pub const fn unpaired(text: &'static str) -> Self {
        Self::new(fault::UNPAIRED, text)
    }
}

/// A fault with the words that go with it.
#[derive(Clone, Copy, Debug)]
pub struct Finding {
    /// The record.
    pub fault: Fault,
    /// Its text; [`Fault::text`] is filled in only when the record leaves the guest.
    pub text: &'static str,
}

/// Everything that was found wrong, up to a limit.
#[derive(Debug, Default)]
pub struct Findings {
    /// The first [`Findings::LIMIT`].
    pub list: Vec<Finding>,
    /// How many there were beyond them.
    pub more: u32,
}

impl Findings {
    /// More than anybody reads; a module with more is not going to be mended by hand.
    pub const LIMIT: usize = 1000;

    /// Adds one.
    #[cold]
    pub fn push(&mut self, fault: Fault, text: &'static str) {
        if !self.is_counted() {
            self.list.push(Finding { fault, text });
        }
    }

    /// Counts one beyond the limit, if there are that many: nothing else is kept of it, so that nobody need make it.
    pub(crate) fn is_counted(&mut self) -> bool {
        let full = self.list.len() >= Self::LIMIT;
        self.more = self.more.saturating_add(full.into());
        full
    }

    /// Adds one that is about no relocation: about a section, a symbol, or with [`NONE`] for both the whole module.
    #[cold]
    pub fn push_of_module(&mut self, kind: u32, section: u32, symbol: u32, text: &'static str) {
        self.push(Fault { kind, relocation: NONE, section, symbol, ..Default::default() }, text);
    }
}
