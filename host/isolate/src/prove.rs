//! Shows from inside that a linking process can do nothing that it must not.

use crate::linker::Linker;
use crate::message::Tried;
use relobox_core::error::Result;

/// What [`Linker::attempt`] can try. None of it may be possible in a linking process.
pub const ATTEMPTS: &[&str] = &[
    "read a file",
    "write a file",
    "list a directory",
    "open the device",
    "look at a file",
    "make a network socket",
    "make a local socket",
    "connect",
    "trace the parent",
    "read the parent's memory",
    "take a descriptor of the parent's",
    "end the parent",
    "signal by pidfd",
    "run a program",
    "start a process",
    "start a thread",
    "mount",
    "leave a namespace",
    "become root",
    "load a BPF program",
    "load a module",
    "remove a module",
    "use io_uring",
    "map code",
    "turn data into code",
    "turn code into data and back",
    "raise a limit",
    "loosen its own ties",
    "set a timer",
    "make a file in memory",
    "make a secret file in memory",
    "make a buffer larger",
    "write past a buffer's end",
    "seal a buffer",
    "map a buffer to be shared",
    "map shared memory",
    "map a stack that grows",
    "map huge pages",
    "map more than it may write",
    "map more than it may",
    "keep what it wrote as constants",
    "move memory and keep its place",
    "merge memory with others'",
    "make System V shared memory",
    "make a System V message queue",
    "make a POSIX message queue",
    "make a pipe",
    "make a pair of sockets",
    "make an event counter",
    "make a poll set",
    "make a signal's descriptor",
    "duplicate a descriptor",
    "enlarge a socket's buffer",
    "keep a key",
    "take a lock that inherits priorities",
    "requeue futexes",
    "wait for several futexes",
    "queue a signal",
    "read ahead of a file",
];

/// Tries each of [`ATTEMPTS`] in a linking process, and passes one line for each to `tell`. Returns true if none was
/// possible.
///
/// # Errors
/// [`Error::Linker`](relobox_core::Error::Linker) if the linking process cannot be started, or does not answer.
pub fn prove(linker: &Linker, tell: impl Fn(&dyn std::fmt::Display)) -> Result<bool> {
    for missing in linker.ready()? {
        tell(&format_args!("note: {missing}"));
    }
    let mut safe = true;
    for what in ATTEMPTS {
        let tried = linker.attempt(what)?;
        tell(&format_args!("{what}: {tried}"));
        safe &= matches!(tried, Tried::Refused(_) | Tried::Killed(_));
    }
    Ok(safe)
}
