//! The process in which the zygote runs, as its parent sees it.

use crate::message::ARGUMENT;
use rustix::process::{PidfdFlags, Signal, WaitId, WaitIdOptions, pidfd_send_signal, waitid};
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Starts a program as linking process: with [`ARGUMENT`] as its only argument, without environment, with the socket as
/// its standard input, and with nothing else of this process.
pub type Start = fn(&Path, OwnedFd) -> io::Result<Process>;

/// A started process. It is not ended when this is dropped.
#[derive(Debug)]
pub enum Process {
    /// A child of this process. Its end raises SIGCHLD.
    Child(Child),
    /// A process that a program's own `wait` does not see, and whose end raises no signal (`exit_signal` 0 of clone(2)).
    Silent {
        /// Its number.
        id: u32,
        /// Its descriptor, which is closed on exec.
        pidfd: OwnedFd,
    },
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// With this exit code.
    Code(i32),
    /// By this signal.
    Signal(i32),
}

/// `__WALL` of wait(2): processes without an exit signal count, too.
const WALL: WaitIdOptions = WaitIdOptions::from_bits_retain(0x4000_0000);

impl Process {
    /// Starts a child. This is the default of [`Options`](crate::Options).
    ///
    /// # Errors
    /// If the program cannot be run.
    pub fn start(program: &Path, socket: OwnedFd) -> io::Result<Self> {
        let mut command = Command::new(program);
        command.arg(ARGUMENT).env_clear().stdin(Stdio::from(socket)).stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().map(Self::Child)
    }

    pub(crate) fn id(&self) -> u32 {
        match self {
            Self::Child(child) => child.id(),
            Self::Silent { id, .. } => *id,
        }
    }

    /// How it ended. `None` if it did not, or if this cannot be known.
    pub(crate) fn ended(&mut self) -> Option<End> {
        match self {
            Self::Child(child) => {
                let status = child.try_wait().ok()??;
                Some(status.signal().map_or_else(|| End::Code(status.code().unwrap_or(0)), End::Signal))
            }
            Self::Silent { pidfd, .. } => {
                let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT | WALL;
                let status = waitid(WaitId::PidFd(pidfd.as_fd()), options).ok()??;
                let signal = status.terminating_signal().map(End::Signal);
                signal.or_else(|| status.exit_status().map(End::Code))
            }
        }
    }

    /// Kills it, and waits for its end.
    pub(crate) fn end(&mut self) {
        match self {
            Self::Child(child) => {
                let _ = child.kill();
                let _ = child.wait();
            }
            Self::Silent { pidfd, .. } => {
                let _ = pidfd_send_signal(&*pidfd, Signal::KILL);
                let options = WaitIdOptions::EXITED | WALL;
                let _ = rustix::io::retry_on_intr(|| waitid(WaitId::PidFd(pidfd.as_fd()), options));
            }
        }
    }

    /// Takes over a process that was started without an exit signal.
    ///
    /// # Errors
    /// If the process does not exist.
    pub fn silent(id: u32) -> io::Result<Self> {
        let pid = i32::try_from(id).ok().and_then(rustix::process::Pid::from_raw).ok_or(io::ErrorKind::InvalidInput)?;
        // Such a descriptor is closed on exec.
        Ok(Self::Silent { id, pidfd: rustix::process::pidfd_open(pid, PidfdFlags::empty())? })
    }
}
