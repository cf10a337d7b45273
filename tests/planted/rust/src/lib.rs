//! Relocation plugins with one bug each, and without: an architecture by feature, and a bug by another.
//!
//! README.md beside this crate has the list, and what each bug is modelled on.
#![no_std]

extern crate alloc;

#[cfg(feature = "arm64_got")]
pub mod arm64_got;
#[cfg(feature = "ppc32")]
pub mod ppc32;
