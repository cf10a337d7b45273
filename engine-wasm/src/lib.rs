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
//! | `module` | the records of a file |
//! | `file` | the file while it is read |
//! | `finding` | what is wrong with it |
//! | `limits` | how much is too much |
//! | `guest` | the exports |
//!
//! All [`Span`](relobox_abi::Span)s in records are relative to the file.
#![cfg_attr(target_arch = "wasm32", no_std)]

extern crate alloc;

mod crel;
mod emit;
mod exports;
mod file;
mod finding;
mod guest;
mod limits;
mod linux;
mod module;
mod parse;
mod relocated;
mod relocations;
mod tables;

pub use emit::{Placed, emit_linked};
pub use finding::Finding;
pub use module::Module;
pub use parse::parse;
pub use relocated::{append_sections, void_relocations};
