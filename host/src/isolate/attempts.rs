//! What a linking process must not be able to do, tried from inside one.
//!
//! `relobox __linker --prove` and the tests ask for these, each in a fresh process, since most of them are its end.
//! They do no harm where they succeed.

use super::message::Tried;
use super::system::call;
use std::ffi::CStr;

/// Everything that can be tried, in words.
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
];

/// Tries it. `parent` is the privileged process.
pub(super) fn attempt(what: &str, parent: i32) -> Tried {
    let parent = i64::from(parent);
    let page = || call(libc::SYS_mmap, [0, 4096, libc::PROT_READ | libc::PROT_WRITE, PRIVATE, -1, 0].map(word));
    let result = match what {
        "read a file" => open(c"/etc/passwd", libc::O_RDONLY),
        "write a file" => open(c"/tmp/relobox-attempt", libc::O_WRONLY | libc::O_CREAT),
        "list a directory" => open(c"/", libc::O_RDONLY | libc::O_DIRECTORY),
        "open the device" => open(c"/dev/relobox", libc::O_RDWR),
        "look at a file" => {
            let mut stat = [0u64; 32];
            call(libc::SYS_newfstatat, [libc::AT_FDCWD.into(), address(c"/etc"), stat.as_mut_ptr() as i64, 0, 0, 0])
        }
        "make a network socket" => call(libc::SYS_socket, [libc::AF_INET, libc::SOCK_STREAM, 0, 0, 0, 0].map(word)),
        "make a local socket" => call(libc::SYS_socket, [libc::AF_UNIX, libc::SOCK_STREAM, 0, 0, 0, 0].map(word)),
        "connect" => {
            let local = [1u8, 0, 0, b'x'];
            call(libc::SYS_connect, [0, local.as_ptr() as i64, 4, 0, 0, 0])
        }
        "trace the parent" => call(libc::SYS_ptrace, [libc::PTRACE_ATTACH as i64, parent, 0, 0, 0, 0]),
        "read the parent's memory" => {
            let mut byte = 0u8;
            let local = [std::ptr::from_mut(&mut byte) as i64, 1];
            let remote = [0x1000i64, 1];
            call(libc::SYS_process_vm_readv, [parent, local.as_ptr() as i64, 1, remote.as_ptr() as i64, 1, 0])
        }
        "take a descriptor of the parent's" => call(libc::SYS_pidfd_getfd, [3, 0, 0, 0, 0, 0]),
        "end the parent" => call(libc::SYS_kill, [parent, libc::SIGCONT.into(), 0, 0, 0, 0]),
        "signal by pidfd" => call(libc::SYS_pidfd_open, [parent, 0, 0, 0, 0, 0]),
        "run a program" => {
            let arguments = [address(c"true"), 0];
            call(libc::SYS_execve, [address(c"/bin/true"), arguments.as_ptr() as i64, 0, 0, 0, 0])
        }
        "start a process" => {
            let pid = call(libc::SYS_clone, [libc::SIGCHLD, 0, 0, 0, 0, 0].map(word));
            if pid == Ok(0) {
                let _ = call(libc::SYS_exit_group, [0; 6]);
            }
            pid
        }
        "start a thread" => match std::thread::Builder::new().spawn(|| ()) {
            Ok(thread) => thread.join().map(|()| 0).map_err(|_| 0),
            Err(e) => Err(e.raw_os_error().unwrap_or(0)),
        },
        "mount" => {
            let (none, at, kind) = (address(c"none"), address(c"/tmp"), address(c"tmpfs"));
            call(libc::SYS_mount, [none, at, kind, libc::MS_RDONLY as i64, 0, 0])
        }
        "leave a namespace" => call(libc::SYS_unshare, [libc::CLONE_NEWUSER, 0, 0, 0, 0, 0].map(word)),
        "become root" => call(libc::SYS_setresuid, [0; 6]),
        "load a BPF program" => call(libc::SYS_bpf, [0; 6]),
        "load a module" => call(libc::SYS_finit_module, [0, address(c""), 0, 0, 0, 0]),
        "remove a module" => call(libc::SYS_delete_module, [address(c"no_such"), libc::O_NONBLOCK.into(), 0, 0, 0, 0]),
        "use io_uring" => {
            let mut parameters = [0u32; 30];
            call(libc::SYS_io_uring_setup, [1, parameters.as_mut_ptr() as i64, 0, 0, 0, 0])
        }
        "map code" => call(libc::SYS_mmap, [0, 4096, libc::PROT_READ | libc::PROT_EXEC, PRIVATE, -1, 0].map(word)),
        "turn data into code" => page().and_then(|page| protect(page, libc::PROT_READ | libc::PROT_EXEC)),
        "turn code into data and back" => {
            let code = (attempt as *const () as i64) & !4095;
            protect(code, libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC)
        }
        "raise a limit" => {
            let most = [u64::MAX; 2];
            call(libc::SYS_prlimit64, [0, libc::RLIMIT_NPROC.into(), most.as_ptr() as i64, 0, 0, 0])
        }
        "loosen its own ties" => call(libc::SYS_prctl, [libc::PR_SET_PDEATHSIG, 0, 0, 0, 0, 0].map(word)),
        "set a timer" => {
            let never = [0u64; 4];
            call(libc::SYS_setitimer, [libc::ITIMER_REAL.into(), never.as_ptr() as i64, 0, 0, 0, 0])
        }
        _ => return Tried::Unknown,
    };
    match result {
        Ok(_) => Tried::Allowed,
        Err(errno) => Tried::Refused(errno),
    }
}

const PRIVATE: i32 = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;

fn word(value: i32) -> i64 {
    value.into()
}

fn address(text: &'static CStr) -> i64 {
    text.as_ptr() as i64
}

fn open(path: &'static CStr, flags: i32) -> Result<i64, i32> {
    call(libc::SYS_openat, [libc::AT_FDCWD.into(), address(path), i64::from(flags | libc::O_CLOEXEC), 0o600, 0, 0])
}

fn protect(page: i64, protection: i32) -> Result<i64, i32> {
    call(libc::SYS_mprotect, [page, 4096, protection.into(), 0, 0, 0])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tries themselves work: outside, where they are allowed.
    #[test]
    fn what_a_test_may_do_is_allowed() {
        for what in [
            "read a file",
            "list a directory",
            "look at a file",
            "make a network socket",
            "make a local socket",
            "end the parent",
            "signal by pidfd",
            "start a thread",
            "map code",
            "turn data into code",
            "set a timer",
        ] {
            let own = std::process::id() as i32;
            assert_eq!(attempt(what, own), Tried::Allowed, "{what}");
        }
        assert_eq!(attempt("read the parent's memory", std::process::id() as i32), Tried::Refused(libc::EFAULT));
        assert_eq!(attempt("fly", 0), Tried::Unknown);
    }
}
