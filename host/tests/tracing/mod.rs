//! A process that stops at every system call.
#![allow(unsafe_code, reason = "ptrace has no safe binding among our dependencies")]

use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, kill_process, waitpid};
use std::process::Child;

/// A traced process, which is stopped whenever this program looks at it. It dies with its tracer.
pub(crate) struct Tracee {
    pid: Pid,
    /// Hand this to it when it goes on.
    signal: i32,
}

/// Why it stopped.
pub(crate) enum Stop {
    /// At the entry or at the exit of a system call, by turns.
    SystemCall,
    /// For good.
    Exited(i32),
}

fn ptrace(request: libc::c_uint, pid: i32, data: usize) {
    // SAFETY: the requests used here read `data` as a number, or write to what GETREGS is given below.
    let done = unsafe { libc::ptrace(request, pid, 0usize, data) };
    assert_eq!(done, 0, "ptrace {request}: {}", std::io::Error::last_os_error());
}

/// This process stops at its next exec, and waits for its parent.
pub(crate) fn trace_me() {
    ptrace(libc::PTRACE_TRACEME, 0, 0);
}

impl Tracee {
    /// A child that has called [`trace_me`] and is about to exec.
    pub(crate) fn of(child: Child) -> Self {
        let pid = Pid::from_child(&child);
        let tracee = Self { pid, signal: 0 };
        assert_eq!(tracee.wait().stopping_signal(), Some(libc::SIGTRAP), "it stops at its exec");
        let options = libc::PTRACE_O_TRACESYSGOOD | libc::PTRACE_O_EXITKILL;
        ptrace(libc::PTRACE_SETOPTIONS, pid.as_raw_nonzero().get(), options as usize);
        tracee
    }

    fn wait(&self) -> WaitStatus {
        waitpid(Some(self.pid), WaitOptions::empty()).unwrap().expect("it was waited for").1
    }

    /// Until the next stop.
    pub(crate) fn go_on(&mut self) -> Stop {
        loop {
            ptrace(libc::PTRACE_SYSCALL, self.pid.as_raw_nonzero().get(), self.signal as usize);
            self.signal = 0;
            let status = self.wait();
            match (status.stopping_signal(), status.exit_status()) {
                (Some(signal), _) if signal == libc::SIGTRAP | 0x80 => return Stop::SystemCall,
                (Some(signal), _) => self.signal = signal,
                (None, Some(code)) => return Stop::Exited(code),
                (None, None) => panic!("{status:?}"),
            }
        }
    }

    /// The number of the system call it is stopped at.
    pub(crate) fn system_call(&self) -> i64 {
        // SAFETY: the structure is made of integers, and large enough for GETREGS.
        let mut registers: libc::user_regs_struct = unsafe { std::mem::zeroed() };
        let to = std::ptr::from_mut(&mut registers).expose_provenance();
        ptrace(libc::PTRACE_GETREGS, self.pid.as_raw_nonzero().get(), to);
        registers.orig_rax as i64
    }

    /// `kill -9`; returns when it is gone.
    pub(crate) fn kill(self) {
        kill_process(self.pid, Signal::KILL).unwrap();
        assert_eq!(self.wait().terminating_signal(), Some(libc::SIGKILL));
    }
}
