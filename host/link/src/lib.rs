//! The linker: the sandbox that runs guests, and the nine [`stages`] that a module goes through.
//!
//! Data flows one way, and each stage borrows the results of the one before. [`link`] runs them. Native code never
//! parses a module: guests do that in the [`sandbox`], and their answers are checked ([`views`], [`stages::confine`])
//! as hostile input.
#![warn(missing_docs)]

pub mod assumed;
#[cfg(feature = "compiler")]
pub mod cache;
pub mod call;
#[cfg(feature = "compiler")]
pub mod complexity;
pub mod description;
pub mod guests;
pub mod index;
pub mod insmod;
pub mod job;
pub mod layout_linux;
pub mod link;
pub mod needs;
pub mod records;
mod report;
pub mod sandbox;
pub mod stages;
pub mod support;
pub mod views;
