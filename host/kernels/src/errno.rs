//! Turns the errors of finit_module(2) and delete_module(2) into a [`KernelError`].
//!
//! One error number can have several causes. The kernel's log, /proc and /sys often tell which one it was; where they
//! do not, the message names all that are possible.

use super::log::Log;
use super::proc::System;
use relobox_core::kernel::{KernelError, Stage};
use rustix::io::Errno;

/// What is known about a load that failed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attempt<'a> {
    /// The module's name.
    pub(crate) name: &'a str,
    /// Its arguments.
    pub(crate) args: &'a str,
    /// True if the kernel was given a compressed file.
    pub(crate) packed: bool,
    /// True if the device saw the kernel reach the module's last section. Then a parameter, sysfs or init failed.
    pub(crate) finalized: bool,
}

/// Explains the error of finit_module(2) for `attempt`.
///
/// `log` has the kernel's messages since the load began, and `system` the current state of /proc and /sys.
pub(crate) fn of_load(error: Errno, attempt: Attempt<'_>, log: &Log, system: &System) -> KernelError {
    let Attempt { name, args, packed, finalized } = attempt;
    let errno = -error.raw_os_error();
    if let Some(argument) = log.refused_parameter(name).filter(|_| !args.is_empty()) {
        return KernelError::Argument { argument, errno };
    }
    if !finalized
        && matches!(error, Errno::PERM | Errno::NOSYS)
        && let Some(failure) = forbidden(error, "load", system)
    {
        return failure;
    }
    if let Some(text) = log.refusal(name) {
        return KernelError::Refused(text);
    }
    if !finalized {
        match error {
            Errno::EXIST if system.listed(name).is_some() => return KernelError::Exists { name: name.to_owned() },
            Errno::KEYREJECTED | Errno::NOKEY => {
                return KernelError::Refused(format!(
                    "its signature is not accepted: {}",
                    relobox_core::kernel::error_text(errno)
                ));
            }
            Errno::OPNOTSUPP | Errno::INVAL if packed && system.compression().is_none() => {
                return KernelError::Refused("it does not decompress modules: decompress the file first".into());
            }
            _ => {}
        }
    }
    let mut others = Vec::new();
    if !args.is_empty() && !log.complete {
        others.push("a parameter did not take its value".to_owned());
    }
    let packing =
        || format!("it could not be decompressed (this kernel knows {})", system.compression().unwrap_or_default());
    others.extend(match error {
        Errno::NOMEM => Some("the kernel had no memory for it".to_owned()),
        _ if finalized => match error {
            Errno::EXIST | Errno::INVAL | Errno::BUSY | Errno::NOENT | Errno::NOEXEC if !log.complete => {
                Some("the kernel refused it".to_owned())
            }
            _ => None,
        },
        Errno::PERM | Errno::ACCESS => Some("a security module, or a filter of system calls, refused it".to_owned()),
        Errno::NOSYS => Some("a filter of system calls refused it".to_owned()),
        Errno::EXIST => Some("a module of that name was there, and has gone since".to_owned()),
        Errno::BUSY => Some("another load of it had just failed".to_owned()),
        Errno::NOEXEC => Some("the kernel does not take the file".to_owned()),
        Errno::BADMSG | Errno::NOPKG => Some("its signature could not be read".to_owned()),
        Errno::OPNOTSUPP | Errno::INVAL if packed => Some(packing()),
        Errno::INVAL | Errno::NOENT if !log.complete => Some("the kernel refused it".to_owned()),
        Errno::INTR => Some("the load was interrupted".to_owned()),
        _ => None,
    });
    match others.is_empty() {
        true => KernelError::Init { errno },
        false => KernelError::Unclear { errno, other: others.join(", or ") },
    }
}

/// Explains the error of delete_module(2).
pub(crate) fn of_removal(error: Errno, name: &str, system: &System) -> KernelError {
    let name = name.to_owned();
    let listed = system.listed(&name);
    match error {
        Errno::NOENT => KernelError::Unknown { name },
        // EWOULDBLOCK: other modules or processes use it.
        Errno::AGAIN => {
            let (users, count) = listed.map(|(module, _)| (module.users, module.use_count)).unwrap_or_default();
            KernelError::InUse { name, users, count }
        }
        // The module is not live, or it has no exit function.
        Errno::BUSY => {
            let stage = system.stage(&name).filter(|stage| *stage != Stage::Live);
            match (stage, listed) {
                (None, Some((module, true))) if module.live => KernelError::Permanent { name },
                // Without a stage, the module became live or disappeared after delete_module was called.
                _ => KernelError::NotLive { name, stage },
            }
        }
        Errno::PERM => forbidden(error, "remove", system).unwrap_or_else(|| {
            KernelError::NotAllowed("a security module, or a filter of system calls, refused to remove modules".into())
        }),
        Errno::NOSYS => KernelError::NotAllowed(
            "this kernel removes no modules (it is built without CONFIG_MODULE_UNLOAD), or a filter of system calls \
             refused it"
                .into(),
        ),
        e => KernelError::Refused(format!("delete_module: {}", relobox_core::kernel::error_text(-e.raw_os_error()))),
    }
}

