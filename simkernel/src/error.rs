//! The reasons why the kernel cannot start, or must stop.

/// The reason why the kernel cannot start, or must stop.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The kernel runs only on x86-64 Linux, like the code of its modules.
    #[error("the simulated kernel runs x86-64 module code, so it runs on x86-64 Linux only")]
    Unsupported,
    /// The listener does not keep message boundaries.
    #[error("the simulated kernel needs a SOCK_SEQPACKET listener, as relobox_simkernel::bind makes it")]
    NotSeqpacket,
    /// The process has several threads, but its confinement would apply to only one of them.
    #[error("the simulated kernel must be the only thread of its process, which has {threads}")]
    NotAlone {
        /// The number of threads.
        threads: usize,
    },
    /// A step of starting or serving failed.
    #[error("the simulated kernel cannot {step}: {error}")]
    Step {
        /// The step, as a verb phrase.
        step: &'static str,
        /// The error of the system call.
        error: std::io::Error,
    },
    /// The filter of system calls cannot be built.
    #[error("the simulated kernel cannot confine itself: {reason}")]
    Filter {
        /// The message of the filter's compiler.
        reason: String,
    },
}
