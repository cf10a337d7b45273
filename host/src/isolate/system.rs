//! Four system calls without a safe interface.

use crate::linker_fault::Fault;
use rustix::process::Pid;
use std::io::Error;

/// Starts a process; `None` in the new one.
#[allow(unsafe_code, reason = "no safe interface")]
pub(super) fn fork() -> Result<Option<Pid>, Fault> {
    // SAFETY: the zygote has one thread, so the new process has all of it.
    match unsafe { libc::fork() } {
        -1 => Err(Fault::Start { step: "start a job", reason: Error::last_os_error().to_string() }),
        pid => Ok(Pid::from_raw(pid)),
    }
}

/// Ends this process at once: nothing of it is of use to anybody.
#[allow(unsafe_code, reason = "no safe interface")]
pub(super) fn exit(code: i32) -> ! {
    // SAFETY: it does not return, and nothing is left to be done.
    unsafe { libc::_exit(code) }
}

/// Closes every descriptor from `first` up. Linux before 5.9 keeps them, and none is inherited by intention.
#[allow(unsafe_code, reason = "no safe interface")]
pub(super) fn close_from(first: i32) {
    // SAFETY: only called when the process has just started and has opened nothing from there up.
    unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, 0) };
}

/// One system call, and its errno.
#[allow(unsafe_code, reason = "libraries would do more than the one system call that is tried")]
pub(super) fn call(number: i64, a: [i64; 6]) -> Result<i64, i32> {
    // SAFETY: `attempts` gives pointers to what the kernel reads or writes there, or none.
    let result = unsafe { libc::syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]) };
    if result < 0 { Err(Error::last_os_error().raw_os_error().unwrap_or(0)) } else { Ok(result) }
}
