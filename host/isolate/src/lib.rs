//! Split privilege: linking happens in a process without rights, and this is the other side.
//!
//! The privileged *parent* holds the kernel and the module's file, and looks into neither. It starts a [`Linker`], the program
//! `relobox-linker`: a *zygote*, which loads the guests and then gives up user, capabilities, files, network and all but a few
//! system calls; and for each job the zygote starts a process, which gives up the rest, links the module, and asks the parent
//! for what only a kernel can do. The parent lets it list, allocate and load, once each and in that order. See
//! `docs/isolation.md`.
//!
//! | module | what it has |
//! |---|---|
//! | [`wire`] | packets, memfds and rooms: how bytes get from one process to the other |
//! | [`message`] | what the processes say to each other, and which of it is believed |
//! | [`shown`] | what a job says is wrong: text for people |
//! | `linker` | [`Linker`]: it starts the process, and its jobs |
//! | `serve` | one job: each request is checked, and then done |
//! | `prove` | what a linking process can do, tried from inside it |
#![warn(missing_docs)]

mod linker;
pub mod message;
mod prove;
mod serve;
pub mod shown;
pub mod wire;

pub use linker::{Linker, Options};
pub use message::{ARGUMENT, Tried};
pub use prove::{ATTEMPTS, prove};
