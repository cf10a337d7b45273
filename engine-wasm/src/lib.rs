//! The engine: converts ELF files to flat records, and flat records to ELF files.
//!
//! It is the only part of relobox that parses ELF. It runs as a guest without imports, and natively in tests and
//! benchmarks. It trusts nothing in a file: it checks every offset, count, index and string, and the host checks its
//! records once more.
//!
//! | file | contents |
//! |---|---|
//! | `parse` | the header, the section table, and the order of everything else |
//! | `tables` | sections, symbols |
//! | `relocations`, `crel` | relocations in each format of ELF |
//! | `linux` | parts of kernel modules: modinfo, versions, the appended signature |
//! | `exports` | the tables of exported symbols |
//! | `index` | what depmod and modinfo need, from pieces of a file |
//! | `emit` | a linked ELF file |
//! | `relocated` | the module itself, relocated |
//! | `module` | the records of a file |
//! | `file` | the file that is being parsed |
//! | `error` | the error type |
//! | `limits` | the limits |
//! | `guest` | the exports |
//!
//! All [`Span`](relobox_abi::Span)s in records are relative to the file.
#![cfg_attr(target_arch = "wasm32", no_std)]

extern crate alloc;

mod crel;
mod emit;
mod error;
mod exports;
mod file;
mod guest;
mod index;
mod limits;
mod linux;
mod module;
mod parse;
mod relocated;
mod relocations;
mod tables;

pub use emit::{Placed, emit_linked};
pub use error::ElfError;
pub use index::{Linked, Pieces, Summary, index};
pub use module::Module;
pub use parse::parse;
pub use relocated::{append_sections, void_relocations};
