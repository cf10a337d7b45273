//! Errors of the linking process itself.

use crate::text::Escaped;

/// Why the linking process gave no valid answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LinkerError {
    /// It could not be started, or could not give up its rights.
    #[error("could not {step}: {}", Escaped(reason))]
    Start {
        /// The step that failed.
        step: &'static str,
        /// The reason.
        reason: String,
    },
    /// It could not get ready.
    #[error("could not get ready: {}", Escaped(text))]
    Ready {
        /// The reason.
        text: String,
        /// Whether the machine or the caller is the cause, and not a guest.
        usage: bool,
    },
    /// A signal killed it.
    #[error("was killed by {}", signal_name(*.0))]
    Killed(i32),
    /// It exited without an answer.
    #[error("ended with code {0} and without an answer")]
    Ended(i32),
    /// It reported that it could not do its work, or panicked.
    #[error("failed: {}", Escaped(.0))]
    Failed(String),
    /// It is gone, for an unknown reason.
    #[error("is gone")]
    Gone,
    /// It made a request that is not allowed, or not in that order.
    #[error("broke the protocol: {0}")]
    Protocol(&'static str),
    /// Its message cannot be parsed.
    #[error("sent a message that cannot be read: {}", Escaped(.0))]
    Malformed(String),
    /// Its message is too long.
    #[error("sent a message of more than {limit} bytes")]
    TooLong {
        /// The limit in bytes.
        limit: u64,
    },
    /// It sent nothing for so many seconds.
    #[error("sent nothing for {0} seconds")]
    Silent(u64),
}

impl LinkerError {
    /// Returns a function for `map_err` that names the step which failed.
    pub fn step(step: &'static str) -> impl FnOnce(rustix::io::Errno) -> Self {
        move |error| Self::Start { step, reason: std::io::Error::from(error).to_string() }
    }
}

/// Returns the name of a signal. `SIGSYS` is the one that the seccomp filter kills with.
fn signal_name(signal: i32) -> String {
    let name = match signal {
        libc::SIGSYS => "SIGSYS: it made a forbidden system call",
        libc::SIGKILL => "SIGKILL",
        libc::SIGSEGV => "SIGSEGV",
        libc::SIGBUS => "SIGBUS",
        libc::SIGILL => "SIGILL",
        libc::SIGFPE => "SIGFPE",
        libc::SIGABRT => "SIGABRT",
        libc::SIGXCPU => "SIGXCPU: it computed for too long",
        libc::SIGXFSZ => "SIGXFSZ: it wrote too much",
        libc::SIGTERM => "SIGTERM",
        _ => return format!("signal {signal}"),
    };
    name.into()
}