/// Explains why this process may not load or remove any module, if /proc shows a reason.
pub(crate) fn forbidden(error: Errno, what: &str, system: &System) -> Option<KernelError> {
    let text = match error {
        Errno::NOSYS if system.modules().is_err() => {
            "there is no /proc/modules: this kernel is built without CONFIG_MODULES".into()
        }
        Errno::NOSYS => return None,
        _ if system.modules_disabled() => {
            format!("kernel.modules_disabled is 1: this kernel does not {what} modules until the next boot")
        }
        _ if what == "load" && system.strict() => {
            "the device is strict: the kernel loads only what relobox has relocated ('--kernel device')".into()
        }
        _ if system.may_load() == Some(false) => format!("a process needs CAP_SYS_MODULE to {what} modules"),
        _ => return None,
    };
    Some(KernelError::NotAllowed(text))
}

#[cfg(test)]
mod tests {
    use super::super::proc::tests::{Files, MODULES};
    use super::*;

    const ROOT: (&str, &str) = ("proc/thread-self/status", "CapEff:\t000001ffffffffff\n");

    fn usual() -> Files {
        Files::new(&[
            ROOT,
            ("proc/modules", MODULES),
            ("proc/sys/kernel/modules_disabled", "0\n"),
            ("sys/module/compression", "xz\n"),
            ("sys/module/slow/initstate", "coming\n"),
            ("sys/module/gone/initstate", "going\n"),
            ("sys/module/stays/initstate", "live\n"),
            ("sys/module/xfs/initstate", "live\n"),
        ])
    }

    fn said(lines: &[&str]) -> Log {
        Log { lines: lines.iter().map(|line| (*line).to_owned()).collect(), complete: true }
    }

    /// The original file, without arguments.
    const VET: Attempt<'_> = Attempt { name: "victim", args: "", packed: false, finalized: false };
    const DEVICE: Attempt<'_> = Attempt { finalized: true, ..VET };

    fn load(error: Errno, attempt: Attempt<'_>, log: &Log) -> KernelError {
        of_load(error, attempt, log, &usual().system())
    }

    /// These errors can come from init or from a parameter. The log decides.
    #[test]
    fn a_parameter_is_told_from_init() {
        let refused = |value: &str, how: &str, name: &str| {
            said(&[
                "victim: loading out-of-tree module taints kernel.",
                &format!("victim: `{value}' {how} for parameter `{name}'"),
            ])
        };
        for (error, args, how, name) in [
            (Errno::INVAL, "num=abc", "invalid", "num"),
            (Errno::NOSPC, "buf=toolong", "too large", "buf"),
            (Errno::RANGE, "us=70000", "invalid", "us"),
            (Errno::DOM, "oddv=2", "invalid", "oddv"),
            (Errno::NOSYS, "late=1", "invalid", "late"),
        ] {
            let value = args.split('=').nth(1).unwrap();
            for attempt in [VET, DEVICE] {
                let attempt = Attempt { args, ..attempt };
                let expected = KernelError::Argument { argument: name.into(), errno: -error.raw_os_error() };
                assert_eq!(load(error, attempt, &refused(value, how, name)), expected);
                // The log names no parameter, so it was init. (A filter of system calls also returns ENOSYS.)
                let init = load(error, attempt, &said(&[]));
                match error {
                    Errno::NOSYS if !attempt.finalized => assert_eq!(init.kind(), "load-failed"),
                    _ => assert_eq!(init, KernelError::Init { errno: -error.raw_os_error() }),
                }
                // The log cannot be read: the message names both causes.
                let text = load(error, attempt, &Log::default()).to_string();
                assert!(text.contains("init returned that, or a parameter did not take its value"), "{text}");
            }
        }
    }

    #[test]
    fn without_arguments_no_parameter_is_at_fault() {
        for attempt in [VET, DEVICE] {
            assert_eq!(load(Errno::NODEV, attempt, &Log::default()), KernelError::Init { errno: -19 });
        }
        // If the log is complete, EINVAL comes from init. Otherwise the loader has many reasons for it.
        assert_eq!(load(Errno::INVAL, VET, &said(&[])), KernelError::Init { errno: -22 });
        for attempt in [VET, DEVICE] {
            let failure = load(Errno::INVAL, attempt, &Log::default());
            assert_eq!(
                (failure.kind(), failure.to_string().contains("or the kernel refused it")),
                ("load-failed", true)
            );
        }
        assert_eq!(load(Errno::NOMEM, DEVICE, &said(&[])).kind(), "load-failed");
    }

