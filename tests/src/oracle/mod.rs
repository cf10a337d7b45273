//! Other linkers, asked to link the same module at the same addresses.
//!
//! An oracle gets a [`Job`] (an object, an address for each of its sections, a value for each of its
//! undefined symbols) and answers with an [`Image`]. Nothing here knows what a relocation is: that the
//! answer was computed by somebody else's code is the point.
//!
//! The linkers were made for programs, and merge strings, drop unused sections, sort notes and relax
//! instructions. [`neutral`] rewrites a copy of the object so that none of that applies, and [`script`]
//! fixes every address.

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
mod script;
mod tool;

pub use image::{Image, Placed};
pub use job::{Job, Target};
pub use needs::{corpus, every_corpus, linkers, wanted};
pub use tool::gnu_ld;
