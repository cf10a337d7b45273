//! relobox links Linux kernel modules outside the kernel, inside a WebAssembly sandbox.
//!
//! Data flows one way; each stage borrows the one before it, and lives in the file of its name:
//! `open` → `parse` → `plan` → `layout` → `resolve` → `apply` → `confine` → `emit` → `place`.
//! [`link`] runs them. The host never interprets a byte of a module: guests do, in the [`sandbox`],
//! and what they answer is checked ([`records`], [`confine`]) as hostile input.
#![warn(missing_docs)]

pub mod admit;
pub mod apply;
pub mod cache;
pub mod check;
pub mod confine;
pub mod cross_check;
pub mod description;
pub mod emit;
#[cfg(feature = "fuzz")]
pub mod fuzz;
pub mod guests;
pub mod insmod;
pub mod isolate;
pub mod job;
pub mod kit;
pub mod layout;
pub mod layout_linux;
pub mod link;
pub mod modprobe;
pub mod needs;
pub mod open;
pub mod parse;
pub mod place;
pub mod plan;
pub mod records;
pub mod report;
pub mod resolve;
pub mod sandbox;
pub mod support;
pub mod views;

pub use relobox_core::{Error, Problem, Problems, Result};
pub use relobox_core::{
    address_space, areas, digest, error, files, inserted, kernel, limits, linker_fault, memfd, names, problem, rng,
    state, symbols, text,
};

pub use relobox_plugins::{built_in, index, pins, plugin_file, registry};

pub use relobox_kernels as kernels;
