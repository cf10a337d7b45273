//! relobox links Linux kernel modules outside the kernel, inside a WebAssembly sandbox.
//!
//! Data flows in one direction. Each stage borrows from the one before it, and has a module of its own:
//! `open` → `parse` → `plan` → `layout` → `resolve` → `apply` → `confine` → `emit` → `place`. [`link`] runs them. The
//! host does not parse a module. Guests do that in the [`sandbox`], and the host checks their answers as hostile input
//! ([`records`], [`confine`]).
#![warn(missing_docs)]

pub mod check;
pub mod cross_check;
pub mod parallel;
pub mod picture;
pub mod section_map;
pub mod signatures;
pub mod symbol_search;

pub use relobox_core::{Diagnostic, Diagnostics, Error, Result};
pub use relobox_core::{
    areas, diagnostic, digest, error, files, inserted, kernel, keys, limits, linker_error, memfd, names, parameters,
    rng, sealed, signature, state, symbols, text,
};

pub use relobox_guests as built_in;
pub use relobox_plugins::{compiled, index, pins, plugin_file, registry};

pub use relobox_kernels as kernels;

pub use relobox_link::stages::{apply, confine, emit, layout, open, parse, place, plan, resolve};
pub use relobox_link::{
    cache, call, complexity, description, guests, insmod, job, layout_linux, link, needs, records, sandbox, support,
    views,
};

pub use relobox_modprobe as modprobe;

pub use relobox_isolate as isolate;
pub use relobox_isolate::message;

pub use relobox_linker as linker;

pub use relobox_kit as kit;
