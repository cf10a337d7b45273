//! The plugins of this machine: those that are built in and those in files, which of them take precedence, and which
//! are pinned.
//!
//! This crate compiles and runs no guest. The machines of a plugin are in a section of its Wasm ([`index`]).
#![warn(missing_docs)]

pub mod compiled;
pub mod index;
pub mod pins;
pub mod plugin_file;
pub mod registry;

pub use relobox_guests::section;
