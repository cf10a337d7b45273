//! What the linking process gives up, in three steps: the zygote's files while it gets ready from what is trusted;
//! everything but starting jobs before the first of them; and in each job, everything but computing and answering. From the
//! second step on no memory becomes executable: the guests' code is there already.
//!
//! Refusals come twice: what no honest linking process ever tries kills it; for the rest, which libraries may probe,
//! there is an error.

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

/// Without a filter there is no linking process: landlock alone leaves too much.
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

/// `nobody` and `nogroup`, to whom nothing belongs.
const NOBODY: (u32, u32) = (65534, 65534);

/// The newest landlock whose meaning is known here. Older kernels do what they can.
const LANDLOCK: ABI = ABI::V6;

/// Files: those of `directory` and no others. True if this kernel does all of it.
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

/// Before the first job: user, groups, capabilities, files, and every system call that starting jobs does not take.
/// True if this kernel does all of it.
pub(crate) fn zygote() -> Result<bool, LinkerError> {
    for capability in CapabilitySet::all().iter() {
        // Fails without CAP_SETPCAP, and then exec is refused all the same; and for what this kernel does not know.
        let _ = rustix::thread::remove_capability_from_bounding_set(capability);
    }
    if rustix::process::geteuid().is_root() {
        let step = |r: rustix::io::Result<()>| r.map_err(LinkerError::step("become nobody"));
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
        .map_err(LinkerError::step("hide its memory"))?;
    limit(&[
        (Resource::Core, 0),
        (Resource::Memlock, 0),
        (Resource::Msgqueue, 0),
        (Resource::Fsize, limits::LINKED),
        (Resource::Nofile, limits::DESCRIPTORS),
        (Resource::As, limits::ADDRESS_SPACE),
        (Resource::Data, limits::LINKING),
        // Its stack counts as address space, and not as data.
        (Resource::Stack, limits::LINKING_STACK),
    ])?;
    let whole = files(None)?;
    never_executable();
    seccomp::zygote()?;
    Ok(whole)
}

/// In a job, before it sees its first byte: no more processes, an end with the zygote's, and only what computing and
/// answering take.
pub(crate) fn job(zygote: Pid) -> Result<(), LinkerError> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL)).map_err(LinkerError::step("tie its life"))?;
    // It may have died just before.
    if rustix::process::getppid() != Some(zygote) {
        return Err(LinkerError::Gone);
    }
    limit(&[(Resource::Nproc, 0), (Resource::Cpu, limits::COMPUTING)])?;
    seccomp::job()
}

/// For a process that does one thing for whoever started it, and then ends: what a zygote and its job give up, at once.
///
/// # Errors
/// If the kernel does not let it give something up.
pub fn alone() -> Result<(), LinkerError> {
    rustix::thread::set_no_new_privs(true).map_err(LinkerError::step("give up new privileges"))?;
    zygote()?;
    limit(&[(Resource::Nproc, 0), (Resource::Cpu, limits::COMPUTING)])?;
    seccomp::job()
}

fn limit(resources: &[(Resource, u64)]) -> Result<(), LinkerError> {
    for (resource, most) in resources {
        // Never more than there was: somebody may have wanted it so, and raising a hard limit would take a privilege.
        let most = rustix::process::getrlimit(*resource).current.map_or(*most, |limit| limit.min(*most));
        let limit = Rlimit { current: Some(most), maximum: Some(most) };
        rustix::process::setrlimit(*resource, limit).map_err(LinkerError::step("limit its resources"))?;
    }
    Ok(())
}
