//! What the errors of finit_module(2) and delete_module(2) mean. Where that cannot be known, both possibilities are said.

use super::log::Log;
use super::proc::System;
use relobox_core::kernel::{KernelError, Stage};
use rustix::io::Errno;

/// A load that failed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attempt<'a> {
    /// The module.
    pub(crate) name: &'a str,
    /// Its arguments.
    pub(crate) args: &'a str,
    /// The kernel was given a packed file.
    pub(crate) packed: bool,
    /// The device saw the kernel come to the module's last section: what failed is a parameter, sysfs, or init.
    pub(crate) finalized: bool,
}

/// What finit_module's error means for `attempt`, by what the kernel's log said meanwhile, and what /proc and /sys say now.
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
                return KernelError::Refused("it does not unpack modules: unpack the file first".into());
            }
            _ => {}
        }
    }
    let mut others = Vec::new();
    if !args.is_empty() && !log.complete {
        others.push("a parameter did not take its value".to_owned());
    }
    let packing =
        || format!("it could not be unpacked (this kernel knows {})", system.compression().unwrap_or_default());
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

/// What delete_module's error means.
pub(crate) fn of_removal(error: Errno, name: &str, system: &System) -> KernelError {
    let name = name.to_owned();
    let listed = system.listed(&name);
    match error {
        Errno::NOENT => KernelError::Unknown { name },
        // EWOULDBLOCK: others use it.
        Errno::AGAIN => {
            let (users, count) = listed.map(|(module, _)| (module.users, module.use_count)).unwrap_or_default();
            KernelError::InUse { name, users, count }
        }
        // It is not live, or has no exit function.
        Errno::BUSY => {
            let stage = system.stage(&name).filter(|stage| *stage != Stage::Live);
            match (stage, listed) {
                (None, Some((module, true))) if module.live => KernelError::Permanent { name },
                // Without a stage it was not live when it was asked, and is now, or has gone.
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

/// Why nothing may be loaded or removed here at all, if that can be seen.
pub(crate) fn forbidden(error: Errno, what: &str, system: &System) -> Option<KernelError> {
    let text = match error {
        Errno::NOSYS if system.modules().is_err() => {
            "there is no /proc/modules: this kernel is built without CONFIG_MODULES".into()
        }
        Errno::NOSYS => return None,
        _ if system.modules_disabled() => {
            format!("kernel.modules_disabled is 1: nobody can {what} modules any more until the next boot")
        }
        _ if system.may_load() == Some(false) => format!("to {what} modules a process needs CAP_SYS_MODULE"),
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

    /// init ran, or it did not: for each errno that both can be, the log decides.
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
                // The log says nothing of a parameter: it was init. (A filter of system calls says ENOSYS, too.)
                let init = load(error, attempt, &said(&[]));
                match error {
                    Errno::NOSYS if !attempt.finalized => assert_eq!(init.kind(), "load-failed"),
                    _ => assert_eq!(init, KernelError::Init { errno: -error.raw_os_error() }),
                }
                // Nobody may read it: it may be both, and that is said.
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
        // With a log of which nothing is missing, EINVAL is init's; without it, the loader has many reasons.
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
    fn what_the_loader_says_is_no_word_of_inits() {
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
        // The device has seen the load come past all that.
        assert_eq!(load(Errno::EXIST, DEVICE, &said(&[])), KernelError::Init { errno: -17 });
        assert_eq!(load(Errno::PERM, DEVICE, &said(&[])), KernelError::Init { errno: -1 });
        assert_eq!(load(Errno::BUSY, DEVICE, &said(&[])), KernelError::Init { errno: -16 });
        // Vetted, nobody can know.
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
    fn a_kernel_that_unpacks_nothing_says_so() {
        let old = Files::new(&[ROOT, ("proc/modules", "")]);
        let packed = Attempt { packed: true, ..VET };
        for error in [Errno::OPNOTSUPP, Errno::INVAL] {
            let failure = of_load(error, packed, &said(&[]), &old.system());
            assert_eq!(failure.to_string(), "the kernel refused: it does not unpack modules: unpack the file first");
            // One that does: init may have said it, or the file is packed in another way.
            let failure = load(error, packed, &said(&[]));
            assert!(failure.to_string().contains("or it could not be unpacked (this kernel knows xz)"), "{failure}");
            assert_eq!(of_load(error, VET, &said(&[]), &old.system()).kind(), "init-failed");
        }
    }

    #[test]
    fn a_switch_is_not_a_missing_capability() {
        let off = Files::new(&[ROOT, ("proc/modules", ""), ("proc/sys/kernel/modules_disabled", "1\n")]);
        let weak = Files::new(&[("proc/thread-self/status", "CapEff:\t0\n"), ("proc/modules", "")]);
        let none = Files::new(&[ROOT]);
        for (files, error, words) in [
            (&off, Errno::PERM, "kernel.modules_disabled is 1"),
            (&weak, Errno::PERM, "CAP_SYS_MODULE"),
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
        // It got live, or went, between the two questions.
        assert_eq!(remove(Errno::BUSY, "xfs"), stage("xfs", None));
        assert_eq!(remove(Errno::BUSY, "nothing"), stage("nothing", None));
        assert_eq!(remove(Errno::BUSY, "slow").to_string(), "module 'slow' is still being initialised");
        // Used by modules, or by a mount.
        let used = remove(Errno::AGAIN, "libcrc32c").to_string();
        assert_eq!(used, "module 'libcrc32c' is in use by xfs, btrfs");
        let used = remove(Errno::AGAIN, "xfs").to_string();
        assert_eq!(used, "module 'xfs' is in use, by no module (use count 1)");
        assert_eq!(remove(Errno::NOENT, "x"), KernelError::Unknown { name: "x".into() });
        assert!(remove(Errno::NOSYS, "x").to_string().contains("CONFIG_MODULE_UNLOAD"));
    }
}
