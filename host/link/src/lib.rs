//! Linking: the sandbox that guests run in, and the nine [`stages`] that a module goes through.
//!
//! Data flows one way; each stage borrows the one before it. [`link`] runs them. Native code never interprets a byte of a
//! module: guests do, in the [`sandbox`], and what they answer is checked ([`views`], [`stages::confine`]) as hostile input.
#![warn(missing_docs)]

#[cfg(feature = "compiler")]
pub mod cache;
pub mod call;
#[cfg(feature = "compiler")]
pub mod complexity;
pub mod description;
pub mod guests;
pub mod insmod;
pub mod job;
pub mod layout_linux;
pub mod link;
pub mod needs;
pub mod records;
pub mod report;
pub mod sandbox;
pub mod stages;
pub mod support;
pub mod views;
