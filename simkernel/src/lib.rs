//! A simulated kernel: a process of its own with the three primitives that Roman Zippel proposed in 2002.
//!
//! *List* what is loaded and where; *allocate* space, owned by the connection; *put and call*. On top of them
//! stands what makes areas a module: load (init runs, then it is live, or nothing is left) and remove.
//! Module code really runs, in a process that gave up what it does not need before its first client came.
//!
//! ```text
//! Client ──one message──> socket ──> process::server  (poll, ownership by connection)
//!                                     └─ kernel       (requests: what is allowed, what changes)
//!                                         ├─ arena    (memory in the low 2 GiB, writable or executable)
//!                                         ├─ load     (COMING -> init -> live, or nothing)
//!                                         ├─ params   (parse_args against the module's own table)
//!                                         └─ call     (into module code; oops catches what goes wrong)
//! ```
//!
//! **A crash in module code kills the kernel**, as it may a real one: a line goes to the console (standard error),
//! the client whose request it was gets a last message, everybody else finds the connection closed. The client
//! reports both as [`ClientError::KernelDied`]. The next [`start()`] begins with no modules, as a reboot does.
//!
//! **Trust.** Clients are not trusted: every address, size, count and name is checked against what the connection
//! owns. Module code is: it is the kernel's own. It is held by the process's confinement alone.

pub mod limits;
pub mod protocol;
pub mod samples;
mod sim_error;
pub mod wire;

mod client;
mod error;
mod release;
mod serve;
mod start;

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod process;

pub use client::{Client, ClientError};
pub use error::ServeError;
pub use release::{RELEASE, VERMAGIC};
pub use serve::{serve, serve_stdin};
pub use sim_error::SimError;
pub use start::{bind, spawn, start};
