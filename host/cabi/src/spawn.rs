//! Starts the linking process from within a program that knows nothing of it: it is no child of the program, so that
//! neither SIGCHLD nor `wait` tells of it, and it has none of the program's signals and descriptors.
//!
//! A process between the two starts it and ends. That one has no exit signal (see clone(2)), so it is not noticed either;
//! exec(3) would bring the signal back, which is why it takes two.

use crate::boundary::c_text;
use relobox_isolate::{ARGUMENT, Process};
use rustix::io::retry_on_intr;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use std::ffi::{CStr, CString, c_int, c_long};
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::ptr::{null, null_mut};

/// The result of exec(3) that failed, as shells have it.
const NOT_RUN: i32 = 127;

/// Starts a program; see [`relobox_isolate::Start`].
pub fn start(program: &Path, socket: OwnedFd) -> io::Result<Process> {
    // A failed exec cannot be reported. So this checks before what can be checked.
    std::fs::metadata(program)?;
    let (program, argument) = (CString::new(program.as_os_str().as_bytes())?, c_text(ARGUMENT));
    let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    let between = clone_twice(&program, &argument, socket.as_raw_fd(), [ours.as_raw_fd(), theirs.as_raw_fd()])?;
    drop(theirs);
    let mut number = [0; 4];
    let told = retry_on_intr(|| rustix::io::read(&ours, &mut number));
    let process = match told {
        Ok(4) => Process::apart(u32::from_ne_bytes(number)),
        Ok(_) => Err(io::Error::other("the process could not be started")),
        Err(error) => Err(error.into()),
    };
    // Until here the process is a child of the one between, which does not wait for it: its number is its own.
    let _ = rustix::io::write(&ours, &[0]);
    end(between);
    process
}

/// Starts the process between, which starts the program. Returns its number.
#[allow(unsafe_code, reason = "the standard library's child would raise SIGCHLD")]
fn clone_twice(program: &CStr, argument: &CStr, socket: RawFd, [ours, theirs]: [RawFd; 2]) -> io::Result<libc::pid_t> {
    let arguments = [program.as_ptr(), argument.as_ptr(), null()];
    let environment = [null()];
    // SAFETY: the masks and the arrays are variables that outlive the calls. The new processes have their own copies of
    // the memory (no CLONE_VM) and call only functions that are safe in a child of a program with several threads,
    // until they run another program or end.
    unsafe {
        let (mut all, mut before) = (std::mem::zeroed::<libc::sigset_t>(), std::mem::zeroed::<libc::sigset_t>());
        libc::sigfillset(&mut all);
        // No handler of the program may run in them.
        libc::pthread_sigmask(libc::SIG_SETMASK, &all, &mut before);
        // Copies of this process. The first argument is the signal at their end, and the first of them has none.
        let clone = |signal: c_int| {
            let (signal, none) = (c_long::from(signal), 0 as c_long);
            libc::syscall(libc::SYS_clone, signal, none, none, none, none)
        };
        let between = clone(0);
        if between == 0 {
            libc::close(ours);
            let number = clone(libc::SIGCHLD);
            if number == 0 {
                become_linker(program, &arguments, &environment, socket);
            }
            if let (Ok(number @ 1..), mut answer) = (libc::pid_t::try_from(number), 0_u8) {
                libc::write(theirs, (&raw const number).cast(), size_of_val(&number));
                libc::read(theirs, (&raw mut answer).cast(), 1);
            }
            libc::_exit(0);
        }
        let error = io::Error::last_os_error();
        libc::pthread_sigmask(libc::SIG_SETMASK, &before, null_mut());
        if between < 0 { Err(error) } else { Ok(between as libc::pid_t) }
    }
}

/// The new process, until it is another program.
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

/// Waits for the end of the process between.
#[allow(unsafe_code, reason = "there is no descriptor for it")]
fn end(between: libc::pid_t) {
    // SAFETY: there are no pointers to read. If the program was faster, the call fails, which is as well.
    unsafe {
        while libc::waitpid(between, null_mut(), libc::__WALL) < 0
            && io::Error::last_os_error().kind() == io::ErrorKind::Interrupted
        {}
    }
}
