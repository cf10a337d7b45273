//! Every record, fault and export name that relobox's host and its guests share.
//!
//! A *guest* is a core WebAssembly module with **zero imports** and one exported memory. The host
//! reserves room in that memory, writes a job, calls an export, and reads the answer back; every
//! offset, count and index in an answer is checked as hostile input.
//!
//! Rules that hold for every record here:
//! * integers are **little-endian**, naturally aligned, without padding: `repr(C)` on wasm32;
//! * unless said otherwise a `at` is an absolute address in the guest's memory, in bytes;
//! * reserved fields are zero when written and ignored when read;
//! * a table of `count` 0 may have any `at`.
//!
//! A plugin in C or WAT needs only this page; `docs/abi.md` says the same in prose.
#![no_std]

pub mod cast;
mod constants;
pub mod export;
mod records;
mod version;

pub use constants::*;
pub use records::*;
pub use version::{ABI_OLDEST, ABI_VERSION};
