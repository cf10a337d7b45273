//! The rights that the process gives up before it serves its first client.
//!
//! A system call that the filter does not name fails with EPERM. It does not kill the process, because a single system
//! call of one module would then end all of them, and a refused call does no harm. New mappings are never executable,
//! and no change makes a page writable and executable at once.

use std::collections::BTreeMap;
use std::os::fd::AsRawFd;

use rustix::process::{DumpableBehavior, Resource, Rlimit};
use rustix::thread::{CapabilitySet, CapabilitySets};
use seccompiler::{
    SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule, TargetArch,
};

use crate::error::ServeError;
use crate::limits;

fn step<T>(step: &'static str, result: rustix::io::Result<T>) -> Result<T, ServeError> {
    result.map_err(|error| ServeError::Step { step, error: error.into() })
}

/// Checks that the process has one thread. Filters and capabilities apply to a thread, so another would keep its
/// rights.
pub(crate) fn alone() -> Result<(), ServeError> {
    match std::fs::read_dir("/proc/self/task").map(Iterator::count) {
        Ok(0 | 1) => Ok(()),
        Ok(threads) => Err(ServeError::NotAlone { threads }),
        // Without /proc, this cannot be checked. The filter still applies to all threads.
        Err(_) => Ok(()),
    }
}

/// Gives up everything that is not needed to serve `listener`.
pub(crate) fn confine(listener: &impl AsRawFd) -> Result<(), ServeError> {
    // A session of its own: the terminal's interrupt is for the client, not for the kernel. This fails without harm if
    // the process leads a group already.
    let _ = rustix::process::setsid();
    step("change its directory", rustix::process::chdir("/"))?;
    step("make its memory undumpable", rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable))?;
    limit_resources(listener)?;
    drop_capabilities()?;
    step("give up new privileges", rustix::thread::set_no_new_privs(true))?;
    filter_system_calls()
}

fn limit_resources(listener: &impl AsRawFd) -> Result<(), ServeError> {
    let descriptors = listener.as_raw_fd() as u64 + 2 + limits::CONNECTIONS as u64;
    for (resource, most) in [
        (Resource::Core, 0),
        (Resource::Nproc, 0),
        (Resource::Memlock, 0),
        (Resource::Msgqueue, 0),
        (Resource::Fsize, limits::CONSOLE),
        (Resource::Nofile, descriptors),
        (Resource::As, limits::ADDRESS_SPACE),
    ] {
        // Keep a limit that is lower already. To raise a hard limit takes a privilege.
        let most = rustix::process::getrlimit(resource).maximum.map_or(most, |hard| hard.min(most));
        let limit = Rlimit { current: Some(most), maximum: Some(most) };
        step("limit its resources", rustix::process::setrlimit(resource, limit))?;
    }
    Ok(())
}

fn drop_capabilities() -> Result<(), ServeError> {
    for capability in CapabilitySet::all().iter() {
        // This fails without CAP_SETPCAP, but exec is refused anyway. It also fails for capabilities that are unknown
        // here.
        let _ = rustix::thread::remove_capability_from_bounding_set(capability);
    }
    let _ = rustix::thread::clear_ambient_capability_set();
    let none = CapabilitySet::empty();
    let sets = CapabilitySets { effective: none, permitted: none, inheritable: none };
    step("drop its capabilities", rustix::thread::set_capabilities(None, sets))
}

/// System calls that are harmless with any arguments.
const ALLOWED: &[i64] = &[
    // Serving.
    libc::SYS_poll,
    libc::SYS_ppoll,
    libc::SYS_accept4,
    libc::SYS_recvfrom,
    libc::SYS_sendto,
    libc::SYS_close,
    libc::SYS_getsockopt,
    // Memory; mmap and mprotect have conditions.
    libc::SYS_brk,
    libc::SYS_munmap,
    libc::SYS_madvise,
    // The watchdog, the fault handler, the runtime, and the end of the process.
    libc::SYS_setitimer,
    libc::SYS_rt_sigreturn,
    libc::SYS_rt_sigprocmask,
    libc::SYS_sigaltstack,
    libc::SYS_futex,
    libc::SYS_clock_gettime,
    libc::SYS_getrandom,
    libc::SYS_restart_syscall,
    libc::SYS_exit,
    libc::SYS_exit_group,
];

fn filter_system_calls() -> Result<(), ServeError> {
    let fault = |error: &dyn std::fmt::Display| ServeError::Filter { reason: error.to_string() };
    let lacks = |argument: u8, bits: i32| {
        SeccompCondition::new(argument, SeccompCmpArgLen::Dword, SeccompCmpOp::MaskedEq(bits as u64), 0)
            .and_then(|condition| SeccompRule::new(vec![condition]))
            .map_err(|error| fault(&error))
    };
    let is = |argument: u8, value: i32| {
        SeccompCondition::new(argument, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, value as u64)
            .and_then(|condition| SeccompRule::new(vec![condition]))
            .map_err(|error| fault(&error))
    };
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = ALLOWED.iter().map(|call| (*call, Vec::new())).collect();
    rules.insert(libc::SYS_mmap, vec![lacks(2, libc::PROT_EXEC)?]);
    rules.insert(libc::SYS_mprotect, vec![lacks(2, libc::PROT_EXEC)?, lacks(2, libc::PROT_WRITE)?]);
    // The console.
    rules.insert(libc::SYS_write, vec![is(0, 2)?]);
    rules.insert(libc::SYS_writev, vec![is(0, 2)?]);
    // In debug builds, the standard library calls this before it closes a descriptor.
    rules.insert(libc::SYS_fcntl, vec![is(1, libc::F_GETFD)?]);

    let refuse = SeccompAction::Errno(libc::EPERM as u32);
    let filter =
        SeccompFilter::new(rules, refuse, SeccompAction::Allow, TargetArch::x86_64).map_err(|error| fault(&error))?;
    let program: seccompiler::BpfProgram =
        filter.try_into().map_err(|error: seccompiler::BackendError| fault(&error))?;
    seccompiler::apply_filter_all_threads(&program).map_err(|error| fault(&error))
}
