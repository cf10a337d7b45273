//! Tries from inside a linking process what must not be possible.
//!
//! The parent asks for each attempt by its name ([`relobox_isolate::ATTEMPTS`]). Each runs in a fresh process, because
//! most of them end it. An attempt that succeeds does no harm.

use crate::system::call;
use relobox_core::limits;
use relobox_isolate::message::Tried;
use std::ffi::CStr;
use std::os::fd::{AsRawFd as _, BorrowedFd};

/// Makes the attempt `what`. `parent` is the number of the privileged process, and `buffer` a memfd that it has made.
pub(super) fn attempt(what: &str, parent: i32, buffer: BorrowedFd<'_>) -> Tried {
    let buffer = i64::from(buffer.as_raw_fd());
    let parent = i64::from(parent);
    let map = |len: u64, flags: i32, fd: i64| call(libc::SYS_mmap, [0, len as i64, word(WRITABLE), word(flags), fd, 0]);
    let page = || map(4096, PRIVATE, -1);
    let mut ends = [0i32; 2];
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
        "make a file in memory" => call(libc::SYS_memfd_create, [address(c"x"), 0, 0, 0, 0, 0]),
        "make a secret file in memory" => call(libc::SYS_memfd_secret, [0; 6]),
        "make a buffer larger" => call(libc::SYS_ftruncate, [buffer, 1 << 40, 0, 0, 0, 0]),
        "write past a buffer's end" => {
            call(libc::SYS_pwrite64, [buffer, address(c"x"), 1, limits::MESSAGE as i64, 0, 0])
        }
        "seal a buffer" => {
            call(libc::SYS_fcntl, [buffer, libc::F_ADD_SEALS.into(), libc::F_SEAL_WRITE.into(), 0, 0, 0])
        }
        "map a buffer to be shared" => map(4096, libc::MAP_SHARED, buffer),
        "map shared memory" => map(4096, libc::MAP_SHARED | libc::MAP_ANONYMOUS, -1),
        "map a stack that grows" => map(4096, PRIVATE | libc::MAP_GROWSDOWN, -1),
        "map huge pages" => map(2 << 20, PRIVATE | libc::MAP_HUGETLB, -1),
        "map more than it may write" => map(limits::LINKING, PRIVATE | libc::MAP_NORESERVE, -1),
        "map more than it may" => {
            let arguments = [0, limits::ADDRESS_SPACE as i64, 0, word(PRIVATE | libc::MAP_NORESERVE), -1, 0];
            call(libc::SYS_mmap, arguments)
        }
        "keep what it wrote as constants" => page().and_then(|page| protect(page, libc::PROT_READ)),
        "move memory and keep its place" => {
            let flags = libc::MREMAP_MAYMOVE | libc::MREMAP_DONTUNMAP;
            page().and_then(|page| call(libc::SYS_mremap, [page, 4096, 4096, flags.into(), 0, 0]))
        }
        "merge memory with others'" => {
            page().and_then(|page| call(libc::SYS_madvise, [page, 4096, libc::MADV_MERGEABLE.into(), 0, 0, 0]))
        }
        "make System V shared memory" => call(libc::SYS_shmget, [0, 4096, word(libc::IPC_CREAT | 0o600), 0, 0, 0]),
        "make a System V message queue" => call(libc::SYS_msgget, [0, word(libc::IPC_CREAT | 0o600), 0, 0, 0, 0]),
        "make a POSIX message queue" => {
            call(libc::SYS_mq_open, [address(c"relobox-attempt"), word(libc::O_CREAT | libc::O_RDWR), 0o600, 0, 0, 0])
        }
        "make a pipe" => call(libc::SYS_pipe2, [ends.as_mut_ptr() as i64, 0, 0, 0, 0, 0]),
        "make a pair of sockets" => {
            let ends = ends.as_mut_ptr() as i64;
            call(libc::SYS_socketpair, [libc::AF_UNIX.into(), libc::SOCK_STREAM.into(), 0, ends, 0, 0])
        }
        "make an event counter" => call(libc::SYS_eventfd2, [0; 6]),
        "make a poll set" => call(libc::SYS_epoll_create1, [0; 6]),
        "make a signal's descriptor" => {
            let none = 0u64;
            call(libc::SYS_signalfd4, [-1, std::ptr::from_ref(&none) as i64, 8, 0, 0, 0])
        }
        "duplicate a descriptor" => call(libc::SYS_fcntl, [buffer, libc::F_DUPFD_CLOEXEC.into(), 0, 0, 0, 0]),
        "enlarge a socket's buffer" => {
            let size = 1i32 << 30;
            let size = std::ptr::from_ref(&size) as i64;
            call(libc::SYS_setsockopt, [buffer, libc::SOL_SOCKET.into(), libc::SO_SNDBUF.into(), size, 4, 0])
        }
        "keep a key" => {
            let (kind, name) = (address(c"user"), address(c"relobox-attempt"));
            call(libc::SYS_add_key, [kind, name, address(c"x"), 1, libc::KEY_SPEC_PROCESS_KEYRING.into(), 0])
        }
        "take a lock that inherits priorities" => futex(libc::FUTEX_LOCK_PI),
        "requeue futexes" => futex(libc::FUTEX_CMP_REQUEUE),
        // For no futexes, which is EINVAL where the call is allowed.
        "wait for several futexes" => call(libc::SYS_futex_waitv, [0; 6]),
        "queue a signal" => {
            let mut info = [0u64; 16];
            let info = info.as_mut_ptr() as i64;
            call(libc::SYS_rt_sigqueueinfo, [parent, 0, info, 0, 0, 0])
        }
        "read ahead of a file" => call(libc::SYS_readahead, [buffer, 0, 4096, 0, 0, 0]),
        _ => return Tried::Unknown,
    };
    match result {
        Ok(_) => Tried::Allowed,
        Err(errno) => Tried::Refused(errno),
    }
}

/// Calls futex(2) with an operation other than wait and wake.
fn futex(operation: i32) -> Result<i64, i32> {
    let word = 0u32;
    let at = std::ptr::from_ref(&word) as i64;
    call(libc::SYS_futex, [at, operation.into(), 0, 0, at, 0])
}

const WRITABLE: i32 = libc::PROT_READ | libc::PROT_WRITE;
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
    use std::os::fd::AsFd as _;

    /// Outside of a linking process, where they are allowed, the attempts succeed.
    #[test]
    fn what_a_test_may_do_is_allowed() {
        let buffer = relobox_core::memfd::room(4096).unwrap();
        let attempt = |what| super::attempt(what, std::process::id() as i32, buffer.as_fd());
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
            "make a file in memory",
            "map a buffer to be shared",
            "map shared memory",
            "map a stack that grows",
            "map more than it may write",
            "map more than it may",
            "keep what it wrote as constants",
            "move memory and keep its place",
            "make a pipe",
            "make a pair of sockets",
            "make an event counter",
            "make a poll set",
            "make a signal's descriptor",
            "duplicate a descriptor",
            "take a lock that inherits priorities",
            "requeue futexes",
        ] {
            assert_eq!(attempt(what), Tried::Allowed, "{what}");
        }
        for (what, errno) in [
            ("read the parent's memory", libc::EFAULT),
            ("wait for several futexes", libc::EINVAL),
            ("make a buffer larger", libc::EPERM),
            ("write past a buffer's end", libc::EPERM),
        ] {
            assert_eq!(attempt(what), Tried::Refused(errno), "{what}");
        }
        assert_eq!(attempt("fly"), Tried::Unknown);
    }
}
