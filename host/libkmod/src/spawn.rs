//! Starts the linking process from within a program that knows nothing of it: without SIGCHLD when it ends, invisible to
//! the program's own `wait`, without its signals, and without its descriptors.

use crate::c::c_text;
use relobox_isolate::{ARGUMENT, Process};
use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::ptr::{null, null_mut};

/// The result of exec(3) that failed, as shells have it.
const NOT_RUN: i32 = 127;

/// Starts a program; see [`relobox_isolate::Start`].
pub(crate) fn start(program: &Path, socket: OwnedFd) -> io::Result<Process> {
    // The child reports only that exec failed. So what can be known is found out here.
    std::fs::metadata(program)?;
    let (program, argument) = (CString::new(program.as_os_str().as_bytes())?, c_text(ARGUMENT));
    let pid = clone_and_exec(&program, &argument, socket.as_raw_fd())?;
    Process::silent(pid as u32).inspect_err(|_| end(pid))
}

#[allow(unsafe_code, reason = "the standard library's child would raise SIGCHLD")]
fn clone_and_exec(program: &CStr, argument: &CStr, socket: RawFd) -> io::Result<libc::pid_t> {
    let arguments = [program.as_ptr(), argument.as_ptr(), null()];
    let environment = [null()];
    // SAFETY: the masks and the arrays are variables that outlive the calls. The new process has its own copy of the
    // memory (no CLONE_VM) and calls only functions that are safe in a child of a program with several threads, until
    // it runs another program or ends.
    unsafe {
        let (mut all, mut before) = (std::mem::zeroed::<libc::sigset_t>(), std::mem::zeroed::<libc::sigset_t>());
        libc::sigfillset(&mut all);
        // No handler of the program may run in the child.
        libc::pthread_sigmask(libc::SIG_SETMASK, &all, &mut before);
        // An exit signal of 0: the child's end raises no signal, and wait(2) of the program does not find it.
        let pid = libc::syscall(libc::SYS_clone, 0, 0, 0, 0, 0);
        if pid == 0 {
            become_linker(program, &arguments, &environment, socket);
        }
        let error = io::Error::last_os_error();
        libc::pthread_sigmask(libc::SIG_SETMASK, &before, null_mut());
        if pid < 0 { Err(error) } else { Ok(pid as libc::pid_t) }
    }
}

/// The child, until it is another program.
///
/// # Safety
/// To be called in a new process with one thread, and arrays that end with null.
#[allow(unsafe_code, reason = "only system calls are safe here")]
unsafe fn become_linker(
    program: &CStr,
    arguments: &[*const libc::c_char; 3],
    environment: &[*const libc::c_char; 1],
    socket: RawFd,
) -> ! {
    // SAFETY: see above. Descriptors that are closed and opened are those of the new process.
    unsafe {
        // A signal that the program ignores would be ignored by the other program, too. Those that cannot be changed
        // are an error, which does not matter.
        let mut default: libc::sigaction = std::mem::zeroed();
        default.sa_sigaction = libc::SIG_DFL;
        for signal in 1..=libc::SIGRTMAX() {
            libc::sigaction(signal, &default, null_mut());
        }
        // dup2 of a descriptor onto itself would leave it to be closed by exec.
        if socket == 0 {
            libc::fcntl(0, libc::F_SETFD, 0);
        } else {
            libc::dup2(socket, 0);
        }
        let nowhere = libc::open(c"/dev/null".as_ptr(), libc::O_RDWR);
        for descriptor in [1, 2] {
            if nowhere < 0 || libc::dup2(nowhere, descriptor) < 0 {
                libc::close(descriptor);
            }
        }
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&mut none);
        libc::pthread_sigmask(libc::SIG_SETMASK, &none, null_mut());
        libc::execve(program.as_ptr(), arguments.as_ptr(), environment.as_ptr());
        libc::_exit(NOT_RUN)
    }
}

/// Ends a child that cannot be watched.
#[allow(unsafe_code, reason = "there is no descriptor for it")]
fn end(pid: libc::pid_t) {
    // SAFETY: the process was started here and was not waited for, so the number is still its own.
    unsafe {
        libc::kill(pid, libc::SIGKILL);
        libc::waitpid(pid, null_mut(), libc::__WALL);
    }
}
