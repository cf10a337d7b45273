//! The engine: ELF bytes to flat records, and flat records to ELF bytes.
//!
//! It is the only part of relobox that reads ELF. It runs as a guest without imports, and natively
//! in tests and benchmarks. It believes nothing that the file says: every offset, count, index and
//! string is checked here, and its records are checked once more by the host.
//!
//! | file | what it does |
//! |---|---|
//! | `parse` | the header, the section table, and the order of everything else |
//! | `tables` | sections, symbols |
//! | `relocations`, `crel` | relocations, in each of ELF's forms |
//! | `linux` | what only kernel modules have: modinfo, versions, the appended signature |
//! | `exports` | the tables of what a module exports |
//! | `emit` | a linked ELF |
//! | `relocated` | the module itself with its relocations done |
//! | `limits` | how much is too much |
//! | `guest` | the exports |
//!
//! All [`Span`](relobox_abi::Span)s in records are relative to the file.
#![cfg_attr(target_arch = "wasm32", no_std)]

extern crate alloc;

mod crel;
mod emit;
mod exports;
mod guest;
mod limits;
mod linux;
mod parse;
mod relocated;
mod relocations;
mod tables;

pub use emit::{Placed, emit_linked};
pub use parse::{Module, parse};
pub use relocated::{append_sections, void_relocations};

use relobox_abi::{Fault, NONE, Span};

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
fn malformed(text: &'static str, offset: u64, value: u64, max: u64) -> Finding {
    fault(relobox_abi::fault::MALFORMED, NONE, text, offset, value, max)
}

/// The same, about a section.
#[cold]
fn bad_section(section: usize, text: &'static str, offset: u64, value: u64, max: u64) -> Finding {
    fault(relobox_abi::fault::MALFORMED, section as u32, text, offset, value, max)
}

#[cold]
fn fault(kind: u32, section: u32, text: &'static str, offset: u64, value: u64, max: u64) -> Finding {
    let (value, max) = (value as i64, max as i64);
    let fault = Fault { kind, relocation: NONE, symbol: NONE, section, offset, value, max, ..Default::default() };
    Finding { fault, text }
}

/// Bytes of the file.
fn bytes_of(file: &[u8], span: Span) -> &[u8] {
    file.get(span.at as usize..).and_then(|rest| rest.get(..span.len as usize)).unwrap_or(&[])
}

/// The string that starts at `at` and ends before a NUL that lies before `end`.
fn string_at(file: &[u8], at: usize, end: usize) -> Option<Span> {
    let rest = file.get(at..end)?;
    let len = rest.iter().position(|b| *b == 0)?;
    Some(Span { at: u32::try_from(at).ok()?, len: len as u32 })
}
