//! What systemd forbids to udev, as the unit systemd-udevd.service of Debian's systemd 252 says it.

use anyhow::{Context, Result, ensure};
use relobox_needs::ran;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
};
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::process::CommandExt as _;
use std::process::Command;

/// `SystemCallFilter=`
const ALLOWED: [&str; 4] = ["@system-service", "@module", "@raw-io", "bpf"];

/// `SystemCallFilter=~`
const NOT_ALLOWED: &str = "@clock";

/// What some versions of systemd count among the calls of a service, and some do not.
const SANDBOX: [&str; 4] = ["landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self", "seccomp"];

/// The families of `RestrictAddressFamilies=`: AF_UNIX, AF_NETLINK, AF_INET, AF_INET6.
const FAMILIES: [i32; 4] = [libc::AF_UNIX, libc::AF_NETLINK, libc::AF_INET, libc::AF_INET6];

/// The names of the system calls in a set, as systemd has it.
fn names(set: &str, found: &mut BTreeSet<String>) -> Result<()> {
    for line in ran(Command::new("systemd-analyze").args(["syscall-filter", set]))?.lines().skip(1) {
        match line.trim() {
            comment if comment.is_empty() || comment.starts_with('#') => {}
            set if set.starts_with('@') => names(set, found)?,
            name => _ = found.insert(name.to_owned()),
        }
    }
    Ok(())
}

/// The numbers of system calls on this architecture, by name, as the C library's header has them.
fn numbers() -> Result<BTreeMap<String, i64>> {
    let header = "#include <sys/syscall.h>\n";
    let directory = tempfile::tempdir()?;
    let file = directory.path().join("calls.c");
    std::fs::write(&file, header)?;
    let text = ran(Command::new("cc").args(["-E", "-dM"]).arg(&file))?;
    let number = |line: &str| {
        let (name, number) = line.strip_prefix("#define __NR_")?.split_once(' ')?;
        Some((name.to_owned(), number.trim().parse().ok()?))
    };
    Ok(text.lines().filter_map(number).collect())
}

/// The filters: each has to allow a call. `sandbox` says whether [`SANDBOX`] is allowed.
fn filters(sandbox: bool) -> Result<Vec<BpfProgram>> {
    let numbers = numbers()?;
    let mut allowed = BTreeSet::new();
    for set in ALLOWED {
        match set.starts_with('@') {
            true => names(set, &mut allowed)?,
            false => _ = allowed.insert(set.to_owned()),
        }
    }
    let mut refused = BTreeSet::new();
    names(NOT_ALLOWED, &mut refused)?;
    allowed.retain(|call| !refused.contains(call));
    for call in SANDBOX {
        if sandbox {
            allowed.insert(call.to_owned());
        } else {
            allowed.remove(call);
        }
    }
    ensure!(allowed.contains("finit_module") && !allowed.contains("mount"), "{allowed:?}");
    let allowed = allowed.iter().filter_map(|name| Some((*numbers.get(name)?, Vec::new()))).collect();
    let (refuse, allow) = (SeccompAction::Errno(libc::EPERM as u32), SeccompAction::Allow);
    let arch = std::env::consts::ARCH.try_into()?;
    let compile = |rules, otherwise, named| -> Result<BpfProgram> {
        Ok(SeccompFilter::new(rules, otherwise, named, arch)?.try_into()?)
    };
    // `MemoryDenyWriteExecute=`, `RestrictAddressFamilies=` and `LockPersonality=`: what is named is refused.
    let rule = |conditions| SeccompRule::new(conditions).map(|rule| vec![rule]);
    let masked = |argument, mask: i32| {
        let op = SeccompCmpOp::MaskedEq(mask as u64);
        SeccompCondition::new(argument, SeccompCmpArgLen::Dword, op, mask as u64)
    };
    let other = |family: &i32| SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Ne, *family as u64);
    let named = |name: &str| numbers.get(name).copied().with_context(|| format!("no call {name}"));
    let refused = BTreeMap::from([
        (named("mmap")?, rule(vec![masked(2, libc::PROT_WRITE | libc::PROT_EXEC)?])?),
        (named("mprotect")?, rule(vec![masked(2, libc::PROT_EXEC)?])?),
        (named("pkey_mprotect")?, rule(vec![masked(2, libc::PROT_EXEC)?])?),
        (named("shmat")?, rule(vec![masked(2, libc::SHM_EXEC)?])?),
        (named("socket")?, rule(FAMILIES.iter().map(other).collect::<Result<_, _>>()?)?),
        (named("personality")?, Vec::new()),
        (named("sethostname")?, Vec::new()),
        (named("setdomainname")?, Vec::new()),
    ]);
    // In this order, since the last one may refuse to set another.
    let refused = compile(refused, allow.clone(), refuse.clone())?;
    Ok(vec![refused, compile(allowed, refuse, allow)?])
}

/// Restricts a command as systemd restricts udev. `sandbox` says whether landlock and seccomp(2) are allowed.
#[allow(unsafe_code, reason = "no safe interface")]
pub(crate) fn restrict(command: &mut Command, sandbox: bool) -> Result<()> {
    /// `PR_SET_MDWE` and `PR_MDWE_REFUSE_EXEC_GAIN` of linux/prctl.h.
    const SET_MDWE: i32 = 65;
    const REFUSE_EXEC_GAIN: libc::c_ulong = 1;
    let filters = filters(sandbox)?;
    let confine = move || {
        let fault = |error: seccompiler::Error| std::io::Error::other(error.to_string());
        // SAFETY: there are no pointers.
        if unsafe { libc::prctl(SET_MDWE, REFUSE_EXEC_GAIN, 0, 0, 0) } != 0 {
            return Err(std::io::Error::last_os_error());
        }
        filters.iter().try_for_each(|filter| seccompiler::apply_filter(filter).map_err(fault))
    };
    // SAFETY: the child makes a few system calls. It has one thread, and nothing here takes a lock of another.
    unsafe { command.pre_exec(confine) };
    Ok(())
}
