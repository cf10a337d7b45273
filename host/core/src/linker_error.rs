//! What can go wrong with the linking process itself.

use crate::text::Escaped;

/// Why the linking process gave no answer, or none that counts.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LinkerError {
    /// It could not be started, or could not give up what it must not have.
    #[error("could not {step}: {}", Escaped(reason))]
    Start {
        /// What could not be done.
        step: &'static str,
        /// Why.
        reason: String,
    },
    /// It could not be made ready.
    #[error("could not get ready: {}", Escaped(text))]
    Ready {
        /// Why.
        text: String,
        /// Whether the machine or the caller is at fault, and no guest.
        usage: bool,
    },
    /// A signal ended it.
    #[error("was killed by {}", signal_name(*.0))]
    Killed(i32),
    /// It ended without an answer.
    #[error("ended with code {0} and without an answer")]
    Ended(i32),
    /// It says that it could not do its work, or panicked.
    #[error("failed: {}", Escaped(.0))]
    Failed(String),
    /// It is gone, and nobody knows why.
    #[error("is gone")]
    Gone,
    /// It asked for what it must not, or in the wrong order.
    #[error("broke the protocol: {0}")]
    Protocol(&'static str),
    /// Its message cannot be read.
    #[error("sent a message that cannot be read: {}", Escaped(.0))]
    Malformed(String),
    /// Its message is too long.
    #[error("sent a message of more than {limit} bytes")]
    TooLong {
        /// What it may have.
        limit: u64,
    },
    /// It said nothing for this long.
    #[error("said nothing for {0} seconds")]
    Silent(u64),
}

impl LinkerError {
    /// A step of starting that failed.
    pub fn step(step: &'static str) -> impl FnOnce(rustix::io::Errno) -> Self {
        move |error| Self::Start { step, reason: std::io::Error::from(error).to_string() }
    }
}

/// `SIGSYS`, which is what the filter kills with, and others that a process dies of.
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
