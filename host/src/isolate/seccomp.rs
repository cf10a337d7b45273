//! The system calls that are left.

use super::Fault;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
};
use std::collections::BTreeMap;

/// What computing, reading the file and answering take.
const COMPUTING: &[i64] = &[
    // The socket, and memfds: a module's file, long messages, areas' bytes.
    libc::SYS_recvmsg,
    libc::SYS_sendmsg,
    libc::SYS_read,
    libc::SYS_pread64,
    libc::SYS_write,
    libc::SYS_lseek,
    libc::SYS_fstat,
    libc::SYS_ftruncate,
    libc::SYS_memfd_create,
    libc::SYS_close,
    // Memory; mmap and mprotect have conditions.
    libc::SYS_brk,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    // The runtime, traps, the end.
    libc::SYS_futex,
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

/// What starting, watching and ending jobs takes besides.
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

/// What nothing in here ever tries: whoever does is not what it was.
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
    // Files by other ways than open, which libraries probe and which is an error.
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

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// For the zygote, and so for all that it starts.
pub(super) fn zygote() -> Result<(), Fault> {
    let mut rules = computing(true)?;
    rules.extend(STARTING.iter().map(|call| (*call, Vec::new())));
    let deadly = DEADLY.iter().map(|call| (*call, Vec::new())).collect();
    apply(deadly, SeccompAction::Allow, SeccompAction::KillProcess)?;
    apply(rules, REFUSE, SeccompAction::Allow)
}

/// For a job, which may still make executable memory if `compiling`.
pub(super) fn job(compiling: bool) -> Result<(), Fault> {
    let mut rules = computing(compiling)?;
    if compiling {
        // For the filter that ends it.
        rules.insert(libc::SYS_seccomp, Vec::new());
        rules.insert(libc::SYS_prctl, vec![rule(vec![is(0, libc::PR_SET_NO_NEW_PRIVS)?])?]);
    }
    apply(rules, REFUSE, SeccompAction::Allow)
}

const REFUSE: SeccompAction = SeccompAction::Errno(libc::EPERM as u32);

fn computing(code: bool) -> Result<Rules, Fault> {
    let mut rules: Rules = COMPUTING.iter().map(|call| (*call, Vec::new())).collect();
    let memory = match code {
        true => Vec::new(),
        false => vec![rule(vec![lacks(2, libc::PROT_EXEC)?])?],
    };
    rules.insert(libc::SYS_mmap, memory.clone());
    rules.insert(libc::SYS_mprotect, memory);
    let fcntl = [libc::F_GETFD, libc::F_ADD_SEALS, libc::F_GET_SEALS];
    let fcntl: Result<Vec<_>, Fault> = fcntl.into_iter().map(|command| rule(vec![is(1, command)?])).collect();
    rules.insert(libc::SYS_fcntl, fcntl?);
    Ok(rules)
}

fn rule(conditions: Vec<SeccompCondition>) -> Result<SeccompRule, Fault> {
    SeccompRule::new(conditions).map_err(|e| fault(&e))
}

fn is(argument: u8, value: i32) -> Result<SeccompCondition, Fault> {
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, value as u64).map_err(|e| fault(&e))
}

fn lacks(argument: u8, bits: i32) -> Result<SeccompCondition, Fault> {
    let op = SeccompCmpOp::MaskedEq(bits as u64);
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, op, 0).map_err(|e| fault(&e))
}

fn apply(rules: Rules, otherwise: SeccompAction, named: SeccompAction) -> Result<(), Fault> {
    let arch = std::env::consts::ARCH.try_into().map_err(|e: seccompiler::BackendError| fault(&e))?;
    let filter = SeccompFilter::new(rules, otherwise, named, arch).map_err(|e| fault(&e))?;
    let program: BpfProgram = filter.try_into().map_err(|e: seccompiler::BackendError| fault(&e))?;
    seccompiler::apply_filter(&program).map_err(|e| fault(&e))
}

fn fault(error: &dyn std::fmt::Display) -> Fault {
    Fault::Start { step: "filter system calls", reason: error.to_string() }
}
