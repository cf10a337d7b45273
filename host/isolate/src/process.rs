//! The process in which the zygote runs, as its parent sees it.

use crate::message::ARGUMENT;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Starts a program as linking process: with [`ARGUMENT`] as its only argument, without environment, with the socket as
/// its standard input, and with nothing else of this process.
pub type Start = fn(&Path, OwnedFd) -> io::Result<Process>;

/// A started process. It is not ended when this is dropped.
#[derive(Debug)]
pub enum Process {
    /// A child of this process. Its end raises SIGCHLD here.
    Child(Child),
    /// A process that is no child: its end raises no signal here, and `wait` does not find it.
    Apart {
        /// Its number.
        id: u32,
        /// Its descriptor, which is closed on exec.
        pidfd: OwnedFd,
    },
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// With this exit code.
    Code(i32),
    /// By this signal.
    Signal(i32),
}

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

    /// Takes over a process that is no child of this one. The caller knows that it was not waited for yet, so that its
    /// number is still its own.
    ///
    /// # Errors
    /// If the process does not exist.
    pub fn apart(id: u32) -> io::Result<Self> {
        let pid = i32::try_from(id).ok().and_then(Pid::from_raw).ok_or(io::ErrorKind::InvalidInput)?;
        // The kernel has such descriptors closed on exec.
        Ok(Self::Apart { id, pidfd: pidfd_open(pid, PidfdFlags::empty())? })
    }

    pub(crate) fn id(&self) -> u32 {
        match self {
            Self::Child(child) => child.id(),
            Self::Apart { id, .. } => *id,
        }
    }

    /// How it ended. `None` if it did not, or if only its own parent can know.
    pub(crate) fn ended(&mut self) -> Option<End> {
        let Self::Child(child) = self else { return None };
        let status = child.try_wait().ok()??;
        Some(status.signal().map_or_else(|| End::Code(status.code().unwrap_or(0)), End::Signal))
    }

    /// Kills it, and waits for its end.
    pub(crate) fn end(&mut self) {
        match self {
            Self::Child(child) => {
                let _ = child.kill();
                let _ = child.wait();
            }
            Self::Apart { pidfd, .. } => {
                let _ = pidfd_send_signal(&*pidfd, Signal::KILL);
                let _ = rustix::io::retry_on_intr(|| poll(&mut [PollFd::new(pidfd, PollFlags::IN)], None));
            }
        }
    }
}