    #[test]
    fn errors_of_the_loader_are_not_taken_for_errors_of_init() {
        for (error, line) in [
            (Errno::NOENT, "victim: Unknown symbol nothing (err -2)"),
            (Errno::INVAL, "victim: disagrees about version of symbol module_layout"),
            (Errno::NOEXEC, "victim: version magic '5.4 SMP ' should be '6.1 SMP '"),
            (Errno::PERM, "Lockdown: insmod: unsigned module loading is restricted; see man kernel_lockdown.7"),
        ] {
            let failure = load(error, VET, &said(&[line]));
            let KernelError::Refused(text) = &failure else { panic!("{failure:?}") };
            assert!(line.ends_with(text.as_str()), "{text}");
        }
        // The device saw the load pass all those checks.
        assert_eq!(load(Errno::EXIST, DEVICE, &said(&[])), KernelError::Init { errno: -17 });
        assert_eq!(load(Errno::PERM, DEVICE, &said(&[])), KernelError::Init { errno: -1 });
        assert_eq!(load(Errno::BUSY, DEVICE, &said(&[])), KernelError::Init { errno: -16 });
        // With vet, both causes remain possible.
        for error in [Errno::EXIST, Errno::PERM, Errno::BUSY, Errno::NOEXEC, Errno::NOMEM, Errno::BADMSG, Errno::ACCESS]
        {
            let failure = load(error, VET, &said(&[]));
            assert_eq!(failure.kind(), "load-failed", "{failure}");
            assert!(failure.to_string().contains("init returned that, or "), "{failure}");
        }
        let listed = Attempt { name: "xfs", ..VET };
        assert_eq!(load(Errno::EXIST, listed, &said(&[])), KernelError::Exists { name: "xfs".into() });
        assert_eq!(load(Errno::KEYREJECTED, VET, &said(&[])).kind(), "refused");
    }

    #[test]
    fn a_kernel_without_decompression_says_so() {
        let old = Files::new(&[ROOT, ("proc/modules", "")]);
        let packed = Attempt { packed: true, ..VET };
        for error in [Errno::OPNOTSUPP, Errno::INVAL] {
            let failure = of_load(error, packed, &said(&[]), &old.system());
            assert_eq!(
                failure.to_string(),
                "the kernel refused: it does not decompress modules: decompress the file first"
            );
            // This kernel decompresses modules: init may have returned the error, or the file has another format.
            let failure = load(error, packed, &said(&[]));
            assert!(
                failure.to_string().contains("or it could not be decompressed (this kernel knows xz)"),
                "{failure}"
            );
            assert_eq!(of_load(error, VET, &said(&[]), &old.system()).kind(), "init-failed");
        }
    }

    #[test]
    fn a_switch_is_not_a_missing_capability() {
        let off = Files::new(&[ROOT, ("proc/modules", ""), ("proc/sys/kernel/modules_disabled", "1\n")]);
        let weak = Files::new(&[("proc/thread-self/status", "CapEff:\t0\n"), ("proc/modules", "")]);
        let none = Files::new(&[ROOT]);
        let strict = Files::new(&[ROOT, ("proc/modules", ""), ("sys/module/relobox/parameters/strict", "Y\n")]);
        for (files, error, words) in [
            (&off, Errno::PERM, "kernel.modules_disabled is 1"),
            (&weak, Errno::PERM, "CAP_SYS_MODULE"),
            (&strict, Errno::PERM, "the device is strict"),
            (&none, Errno::NOSYS, "CONFIG_MODULES"),
        ] {
            let failure = of_load(error, VET, &said(&[]), &files.system());
            assert!(failure.kind() == "not-allowed" && failure.to_string().contains(words), "{failure}");
        }
        for (files, words) in [(&off, "kernel.modules_disabled is 1"), (&weak, "CAP_SYS_MODULE"), (&none, "filter")] {
            let failure = of_removal(Errno::PERM, "x", &files.system());
            assert!(failure.kind() == "not-allowed" && failure.to_string().contains(words), "{failure}");
        }
    }

    #[test]
    fn busy_is_not_permanent() {
        let remove = |error, name: &str| of_removal(error, name, &usual().system());
        let stage = |name: &str, stage| KernelError::NotLive { name: name.into(), stage };
        assert_eq!(remove(Errno::BUSY, "slow"), stage("slow", Some(Stage::Loading)));
        assert_eq!(remove(Errno::BUSY, "gone"), stage("gone", Some(Stage::Unloading)));
        assert_eq!(remove(Errno::BUSY, "stays"), KernelError::Permanent { name: "stays".into() });
        // The module became live, or disappeared, between the two questions.
        assert_eq!(remove(Errno::BUSY, "xfs"), stage("xfs", None));
        assert_eq!(remove(Errno::BUSY, "nothing"), stage("nothing", None));
        assert_eq!(remove(Errno::BUSY, "slow").to_string(), "module 'slow' is still being initialised");
        // The user is a module, or a mount.
        let used = remove(Errno::AGAIN, "libcrc32c").to_string();
        assert_eq!(used, "module 'libcrc32c' is in use by xfs, btrfs");
        let used = remove(Errno::AGAIN, "xfs").to_string();
        assert_eq!(used, "module 'xfs' is in use, by no module (use count 1)");
        assert_eq!(remove(Errno::NOENT, "x"), KernelError::Unknown { name: "x".into() });
        assert!(remove(Errno::NOSYS, "x").to_string().contains("CONFIG_MODULE_UNLOAD"));
    }
}
