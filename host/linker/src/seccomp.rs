//! The system calls that remain allowed.

use relobox_core::linker_error::LinkerError;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
};
use std::collections::BTreeMap;

/// The system calls for computing, reading the file and answering.
const COMPUTING: &[i64] = &[
    // The socket, and the memfds that come with messages: the module's file, long messages, buffers to write to.
    libc::SYS_recvmsg,
    libc::SYS_sendmsg,
    libc::SYS_read,
    libc::SYS_pread64,
    libc::SYS_write,
    libc::SYS_pwrite64,
    libc::SYS_lseek,
    libc::SYS_fstat,
    libc::SYS_close,
    // Memory; mmap, mprotect, mremap and madvise have conditions.
    libc::SYS_brk,
    libc::SYS_munmap,
    // The runtime, traps, and the end of the process; futex has conditions.
    libc::SYS_clock_gettime,
    libc::SYS_getrandom,
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_sched_yield,
    libc::SYS_restart_syscall,
    libc::SYS_exit,
    libc::SYS_exit_group,
];

/// The additional system calls for starting, watching and ending jobs.
const STARTING: &[i64] = &[
    libc::SYS_clone,
    libc::SYS_wait4,
    libc::SYS_waitid,
    libc::SYS_pidfd_open,
    libc::SYS_pidfd_send_signal,
    libc::SYS_ppoll,
    libc::SYS_set_robust_list,
    libc::SYS_rseq,
    libc::SYS_getppid,
    libc::SYS_prlimit64,
    libc::SYS_prctl,
    libc::SYS_seccomp,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_poll,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_fork,
];

/// The system calls that an honest linking process never makes. They kill the process.
const DEADLY: &[i64] = &[
    // Other programs, processes and their memory.
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_pidfd_getfd,
    libc::SYS_kcmp,
    libc::SYS_kill,
    libc::SYS_tkill,
    // The network, and other programs' sockets.
    libc::SYS_socket,
    libc::SYS_connect,
    libc::SYS_bind,
    libc::SYS_listen,
    libc::SYS_accept,
    libc::SYS_accept4,
    // Access to files other than by open. Libraries try open, so that is only an error.
    libc::SYS_open_by_handle_at,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fsmount,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_unshare,
    libc::SYS_setns,
    // Rights.
    libc::SYS_setuid,
    libc::SYS_setresuid,
    libc::SYS_setgid,
    libc::SYS_setresgid,
    libc::SYS_setgroups,
    libc::SYS_capset,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_personality,
    // The kernel.
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_shmget,
    libc::SYS_shmat,
    libc::SYS_msgget,
    libc::SYS_semget,
    libc::SYS_mq_open,
    libc::SYS_memfd_secret,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_adjtimex,
    libc::SYS_acct,
    libc::SYS_quotactl,
];

/// The flags that a mapping may have besides `MAP_PRIVATE`. Not allowed: shared mappings and those that grow like a
/// stack, because no limit on data counts them; and huge pages, which come from another pool.
const MAPPING: i32 = libc::MAP_ANONYMOUS | libc::MAP_FIXED | libc::MAP_NORESERVE | libc::MAP_STACK;

/// The futex operations that the standard library and the C library use. Others, such as priority inheritance and
/// requeue, keep memory in the kernel and have had bugs.
const FUTEX: [i32; 3] = [libc::FUTEX_WAIT, libc::FUTEX_WAKE, libc::FUTEX_WAIT_BITSET];

/// The advice that a process may give about memory.
const ADVICE: [i32; 3] = [libc::MADV_DONTNEED, libc::MADV_HUGEPAGE, libc::MADV_POPULATE_WRITE];

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// The filter of the zygote, which all its jobs inherit.
pub(super) fn zygote() -> Result<(), LinkerError> {
    let mut rules = computing()?;
    rules.extend(STARTING.iter().map(|call| (*call, Vec::new())));
    let deadly = DEADLY.iter().map(|call| (*call, Vec::new())).collect();
    apply(deadly, SeccompAction::Allow, SeccompAction::KillProcess)?;
    // No limit counts files in memory. wasmtime can do without them, but only if the error is ENOSYS.
    let missing = BTreeMap::from([(libc::SYS_memfd_create, Vec::new())]);
    apply(missing, SeccompAction::Allow, SeccompAction::Errno(libc::ENOSYS as u32))?;
    apply(rules, REFUSE, SeccompAction::Allow)
}

