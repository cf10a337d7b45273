//! The system calls without a safe interface.

use relobox_core::linker_error::LinkerError;
use rustix::process::Pid;
use std::io::Error;

/// Forks. Returns `None` in the new process.
#[allow(unsafe_code, reason = "no safe interface")]
pub(crate) fn fork() -> Result<Option<Pid>, LinkerError> {
    // SAFETY: the zygote has one thread, so the new process has no other thread's locks.
    match unsafe { libc::fork() } {
        -1 => Err(LinkerError::Start { step: "start a job", reason: Error::last_os_error().to_string() }),
        pid => Ok(Pid::from_raw(pid)),
    }
}

/// Ends this process at once, without destructors or exit handlers.
#[allow(unsafe_code, reason = "no safe interface")]
pub(crate) fn exit(code: i32) -> ! {
    // SAFETY: the call does not return, and nothing is left to do.
    unsafe { libc::_exit(code) }
}

/// Closes every descriptor from `first` on. Linux before 5.9 keeps them; none is inherited on purpose.
#[allow(unsafe_code, reason = "no safe interface")]
pub(crate) fn close_from(first: i32) {
    // SAFETY: only called at the start of the process, before it has opened anything.
    unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, 0) };
}

/// Makes one system call. The error is its errno.
#[allow(unsafe_code, reason = "libraries would do more than the one system call that is tried")]
pub(crate) fn call(number: i64, a: [i64; 6]) -> Result<i64, i32> {
    // SAFETY: `attempts` passes null, or pointers to what the kernel reads or writes.
    let result = unsafe { libc::syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]) };
    if result < 0 { Err(Error::last_os_error().raw_os_error().unwrap_or(0)) } else { Ok(result) }
}

/// Forbids this process to make memory executable that was not mapped so (`PR_SET_MDWE`, Linux 6.3). On older kernels,
/// only the filter of system calls forbids it.
#[allow(unsafe_code, reason = "no safe interface")]
pub fn never_executable() {
    /// `PR_SET_MDWE` and `PR_MDWE_REFUSE_EXEC_GAIN` of linux/prctl.h.
    const SET_MDWE: libc::c_int = 65;
    const REFUSE_EXEC_GAIN: libc::c_ulong = 1;
    // SAFETY: there are no pointers.
    unsafe { libc::prctl(SET_MDWE, REFUSE_EXEC_GAIN, 0, 0, 0) };
}

/// Filters system calls of this thread by prctl(2), which takes the same filter as seccomp(2).
#[allow(unsafe_code, reason = "seccompiler knows only seccomp(2)")]
#[allow(dead_code, reason = "only where system calls are filtered")]
pub(crate) fn filter(program: &mut [libc::sock_filter]) -> Result<(), Error> {
    let len = program.len().try_into().map_err(Error::other)?;
    let program = libc::sock_fprog { len, filter: program.as_mut_ptr() };
    // SAFETY: the program is an array of the kernel's structure, which the kernel copies.
    let result = unsafe {
        libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER as libc::c_ulong, &raw const program, 0, 0)
    };
    if result == 0 { Ok(()) } else { Err(Error::last_os_error()) }
}
