//! relobox links Linux kernel modules outside the kernel, inside a WebAssembly sandbox.
//!
//! Data flows one way; each stage borrows the one before it, and lives in the file of its name:
//! `open` → `parse` → `plan` → `layout` → `resolve` → `apply` → `confine` → `emit` → `place`.
//! [`link`] runs them. The host never interprets a byte of a module: guests do, in the [`sandbox`],
//! and what they answer is checked ([`records`], [`confine`]) as hostile input.
#![warn(missing_docs)]

mod address_space;
pub mod admit;
pub mod apply;
pub mod cache;
pub mod call;
pub mod check;
pub mod confine;
pub mod cross_check;
pub mod emit;
pub mod error;
pub mod files;
#[cfg(feature = "fuzz")]
pub mod fuzz;
pub mod guests;
mod index;
pub mod insmod;
pub mod isolate;
pub mod job;
pub mod kernel;
pub mod kit;
pub mod layout;
pub mod layout_linux;
pub mod limits;
pub mod link;
mod memfd;
pub mod modprobe;
pub mod names;
pub mod open;
pub mod parse;
pub mod pins;
pub mod place;
pub mod plan;
pub mod records;
pub mod registry;
pub mod report;
pub mod resolve;
pub mod sandbox;
pub mod state;
pub mod support;
pub mod symbols;
pub mod text;
mod version;

pub use error::{Error, Problem, Problems, Result};
