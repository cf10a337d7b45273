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
mod refusal;
pub mod samples;
pub mod wire;

mod client;
mod start;

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod process;

pub use client::{Client, ClientError};
pub use refusal::Refusal;
pub use start::{bind, spawn, start};

use std::os::unix::net::UnixListener;

/// The release that this kernel claims; modules for it say so in their `vermagic=`.
pub const RELEASE: &str = "6.1.0-relobox-sim";

/// What `vermagic=` in a module for this kernel says.
pub const VERMAGIC: &str = "6.1.0-relobox-sim SMP";

/// Why the kernel could not start, or had to stop.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Module code is x86-64 code for Linux.
    #[error("the simulated kernel runs x86-64 module code, so it runs on x86-64 Linux only")]
    Unsupported,
    /// The listener keeps no message boundaries.
    #[error("the simulated kernel needs a SOCK_SEQPACKET listener, as relobox_simkernel::bind makes it")]
    NotSeqpacket,
    /// Confinement holds for the thread that asks for it, so there may be no other.
    #[error("the simulated kernel must be the only thread of its process, which has {threads}")]
    NotAlone {
        /// How many there are.
        threads: usize,
    },
    /// A step of starting or serving failed.
    #[error("the simulated kernel cannot {step}: {error}")]
    Step {
        /// Which step.
        step: &'static str,
        /// What the system said.
        error: std::io::Error,
    },
    /// The system call filter could not be built.
    #[error("the simulated kernel cannot confine itself: {reason}")]
    Filter {
        /// What the filter compiler said.
        reason: String,
    },
}

/// Serves `listener` until a client powers the kernel off. Standard error is the console.
///
/// This takes the whole process over: it closes every descriptor but the standard ones and the listener, gives up
/// capabilities, new privileges and most system calls, and installs signal handlers. Call it from `main`, before
/// anything else has been started.
pub fn serve(listener: UnixListener) -> Result<(), ServeError> {
    #[cfg(all(target_os = "linux", target_arch = "x86_64"))]
    return process::serve(listener);
    #[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
    {
        drop(listener);
        Err(ServeError::Unsupported)
    }
}

/// Serves the listener that [`spawn`] passes as standard input.
pub fn serve_stdin() -> Result<(), ServeError> {
    let listener = rustix::stdio::stdin()
        .try_clone_to_owned()
        .map_err(|error| ServeError::Step { step: "take its listener from standard input", error })?;
    serve(UnixListener::from(listener))
}
