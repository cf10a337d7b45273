//! Why the kernel could not start, or had to stop.

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
