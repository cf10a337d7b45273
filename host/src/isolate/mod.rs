//! Split privilege: linking happens in a process without rights.
//!
//! The privileged *parent* holds the kernel and the module's file, and looks into neither. It starts a [`Linker`]: a
//! *zygote*, which loads the guests and then gives up user, capabilities, files, network and all but a few system
//! calls; and for each job the zygote starts a process, which gives up the rest, links the module, and asks the parent
//! for what only a kernel can do. The parent lets it list, allocate and load, once each and in that order. See
//! `docs/isolation.md`.

mod attempts;
mod linker;
mod lockdown;
mod message;
mod prove;
mod proxy;
mod serve;
mod system;
mod wire;
mod zygote;

pub use attempts::ATTEMPTS;
pub use linker::{Linker, Options};
pub use message::{ARGUMENT, Tried};
pub use prove::serve_if_asked;
pub use zygote::serve_stdin;
