//! The linking process gives up its rights in steps. In the workshop, which may have to compile guests, the zygote first
//! gives up all files but the cache of compiled code. Before the first job, every zygote gives up all that it does not
//! need to start jobs; from then on, no memory can become executable, because the code of the guests is mapped already.
//! Each job gives up all that it does not need to compute and to answer.
//!
//! A forbidden system call has one of two results. A call that an honest linking process never makes kills the process.
//! A call that libraries may try returns an error.

use crate::system::never_executable;
use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible as _, PathBeneath, PathFd, Ruleset,
    RulesetAttr as _, RulesetCreatedAttr as _, RulesetStatus, Scope,
};
use relobox_core::limits;
use relobox_core::linker_error::LinkerError;
use rustix::process::{DumpableBehavior, Pid, Resource, Rlimit, Signal};
use rustix::thread::{CapabilitySet, CapabilitySets};
use std::path::Path;

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
#[path = "seccomp.rs"]
mod seccomp;

/// On other architectures, no linking process starts: there is no filter of system calls, and landlock alone is not
/// enough.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
mod seccomp {
    use crate::LinkerError;
    fn none() -> Result<(), LinkerError> {
        Err(LinkerError::Start { step: "filter system calls", reason: "not implemented for this architecture".into() })
    }
    pub(super) fn zygote() -> Result<(), LinkerError> {
        none()
    }
    pub(super) fn job() -> Result<(), LinkerError> {
        none()
    }
}

/// The users `nobody` and `nogroup`, which own nothing.
const NOBODY: (u32, u32) = (65534, 65534);

/// The newest version of landlock that this code was written for. Older kernels enforce what they support.
const LANDLOCK: ABI = ABI::V6;

/// Restricts access to files to those below `directory`, or to none. Returns true if this kernel enforces all of it.
///
/// # Errors
/// [`LinkerError::Start`] if the kernel refuses the rules, or the directory cannot be opened.
pub fn files(directory: Option<&Path>) -> Result<bool, LinkerError> {
    let fail = |e: &dyn std::fmt::Display| LinkerError::Start { step: "give up files", reason: e.to_string() };
    let ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(LANDLOCK))
        .and_then(|r| r.handle_access(AccessNet::from_all(LANDLOCK)))
        .and_then(|r| r.scope(Scope::from_all(LANDLOCK)))
        .and_then(|r| r.create())
        .map_err(|e| fail(&e))?;
    let status = match directory {
        None => ruleset.restrict_self(),
        Some(directory) => {
            let access: BitFlags<AccessFs> = AccessFs::ReadFile
                | AccessFs::ReadDir
                | AccessFs::WriteFile
                | AccessFs::MakeReg
                | AccessFs::RemoveFile
                | AccessFs::Truncate;
            let directory = PathFd::new(directory).map_err(|e| fail(&e))?;
            ruleset.add_rule(PathBeneath::new(directory, access)).and_then(|r| r.restrict_self())
        }
    };
    Ok(status.map_err(|e| fail(&e))?.ruleset == RulesetStatus::FullyEnforced)
}

/// Gives up user, groups, capabilities, files, and every system call that is not needed to start jobs. The zygote calls
/// this before the first job. Returns true if this kernel enforces all of it.
pub(crate) fn zygote() -> Result<bool, LinkerError> {
    for capability in CapabilitySet::all().iter() {
        // This fails without CAP_SETPCAP, but exec is refused anyway. It also fails for capabilities that are unknown
        // here.
        let _ = rustix::thread::remove_capability_from_bounding_set(capability);
    }
    if rustix::process::geteuid().is_root() {
        let step = |r: rustix::io::Result<()>| r.map_err(LinkerError::step("change to user nobody"));
        let (group, user) = (rustix::process::Gid::from_raw(NOBODY.1), rustix::process::Uid::from_raw(NOBODY.0));
        step(rustix::thread::set_thread_groups(&[]))?;
        step(rustix::thread::set_thread_res_gid(group, group, group))?;
        step(rustix::thread::set_thread_res_uid(user, user, user))?;
    }
    let _ = rustix::thread::clear_ambient_capability_set();
    let none = CapabilitySet::empty();
    let sets = CapabilitySets { effective: none, permitted: none, inheritable: none };
    rustix::thread::set_capabilities(None, sets).map_err(LinkerError::step("drop capabilities"))?;
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .map_err(LinkerError::step("make its memory undumpable"))?;
    limit(&[
        (Resource::Core, 0),
        (Resource::Memlock, 0),
        (Resource::Msgqueue, 0),
        (Resource::Fsize, limits::LINKED),
        (Resource::Nofile, limits::DESCRIPTORS),
        (Resource::As, limits::ADDRESS_SPACE),
        (Resource::Data, limits::LINKING),
        // The stack counts as address space, but not as data.
        (Resource::Stack, limits::LINKING_STACK),
    ])?;
    let whole = files(None)?;
    never_executable();
    seccomp::zygote()?;
    Ok(whole)
}

/// Restricts a job, before it reads its first byte. Afterwards the job cannot start a process, it ends when the zygote
/// ends, and it keeps only the system calls for computing and answering.
pub(crate) fn job(zygote: Pid) -> Result<(), LinkerError> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(LinkerError::step("set its parent-death signal"))?;
    // The zygote may have died just before.
    if rustix::process::getppid() != Some(zygote) {
        return Err(LinkerError::Gone);
    }
    limit(&[(Resource::Nproc, 0), (Resource::Cpu, limits::COMPUTING)])?;
    seccomp::job()
}

/// Gives up at once what a zygote and its job give up. It is for a process that does one task and then ends.
///
/// # Errors
/// [`LinkerError::Start`] if the kernel refuses a step.
pub fn alone() -> Result<(), LinkerError> {
    rustix::thread::set_no_new_privs(true).map_err(LinkerError::step("give up new privileges"))?;
    zygote()?;
    limit(&[(Resource::Nproc, 0), (Resource::Cpu, limits::COMPUTING)])?;
    seccomp::job()
}

fn limit(resources: &[(Resource, u64)]) -> Result<(), LinkerError> {
    for (resource, most) in resources {
        // Keep a limit that is lower already. Only a privileged process may raise a hard limit.
        let most = rustix::process::getrlimit(*resource).current.map_or(*most, |limit| limit.min(*most));
        let limit = Rlimit { current: Some(most), maximum: Some(most) };
        rustix::process::setrlimit(*resource, limit).map_err(LinkerError::step("limit its resources"))?;
    }
    Ok(())
}