/// The filter of a job.
pub(super) fn job() -> Result<(), LinkerError> {
    apply(computing()?, REFUSE, SeccompAction::Allow)
}

const REFUSE: SeccompAction = SeccompAction::Errno(libc::EPERM as u32);

fn computing() -> Result<Rules, LinkerError> {
    let mut rules: Rules = COMPUTING.iter().map(|call| (*call, Vec::new())).collect();
    // The filter before this one returns its own error for it.
    rules.insert(libc::SYS_memfd_create, Vec::new());
    // No mapping is executable.
    let map = vec![masked(3, !MAPPING, libc::MAP_PRIVATE)?, masked(2, libc::PROT_EXEC, 0)?];
    rules.insert(libc::SYS_mmap, vec![rule(map)?]);
    // Written memory must stay writable: read-only memory is no longer counted as written.
    rules.insert(libc::SYS_mprotect, vec![rule(vec![is(2, libc::PROT_READ | libc::PROT_WRITE)?])?]);
    rules.insert(libc::SYS_mremap, vec![rule(vec![is(3, libc::MREMAP_MAYMOVE)?])?]);
    let any = |argument, mask, values: &[i32]| -> Result<Vec<_>, LinkerError> {
        values.iter().map(|value| rule(vec![masked(argument, mask, *value)?])).collect()
    };
    rules.insert(libc::SYS_madvise, any(2, !0, &ADVICE)?);
    rules.insert(libc::SYS_futex, any(1, libc::FUTEX_CMD_MASK, &FUTEX)?);
    rules.insert(libc::SYS_fcntl, any(1, !0, &[libc::F_GETFD, libc::F_GET_SEALS])?);
    Ok(rules)
}

fn rule(conditions: Vec<SeccompCondition>) -> Result<SeccompRule, LinkerError> {
    SeccompRule::new(conditions).map_err(|e| fault(&e))
}

fn is(argument: u8, value: i32) -> Result<SeccompCondition, LinkerError> {
    masked(argument, !0, value)
}

/// The condition that the bits in `mask` of a 32-bit argument equal those of `value`.
fn masked(argument: u8, mask: i32, value: i32) -> Result<SeccompCondition, LinkerError> {
    let (mask, value) = (u64::from(mask as u32), u64::from(value as u32));
    let op = SeccompCmpOp::MaskedEq(mask);
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, op, value).map_err(|e| fault(&e))
}

fn apply(rules: Rules, otherwise: SeccompAction, named: SeccompAction) -> Result<(), LinkerError> {
    let arch = std::env::consts::ARCH.try_into().map_err(|e: seccompiler::BackendError| fault(&e))?;
    let filter = SeccompFilter::new(rules, otherwise, named, arch).map_err(|e| fault(&e))?;
    let program: BpfProgram = filter.try_into().map_err(|e: seccompiler::BackendError| fault(&e))?;
    match seccompiler::apply_filter(&program) {
        // A service of systemd 252 and older may make this call only by its older name, if it has a filter itself.
        Err(seccompiler::Error::Seccomp(e)) if e.kind() == std::io::ErrorKind::PermissionDenied => {
            let step = |s: &seccompiler::sock_filter| libc::sock_filter { code: s.code, jt: s.jt, jf: s.jf, k: s.k };
            crate::system::filter(&mut program.iter().map(step).collect::<Vec<_>>()).map_err(|e| fault(&e))
        }
        applied => applied.map_err(|e| fault(&e)),
    }
}

fn fault(error: &dyn std::fmt::Display) -> LinkerError {
    LinkerError::Start { step: "filter system calls", reason: error.to_string() }
}
