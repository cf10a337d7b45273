//! The linking process: it has the sandbox, and no rights.
//!
//! | module | what it has |
//! |---|---|
//! | [`zygote`] | the process that is started: it loads the guests, gives up its rights, and starts a process for each job |
//! | [`lockdown`], `seccomp` | what it gives up, in which order |
//! | `proxy` | the kernel as a job sees it: each call is a message to the parent |
//! | `attempts` | what must not be possible, tried from inside |
//! | `system` | the few system calls without a safe interface |
//!
//! The other side of the socket is `relobox-isolate`.
#![warn(missing_docs)]

mod attempts;
pub mod lockdown;
mod proxy;
mod system;
pub mod zygote;

pub use system::never_executable;
pub use zygote::serve_stdin;
