//! What the programs of relobox share: errors, diagnostics, text and files, limits, digests, symbol tables, and the
//! interface of a kernel.
//!
//! This crate runs no guest and reads no module.
#![warn(missing_docs)]

pub mod address_space;
pub mod areas;
pub mod byte_order;
pub mod diagnostic;
pub mod digest;
pub mod error;
pub mod files;
pub mod inserted;
pub mod kernel;
pub mod keys;
pub mod limits;
pub mod linker_error;
pub mod memfd;
pub mod names;
pub mod parameters;

pub mod rng;
pub mod sealed;
pub mod signature;
pub mod state;
pub mod symbols;
pub mod text;

pub use diagnostic::{Diagnostic, Diagnostics};
pub use error::{Error, Result};
