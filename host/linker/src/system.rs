//! Five system calls without a safe interface.

use relobox_core::linker_error::LinkerError;
use rustix::process::Pid;
use std::io::Error;

/// Starts a process; `None` in the new one.
#[allow(unsafe_code, reason = "no safe interface")]
pub(crate) fn fork() -> Result<Option<Pid>, LinkerError> {
    // SAFETY: the zygote has one thread, so the new process has all of it.
    match unsafe { libc::fork() } {
        -1 => Err(LinkerError::Start { step: "start a job", reason: Error::last_os_error().to_string() }),
        pid => Ok(Pid::from_raw(pid)),
    }
}

/// Ends this process at once: nothing of it is of use to anybody.
#[allow(unsafe_code, reason = "no safe interface")]
pub(crate) fn exit(code: i32) -> ! {
    // SAFETY: it does not return, and nothing is left to be done.
    unsafe { libc::_exit(code) }
}

/// Closes every descriptor from `first` up. Linux before 5.9 keeps them, and none is inherited by intention.
#[allow(unsafe_code, reason = "no safe interface")]
pub(crate) fn close_from(first: i32) {
    // SAFETY: only called when the process has just started and has opened nothing from there up.
    unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, 0) };
}

/// One system call, and its errno.
#[allow(unsafe_code, reason = "libraries would do more than the one system call that is tried")]
pub(crate) fn call(number: i64, a: [i64; 6]) -> Result<i64, i32> {
    // SAFETY: `attempts` gives pointers to what the kernel reads or writes there, or none.
    let result = unsafe { libc::syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]) };
    if result < 0 { Err(Error::last_os_error().raw_os_error().unwrap_or(0)) } else { Ok(result) }
}

/// From now on no memory of this process becomes executable that was not mapped so (`PR_SET_MDWE`, Linux 6.3). What older
/// kernels lack, the filter of system calls has.
#[allow(unsafe_code, reason = "no safe interface")]
pub fn never_executable() {
    /// `PR_SET_MDWE` and `PR_MDWE_REFUSE_EXEC_GAIN` of linux/prctl.h.
    const SET_MDWE: libc::c_int = 65;
    const REFUSE_EXEC_GAIN: libc::c_ulong = 1;
    // SAFETY: no pointers.
    unsafe { libc::prctl(SET_MDWE, REFUSE_EXEC_GAIN, 0, 0, 0) };
}
