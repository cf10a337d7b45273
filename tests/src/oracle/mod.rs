//! Other linkers as oracles: they link the same module at the same addresses.
//!
//! An oracle takes a [`Job`] (an object, an address for each of its sections, a value for each of its undefined
//! symbols) and returns an [`Image`]. Nothing in this module interprets relocations: the answer comes from independent
//! code.
//!
//! The linkers were made for programs. They merge strings, drop unused sections, sort notes and relax instructions.
//! `neutral` rewrites a copy of the object so that none of this applies, and `script` fixes every address.

pub mod bfd;
pub mod compare;
pub mod destination;
mod image;
pub mod jitlink;
mod job;
pub mod layout;
pub mod lld;
mod needs;
mod neutral;
pub mod references;
pub mod resolve;
mod script;
mod tool;

pub use crate::arch::Target;
pub use image::{Image, Placed};
pub use job::Job;
pub use needs::{corpus, every_corpus, linkers, sample_size};
