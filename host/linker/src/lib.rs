//! The linking process: it contains the sandbox, and has no rights.
//!
//! | module | what it has |
//! |---|---|
//! | [`zygote`] | the first process: loads the guests, gives up its rights, and forks a process for each job |
//! | [`lockdown`], `seccomp` | the rights that are given up, in their order |
//! | `proxy` | the kernel as a job sees it: each call is a message to the parent |
//! | `parent` | the parent as the other jobs see it: steps, batches of modules, texts |
//! | `depmod` | the jobs of depmod and modinfo |
//! | `signed` | the jobs that unpack a module and judge its signature, before it is linked |
//! | `questions` | the jobs of librelobox |
//! | [`inspect`] | what is in a module |
//! | `attempts` | tries from inside what must not be possible |
//! | `system` | the few system calls without a safe interface |
//!
//! The other side of the socket is `relobox-isolate`.
#![warn(missing_docs)]

mod attempts;
mod contents;
mod depmod;
pub mod inspect;
pub mod lockdown;
mod parent;
mod proxy;
mod questions;
mod signed;
mod system;
pub mod zygote;

pub use system::never_executable;
pub use zygote::serve_stdin;
