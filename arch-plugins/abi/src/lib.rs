//! The records, constants and export names that relobox's host and its guests share.
//!
//! A *guest* is a core WebAssembly module with **zero imports** and one exported memory. The host reserves room in that
//! memory, writes a job, calls an export, and reads the answer. It checks every offset, count and index of an answer as
//! hostile input.
//!
//! These rules hold for every record:
//! * Integers are **little-endian** and naturally aligned. There is no padding: `repr(C)` on wasm32.
//! * Unless a field says otherwise, `at` is an absolute address in the guest's memory, in bytes.
//! * Reserved fields are zero when written and ignored when read.
//! * A table of `count` 0 may have any `at`.
//!
//! This page is all that a plugin in C or WAT needs; `docs/abi.md` explains it in prose. Numbers and names of ELF are
//! those of the generic ABI (gABI) and of each machine's psABI supplement; those of Linux are in include/linux/elf.h,
//! include/uapi/linux/elf.h and include/linux/module.h.
//!
//! # Examples
//!
//! The answer of a plugin that needs nothing and finds one fault:
//!
//! ```
//! use relobox_abi::{Fault, NONE, Plan, Table, cast, fault};
//!
//! // Relocation 3, at offset 0x10 of its section, does not fit into a signed field of 32 bits.
//! let faults = [Fault {
//!     kind: fault::OUT_OF_RANGE,
//!     relocation: 3,
//!     section: 1,
//!     symbol: NONE,
//!     offset: 0x10,
//!     value: 0x8000_0000,
//!     min: -0x8000_0000,
//!     max: 0x7fff_ffff,
//!     ..Default::default()
//! }];
//! // In a guest, `at` is the address of the table in its memory.
//! let plan = Plan { faults: Table { at: 1024, count: 1 }, ..Default::default() };
//!
//! assert_eq!(size_of::<Plan>(), 56);
//! assert_eq!(cast::bytes_of(&faults).len(), 64);
//! assert_eq!(cast::bytes_of(&[plan])[..8], [0, 4, 0, 0, 1, 0, 0, 0]);
//! ```
#![no_std]

pub mod cast;
mod constants;
pub mod export;
mod records;
mod version;

pub use constants::*;
pub use records::*;
pub use version::{ABI_OLDEST, ABI_VERSION};
